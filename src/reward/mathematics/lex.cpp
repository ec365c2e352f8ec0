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
                                                            ">"});

// Commands that are signs.
constexpr auto signs = std::to_array<Pair>({
    {"cdot", "*"},      {"times", "*"},     {"ast", "*"},         {"div", "/"},         {"lt", "<"},
    {"gt", ">"},        {"le", "<="},       {"leq", "<="},        {"leqslant", "<="},   {"ge", ">="},
    {"geq", ">="},      {"geqslant", ">="}, {"ne", "!="},         {"neq", "!="},        {"in", "in"},
    {"cup", "cup"},     {"pm", "pm"},       {"mp", "mp"},         {"circ", "circ"},     {"degree", "deg"},
    {"{", "\\{"},       {"}", "\\}"},       {"lbrace", "\\{"},    {"rbrace", "\\}"},    {"|", "||"},
    {"vert", "|"},      {"lvert", "|"},     {"rvert", "|"},       {"mid", "|"},         {"%", "%"},
    {"$", "$"},         {"\\", "\\\\"},     {"lfloor", "lfloor"}, {"rfloor", "rfloor"}, {"lceil", "lceil"},
    {"rceil", "rceil"}, {"colon", ":"},     {"lparen", "("},      {"rparen", ")"},      {"lbrack", "["},
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
    {"Infinity", "infinity"}, {"cosec", "csc"},
});

constexpr auto bare_names = std::to_array<std::string_view>(
    {"pi", "infinity", "inf", "infty", "asin", "acos", "atan", "frac", "cosec", "Infinity", "theta", "emptyset"});
// Commands whose argument is text, and those that only change the face of what is mathematics.
constexpr auto text_commands = std::to_array<std::string_view>(
    {"text", "textbf", "textit", "textrm", "texttt", "mathrm", "mbox", "hbox", "operatorname", "emph"});
constexpr auto face_commands =
    std::to_array<std::string_view>({"mathbf", "mathit", "mathsf", "boldsymbol", "bm", "mathnormal"});

// Runs of two or three letters that are words and not products of variables; longer runs are always words.
constexpr auto short_words = std::to_array<std::string_view>(
    {"no",  "on",  "yes", "and", "or",  "not", "odd", "one", "two", "six", "ten", "all", "any", "is",  "to",
     "if",  "at",  "by",  "it",  "of",  "an",  "as",  "be",  "do",  "he",  "me",  "my",  "so",  "up",  "us",
     "we",  "the", "are", "but", "can", "for", "has", "him", "his", "her", "she", "how", "its", "may", "new",
     "now", "old", "our", "out", "per", "see", "too", "was", "who", "day", "box", "cm",  "mm",  "km",  "kg",
     "mg",  "ml",  "mL",  "ft",  "in",  "oz",  "lb",  "lbs", "hr",  "hrs", "min", "sec", "yd",  "yds", "mi",
     "mph", "kph", "am",  "pm",  "deg", "sq",  "mon", "tue", "wed", "thu", "fri", "sat", "sun", "men", "way"});

