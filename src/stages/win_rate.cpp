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
    for (const Comparison& c : comparisons) {
        w.wins += c.points == 1;
        w.ties += c.points == 0.5;
        w.losses += c.points == 0;
        w.rate += c.points;
        squares += c.points * c.points;
        w.mean_length += c.length;
        w.mean_length_against += c.length_against;
    }
    const double n = std::max(1, w.prompts);
    for (double* mean : {&w.rate, &w.mean_length, &w.mean_length_against}) *mean /= n;
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
        "  win rate %.1f %% (95 %% interval %.1f to %.1f)   wins %d   ties %d   losses %d\n"
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

// One answer to each question, by its line. The line is also the prompt's index for the random numbers, which are the
// same for both models.
static std::map<int64_t, Answer> answers_by_line(const Player& player, const std::vector<const Question*>& questions,
                                                 const EvaluateOptions& o) {
    std::vector<Ask> asks;
    for (const Question* question : questions) asks.push_back({question, 1, uint32_t(question->problem.line)});
    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.top_p = o.top_p;
    sampling.max_tokens = o.max_tokens;
    sampling.seed = o.seed;
    sampling.purpose = Purpose::evaluation;
    std::vector<std::vector<Answer>> answers = rollout(player, asks, sampling);
    std::map<int64_t, Answer> by_line;
    for (size_t i = 0; i < asks.size(); ++i) by_line[questions[i]->problem.line] = std::move(answers[i][0]);
    return by_line;
}

// The other model's answers to those of the prompts that fit into its context.
static std::map<int64_t, Answer> answers_of_other(const std::vector<const Question*>& prompts,
                                                  const ModelFolder& folder, const EvaluateOptions& o, const Ops& ops) {
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

WinRate win_rate_against(const Player& player, const std::vector<Question>& questions, const ModelFolder& other_folder,
                         const EvaluateOptions& o, const Ops& ops) {
    const std::vector<const Question*> general = general_ones(questions, o.count);
    const std::map<int64_t, Answer> others = answers_of_other(general, other_folder, o, ops);
    const std::map<int64_t, Answer> answers = answers_by_line(player, general, o);
    std::vector<Comparison> comparisons;
    for (const Question* question : general) {
        const auto other = others.find(question->problem.line);
        if (other == others.end()) continue;
        const Answer& answer = answers.at(question->problem.line);
        comparisons.push_back(
            {points_of(question->problem, answer, other->second), answer.length(), other->second.length()});
    }
    return win_rate_of(comparisons);
}

}  // namespace r1
