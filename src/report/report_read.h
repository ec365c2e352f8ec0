// What `r1 report` reads. A run is a folder with metrics.jsonl, of any stage. A folder that is none, but has runs in
// its sub-folders, stands for all of them; in it evaluation/NAME.json may lie, from r1 evaluate --output:
//
//   metrics.jsonl  timings.jsonl  options.json  starts.jsonl            of all stages
//   evaluations.jsonl                                                   looks at what is held out
//   rollouts.jsonl                                                      recorded answers, of GRPO
//   model.safetensors                                                   the weights that are hashed
#pragma once
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

struct ReportRun {
    std::string name, folder;
    std::string stage;               // pretrain, sft, grpo, reward-model; "training": not known
    json settings;                   // options.json; null: there is none
    json start;                      // last line of starts.jsonl; null: there is none
    int64_t steps = 0;               // of the last line of metrics
    json last = json::object();      // that line
    json metrics, timings;           // by column: {"step": [...], "loss": [...]}; null where a line has no number
    json held_out = json::array();   // lines of evaluations.jsonl
    json rollouts = json::array();   // lines, of some steps if there are many
    std::vector<std::string> kinds;  // of the problems in rollouts.jsonl
    json seconds;                    // of all steps; null: not known
    std::string weights_sha256;      // "": the run has not ended
};

struct ReportData {
    std::vector<ReportRun> runs;
    json evaluation = json::object();  // name -> what r1 evaluate wrote
    json evaluation_seconds;           // of all of them; null: not known
    json notes = json::array();        // what is missing or was thinned, in words

    const ReportRun* find(const std::string& name) const;  // null: there is none
};

// Errors: a folder that is not there or holds no run; lines that are no JSON objects.
ReportData read_report(const std::vector<std::string>& folders);

}  // namespace r1
