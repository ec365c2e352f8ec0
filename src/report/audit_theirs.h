// Another trainer's own numbers beside ours: its advantages, its loss and the slopes of its loss, on the same rewards
// and log-probabilities.
#pragma once
#include <optional>
#include <string>

#include "report/audit.h"

namespace r1 {

// How near theirs must be: a loss or an advantage relative to ours, or to 1 where ours is smaller; a slope relative to
// the largest of ours.
constexpr double THEIRS_TOLERANCE = 1e-6;

// What the comparison says.
struct TheirsCompared {
    double ours = 0, theirs = 0;  // the loss
    double difference = 0;        // of the loss, as THEIRS_TOLERANCE is meant
    double slope_difference = 0;  // the largest
    int slopes = 0;               // compared; 0 where the file has none of theirs
    // The first term that differs, in words: which, and which setting of ours gives theirs, where one does. Empty where
    // nothing differs.
    std::string first;
};

// None where the file states no loss of theirs. `ours` is what grpo_batch makes of the input with `math`.
std::optional<TheirsCompared> compare_with_theirs(const AuditInput& input, const GrpoMath& math,
                                                  const GrpoResult<double>& ours);

}  // namespace r1
