// The audit: what GRPO computes on given numbers, term by term, and where each number comes from. The computation
// itself is grpo_batch() of loss/grpo_batch.h, in double.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loss/grpo_batch.h"
#include "loss/grpo_options.h"

#include "base/options.h"

namespace r1 {

// What the audit prints beside the numbers of an answer and of a group.
struct AnswerLabel {
    std::string name;
    std::vector<std::string> tokens;  // texts; may be empty
    bool has_old = true;              // else the answer is on policy, and logp stands in logp_old
    // What another trainer says of it, where the file has it.
    std::optional<double> their_advantage;
    std::vector<bool> their_mask;     // of each token: whether it is in their loss
    std::vector<double> their_dlogp;  // of each token: dloss/dlogp
};
struct GroupLabel {
    std::string name;
    std::vector<AnswerLabel> answers;
};

// A batch to audit: its numbers, and what its parts are called.
struct AuditInput {
    GrpoBatch<double> batch;
    std::vector<GroupLabel> labels;  // by group and answer
    double epsilon = -1, beta = -1;  // what the file sets, or -1
    // Of another trainer, where the file has it.
    std::optional<double> their_loss;
    std::string framework;                                        // "trl 1.16.0"
    std::string preset;                                           // of ours that its settings are, or ""
    std::vector<std::pair<std::string, std::string>> their_math;  // options of ours that its settings are
};

// {"epsilon": 0.2, "beta": 0.001, "groups": [{"answers": [{"reward": 1, "logp": [...], "logp_old": [...],
// "logp_ref": [...]}]}]}; further keys of an answer: "tokens", "truncated", "logp_sampler", and, instead of "reward",
// "steps": [[last token, reward], ...]. Without "logp_old" an answer is on policy. Of another trainer, for comparison:
// "framework", "preset", "options" and "loss" of the file, "advantage", "mask" and "dlogp" (dloss/dlogp of each token)
// of an answer. What is malformed is an Error that says where.
AuditInput read_audit(const std::string& path);

// A step that a run of r1 grpo recorded.
struct RecordedAnswer {
    int update = 0;        // the minibatch it went into, from 0
    double advantage = 0;  // as training used it, in float
    std::vector<int> ids;  // of its tokens
    struct Candidate {
        int id;
        std::string text;
        double p;
    };
    std::vector<std::vector<Candidate>> candidates;  // the likeliest tokens at each place
};
struct RunStep {
    AuditInput input;
    std::vector<std::vector<RecordedAnswer>> recorded;  // by group and answer
    GrpoMath math;
    double temperature = 1;
    int64_t step = 0;
    json metrics;  // of the whole step; null if there are none
};
RunStep read_run(const std::string& folder, int64_t step);  // step 0: the last that was recorded

// What a run of r1 grpo was asked to compute, by its options.json.
struct RunOptions {
    GrpoMath math;
    double temperature = 1;
    int updates = 1;  // a rollout
};
RunOptions options_of_run(const std::string& folder);

// Prints the newest metrics of a run of r1 grpo in words.
void explain(const std::string& folder);

struct AuditOptions {
    std::string file, run;                 // one of them
    int step = 0;                          // of the run; 0: the last that was recorded
    int group = 0, answer = 0, token = 0;  // what is printed in full, counted from 1; 0: not chosen
    bool all = false, as_json = false, explain = false;
    std::string html;                                       // file to write
    std::string preset;                                     // "": the file's or the run's own
    std::vector<std::pair<std::string, std::string>> math;  // options given, in order
};
OptionTable table_of(AuditOptions& options);
void audit_command(const AuditOptions& options);

}  // namespace r1
