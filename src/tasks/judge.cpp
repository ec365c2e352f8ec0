#include "tasks/judge.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/check.h"
#include "text/json_limits.h"

namespace r1 {

const char* name_of(Correctness correctness) {
    return std::array{"correct", "incorrect", "unparsable"}[size_t(correctness)];
}

const char* name_of(PairVerdict verdict) { return std::array{"A", "B", "tie", "unparsable"}[size_t(verdict)]; }

PairVerdict swapped(PairVerdict verdict) {
    if (verdict == PairVerdict::a) return PairVerdict::b;
    return verdict == PairVerdict::b ? PairVerdict::a : verdict;
}

// ---- what is asked

static constexpr std::string_view END_OF_THINKING = "</think>";

std::string_view without_thinking(std::string_view answer) {
    constexpr std::string_view open = "<answer>", close = "</answer>";
    const size_t end = answer.rfind(END_OF_THINKING);
    const std::string_view rest = trimmed(end == answer.npos ? answer : answer.substr(end + END_OF_THINKING.size()));
    const bool in_tags = rest.starts_with(open) && rest.rfind(open) == 0 && rest.ends_with(close) &&
                         rest.find(close) + close.size() == rest.size();
    return in_tags ? trimmed(rest.substr(open.size(), rest.size() - open.size() - close.size())) : rest;
}

std::string judge_question(const std::string& question, const std::string& reference, const std::string& candidate) {
    return "Is the candidate's answer correct? The reference is.\n[Question]\n" + std::string(trimmed(question)) +
           "\n[Reference]\n" + std::string(trimmed(reference)) + "\n[Candidate]\n" +
           std::string(without_thinking(candidate)) +
           "\n[End]\nReply in JSON: {\"analysis\": \"why\", \"correctness\": \"correct\" or \"incorrect\"}";
}

std::string judge_pair_question(const std::string& question, const std::string& a, const std::string& b) {
    return "Which answer is better? Neither its place nor its length counts.\n[Question]\n" +
           std::string(trimmed(question)) + "\n[Answer A]\n" + std::string(without_thinking(a)) + "\n[Answer B]\n" +
           std::string(without_thinking(b)) +
           "\n[End]\nReply in JSON: {\"analysis\": \"why\", \"better\": \"A\", \"B\" or \"tie\"}";
}

// ---- what is answered

static std::string verdict_line(const std::string& analysis, const char* key, const char* value) {
    return "{\"analysis\": " + json(analysis).dump(-1, ' ', false, json::error_handler_t::replace) + ", \"" + key +
           "\": \"" + value + "\"}";
}

std::string verdict_text(const std::string& analysis, bool correct) {
    return verdict_line(analysis, "correctness", correct ? "correct" : "incorrect");
}

std::string pair_verdict_text(const std::string& analysis, PairVerdict verdict) {
    return verdict_line(analysis, "better", name_of(verdict));
}

namespace {

constexpr size_t LONGEST = 1 << 20;    // bytes of a text that is looked at
constexpr size_t BUDGET = 16 << 20;    // bytes that are looked at in all: a text of many brackets is read many times
constexpr size_t COST_OF_A_TRY = 256;  // of reading an object, in bytes
constexpr size_t DEEPEST = 64;         // levels of brackets, as read_tree has it

// What can hold a verdict; nothing while the thought goes on.
std::string_view answer_part(std::string_view text) {
    const size_t end = text.rfind(END_OF_THINKING);
    if (end != text.npos) text.remove_prefix(end + END_OF_THINKING.size());
    if (text.size() > LONGEST || text.find("<think>") != text.npos) return {};
    return text;
}

// How many bytes from the brace on belong to its object; 0: it does not end. Signs within texts do not count.
size_t object_size(std::string_view text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\') ++i;
        else if (c == '"') in_string = !in_string;
        else if (in_string) continue;
        else if (c == '{' && ++depth > DEEPEST) return 0;
        else if (c == '}' && --depth == 0) return i + 1;
    }
    return 0;
}

// A JSON text whose strings may hold what people and models write into them: line feeds, and backslashes of LaTeX.
std::string repaired(std::string_view text) {
    std::string out;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') in_string = !in_string;
        if (in_string && static_cast<unsigned char>(c) < ' ') {
            out += c == '\n' ? "\\n" : " ";
        } else if (in_string && c == '\\' && i + 1 < text.size()) {
            const char next = text[++i];
            if (std::string_view("\"\\/bfnrtu").find(next) == std::string_view::npos) out += '\\';
            out += {'\\', next};
        } else {
            out += c;
        }
    }
    return out;
}

using Tree = nlohmann::json;

std::optional<Tree> object_of(const std::string& text) {
    try {
        Tree tree = read_tree(text, "a verdict");
        if (tree.is_object()) return tree;
    } catch (const Error&) {}
    return {};
}

