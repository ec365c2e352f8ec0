#include "reward/mathematics/lex.h"

namespace r1::mathematics {

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (is_upper(c)) c = char(c - 'A' + 'a');
    return result;
}

namespace {

bool is_letter(char c) { return is_lower(c) || is_upper(c) || static_cast<unsigned char>(c) >= 0x80; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Characters outside ASCII that mean something, in LaTeX. Full-width forms and superscripts are done by rule.
constexpr auto unicode = std::to_array<Pair>({
    {"\u2212", "-"},
    {"\u2010", "-"},
    {"\u2011", "-"},
    {"\u2012", "-"},
    {"\u2013", "-"},
    {"\u2014", "-"},
    {"\u2217", "*"},
    {"\u2022", "\\cdot "},
    {"\u2062", ""},
    {"\u200B", ""},
    {"\u200C", ""},
    {"\u200D", ""},
    {"\u2060", ""},
    {"\uFEFF", ""},
    {"\u00AD", ""},
    {"\u2002", " "},
    {"\u2003", " "},
    {"\u2005", " "},
    {"\u2006", " "},
    {"\u2007", " "},
    {"\u2008", " "},
    {"\u200A", " "},
    {"\u221B", "\\cuberoot "},
    {"\u2227", "\\land "},
    {"\u2228", "\\lor "},
    {"\u2220", "\\angle "},
    {"\u21D2", "\\Rightarrow "},
    {"\u2234", "\\therefore "},
    {"\u2115", "\\mathbb{N}"},
    {"\u2124", "\\mathbb{Z}"},
    {"\u210E", "h"},
    {"\u2032", "'"},
    {"\u20AC", "\\euro "},
    {"\u00A3", "\\pounds "},
    {"\u00A5", "\\yen "},
    {"\u20B9", "\\rupee "},
    {"\u03A9", "\\Omega "},
    {"\u2126", "\\Omega "},
    {"\u0394", "\\Delta "},
    {"\u03C3", "\\sigma "},
    {"\u03C1", "\\rho "},
    {"\u03C4", "\\tau "},
    {"\u03B5", "\\epsilon "},
    {"\u03B7", "\\eta "},
    {"\u03C8", "\\psi "},
    {"\u207F", "^{n}"},
    {"\u00D7", "\\times "},
    {"\u00B7", "\\cdot "},
    {"\u22C5", "\\cdot "},
    {"\u00F7", "\\div "},
    {"\u03C0", "\\pi "},
    {"\u221A", "\\surd "},
    {"\u00B0", "\\degree "},
    {"\u221E", "\\infty "},
    {"\u222A", "\\cup "},
    {"\u2208", "\\in "},
    {"\u2264", "\\le "},
    {"\u2265", "\\ge "},
    {"\u2260", "\\ne "},
    {"\u00B1", "\\pm "},
    {"\u2213", "\\mp "},
    {"\u2205", "\\emptyset "},
    {"\u2261", "\\equiv "},
    {"\u230A", "\\lfloor "},
    {"\u230B", "\\rfloor "},
    {"\u2308", "\\lceil "},
    {"\u2309", "\\rceil "},
    {"\u27E8", "\\langle "},
    {"\u27E9", "\\rangle "},
    {"\u211D", "\\mathbb{R}"},
    {"\u00A0", " "},
    {"\u2009", " "},
    {"\u202F", " "},
    {"\u3000", " "},
    {"\u00BD", "\\frac{1}{2}"},
    {"\u00BC", "\\frac{1}{4}"},
    {"\u00BE", "\\frac{3}{4}"},
    {"\u2153", "\\frac{1}{3}"},
    {"\u2154", "\\frac{2}{3}"},
    {"\u03B8", "\\theta "},
    {"\u03B1", "\\alpha "},
    {"\u03B2", "\\beta "},
    {"\u03B3", "\\gamma "},
    {"\u03B4", "\\delta "},
    {"\u03BB", "\\lambda "},
    {"\u03BC", "\\mu "},
    {"\u03C6", "\\phi "},
    {"\u03C9", "\\omega "},
    {"\u00A2", " cents"},
    {"\u2019", "'"},
    {"\u2044", "/"},
    {"\u2215", "/"},
});

constexpr auto superscripts = std::to_array<std::string_view>(
    {"\u2070", "\u00B9", "\u00B2", "\u00B3", "\u2074", "\u2075", "\u2076", "\u2077", "\u2078", "\u2079", "\u207B"});

// If the text begins with one of the list: its index.
template <size_t n>
std::optional<size_t> first_of(std::string_view text, const std::array<std::string_view, n>& list) {
    for (size_t i = 0; i < n; ++i)
        if (text.starts_with(list[i])) return i;
    return std::nullopt;
}

int byte(std::string_view text, size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; }

// The letter or digit that a character of Unicode's Mathematical Alphanumeric Symbols is (U+1D400 to U+1D7FF: bold,
// italic, double-struck...); else 0.
char styled(std::string_view text) {
    if (!text.starts_with("\xF0\x9D")) return 0;
    const int code = 0x1D000 + ((byte(text, 2) & 0x3F) << 6) + (byte(text, 3) & 0x3F);
    if (code >= 0x1D7CE) return char('0' + (code - 0x1D7CE) % 10);
    if (code < 0x1D400 || code >= 0x1D6A4) return 0;
    const int letter = (code - 0x1D400) % 52;
    return char(letter < 26 ? 'A' + letter : 'a' + letter - 26);
}

// The text in ASCII as far as it means something: x\u00B2 is x^{2}, \uFF15 is 5.
std::string in_ascii(std::string_view text) {
    std::string result;
    for (size_t i = 0; i < text.size();) {
        const std::string_view rest = text.substr(i);
        if (static_cast<unsigned char>(text[i]) < 0x80) {
            result += text[i++];
        } else if (first_of(rest, superscripts)) {
            std::string digits;
            while (const auto index = first_of(text.substr(i), superscripts)) {
                digits += "0123456789-"[*index];
                i += superscripts[*index].size();
            }
            result += "^{" + digits + "}";
        } else if (rest.starts_with("\xE2\x82") && byte(rest, 2) >= 0x80 && byte(rest, 2) <= 0x89) {
            result += std::string("_{") + char('0' + (byte(rest, 2) - 0x80)) + "}", i += 3;  // subscript digits
        } else if (rest.starts_with("\xEF\xBC") && byte(rest, 2) > 0x80 && byte(rest, 2) < 0xC0) {
            result += char(byte(rest, 2) - 0x60), i += 3;  // full-width ! to _
        } else if (rest.starts_with("\xEF\xBD") && byte(rest, 2) >= 0x80 && byte(rest, 2) < 0x9F) {
            result += char(byte(rest, 2) - 0x20), i += 3;  // full-width ` to ~
        } else if (const char letter = styled(rest)) {
            result += letter;
            i += 4;
        } else {
            const auto at = std::find_if(unicode.begin(), unicode.end(),
                                         [&](const Pair& pair) { return rest.starts_with(pair.first); });
            if (at != unicode.end()) result += at->second, i += at->first.size();
            else result += text[i++];
        }
    }
    return result;
}

constexpr auto no_effect = std::to_array<std::string_view>({"left",
                                                            "right",
                                                            "big",
                                                            "Big",
                                                            "bigg",
                                                            "Bigg",
                                                            "bigl",
                                                            "bigr",
                                                            "Bigl",
                                                            "Bigr",
                                                            "biggl",
                                                            "biggr",
                                                            "Biggl",
                                                            "Biggr",
                                                            "quad",
                                                            "qquad",
                                                            ",",
                                                            ";",
                                                            ":",
                                                            "!",
                                                            " ",
                                                            "(",
                                                            ")",
                                                            "[",
                                                            "]",
                                                            "\n",
                                                            "space",
                                                            "limits",
                                                            "mathstrut",
                                                            "strut",
                                                            "displaystyle",
                                                            "textstyle",
                                                            "nolimits",
                                                            "hfill",
                                                            ">",
                                                            "large",
                                                            "Large",
                                                            "LARGE",
                                                            "huge",
                                                            "Huge",
                                                            "small",
                                                            "normalsize",
                                                            "rm",
                                                            "bf",
                                                            "it",
                                                            "mathopen",
                                                            "mathclose",
                                                            "middle",
                                                            "displaylimits",
                                                            "allowbreak",
                                                            "nobreak"});
// Without effect, as is the {...} behind them.
constexpr auto no_effect_with_argument =
    std::to_array<std::string_view>({"color", "textcolor", "hspace", "vspace", "phantom", "vphantom", "hphantom"});

// Commands that are signs.
constexpr auto signs = std::to_array<Pair>({
    {"cdot", "*"},
    {"times", "*"},
    {"ast", "*"},
    {"div", "/"},
    {"lt", "<"},
    {"gt", ">"},
    {"le", "<="},
    {"leq", "<="},
    {"leqslant", "<="},
    {"ge", ">="},
    {"geq", ">="},
    {"geqslant", ">="},
    {"ne", "!="},
    {"neq", "!="},
    {"in", "in"},
    {"cup", "cup"},
    {"cap", "cap"},
    {"setminus", "setminus"},
    {"pm", "pm"},
    {"mp", "mp"},
    {"circ", "circ"},
    {"degree", "deg"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"lbrace", "\\{"},
    {"rbrace", "\\}"},
    {"|", "||"},
    {"vert", "|"},
    {"lvert", "|"},
    {"rvert", "|"},
    {"mid", "|"},
    {"%", "%"},
    {"$", "$"},
    {"\\", "\\\\"},
    {"cr", "\\\\"},
    {"newline", "\\\\"},
    {"tabularnewline", "\\\\"},
    {"lfloor", "lfloor"},
    {"rfloor", "rfloor"},
    {"lceil", "lceil"},
    {"rceil", "rceil"},
    {"langle", "langle"},
    {"rangle", "rangle"},
    {"equiv", "equiv"},
    {"bmod", "bmod"},
    {"pmod", "mod"},
    {"mod", "mod"},
    {"colon", ":"},
    {"lparen", "("},
    {"rparen", ")"},
    {"lbrack", "["},
    {"rbrack", "]"},
});

// Other spellings of commands.
constexpr auto synonyms = std::to_array<Pair>({
    {"dfrac", "frac"},        {"tfrac", "frac"},          {"cfrac", "frac"},
    {"dbinom", "binom"},      {"tbinom", "binom"},        {"infty", "infinity"},
    {"inf", "infinity"},      {"varnothing", "emptyset"}, {"tg", "tan"},
    {"ctg", "cot"},           {"asin", "arcsin"},         {"acos", "arccos"},
    {"atan", "arctan"},       {"varepsilon", "epsilon"},  {"varphi", "phi"},
    {"vartheta", "theta"},    {"floor", "floor"},         {"ceil", "ceil"},
    {"Infinity", "infinity"}, {"cosec", "csc"},           {"sfrac", "frac"},
    {"nicefrac", "frac"},     {"xfrac", "frac"},          {"overline", "bar"},
    {"conj", "bar"},          {"ceiling", "ceil"},        {"arsinh", "arcsinh"},
    {"arcosh", "arccosh"},    {"artanh", "arctanh"},      {"asinh", "arcsinh"},
    {"acosh", "arccosh"},     {"atanh", "arctanh"},       {"imath", "i"},
    {"jmath", "j"},
});

constexpr auto arrows = std::to_array<std::string_view>(
    {"Rightarrow", "implies", "therefore", "Longrightarrow", "to", "longrightarrow", "rightarrow", "leadsto"});
constexpr auto currencies = std::to_array<std::string_view>({"euro", "pounds", "yen", "rupee"});
constexpr auto bare_names = std::to_array<std::string_view>(
    {"pi", "infinity", "inf", "infty", "asin", "acos", "atan", "frac", "cosec", "Infinity", "theta", "emptyset"});
// Commands whose argument is text, and those that only change the face of what is mathematics.
constexpr auto text_commands =
    std::to_array<std::string_view>({"text", "textbf", "textit", "textrm", "texttt", "textnormal", "textsf", "mathrm",
                                     "mbox", "hbox", "operatorname", "emph"});
constexpr auto face_commands = std::to_array<std::string_view>(
    {"mathbf", "mathit", "mathsf", "boldsymbol", "bm", "mathnormal", "vec", "hat", "overrightarrow"});

// Runs of two or three letters that are words and not products of variables; longer runs are always words.
constexpr auto short_words = std::to_array<std::string_view>(
    {"no",  "on",  "yes", "and", "or",  "not", "odd", "one", "two", "six", "ten", "all", "any", "is",  "to",  "if",
     "at",  "by",  "it",  "of",  "an",  "as",  "be",  "do",  "he",  "me",  "my",  "so",  "up",  "us",  "we",  "the",
     "are", "but", "can", "for", "has", "him", "his", "her", "she", "how", "its", "may", "new", "now", "old", "our",
     "out", "per", "see", "too", "was", "who", "day", "box", "cm",  "mm",  "km",  "kg",  "mg",  "ml",  "mL",  "ft",
     "in",  "oz",  "lb",  "lbs", "hr",  "hrs", "min", "sec", "yd",  "yds", "mi",  "mph", "kph", "mod", "am",  "pm",
     "deg", "sq",  "mon", "tue", "wed", "thu", "fri", "sat", "sun", "men", "way"});

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// SAS, ABCD: an abbreviation or a figure, whose letters have an order.
bool is_capitals(std::string_view run) { return run.size() > 2 && std::all_of(run.begin(), run.end(), is_upper); }

// Brian, May; not Prt.
bool is_name(std::string_view run) {
    return run.size() > 2 && is_upper(run[0]) && std::all_of(run.begin() + 1, run.end(), is_lower) &&
           run.find_first_of("aeiouy") != std::string_view::npos;
}

bool is_word(std::string_view run) {
    if (run.size() < 2) return static_cast<unsigned char>(run[0]) >= 0x80;
    if (run.size() > 3 || one_of(run, short_words) || one_of(lower(run), short_words)) return true;
    if (!unit_name(std::string(run)).empty()) return true;
    if (!is_ascii(run)) return true;
    return run.size() == 3 && is_upper(run[0]) && is_lower(run[1]) && is_lower(run[2]);  // Bob
}

class Lexer {
public:
    Lexer(const std::string& text, Reading reading) : reading_(reading) {
        const auto dollars = unescaped_dollars(text);
        dollar_is_blank_ = dollars % 2 == 0, dollar_is_unit_ = dollars == 1;
        run(text, false, 0);
        join_degrees();
        constexpr auto stops = std::to_array<std::string_view>({".", ",", ";"});
        while (!tokens.empty() && tokens.back().kind == Token_kind::sign && one_of(tokens.back().text, stops))
            tokens.pop_back();
        tokens.emplace_back();
    }

    std::vector<Token> tokens;
    std::string error;
    bool separators = false;

private:
    static size_t unescaped_dollars(const std::string& text) {
        size_t count = 0;
        for (size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\\') ++i;
            else count += text[i] == '$';
        }
        return count;
    }

    void run(std::string_view text, bool roman, int depth) {
        if (depth > 8) return refuse("text within text too deep");
        const bool outer = std::exchange(roman_, roman);
        for (size_t i = 0; i < text.size() && error.empty();) {
            const char c = text[i];
            if (is_blank(c) || c == '~' || c == '`' || (c == '$' && dollar_is_blank_)) spaced_ = true, ++i;
            else if (is_digit(c) ||
                     (c == '.' && i + 1 < text.size() && (is_digit(text[i + 1]) || recurring(text, i + 1) != i + 1)))
                number(text, i);
            else if (is_letter(c)) letters(text, i, roman);
            else if (c == '\\') command(text, i, depth);
            else sign(text, i);
        }
        roman_ = outer;
    }

    void push(Token_kind kind, std::string_view text, const Rational& number = 0) {
        tokens.push_back({kind, std::string(text), number, std::exchange(spaced_, false), roman_});
        if (kind != Token_kind::sign) return;
        if (text == "(" || text == "[" || text == "{" || text == "\\{") ++brackets_;
        if (text == ")" || text == "]" || text == "}" || text == "\\}") --brackets_;
    }

    void refuse(std::string_view why) {
        if (error.empty()) error = why;
    }

    // 12, 1,234, .5, 0.1\overline{6}, 1.2e3, 1011_2
    void number(std::string_view text, size_t& i) {
        if (based(text, i)) return;
        std::string whole = take_digits(text, i), fraction, repeated;
        if (!whole.empty() && whole.size() <= 3 && whole[0] != '0') groups(text, i, whole);
        const bool point =
            i + 1 < text.size() && text[i] == '.' && (is_digit(text[i + 1]) || recurring(text, i + 1) != i + 1);
        if (point) {
            fraction = take_digits(text, ++i);
            if (const size_t end = recurring(text, i); end != i) {
                for (const char c : text.substr(i, end - i))
                    if (is_digit(c)) repeated += c;
                i = end;
            }
        }
        Rational value = Rational::digits(whole + fraction + "0") / Rational(10) / Rational::power(10, fraction.size());
        if (!repeated.empty()) {
            const Rational nines = Rational::power(10, repeated.size()) - Rational(1);
            value = value + Rational::digits(repeated) / nines / Rational::power(10, fraction.size());
        }
        std::string spelled = whole + (point ? "." + fraction : "");
        if (!repeated.empty()) spelled += "(" + repeated + ")";
        exponent(text, i, point, whole, value, spelled);
        push(Token_kind::number, spelled, value);
    }

    // Behind the digits that repeat, if they stand there: \overline{142}, \bar{3}, \bar3, \dot3, \dot{1}4\dot{2}, (3).
    static size_t recurring(std::string_view text, size_t i) {
        const size_t begin = i;
        const auto digits = [&](size_t at) {
            take_digits(text, at);
            return at;
        };
        if (i < text.size() && text[i] == '(') {
            const size_t end = digits(i + 1);
            return end > i + 1 && end < text.size() && text[end] == ')' ? end + 1 : begin;
        }
        for (const std::string_view command : {"\\overline", "\\bar"}) {
            if (!text.substr(i).starts_with(command)) continue;
            i += command.size();
            if (i < text.size() && is_digit(text[i])) return i + 1;
            const size_t end = digits(i + 1);
            return i < text.size() && text[i] == '{' && end > i + 1 && end < text.size() && text[end] == '}' ? end + 1
                                                                                                             : begin;
        }
        // A dot over the first and the last of them, or over the only one.
        const auto dotted = [&](size_t at) {
            if (!text.substr(at).starts_with("\\dot")) return at;
            const bool braces = text.substr(at + 4).starts_with("{");
            const size_t digit = at + 4 + braces;
            if (digit >= text.size() || !is_digit(text[digit])) return at;
            return !braces ? digit + 1 : text.substr(digit + 1).starts_with("}") ? digit + 2 : at;
        };
        const size_t first = dotted(i);
        if (first == i) return begin;
        const size_t between = digits(first), last = dotted(between);
        return last != between ? last : first;
    }

    static std::string take_digits(std::string_view text, size_t& i) {
        const size_t begin = i;
        while (i < text.size() && is_digit(text[i])) ++i;
        return std::string(text.substr(begin, i - begin));
    }

    static bool three_digits(std::string_view text) {
        return text.size() >= 3 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]) &&
               !(text.size() > 3 && is_digit(text[3]));
    }

