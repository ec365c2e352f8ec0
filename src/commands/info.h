// r1 info: what a model is, and what memory it needs, before anything runs.
#pragma once
#include "model/config.h"
#include "ops/device.h"

namespace r1 {

struct InfoOptions {
    std::string model;  // its folder, of which config.json is enough; or a config.json
    int context = 0;    // longest sequence; 0: 2048, or less if the model reads less
    int shards = 2, micro_rows = 0, slots = 0;
    bool as_json = false;
};
OptionTable table_of(InfoOptions& options);

// Bytes by part, as this program would take them on the device.
struct MemoryNeed {
    int64_t weights = 0, reference = 0, gradients = 0, moments = 0, activations = 0, answers = 0;
    int64_t total() const { return weights + reference + gradients + moments + activations + answers; }
};
struct MemoryNeeds {
    MemoryNeed sampling, sft, grpo;
};
MemoryNeeds memory_needs(const Config& config, const Ops& ops, const InfoOptions& options);

void info_command(const InfoOptions& options, const Device& device);

}  // namespace r1
