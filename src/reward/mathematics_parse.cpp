#include "reward/mathematics_parse.h"

#include <algorithm>
#include <array>

namespace r1::mathematics {

Rational Rational::integer(mpz_srcptr value) {
    Rational result;
    mpq_set_z(result.value_, value);
    return result;
}

Rational Rational::digits(const std::string& decimal_digits) {
    Rational result;
    mpz_set_str(mpq_numref(result.value_), decimal_digits.c_str(), 10);
    return result;
}

Rational Rational::power(unsigned long base, unsigned long exponent) {
    Rational result;
    mpz_ui_pow_ui(mpq_numref(result.value_), base, exponent);
    return result;
}

std::optional<long> Rational::small() const {
    if (!is_integer() || mpz_cmpabs_ui(numerator(), 1000000) > 0) return std::nullopt;
    return mpz_get_si(numerator());
}

std::string Rational::text() const {
    std::string result(mpz_sizeinbase(numerator(), 10) + mpz_sizeinbase(denominator(), 10) + 3, '\0');
    mpq_get_str(result.data(), 10, value_);
    result.resize(result.find('\0'));
    return result;
}

bool identical(const Node& a, const Node& b) {
    return a.kind == b.kind && a.name == b.name && a.number == b.number &&
           std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), identical);
}

bool contains(const Node& node, Kind kind) {
    return node.kind == kind ||
           std::any_of(node.parts.begin(), node.parts.end(), [&](const Node& part) { return contains(part, kind); });
}

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_lower(c) || is_upper(c) || static_cast<unsigned char>(c) >= 0x80; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (is_upper(c)) c = char(c - 'A' + 'a');
    return result;
}

template <size_t n>
bool one_of(std::string_view text, const std::array<std::string_view, n>& list) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

template <size_t n>
std::string_view look_up(std::string_view text, const std::array<Pair, n>& table) {
    const auto at = std::find_if(table.begin(), table.end(), [&](const Pair& pair) { return pair.first == text; });
    return at == table.end() ? std::string_view() : at->second;
}

// Characters outside ASCII that mean something, in LaTeX. Full-width forms and superscripts are done by rule.
constexpr std::array<Pair, 40> unicode = {{
    {"\u2212", "-"},        {"\u00D7", "\\times "}, {"\u00B7", "\\cdot "},    {"\u22C5", "\\cdot "},
    {"\u00F7", "\\div "},   {"\u03C0", "\\pi "},    {"\u221A", "\\surd "},    {"\u00B0", "\\degree "},
    {"\u221E", "\\infty "}, {"\u222A", "\\cup "},   {"\u2208", "\\in "},      {"\u2264", "\\le "},
    {"\u2265", "\\ge "},    {"\u2260", "\\ne "},    {"\u00B1", "\\pm "},      {"\u2213", "\\mp "},
    {"\u2205", "\\emptyset "}, {"\u211D", "\\mathbb{R}"}, {"\u00A0", " "},    {"\u2009", " "},
    {"\u202F", " "},        {"\u3000", " "},        {"\u00BD", "\\frac{1}{2}"}, {"\u00BC", "\\frac{1}{4}"},
    {"\u00BE", "\\frac{3}{4}"}, {"\u2153", "\\frac{1}{3}"}, {"\u2154", "\\frac{2}{3}"}, {"\u03B8", "\\theta "},
    {"\u03B1", "\\alpha "}, {"\u03B2", "\\beta "},  {"\u03B3", "\\gamma "},   {"\u03B4", "\\delta "},
    {"\u03BB", "\\lambda "}, {"\u03BC", "\\mu "},   {"\u03C6", "\\phi "},     {"\u03C9", "\\omega "},
    {"\u00A2", " cents"},   {"\u2019", "'"},        {"\u2044", "/"},          {"\u2215", "/"},
}};

constexpr std::array<std::string_view, 11> superscripts = {
    "\u2070", "\u00B9", "\u00B2", "\u00B3", "\u2074", "\u2075", "\u2076", "\u2077", "\u2078", "\u2079", "\u207B"};

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

enum class Token_kind { number, based, letter, word, command, sign, end };

struct Token {
    Token_kind kind = Token_kind::end;
    std::string text;
    Rational number;
    bool spaced = false;  // white space before it
};

constexpr std::array<std::string_view, 35> no_effect = {
    "left",  "right", "big",   "Big",   "bigg",  "Bigg", "bigl", "bigr",         "Bigl",      "Bigr", "biggl", "biggr",
    "Biggl", "Biggr", "quad",  "qquad", ",",     ";",    ":",    "!",            " ",         "(",    ")",     "[",
    "]",     "\n",    "space", "limits", "mathstrut", "strut", "displaystyle", "textstyle", "nolimits", "hfill", ">"};

