#include "reward/reward.h"

#include "reward/countdown.h"
#include "reward/extract.h"

namespace r1 {

Reward countdown_reward(std::string_view response, bool finished, const std::vector<int>& numbers, int target,
                        const RewardWeights& weights, bool think_opened) {
    Reward reward;
    if (!finished) {
        reward.reason = "cut off at the length limit";
        return reward;
    }
    std::string fault;
    if (format_ok(response, &fault, think_opened)) reward.format = 1;
    if (const auto answer = extract_answer(response)) {
        const Verdict verdict = grade_countdown(*answer, numbers, target);
        reward.accuracy = verdict.correct ? 1 : 0;
        reward.reason = verdict.reason;
    } else {
        reward.reason = "no answer";
    }
    if (!fault.empty()) reward.reason += "; format: " + fault;
    const float counted = weights.accuracy_needs_format ? reward.accuracy * reward.format : reward.accuracy;
    reward.total = weights.format_weight * reward.format + weights.accuracy_weight * counted;
    return reward;
}

}  // namespace r1
