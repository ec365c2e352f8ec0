// Plain texts to learn from, tokenised, and the batches that they are read in.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace r1 {

// All documents' tokens, one after the other; document i is tokens[begin[i]] .. tokens[begin[i + 1]].
struct Documents {
    std::vector<int> tokens;
    std::vector<int64_t> begin = {0};
    int64_t size() const { return int64_t(begin.size()) - 1; }
    int length(int64_t i) const { return int(begin[i + 1] - begin[i]); }
    const int* text(int64_t i) const { return tokens.data() + begin[i]; }
    int longest() const;  // tokens; at least 1
};

// JSON lines {"text": ...}, each between the begin and end tokens; what is longer than `longest` tokens is cut there.
Documents read_documents(const std::string& path, const Tokenizer& tokenizer, int longest);

// Batch after batch, epoch after epoch, in an order that the seed fixes.
class DocumentReader {
public:
    DocumentReader(const Documents& documents, uint32_t seed);
    // Whole documents until there are so many tokens to predict.
    std::vector<int64_t> read(int batch_tokens);

private:
    const Documents& documents_;
    uint32_t seed_, epoch_ = 0;
    std::vector<uint32_t> order_;
    size_t next_ = 0;
};

}  // namespace r1
