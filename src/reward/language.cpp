#include "reward/language.h"

#include <algorithm>
#include <array>
#include <utility>

namespace r1 {

namespace {

constexpr size_t none = std::string_view::npos;

enum class Script {
    no_letter, latin, han, kana, hangul, cyrillic, arabic, greek, hebrew, thai, devanagari,
    other,     // a letter, of a script that no language here is written in
    accented,  // Latin with a diacritic, or another Latin letter that English does not have
    accent,    // a diacritic by itself, which belongs to the letter before it
    joiner,    // without width, inside of words
};

struct Range {
    char32_t first, last;
    Script script;
};

using enum Script;

// Which script a character outside ASCII is a letter of, after Unicode's blocks without their punctuation and digits.
// What is not listed is no letter. Of `other` scripts whole blocks are taken.
constexpr Range ranges[] = {
    {0x00AD, 0x00AD, joiner},     {0x00C0, 0x00D6, accented},   {0x00D8, 0x00F6, accented},  // × and ÷ are left out
    {0x00F8, 0x02AF, accented},   {0x0300, 0x036F, accent},     {0x0370, 0x0373, greek},
    {0x0376, 0x037D, greek},      {0x037F, 0x037F, greek},      {0x0386, 0x0386, greek},
    {0x0388, 0x03F5, greek},      {0x03F7, 0x03FF, greek},      {0x0400, 0x0481, cyrillic},
    {0x0483, 0x052F, cyrillic},   {0x0531, 0x0556, other},      {0x0560, 0x0588, other},
    {0x0591, 0x05BD, hebrew},     {0x05BF, 0x05BF, hebrew},     {0x05C1, 0x05C2, hebrew},
    {0x05C4, 0x05C5, hebrew},     {0x05C7, 0x05C7, hebrew},     {0x05D0, 0x05F4, hebrew},
    {0x0610, 0x061A, arabic},     {0x0620, 0x065F, arabic},     {0x066E, 0x06D3, arabic},
    {0x06D5, 0x06DC, arabic},     {0x06DF, 0x06E8, arabic},     {0x06EA, 0x06EF, arabic},
    {0x06FA, 0x06FF, arabic},     {0x0710, 0x074F, other},      {0x0750, 0x077F, arabic},
    {0x0780, 0x07BF, other},      {0x07CA, 0x085B, other},      {0x0870, 0x08FF, arabic},
    {0x0900, 0x0963, devanagari}, {0x0971, 0x097F, devanagari}, {0x0980, 0x0DFF, other},
    {0x0E01, 0x0E3A, thai},       {0x0E40, 0x0E4E, thai},       {0x0E81, 0x0EDF, other},
    {0x0F40, 0x0FBC, other},      {0x1000, 0x10FF, other},      {0x1100, 0x11FF, hangul},
    {0x1200, 0x135F, other},      {0x13A0, 0x13FF, other},      {0x1401, 0x166C, other},
    {0x1780, 0x17D3, other},      {0x1820, 0x18AA, other},      {0x1C80, 0x1C8F, cyrillic},
    {0x1C90, 0x1CBF, other},      {0x1CD0, 0x1CFF, devanagari}, {0x1DC0, 0x1DFF, accent},
    {0x1E00, 0x1EFF, accented},   {0x1F00, 0x1FFF, greek},      {0x200C, 0x200D, joiner},
    {0x2060, 0x2060, joiner},     {0x2C60, 0x2C7F, accented},   {0x2DE0, 0x2DFF, cyrillic},
    {0x3005, 0x3005, han},        {0x3007, 0x3007, han},        {0x3041, 0x3096, kana},
    {0x3099, 0x309A, kana},       {0x309D, 0x309F, kana},       {0x30A1, 0x30FA, kana},
    {0x30FC, 0x30FF, kana},       {0x3105, 0x312F, other},      {0x3131, 0x318E, hangul},
    {0x31A0, 0x31BF, other},      {0x31F0, 0x31FF, kana},       {0x3400, 0x4DBF, han},
    {0x4E00, 0x9FFF, han},        {0xA000, 0xA48C, other},      {0xA640, 0xA69F, cyrillic},
    {0xA722, 0xA7FF, accented},   {0xA8E0, 0xA8FF, devanagari}, {0xA960, 0xA97C, hangul},
    {0xAC00, 0xD7FB, hangul},     {0xF900, 0xFAFF, han},        {0xFB00, 0xFB06, latin},
    {0xFB1D, 0xFB4F, hebrew},     {0xFB50, 0xFD3D, arabic},     {0xFD50, 0xFDFB, arabic},
    {0xFE00, 0xFE0F, joiner},     {0xFE70, 0xFEFC, arabic},     {0xFF21, 0xFF3A, latin},
    {0xFF41, 0xFF5A, latin},      {0xFF66, 0xFF9F, kana},       {0xFFA1, 0xFFDC, hangul},
    {0x1B000, 0x1B16F, kana},     {0x20000, 0x323AF, han},
};

constexpr bool in_order() {
    for (size_t i = 0; i < std::size(ranges); ++i)
        if (ranges[i].first > ranges[i].last || (i > 0 && ranges[i].first <= ranges[i - 1].last)) return false;
    return true;
}
static_assert(in_order(), "script_of() searches by halves");

bool ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool digit(char32_t c) { return c >= '0' && c <= '9'; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

Script script_of(char32_t c) {
    if (c < 0x80) return ascii_letter(c) ? latin : no_letter;
    const Range* range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                          [](const Range& r, char32_t code) { return r.last < code; });
    return range != std::end(ranges) && range->first <= c ? range->script : no_letter;
}

struct Character {
    char32_t code;
    size_t bytes;
};

// The character at `at`. A byte that begins no valid UTF-8 (too long a form, half of a surrogate pair, above 10FFFF,
// cut off) is by itself a character that is no letter.
Character decode(std::string_view text, size_t at) {
    const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
    constexpr Character invalid = {0xFFFD, 1};
    const unsigned first = byte(0);
    if (first < 0x80) return {first, 1};
    if (first < 0xC2 || first > 0xF4) return invalid;
    const size_t bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    char32_t code = first & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return invalid;
        code = code << 6 | (byte(i) & 0x3F);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return invalid;
    return {code, bytes};
}

// Formulas and code. Each search for a closing mark begins where the last one of its kind ended, so that many
// opening marks without a closing one take linear time all the same.
class Spans {
public:
    explicit Spans(std::string_view text) : text_(text) {}