    // Thousands separators. Plain commas count only outside brackets, and if every group has three digits.
    void groups(std::string_view text, size_t& i, std::string& whole) {
        constexpr auto separator =
            std::to_array<std::string_view>({"{,}", ",\\!", "\\,\\!", "\\,", "\\!", "\\ ", "~", "\\;", "\\:"});
        size_t end = i;
        while (end < text.size() && text[end] == ',' && three_digits(text.substr(end + 1))) end += 4;
        const bool broken = end + 1 < text.size() && text[end] == ',' && is_digit(text[end + 1]);
        if (end > i && !broken && reading_.thousands && brackets_ == 0) {
            for (; i < end; ++i)
                if (is_digit(text[i])) whole += text[i];
            separators = true;
            return;
        }
        for (;;) {
            const auto index = first_of(text.substr(i), separator);
            if (!index) break;
            size_t next = i + separator[*index].size();
            if (separator[*index] == ",\\!") next = std::min(text.find_first_not_of(' ', next), text.size());
            if (!three_digits(text.substr(next))) break;
            i = next;
            whole += take_digits(text, i);
        }
        blanks(text, i, whole);
    }

    // 1 234 567: blanks between groups of three digits, where no other number follows (1 234/567 is a mixed number).
    void blanks(std::string_view text, size_t& i, std::string& whole) {
        size_t end = i;
        std::string digits;  // of two groups at least: 1 234 alone may be two numbers
        while (end < text.size() && text[end] == ' ' && three_digits(text.substr(end + 1))) {
            digits += text.substr(end + 1, 3);
            end += 4;
        }
        const size_t next = text.find_first_not_of(' ', end);
        const bool alone = next == std::string_view::npos || (!is_digit(text[next]) && text[next] != '/');
        if (digits.size() < 6 || !alone) return;
        whole += digits;
        i = end;
    }

