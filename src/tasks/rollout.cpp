#include "tasks/rollout.h"

#include <algorithm>
#include <map>

#include "base/progress.h"
#include "base/ranks.h"
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

static std::string without_end(const Task& task, const Completion& completion, std::string text) {
    if (!completion.finished || completion.tokens.empty()) return text;
    const std::string end = task.tokenizer->decode({&completion.tokens.back(), 1});
    if (text.ends_with(end)) text.resize(text.size() - end.size());
    return text;
}

// spoken: the text without the token that ends it.
static Graded grade_text(const Task& task, const Problem& problem, const std::string& text, const std::string& spoken,
                         const Completion& completion, Judged& judged) {
    const TaskOptions& o = task.options;
    Graded graded;
    graded.text = text;
    RewardWeights weights = o.weights;
    if (rewarded_by_model(task, problem)) weights.accuracy_weight = 0;
    graded.reward = rule_reward(
        text, completion.finished, weights,
        [&](std::string_view answer) {
        graded.answer = std::string(answer);
        return judge(judged, answer, problem);
        },
        false, form_of(task, problem));
    float& total = graded.reward.total;
    graded.language = language_consistency(spoken, *language_named(language_of(task, problem)));
    if (o.language_weight != 0) total += o.language_weight * float(graded.language.share);
    if (o.repetition) total += float(repetition_reward(completion.tokens, *o.repetition));
    if (o.cosine && !problem.kind->judged_by_model) {
        const float right = weights.accuracy_weight * graded.reward.accuracy;
        total += float(cosine_reward(graded.reward.accuracy == 1, int(completion.tokens.size()), *o.cosine)) - right;
    }
    graded.reflective = reflective_words(text);
    return graded;
}

static Graded grade_one(const Task& task, const Problem& problem, const Completion& completion, Judged& judged) {
    const std::string text = opening(task) + task.tokenizer->decode(completion.tokens);
    return grade_text(task, problem, text, without_end(task, completion, text), completion, judged);
}

Answer grade_prediction(const Task& task, const Problem& problem, const std::string& response, bool finished,
                        int tokens) {
    Answer answer;
    answer.completion.finished = finished;
    answer.completion.tokens.resize(size_t(tokens));
    if (const auto prepare = problem.kind->prepare) prepare();
    Judged judged;
    answer.graded = grade_text(task, problem, response, response, answer.completion, judged);
    return answer;
}

std::vector<Graded> grade(const Task& task, const Problem& problem, const std::vector<Completion>& completions) {
    Judged judged;
    std::vector<Graded> graded;
    for (const Completion& c : completions) graded.push_back(grade_one(task, problem, c, judged));
    return graded;
}

[[noreturn]] static void refuse_ungraded(const std::string& why) {
    fail("an answer could not be judged: " + why, "the sandbox", "try again on a machine that is less busy");
}

std::vector<std::vector<Answer>> checked(std::vector<std::vector<Answer>> answers) {
    for (const auto& group : answers)
        for (const Answer& answer : group)
            if (answer.graded.reward.ungraded) refuse_ungraded(answer.graded.reward.reason);
    return answers;
}

float lenient_accuracy(const Problem& problem, const Answer& answer) {
    const Graded& graded = answer.graded;
    float best = graded.reward.accuracy;
    const auto summary = extract_answer(graded.text, AnswerForm::summary);
    const bool has_other_form = problem.kind->chat_form != AnswerForm::summary;
    if (!answer.completion.finished || best == 1 || !summary || !has_other_form) return best;
    std::vector<std::string_view> candidates;
    const auto tagged = extract_tagged(*summary);
    for (const auto& found : {tagged, extract_boxed(*summary)})
        if (found) candidates.push_back(*found);
    if (candidates.empty()) candidates.push_back(*summary);
    for (const std::string_view candidate : candidates) {
        if (graded.answer == candidate) continue;
        const Accuracy accuracy = problem.grade(candidate);
        if (accuracy.ungraded) refuse_ungraded(accuracy.reason);
        best = std::max(best, accuracy.value);
    }
    if (best == 1 || !problem.grade_leniently) return best;
    return std::max(best, problem.grade_leniently(tagged ? *tagged : *summary));
}