bool is_word(std::string_view run) {
    if (run.size() < 2) return static_cast<unsigned char>(run[0]) >= 0x80;
    if (run.size() > 3 || one_of(run, short_words) || one_of(lower(run), short_words)) return true;
    if (std::any_of(run.begin(), run.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) return true;
    return run.size() == 3 && is_upper(run[0]) && is_lower(run[1]) && is_lower(run[2]);  // Bob
}

class Lexer {
public:
    Lexer(const std::string& text, bool thousands) : thousands_(thousands) {
        const auto dollars = unescaped_dollars(text);
        dollar_is_blank_ = dollars % 2 == 0, dollar_is_unit_ = dollars == 1;
        run(text, false, 0);
        join_degrees();
        if (!tokens.empty() && tokens.back().kind == Token_kind::sign && tokens.back().text == ".") tokens.pop_back();
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
            if (is_blank(c) || c == '~' || (c == '$' && dollar_is_blank_)) spaced_ = true, ++i;
            else if (is_digit(c) || (c == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) number(text, i);
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
        const bool point = i + 1 < text.size() && text[i] == '.' &&
                           (is_digit(text[i + 1]) || text.substr(i + 1).starts_with("\\overline{"));
        if (point) fraction = take_digits(text, ++i);
        if (point && text.substr(i).starts_with("\\overline{")) {
            size_t end = i + 10;
            repeated = take_digits(text, end);
            if (repeated.empty() || end == text.size() || text[end] != '}') return refuse("\\overline without digits");
            i = end + 1;
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
        constexpr auto separator = std::to_array<std::string_view>({"{,}", ",\\!", "\\,", "\\!"});
        size_t end = i;
        while (end < text.size() && text[end] == ',' && three_digits(text.substr(end + 1))) end += 4;
        const bool broken = end + 1 < text.size() && text[end] == ',' && is_digit(text[end + 1]);
        if (end > i && !broken && thousands_ && brackets_ == 0) {
            for (; i < end; ++i)
                if (is_digit(text[i])) whole += text[i];
            separators = true;
            return;
        }
        for (;;) {
            const auto index = first_of(text.substr(i), separator);
            if (!index || !three_digits(text.substr(i + separator[*index].size()))) return;
            i += separator[*index].size();
            whole += take_digits(text, i);
        }
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

    // 1011_2, 7A_{16}: digits 0-9 and A-Z below the base, which is 2 to 36, and a decimal digit first.
    bool based(std::string_view text, size_t& i) {
        size_t end = i;
        while (end < text.size() && (is_digit(text[end]) || is_upper(text[end]))) ++end;
        const std::string digits(text.substr(i, end - i));
        if (digits.empty() || end >= text.size() || text[end] != '_') return false;
        const bool braces = ++end < text.size() && text[end] == '{';
        end += braces;
        const std::string base = take_digits(text, end);
        if (base.empty() || base.size() > 2 || (braces && (end >= text.size() || text[end] != '}'))) return false;
        const int limit = std::stoi(base);
        if (limit < 2 || limit > 36) return false;
        for (const char c : digits)
            if ((is_digit(c) ? c - '0' : c - 'A' + 10) >= limit) return false;
        i = end + braces;
        const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
        push(Token_kind::based, digits.substr(first) + "_" + base);
        return true;
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
        const std::string_view run = text.substr(begin, i - begin);
        const bool second = run == "sec" && !tokens.empty() && tokens.back().kind == Token_kind::number;
        if ((one_of(run, functions) && !second) || one_of(run, bare_names)) return named(run);
        if (roman || is_word(run)) return push(Token_kind::word, run);
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
        const std::string_view name = text.substr(begin, i - begin);
        if (one_of(name, no_effect)) {
            spaced_ = spaced_ || name != "!";
            if ((name == "left" || name == "right") && i < text.size() && text[i] == '.') ++i;
        } else if (one_of(name, text_commands) || one_of(name, face_commands)) {
            const std::string_view content = argument(text, i);
            if (content.data() == nullptr) return;
            const bool roman =
                one_of(name, text_commands) && !(one_of(content, functions) || one_of(content, bare_names));
            run(content, roman, depth + 1);
        } else if (name == "begin" || name == "end") {
            const std::string_view content = argument(text, i);
            if (content == "array" && name == "begin") argument(text, i);  // the columns
            push(Token_kind::sign, std::string(name) + ":" + std::string(content));
        } else if (name == "mathbb") {
            push(Token_kind::letter, "mathbb " + std::string(argument(text, i)));
        } else if (const std::string_view meaning = look_up(name, signs); !meaning.empty()) {
            push(Token_kind::sign, meaning);
        } else {
            const std::string_view other = look_up(name, synonyms);
            push(Token_kind::command, other.empty() ? name : other);
        }
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
        for (const std::string_view two : {"<=", ">=", "!=", "**"})
            if (text.substr(i).starts_with(two)) {
                push(Token_kind::sign, two == "**" ? "^" : two);
                i += 2;
                return;
            }
        const char c = text[i++];
        if (c == '$' && !dollar_is_unit_) return refuse("an odd number of $");
        if (c < ' ' || c > '~') return refuse("a control character");
        push(Token_kind::sign, std::string(1, c));
    }

    // ^\circ and ^{\circ} become the sign deg.
    void join_degrees() {
        const auto is = [&](size_t at, std::string_view sign) {
            return at < tokens.size() && tokens[at].kind == Token_kind::sign && tokens[at].text == sign;
        };
        std::vector<Token> joined;
        for (size_t i = 0; i < tokens.size(); ++i) {
            const size_t length = is(i, "^") && is(i + 1, "circ")                                       ? 2
                                  : is(i, "^") && is(i + 1, "{") && is(i + 2, "circ") && is(i + 3, "}") ? 4
                                                                                                        : 0;
            joined.push_back(std::move(tokens[i]));
            if (length) joined.back().text = "deg", i += length - 1;
        }
        tokens = std::move(joined);
    }

    bool thousands_, dollar_is_blank_ = false, dollar_is_unit_ = false, spaced_ = false, roman_ = false;
    int brackets_ = 0;
};

// One spelling for each unit. Single letters reach this table only out of \text{} and \mathrm{}.
constexpr auto units = std::to_array<Pair>({
    {"mm", "millimeter"},
    {"millimetre", "millimeter"},
    {"millimeter", "millimeter"},
    {"cm", "centimeter"},
    {"centimetre", "centimeter"},
    {"centimeter", "centimeter"},
    {"m", "meter"},
    {"metre", "meter"},
    {"meter", "meter"},
    {"km", "kilometer"},
    {"kilometre", "kilometer"},
    {"kilometer", "kilometer"},
    {"in", "inch"},
    {"inch", "inch"},
    {"inches", "inch"},
    {"ft", "foot"},
    {"foot", "foot"},
    {"feet", "foot"},
    {"yd", "yard"},
    {"yard", "yard"},
    {"mi", "mile"},
    {"mile", "mile"},
    {"mg", "milligram"},
    {"milligram", "milligram"},
    {"g", "gram"},
    {"gram", "gram"},
    {"kg", "kilogram"},
    {"kilogram", "kilogram"},
    {"oz", "ounce"},
    {"ounce", "ounce"},
    {"lb", "pound"},
    {"pound", "pound"},
    {"ton", "ton"},
    {"ml", "milliliter"},
    {"milliliter", "milliliter"},
    {"millilitre", "milliliter"},
    {"l", "liter"},
    {"L", "liter"},
    {"liter", "liter"},
    {"litre", "liter"},
    {"cup", "cup"},
    {"pint", "pint"},
    {"quart", "quart"},
    {"gallon", "gallon"},
    {"s", "second"},
    {"sec", "second"},
    {"second", "second"},
    {"min", "minute"},
    {"minute", "minute"},
    {"h", "hour"},
    {"hr", "hour"},
    {"hour", "hour"},
    {"day", "day"},
    {"week", "week"},
    {"month", "month"},
    {"year", "year"},
    {"decade", "decade"},
    {"cent", "cent"},
    {"dollar", "dollar"},
    {"euro", "euro"},
    {"penny", "cent"},
    {"pennies", "cent"},
    {"degree", "degree"},
    {"deg", "degree"},
    {"radian", "radian"},
    {"rad", "radian"},
    {"celsius", "celsius"},
    {"fahrenheit", "fahrenheit"},
    {"mph", "mile/hour"},
    {"kph", "kilometer/hour"},
    {"am", "am"},
    {"pm", "pm"},
    {"unit", "unit"},
    {"percent", "%"},
    {"people", "people"},
    {"person", "people"},
    {"student", "student"},
    {"way", "way"},
    {"hz", "hertz"},
    {"hertz", "hertz"},
    {"joule", "joule"},
    {"newton", "newton"},
    {"watt", "watt"},
    {"volt", "volt"},
    {"point", "point"},
    {"mile", "mile"},
    {"acre", "acre"},
    {"time", "time"},
    {"apple", "apple"},
    {"book", "book"},
    {"card", "card"},
    {"ball", "ball"},
    {"page", "page"},
    {"coin", "coin"},
    {"girl", "girl"},
    {"boy", "boy"},
});

}  // namespace

std::string_view unit_name(const std::string& word) {
    const std::string_view exact = look_up(word, units);
    if (!exact.empty() || word.size() < 2) return exact;
    const std::string small = lower(word);
    const std::string_view found = look_up(small, units);
    if (!found.empty() || small.back() != 's' || small.size() < 3) return found;
    return look_up(std::string_view(small).substr(0, small.size() - 1), units);
}

Tokens tokenize(std::string_view text, bool thousands) {
    Lexer lexer(in_ascii(text), thousands);
    return {std::move(lexer.tokens), lexer.error, lexer.separators};
}

}  // namespace r1::mathematics
