// The rule reward of a response: accuracy and format, nothing learned.
//
// The paper adds the two with the same weight [NATURE eq 4]: Reward_rule = Reward_acc + Reward_format, each 0 or 1.
//
//   total = format_weight * format + accuracy_weight * accuracy * (accuracy_needs_format ? format : 1)
//
//   response                                 default (the paper)    0.9, 0.1, accuracy_needs_format (TinyZero's scale)
//   right answer, format kept                2                      1
//   wrong answer, format kept                1                      0.1
//   right answer, format not kept            1                      0
//   neither, or cut off at the length limit  0                      0
//
// Where GRPO divides by the group's standard deviation the scale is free, and what matters is the ratio: the more the
// format is worth, the more it pays to end an answer in time.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "reward/extract.h"

namespace r1 {

struct RewardWeights {
    float accuracy_weight = 1;
    float format_weight = 1;
    bool accuracy_needs_format = false;
};

struct Reward {
    float total = 0, accuracy = 0, format = 0;  // format is 0 or 1; accuracy too, unless a grader gives shares
    std::string reason;                         // in words: what the grader said, and what is wrong with the format
    bool ungraded = false;                      // the machine failed, not the answer: the rest means nothing
};

// What a grader says of the extracted answer.
struct Accuracy {
    float value = 0;
    std::string reason;
    bool ungraded = false;  // as in Reward
};

// `finished`: the response ended by itself (end-of-text token), not at the length limit. An unfinished one gets 0 in
// all three, since what it would have answered is not known. `accuracy` is what pass@1 counts: it is judged on the
// extracted answer alone, whatever the format.
Reward rule_reward(std::string_view response, bool finished, const RewardWeights& weights,
                   const std::function<Accuracy(std::string_view answer)>& grade, bool think_opened = false,
                   AnswerForm form = AnswerForm::tags);

}  // namespace r1
