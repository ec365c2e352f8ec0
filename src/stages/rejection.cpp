// Rejection sampling. Each prompt is answered `samples` times; each answer passes the filters in their order, and the
// first that it does not pass is its reason; of the rest some are taken.
//
//   OUTPUT               a line for each answer that is taken, as OpenR1-Math-220k names its columns; r1 sft reads it
//   OUTPUT.rejected      a line for each that is not, with its reason
//   OUTPUT.funnel        what became of all, in numbers
//   OUTPUT.state         how far it is, for --resume
//
// Choices where the paper is silent, each an option:
//   1  All right answers are taken; --keep a prompt bounds what easy prompts flood the set with.
//   2  The languages, repetition and length that make an answer unreadable are thresholds, off by default.
//   3  A prompt's overlap with a held-out file is that of 10 words in a row [R1v2 D.1], before anything is sampled.
//   4  General prompts: an answer is right if the reward model of its set says so, --preference-min; without one, if it
//      keeps all of its prompt's rubric.
//   5  A judge (--judge) decides for every problem with a reference, also one that no rule can grade, which the paper
//      has its judge for [R1v2 Listing 4]. It sees the answers that ended, a round's at once. What it says is right is
//      right, with the reward of a right answer; what it says that cannot be read is not, and has a reason of its own.
#include "stages/rejection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <functional>
#include <numeric>

#include "base/check.h"
#include "base/manifest.h"
#include "base/progress.h"
#include "base/ranks.h"
#include "model/disk/folder.h"
#include "tasks/r1_form.h"
#include "train/needs.h"

