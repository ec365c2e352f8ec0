// What a run needs to go on as if it had never stopped, in one file: weights, moments, updates done, and what the stage
// adds. Random numbers need nothing: they are functions of the step.
#pragma once
#include <string>

#include "base/files.h"
#include "train/gradient.h"

namespace r1 {

// The moments of all ranks, on rank 0; the others have none. All ranks call it.
struct Moments {
    Weights m, v;
};
Moments gather_moments(Trainer& trainer);

// progress: of the stage. reference: weights that the stage keeps beside the model's; nullptr: none. moments: of
// several ranks; those of one are its own.
void save_training(const std::string& path, Trainer& trainer, Moments& moments, const json& progress,
                   Weights* reference = nullptr);
// Returns the stage's progress.
json load_training(const std::string& path, Trainer& trainer, Weights* reference = nullptr);
// The progress alone, and null where there is no such file. Error if it holds no training state.
json read_progress(const std::string& path);

}  // namespace r1