// Commands that are signs.
constexpr std::array<Pair, 41> signs = {{
    {"cdot", "*"},   {"times", "*"},     {"ast", "*"},     {"div", "/"},     {"lt", "<"},       {"gt", ">"},
    {"le", "<="},    {"leq", "<="},      {"leqslant", "<="}, {"ge", ">="},   {"geq", ">="},     {"geqslant", ">="},
    {"ne", "!="},    {"neq", "!="},      {"in", "in"},     {"cup", "cup"},   {"pm", "pm"},      {"mp", "mp"},
    {"circ", "circ"}, {"degree", "deg"}, {"{", "\\{"},     {"}", "\\}"},     {"lbrace", "\\{"}, {"rbrace", "\\}"},
    {"|", "||"},     {"vert", "|"},      {"lvert", "|"},   {"rvert", "|"},   {"mid", "|"},      {"%", "%"},
    {"$", "$"},      {"\\", "\\\\"},     {"lfloor", "lfloor"}, {"rfloor", "rfloor"}, {"lceil", "lceil"},
    {"rceil", "rceil"}, {"colon", ":"},  {"lparen", "("},  {"rparen", ")"},  {"lbrack", "["},   {"rbrack", "]"},
}};

// Other spellings of commands.
constexpr std::array<Pair, 20> synonyms = {{
    {"dfrac", "frac"}, {"tfrac", "frac"}, {"cfrac", "frac"}, {"dbinom", "binom"}, {"tbinom", "binom"},
    {"infty", "infinity"}, {"inf", "infinity"}, {"varnothing", "emptyset"}, {"tg", "tan"}, {"ctg", "cot"},
    {"asin", "arcsin"}, {"acos", "arccos"}, {"atan", "arctan"}, {"varepsilon", "epsilon"}, {"varphi", "phi"},
    {"vartheta", "theta"}, {"floor", "floor"}, {"ceil", "ceil"}, {"Infinity", "infinity"}, {"cosec", "csc"},
}};

constexpr std::array<std::string_view, 16> functions = {"sin",    "cos",    "tan",    "cot", "sec", "csc",  "arcsin", "arccos",
                                                        "arctan", "log",    "ln",     "exp", "abs", "floor", "ceil",  "sqrt"};
constexpr std::array<std::string_view, 12> bare_names = {"pi", "infinity", "inf", "infty", "asin", "acos",
                                                         "atan", "frac", "cosec", "Infinity", "theta", "emptyset"};
constexpr std::array<std::string_view, 31> greek = {
    "alpha", "beta",  "gamma", "delta", "epsilon", "zeta",  "eta",   "theta",   "iota", "kappa",
    "lambda", "mu",   "nu",    "xi",    "rho",     "sigma", "tau",   "upsilon", "phi",  "chi",
    "psi",   "omega", "Gamma", "Delta", "Theta",   "Lambda", "Xi",   "Sigma",   "Phi",  "Psi", "Omega"};

// Commands whose argument is text, and those that only change the face of what is mathematics.
constexpr std::array<std::string_view, 10> text_commands = {"text",   "textbf", "textit", "textrm", "texttt",
                                                            "mathrm", "mbox",   "hbox",   "operatorname", "emph"};
constexpr std::array<std::string_view, 6> face_commands = {"mathbf", "mathit", "mathsf", "boldsymbol", "bm", "mathnormal"};

// Runs of two or three letters that are words and not products of variables; longer runs are always words.
constexpr std::array<std::string_view, 90> short_words = {
    "no",  "on",  "yes", "and", "or",  "not", "odd", "one", "two", "six", "ten", "all", "any", "is",  "to",
    "if",  "at",  "by",  "it",  "of",  "an",  "as",  "be",  "do",  "he",  "me",  "my",  "so",  "up",  "us",
    "we",  "the", "are", "but", "can", "for", "has", "him", "his", "her", "she", "how", "its", "may", "new",
    "now", "old", "our", "out", "per", "see", "too", "was", "who", "day", "box", "cm",  "mm",  "km",  "kg",
    "mg",  "ml",  "mL",  "ft",  "in",  "oz",  "lb",  "lbs", "hr",  "hrs", "min", "sec", "yd",  "yds", "mi",
    "mph", "kph", "am",  "pm",  "deg", "sq",  "mon", "tue", "wed", "thu", "fri", "sat", "sun", "men", "way"};

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
        for (size_t i = 0; i < text.size() && error.empty();) {
            const char c = text[i];
            if (is_blank(c) || c == '~' || (c == '$' && dollar_is_blank_)) spaced_ = true, ++i;
            else if (is_digit(c) || (c == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) number(text, i);
            else if (is_letter(c)) letters(text, i, roman);
            else if (c == '\\') command(text, i, depth);
            else sign(text, i);
        }
    }

    void push(Token_kind kind, std::string_view text, const Rational& number = 0) {
        tokens.push_back({kind, std::string(text), number, std::exchange(spaced_, false)});
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
        constexpr std::array<std::string_view, 4> separator = {"{,}", ",\\!", "\\,", "\\!"};
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
            const bool roman = one_of(name, text_commands) && !(one_of(content, functions) || one_of(content, bare_names));
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
            const size_t length = is(i, "^") && is(i + 1, "circ")                                              ? 2
                                  : is(i, "^") && is(i + 1, "{") && is(i + 2, "circ") && is(i + 3, "}") ? 4
                                                                                                               : 0;
            joined.push_back(std::move(tokens[i]));
            if (length) joined.back().text = "deg", i += length - 1;
        }
        tokens = std::move(joined);
    }

    bool thousands_, dollar_is_blank_ = false, dollar_is_unit_ = false, spaced_ = false;
    int brackets_ = 0;
};

