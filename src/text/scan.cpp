#include "text/scan.h"

#include <cstring>

#include "text/unicode.h"

namespace r1 {

namespace {

struct Text {
    const char* s;
    size_t end;
    const CharTable& table;
    const uint8_t* ascii;

    explicit Text(std::string_view text)
        : s(text.data()), end(text.size()), table(char_table()), ascii(&table.classes[size_t(table.block[0]) << 8]) {}

    // The class of the character at i < end, and where the next one starts.
    unsigned class_at(size_t i, size_t& next) const {
        const auto byte = static_cast<unsigned char>(s[i]);
        if (byte < 0x80) return next = i + 1, ascii[byte];
        return table[decode_character(s, i, next)];
    }
    bool is_newline(size_t i) const { return s[i] == '\n' || s[i] == '\r'; }

    // Where the run of ASCII's letters ends, or earlier at the text's end: eight bytes at a time, for no processor can
    // guess a word's length. In each byte, without its top bit: | 32 makes a small letter, and the sums reach the top bit
    // from 'a' on, and from behind 'z' on.
    size_t ascii_letters(size_t i) const {
        constexpr uint64_t EACH = 0x0101010101010101;
        for (uint64_t bytes; i + 8 <= end; i += 8) {
            std::memcpy(&bytes, s + i, 8);
            const uint64_t small = (bytes | 32 * EACH) & 127 * EACH;
            const uint64_t letters = (small + (128 - 'a') * EACH) & ~(small + (127 - 'z') * EACH) & ~bytes & 128 * EACH;
            if (letters != 128 * EACH) return i + size_t(__builtin_ctzll(~letters & 128 * EACH) / 8);
        }
        return i;
    }

    // Where the run of characters ends that are of one of the classes.
    size_t run(size_t i, unsigned in) const {
        for (size_t next; i < end && (class_at(i, next) & in);) i = next;
        return i;
    }
    size_t letters(size_t i) const { return run(ascii_letters(i), LETTER); }
    size_t run_without(size_t i, unsigned out) const {
        for (size_t next; i < end && !(class_at(i, next) & out);) i = next;
        return i;
    }
    size_t newlines(size_t i) const {
        while (i < end && is_newline(i)) ++i;
        return i;
    }
    size_t numbers(size_t i, int most) const {  // \p{N}{1,most}
        for (size_t next; most > 0 && i < end && (class_at(i, next) & NUMBER); --most) i = next;
        return i;
    }

