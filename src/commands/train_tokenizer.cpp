// Training the tokenizer: count the pre-tokens of a corpus, merge the most frequent pair, again and again.
// The tags of a document (<think> and its like) are tokens of their own and not counted.
#include "commands/train_tokenizer.h"

#include <cstdio>

#include "corpus/documents.h"
#include "text/tokenizer.h"

namespace r1 {

OptionTable table_of(TokenizerOptions& o) {
    OptionTable table;
    table.inputs("--corpus", o.corpus, CORPUS_HELP).needed = true;
    table.output("--output", o.output, "tokenizer.json to write").needed = true;
    table.number("--vocab-size", o.vocab_size, between(1, 1e7),
                 "most tokens; training ends earlier when no pair is left");
    table.number("--documents", o.documents, at_least(0), "documents of the corpus to learn from; 0: all");
    return table;
}

void tokenizer_command(const TokenizerOptions& o) {
    PreTokenizer pre_tokenizer;
    PreTokenCounts counts;
    int64_t read = 0;
    each_document(o.corpus, [&](const std::string& document) {
        if (o.documents > 0 && read >= o.documents) return;
        ++read;
        std::string_view rest = document;
        while (!rest.empty()) {  // the text between tags
            size_t at = rest.size(), length = 0;
            for (const std::string_view tag : TAGS)
                if (const size_t found = rest.find(tag); found < at) {
                    at = found;
                    length = tag.size();
                }
            count_pre_tokens(pre_tokenizer, rest.substr(0, at), counts);
            rest.remove_prefix(at + length);
        }
    });
    const Tokenizer tokenizer = train_tokenizer(counts, o.vocab_size, pre_tokenizer);
    tokenizer.save(o.output);
    std::printf("tokenizer: %d tokens, %zu merges, from %lld documents with %zu different pre-tokens\n",
                tokenizer.size(), tokenizer.merges.size(), static_cast<long long>(read), counts.size());
}

}  // namespace r1
