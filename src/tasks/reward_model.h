// A reward model as it is used: it reads a question and a response, and says in one number how good the response is.
//
//   kind      reads                                    says
//   helpful   the response without its thinking        s, any number: larger is better                [NATURE Methods]
//   safe      all of the response                      sigmoid(s), the probability that it is safe    [NATURE Methods]
//
// Its folder is a ...ForSequenceClassification of Hugging Face's; "r1_reward" in its config.json has kind and template.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/disk/folder.h"
#include "model/scorer.h"
#include "tasks/prompt.h"

namespace r1 {

enum class RewardKind { helpful, safe };
inline const std::vector<std::pair<const char*, RewardKind>> REWARD_KINDS = {{"helpful", RewardKind::helpful},
                                                                             {"safe", RewardKind::safe}};

// How a question and a response become the tokens that a reward model reads.
struct RewardReading {
    RewardKind kind = RewardKind::helpful;
    PromptTemplate prompt_template = PromptTemplate::plain;
    ChatTemplate chat;  // plain, or that of the model for PromptTemplate::chat
    const Tokenizer* tokenizer = nullptr;
    int context = 0;  // most tokens

    // The prompt, what is read of the response, and the token that ends an answer, cut at the context: the score is
    // read at the last of them, which is always of the response. Empty if the prompt leaves no room for a response.
    std::vector<int> tokens(const std::vector<Message>& prompt, const std::string& response) const;
    int length_of(const std::string& response) const;  // bytes of it that are read
    std::vector<int> tokens(const std::string& question, const std::string& response) const {
        return tokens(conversation(prompt_template, question), response);
    }
};
RewardReading make_reading(RewardKind kind, PromptTemplate prompt_template, const std::string& folder,
                           const Tokenizer& tokenizer, int context);
// Into the model's configuration, where load_reward_model finds it.
void record_reading(Config& config, const RewardReading& reading);

struct RewardModel {
    ModelFolder folder;
    Model model;
    Scorer scorer;
    RewardReading reading;  // with folder.tokenizer
};
// Error if the folder is no reward model, or one of another kind.
std::unique_ptr<RewardModel> load_reward_model(const std::string& path, RewardKind kind, const Ops& ops);

struct RewardAsk {
    std::string question, response;
};
// What the model says of each, as the table above has it. A question that leaves no room for a response gets 0.
std::vector<float> rewards_of(RewardModel& model, const std::vector<RewardAsk>& asks);

// ---- the reward of general prompts: Reward_general = Reward_reward_model + Reward_format               [NATURE eq 10]

struct PreferenceOptions {
    std::string helpful_model, safety_model;  // folders; "": prompts of that set are rewarded by their rubrics
    float weight = 1;                         // of the reward model's part
    bool given() const { return !helpful_model.empty() || !safety_model.empty(); }
};
OptionTable table_of(PreferenceOptions& options);

struct Preferences {
    float weight = 1;
    std::unique_ptr<RewardModel> helpful, safe;  // null: not given
    RewardModel* of_set(const std::string& set) const { return set == "safe" ? safe.get() : helpful.get(); }
};
Preferences load_preferences(const PreferenceOptions& options, const Ops& ops);

// Reward_reward_model, from 0 to 1 as the rules' rewards are, so that an answer that is cut off, and gets 0, never does
// better than a bad one that ends: P(safe), or the probability that a helpful model prefers the response to one whose
// score is 0. The paper does not say how it scales scores.
float preference_reward(RewardKind kind, float said);

}  // namespace r1
