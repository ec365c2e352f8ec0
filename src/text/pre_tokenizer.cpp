#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "text/unicode.h"

namespace r1 {

// ------------------------------------------------------------------------------------------------------ patterns

namespace {

// The ranges by which a category of Unicode ("L", "Nd") grew since 14, in a pattern's notation: \x{897}-\x{897}...
std::string added_to(std::string_view category) {
    std::string ranges;
    char text[40];
    for (const UnicodeRange& range : added_since_unicode_14()) {
        if (!std::string_view(range.category).starts_with(category)) continue;
        std::snprintf(text, sizeof text, "\\x{%X}-\\x{%X}", unsigned(range.first), unsigned(range.last));
        ranges += text;
    }
    return ranges;
}

// A pattern in PCRE2's terms. Its classes are older than Unicode 16 and its \s has U+180E, so these are written out:
// \s+(?!\S) -> [\p{Z}\t-\r\x{85}]+(?![^\p{Z}\t-\r\x{85}]), \p{L} -> [\p{L}\x{1C89}-\x{1C89}...], and both without
// brackets of their own within [ ].
std::string written_out(const std::string& pattern, const std::string& where) {
    const auto refuse = [&](const std::string& what) {
        fail("a regular expression with " + what, where, "write it with \\p{...} and plain sets, as most models' are");
    };
    const std::string spaces = R"(\p{Z}\t-\r\x{85})";
    std::string out;
    bool in_class = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
        std::string part = pattern.substr(i, pattern[i] == '\\' ? 2 : 1);
        const bool category = part == "\\p" || part == "\\P";
        if (category && i + 2 < pattern.size()) {
            const size_t close = pattern[i + 2] == '{' ? pattern.find('}', i) : i + 2;
            if (close != std::string::npos) part = pattern.substr(i, close + 1 - i);
        }
        i += part.size() - 1;
        if (part.size() == 2 && part[0] == '\\' &&
            std::string_view("wWbBhHRXKGzZAQEUNovV").find(part[1]) != std::string_view::npos)
            refuse(part);
        if (in_class && (part == "[" || (part == "&" && pattern.substr(i, 2) == "&&"))) refuse("a set within a set");
        if (part == "[") {
            in_class = true;
            if (pattern.substr(i + 1, 1) == "^") part += '^', ++i;
            if (pattern.substr(i + 1, 1) == "]") refuse("a set that begins with ]");
        } else if (part == "]") {
            in_class = false;
        }
        if (part == "\\d") part = "\\p{Nd}";
        const std::string open = in_class ? "" : "[", not_open = in_class ? "" : "[^", close = in_class ? "" : "]";
        if (part == "\\s" || (part == "\\S" && !in_class)) {
            out += (part == "\\s" ? open : not_open) + spaces + close;
        } else if (part.starts_with("\\p")) {
            const std::string name = part[2] == '{' ? part.substr(3, part.size() - 4) : part.substr(2);
            out += open + part + added_to(name) + close;
        } else {
            out += part;
        }
    }
    return out;
}

// Calls match(from, to) for each match, in order.
template <class Match>
void each_match(const SplitStep& step, std::string_view text, const Match& match) {
    // Without NO_UTF_CHECK each match would read the whole rest of the text: quadratic.
    const auto subject = PCRE2_SPTR(text.data());
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    for (size_t begin = 0, last = std::string_view::npos; begin <= text.size();) {
        const int found = pcre2_match(step.code.get(), subject, text.size(), begin, PCRE2_NO_UTF_CHECK, data.get(), nullptr);
        if (found == PCRE2_ERROR_NOMATCH) return;
        if (found < 0)
            fail("PCRE2's error " + std::to_string(found), "pattern " + json(step.source).dump(), "avoid nested repeats");
        const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
        const size_t from = span[0], to = span[1];
        if (from < to || from != last) match(from, to);  // an empty match right behind the last one does not count
        last = begin = to;
        if (from == to) begin += to < text.size() ? character_at(text, to) : 1;
    }
}

// Here the library does not ask its regular expressions: its list of signs is Unicode 8's, and its digits are 17's.
constexpr uint32_t LATER_SIGNS[][2] = {
    {0x61D, 0x61D}, {0x9FD, 0x9FD}, {0xA76, 0xA76}, {0xC77, 0xC77}, {0xC84, 0xC84}, {0x1B4E, 0x1B4F}, {0x1B7D, 0x1B7F},
    {0x2E43, 0x2E4F}, {0x2E52, 0x2E5D}, {0x10D6E, 0x10D6E}, {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89},
    {0x113D4, 0x113D5}, {0x113D7, 0x113D8}, {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D},
    {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2},
    {0x11A3F, 0x11A46}, {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11BE1, 0x11BE1},
    {0x11C41, 0x11C45}, {0x11C70, 0x11C71}, {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF},
    {0x12FF1, 0x12FF2}, {0x16D6D, 0x16D6F}, {0x16E97, 0x16E9A}, {0x16FE2, 0x16FE2}, {0x1E5FF, 0x1E5FF},
    {0x1E95E, 0x1E95F}};

bool is_sign(uint32_t c, uint8_t classes) {
    for (const auto& [first, last] : LATER_SIGNS)
        if (c >= first && c <= last) return false;
    return (classes & PUNCTUATION) || (c < 128 && (classes & SYMBOL)) || c == 0x166D || c == 0x111C9;
}

bool is_digit(uint32_t c, uint8_t classes) {
    return (classes & NUMBER) || (c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6);
}

// Characters that match one by one.
template <class Match>
void each_character(const SplitStep& step, std::string_view text, const Match& match) {
    const CharTable& table = char_table();
    for (size_t i = 0, next; i < text.size(); i = next) {
        const uint32_t c = decode_character(text.data(), i, next);
        if (step.type == SplitStep::digit ? is_digit(c, table[c]) : is_sign(c, table[c])) match(i, next);
    }
}

struct Piece {
    size_t from, to;
    bool matches;
};

// Matches and what lies between them, joined as the behavior says.
std::vector<Piece> joined(const std::vector<Piece>& pieces, Behavior behavior) {
    std::vector<Piece> out;
    const bool backwards = behavior == Behavior::merged_with_next;
    bool previous = false;
    for (size_t k = 0; k < pieces.size(); ++k) {
        const Piece& piece = pieces[backwards ? pieces.size() - 1 - k : k];
        const bool joins = !out.empty() && (behavior == Behavior::contiguous ? piece.matches == previous
                                                                             : piece.matches && !previous);
        if (!joins) out.push_back(piece);
        else if (backwards) out.back().from = piece.from;
        else out.back().to = piece.to;
        previous = piece.matches;
    }
    if (backwards) std::reverse(out.begin(), out.end());
    return out;
}

}  // namespace