// One spelling for each unit. Single letters reach this table only out of \text{} and \mathrm{}.
constexpr std::array<Pair, 96> units = {{
    {"mm", "millimeter"}, {"millimetre", "millimeter"}, {"millimeter", "millimeter"}, {"cm", "centimeter"},
    {"centimetre", "centimeter"}, {"centimeter", "centimeter"}, {"m", "meter"}, {"metre", "meter"}, {"meter", "meter"},
    {"km", "kilometer"}, {"kilometre", "kilometer"}, {"kilometer", "kilometer"}, {"in", "inch"}, {"inch", "inch"},
    {"inches", "inch"}, {"ft", "foot"}, {"foot", "foot"}, {"feet", "foot"}, {"yd", "yard"}, {"yard", "yard"},
    {"mi", "mile"}, {"mile", "mile"}, {"mg", "milligram"}, {"milligram", "milligram"}, {"g", "gram"}, {"gram", "gram"},
    {"kg", "kilogram"}, {"kilogram", "kilogram"}, {"oz", "ounce"}, {"ounce", "ounce"}, {"lb", "pound"},
    {"pound", "pound"}, {"ton", "ton"}, {"ml", "milliliter"}, {"milliliter", "milliliter"},
    {"millilitre", "milliliter"}, {"l", "liter"}, {"L", "liter"}, {"liter", "liter"}, {"litre", "liter"},
    {"cup", "cup"}, {"pint", "pint"}, {"quart", "quart"}, {"gallon", "gallon"}, {"s", "second"}, {"sec", "second"},
    {"second", "second"}, {"min", "minute"}, {"minute", "minute"}, {"h", "hour"}, {"hr", "hour"}, {"hour", "hour"},
    {"day", "day"}, {"week", "week"}, {"month", "month"}, {"year", "year"}, {"decade", "decade"},
    {"cent", "cent"}, {"dollar", "dollar"}, {"euro", "euro"}, {"penny", "cent"}, {"pennies", "cent"},
    {"degree", "degree"}, {"deg", "degree"}, {"radian", "radian"}, {"rad", "radian"}, {"celsius", "celsius"},
    {"fahrenheit", "fahrenheit"}, {"mph", "mile/hour"}, {"kph", "kilometer/hour"}, {"am", "am"}, {"pm", "pm"},
    {"unit", "unit"}, {"percent", "%"}, {"people", "people"}, {"person", "people"}, {"student", "student"},
    {"way", "way"}, {"hz", "hertz"}, {"hertz", "hertz"}, {"joule", "joule"}, {"newton", "newton"}, {"watt", "watt"},
    {"volt", "volt"}, {"point", "point"}, {"mile", "mile"}, {"acre", "acre"}, {"time", "time"}, {"apple", "apple"},
    {"book", "book"}, {"card", "card"}, {"ball", "ball"}, {"page", "page"}, {"coin", "coin"}, {"girl", "girl"},
    {"boy", "boy"},
}};

// The unit's one spelling; "" if it is not known.
std::string_view unit_name(const std::string& word) {
    const std::string_view exact = look_up(word, units);
    if (!exact.empty() || word.size() < 2) return exact;
    const std::string small = lower(word);
    const std::string_view found = look_up(small, units);
    if (!found.empty() || small.back() != 's' || small.size() < 3) return found;
    return look_up(std::string_view(small).substr(0, small.size() - 1), units);
}

Node leaf(Kind kind, std::string name = "") { return {kind, std::move(name), 0, {}}; }
Node constant(const Rational& value) { return {Kind::number, "", value, {}}; }

Node over(Kind kind, Node a, std::string name = "") {
    Node node = leaf(kind, std::move(name));
    node.parts.push_back(std::move(a));
    return node;
}

