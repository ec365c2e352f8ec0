// Plain texts to learn from, tokenised, and the batches that they are read in.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace r1 {

// What --corpus may name, for help texts.
inline constexpr const char* CORPUS_HELP =
    "JSON lines {\"text\": ...} (.jsonl, .json), a file of plain text, which is one document, or a folder of these; "
    "may be "
    "given more than once";

// Calls text(document) for each document, file by file, a folder's in the order of their names. Error for an empty
// corpus, and for what is not UTF-8.
void each_document(const std::vector<std::string>& corpus, const std::function<void(std::string)>& text);

// Of a document with more tokens than the model reads: whether it is cut into pieces or left out.
enum class LongDocuments { split, skip };

// What is learned from as token sequences, one after the other; sequence i is tokens[begin[i]] .. tokens[begin[i + 1]].
struct Documents {
    std::vector<int> tokens;
    std::vector<int64_t> begin = {0};
    int64_t read = 0, too_long = 0;  // documents; those of them that are longer than the model reads
    int64_t size() const { return int64_t(begin.size()) - 1; }
    int length(int64_t i) const { return int(begin[i + 1] - begin[i]); }
    const int* text(int64_t i) const { return tokens.data() + begin[i]; }
    int longest() const;  // tokens; at least 1
};

// Each document between the begin and end tokens. One that has more than `rows` tokens to predict is left out, or cut
// into pieces of so many. A piece begins with the last token of the one before it, so that every token is predicted
// once.
Documents read_documents(const std::vector<std::string>& corpus, const Tokenizer& tokenizer, int rows,
                         LongDocuments too_long = LongDocuments::split);
std::string in_words(const Documents& documents, LongDocuments too_long);  // "1200 documents, 61 k tokens; ..."

// Batch after batch, epoch after epoch, in an order that the seed fixes.
class DocumentReader {
public:
    DocumentReader(const Documents& documents, uint32_t seed);
    // Whole sequences until there are so many tokens to predict.
    std::vector<int64_t> read(int batch_tokens);

private:
    const Documents& documents_;
    uint32_t seed_, epoch_ = 0;
    std::vector<uint32_t> order_;
    size_t next_ = 0;
};

}  // namespace r1