namespace r1 {

// ---- options

OptionTable table_of(RejectionOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model").needed = true;
    table.input("--problems", o.problems, PROBLEMS_HELP);
    table.output("--output", o.output, "JSON lines to write: the answers that are taken").needed = true;
    table.input("--decontaminate", o.decontaminate, "held-out problems: prompts that overlap with them are left out");
    table.number("--decontaminate-n", o.decontaminate_n, between(1, 1000), "words in a row that are an overlap")
        .only("--decontaminate", [&o] { return !o.decontaminate.empty(); });
    table.number("--count", o.count, at_least(0), "problems, from the top of the file; 0: all");
    table.word("--rewrite", o.rewrite, {"none", "r1"},
               "r1: answers that are taken become what R1 writes, the thinking and a summary with the answer in a box");
    table.number("--samples", o.samples, between(1, 1e5), "answers to each");
    table.number("--temperature", o.temperature, between(0, 100), "of sampling; 0: the best token");
    table.number("--top-p", o.top_p, between(0, 1), "mass of the nucleus");
    table.number("--max-tokens", o.max_tokens, between(1, 1e7), "longest answer that is sampled");
    table.number("--slots", o.slots, between(0, 1e6), SLOTS_HELP).effect = Effect::nothing;
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.flag("--any-format", o.any_format, "take answers that do not keep the format, too");
    table.number("--language-min", o.language_min, between(0, 1),
                 "least share of the reasoning's words in the prompt's \"language\", else --reward-language");
    table.number("--preference-min", o.preference_min, between(0, 1),
                 "what --reward-model or --safety-model must say at least, from 0 to 1");
    table.number("--repetition-max", o.repetition_max, between(0, 1), "largest share of repeated 3-grams of tokens");
    table.number("--longest", o.longest, at_least(0), "most tokens of an answer; 0: any number");
    table.flag("--duplicates", o.duplicates, "take equal answers to a prompt more than once");
    table.number("--pass-rate-min", o.pass_rate_min, between(-1, 2), "only prompts of a larger pass rate");
    table.number("--pass-rate-max", o.pass_rate_max, between(-1, 2), "only prompts of a smaller pass rate");
    table.choice("--select", o.select, {{"all", Select::all}, {"best", Select::best}, {"random", Select::random}},
                 "all right answers, the best first, or as many at random, right or wrong, as a control");
    table.number("--keep", o.keep, at_least(0), "most answers to a prompt; 0: all");
    table.number("--save-every", o.save_every, at_least(0), "prompts between saves; 0: those of 8192 answers").effect =
        Effect::nothing;
    table.input("--judge", o.judge,
                "folder of a model that judges answers in place of the rule, where a problem has a reference");
    OptionTable judge = table_of(o.judge_options);
    for (Option& option : judge.all) option.only("--judge", [&o] { return !o.judge.empty(); });
    table.add(std::move(judge));
    table.flag("--resume", o.resume, "go on where it stopped").effect = Effect::nothing;
    table.add(table_of(o.task));
    return table;
}

static void check(const RejectionOptions& o) {
    check(o.task);
    check_given(o.problems);
}

// ---- what is taken

// The first filter that the answer does not pass, or "".
static std::string fault_of(const RejectionOptions& o, const Candidate& c) {
    if (!c.finished) return "unfinished";
    if (c.verdict && c.verdict->correctness == Correctness::unparsable) return "unparsable verdict";
    if (c.accuracy < 1) return "wrong";
    if (c.format < 1 && !o.any_format) return "format";
    if (c.language < o.language_min) return "mixed language";
    if (c.repetition > o.repetition_max) return "repetition";
    if (o.longest > 0 && c.length > o.longest) return "too long";
    return "";
}

// Of the indices of answers that ended, without those that are equal to an earlier one, `count` at random.
static std::vector<int> drawn(const RejectionOptions& o, const std::vector<Candidate>& candidates, size_t count,
                              uint32_t prompt) {
    std::vector<int> ended;
    for (int i = 0; i < int(candidates.size()); ++i) {
        const auto equal = [&](int j) { return candidates[j].text == candidates[i].text; };
        const bool again = !o.duplicates && std::any_of(ended.begin(), ended.end(), equal);
        if (candidates[i].finished && !again) ended.push_back(i);
    }
    Stream random(o.seed, Purpose::selection, prompt);
    shuffle(ended.data(), uint32_t(ended.size()), random);
    ended.resize(std::min(count, ended.size()));
    std::sort(ended.begin(), ended.end());
    return ended;
}

Selection select_answers(const RejectionOptions& o, const std::vector<Candidate>& candidates, uint32_t prompt) {
    Selection s;
    double right = 0;
    for (int i = 0; i < int(candidates.size()); ++i) {
        right += candidates[i].right();
        s.reason.push_back(fault_of(o, candidates[i]));
        const auto equal = [&](int j) { return candidates[j].text == candidates[i].text; };
        if (s.reason[i].empty() && !o.duplicates && std::any_of(s.taken.begin(), s.taken.end(), equal))
            s.reason[i] = "duplicate";
        if (s.reason[i].empty()) s.taken.push_back(i);
    }
    const double rate = right / double(std::max<size_t>(1, candidates.size()));
    const auto leave_out = [&](size_t from, const char* reason) {
        for (size_t k = from; k < s.taken.size(); ++k) s.reason[s.taken[k]] = reason;
        s.taken.resize(std::min(from, s.taken.size()));
    };
    if (!(rate > o.pass_rate_min && rate < o.pass_rate_max)) leave_out(0, "pass rate");
    if (o.select == Select::best)
        std::stable_sort(s.taken.begin(), s.taken.end(), [&](int a, int b) {
            const Candidate &x = candidates[a], &y = candidates[b];
            return x.reward != y.reward ? x.reward > y.reward : x.length < y.length;
        });
    if (o.keep > 0) leave_out(size_t(o.keep), "more than --keep");
    if (o.select != Select::random) return s;
    const std::vector<int> chosen = drawn(o, candidates, s.taken.size(), prompt);
    for (const int i : s.taken) s.reason[i] = "not drawn";
    for (const int i : chosen) s.reason[i] = "";
    s.taken = chosen;
    return s;
}

// ---- overlap with a held-out file

Overlap::Overlap(const std::vector<std::string>& held_out, int n) : n_(n) {
    for (const std::string& text : held_out)
        for (std::string& gram : grams_of(text)) grams_.push_back(std::move(gram));
    std::sort(grams_.begin(), grams_.end());
}

std::vector<std::string> Overlap::grams_of(const std::string& text) const {
    std::vector<std::string> words(1);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || byte >= 128) words.back() += char(std::tolower(byte));
        else if (!words.back().empty()) words.emplace_back();
    }
    if (words.back().empty()) words.pop_back();
    std::vector<std::string> grams;
    const size_t n = std::min(size_t(n_), words.size());
    for (size_t begin = 0; n > 0 && begin + n <= words.size(); ++begin) {
        std::string& gram = grams.emplace_back();
        for (size_t i = begin; i < begin + n; ++i) gram += words[i] + " ";
    }
    return grams;
}

