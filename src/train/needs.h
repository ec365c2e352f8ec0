// What memory a stage needs, before it takes any.
#pragma once
#include <string>

#include "model/config.h"
#include "ops/ops.h"

namespace r1 {

// Bytes by part, as this program would take them on the device.
struct MemoryNeed {
    int64_t weights = 0, reference = 0, gradients = 0, moments = 0, activations = 0, answers = 0;
    int64_t total() const { return weights + reference + gradients + moments + activations + answers; }
};
struct MemoryNeeds {
    MemoryNeed sampling, sft, grpo;
};

struct NeedsOptions {
    int context = 2048;  // longest sequence in tokens
    int shards = 2, micro_rows = 0, slots = 0;
};
MemoryNeeds memory_needs(const Config& config, const Ops& ops, const NeedsOptions& options);

// Error, in one line that names `what`, if the host has less left than a stage needs: check_need(c, ops, o,
// &MemoryNeeds::sft, ...). A GPU's memory is asked for as it is taken.
void check_need(const Config& config, const Ops& ops, const NeedsOptions& options, MemoryNeed MemoryNeeds::*stage,
                const std::string& what);

}  // namespace r1
