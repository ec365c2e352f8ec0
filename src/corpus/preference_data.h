// What reward models learn from, as JSON lines, told apart by their keys:
//
//   {"prompt": "...", "chosen": "...", "rejected": "..."}        pairs, for the kind helpful
//   {"prompt": "...", "response": "...", "safe": true}           labels, for the kind safe
//
// A prompt, a chosen or a rejected one may also be a list of messages; without "prompt" the messages before the last of
// "chosen" are it. "better": "chosen", "rejected" or "equal" tells the truth where it is known, and "probability" how
// likely whoever chose was to choose so: where every pair has it, the best possible accuracy is known.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tasks/reward_model.h"

namespace r1 {

struct RewardExample {
    std::string prompt;                 // as text: what a split must not have on both sides
    std::vector<int> tokens, other;     // the chosen and the rejected; of a label the response, and nothing
    bool safe = true;                   // the label
    int length = 0, other_length = 0;   // bytes of the responses as they are read, before the context cuts them
    std::optional<double> truth;        // of a pair: 1 if the better one was chosen, 0 if not, 0.5 if they are equal
    std::optional<double> probability;  // that the chosen one is chosen

    bool is_pair() const { return !other.empty(); }
};

struct RewardData {
    std::vector<RewardExample> examples;
    int64_t lines = 0;
    int64_t equal = 0;    // pairs that are equal as they are read, which teach nothing: left out
    int64_t no_room = 0;  // prompts that leave no room for a response in the context: left out
    int longest = 0;      // tokens
};

// Error, in one line that names file and line, for whatever is malformed or of the other kind, and if no example
// remains.
RewardData read_reward_data(const std::string& path, const RewardReading& reading);

// Error if a prompt stands on both sides, since accuracy held out would then be that of learning by heart.
void check_split(const RewardData& train, const RewardData& held_out, const std::string& path);

std::string in_words(const RewardData& data);  // "9000 pairs of 9100 lines; 100 left out: ..."

}  // namespace r1
