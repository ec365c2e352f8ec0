#include "text/unicode.h"

#include <unictype.h>

#include <array>
#include <cstring>
#include <map>

namespace r1 {

namespace {

// reference/check_tokenizer.py asks the library about every character.
constexpr UnicodeRange ADDED[] = {
    {0x897, 0x897, "Mn"}, {0xCF3, 0xCF3, "Mc"}, {0xECE, 0xECE, "Mn"}, {0x1B4E, 0x1B4F, "Po"}, {0x1B7F, 0x1B7F, "Po"},
    {0x1C89, 0x1C89, "Lu"}, {0x1C8A, 0x1C8A, "Ll"}, {0x2427, 0x2429, "So"}, {0x2FFC, 0x2FFF, "So"},
    {0x31E4, 0x31E5, "So"}, {0x31EF, 0x31EF, "So"}, {0xA7CB, 0xA7CC, "Lu"}, {0xA7CD, 0xA7CD, "Ll"},
    {0xA7DA, 0xA7DA, "Lu"}, {0xA7DB, 0xA7DB, "Ll"}, {0xA7DC, 0xA7DC, "Lu"}, {0x105C0, 0x105F3, "Lo"},
    {0x10D40, 0x10D49, "Nd"}, {0x10D4A, 0x10D4D, "Lo"}, {0x10D4E, 0x10D4E, "Lm"}, {0x10D4F, 0x10D4F, "Lo"},
    {0x10D50, 0x10D65, "Lu"}, {0x10D69, 0x10D6D, "Mn"}, {0x10D6E, 0x10D6E, "Pd"}, {0x10D6F, 0x10D6F, "Lm"},
    {0x10D70, 0x10D85, "Ll"}, {0x10D8E, 0x10D8F, "Sm"}, {0x10EC2, 0x10EC4, "Lo"}, {0x10EFC, 0x10EFF, "Mn"},
    {0x1123F, 0x11240, "Lo"}, {0x11241, 0x11241, "Mn"}, {0x11380, 0x11389, "Lo"}, {0x1138B, 0x1138B, "Lo"},
    {0x1138E, 0x1138E, "Lo"}, {0x11390, 0x113B5, "Lo"}, {0x113B7, 0x113B7, "Lo"}, {0x113B8, 0x113BA, "Mc"},
    {0x113BB, 0x113C0, "Mn"}, {0x113C2, 0x113C2, "Mc"}, {0x113C5, 0x113C5, "Mc"}, {0x113C7, 0x113CA, "Mc"},
    {0x113CC, 0x113CD, "Mc"}, {0x113CE, 0x113CE, "Mn"}, {0x113CF, 0x113CF, "Mc"}, {0x113D0, 0x113D0, "Mn"},
    {0x113D1, 0x113D1, "Lo"}, {0x113D2, 0x113D2, "Mn"}, {0x113D3, 0x113D3, "Lo"}, {0x113D4, 0x113D5, "Po"},
    {0x113D7, 0x113D8, "Po"}, {0x113E1, 0x113E2, "Mn"}, {0x116D0, 0x116E3, "Nd"}, {0x11B00, 0x11B09, "Po"},
    {0x11BC0, 0x11BE0, "Lo"}, {0x11BE1, 0x11BE1, "Po"}, {0x11BF0, 0x11BF9, "Nd"}, {0x11F00, 0x11F01, "Mn"},
    {0x11F02, 0x11F02, "Lo"}, {0x11F03, 0x11F03, "Mc"}, {0x11F04, 0x11F10, "Lo"}, {0x11F12, 0x11F33, "Lo"},
    {0x11F34, 0x11F35, "Mc"}, {0x11F36, 0x11F3A, "Mn"}, {0x11F3E, 0x11F3F, "Mc"}, {0x11F40, 0x11F40, "Mn"},
    {0x11F41, 0x11F41, "Mc"}, {0x11F42, 0x11F42, "Mn"}, {0x11F43, 0x11F4F, "Po"}, {0x11F50, 0x11F59, "Nd"},
    {0x11F5A, 0x11F5A, "Mn"}, {0x1342F, 0x1342F, "Lo"}, {0x13440, 0x13440, "Mn"}, {0x13441, 0x13446, "Lo"},
    {0x13447, 0x13455, "Mn"}, {0x13460, 0x143FA, "Lo"}, {0x16100, 0x1611D, "Lo"}, {0x1611E, 0x16129, "Mn"},
    {0x1612A, 0x1612C, "Mc"}, {0x1612D, 0x1612F, "Mn"}, {0x16130, 0x16139, "Nd"}, {0x16D40, 0x16D42, "Lm"},
    {0x16D43, 0x16D6A, "Lo"}, {0x16D6B, 0x16D6C, "Lm"}, {0x16D6D, 0x16D6F, "Po"}, {0x16D70, 0x16D79, "Nd"},
    {0x18CFF, 0x18CFF, "Lo"}, {0x1B132, 0x1B132, "Lo"}, {0x1B155, 0x1B155, "Lo"}, {0x1CC00, 0x1CCEF, "So"},
    {0x1CCF0, 0x1CCF9, "Nd"}, {0x1CD00, 0x1CEB3, "So"}, {0x1D2C0, 0x1D2D3, "No"}, {0x1DF25, 0x1DF2A, "Ll"},
    {0x1E030, 0x1E06D, "Lm"}, {0x1E08F, 0x1E08F, "Mn"}, {0x1E4D0, 0x1E4EA, "Lo"}, {0x1E4EB, 0x1E4EB, "Lm"},
    {0x1E4EC, 0x1E4EF, "Mn"}, {0x1E4F0, 0x1E4F9, "Nd"}, {0x1E5D0, 0x1E5ED, "Lo"}, {0x1E5EE, 0x1E5EF, "Mn"},
    {0x1E5F0, 0x1E5F0, "Lo"}, {0x1E5F1, 0x1E5FA, "Nd"}, {0x1E5FF, 0x1E5FF, "Po"}, {0x1F6DC, 0x1F6DC, "So"},
    {0x1F774, 0x1F776, "So"}, {0x1F77B, 0x1F77F, "So"}, {0x1F7D9, 0x1F7D9, "So"}, {0x1F8B2, 0x1F8BB, "So"},
    {0x1F8C0, 0x1F8C1, "So"}, {0x1FA75, 0x1FA77, "So"}, {0x1FA87, 0x1FA89, "So"}, {0x1FA8F, 0x1FA8F, "So"},
    {0x1FAAD, 0x1FAAF, "So"}, {0x1FABB, 0x1FABF, "So"}, {0x1FAC6, 0x1FAC6, "So"}, {0x1FACE, 0x1FACF, "So"},
    {0x1FADA, 0x1FADC, "So"}, {0x1FADF, 0x1FADF, "So"}, {0x1FAE8, 0x1FAE9, "So"}, {0x1FAF7, 0x1FAF8, "So"},
    {0x1FBCB, 0x1FBEF, "So"}, {0x2B739, 0x2B739, "Lo"}, {0x2EBF0, 0x2EE5D, "Lo"}, {0x31350, 0x323AF, "Lo"},
};

uint8_t class_of_category(std::string_view category) {
    switch (category[0]) {
        case 'L': return LETTER | WORD;
        case 'M': return MARK | WORD;
        case 'N': return category == "No" ? NUMBER : NUMBER | WORD;
        case 'P': return category == "Pc" ? PUNCTUATION | WORD : PUNCTUATION;
        case 'S': return SYMBOL;
        default: return 0;
    }
}

uint8_t class_from_library(uint32_t c) {
    const auto in = [&](uint32_t mask) { return uc_is_general_category_withtable(c, mask); };
    uint8_t value = in(UC_CATEGORY_MASK_L)   ? LETTER
                    : in(UC_CATEGORY_MASK_M) ? MARK
                    : in(UC_CATEGORY_MASK_N) ? NUMBER
                    : in(UC_CATEGORY_MASK_P) ? PUNCTUATION
                    : in(UC_CATEGORY_MASK_S) ? SYMBOL
                                             : 0;
    if (uc_is_property_white_space(c)) value |= SPACE;
    if ((value & MARK) || in(UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Pc) || uc_is_property_alphabetic(c) ||
        uc_is_property_join_control(c))
        value |= WORD;
    if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) value |= HAN_OR_KANA;
    return value;
}

CharTable make_table() {
    std::vector<uint8_t> all(0x110000);
    for (uint32_t c = 0; c < 0x110000; ++c) all[c] = class_from_library(c);
    for (const UnicodeRange& range : ADDED)
        for (uint32_t c = range.first; c <= range.last; ++c) all[c] = class_of_category(range.category);
    CharTable table;
    std::map<std::string_view, uint16_t> stored;
    for (uint32_t b = 0; b < 0x1100; ++b) {
        const auto* block = all.data() + (size_t(b) << 8);
        const std::string_view bytes(reinterpret_cast<const char*>(block), 256);
        const auto [at, is_new] = stored.emplace(bytes, uint16_t(stored.size()));
        if (is_new) table.classes.insert(table.classes.end(), block, block + 256);
        table.block[b] = at->second;
    }
    return table;
}

// What may come next in well-formed UTF-8 (Unicode 16, table 3-7): states of a machine that takes a byte a step without
// a branch. FOLLOWING[byte] holds the next states of all nine, six bits each; a state is the place of its six bits.
enum Expected : uint64_t {
    CHARACTER = 0, NOTHING = 6, ONE_MORE = 12, TWO_MORE = 18, THREE_MORE = 24,  // NOTHING: what came is not UTF-8
    AFTER_E0 = 30, AFTER_ED = 36, AFTER_F0 = 42, AFTER_F4 = 48                  // not every continuation byte
};
constexpr std::array<uint64_t, 256> FOLLOWING = [] {
    std::array<uint64_t, 256> table{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        const auto within = [&](unsigned first, unsigned last) { return byte >= first && byte <= last; };
        const auto next = [&](Expected from, bool is, Expected to) { table[byte] |= (is ? to : NOTHING) << from; };
        const Expected special = byte == 0xE0 ? AFTER_E0 : byte == 0xED ? AFTER_ED : byte == 0xF0 ? AFTER_F0 : AFTER_F4;
        const bool is_special = byte == 0xE0 || byte == 0xED || byte == 0xF0 || byte == 0xF4;
        const Expected lead = is_special ? special : byte < 0xE0 ? ONE_MORE : byte < 0xF0 ? TWO_MORE : THREE_MORE;
        next(CHARACTER, byte < 0x80 || within(0xC2, 0xF4), byte < 0x80 ? CHARACTER : lead);
        next(NOTHING, false, NOTHING);
        next(ONE_MORE, within(0x80, 0xBF), CHARACTER);
        next(TWO_MORE, within(0x80, 0xBF), ONE_MORE);
        next(THREE_MORE, within(0x80, 0xBF), TWO_MORE);
        next(AFTER_E0, within(0xA0, 0xBF), ONE_MORE);
        next(AFTER_ED, within(0x80, 0x9F), ONE_MORE);
        next(AFTER_F0, within(0x90, 0xBF), TWO_MORE);
        next(AFTER_F4, within(0x80, 0x8F), TWO_MORE);
    }
    return table;
}();

}  // namespace

const CharTable& char_table() {
    static const CharTable table = make_table();
    return table;
}

std::span<const UnicodeRange> added_since_unicode_14() { return ADDED; }

size_t end_of_valid(std::string_view text, size_t i) {
    constexpr size_t BLOCK = 32;
    uint64_t state = CHARACTER;
    for (size_t at = i; at + BLOCK <= text.size() && state != NOTHING; at += BLOCK) {
        const char* s = text.data() + at;
        if (state == CHARACTER) {
            i = at;
            if (eight_ascii(s) && eight_ascii(s + 8) && eight_ascii(s + 16) && eight_ascii(s + 24)) continue;
        }
        for (size_t k = 0; k < BLOCK; ++k) state = FOLLOWING[static_cast<unsigned char>(s[k])] >> (state & 63);
        state &= 63;
    }
    for (size_t n; i < text.size() && (n = character_at(text, i)) > 0;) i += n;
    return i;
}

}  // namespace r1