    // \s+(?!\S)|\s+ at white space: all but the last character, which goes with what follows; all of it where
    // nothing follows, or what begins with `ends`; a single one alone. Before these: \s*[\r\n]+, up to a line's end.
    size_t spaces(size_t i, bool lines, unsigned ends = 0) const {
        size_t last = i, to = i, after_line = 0;
        unsigned following = ends;
        for (size_t next; to < end; to = next) {
            following = class_at(to, next);
            if (!(following & SPACE)) break;
            if (is_newline(to)) after_line = next;
            last = to;
        }
        if (lines && after_line) return after_line;
        return to == end || last == i || (following & ends) ? to : last;
    }
};

// 's 't 're 've 'm 'll 'd at an apostrophe: their length, or 0. Without regard to case, ſ (U+017F) is an s.
template <bool ANY_CASE>
size_t contraction(const Text& t, size_t i) {
    const auto letter = [&](size_t k) {
        const char c = k < t.end ? t.s[k] : '\0';
        return ANY_CASE && c >= 'A' && c <= 'Z' ? char(c + 32) : c;
    };
    const char a = letter(i + 1), b = letter(i + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return ANY_CASE && a == '\xC5' && b == '\xBF' ? 3 : 0;
}

// GPT2_PATTERN, and DEFAULT_PATTERN without contractions and with a bound on the digits.
template <bool CONTRACTIONS, int DIGITS>
size_t gpt2_next(const Text& t, size_t i) {
    size_t first = i, next;  // first: after the space that may stand before
    unsigned c = t.class_at(i, next);
    if (CONTRACTIONS && t.s[i] == '\'')
        if (const size_t n = contraction<false>(t, i)) return i + n;
    if (t.s[i] == ' ' && next < t.end) first = next, c = t.class_at(first, next);
    if (c & LETTER) return t.letters(next);
    if (c & NUMBER) return t.numbers(first, DIGITS);
    if (!(c & SPACE)) return t.run_without(next, SPACE | LETTER | NUMBER);
    return t.spaces(i, false);
}

// QWEN2_PATTERN and LLAMA3_PATTERN.
template <int DIGITS>
size_t cl100k_next(const Text& t, size_t i) {
    size_t next;
    const unsigned c = t.class_at(i, next);
    if (c & LETTER) return t.letters(next);
    if (c & NUMBER) return t.numbers(i, DIGITS);
    if (t.s[i] == '\'')
        if (const size_t n = contraction<true>(t, i)) return i + n;
    constexpr unsigned OTHER = SPACE | LETTER | NUMBER;
    if (next < t.end) {
        size_t after;
        const unsigned following = t.class_at(next, after);
        if ((following & LETTER) && !t.is_newline(i)) return t.letters(after);
        if (t.s[i] == ' ' && !(following & OTHER)) return t.newlines(t.run_without(after, OTHER));
    }
    if (!(c & SPACE)) return t.newlines(t.run_without(next, OTHER));
    return t.spaces(i, true);
}

// The three of DEEPSEEK_V3_PATTERNS in one pass. The first two leave sections: Chinese and kana (HAN), and what holds neither
// these nor numbers. The third pattern cuts within a section, and takes its end for the end of the text.
template <bool HAN>
size_t deepseek_v3_in_section(const Text& t, size_t i) {
    constexpr unsigned SIGN = PUNCTUATION | SYMBOL, WORDS = LETTER | MARK;
    const auto inside = [](unsigned c) { return HAN ? (c & HAN_OR_KANA) != 0 : !(c & (NUMBER | HAN_OR_KANA)); };
    const auto run = [&](size_t from, unsigned in) {
        for (size_t next; from < t.end; from = next)
            if (const unsigned c = t.class_at(from, next); !(c & in) || !inside(c)) break;
        return from;
    };
    const auto signs = [&](size_t from) { return HAN ? run(from, SIGN) : t.newlines(run(from, SIGN)); };
    const auto class_inside = [&](size_t at, size_t& after) {  // 0 if the section ends there
        const unsigned c = at < t.end ? t.class_at(at, after) : 0;
        return at < t.end && inside(c) ? c : 0u;
    };
    const auto ascii_letter = [&](size_t k) { return static_cast<unsigned char>((t.s[k] | 32) - 'a') < 26; };
    size_t next, after = t.end;
    const unsigned c = t.class_at(i, next), following = class_inside(next, after);
    const auto words = [&](size_t from) { return run(HAN ? from : t.ascii_letters(from), WORDS); };
    if (c & WORDS) return words(next);
    if (c & SIGN) {
        if (next > i + 1 || next == t.end || !ascii_letter(next)) return signs(next);
        while (next < t.end && ascii_letter(next)) ++next;  // one of ASCII's signs and ASCII's letters
        return next;
    }
    if ((following & WORDS) && !t.is_newline(i)) return words(after);
    if (t.s[i] == ' ' && (following & SIGN)) return signs(after);
    if (c & SPACE) return t.spaces(i, true, NUMBER | HAN_OR_KANA);
    // No alternative begins here (a control character, say): what lies between two matches is a pre-token too.
    for (;; next = after) {
        const unsigned here = class_inside(next, after);
        size_t ignored;
        if (next == t.end || (here & (WORDS | SIGN | SPACE)) || (class_inside(after, ignored) & WORDS)) return next;
        if (here == 0 && !inside(t.class_at(next, ignored))) return next;
    }
}

size_t deepseek_v3_next(const Text& t, size_t i) {
    size_t next;
    const unsigned c = t.class_at(i, next);
    if (c & NUMBER) return t.numbers(i, 3);
    return c & HAN_OR_KANA ? deepseek_v3_in_section<true>(t, i) : deepseek_v3_in_section<false>(t, i);
}

template <size_t (*NEXT)(const Text&, size_t)>
size_t scan(std::string_view text, size_t from, size_t* ends, size_t most) {
    const Text t(text);
    size_t n = 0;
    while (n < most && from < t.end) ends[n++] = from = NEXT(t, from);
    return n;
}

}  // namespace

Scanner scanner_of(const std::vector<std::string>& patterns) {
    const auto are = [&](std::initializer_list<const char*> known) {
        return std::vector<std::string>(known.begin(), known.end()) == patterns;
    };
    constexpr int ANY = 1 << 30;
    if (are({DEFAULT_PATTERN})) return scan<gpt2_next<false, 3>>;
    if (are({GPT2_PATTERN})) return scan<gpt2_next<true, ANY>>;
    if (are({QWEN2_PATTERN})) return scan<cl100k_next<1>>;
    if (are({LLAMA3_PATTERN})) return scan<cl100k_next<3>>;
    if (are({DEEPSEEK_V3_PATTERNS[0], DEEPSEEK_V3_PATTERNS[1], DEEPSEEK_V3_PATTERNS[2]})) return scan<deepseek_v3_next>;
    return nullptr;
}

}  // namespace r1
