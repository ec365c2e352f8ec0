// Tokens that are found in the text before anything else: tags such as <think>, control tokens, runs of spaces. The
// rules are those of Hugging Face's library: of the tokens that start first the longest is found, then the search goes on
// behind it; what is found and not wanted there (single_word) is text.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace r1 {

struct AddedToken {
    int id = -1;
    std::string content;
    bool special = false;
    bool single_word = false;  // not beside a character of \w
    bool lstrip = false;       // takes the white space before it
    bool rstrip = false;       // takes the white space behind it
    bool normalized = false;   // sought in the normalized text
};

// Built once, then read by any number of threads.
class AddedTokenFinder {
public:
    void add(const AddedToken& token, const std::string& content);  // content: as it stands in the text that is searched
    bool empty() const { return tokens_.empty(); }

    // A token found: it stands for text[from, to).
    struct Found {
        size_t from, to;
        int id;
    };
    // The next token from `at` on, or one with id -1. `at` moves behind what was looked at.
    Found next(std::string_view text, size_t& at) const;

private:
    size_t next_first(std::string_view text, size_t at) const;  // where one may start
    int longest(std::string_view text, size_t at) const;  // index of the longest token that starts there, or -1

    std::vector<AddedToken> tokens_;
    std::vector<int> ends_;                               // a node of the tree of contents: its token or -1
    std::unordered_map<uint64_t, int> child_;             // node and byte
    std::string firsts_;                                   // the first bytes of all contents: of most files, <
    std::array<bool, 256> is_first_ = {};
    std::vector<bool> starts_ = std::vector<bool>(65536);  // the first two bytes of a content
};

}  // namespace r1
