// r1 plan: what a GRPO run would take, in memory and time, before anything runs: on one's own machine, by its measured
// rates, or on a cluster that is a file.
#pragma once
#include "base/options.h"
#include "ops/device.h"
#include "train/plan.h"

namespace r1 {

struct PlanOptions {
    std::string model;    // its folder, of which config.json is enough; or a config.json
    std::string cluster;  // JSON: ranks, memory of each, rates
    std::string measure;  // where the rates of this machine are written, as such a file
    StepWork work;
    int64_t steps = 1;
    int shards = 2, micro_rows = 0, slots = 0;
    bool as_json = false;
};
OptionTable table_of(PlanOptions& options);

void plan_command(const PlanOptions& options, const Device& device);

}  // namespace r1