// Whether an object may begin at this brace: after it stands a key, or its end. LaTeX's braces seldom pass.
bool may_begin_object(std::string_view text) {
    const size_t next = text.find_first_not_of(" \t\r\n", 1);
    return next != text.npos && (text[next] == '"' || text[next] == '}');
}

// The last object that stands in the text by itself, in no other.
std::optional<Tree> last_object(std::string_view text) {
    std::optional<Tree> last;
    size_t looked_at = 0;
    for (size_t at = text.find('{'); at != text.npos; at = text.find('{', at)) {
        if (!may_begin_object(text.substr(at))) {
            ++at;
            continue;
        }
        const size_t size = object_size(text.substr(at));
        looked_at += COST_OF_A_TRY + (size > 0 ? size : text.size() - at);
        if (looked_at > BUDGET) return {};
        const std::string_view part = text.substr(at, size);
        std::optional<Tree> object = size > 0 ? object_of(std::string(part)) : std::optional<Tree>();
        if (!object && size > 0) object = object_of(repaired(part));
        at += object ? size : 1;
        if (object) last = std::move(object);
    }
    return last;
}

std::string text_at(const Tree& object, const char* key) {
    return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : std::string();
}

// The verdict of Arena-Hard's brackets, without them; unparsable for other words.
PairVerdict verdict_of_brackets(std::string_view sign) {
    for (const char* a : {"A", "A>B", "A>>B", "B<A", "B<<A"})
        if (sign == a) return PairVerdict::a;
    for (const char* b : {"B", "B>A", "B>>A", "A<B", "A<<B"})
        if (sign == b) return PairVerdict::b;
    for (const char* tie : {"A=B", "B=A", "C", "tie"})
        if (sign == tie) return PairVerdict::tie;
    return PairVerdict::unparsable;
}

PairVerdict brackets_in(std::string_view text) {
    PairVerdict found = PairVerdict::unparsable;
    for (size_t at = text.find("[["); at != text.npos; at = text.find("[[", at + 1)) {
        const size_t end = text.substr(at, 12).find("]]");
        if (end == text.npos) continue;
        const PairVerdict verdict = verdict_of_brackets(trimmed(text.substr(at + 2, end - 2)));
        if (verdict == PairVerdict::unparsable) continue;
        if (found != PairVerdict::unparsable && found != verdict) return PairVerdict::unparsable;
        found = verdict;
    }
    return found;
}

}  // namespace

AnswerVerdict parse_verdict(std::string_view text) {
    const std::optional<Tree> object = last_object(answer_part(text));
    if (!object || !object->contains("correctness")) return {};
    const Tree& value = (*object)["correctness"];
    AnswerVerdict verdict;
    const std::string word = value.is_string() ? std::string(trimmed(value.get_ref<const std::string&>())) : "";
    if (value == true || same_word(word, "correct")) verdict.correctness = Correctness::correct;
    else if (value == false || same_word(word, "incorrect")) verdict.correctness = Correctness::incorrect;
    else return {};
    verdict.analysis = text_at(*object, "analysis");
    return verdict;
}

PairReading parse_pair_verdict(std::string_view text) {
    const std::string_view part = answer_part(text);
    const std::optional<Tree> object = last_object(part);
    if (!object || !object->contains("better")) return {brackets_in(part), ""};
    const std::string word(trimmed(text_at(*object, "better")));
    for (const PairVerdict verdict : {PairVerdict::a, PairVerdict::b, PairVerdict::tie})
        if (same_word(word, name_of(verdict))) return {verdict, text_at(*object, "analysis")};
    return {};
}

// ---- the judge

OptionTable table_of(JudgeOptions& o) {
    OptionTable table;
    table.choice("--judge-template", o.prompt_template,
                 {{"plain", PromptTemplate::plain}, {"chat", PromptTemplate::chat}},
                 "put around what the judge is asked; chat: its model's own");
    table.flag("--judge-no-opening", o.no_opening,
               "the prompt does not begin a thought, as the template of R1 and its like would");
    table.number("--judge-max-tokens", o.max_tokens, between(1, 1e7), "longest verdict, its thinking included");
    table.number("--judge-context", o.context, between(2, 1e7),
                 "tokens of a judge's prompt and verdict, at most what it reads; longer ones are unparsable");
    table.number("--judge-temperature", o.temperature, between(0, 100), "of the judge's sampling; 0: the best token");
    table.number("--judge-samples", o.samples, between(1, 1e5), "votes for each verdict; the majority has it");
    table.number("--judge-seed", o.seed, at_least(0), "chooses the judge's random numbers");
    table.number("--judge-slots", o.slots, between(0, 1e6), SLOTS_HELP).effect = Effect::nothing;
    return table;
}

std::unique_ptr<Judge> make_judge(const std::string& folder, const JudgeOptions& options, const Ops& ops) {
    std::unique_ptr<Judge> judge(new Judge{options, open_model(folder), {}, {}, {}});
    TaskOptions task;
    task.prompt_template = options.prompt_template;
    judge->task = make_task(task, folder, judge->folder.tokenizer);
    if (options.no_opening) judge->task.chat.opening.clear();
    judge->model = load_model(judge->folder, ops, options.context);
    judge->sampler = make_sampler(judge->model, options.slots);
    return judge;
}

