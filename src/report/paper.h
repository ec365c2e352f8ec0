// r1 paper: what the whole of DeepSeek-R1 came to at a small scale, stage by stage and claim by claim, beside what the
// paper reports.
#pragma once
#include <string>
#include <vector>

#include "base/options.h"

namespace r1 {

struct PaperOptions {
    std::vector<std::string> runs;  // folders that scripts/r1.sh filled, one a seed, see paper_read.h
    std::string golden;             // JSON {"NAME": SHA-256 of its model.safetensors, ...}; "": none
};
OptionTable table_of(PaperOptions& options);

void paper(const PaperOptions& options);

}  // namespace r1
