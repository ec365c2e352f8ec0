// Evaluation on held-out problems, as the paper does it [R1v1 section 3; R1v2 D.1]: sampling, not greedy decoding, k
// answers to a problem, pass@1 as the mean over them, and the majority vote (cons@k) beside it.
#include "stages/evaluate.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/progress.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "model/disk/folder.h"
#include "reward/equations.h"
#include "stages/predictions.h"
#include "stages/win_rate.h"
#include "train/needs.h"

namespace r1 {

bool majority_is_right(const Problem& problem, const std::vector<Answer>& answers) {
    struct Vote {
        std::string answer;
        std::function<bool(std::string_view)> is_same;
        float accuracy;
        int count;
    };
    std::vector<Vote> votes;
    for (const Answer& answer : answers) {
        const Graded& g = answer.graded;
        if (!g.answer) continue;
        const auto same = [&](const Vote& vote) { return vote.answer == *g.answer || vote.is_same(*g.answer); };
        const auto found = std::find_if(votes.begin(), votes.end(), same);
        if (found != votes.end()) ++found->count;
        else if (auto is_same = problem.kind->same_as(*g.answer))
            votes.push_back({*g.answer, std::move(is_same), g.reward.accuracy, 1});
    }
    const auto fewer = [](const Vote& a, const Vote& b) { return a.count < b.count; };
    const auto best = std::max_element(votes.begin(), votes.end(), fewer);  // of equals the first
    return best != votes.end() && best->accuracy > 0;
}

namespace {

// Answers to questions, and how right each is wherever it stands: all by question.
struct Results {
    const std::vector<Question>& questions;
    std::vector<std::vector<Answer>> answers;
    std::vector<std::vector<float>> lenient;
};

constexpr double Z = 1.96;  // standard errors of a 95 % interval

// A mean over problems, and its standard error.
struct Spread {
    double sum = 0, squares = 0;
    int n = 0;
    void add(double value) {
        sum += value;
        squares += value * value;
        ++n;
    }
    double mean() const { return sum / n; }
    double error() const { return exact::sqrt(std::max(0.0, squares / n - mean() * mean()) / std::max(1, n - 1)); }
};

// What the reward model of a set says of answers to some of the problems.
std::optional<double> mean_preference(const Results& results, const std::vector<int>& chosen, const std::string& set) {
    double sum = 0, count = 0;
    for (const int i : chosen)
        for (const Answer& answer : results.answers[i]) {
            if (results.questions[i].problem.set != set || !answer.graded.preference) continue;
            sum += *answer.graded.preference;
            count += 1;
        }
    if (count == 0) return {};
    return sum / count;
}

std::vector<BestOf> best_of(const Results& results) {
    std::vector<std::vector<Scored>> by_prompt;
    for (size_t i = 0; i < results.answers.size(); ++i) {
        const Problem& problem = results.questions[i].problem;
        if (problem.set != "helpful" || !problem.has_rubric || !results.answers[i][0].graded.preference) continue;
        std::vector<Scored>& scored = by_prompt.emplace_back();
        for (const Answer& a : results.answers[i]) scored.push_back({*a.graded.preference, a.graded.reward.accuracy});
    }
    return best_of_n(by_prompt);
}

// What the answers to some of the problems come to.
Evaluation summed(const Results& results, const std::vector<int>& chosen, int k) {
    const auto& [questions, all, lenient] = results;
    Evaluation e;
    e.problems = int(chosen.size());
    e.k = k;
    double finished = 0, with_words = 0, equations_right = 0;
    Spread right_spread, length_spread, words_spread;
    for (const int i : chosen) {
        double right = 0, length = 0, words = 0;
        for (const Answer& answer : all[i]) {
            const Completion& c = answer.completion;
            const Graded& g = answer.graded;
            right += g.reward.accuracy;
            e.strict += g.reward.accuracy * g.reward.format;
            length += double(c.tokens.size());
            e.format += g.reward.format;
            e.reflective_share += g.reflective > 0;
            words += g.reflective;
            e.truncated += !c.finished;
            finished += c.finished;
            if (c.finished) e.finished_length += double(c.tokens.size());
            with_words += g.language.words > 0;
            e.language += g.language.share;
            e.mixed += g.language.words > 0 && g.language.share < MIXED_BELOW;
            const EquationCount equations = equations_in(g.text);
            e.equation_count += equations.all;
            equations_right += double(equations.right);
        }
        for (const float accuracy : lenient[i]) e.lenient += accuracy;
        right_spread.add(right / k);
        length_spread.add(length / k);
        words_spread.add(words / k);
        e.pass_at_k += right > 0;
        e.majority += majority_is_right(questions[i].problem, all[i]);
    }
    const int n = e.problems;
    const double answers = double(n) * k;
    for (double* share : {&e.pass_at_k, &e.majority}) *share /= n;
    e.pass_at_1 = right_spread.mean();
    const Interval interval = wilson_interval(e.pass_at_1, right_spread.error(), n, n * k);
    e.low = interval.low;
    e.high = interval.high;
    e.mean_length = length_spread.mean();
    e.mean_length_half = Z * length_spread.error();
    e.reflective_words = words_spread.mean();
    e.reflective_words_half = Z * words_spread.error();
    for (double* share : {&e.mixed, &e.strict, &e.lenient, &e.format, &e.reflective_share, &e.truncated})
        *share /= answers;
    e.finished_length /= std::max(1.0, finished);
    e.language /= std::max(1.0, with_words);
    e.equations = equations_right / double(std::max<int64_t>(1, e.equation_count));
    e.helpful = mean_preference(results, chosen, "helpful");
    e.safe = mean_preference(results, chosen, "safe");
    return e;
}

// Programs are run for it, so it is done in several threads.
std::vector<std::vector<float>> lenient_accuracies(const std::vector<Question>& questions,
                                                   const std::vector<std::vector<Answer>>& answers) {
    std::vector<std::vector<float>> accuracies(answers.size());
    parallel_for(int64_t(answers.size()), [&](int64_t i) {
        for (const Answer& answer : answers[i]) accuracies[i].push_back(lenient_accuracy(questions[i].problem, answer));
    });
    return accuracies;
}

// The results of each group of the first n problems, by its name and in the names' order; nothing of a single group.
std::vector<Evaluation> grouped(const Results& results, int n, int k,
                                const std::function<std::string(const Problem&)>& name_of) {
    std::map<std::string, std::vector<int>> groups;
    for (int i = 0; i < n; ++i) groups[name_of(results.questions[i].problem)].push_back(i);
    std::vector<Evaluation> evaluations;
    if (groups.size() < 2) return evaluations;
    for (const auto& [name, chosen] : groups) {
        evaluations.push_back(summed(results, chosen, k));
        evaluations.back().name = name;
    }
    return evaluations;
}

}  // namespace

Interval wilson_interval(double share, double error, int problems, int answers) {
    const double variance = share * (1 - share);
    const double n = variance > 0 ? std::min(double(answers), variance / (error * error)) : problems;
    const double middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n);
    const double half = Z / (1 + Z * Z / n) * exact::sqrt(variance / n + Z * Z / (4 * n * n));
    return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

std::vector<BestOf> best_of_n(const std::vector<std::vector<Scored>>& by_prompt) {
    std::vector<BestOf> curve;
    if (by_prompt.empty()) return curve;
    const size_t k = by_prompt[0].size();
    for (size_t n = 1; n <= k; n *= 2) {
        BestOf point;
        point.n = int(n);
        point.kl = exact::log(double(n)) - double(n - 1) / double(n);
        double blocks = 0;
        for (const std::vector<Scored>& scored : by_prompt)
            for (size_t begin = 0; begin + n <= k; begin += n) {
                const auto worse = [](const Scored& a, const Scored& b) { return a.proxy < b.proxy; };
                const auto block = scored.begin() + std::ptrdiff_t(begin);
                const Scored best = *std::max_element(block, block + std::ptrdiff_t(n), worse);  // of equals the first
                point.proxy += best.proxy;
                point.gold += best.gold;
                blocks += 1;
            }
        point.proxy /= blocks;
        point.gold /= blocks;
        curve.push_back(point);
    }
    return curve;
}

Evaluation evaluation_of(const Task& task, const std::vector<Question>& questions,
                         std::vector<std::vector<Answer>> answers) {
    Results results{questions, std::move(answers), {}};
    results.lenient = lenient_accuracies(questions, results.answers);
    const int n = int(results.answers.size()), k = int(results.answers[0].size());
    std::vector<int> chosen(size_t(n), 0);
    std::iota(chosen.begin(), chosen.end(), 0);
    Evaluation e = summed(results, chosen, k);
    e.best_of = best_of(results);
    for (int i = 0; i < std::min(n, SAMPLES); ++i) {
        const Answer& a = results.answers[size_t(i)][0];
        e.samples.push_back({{"prompt", questions[size_t(i)].problem.question(task.options.prompt_template)},
                             {"response", task.tokenizer ? response_of(task, a) : a.graded.text},
                             {"accuracy", a.graded.reward.accuracy},
                             {"language", language_of(task, questions[size_t(i)].problem)}});
    }
    e.by_kind = grouped(results, n, k, [](const Problem& p) { return p.kind->name; });
    e.by_language = grouped(results, n, k, [&](const Problem& p) { return language_of(task, p); });
    e.by_difficulty =
        grouped(results, n, k, [](const Problem& p) { return p.difficulty.empty() ? "not given" : p.difficulty; });
    return e;
}

std::vector<std::vector<Answer>> evaluation_answers(const Player& player, const std::vector<Question>& questions,
                                                    const EvaluateOptions& o, const SampleProgress& progress) {
    std::vector<Ask> asks;
    for (size_t i = 0; i < questions.size() && i < size_t(o.count); ++i)
        asks.push_back({&questions[i], o.k, uint32_t(i)});
    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.top_p = o.top_p;
    sampling.max_tokens = o.max_tokens;
    sampling.seed = o.seed;
    sampling.purpose = Purpose::evaluation;
    return checked(all_answers(player, asks, sampling, progress));
}

static json around(double mean, double half) { return {rounded(std::max(0.0, mean - half)), rounded(mean + half)}; }

json evaluation_to_json(const Evaluation& e) {
    json out = {{"problems", e.problems},
                {"answers_each", e.k},
                {"pass_at_1", rounded(e.pass_at_1)},
                {"pass_at_1_interval", {rounded(e.low), rounded(e.high)}},
                {"majority_at_" + std::to_string(e.k), rounded(e.majority)},
                {"pass_at_" + std::to_string(e.k), rounded(e.pass_at_k)},
                {"mean_length", rounded(e.mean_length)},
                {"mean_length_interval", around(e.mean_length, e.mean_length_half)},
                {"finished_length", rounded(e.finished_length)},
                {"format", rounded(e.format)},
                {"reflective_share", rounded(e.reflective_share)},
                {"reflective_words", rounded(e.reflective_words)},
                {"reflective_words_interval", around(e.reflective_words, e.reflective_words_half)},
                {"truncated", rounded(e.truncated)},
                {"strict", rounded(e.strict)},
                {"lenient", rounded(e.lenient)},
                {"language", rounded(e.language)},
                {"mixed", rounded(e.mixed)}};
    if (e.equation_count > 0) out["equations"] = rounded(e.equations);
    if (e.helpful) out["preference"]["helpful"] = rounded(*e.helpful);
    if (e.safe) out["preference"]["safe"] = rounded(*e.safe);
    for (const BestOf& point : e.best_of)
        out["best_of"].push_back({{"n", point.n},
                                  {"kl", rounded(point.kl)},
                                  {"proxy", rounded(point.proxy)},
                                  {"gold", rounded(point.gold)}});
    for (const Evaluation& group : e.by_kind) out["by_kind"][group.name] = evaluation_to_json(group);
    for (const Evaluation& group : e.by_language) out["by_language"][group.name] = evaluation_to_json(group);
    for (const Evaluation& group : e.by_difficulty) out["by_difficulty"][group.name] = evaluation_to_json(group);
    return out;
}

// R1's protocol: temperature 0.6, top-p 0.95, 64 answers to each problem [R1v1 section 3; R1v2 D.1].
static Option protocol_option(EvaluateOptions& o) {
    const auto write = [&o](const std::string& text) {
        if (text != "r1") throw UsageError("no protocol \"" + text + "\", --protocol, give r1");
        o.protocol = text;
        o.temperature = 0.6f;
        o.top_p = 0.95f;
        o.k = 64;
    };
    Option option{"--protocol", "start from the paper's settings; single options override them", write,
                  [&o] { return o.protocol; }};
    option.effect = Effect::nothing;  // what it sets has names of its own
    option.allowed = "r1";
    return option;
}

OptionTable table_of(EvaluateOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model");
    table.input("--problems", o.problems, PROBLEMS_HELP);
    table.input("--predictions", o.predictions,
                "answers made elsewhere, to grade in place of a model's: JSON lines {\"line\": of the problem in its "
                "file, from 1, \"response\": ...}, as --output writes them");
    table.output("--output", o.output,
                 "JSON file for the result; each answer goes with its grade into a file of JSON lines beside it, "
                 "NAME.answers.jsonl");
    table.input("--against", o.against,
                "folder of another model, which answers the general prompts too: who wins how often, by their rubrics");
    table.add(protocol_option(o));
    table.number("--count", o.count, at_least(1), "problems, from the top of the file");
    table.number("--k", o.k, at_least(1), "answers to each");
    table.number("--temperature", o.temperature, between(0, 100), "of sampling; 0: the best token");
    table.number("--top-p", o.top_p, between(0, 1), "mass of the nucleus");
    table.number("--max-tokens", o.max_tokens, between(1, 1e7), "longest answer");
    table.number("--slots", o.slots, between(0, 1e6), SLOTS_HELP).effect = Effect::nothing;
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.add(table_of(o.task));
    return table;
}

static void print(const Evaluation& e) {
    std::printf(
        "  pass@1 %.1f %% (95 %% interval %.1f to %.1f)   majority of %d %.1f %%   pass@%d %.1f %%\n"
        "  strict %.1f %%, in good form alone   lenient %.1f %%, in any form\n"
        "  length %.1f tokens   format %.1f %%   reflective %.1f %%   truncated %.1f %%\n"
        "  in the prompt's language %.1f %% of words   mixed %.1f %%   equations right %.1f %%\n",
        100 * e.pass_at_1, 100 * e.low, 100 * e.high, e.k, 100 * e.majority, e.k, 100 * e.pass_at_k, 100 * e.strict,
        100 * e.lenient, e.mean_length, 100 * e.format, 100 * e.reflective_share, 100 * e.truncated, 100 * e.language,
        100 * e.mixed, 100 * e.equations);
    if (e.helpful) std::printf("  helpful, says the reward model: %.3f", *e.helpful);
    if (e.safe) std::printf("  safe, says the reward model: %.1f %%", 100 * *e.safe);
    if (e.helpful || e.safe) std::printf("\n");
    for (const BestOf& point : e.best_of)
        std::printf("  best of %3d: reward model %.3f, rubric %.1f %%\n", point.n, point.proxy, 100 * point.gold);
}

static void print_groups(const std::vector<Evaluation>& groups, const char* before) {
    for (const Evaluation& group : groups) {
        std::printf("%s%s, %d problems\n", before, group.name.c_str(), group.problems);
        print(group);
    }
}

static void check(const EvaluateOptions& o) {
    check(o.task);
    check_given(o.problems);
    if (o.model.empty() == o.predictions.empty())
        throw UsageError("something to evaluate, --model or --predictions, give one of them");
    if (!o.predictions.empty() && !o.against.empty())
        throw UsageError("no model to compare, --against, leave it out or give --model");
}

static void print_all(const Evaluation& e) {
    print(e);
    print_groups(e.by_kind, "");
    print_groups(e.by_language, "language ");
    print_groups(e.by_difficulty, "difficulty ");
}

// NAME.json and, beside it, NAME.answers.jsonl.
static void write_result(const EvaluateOptions& o, const Task& task, const std::vector<Question>& questions,
                         const std::vector<std::vector<Answer>>& answers, const json& result) {
    if (o.output.empty() || !ranks().first()) return;
    const std::string name = o.output.ends_with(".json") ? o.output.substr(0, o.output.size() - 5) : o.output;
    write_answers(name + ".answers.jsonl", task, questions, answers);
    write_file_atomically(o.output, result.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

static json result_of(const Evaluation& e) {
    json result = evaluation_to_json(e);
    result["samples"] = e.samples;
    return result;
}

static void evaluate_predictions(const EvaluateOptions& o) {
    const Task task{o.task, nullptr, {}, {}};
    std::vector<Question> questions;
    for (Problem& problem : read_problems(o.problems, o.task.problems)) questions.push_back({std::move(problem), {}});
    const auto answers = read_predictions(o.predictions, task, questions);
    std::printf("evaluate %s: %zu answers\n", o.predictions.c_str(), answers.size() * answers[0].size());
    const Evaluation e = evaluation_of(task, questions, answers);
    print_all(e);
    write_result(o, task, questions, answers, result_of(e));
}

static void evaluate_model(const EvaluateOptions& o, const Device& device) {
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model);
    const Task task = make_task(o.task, o.model, folder.tokenizer);
    const std::vector<Question> questions = read_questions(task, o.problems, folder.config.max_position_embeddings);
    std::optional<ModelFolder> other;
    if (!o.against.empty()) {
        check_comparable(questions, o);
        other.emplace(open_model(o.against));
    }
    const int context = longest_prompt(questions) + o.max_tokens;
    check_need(folder.config, ops, {context, 1, 0, o.slots}, &MemoryNeeds::sampling, o.model);
    const Model model = load_model(folder, ops, context);
    Sampler sampler = make_sampler(model, o.slots);
    const Preferences preferences = load_preferences(o.task.preference, ops);
    const Player player{model, sampler, task, &preferences};
    const int64_t expected = int64_t(std::min<int>(o.count, int(questions.size()))) * o.k;
    std::printf("evaluate %s: %lld answers\n", o.model.c_str(), static_cast<long long>(expected));
    const double begin = seconds_now();
    int64_t tokens = 0, done = 0;
    Progress progress("evaluate", expected);
    const auto speed = [&] { return short_count(double(tokens) / (seconds_now() - begin)) + " tokens/s"; };
    const auto answers = evaluation_answers(player, questions, o, [&](int64_t more_tokens, int64_t more) {
        tokens += more_tokens;
        done += more;
        if (done < expected) progress.update(done, speed());
    });
    progress.finish(speed());
    const double seconds = seconds_now() - begin;
    const Evaluation e = evaluation_of(task, questions, answers);
    print_all(e);
    json result = result_of(e);
    if (other) {
        const WinRate rate = win_rate_against(player, questions, *other, o, ops);
        print(rate, o.against);
        result["win_rate"] = win_rate_to_json(rate);
    }
    write_result(o, task, questions, answers, result);
    if (!o.output.empty() && ranks().first())
        write_file_atomically(o.output + ".seconds", json({{"seconds", rounded(seconds)}}).dump() + "\n");
}

void evaluate_command(const EvaluateOptions& o, const Device& device) {
    check(o);
    o.predictions.empty() ? evaluate_model(o, device) : evaluate_predictions(o);
}

}  // namespace r1
