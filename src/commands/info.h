// r1 info: what a model is, and what memory it needs, before anything runs.
#pragma once
#include "model/config.h"
#include "ops/device.h"
#include "train/needs.h"

namespace r1 {

struct InfoOptions {
    std::string model;  // its folder, of which config.json is enough; or a config.json
    int context = 0;    // longest sequence; 0: 2048, or less if the model reads less
    int shards = 2, micro_rows = 0, slots = 0;
    bool as_json = false;
};
OptionTable table_of(InfoOptions& options);

void info_command(const InfoOptions& options, const Device& device);

}  // namespace r1