    // The e3 of 1.2e3. 2e-3 may be 2e minus 3, so with a sign the mantissa must have a point or be 1.
    void exponent(std::string_view text, size_t& i, bool point, const std::string& whole, Rational& value,
                  std::string& spelled) {
        if (i >= text.size() || (text[i] != 'e' && text[i] != 'E')) return;
        size_t at = i + 1;
        const bool sign = at < text.size() && (text[at] == '-' || text[at] == '+');
        const bool negative = sign && text[at] == '-';
        at += sign;
        const std::string digits = take_digits(text, at);
        if (digits.empty()) return;
        if (sign && !point && whole != "1") return refuse("a number such as 2e-3 may mean two things");
        if (digits.size() > 4) return refuse("an exponent of more than 4 digits");
        const Rational scale = Rational::power(10, std::stoul(digits));
        value = negative ? value / scale : value * scale;
        spelled += "e" + std::string(negative ? "-" : "") + digits;
        i = at;
    }

    // 1011_2, 7A_{16}, 7\text{A}_{\text{16}}, 101_{two}: digits 0-9 and A-Z below the base, which is 2 to 36, and a
    // decimal digit first.
    bool based(std::string_view text, size_t& i) {
        size_t end = i;
        std::string digits;
        while (end < text.size()) {
            if (is_digit(text[end]) || is_upper(text[end])) digits += text[end++];
            else if (const std::string inner = textual(text, end); !inner.empty() && is_upper(inner[0]))
                digits += inner;
            else break;
        }
        if (digits.empty() || end >= text.size() || text[end] != '_') return false;
        const bool braces = ++end < text.size() && text[end] == '{';
        end += braces;
        std::string base = textual(text, end);
        if (base.empty()) base = take_digits(text, end);
        if (braces && base.empty())
            while (end < text.size() && is_lower(text[end])) base += text[end++];
        constexpr auto words = std::to_array<Pair>({{"two", "2"},
                                                    {"three", "3"},
                                                    {"four", "4"},
                                                    {"five", "5"},
                                                    {"six", "6"},
                                                    {"seven", "7"},
                                                    {"eight", "8"},
                                                    {"nine", "9"},
                                                    {"ten", "10"},
                                                    {"twelve", "12"},
                                                    {"sixteen", "16"}});
        if (const std::string_view number = look_up(base, words); !number.empty()) base = number;
        if (base.empty() || base.size() > 2 || !std::all_of(base.begin(), base.end(), is_digit)) return false;
        if (braces && (end >= text.size() || text[end] != '}')) return false;
        const int limit = std::stoi(base);
        if (limit < 2 || limit > 36) return false;
        for (const char c : digits)
            if (!(is_digit(c) || is_upper(c)) || (is_digit(c) ? c - '0' : c - 'A' + 10) >= limit) return false;
        i = end + braces;
        const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
        push(Token_kind::based, digits.substr(first) + "_" + base);
        return true;
    }

