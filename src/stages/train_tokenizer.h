// Training the tokenizer on a corpus.
#pragma once
#include <string>

namespace r1 {

struct TokenizerOptions {
    std::string corpus, output;
    int vocab_size = 512;
    int64_t documents = 20000;            // to learn from; 0: all
};

void train_tokenizer_stage(const TokenizerOptions& options);

}  // namespace r1
