// r1 sample and r1 chat: a model writes.
#pragma once
#include "ops/device.h"

namespace r1 {

struct GenerateOptions {
    std::string model;                        // its folder
    float temperature = 0.6f, top_p = 0.95f;  // R1's own [R1v1 section 3]
    int max_tokens = 512;
    uint32_t seed = 1;
};

struct SampleCommandOptions : GenerateOptions {
    std::string prompt;                    // "-": standard input
    std::string prompt_template = "none";  // none: the prompt is the text as it stands
    int count = 1;                         // answers
    bool as_json = false;                  // a line {"text", "tokens", "logprobs", "finished"} for each answer
};
OptionTable table_of(SampleCommandOptions& options);
void sample_command(const SampleCommandOptions& options, const Device& device);

struct ChatOptions : GenerateOptions {
    std::string system;  // what the system says
    int context = 4096;  // tokens of a conversation, at most the model's
};
OptionTable table_of(ChatOptions& options);
// Reads a question from each line of standard input, and writes the answer as it comes; the thinking is dimmed on a
// terminal. /new begins anew, /exit or the end of input ends.
void chat_command(const ChatOptions& options, const Device& device);

}  // namespace r1
