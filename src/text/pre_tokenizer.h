// Cuts text into pre-tokens, the pieces within which merges happen: the steps of tokenizer.json's "pre_tokenizer", each
// applied to the pieces that the one before it left.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/scan.h"

struct pcre2_real_code_8;

namespace r1 {

// What becomes of a match, and of the text between matches, which is always a piece:
enum class Behavior : uint8_t {
    removed,                // it goes
    isolated,               // a piece of its own
    merged_with_previous,   // joins the piece before it, unless that ends in a match
    merged_with_next,       // joins the piece after it, unless that begins with a match
    contiguous              // joins the matches that touch it
};

struct SplitStep {
    enum Type : uint8_t {
        pattern,       // a regular expression
        digit,         // characters of \p{N}, one by one
        punctuation,   // ASCII's signs and \p{P}, one by one
        prefix_space   // cuts nothing: a piece that does not begin with a space gets one
    };
    Type type = pattern;
    Behavior behavior = Behavior::isolated;
    bool invert = false;      // the text between matches is the match
    std::string source = {};  // of a pattern
    std::shared_ptr<pcre2_real_code_8> code = {};
};

// A pattern is refused (naming `where`) if it is no regular expression, or one that PCRE2 reads otherwise than
// Oniguruma, which Hugging Face's library uses: \w \b \h \R \X \K, sets within sets. Meant as there: \s is White_Space,
// $ and ^ are ends of lines, classes are Unicode 16's.
SplitStep split_step(const std::string& pattern, const std::string& where, Behavior behavior = Behavior::isolated,
                     bool invert = false);

// Bytes at which no well-formed UTF-8 character starts never reach a step: each maximal run of them is a pre-token, and
// ends the text before it. "ab\xFF\xFE c" -> "ab", "\xFF\xFE", " c". Everything const may be called from several
// threads at once.
struct PreTokenizer {
    explicit PreTokenizer(const std::string& pattern = DEFAULT_PATTERN, const std::string& where = "the pattern");
    explicit PreTokenizer(std::vector<SplitStep> steps);

    using Use = std::function<void(std::string_view)>;
    void split(std::string_view text, const Use& use) const;
    void split_valid(std::string_view text, const Use& use) const;     // of well-formed UTF-8
    void split_by_steps(std::string_view text, const Use& use) const;  // the same without the scanner
    std::string pattern() const;  // of the only step, an isolating pattern; empty if it is something else

    std::vector<SplitStep> steps;
    Scanner scanner = nullptr;  // does all the steps in one pass, where there is one for them

private:
    void apply(size_t step, std::string_view text, const Use& use) const;
};

}  // namespace r1