    // Behind the span that opens at `at`, or `at` if none does. A single $ or ` closes on its line or not at all, and
    // "$5 and $6" is no formula: behind the first $ and before the second stands no blank, behind the second no digit.
    size_t end(size_t at) {
        for (size_t i = 0; i < marks.size(); ++i) {
            const std::string_view mark = marks[i].first, closing = marks[i].second;
            if (!text_.substr(at).starts_with(mark)) continue;
            const size_t from = at + mark.size();
            size_t& close = close_[i];
            if (close < from) close = mark.size() == 1 ? text_.find_first_of(closing, from) : text_.find(closing, from);
            if (close == none || text_[close] == '\n') continue;
            if (mark == "$" && (blank(text_[from]) || blank(text_[close - 1]) ||
                                (close + 1 < text_.size() && digit(static_cast<unsigned char>(text_[close + 1])))))
                continue;
            return close + mark.size();
        }
        return at;
    }

private:
    using Pair = std::pair<std::string_view, std::string_view>;
    static constexpr std::array<Pair, 6> marks = {
        {{"```", "```"}, {"`", "`\n"}, {"$$", "$$"}, {"$", "$\n"}, {"\\[", "\\]"}, {"\\(", "\\)"}}};
    std::string_view text_;
    std::array<size_t, 6> close_{};
};

// Behind the backslash at `at` and what it commands: \frac, or one other ASCII character as in \$. What follows in
// braces is text again.
size_t end_of_command(std::string_view text, size_t at) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0xFFu; };
    size_t end = at + 1;
    while (ascii_letter(byte(end))) ++end;
    return end == at + 1 && byte(end) < 0x80 ? end + 1 : end;
}