bool Overlap::with(const std::string& text) const {
    const std::vector<std::string> grams = grams_of(text);
    return std::any_of(grams.begin(), grams.end(),
                       [&](const std::string& gram) { return std::binary_search(grams_.begin(), grams_.end(), gram); });
}

// ---- the funnel

namespace {

constexpr int BINS = 10;

// What became of all answers. It is JSON so that --resume finds it as it was.
struct Funnel {
    json counts = {{"prompts", 0},
                   {"overlapping", 0},
                   {"sampled", 0},
                   {"finished", 0},
                   {"right", 0},
                   {"kept", 0},
                   {"decidable", 0},
                   {"kept_tokens", 0},
                   {"rejected", json::object()},
                   {"pass_rates", std::vector<int64_t>(BINS + 1)}};

    void add(const char* key, int64_t n = 1) { counts[key] = counts[key].get<int64_t>() + n; }
    void add(const std::vector<Candidate>& candidates, const Selection& s) {
        int64_t right = 0;
        for (size_t i = 0; i < candidates.size(); ++i) {
            const Candidate& c = candidates[i];
            add("sampled");
            add("finished", c.finished);
            right += c.right();
            json& rejected = counts["rejected"];
            if (!s.reason[i].empty()) rejected[s.reason[i]] = rejected.value(s.reason[i], int64_t(0)) + 1;
        }
        for (const int i : s.taken) add("kept_tokens", candidates[i].length);
        add("prompts");
        add("right", right);
        add("kept", int64_t(s.taken.size()));
        add("decidable", right > 0 && right < int64_t(candidates.size()));
        json& bin = counts["pass_rates"][size_t(right * BINS / int64_t(candidates.size()))];
        bin = bin.get<int64_t>() + 1;
    }
    double number(const char* key) const { return counts[key].get<double>(); }
};

void print(const Funnel& f) {
    const double sampled = std::max(1.0, f.number("sampled")), prompts = std::max(1.0, f.number("prompts"));
    const auto row = [&](const std::string& name, double n) {
        std::printf("  %-18s %9.0f  %5.1f %%\n", name.c_str(), n, 100 * n / sampled);
    };
    row("sampled", f.number("sampled"));
    row("finished", f.number("finished"));
    row("right", f.number("right"));
    for (const auto& [reason, n] : f.counts["rejected"].items()) row("- " + reason, n.get<double>());
    row("kept", f.number("kept"));
    std::printf("  mean length of what is kept: %.1f tokens\n",
                f.number("kept_tokens") / std::max(1.0, f.number("kept")));
    if (f.number("overlapping") > 0) std::printf("  %.0f prompts left out: they overlap\n", f.number("overlapping"));
    std::printf("pass rates of %.0f prompts\n", f.number("prompts"));
    for (int bin = 0; bin <= BINS; ++bin) {
        const double n = f.counts["pass_rates"][size_t(bin)].get<double>();
        const std::string name = bin == BINS ? "1" : number_text(bin / double(BINS)) + " to";
        std::printf("  %-8s %6.0f  %s\n", name.c_str(), n, std::string(size_t(40 * n / prompts + 0.5), '#').c_str());
    }
    std::printf("  %.1f %% of prompts can decide anything: neither all right nor all wrong\n",
                100 * f.number("decidable") / prompts);
}

// ---- lines

// A name that belongs to these bytes alone, in the form of a UUID.
std::string uuid_of(const std::string& bytes) {
    const std::string h = sha256(bytes);
    return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) + "-" +
           h.substr(20, 12);
}

