// r1 judge: a model judges answers and pairs of answers, its verdicts are compared with labels, and labelled lines
// become examples to learn judging from.
#pragma once
#include "ops/device.h"
#include "tasks/judge.h"

namespace r1 {

struct JudgeCommandOptions {
    std::string model, data, output;  // the judge's folder; JSON lines; JSON lines to write ("": none)
    std::string examples;             // labelled JSON lines that become examples for r1 sft; no model is asked
    bool evaluate = false;            // every line must have a label
    JudgeOptions judge;
};
OptionTable table_of(JudgeCommandOptions& options);
void judge_command(const JudgeCommandOptions& options, const Device& device);

}  // namespace r1
