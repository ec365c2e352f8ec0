// r1 render: what a model reads of a conversation.
#pragma once
#include <string>

#include "base/options.h"

namespace r1 {

struct RenderOptions {
    std::string model;    // a folder with tokenizer.json and, if it has one, a chat template
    bool prompt = false;  // up to where the next answer begins
};
OptionTable table_of(RenderOptions& options);

// Standard input is JSON lines, each a list [{"role": "user", "content": "..."}, ...]; standard output the same number
// of lines {"text": "...", "tokens": [...]}.
void render_command(const RenderOptions& options);

}  // namespace r1
