// Reward models: one number that says how helpful a response is, learned from pairs, or how safe it is, learned from
// labels. R1's last round of reinforcement learning is rewarded by both [R1v1 section 2.3.4; NATURE Methods].
#pragma once
#include "corpus/preference_data.h"
#include "ops/device.h"
#include "train/loop.h"

namespace r1 {

struct RewardModelOptions : TrainingOptions {
    std::string model, data;  // the folder to start from; JSON lines
    RewardKind kind = RewardKind::helpful;
    PromptTemplate prompt_template = PromptTemplate::plain;
    int epochs = 1, steps = 0;  // times that the data is seen; or updates
    int batch = 256;            // pairs or labelled responses an update
    int context = 0;            // most tokens of a prompt with its response; 0: what the model was made for

    RewardModelOptions() { lr = 6e-6f; }  // [NATURE Methods]
};
OptionTable table_of(RewardModelOptions& options);

// How a reward model does on examples. Shares are between 0 and 1; a tie is half right.
struct RewardAccuracy {
    int64_t examples = 0;
    double accuracy = 0;
    double loss = 0;
    double length = 0;               // accuracy of preferring the longer response; of labels: of the commoner label
    std::optional<double> truth;     // accuracy of preferring what is truly better, where every pair tells it
    std::optional<double> best;      // the best possible: mean of max(p, 1 - p), where every pair has its probability p
    std::optional<double> of_truth;  // how often the truly better one has the higher score, of pairs that have one
};
// scores: of the tokens of each example, and others of the other side.
RewardAccuracy reward_accuracy(const std::vector<RewardExample>& examples, const std::vector<float>& scores,
                               const std::vector<float>& others);

// r1 reward-model
void reward_model(RewardModelOptions options, const Device& device);

}  // namespace r1
