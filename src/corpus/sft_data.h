// Examples to imitate, from JSON lines of four forms, told apart by their keys:
//
//   {"prompt": "...", "response": "..."}
//   {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}, ...]}
//   {"system": "...", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}, ...]}   ShareGPT
//   {"tokens": [0, 17, 4, 1], "mask": [0, 0, 1, 1]}
//
// What is learned is what the model is to write: responses, every answer of a conversation, and the token that ends
// each. <think> and its like are tags in answers and system messages, letters in what a user says. A line may have a
// "weight", from 0.001 to 1000: how often an epoch has it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tasks/prompt.h"
#include "text/chat.h"
#include "text/tokenizer.h"

namespace r1 {

struct SftExample {
    std::vector<int> tokens;
    std::vector<uint8_t> mask;  // [tokens]: 1 where the token is learned, as a target; the first never is
    double weight = 1;          // how often an epoch has the example
};

struct SftDataOptions {
    ChatTemplate chat_template;                     // of conversations; see load_chat_template
    std::optional<PromptTemplate> prompt_template;  // put around a "prompt"; none: it is the text before the response
    int vocab_size = 0;                             // of the model: bounds ids that are given as numbers
    int context = 0;                                // most tokens of an example; 0: any number
};

struct SftData {
    std::vector<SftExample> examples;
    int64_t lines = 0;
    // Examples longer than the context are left out: cut short, they would teach answers that do not end.
    int64_t too_long = 0;
    int longest = 0;                  // tokens of the longest example, left out or not
    int64_t tokens = 0, learned = 0;  // of the examples
};

// A conversation is one example where the model, when it comes to a later answer, sees the earlier ones as they were
// learned. Where its template takes the thinking out of earlier answers, each answer becomes an example of its own: the
// conversation before it as the model will see it, then the answer with its thinking.
//
// What the prompt writes of an answer ("<think>\n" for R1) is not learned. Error, in one line that names file and line,
// for whatever is malformed, and if no example remains.
SftData read_sft_data(const std::string& path, const Tokenizer& tokenizer, const SftDataOptions& options);

std::string in_words(
    const SftData& data);  // "1200 examples of 1203 lines, ...; 3 left out: longer than the context ..."

}  // namespace r1