SplitStep split_step(const std::string& pattern, const std::string& where, Behavior behavior, bool invert) {
    SplitStep step{SplitStep::pattern, behavior, invert, pattern, nullptr};
    const std::string source = written_out(pattern, where);
    int error = 0;
    PCRE2_SIZE at = 0;
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_MULTILINE;
    step.code.reset(pcre2_compile(PCRE2_SPTR(source.data()), source.size(), options, &error, &at, nullptr), pcre2_code_free);
    if (!step.code) {
        PCRE2_UCHAR message[256];
        pcre2_get_error_message(error, message, sizeof message);
        fail("a bad regular expression, " + json(pattern).dump(), where, reinterpret_cast<const char*>(message));
    }
    pcre2_jit_compile(step.code.get(), PCRE2_JIT_COMPLETE);  // without a JIT the interpreter finds the same matches
    return step;
}

// --------------------------------------------------------------------------------------------------------- steps

PreTokenizer::PreTokenizer(const std::string& pattern, const std::string& where)
    : PreTokenizer(std::vector{split_step(pattern, where)}) {}

PreTokenizer::PreTokenizer(std::vector<SplitStep> all) : steps(std::move(all)) {
    std::vector<std::string> patterns;
    for (const SplitStep& step : steps) {
        if (step.type != SplitStep::pattern || step.behavior != Behavior::isolated || step.invert) return;
        patterns.push_back(step.source);
    }
    scanner = scanner_of(patterns);
}

std::string PreTokenizer::pattern() const {
    const bool plain = steps.size() == 1 && steps[0].type == SplitStep::pattern &&
                       steps[0].behavior == Behavior::isolated && !steps[0].invert;
    return plain ? steps[0].source : "";
}

void PreTokenizer::split(std::string_view text, const Use& use) const {
    for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
        end = end_of_valid(text, begin);
        if (end > begin) split_valid(text.substr(begin, end - begin), use);
        begin = end;
        while (end < text.size() && character_at(text, end) == 0) ++end;
        if (end > begin) use(text.substr(begin, end - begin));
    }
}

void PreTokenizer::split_valid(std::string_view text, const Use& use) const {
    if (!scanner) return split_by_steps(text, use);
    size_t ends[64];
    for (size_t begin = 0, n; (n = scanner(text, begin, ends, 64)) > 0;)
        for (size_t k = 0; k < n; begin = ends[k++]) use(text.substr(begin, ends[k] - begin));
}

void PreTokenizer::split_by_steps(std::string_view text, const Use& use) const { apply(0, text, use); }

void PreTokenizer::apply(size_t k, std::string_view text, const Use& use) const {
    if (text.empty()) return;
    if (k == steps.size()) return use(text);
    const SplitStep& step = steps[k];
    if (step.type == SplitStep::prefix_space) {
        if (text[0] == ' ') return apply(k + 1, text, use);
        return apply(k + 1, " " + std::string(text), use);
    }
    // Removed and isolated pieces go on as they come; the others wait for their neighbours.
    std::vector<Piece> pieces;
    const bool at_once = step.behavior == Behavior::isolated || step.behavior == Behavior::removed;
    size_t begin = 0;
    const auto piece = [&](size_t from, size_t to, bool matches) {
        matches = matches != step.invert;
        if (!at_once) pieces.push_back({from, to, matches});
        else if (step.behavior == Behavior::isolated || !matches) apply(k + 1, text.substr(from, to - from), use);
    };
    const auto match = [&](size_t from, size_t to) {
        if (from > begin) piece(begin, from, false);
        piece(from, to, true);
        begin = to;
    };
    if (step.type == SplitStep::pattern) each_match(step, text, match);
    else each_character(step, text, match);
    if (begin < text.size()) piece(begin, text.size(), false);
    for (const Piece& p : joined(pieces, step.behavior)) apply(k + 1, text.substr(p.from, p.to - p.from), use);
}

}  // namespace r1