    // The letters or digits of a \text{...} or \mathrm{...} that stands there, and `i` behind it; else "".
    static std::string textual(std::string_view text, size_t& i) {
        for (const std::string_view command : {"\\text{", "\\mathrm{", "\\textrm{"}) {
            if (!text.substr(i).starts_with(command)) continue;
            size_t end = i + command.size();
            while (end < text.size() && (is_digit(text[end]) || is_lower(text[end]) || is_upper(text[end]))) ++end;
            if (end >= text.size() || text[end] != '}') return "";
            const std::string inner(text.substr(i + command.size(), end - i - command.size()));
            i = end + 1;
            return inner;
        }
        return "";
    }

    void letters(std::string_view text, size_t& i, bool roman) {
        for (const std::string_view half_day : {"a.m.", "p.m.", "a.m", "p.m", "A.M.", "P.M."})
            if (text.substr(i).starts_with(half_day)) {
                push(Token_kind::word, is_lower(text[i]) ? std::string{text[i], 'm'} : std::string{text[i], 'M'});
                i += half_day.size();
                return;
            }
        const size_t begin = i;
        while (i < text.size() && is_letter(text[i])) ++i;
        std::string_view run = text.substr(begin, i - begin);
        // Behind a number they are units; Re and Im are products where no backslash says otherwise.
        const bool unit = (run == "sec" || run == "min") && !tokens.empty() && tokens.back().kind == Token_kind::number;
        const bool product = run == "Re" || run == "Im" || run == "lg";
        if ((one_of(run, functions) && !unit && !product) || one_of(run, bare_names) || one_of(run, function_spellings))
            return named(run);
        const bool joins = run == "and" || run == "or";
        if (roman && (run == "i" || run == "e")) return push(Token_kind::letter, run);  // \\mathrm{i}
        if (roman || joins || is_capitals(run) || is_name(run) || (reading_.letters ? !is_ascii(run) : is_word(run)))
            return push(Token_kind::word, run);
        if (reading_.letters && run.size() > 3 && run.size() < 6)  // sinx
            for (const std::string_view function : {"sin", "cos", "tan", "cot", "sec", "csc", "log"})
                if (run.starts_with(function)) {
                    named(function);
                    run.remove_prefix(3);
                    break;
                }
        for (const char& letter : run) push(Token_kind::letter, std::string_view(&letter, 1));
    }

