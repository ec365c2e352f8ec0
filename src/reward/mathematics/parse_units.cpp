// A sum and what it is counted in: units, currencies, nouns.
#include <algorithm>
#include <array>

#include "reward/mathematics/parser.h"

namespace r1::mathematics {

// A sum and its unit: 5 cm, $5, 30^\circ, 50%.
bool Parser::quantity(Node& node) {
    std::string currency = currency_sign();
    if (currency.empty() && is("-")) {
        ++at_;
        currency = currency_sign();
        --at_;
        if (!currency.empty()) {
            tokens_[at_] = tokens_[at_ - 1];  // -$5 is $-5
            tokens_[at_].text = "-";
        }
    }
    if (!sum(node)) return false;
    multiply_by_words(node);
    Units units;
    bool known = true;
    if (whole_degrees(node)) units["degree"] = 1;
    const Token& next = peek();
    const bool attached = next.kind == Token_kind::word && !next.spaced && !next.roman && next.text.size() < 4;  // 3km
    if (accept("%")) {
        if (!units.empty()) return refuse("two units");
        units["%"] = 1;
    } else if (!read_units(node, !currency.empty(), units, known)) {
        return false;
    }
    if (!currency.empty()) {  // $3 USD is $3, $3 per pound is no sum of money
        const bool twice = units.contains(currency);
        const bool others = std::any_of(units.begin(), units.end(),
                                        [&](const auto& unit) { return unit.first != currency && unit.second > 0; });
        if (others) return refuse("two units");
        if (!twice) units[currency] = 1;
    }
    if (!units.empty()) node = over(Kind::quantity, std::move(node), (known ? "" : "?") + spelled(units));
    if (attached) node.number = 1;
    return true;
}

// 5 million, 2 dozen.
void Parser::multiply_by_words(Node& node) {
    constexpr auto words = std::to_array<Pair>({{"hundred", "100"},
                                                {"thousand", "1000"},
                                                {"million", "1000000"},
                                                {"billion", "1000000000"},
                                                {"trillion", "1000000000000"},
                                                {"dozen", "12"}});
    while (peek().kind == Token_kind::word && is_lone(node)) {
        const std::string_view number = look_up(lower(peek().text), words);
        if (number.empty()) return;
        ++at_;
        Node times = leaf(Kind::product);
        times.parts = {std::move(node), constant(Rational::digits(std::string(number)))};
        node = std::move(times);
    }
}

std::string Parser::currency_sign() {
    if (accept("$")) return "dollar";
    constexpr std::string_view sign = "currency:";
    if (peek().kind != Token_kind::sign || !peek().text.starts_with(sign)) return "";
    return std::string(unit_name(tokens_[at_++].text.substr(sign.size())));
}

// 30^\circ, -30^\circ, 2x^\circ lose their degrees, which become the unit of the whole.
bool Parser::whole_degrees(Node& node) {
    if (node.kind == Kind::degrees) {
        Node inner = std::move(node.parts[0]);
        node = std::move(inner);
        return true;
    }
    if (node.kind == Kind::negate) return whole_degrees(node.parts[0]);
    return node.kind == Kind::product && whole_degrees(node.parts.back());
}

std::string Parser::spelled(const Units& units) {
    std::string all;
    for (const auto& [name, power] : units)
        if (power != 0) all += (all.empty() ? "" : "*") + name + (power == 1 ? "" : "^" + std::to_string(power));
    return all;
}

// "cm", "square feet", "cm^2", "miles per hour", "m/s", "m\cdot s^{-1}", "eggs". Behind what may a run of letters be
// a unit, and not a product of variables or words? In \text{}, behind anything. Else behind a number alone: any known
// unit, also m, s, g after a blank, and after a blank one to three words that are no number and no particle, a noun.
// Behind another constant (2\pi, \frac12): only units that cannot be letters for sizes (not h, mg, hr).
bool Parser::read_units(const Node& value, bool has_currency, Units& units, bool& known) {
    const bool lone = is_lone(value), constant = !contains(value, Kind::variable);
    int power = 1, nouns = 0;  // power: of the next unit
    bool open = false;         // something must follow
    for (;; ++at_) {
        const Token& token = peek();
        if (!units.empty() && is("/") && !unit_at(at_ + 1).empty()) {
            power = -1;
            open = true;
            continue;
        }
        if (!units.empty() && is("*") && !unit_at(at_ + 1).empty()) continue;
        const bool scale = units == Units{{"degree", 1}} && (token.text == "C" || token.text == "F");
        if (scale) {
            units = {{token.text == "C" ? "celsius" : "fahrenheit", 1}};
            continue;
        }
        const std::string scale_name = unit_at(at_);
        if (units == Units{{"degree", 1}} && (scale_name == "celsius" || scale_name == "fahrenheit")) {
            units = {{scale_name, 1}};
            continue;
        }
        if (word("old") && units == Units{{"year", 1}}) continue;
        if (word("and") || word("or") || word("for")) break;
        const std::string small = lower(token.text);
        const bool is_word = token.kind == Token_kind::word;
        if (is_word && (small == "square" || small == "sq" || small == "cubic") && (token.roman || constant)) {
            power *= small == "cubic" ? 3 : 2;
            open = true;
            continue;
        }
        if (is_word && small == "per" && (has_currency || !units.empty())) {
            power = -1;
            open = true;
            continue;
        }
        if (is_word && (small == "of" || small == "the" || small == "a") && nouns > 0) continue;
        const std::string name = unit_at(at_);
        const bool noun = is_word && name.empty() && nouns < 3 && is_noun(small) &&
                          (token.roman || (lone && token.spaced && small.size() > 2));
        const bool unit =
            !name.empty() && (token.roman || !units.empty() || lone || ((constant || token.spaced) && is_clear(token)));
        if (!noun && !unit) break;
        add_unit(units, unit ? name : singular(small), power * unit_power());
        known = known && unit;
        nouns += noun;
        power = 1;
        open = false;
    }
    return !open || refuse("a unit is not complete");
}

// "mile/hour" is two.
void Parser::add_unit(Units& units, const std::string& name, int power) {
    const size_t slash = name.find('/');
    units[name.substr(0, slash)] += power;
    if (slash != std::string::npos) units[name.substr(slash + 1)] -= power;
}

// The known unit that a token is; "" if none. Single letters that are set off by a blank, and \Omega, are units too.
std::string Parser::unit_at(size_t at) const {
    const Token& token = tokens_[std::min(at, tokens_.size() - 1)];
    if (token.kind == Token_kind::word) return std::string(unit_name(token.text));
    if (reading_.letters) return "";
    if (token.kind == Token_kind::command && token.text == "Omega") return "ohm";
    const bool set_off = token.spaced || (at > 0 && (tokens_[at - 1].text == "/" || tokens_[at - 1].text == "*"));
    return token.kind == Token_kind::letter && set_off ? std::string(unit_name(token.text)) : "";
}

// A number as it is written, with its sign and its power of ten.
bool Parser::is_lone(const Node& node) {
    if (node.kind == Kind::number) return true;
    if (node.kind == Kind::negate) return is_lone(node.parts[0]);
    const auto is_number = [](const Node& part) {
        return part.kind == Kind::number ||
               (part.kind == Kind::power && part.parts[0].kind == Kind::number && part.parts[0].number == Rational(10));
    };
    return (node.kind == Kind::product && std::all_of(node.parts.begin(), node.parts.end(), is_number)) ||
           is_number(node);
}

bool Parser::is_clear(const Token& token) {
    constexpr auto clear =
        std::to_array<std::string_view>({"mm", "cm", "km", "kg", "ft", "mph", "min", "sec", "rad", "deg"});
    return token.text.size() > 3 || one_of(token.text, clear);
}

// Words that say how many, or join: 5 million, 5 or more, 5 squared.
bool Parser::is_noun(const std::string& word) {
    constexpr auto others =
        std::to_array<std::string_view>({"hundred",  "hundreds",   "thousand", "thousands", "million",
                                         "millions", "billion",    "billions", "trillion",  "dozen",
                                         "dozens",   "score",      "half",     "halves",    "third",
                                         "thirds",   "quarter",    "quarters", "fourth",    "fourths",
                                         "fifth",    "fifths",     "sixth",    "sixths",    "tenth",
                                         "tenths",   "hundredths", "squared",  "cubed",     "factorial",
                                         "mod",      "modulo",     "more",     "less",      "least",
                                         "most",     "about",      "around",   "almost",    "nearly",
                                         "choose",   "over",       "plus",     "minus",     "root",
                                         "not",      "no",         "none",     "never",     "but",
                                         "than",     "then",       "thus",     "hence",     "is",
                                         "are",      "was",        "if",       "when",      "where",
                                         "with",     "without",    "from",     "to",        "by",
                                         "in",       "on",         "at",       "as",        "mod",
                                         "one",      "two",        "three",    "four",      "five",
                                         "six",      "seven",      "eight",    "nine",      "ten",
                                         "only",     "either",     "neither",  "both",      "approximately",
                                         "roughly",  "exactly",    "wrong",    "false",     "true"});
    return !one_of(word, others) && std::all_of(word.begin(), word.end(), is_lower);
}

std::string Parser::singular(const std::string& word) {
    const bool plural = word.size() > 3 && word.back() == 's' && word[word.size() - 2] != 's';
    return plural ? word.substr(0, word.size() - 1) : word;
}

// The ^2 or ^{-1} behind a unit, else 1; moves to its last token.
int Parser::unit_power() {
    if (!is("^", 1)) return 1;
    const size_t braces = is("{", 2), minus = is("-", 2 + braces);
    const Token& exponent = peek(2 + braces + minus);
    const bool digit = exponent.text.size() == 1 && exponent.text[0] >= '1' && exponent.text[0] <= '9';
    if (!digit || (braces && !is("}", 3 + braces + minus))) return 1;
    at_ += 2 + 2 * braces + minus;
    return (exponent.text[0] - '0') * (minus ? -1 : 1);
}

// Whether all up to the end of this item are units, and so 5 m is no product.
bool Parser::units_follow() const {
    if (reading_.letters || depth_ > 0 || !peek().spaced) return false;
    size_t i = at_;
    bool any = false;
    for (; tokens_[i].kind != Token_kind::end; ++i) {
        const Token& token = tokens_[i];
        if (token.kind == Token_kind::sign && (token.text == "," || token.text == ";")) break;
        if (token.kind == Token_kind::word && (lower(token.text) == "and" || lower(token.text) == "or")) break;
        if (token.kind == Token_kind::number && any) break;  // 2 h 30 min
        const bool between = token.kind == Token_kind::sign && (token.text == "/" || token.text == "*");
        if (between && any) continue;
        if (token.kind == Token_kind::sign && token.text == "^" && any && tokens_[i + 1].kind == Token_kind::number) {
            ++i;
            continue;
        }
        if (unit_at(i).empty()) return false;
        any = true;
    }
    return any;
}

}  // namespace r1::mathematics