bool rewarded_by_model(const Task& task, const Problem& problem) {
    const PreferenceOptions& o = task.options.preference;
    return problem.kind->judged_by_model && !(problem.set == "safe" ? o.safety_model : o.helpful_model).empty();
}

std::string response_of(const Task& task, const Answer& answer) {
    return without_end(task, answer.completion, answer.graded.text);
}

// Adds what a reward model says of all answers that it rewards to their rewards          [NATURE eq 10]
static void add_preferences(const Player& player, const std::vector<Ask>& asks, RewardModel& model,
                            std::vector<std::vector<Answer>>& answers) {
    std::vector<RewardAsk> reward_asks;
    std::vector<Answer*> asked;
    for (size_t i = 0; i < answers.size(); ++i) {
        const Problem& problem = asks[i].question->problem;
        if (!rewarded_by_model(player.task, problem) || player.preferences->of_set(problem.set) != &model) continue;
        const std::string question = problem.question(model.reading.prompt_template);
        for (Answer& answer : answers[i]) {
            reward_asks.push_back({question, response_of(player.task, answer)});
            asked.push_back(&answer);
        }
    }
    const std::vector<float> said = rewards_of(model, reward_asks);
    for (size_t k = 0; k < asked.size(); ++k) {
        Graded& graded = asked[k]->graded;
        graded.preference = said[k];
        if (asked[k]->completion.finished)
            graded.reward.total += player.preferences->weight * preference_reward(model.reading.kind, said[k]);
    }
}

// graded[i] is of completions[i]. Each rank grades its share.
static std::vector<std::vector<Graded>> grade_all(const Task& task, const std::vector<Ask>& asks,
                                                  const std::vector<std::vector<Completion>>& completions) {
    std::vector<std::vector<Graded>> graded(completions.size());
    std::vector<size_t> mine;
    for (size_t i = 0; i < completions.size(); ++i)
        if (owner_by_turns(i) == ranks().rank) mine.push_back(i);
    parallel_for(int64_t(mine.size()), [&](int64_t k) {
        const size_t i = mine[size_t(k)];
        graded[i] = grade(task, asks[i].question->problem, completions[i]);
    });
    share_items(
        completions.size(), owner_by_turns,
        [&](size_t i, Packer& packer) {
        for (const Graded& g : graded[i]) {
            const Reward& r = g.reward;
            packer.add(g.text, g.answer.has_value(), g.answer.value_or(""), g.language, g.reflective);
            packer.add(r.total, r.accuracy, r.format, r.reason, r.ungraded);
        }
        },
        [&](size_t i, Unpacker& from) {
        graded[i].resize(completions[i].size());
        for (Graded& g : graded[i]) {
            Reward& r = g.reward;
            bool has_answer = false;
            std::string answer;
            from.take(g.text, has_answer, answer, g.language, g.reflective);
            from.take(r.total, r.accuracy, r.format, r.reason, r.ungraded);
            if (has_answer) g.answer = answer;
        }
    });
    return graded;
}

std::vector<std::vector<Answer>> rollout(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                         const SampleProgress& progress) {
    std::vector<Request> requests;
    for (const Ask& ask : asks) {
        requests.push_back({ask.question->prompt, ask.samples, ask.index});
        const auto prepare = ask.question->problem.kind->prepare;
        if (prepare) prepare();
    }
    sampling.stop = player.task.stop;
    auto completions = sample(player.sampler, player.model, requests, sampling, progress);

    std::vector<std::vector<Answer>> answers(completions.size());
    auto graded = grade_all(player.task, asks, completions);
    for (size_t i = 0; i < answers.size(); ++i)
        for (size_t j = 0; j < graded[i].size(); ++j)
            answers[i].push_back({std::move(completions[i][j]), std::move(graded[i][j])});
    if (player.preferences)
        for (RewardModel* model : {player.preferences->helpful.get(), player.preferences->safe.get()})
            if (model) add_preferences(player, asks, *model, answers);
    if (player.commands) add_command_rewards(*player.commands, player.task, asks, answers);
    return answers;
}

std::vector<std::vector<Answer>> all_answers(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                             const SampleProgress& progress) {
    std::vector<std::vector<Answer>> answers = rollout(player, asks, std::move(sampling), progress);
    if (answers.size() < asks.size()) throw Stopped();
    return answers;
}

}  // namespace r1