std::vector<int> judge_prompt(const Judge& judge, const std::string& judge_question) {
    return question_tokens(judge.task, judge_question);
}

namespace {

// The index of a question for the random numbers: of its own bytes, so that nothing beside it can change its verdict.
uint32_t index_of(const std::string& question) {
    return uint32_t(std::stoul(sha256(question).substr(0, 8), nullptr, 16));
}

// votes[i] are those on questions[i] as they were written; none where the prompt leaves no room for a verdict.
std::vector<std::vector<std::string>> votes_on(Judge& judge, const std::vector<std::string>& questions,
                                               const SampleProgress& progress) {
    const JudgeOptions& o = judge.options;
    std::map<std::string_view, int> request_of;  // of each question that is asked
    std::vector<Request> requests;
    for (const std::string& question : questions) {
        if (request_of.contains(question)) continue;
        std::vector<int> prompt = judge_prompt(judge, question);
        const bool fits = int64_t(prompt.size()) < judge.model.context;
        request_of[question] = fits ? int(requests.size()) : -1;
        if (fits) requests.push_back({std::move(prompt), o.samples, index_of(question)});
    }
    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.max_tokens = o.max_tokens;
    sampling.stop = judge.task.stop;
    sampling.seed = o.seed;
    sampling.purpose = Purpose::evaluation;
    sampling.to_the_end = true;
    const auto completions = sample(judge.sampler, judge.model, requests, sampling, progress);
    std::vector<std::vector<std::string>> votes(questions.size());
    for (size_t i = 0; i < questions.size(); ++i) {
        const int request = request_of.at(questions[i]);
        if (request < 0) continue;
        for (const Completion& c : completions[size_t(request)])
            votes[i].push_back(opening(judge.task) + judge.task.tokenizer->decode(c.tokens));
    }
    return votes;
}

}  // namespace

AnswerVerdict majority(const std::vector<std::string>& votes) {
    std::vector<AnswerVerdict> read;
    int64_t lead = 0;  // of correct over incorrect
    for (const std::string& vote : votes) {
        AnswerVerdict verdict = parse_verdict(vote);
        if (verdict.correctness == Correctness::unparsable) continue;
        lead += verdict.correctness == Correctness::correct ? 1 : -1;
        read.push_back(std::move(verdict));
    }
    const Correctness winner = lead > 0 ? Correctness::correct : Correctness::incorrect;
    for (const AnswerVerdict& verdict : read)
        if (verdict.correctness == winner) return verdict;
    return {};
}

PairReading pair_majority(const std::vector<std::string>& votes) {
    std::array<int64_t, 3> count{};
    std::vector<PairReading> read;
    for (const std::string& vote : votes) {
        PairReading reading = parse_pair_verdict(vote);
        if (reading.better == PairVerdict::unparsable) continue;
        ++count[size_t(reading.better)];
        read.push_back(std::move(reading));
    }
    if (read.empty()) return {};
    const auto most = std::max_element(count.begin(), count.end());
    const bool draw = std::count(count.begin(), count.end(), *most) > 1;
    PairReading winner{draw ? PairVerdict::tie : PairVerdict(most - count.begin()), ""};
    for (const PairReading& reading : read)
        if (reading.better == winner.better) return reading;
    return winner;
}

std::vector<AnswerVerdict> judge_answers(Judge& judge, const std::vector<JudgeAsk>& asks,
                                         const SampleProgress& progress) {
    std::vector<std::string> questions;
    for (const JudgeAsk& ask : asks) questions.push_back(judge_question(ask.question, ask.reference, ask.candidate));
    std::vector<AnswerVerdict> verdicts;
    for (const auto& votes : votes_on(judge, questions, progress)) verdicts.push_back(majority(votes));
    return verdicts;
}

JudgedPair joined(const PairReading& given, const PairReading& other_way) {
    JudgedPair pair;
    pair.first = given.better;
    pair.second = swapped(other_way.better);
    pair.flipped = pair.first != pair.second;
    pair.better = pair.flipped ? PairVerdict::tie : pair.first;
    pair.analysis = given.analysis;
    return pair;
}

std::vector<JudgedPair> judge_pairs(Judge& judge, const std::vector<PairAsk>& asks, const SampleProgress& progress) {
    std::vector<std::string> questions;
    for (const PairAsk& ask : asks) {
        questions.push_back(judge_pair_question(ask.question, ask.a, ask.b));
        questions.push_back(judge_pair_question(ask.question, ask.b, ask.a));
    }
    const auto votes = votes_on(judge, questions, progress);
    std::vector<JudgedPair> pairs;
    for (size_t i = 0; i < asks.size(); ++i)
        pairs.push_back(joined(pair_majority(votes[2 * i]), pair_majority(votes[2 * i + 1])));
    return pairs;
}

}  // namespace r1
