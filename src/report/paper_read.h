// Reading a folder that scripts/r1.sh filled. What is not there is left out and named in `notes`:
//
//   world/world.json                        what the generated world has
//   base/ zero/ zero-language/ dev1/ dev2/ dev3/ dev3-random/ r1/ hacked/ judge/ helpful/ safe/
//   students/{small,large}-{base,distilled,rl,distilled-rl,control}/
//       options.json  metrics.jsonl  timings.jsonl  config.json  model.safetensors      each a training run's folder
//       evaluations.jsonl  rollouts.jsonl                                               of GRPO
//       evaluation.json                                                                 of reward models and the judge
//   coldstart.jsonl  reasoning.jsonl  judged.jsonl       from r1 rejection, with .funnel and .state beside each; the
//   reasoning-random.jsonl  judged-random.jsonl          last two are controls
//   sft.jsonl                               what dev3 learns from
//   evaluation/NAME.json                    r1 evaluate on problems that were held out
//   evaluation/NAME.general.json            and on general prompts that were held out
//   seconds.json                            {"NAME of a stage": seconds}
//
// NAME is that of the folder; a student's is without students/.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

struct StageName {
    const char *name, *title;
};
extern const std::vector<StageName> PAPER_STAGES, PAPER_STUDENTS;

struct PaperRun {
    std::string folder;
    json world;
    json evaluation = json::object();  // evaluation/NAME.json by NAME, and the following too
    json general = json::object();     // evaluation/NAME.general.json
    json settings = json::object();    // options.json
    json metrics = json::object();     // lines of metrics.jsonl
    json held_out = json::object();    // lines of evaluations.jsonl, on the way
    json sha256 = json::object();      // of model.safetensors
    json seconds = json::object();
    json stages = json::object();  // what summary.json says of each
    json notes = json::array();    // in words
};
// Error if there is neither base/ nor zero/.
PaperRun read_paper_run(const std::string& folder);

// What a page shows of texts: {"rollouts": {NAME: lines}, "data": {FILE: [{"prompt", "response"}]}}.
json read_paper_samples(const PaperRun& run);

// Where a path is in the folder of a run, which may have moved since the path was written; the path itself if it is
// elsewhere.
std::string relative_to(const std::string& folder, const std::string& path);

// Parameters that one token goes through, from the header of folder/model.safetensors and from config.json: those of
// the experts that a token is sent to, all others but what predicts further tokens and an embedding that is not the
// head, too. None if one of the files cannot be read.
std::optional<double> active_parameters(const std::string& folder);

}  // namespace r1