Node over(Kind kind, Node a, Node b, std::string name = "") {
    Node node = over(kind, std::move(a), std::move(name));
    node.parts.push_back(std::move(b));
    return node;
}

// A list of one is its element.
Node gathered(Kind kind, std::vector<Node> parts, std::string name = "") {
    if (parts.size() == 1) return std::move(parts[0]);
    return {kind, std::move(name), 0, std::move(parts)};
}

// Recursive descent, from the loosest binding to the tightest: list, relation, ratio, union, quantity, sum, term, signed,
// power, primary. Each returns false at the first error, and otherwise leaves its node in `node`.
class Parser {
public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    bool parse(Node& node) { return list(node) && (peek().kind == Token_kind::end || unexpected()); }

    std::string error;

private:
    bool list(Node& node) {
        std::vector<Node> items;
        do {
            Node item;
            if (!relation(item)) return false;
            items.push_back(std::move(item));
        } while (separator());
        node = gathered(Kind::list, std::move(items));
        return true;
    }

    // "," ";" "and" "or" ", and"
    bool separator() {
        const bool comma = accept(",") || accept(";");
        if (word("and") || word("or")) return ++at_, true;
        return comma;
    }

    bool relation(Node& node) {
        if (named_function(node)) at_ += 0;
        else if (!ratio(node)) return false;
        std::string names;
        std::vector<Node> parts;
        parts.push_back(std::move(node));
        for (char name; (name = relation_name()) != 0;) {
            ++at_;
            Node next;
            if (!ratio(next)) return false;
            names += name, parts.push_back(std::move(next));
        }
        node = gathered(Kind::relation, std::move(parts), names);
        return true;
    }

    char relation_name() const {
        constexpr std::array<Pair, 7> names = {
            {{"=", "="}, {"!=", "#"}, {"<", "<"}, {">", ">"}, {"<=", "l"}, {">=", "g"}, {"in", "E"}}};
        if (peek().kind != Token_kind::sign) return 0;
        const std::string_view name = look_up(peek().text, names);
        return name.empty() ? '\0' : name[0];
    }

    // p(x) = ...: any letter before a bracket of letters and an equals sign names a function.
    bool named_function(Node& node) {
        if (peek().kind != Token_kind::letter || !is("(", 1)) return false;
        size_t i = 2;
        Node function = leaf(Kind::apply, peek().text);
        for (; peek(i).kind == Token_kind::letter && (is(",", i + 1) || is(")", i + 1)); i += 2) {
            function.parts.push_back(leaf(Kind::variable, peek(i).text));
            if (is(")", i + 1)) break;
        }
        if (!is(")", i + 1) || !is("=", i + 2) || function.parts.empty()) return false;
        at_ += i + 2;
        node = std::move(function);
        return true;
    }

    bool ratio(Node& node) {
        std::vector<Node> parts;
        do {
            Node part;
            if (!set_union(part)) return false;
            parts.push_back(std::move(part));
        } while (accept(":"));
        node = gathered(Kind::ratio, std::move(parts));
        if (node.kind == Kind::ratio && node.parts.back().kind == Kind::quantity) {  // 3:30 pm
            const std::string unit = node.parts.back().name;
            Node last = std::move(node.parts.back().parts[0]);
            node.parts.back() = std::move(last);
            node = over(Kind::quantity, std::move(node), unit);
        }
        return true;
    }

    bool set_union(Node& node) {
        std::vector<Node> parts;
        do {
            Node part;
            if (!quantity(part)) return false;
            parts.push_back(std::move(part));
        } while (accept("cup"));
        node = gathered(Kind::set_union, std::move(parts));
        return true;
    }

    // A sum and its unit: 5 cm, $5, 30^\circ, 50%.
    bool quantity(Node& node) {
        bool dollars = accept("$");
        if (!dollars && is("-") && is("$", 1)) {
            tokens_[at_ + 1] = tokens_[at_];  // -$5 is $-5
            ++at_, dollars = true;
        }
        if (!sum(node)) return false;
        std::string unit = whole_degrees(node) ? "degree" : "";
        if (!units(unit)) return false;
        if (dollars && !unit.empty() && unit != "dollar") return refuse("two units");
        if (dollars) unit = "dollar";
        if (!unit.empty()) node = over(Kind::quantity, std::move(node), unit);
        return true;
    }

    // 30^\circ, -30^\circ, 2x^\circ lose their degrees, which become the unit of the whole.
    static bool whole_degrees(Node& node) {
        if (node.kind == Kind::degrees) {
            Node inner = std::move(node.parts[0]);
            node = std::move(inner);
            return true;
        }
        if (node.kind == Kind::negate) return whole_degrees(node.parts[0]);
        return node.kind == Kind::product && whole_degrees(node.parts.back());
    }

