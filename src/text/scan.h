// Pre-tokens of the patterns that models use, found by hand-written scanners: the same cuts as PCRE2's, ten times
// faster. Every alternative of a pattern is a line or two here.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// Words, digits by threes (as in DeepSeek-V3), signs, white space; one space goes with what follows it (as in GPT-2).
inline constexpr const char* DEFAULT_PATTERN = R"( ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr const char* GPT2_PATTERN =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Qwen2 and after: a sign may go with the word that follows it, digits stand alone. Llama 3: digits by threes.
inline constexpr const char* QWEN2_PATTERN =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr const char* LLAMA3_PATTERN =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// DeepSeek-V3 and R1 split three times: digits, Chinese and kana, the rest. (The line ends stand in the file as such.)
inline constexpr const char* DEEPSEEK_V3_PATTERNS[3] = {
    R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
    ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+")};

// Writes where the next pre-tokens from `from` on end, at most `most` of them, and returns how many. text is
// well-formed UTF-8, and `from` the end of a pre-token or 0. None: the text is at its end.
using Scanner = size_t (*)(std::string_view text, size_t from, size_t* ends, size_t most);

// The scanner of these patterns, applied one after the other, each match isolated; null if there is none.
Scanner scanner_of(const std::vector<std::string>& patterns);

}  // namespace r1
