// A batch whose loss or gradient is not finite: it is written aside, and the run stops or goes on without it.
#pragma once
#include <optional>
#include <string>

#include "train/optimizer.h"

namespace r1 {

enum class OnNonfinite { stop, skip };

struct Health {
    OnNonfinite on_nonfinite = OnNonfinite::stop;
    std::string folder;      // of the run; the batch goes into nonfinite-step-N.jsonl there
    int skipped_in_row = 0;  // updates
};
constexpr int MOST_SKIPPED_IN_ROW = 10;

// apply(), if the loss and the gradient are finite. If not, each sequence of the batch becomes a line of the file, with
// its tokens and its own loss, null where that is not finite; then an Error, or the weights and moments stay as they
// are, the update counts, and there is none to return. Too many in a row are an Error all the same.
std::optional<Update> apply_if_finite(Trainer& trainer, float lr, const std::vector<Example>& batch, double loss,
                                      int64_t step, Health& health);

}  // namespace r1