    void named(std::string_view name) {
        const std::string_view other = look_up(name, synonyms);
        if (name == "sqrt" && (tokens.empty() || tokens.back().text != "\\")) return push(Token_kind::command, "surd");
        push(Token_kind::command, other.empty() ? name : other);
    }

    void command(std::string_view text, size_t& i, int depth) {
        const size_t begin = ++i;
        while (i < text.size() && (is_lower(text[i]) || is_upper(text[i]))) ++i;
        if (i == begin && i < text.size()) ++i;
        std::string_view name = text.substr(begin, i - begin);
        if (name.size() > 4 && name.starts_with("quad")) {  // \quadx
            name = name.substr(0, 4);
            i = begin + 4;
        }
        if (one_of(name, no_effect)) {
            spaced_ = spaced_ || name != "!";
            if ((name == "left" || name == "right") && i < text.size() && text[i] == '.') ++i;
        } else if (one_of(name, no_effect_with_argument)) {
            argument(text, i);
        } else if (name == "not" && next_is(text, i, '=')) {
            push(Token_kind::sign, "!=");
        } else if (name == "lor" || name == "vee" || name == "land" || name == "wedge") {
            push(Token_kind::word, name == "lor" || name == "vee" ? "or" : "and");
        } else if (one_of(name, arrows) && tokens.empty()) {
            spaced_ = true;  // so 5 follows from what went before
        } else if (one_of(name, currencies)) {
            push(Token_kind::sign, "currency:" + std::string(name));
        } else if (one_of(name, text_commands) || one_of(name, face_commands)) {
            const std::string_view content = argument_or_letter(text, i);
            if (content.data() == nullptr) return;
            const bool roman =
                one_of(name, text_commands) && !(one_of(content, functions) || one_of(content, bare_names));
            const bool function = one_of(content, functions) || one_of(content, function_spellings);
            if (one_of(name, text_commands) && function) named(content);
            else run(content, roman, depth + 1);
        } else if (name == "begin" || name == "end") {
            const std::string_view content = argument(text, i);
            if (content == "array" && name == "begin") argument(text, i);  // the columns
            push(Token_kind::sign, std::string(name) + ":" + std::string(content));
        } else if (name == "mathbb") {
            push(Token_kind::letter, "mathbb " + std::string(argument_or_letter(text, i)));
        } else if (const std::string_view meaning = look_up(name, signs); !meaning.empty()) {
            push(Token_kind::sign, meaning);
            if (meaning == "\\\\") skip_length(text, i);
        } else {
            const std::string_view other = look_up(name, synonyms);
            push(Token_kind::command, other.empty() ? name : other);
        }
    }

