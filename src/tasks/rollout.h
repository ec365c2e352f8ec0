// A rollout: a model answers questions, and its answers are graded. Training, evaluation and rejection sampling all
// sample and grade here.
#pragma once
#include <functional>
#include <vector>

#include "model/sampler.h"
#include "tasks/reward_commands.h"
#include "tasks/task.h"

namespace r1 {

// The model that answers, its sampler, and the task that grades.
struct Player {
    const Model& model;
    Sampler& sampler;
    const Task& task;
    const Preferences* preferences = nullptr;  // the reward models that the task's options name
    RewardCommands* commands = nullptr;
};

struct Ask {
    const Question* question;
    int samples;     // answers to it
    uint32_t index;  // of the prompt, for the random numbers
};

struct Graded {
    std::string text;                   // the response, with what the prompt began of it
    std::optional<std::string> answer;  // in it, if it has one and ended by itself
    Reward reward;
    std::optional<float> preference;      // what the reward model of its set says of it, see reward_model.h
    std::vector<CommandReward> commands;  // what each of the user's commands says of it
    LanguageShare language;               // of the reasoning's words, in the prompt's language [NATURE eq 7]
    int reflective = 0;                   // words [R1v2 C.2]
};
// graded[j] is of completions[j]. Programs run in a sandbox; an answer on which that failed is `ungraded`.
std::vector<Graded> grade(const Task& task, const Problem& problem, const std::vector<Completion>& completions);

struct Answer {
    Completion completion;
    Graded graded;
    int length() const { return int(completion.tokens.size()); }
};

// An answer that was written elsewhere, of so many tokens, graded. The task needs no tokenizer for it, and what its
// options reward by tokens (--repetition) has no meaning.
Answer grade_prediction(const Task& task, const Problem& problem, const std::string& response, bool finished,
                        int tokens);

// The same answers; Error if the machine failed on any of them, for whoever counts answers: what was not judged is not
// wrong.
std::vector<std::vector<Answer>> checked(std::vector<std::vector<Answer>> answers);

// Whether a reward model, and not the grade, rewards answers to a problem: a general prompt whose set has a model.
bool rewarded_by_model(const Task& task, const Problem& problem);

// The response without the token that ends it.
std::string response_of(const Task& task, const Answer& answer);

// answers[i] are those to asks[i]. The task's stop tokens replace those of `sampling`. Error if a machine that must run
// programs cannot. If a stop is requested meanwhile, the answers are those to the first asks alone, which have all
// theirs; all_answers() throws Stopped then. Some may be ungraded.
std::vector<std::vector<Answer>> rollout(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                         const SampleProgress& progress = {});
std::vector<std::vector<Answer>> all_answers(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                             const SampleProgress& progress = {});

// The accuracy of a graded answer if its form is of no account: the best of what was graded, of what stands between
// <answer> tags after the thinking and of what stands in a box there, and if there is neither, of all of that text; of
// mathematics also of the lenient reading of these (reward/mathematics/lenient.h). 0 of an answer that did not end.
// Programs run in a sandbox, as in grade().
float lenient_accuracy(const Problem& problem, const Answer& answer);

}  // namespace r1