json line_of(const RejectionOptions& o, const Problem& problem, const Candidate& c, int64_t right) {
    const std::string question = problem.question(o.task.prompt_template);
    json messages = json::array();
    for (const Message& m : conversation(o.task.prompt_template, question))
        messages.push_back({{"role", m.role}, {"content", m.content}});
    const bool rewritten = o.rewrite == "r1" && !problem.kind->judged_by_model;
    const std::string language = problem.language.empty() ? o.task.language : problem.language;
    messages.push_back(
        {{"role", "assistant"}, {"content", rewritten ? in_r1_form(c.text, c.answer, language) : c.text}});
    const json& shown = problem.shown;
    json line = {{"problem", question},
                 {"solution", ""},
                 {"answer", shown.contains("reference") ? shown["reference"] : json(shown.dump())},
                 {"problem_type", problem.kind->name},
                 {"source", std::filesystem::path(o.problems).filename().string()},
                 {"uuid", uuid_of(question + "\n" + c.text)},
                 {"generations", {c.text}},
                 {"is_reasoning_complete", {c.finished}},
                 {"correctness", {c.right()}},
                 {"finish_reasons", {c.finished ? "stop" : "length"}},
                 {"correctness_count", right},
                 {"messages", messages}};
    if (!problem.language.empty()) line["language"] = problem.language;
    if (c.preference) line["preference"] = rounded(*c.preference);
    if (c.verdict) line["judge_analysis"] = c.verdict->analysis;
    return line;
}

json rejected_line(const RejectionOptions& o, const Problem& problem, const Candidate& c, const std::string& reason) {
    json line = {{"problem", problem.question(o.task.prompt_template)},
                 {"generation", c.text},
                 {"reason", reason},
                 {"accuracy", c.accuracy},
                 {"reward", rounded(c.reward)},
                 {"length", c.length},
                 {"finish_reason", c.finished ? "stop" : "length"}};
    if (c.preference) line["preference"] = rounded(*c.preference);
    if (c.verdict) {
        line["correctness"] = name_of(c.verdict->correctness);
        line["judge_analysis"] = c.verdict->analysis;
    }
    return line;
}

// What is decided on. Where a reward model rewards an answer, it is right if the model says so.
Candidate candidate_of(const RejectionOptions& o, const Task& task, const Problem& problem, const Answer& a) {
    Candidate c;
    c.text = response_of(task, a);
    c.answer = a.graded.answer.value_or("");
    c.finished = a.completion.finished;
    c.accuracy = a.graded.reward.accuracy;
    c.preference = a.graded.preference;
    if (c.preference) {
        const RewardKind kind = problem.set == "safe" ? RewardKind::safe : RewardKind::helpful;
        c.accuracy = preference_reward(kind, *c.preference) >= o.preference_min;
    }
    c.format = a.graded.reward.format;
    c.reward = a.graded.reward.total;
    c.language = a.graded.language.share;
    c.repetition = 0.0 - repetition_reward(a.completion.tokens, {3, 1});
    c.length = a.length();
    return c;
}

// ---- the judge

// What the reward has of the accuracy, as tasks/rollout.cpp adds it up.
double reward_of(const TaskOptions& o, const Candidate& c, double accuracy) {
    const double counted = o.weights.accuracy_needs_format ? accuracy * c.format : accuracy;
    const double of_rule = o.weights.accuracy_weight * counted;
    if (!o.cosine) return of_rule;
    return of_rule - o.weights.accuracy_weight * accuracy + cosine_reward(accuracy == 1, c.length, *o.cosine);
}

bool has_reference(const Problem& problem) { return problem.shown.contains("reference"); }

// The verdicts take the place of the rule's accuracy, for all answers that ended and whose problem has a reference.
void judge_round(const RejectionOptions& o, Judge& judge, std::span<const Question> questions,
                 std::vector<std::vector<Candidate>>& candidates, const SampleProgress& progress) {
    std::vector<JudgeAsk> asks;
    std::vector<Candidate*> asked;
    for (size_t i = 0; i < questions.size(); ++i) {
        const Problem& problem = questions[i].problem;
        if (!has_reference(problem)) continue;
        const std::string question = problem.question(o.task.prompt_template);
        const json& reference = problem.shown["reference"];
        for (Candidate& c : candidates[i]) {
            if (!c.finished) continue;
            asks.push_back({question, reference.is_string() ? reference.get<std::string>() : reference.dump(), c.text});
            asked.push_back(&c);
        }
    }
    const std::vector<AnswerVerdict> verdicts = judge_answers(judge, asks, progress);
    for (size_t i = 0; i < asked.size(); ++i) {
        Candidate& c = *asked[i];
        c.verdict = verdicts[i];
        const double accuracy = verdicts[i].correctness == Correctness::correct;
        c.reward += reward_of(o.task, c, accuracy) - reward_of(o.task, c, c.accuracy);
        c.accuracy = accuracy;
    }
}