    // "cm", "square feet", "cm^2", "miles per hour", "m/s", "%"; appended to `unit`.
    bool units(std::string& unit) {
        bool known = true;
        std::string power, joint = unit.empty() ? "" : "*";
        if (accept("%")) return unit.empty() ? (unit = "%", true) : refuse("two units");
        for (;; ++at_) {
            if (is("/") && (peek(1).kind == Token_kind::word) && !unit.empty()) {
                joint = "/";
                continue;
            }
            const bool scale = unit == "degree" && (peek().text == "C" || peek().text == "F");
            if ((peek().kind != Token_kind::word && !scale) || word("and") || word("or")) break;
            const std::string text = scale ? (peek().text == "C" ? "celsius" : "fahrenheit") : peek().text;
            const std::string small = lower(text);
            if (small == "square" || small == "sq" || small == "cubic") {
                power = small == "cubic" ? "^3" : "^2";
                continue;
            }
            if (small == "per" && !unit.empty()) {
                joint = "/";
                continue;
            }
            const std::string_view name = unit_name(text);
            known = known && !name.empty();
            unit += joint + (name.empty() ? small : std::string(name)) + power;
            power.clear(), joint = "*";
            unit += unit_power();
        }
        if (!power.empty() || joint == "/") return refuse("a unit is not complete");
        if (!known) unit = "?" + unit;
        return true;
    }

    // The ^2 or ^{2} behind a unit; moves to its last token but one.
    std::string unit_power() {
        if (!is("^", 1)) return "";
        const bool braces = is("{", 2) && is("}", 4);
        const Token& exponent = peek(braces ? 3 : 2);
        if (exponent.text != "2" && exponent.text != "3") return "";
        at_ += braces ? 4 : 2;
        return "^" + exponent.text;
    }

    bool sum(Node& node) {
        std::vector<Node> parts;
        for (bool first = true; first || is("+") || is("-") || is("pm") || is("mp"); first = false) {
            Node part;
            std::string sign;
            if (!first) sign = tokens_[at_++].text;
            if (!term(part)) return false;
            if (sign == "-") part = over(Kind::negate, std::move(part));
            if (sign == "pm" || sign == "mp") part = over(Kind::plus_minus, std::move(part), sign == "pm" ? "+" : "-");
            parts.push_back(std::move(part));
        }
        node = gathered(Kind::sum, std::move(parts));
        return true;
    }

    bool term(Node& node) {
        std::vector<Node> factors;
        bool slash = false;  // a product without a sign must not follow a quotient: 1/2x
        Node factor;
        if (!signed_factor(factor, slash)) return false;
        factors.push_back(std::move(factor));
        for (;;) {
            Node next;
            if (accept("*") || times_ten()) {
                if (!signed_factor(next, slash)) return false;
            } else if (accept("/")) {
                if (!signed_factor(next, slash)) return false;
                next = over(Kind::inverse, std::move(next)), slash = true;
            } else if (!is_scale(factors.back()) && (begins_factor() || power_by_power(factors.back()))) {
                if (slash) return refuse("what a slash divides by is not clear");
                if (!power(next, slash)) return false;
            } else {
                if (peek().kind == Token_kind::number) return refuse("two numbers side by side");
                node = gathered(Kind::product, std::move(factors));
                return true;
            }
            factors.push_back(std::move(next));
        }
    }

    // The C of 100^\circ C.
    bool is_scale(const Node& before) const {
        return before.kind == Kind::degrees && (peek().text == "C" || peek().text == "F");
    }

    // 2^x 3^x is a product; any other number behind a factor is refused.
    bool power_by_power(const Node& before) const {
        return before.kind == Kind::power && peek().kind == Token_kind::number && is("^", 1);
    }

    // The x of 1.2 x 10^3.
    bool times_ten() {
        const bool found = at_ > 0 && tokens_[at_ - 1].kind == Token_kind::number && peek().text == "x" &&
                           peek(1).text == "10" && is("^", 2);
        at_ += found;
        return found;
    }

    bool signed_factor(Node& node, bool& slash) {
        if (is("-") || is("+") || is("pm") || is("mp")) {
            const std::string sign = tokens_[at_++].text;
            if (!enter()) return false;
            if (!signed_factor(node, slash)) return false;
            --depth_;
            if (sign == "-") node = over(Kind::negate, std::move(node));
            if (sign == "pm" || sign == "mp") node = over(Kind::plus_minus, std::move(node), sign == "pm" ? "+" : "-");
            return true;
        }
        return power(node, slash);
    }

