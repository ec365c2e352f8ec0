#include "reward/reward.h"

namespace r1 {

Reward rule_reward(std::string_view response, bool finished, const RewardWeights& weights,
                   const std::function<Accuracy(std::string_view)>& grade, bool think_opened, AnswerForm form) {
    Reward reward;
    if (!finished) {
        reward.reason = "cut off at the length limit";
        return reward;
    }
    std::string fault;
    if (format_ok(response, &fault, think_opened, form)) reward.format = 1;
    if (const auto answer = extract_answer(response, form)) {
        const Accuracy accuracy = grade(*answer);
        reward.accuracy = accuracy.value;
        reward.reason = accuracy.reason;
        reward.ungraded = accuracy.ungraded;
    } else {
        reward.reason = "no answer";
    }
    if (!fault.empty()) reward.reason += "; format: " + fault;
    const float counted = weights.accuracy_needs_format ? reward.accuracy * reward.format : reward.accuracy;
    reward.total = weights.format_weight * reward.format + weights.accuracy_weight * counted;
    return reward;
}

}  // namespace r1