// Error if there is nothing to judge.
std::unique_ptr<Judge> judge_of(const RejectionOptions& o, const std::vector<Question>& questions, const Ops& ops) {
    if (o.judge.empty()) return nullptr;
    if (std::none_of(questions.begin(), questions.end(), [](const Question& q) { return has_reference(q.problem); }))
        throw UsageError("no problem with a reference that a judge could see, --judge, leave it out");
    return make_judge(o.judge, o.judge_options, ops);
}

// ---- the files, and where they stopped

void cut_file(const std::string& path, uint64_t bytes) {
    std::error_code error;
    std::filesystem::resize_file(path, bytes, error);
    if (error) fail("cannot write the file", path, error.message() + "; check the disk");
}

struct Files {
    std::string output;
    json record;
    Funnel funnel;
    int64_t done = 0;                                         // prompts
    std::array<std::unique_ptr<LineWriter>, 2> writers = {};  // of what is kept, and of what is not

    std::string file(size_t i) const { return i == 0 ? output : output + ".rejected"; }
    std::string state() const { return output + ".state"; }

    // Cuts both files to what the state knows of. Without a state there is nothing yet to go on from.
    void resume() {
        std::error_code error;
        if (!exists(state()) && exists(output) && std::filesystem::file_size(output, error) > 0)
            fail("nothing to go on from", state(), "give --overwrite to begin anew");
        if (!exists(state())) return;
        const json saved = read_sealed(state());
        if (!saved.contains("files")) fail("no such state", state(), "give --overwrite to begin anew");
        check_same(saved["record"], record);
        for (size_t i = 0; i < 2; ++i) {
            const json& written = saved["files"][i];
            if (!exists(file(i)) ||
                sha256_of_begin(file(i), written["bytes"].get<uint64_t>()) != written["sha256"].get<std::string>())
                fail("a damaged file: its lines are not those that were written", file(i),
                     "take it from a copy, or give --overwrite to begin anew");
        }
        record = saved["record"];
        funnel.counts = saved["funnel"];
        done = saved["prompts"].get<int64_t>();
        for (size_t i = 0; i < 2 && ranks().first(); ++i) cut_file(file(i), saved["files"][i]["bytes"].get<uint64_t>());
    }
    // Rank 0 alone writes, once all have read what is there.
    void open(bool keep) {
        check_equal_on_ranks(record.dump() + std::to_string(done), "a run");
        const bool writes = ranks().first();
        if (!keep && writes) remove_file(state());  // of another run
        for (size_t i = 0; i < 2; ++i)
            writers[i] = std::make_unique<LineWriter>(writes ? file(i) : "/dev/null", keep && writes, true);
    }
    void save() {
        done_by_first([&](Packer&) { save_here(); });
    }
    void save_here() {
        json files = json::array();
        for (const auto& writer : writers) {
            writer->sync();
            files.push_back({{"bytes", writer->bytes()}, {"sha256", writer->sha256()}});
        }
        write_sealed(state(), {{"record", record}, {"prompts", done}, {"files", files}, {"funnel", funnel.counts}});
        write_file_atomically(output + ".funnel", funnel.counts.dump(2) + "\n");
    }
};

// The questions that are asked, without those that overlap with the held-out file.
std::vector<Question> questions_of(const RejectionOptions& o, const Task& task, int context, int64_t& overlapping) {
    std::vector<Question> questions = read_questions(task, o.problems, context);
    if (o.count > 0 && size_t(o.count) < questions.size()) questions.resize(size_t(o.count));
    if (o.decontaminate.empty()) return questions;
    std::vector<std::string> held_out;
    for (const Problem& p : read_problems(o.decontaminate, o.task.problems))
        held_out.push_back(p.question(o.task.prompt_template));
    const Overlap overlap(held_out, o.decontaminate_n);
    overlapping = int64_t(std::erase_if(
        questions, [&](const Question& q) { return overlap.with(q.problem.question(o.task.prompt_template)); }));
    if (questions.empty()) fail("no prompt that does not overlap", o.problems, "give other problems");
    return questions;
}