    bool power(Node& node, bool& slash) {
        if (!primary(node, slash)) return false;
        if (accept("!")) node = over(Kind::factorial, std::move(node));
        std::vector<Node> exponents;
        while (accept("^")) {
            Node exponent;
            if (exponents.size() == 8) return refuse("more than 8 exponents");
            if (!script(exponent)) return false;
            exponents.push_back(std::move(exponent));
        }
        for (; exponents.size() > 1; exponents.pop_back()) {  // 2^3^2 is 2^9
            Node& below = exponents[exponents.size() - 2];
            below = over(Kind::power, std::move(below), std::move(exponents.back()));
        }
        if (!exponents.empty()) node = over(Kind::power, std::move(node), std::move(exponents[0]));
        if (accept("deg")) node = over(Kind::degrees, std::move(node));
        return true;
    }

    // What follows ^ or _: {...}, or one thing, with a sign: x^-10.
    bool script(Node& node) {
        if (accept("-")) {
            if (!script_unsigned(node)) return false;
            node = over(Kind::negate, std::move(node));
            return true;
        }
        return script_unsigned(node);
    }

    bool script_unsigned(Node& node) {
        if (peek().kind == Token_kind::number) return node = constant(tokens_[at_++].number), true;
        bool slash = false;
        return primary(node, slash);
    }

    bool begins_factor() const {
        const Token& token = peek();
        if (token.kind == Token_kind::letter) return true;
        if (token.kind == Token_kind::command) return token.text != "infinity" && token.text != "emptyset";
        if (token.kind != Token_kind::sign) return false;
        return is("(") || is("[") || is("{") || is("lfloor") || is("lceil") || (is("|") && !bars_);
    }

    bool primary(Node& node, bool& slash) {
        if (!enter()) return false;
        const Token& token = peek();
        bool ok = false;
        switch (token.kind) {
            case Token_kind::number: ok = number(node, slash); break;
            case Token_kind::based: ok = (node = leaf(Kind::based, tokens_[at_++].text), true); break;
            case Token_kind::letter: ok = letter(node); break;
            case Token_kind::word: ok = is_variable(token.text) ? letter(node) : refuse("a word"); break;
            case Token_kind::command: ok = command(node); break;
            case Token_kind::sign: ok = bracket(node); break;
            case Token_kind::end: ok = unexpected(); break;
        }
        --depth_;
        return ok;
    }

    static bool is_variable(const std::string& word) {
        return word.size() == 1 && (is_lower(word[0]) || is_upper(word[0]));
    }

    // A number, or a mixed number: 1 1/2, 1\frac{1}{2}.
    bool number(Node& node, bool& slash) {
        const Rational whole = tokens_[at_++].number;
        node = constant(whole);
        if (!whole.is_integer()) return true;
        const auto proper = [&](const Rational& top, const Rational& bottom) {
            return top.is_integer() && bottom.is_integer() && top.sign() > 0 && top < bottom;
        };
        if (peek().kind == Token_kind::number && peek().spaced && is("/", 1) && peek(2).kind == Token_kind::number) {
            const Rational top = peek().number, bottom = peek(2).number;
            if (!proper(top, bottom)) return refuse("a mixed number without a proper fraction");
            node = constant(whole + top / bottom);
            return at_ += 3, slash = true;
        }
        if (peek().kind == Token_kind::command && peek().text == "frac") {
            ++at_;
            Node top, bottom;
            if (!argument(top) || !argument(bottom)) return false;
            if (top.kind == Kind::number && bottom.kind == Kind::number) {
                if (!proper(top.number, bottom.number)) return refuse("a mixed number without a proper fraction");
                node = constant(whole + top.number / bottom.number);
            } else {
                node = over(Kind::product, std::move(node),
                            over(Kind::product, std::move(top), over(Kind::inverse, std::move(bottom))));
            }
        }
        return true;
    }

    // A variable with its subscript, e, i, or f(...).
    bool letter(Node& node) {
        const std::string name = tokens_[at_++].text;
        if (is("_")) {
            ++at_;
            node = leaf(Kind::variable, name + "_");
            return subscript(node.name);
        }
        if (name == "e" || name == "i") return node = leaf(name == "e" ? Kind::e : Kind::i), true;
        node = leaf(Kind::variable, name);
        if ((name == "f" || name == "g" || name == "h") && is("(") && !peek().spaced) {
            node = leaf(Kind::apply, name);
            ++at_;
            return elements(node.parts) && (accept(")") || unexpected());
        }
        return true;
    }

    bool subscript(std::string& name) {
        const bool braces = accept("{");
        const size_t begin = at_;
        do {
            const Token_kind kind = peek().kind;
            if (kind != Token_kind::number && kind != Token_kind::letter && kind != Token_kind::word) return unexpected();
            name += (at_ > begin ? " " : "") + peek().text;
            ++at_;
        } while (braces && !is("}"));
        return !braces || accept("}") || unexpected();
    }

