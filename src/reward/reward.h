// The rule reward of a Countdown response: accuracy and format, nothing learned.
//
// The paper adds the two with the same weight [NATURE eq. 4]: Reward_rule = Reward_acc + Reward_format, each 0 or 1.
// The default here is TinyZero's scale, where accuracy counts only in a response that keeps the format, so that the
// policy cannot be paid for a right answer that no reader finds:
//
//   total = format_weight * format + accuracy_weight * accuracy * (accuracy_needs_format ? format : 1)
//
//   response                                 default    paper_weights
//   right answer, format kept                1.0        2
//   wrong answer, format kept                0.1        1
//   right answer, format not kept            0          1
//   neither, or cut off at the length limit  0          0
//
// Where GRPO divides by the group's standard deviation the scale is free, and the two rules differ in the ratio of
// the rewards (format alone is worth a tenth of the full reward, or half of it) and in the third row.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct RewardWeights {
    float accuracy_weight = 0.9f;
    float format_weight = 0.1f;
    bool accuracy_needs_format = true;
};

constexpr RewardWeights paper_weights = {1.0f, 1.0f, false};

struct Reward {
    float total = 0, accuracy = 0, format = 0;  // accuracy and format are 0 or 1
    std::string reason;                         // in words: what the grader said, and what is wrong with the format
};

// `finished`: the response ended by itself (end-of-text token), not at the length limit. An unfinished one gets 0 in
// all three, since what it would have answered is not known. `accuracy` is what pass@1 counts: it is judged on the
// extracted answer alone, whatever the format.
Reward countdown_reward(std::string_view response, bool finished, const std::vector<int>& numbers, int target,
                        const RewardWeights& weights = {}, bool think_opened = false);

}  // namespace r1