    // \mathbb R, \vec v: the letter may stand alone.
    std::string_view argument_or_letter(std::string_view text, size_t& i) {
        const size_t at = text.find_first_not_of(" \t\r\n", i);
        if (at == std::string_view::npos || !(is_lower(text[at]) || is_upper(text[at]))) return argument(text, i);
        i = at + 1;
        return text.substr(at, 1);
    }

    static bool next_is(std::string_view text, size_t& i, char sign) {
        const size_t at = text.find_first_not_of(" \t", i);
        if (at == std::string_view::npos || text[at] != sign) return false;
        i = at + 1;
        return true;
    }

    // The [4pt] behind the end of a matrix's row.
    static void skip_length(std::string_view text, size_t& i) {
        size_t at = i;
        if (!next_is(text, at, '[')) return;
        if (at < text.size() && text[at] == '-') ++at;
        const size_t begin = at;
        while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) ++at;
        const size_t number_end = at;
        while (at < text.size() && text[at] == ' ') ++at;
        constexpr auto lengths = std::to_array<std::string_view>({"pt", "mm", "cm", "em", "ex", "in", "px"});
        if (number_end == begin || !first_of(text.substr(at), lengths) || !text.substr(at + 2).starts_with("]")) return;
        i = at + 3;
    }

    // The {...} that follows; refused if there is none. `i` moves behind it.
    std::string_view argument(std::string_view text, size_t& i) {
        while (i < text.size() && is_blank(text[i])) ++i;
        if (i == text.size() || text[i] != '{') return refuse("a command without its {...}"), std::string_view();
        int open = 0;
        for (size_t end = i; end < text.size(); ++end) {
            if (text[end] == '\\') ++end;
            else if (text[end] == '{') ++open;
            else if (text[end] == '}' && --open == 0) {
                const std::string_view content = text.substr(i + 1, end - i - 1);
                return i = end + 1, content;
            }
        }
        return refuse("a brace is not closed"), std::string_view();
    }

    void sign(std::string_view text, size_t& i) {
        if (text[i] == '^' && slashed(text, i)) return;
        if (text.substr(i).starts_with("{:}")) {
            push(Token_kind::sign, ":");
            i += 3;
            return;
        }
        if (text[i] == '(') {  // (1011)_2
            const size_t end = text.find_first_not_of("0123456789ABCDEF", i + 1);
            if (end != std::string_view::npos && end > i + 1 && text.substr(end).starts_with(")_")) {
                std::string bare(text.substr(i + 1, end - i - 1));
                bare += text.substr(end + 1);
                size_t behind = 0;
                if (based(bare, behind)) {
                    i += behind + 2;
                    return;
                }
            }
        }
        for (const std::string_view two : {"<=", ">=", "!=", "**", "=<"})
            if (text.substr(i).starts_with(two)) {
                push(Token_kind::sign, two == "**" ? "^" : two == "=<" ? "<=" : two);
                i += 2;
                return;
            }
        const char c = text[i++];
        if (c == '$' && !dollar_is_unit_) return refuse("an odd number of $");
        if (c < ' ' || c > '~') return refuse("a control character");
        push(Token_kind::sign, std::string(1, c));
    }

    // ^3/_4, at the start or behind a number: three quarters.
    bool slashed(std::string_view text, size_t& i) {
        if (!tokens.empty() && tokens.back().kind != Token_kind::sign) return false;
        size_t at = i + 1;
        const std::string top = take_digits(text, at);
        if (top.empty() || !text.substr(at).starts_with("/_")) return false;
        at += 2;
        const std::string bottom = take_digits(text, at);
        if (bottom.empty() || Rational::digits(bottom).sign() == 0) return false;
        push(Token_kind::number, top + "/" + bottom, Rational::digits(top) / Rational::digits(bottom));
        i = at;
        return true;
    }

    // ^\circ and ^{\circ} become the sign deg, as does ^o behind a number.
    void join_degrees() {
        const auto is = [&](size_t at, std::string_view sign) {
            return at < tokens.size() && tokens[at].kind == Token_kind::sign && tokens[at].text == sign;
        };
        const auto is_o = [&](size_t at) { return at < tokens.size() && tokens[at].text == "o"; };
        std::vector<Token> joined;
        for (size_t i = 0; i < tokens.size(); ++i) {
            const bool number = i > 0 && tokens[i - 1].kind == Token_kind::number;
            const size_t length =
                is(i, "^") && (is(i + 1, "circ") || (number && is_o(i + 1)))                                       ? 2
                : is(i, "^") && is(i + 1, "{") && (is(i + 2, "circ") || (number && is_o(i + 2))) && is(i + 3, "}") ? 4
                                                                                                                   : 0;
            joined.push_back(std::move(tokens[i]));
            if (length) joined.back().text = "deg", i += length - 1;
        }
        tokens = std::move(joined);
    }

    Reading reading_;
    bool dollar_is_blank_ = false, dollar_is_unit_ = false, spaced_ = false, roman_ = false;
    int brackets_ = 0;
};

}  // namespace

Tokens tokenize(std::string_view text, Reading reading) {
    Lexer lexer(in_ascii(text), reading);
    return {std::move(lexer.tokens), lexer.error, lexer.separators};
}

}  // namespace r1::mathematics