    bool command(Node& node) {
        const std::string name = tokens_[at_++].text;
        if (one_of(name, greek)) {
            node = leaf(Kind::variable, name);
            return !accept("_") || subscript(node.name += "_");
        }
        if (name == "pi") return node = leaf(Kind::pi), true;
        if (name == "infinity") return node = leaf(Kind::infinity), true;
        if (name == "emptyset") return node = leaf(Kind::set), true;
        if (name == "frac" || name == "binom") {
            Node a, b;
            if (!argument(a) || !argument(b)) return false;
            node = name == "frac" ? over(Kind::product, std::move(a), over(Kind::inverse, std::move(b)))
                                  : over(Kind::call, std::move(a), std::move(b), name);
            return true;
        }
        if (name == "sqrt" || name == "surd") return root(node, name == "sqrt");
        if (one_of(name, functions)) return call(node, name);
        return refuse("a command that is not known");
    }

    bool root(Node& node, bool latex) {
        Node degree = constant(2), inner;
        if (latex && accept("[")) {
            if (!sum(degree)) return false;
            if (!accept("]")) return unexpected();
        }
        bool slash = false;
        if (latex ? !argument(inner) : !primary(inner, slash)) return false;
        node = over(Kind::root, std::move(inner), std::move(degree));
        return true;
    }

    // An argument of LaTeX: {...}, or one digit, letter or command.
    bool argument(Node& node) {
        if (is("{")) {
            bool slash = false;
            return primary(node, slash);
        }
        Token& token = tokens_[at_];
        if (token.kind == Token_kind::number && token.text.size() > 1) {
            if (!std::all_of(token.text.begin(), token.text.end(), is_digit)) return unexpected();
            node = constant(token.text[0] - '0');
            token.text.erase(0, 1);
            token.number = Rational::digits(token.text);
            token.spaced = false;
            return true;
        }
        if (token.kind == Token_kind::number) return node = constant(tokens_[at_++].number), true;
        if (token.kind != Token_kind::letter && token.kind != Token_kind::command) return unexpected();
        bool slash = false;
        return primary(node, slash);
    }

    // \sin x, \sin^2 x, \log_2 8, \ln(x+1)
    bool call(Node& node, const std::string& name) {
        Node exponent, base, inner;
        bool power = false, inverse = false, based = false;
        for (int i = 0; i < 2; ++i) {
            if (accept("^")) {
                if (power || !script(exponent)) return refuse("an exponent of a function");
                power = true;
            }
            if (name == "log" && accept("_")) {
                if (based || !script(base)) return refuse("a base of a logarithm");
                based = true;
            }
        }
        if (power && exponent.kind == Kind::negate) {  // \sin^{-1} x
            inverse = exponent.parts[0].kind == Kind::number && exponent.parts[0].number == Rational(1);
            if (!inverse || name.size() != 3 || name == "log" || name == "exp" || name == "abs")
                return refuse("a negative exponent of a function");
        }
        if (!function_argument(inner)) return false;
        if (name == "abs") node = over(Kind::absolute, std::move(inner));
        else if (name == "exp") node = over(Kind::power, leaf(Kind::e), std::move(inner));
        else if (name == "log") node = over(Kind::call, std::move(inner), based ? std::move(base) : constant(10), "log");
        else node = over(Kind::call, std::move(inner), (inverse ? "arc" : "") + name);
        if (power && !inverse) node = over(Kind::power, std::move(node), std::move(exponent));
        return true;
    }

    // In brackets, or a product without signs up to the next function: \sin 2x \cos x.
    bool function_argument(Node& node) {
        bool slash = false;
        if (is("(") || is("[") || is("{") || is("|")) return primary(node, slash);
        std::vector<Node> factors;
        do {
            Node factor;
            if (!power(factor, slash)) return false;
            factors.push_back(std::move(factor));
            if (factors.back().kind == Kind::call) break;
        } while (begins_factor() && !is("(") && !is("[") && !is("|") && !one_of(peek().text, functions));
        if (is("(") || is("[") || is("/")) return refuse("where the argument of a function ends is not clear");
        node = gathered(Kind::product, std::move(factors));
        return true;
    }

    bool bracket(Node& node) {
        const bool outer = std::exchange(bars_, is("|"));
        const bool ok = inside_bracket(node);
        bars_ = outer;
        return ok;
    }

