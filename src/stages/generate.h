// r1 sample and r1 chat: a model writes.
#pragma once
#include "stages/run.h"
#include "text/chat.h"

namespace r1 {

struct GenerateOptions {
    std::string model, prompt, system;    // its folder; sample: the prompt, "-": standard input; chat: what the system says
    PromptTemplate prompt_template = PromptTemplate::plain;
    bool bare = true;                     // sample: the prompt is the text as it stands, in no template
    int count = 1;                        // sample: answers
    float temperature = 0.6f, top_p = 0.95f;  // R1's own [R1v1 section 3]
    int max_tokens = 512;
    int context = 4096;                   // chat: tokens of a conversation, at most the model's
    uint32_t seed = 1;
    bool as_json = false;                 // sample: a line {"text", "tokens", "logprobs", "finished"} for each answer
};

void sample_command(const GenerateOptions& options, const Device& device);

// Reads a question from each line of standard input, and writes the answer as it comes; the thinking is dimmed on a
// terminal. /new begins anew, /exit or the end of input ends.
void chat_command(const GenerateOptions& options, const Device& device);

}  // namespace r1
