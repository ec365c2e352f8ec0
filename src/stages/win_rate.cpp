#include "stages/win_rate.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace r1 {

double points_of(const Problem&, const Answer& answer, const Answer& against) {
    const float score = answer.graded.reward.accuracy, other = against.graded.reward.accuracy;
    if (score == other) return 0.5;
    return score > other ? 1 : 0;
}

WinRate win_rate_of(const std::vector<Comparison>& comparisons) {
    WinRate w;
    w.prompts = int(comparisons.size());
    double squares = 0;
    int64_t pairs = 0;
    for (const Comparison& c : comparisons) {
        w.wins += c.wins;
        w.ties += c.ties;
        w.losses += c.losses;
        pairs += c.pairs();
        w.rate += c.rate();
        squares += c.rate() * c.rate();
        w.mean_length += double(c.length);
        w.mean_length_against += double(c.length_against);
    }
    const double n = std::max(1, w.prompts);
    w.rate /= n;
    for (double* mean : {&w.mean_length, &w.mean_length_against}) *mean /= double(std::max<int64_t>(1, pairs));
    const double variance = std::max(0.0, squares / n - w.rate * w.rate) / std::max(1, w.prompts - 1);
    const double half = 1.96 * exact::sqrt(variance);
    w.low = std::max(0.0, w.rate - half);
    w.high = std::min(1.0, w.rate + half);
    return w;
}

json win_rate_to_json(const WinRate& w) {
    return {{"prompts", w.prompts},
            {"wins", w.wins},
            {"ties", w.ties},
            {"losses", w.losses},
            {"rate", rounded(w.rate)},
            {"interval", {rounded(w.low), rounded(w.high)}},
            {"mean_length", rounded(w.mean_length)},
            {"mean_length_against", rounded(w.mean_length_against)}};
}

void print(const WinRate& w, const std::string& against) {
    std::printf(
        "against %s, %d general prompts\n"
        "  win rate %.1f %% (95 %% interval %.1f to %.1f)   of pairs: wins %d   ties %d   losses %d\n"
        "  length %.1f tokens against %.1f\n",
        against.c_str(), w.prompts, 100 * w.rate, 100 * w.low, 100 * w.high, w.wins, w.ties, w.losses, w.mean_length,
        w.mean_length_against);
}

// ---- the two models' answers

static bool is_general(const Question& question) { return question.problem.kind == &general_kind; }

static std::vector<const Question*> general_ones(const std::vector<Question>& questions, int count) {
    std::vector<const Question*> general;
    for (size_t i = 0; i < questions.size() && i < size_t(count); ++i)
        if (is_general(questions[i])) general.push_back(&questions[i]);
    return general;
}

void check_comparable(const std::vector<Question>& questions, const EvaluateOptions& o) {
    const std::vector<const Question*> general = general_ones(questions, o.count);
    if (general.empty())
        fail("no general prompts to compare answers to", o.problems,
             "add lines such as {\"prompt\": \"...\", \"rubric\": [{\"any\": [\"cat\"]}]}, or leave --against out");
    for (const Question* question : general)
        if (!question->problem.has_rubric)
            fail("a general prompt without a rubric, by which --against could decide",
                 o.problems + " line " + std::to_string(question->problem.line),
                 "give it a \"rubric\" such as [{\"any\": [\"cat\"]}], or leave --against out");
}

// options.k answers to each question, by its line. The line is also the prompt's index for the random numbers, so that
// both models have the same.
static std::map<int64_t, std::vector<Answer>> answers_by_line(const Player& player,
                                                              const std::vector<const Question*>& questions,
                                                              const EvaluateOptions& o) {
    std::vector<Ask> asks;
    for (const Question* question : questions) asks.push_back({question, o.k, uint32_t(question->problem.line)});
    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.top_p = o.top_p;
    sampling.max_tokens = o.max_tokens;
    sampling.seed = o.seed;
    sampling.purpose = Purpose::evaluation;
    std::vector<std::vector<Answer>> answers = all_answers(player, asks, sampling);
    std::map<int64_t, std::vector<Answer>> by_line;
    for (size_t i = 0; i < asks.size(); ++i) by_line[questions[i]->problem.line] = std::move(answers[i]);
    return by_line;
}

// The other model's answers to those of the prompts that fit into its context.
static std::map<int64_t, std::vector<Answer>> answers_of_other(const std::vector<const Question*>& prompts,
                                                               const ModelFolder& folder, const EvaluateOptions& o,
                                                               const Ops& ops) {
    const Task task = make_task(o.task, o.against, folder.tokenizer);
    const std::vector<Question> questions = read_questions(task, o.problems, folder.config.max_position_embeddings);
    std::vector<const Question*> asked;
    for (const Question& question : questions) {
        const auto same_line = [&](const Question* q) { return q->problem.line == question.problem.line; };
        if (std::any_of(prompts.begin(), prompts.end(), same_line)) asked.push_back(&question);
    }
    if (asked.empty())
        fail("no general prompt that fits into the other model's context", o.against, "give shorter ones");
    const Model model = load_model(folder, ops, longest_prompt(questions) + o.max_tokens);
    Sampler sampler = make_sampler(model, o.slots);
    return answers_by_line({model, sampler, task}, asked, o);
}

static Comparison compare(const Problem& problem, const std::vector<Answer>& answers,
                          const std::vector<Answer>& others) {
    Comparison c;
    for (size_t i = 0; i < answers.size(); ++i) {
        const double points = points_of(problem, answers[i], others[i]);
        c.wins += points == 1;
        c.ties += points == 0.5;
        c.losses += points == 0;
        c.length += answers[i].length();
        c.length_against += others[i].length();
    }
    return c;
}

WinRate win_rate_against(const Player& player, const std::vector<Question>& questions, const ModelFolder& other_folder,
                         const EvaluateOptions& o, const Ops& ops) {
    const std::vector<const Question*> general = general_ones(questions, o.count);
    const auto others = answers_of_other(general, other_folder, o, ops);
    const auto answers = answers_by_line(player, general, o);
    std::vector<Comparison> comparisons;
    for (const Question* question : general) {
        const int64_t line = question->problem.line;
        const auto other = others.find(line);
        if (other != others.end()) comparisons.push_back(compare(question->problem, answers.at(line), other->second));
    }
    return win_rate_of(comparisons);
}

}  // namespace r1