    bool inside_bracket(Node& node) {
        const std::string open = peek().text;
        if (open.starts_with("begin:")) return matrix(node);
        if (open == "|" || open == "lfloor" || open == "lceil") {
            ++at_;
            const std::string close = open == "|" ? "|" : open == "lfloor" ? "rfloor" : "rceil";
            Node inner;
            if (!sum(inner)) return false;
            if (!accept(close)) return unexpected();
            node = open == "|" ? over(Kind::absolute, std::move(inner))
                               : over(Kind::call, std::move(inner), open == "lfloor" ? "floor" : "ceil");
            return true;
        }
        if (open != "(" && open != "[" && open != "{" && open != "\\{") return unexpected();
        ++at_;
        std::vector<Node> parts;
        const bool braces = open == "{" || open == "\\{";
        if (open == "\\{" && accept("\\}")) return node = leaf(Kind::set), true;
        if (!elements(parts)) return false;
        if (braces) {
            if (!accept(open == "{" ? "}" : "\\}")) return unexpected();
            node = Node{Kind::set, "", 0, std::move(parts)};
            if (open == "{" && node.parts.size() == 1) node = gathered(Kind::set, std::move(node.parts));
            return true;
        }
        if (!is(")") && !is("]")) return unexpected();
        const std::string kinds = open + tokens_[at_++].text;
        if (kinds != "()" && kinds != "[]" && parts.size() != 2) return refuse("brackets that do not match");
        node = gathered(Kind::tuple, std::move(parts), kinds);
        return true;
    }

    bool elements(std::vector<Node>& parts) {
        do {
            Node part;
            if (!ratio(part)) return false;
            parts.push_back(std::move(part));
        } while (accept(",") || accept(";"));
        return true;
    }

    bool matrix(Node& node) {
        const std::string name = tokens_[at_++].text.substr(6);
        constexpr std::array<std::string_view, 6> matrices = {"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix",
                                                              "array"};
        if (name != "vmatrix" && !one_of(name, matrices)) return refuse("an environment that is not known");
        node = leaf(Kind::matrix, name == "vmatrix" ? "determinant" : "matrix");
        do {
            if (is("end:" + name)) break;  // after a last \\ .
            node.parts.push_back(leaf(Kind::row));
            do {
                Node entry;
                if (!sum(entry)) return false;
                node.parts.back().parts.push_back(std::move(entry));
            } while (accept("&"));
            if (node.parts.back().parts.size() != node.parts[0].parts.size()) return refuse("a matrix with uneven rows");
        } while (accept("\\\\"));
        return accept("end:" + name) || unexpected();
    }

    const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

    bool is(std::string_view sign, size_t ahead = 0) const {
        return peek(ahead).kind == Token_kind::sign && peek(ahead).text == sign;
    }

    bool word(std::string_view text) const { return peek().kind == Token_kind::word && lower(peek().text) == text; }

    bool accept(std::string_view sign) {
        const bool found = is(sign);
        at_ += found;
        return found;
    }

    bool enter() { return ++depth_ <= max_depth || refuse("nested more than 64 deep"); }

    bool unexpected() {
        const Token& token = peek();
        if (token.kind == Token_kind::end) return refuse("it ends too early");
        if (token.kind == Token_kind::word) return refuse("a word");
        if (token.kind != Token_kind::sign) return refuse("something where a sign should stand");
        if (token.text.find(':') != std::string::npos && token.text.size() > 1) return refuse("a \\begin or \\end");
        return refuse("'" + token.text + "' does not belong there");
    }

    bool refuse(std::string why) {
        if (error.empty()) error = std::move(why);
        return false;
    }

    std::vector<Token> tokens_;
    size_t at_ = 0;
    int depth_ = 0;
    bool bars_ = false;  // inside |...|, so that the next | closes
};

// The text as words: "Yes." and "\text{yes}" are "yes".
void set_words(const std::vector<Token>& tokens, Parse& result) {
    result.plain = false;
    bool clean = true;
    for (const Token& token : tokens) {
        if (token.kind == Token_kind::end) break;
        result.words += (result.words.empty() ? "" : " ") + lower(token.text);
        if (token.kind == Token_kind::word && token.text.size() > 1) result.plain = true;
        if (token.kind == Token_kind::command) clean = false;
        if (token.kind == Token_kind::sign) clean = clean && std::string_view("-',.;:()/!?").find(token.text) != std::string_view::npos;
    }
    result.plain = result.plain && clean;
}

}  // namespace

Parse parse(std::string_view text, bool thousands) {
    Parse result;
    if (text.size() > max_bytes) return result.error = "longer than 4096 bytes", result;
    Lexer lexer(in_ascii(text), thousands);
    if (!lexer.error.empty()) return result.error = lexer.error, result;
    if (lexer.tokens.size() == 1) return result.error = "empty", result;
    result.separators = lexer.separators;
    set_words(lexer.tokens, result);
    Parser parser(std::move(lexer.tokens));
    Node tree;
    if (parser.parse(tree)) result.tree = std::move(tree);
    else result.error = parser.error;
    return result;
}

}  // namespace r1::mathematics
