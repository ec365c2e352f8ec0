// Text to token ids and back, on standard input and output.
#pragma once
#include <string>

#include "base/options.h"

namespace r1 {

struct EncodeOptions {
    std::string tokenizer;    // tokenizer.json or a model's folder
    bool no_special = false;  // the text of tags and control tokens is plain text
    bool ends = false;        // with the tokens that the file's post-processor puts around a text
    bool jsonl = false;       // lines {"text": ...}, each encoded by itself to a line of ids
};
OptionTable table_of(EncodeOptions& options);
// The ids are those of Hugging Face's library. All of the input is read first: a cut could fall within a token.
void encode_command(const EncodeOptions& o);

struct DecodeOptions {
    std::string tokenizer;
    bool skip_special = false;  // control tokens become nothing
};
OptionTable table_of(DecodeOptions& options);
// Ids, separated by white space, become bytes as they come, and nothing is added to them. An id that is no number, or
// that no token has, is an error.
void decode_command(const DecodeOptions& o);

}  // namespace r1
