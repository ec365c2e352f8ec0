#include "tasks/rollout.h"

#include <algorithm>
#include <exception>
#include <map>

#include "base/threads.h"
#include "reward/extract.h"
#include "reward/mathematics/grade.h"

namespace r1 {

// An answer, judged once for all responses that give the same.
using Judged = std::map<std::string, Accuracy, std::less<>>;
static Accuracy judge(Judged& judged, std::string_view answer, const Problem& problem) {
    const auto known = judged.find(answer);
    if (known != judged.end()) return known->second;
    return judged[std::string(answer)] = problem.grade(answer);
}

static Graded grade_one(const Task& task, const Problem& problem, const Completion& completion, Judged& judged) {
    const TaskOptions& o = task.options;
    Graded graded;
    graded.text = opening(task) + task.tokenizer->decode(completion.tokens);
    const std::string& text = graded.text;
    RewardWeights weights = o.weights;
    if (problem.kind->judged_by_model) weights.accuracy_weight = 0;  // a rubric's score is for evaluation
    graded.reward = rule_reward(
        text, completion.finished, weights,
        [&](std::string_view answer) {
        graded.answer = std::string(answer);
        return judge(judged, answer, problem);
        },
        false, form_of(task, problem));
    float& total = graded.reward.total;
    if (o.language_weight != 0)
        total +=
            o.language_weight * float(language_consistency(text, *language_named(language_of(task, problem))).share);
    if (o.repetition) total += float(repetition_reward(completion.tokens, *o.repetition));
    if (o.cosine && !problem.kind->judged_by_model) {
        const float right = weights.accuracy_weight * graded.reward.accuracy;
        total += float(cosine_reward(graded.reward.accuracy == 1, int(completion.tokens.size()), *o.cosine)) - right;
    }
    graded.reflective = reflective_words(text);
    return graded;
}

std::vector<Graded> grade(const Task& task, const Problem& problem, const std::vector<Completion>& completions) {
    Judged judged;
    std::vector<Graded> graded;
    for (const Completion& c : completions) graded.push_back(grade_one(task, problem, c, judged));
    return graded;
}

float lenient_accuracy(const Problem& problem, const Answer& answer) {
    const Graded& graded = answer.graded;
    float best = graded.reward.accuracy;
    const auto summary = extract_answer(graded.text, AnswerForm::summary);
    const bool has_other_form = problem.kind->chat_form != AnswerForm::summary;
    if (!answer.completion.finished || best == 1 || !summary || !has_other_form) return best;
    std::vector<std::string_view> candidates;
    for (const auto& found : {extract_tagged(*summary), extract_boxed(*summary)})
        if (found) candidates.push_back(*found);
    if (candidates.empty()) candidates.push_back(*summary);
    for (const std::string_view candidate : candidates)
        if (graded.answer != candidate) best = std::max(best, problem.grade(candidate).value);
    return best;
}

std::vector<std::vector<Answer>> rollout(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                         const std::function<void(int64_t)>& progress) {
    std::vector<Request> requests;
    for (const Ask& ask : asks) {
        requests.push_back({ask.question->prompt, ask.samples, ask.index});
        const auto prepare = ask.question->problem.kind->prepare;
        if (prepare) prepare();
    }
    sampling.stop = player.task.stop;
    auto completions = sample(player.sampler, player.model, requests, sampling, progress);

    std::vector<std::vector<Answer>> answers(asks.size());
    std::exception_ptr failure;
    parallel_for(int64_t(asks.size()), [&](int64_t i) {
        try {
            std::vector<Graded> graded = grade(player.task, asks[i].question->problem, completions[i]);
            for (size_t j = 0; j < graded.size(); ++j)
                answers[i].push_back({std::move(completions[i][j]), std::move(graded[j])});
        } catch (...) {
#pragma omp critical(grade_failure)
            failure = std::current_exception();
        }
    });
    if (failure) std::rethrow_exception(failure);
    return answers;
}

}  // namespace r1
