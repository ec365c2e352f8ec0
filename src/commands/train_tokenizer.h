// Training the tokenizer on a corpus.
#pragma once
#include <string>

#include "base/options.h"

namespace r1 {

struct TokenizerOptions {
    std::vector<std::string> corpus;
    std::string output;
    int vocab_size = 512;
    int64_t documents = 20000;  // to learn from; 0: all
};
OptionTable table_of(TokenizerOptions& options);

void tokenizer_command(const TokenizerOptions& options);

}  // namespace r1
