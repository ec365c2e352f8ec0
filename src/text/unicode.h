// Characters: UTF-8, and which class of Unicode's a character belongs to.
//
// The classes are those of Unicode 16, as the regular expressions of Hugging Face's library have them. Debian's
// libraries may be older: what was assigned since Unicode 14 is a table of unicode.cpp.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

enum CharClass : uint8_t {
    LETTER = 1,        // \p{L}
    MARK = 2,          // \p{M}
    NUMBER = 4,        // \p{N}
    PUNCTUATION = 8,   // \p{P}
    SYMBOL = 16,       // \p{S}
    SPACE = 32,        // White_Space, which is \s
    WORD = 64,         // \w: alphabetic, marks, decimal digits, connectors, joiners
    HAN_OR_KANA = 128  // U+4E00 to U+9FA5, U+3040 to U+30FF: DeepSeek-V3 splits these off
};

// The class of every character: blocks of 256, of which most are alike and stored once. 45 KB.
struct CharTable {
    uint16_t block[0x1100];
    std::vector<uint8_t> classes;
    uint8_t operator[](uint32_t c) const { return classes[size_t(block[c >> 8]) << 8 | (c & 255)]; }
};
const CharTable& char_table();

// What Unicode 15, 15.1 and 16 assigned: ranges with their category ("Lu", "Nd").
struct UnicodeRange {
    uint32_t first, last;
    const char* category;
};
std::span<const UnicodeRange> added_since_unicode_14();

// Length of the UTF-8 character that starts at text[i]; 0 if none does.
inline size_t character_at(std::string_view text, size_t i) {
    const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
    const unsigned a = byte(i), b = byte(i + 1);
    if (a < 0x80) return 1;
    const auto continues = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
    if (a < 0xC2 || a > 0xF4 || !continues(i + 1)) return 0;
    if (a < 0xE0) return 2;
    if (a < 0xF0) return continues(i + 2) && !(a == 0xE0 && b < 0xA0) && !(a == 0xED && b > 0x9F) ? 3 : 0;
    return continues(i + 2) && continues(i + 3) && !(a == 0xF0 && b < 0x90) && !(a == 0xF4 && b > 0x8F) ? 4 : 0;
}

// The character at s[i] of well-formed UTF-8; next is where the following one starts.
inline uint32_t decode_character(const char* s, size_t i, size_t& next) {
    const auto byte = [&](size_t k) { return uint32_t(static_cast<unsigned char>(s[k])); };
    const uint32_t a = byte(i);
    if (a < 0x80) return next = i + 1, a;
    if (a < 0xE0) return next = i + 2, (a & 31) << 6 | (byte(i + 1) & 63);
    if (a < 0xF0) return next = i + 3, (a & 15) << 12 | (byte(i + 1) & 63) << 6 | (byte(i + 2) & 63);
    return next = i + 4, (a & 7) << 18 | (byte(i + 1) & 63) << 12 | (byte(i + 2) & 63) << 6 | (byte(i + 3) & 63);
}

inline bool eight_ascii(const char* s) {
    uint64_t eight;
    std::memcpy(&eight, s, 8);
    return !(eight & 0x8080808080808080u);
}

// Where the longest well-formed text from text[i] on ends.
size_t end_of_valid(std::string_view text, size_t i);

}  // namespace r1