void write_prompt(const RejectionOptions& o, const Question& question, const std::vector<Candidate>& candidates,
                  Files& files) {
    const Selection s = select_answers(o, candidates, uint32_t(files.done));
    const int64_t right = std::count_if(candidates.begin(), candidates.end(), std::mem_fn(&Candidate::right));
    for (const int i : s.taken) files.writers[0]->write(line_of(o, question.problem, candidates[i], right));
    for (size_t i = 0; i < candidates.size(); ++i)
        if (!s.reason[i].empty())
            files.writers[1]->write(rejected_line(o, question.problem, candidates[i], s.reason[i]));
    files.funnel.add(candidates, s);
    ++files.done;
}

}  // namespace

// ---- the stage

void rejection(RejectionOptions o, const Device& device) {
    check(o);
    o.task.problems.keep_ungradable = !o.judge.empty();
    catch_signals();
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model);
    const Task task = make_task(o.task, o.model, folder.tokenizer);
    Files files;
    files.output = o.output;
    files.record = record_of("rejection", table_of(o));
    if (o.resume) files.resume();
    int64_t overlapping = 0;
    const std::vector<Question> questions = questions_of(o, task, folder.config.max_position_embeddings, overlapping);
    files.funnel.counts["overlapping"] = overlapping;
    const int context = longest_prompt(questions) + o.max_tokens;
    check_need(folder.config, ops, {context, 1, 0, o.slots}, &MemoryNeeds::sampling, o.model);
    const Model model = load_model(folder, ops, context);
    Sampler sampler = make_sampler(model, o.slots);
    const std::unique_ptr<Judge> judge = judge_of(o, questions, ops);
    const Preferences preferences = load_preferences(o.task.preference, ops);
    files.open(o.resume);
    files.save();

    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.top_p = o.top_p;
    sampling.max_tokens = o.max_tokens;
    sampling.seed = o.seed;
    const int64_t total = int64_t(questions.size());
    // Many prompts at a time, so that slots seldom wait for the last answers. A stop takes those that have all their
    // answers; a kill loses them alone.
    const int64_t at_once = o.save_every > 0 ? o.save_every : std::max(1, 8192 / o.samples);
    std::printf("rejection: %lld prompts x %d answers\n", static_cast<long long>(total), o.samples);
    Progress progress("rejection", total, files.done);
    while (files.done < total && !on_any_rank(stop_requested())) {
        const int64_t begin = files.done, most = std::min(total, begin + at_once);
        std::vector<Ask> asks;
        for (int64_t i = begin; i < most; ++i) asks.push_back({&questions[size_t(i)], o.samples, uint32_t(i)});
        const double started = seconds_now();
        int64_t tokens = 0;
        const auto sampled = [&](int64_t n, int64_t) {
            tokens += n;
            progress.update(begin, short_count(double(tokens) / (seconds_now() - started)) + " tokens/s");
        };
        const auto answers = checked(rollout({model, sampler, task, &preferences}, asks, sampling, sampled));
        std::vector<std::vector<Candidate>> candidates(answers.size());
        for (size_t i = 0; i < answers.size(); ++i)
            for (const Answer& a : answers[i])
                candidates[i].push_back(candidate_of(o, task, questions[size_t(begin) + i].problem, a));
        if (judge)
            judge_round(o, *judge, std::span(questions).subspan(size_t(begin), answers.size()), candidates, sampled);
        for (int64_t i = begin; i < begin + int64_t(answers.size()); ++i)
            write_prompt(o, questions[size_t(i)], candidates[size_t(i - begin)], files);
        files.save();
        const Funnel& f = files.funnel;
        char text[96];
        std::snprintf(text, sizeof text, "right %.1f %%  kept %.0f", 100 * f.number("right") / f.number("sampled"),
                      f.number("kept"));
        if (files.done < total) progress.update(files.done, text);
        else progress.finish(text);
    }
    files.save();  // a kill between writing the state and the funnel leaves an old funnel
    if (files.done < total)
        progress.note("stopped after " + std::to_string(files.done) + " prompts; what there is stands in " + o.output +
                      ". To go on: the same r1 rejection command with --resume");
    print(files.funnel);
}

}  // namespace r1