bool speaks(Language language, Script script, bool with_accent) {
    switch (language) {
        case Language::english: return script == latin && !with_accent;
        case Language::chinese: return script == han;
        case Language::japanese: return script == han || script == kana;
        case Language::korean: return script == hangul;
        case Language::russian: return script == cyrillic;
        case Language::arabic: return script == arabic;
        case Language::greek: return script == greek;
        case Language::hebrew: return script == hebrew;
        case Language::thai: return script == thai;
        case Language::hindi: return script == devanagari;
    }
    return false;
}

// Puts letters together to words and counts them.
class Words {
public:
    explicit Words(Language target) : target_(target) {}

    bool continues(Script script) const {
        return script_ != no_letter && script_ == (script == accented ? latin : script);
    }

    void letter(Script script) {
        if (script == accent) with_accent_ |= script_ == latin;
        if (script == accent || script == joiner) return;
        if (script_ != no_letter && !continues(script)) end();
        with_accent_ |= script == accented;
        script_ = script == accented ? latin : script;
        side_by_side_ |= ++streak_ >= 2;
        if (script == han) end();
    }

    void digit_or_underscore() {
        if (script_ != no_letter && !in_formulas()) end();
        is_name_ = true;
    }

    void apostrophe_or_hyphen() { streak_ = 0; }

    void end() {
        if (script_ != no_letter && !(in_formulas() && (is_name_ || !side_by_side_))) {
            ++count_.words;
            count_.in_target += speaks(target_, script_, with_accent_);
        }
        *this = Words(target_, count_);
    }

    const LanguageShare& count() const { return count_; }

private:
    Words(Language target, const LanguageShare& count) : target_(target), count_(count) {}
    bool in_formulas() const { return script_ == latin || script_ == greek; }

    Language target_;
    LanguageShare count_;
    Script script_ = no_letter;  // of the word so far; no_letter: it has none yet
    int streak_ = 0;             // letters since the word or its last part began
    bool side_by_side_ = false;  // two letters with nothing between them
    bool with_accent_ = false, is_name_ = false;
};

bool apostrophe_or_hyphen(char32_t c) {
    return c == '\'' || c == '-' || c == 0x2019 || c == 0x2010 || c == 0x2011;
}

}  // namespace

std::optional<Language> language_named(std::string_view code) {
    constexpr std::array<std::string_view, 10> codes = {"en", "zh", "ja", "ko", "ru", "ar", "el", "he", "th", "hi"};
    const auto at = std::find(codes.begin(), codes.end(), code);
    if (at == codes.end()) return std::nullopt;
    return Language(at - codes.begin());
}

LanguageShare language_share(std::string_view text, Language target) {
    Words words(target);
    Spans spans(text);
    for (size_t at = 0; at < text.size();) {
        size_t behind = spans.end(at);
        if (behind == at && text[at] == '\\') behind = end_of_command(text, at);
        if (behind > at) {
            words.end();
            at = behind;
            continue;
        }
        const auto [code, bytes] = decode(text, at);
        at += bytes;
        if (const Script script = script_of(code); script != no_letter)
            words.letter(script);
        else if (digit(code) || code == '_')
            words.digit_or_underscore();
        else if (apostrophe_or_hyphen(code) && at < text.size() && words.continues(script_of(decode(text, at).code)))
            words.apostrophe_or_hyphen();
        else
            words.end();
    }
    words.end();
    LanguageShare result = words.count();
    if (result.words > 0) result.share = double(result.in_target) / result.words;
    return result;
}

std::string_view reasoning(std::string_view response) {
    constexpr std::string_view opening = "<think>", closing = "</think>";
    const std::string_view before = response.substr(0, response.rfind(closing));
    const size_t begin = before.find(opening);
    return begin == none ? before : before.substr(begin + opening.size());
}

}  // namespace r1
