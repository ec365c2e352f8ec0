#include "reward/mathematics/parser.h"

#include <algorithm>
#include <array>

namespace r1::mathematics {

bool identical(const Node& a, const Node& b) {
    return a.kind == b.kind && a.name == b.name && a.number == b.number &&
           std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), identical);
}

bool contains(const Node& node, Kind kind) {
    return node.kind == kind ||
           std::any_of(node.parts.begin(), node.parts.end(), [&](const Node& part) { return contains(part, kind); });
}

// ---- what joins

bool Parser::list(Node& node) {
    std::vector<Node> items;
    std::string joined;
    do {
        Node item;
        if (!integers(item) && !relation(item)) return false;
        items.push_back(std::move(item));
    } while (separator(joined) || measured_on(items.back()) || whole_number_follows() || integers_follow());
    // n \equiv 1, 4 \pmod 5
    for (size_t i = items.size(); i-- > 0;) {
        if (items[i].kind != Kind::congruence || items[i].name != "?") continue;
        if (i + 1 == items.size() || items[i + 1].kind != Kind::congruence)
            return refuse("a congruence without its modulus");
        items[i].parts[1] = items[i + 1].parts[1];
        items[i].name.clear();
    }
    node = gathered(Kind::list, std::move(items), joined);
    return true;
}

// The (k \in \mathbb Z) of 2k\pi (k \in \mathbb Z), without its brackets.
bool Parser::whole_number_follows() {
    if (!is("(") || peek(1).kind != Token_kind::letter || !is("in", 2)) return false;
    const bool found = peek(3).text == "mathbb Z" && is(")", 4);
    if (!found) return false;
    tokens_.erase(tokens_.begin() + long(at_) + 4);
    ++at_;
    return true;
}

// "for any integer k", "where k is an integer": how many tokens say that k is whole, to the end of the text; else 0.
size_t Parser::integer_words(std::string& letter) const {
    size_t i = 0;
    bool integer = false;
    letter.clear();
    for (;; ++i) {
        constexpr auto fillers = std::to_array<std::string_view>(
            {"for", "where", "with", "all", "any", "every", "each", "some", "an", "a", "is", "are", "and"});
        const Token& token = peek(i);
        const std::string small = lower(token.text);
        const bool word = token.kind == Token_kind::word || (token.kind == Token_kind::letter && small == "a");
        if (word && (small == "integer" || small == "integers")) integer = true;
        else if (token.kind == Token_kind::letter && letter.empty() && small != "a") letter = token.text;
        else if (!(word && one_of(small, fillers))) break;
    }
    return integer && !letter.empty() && peek(i).kind == Token_kind::end ? i : 0;
}

bool Parser::integers_follow() const {
    std::string letter;
    return peek().kind == Token_kind::word && integer_words(letter) > 0;
}

bool Parser::integers(Node& node) {
    std::string letter;
    const size_t length = integer_words(letter);
    if (length == 0) return false;
    at_ += length;
    node = over(Kind::relation, leaf(Kind::variable, letter), leaf(Kind::variable, "mathbb Z"), "E");
    return true;
}

// 2 h 30 min
bool Parser::measured_on(const Node& before) const {
    return before.kind == Kind::quantity && before.name[0] != '?' && before.name != "%" &&
           peek().kind == Token_kind::number;
}

// \pmod 5, \bmod 5, (mod 5)
bool Parser::modulus_follows() const {
    const bool bracket = is("(");
    return is("mod", bracket) || is("bmod", bracket) || word("mod", bracket);
}

bool Parser::modulus(Node& node) {
    const bool bracket = accept("(");
    ++at_;  // mod
    bool slash = false;
    const bool braces = is("{");
    if (braces ? !primary(node, slash) : !sum(node)) return false;
    return !bracket || accept(")") || unexpected();
}

// Behind what is perhaps congruent to something.
bool Parser::congruence(Node& node) {
    if (modulus_follows()) {
        const bool operation = is("bmod");
        Node m;
        if (!modulus(m)) return false;
        node = over(Kind::congruence, std::move(node), std::move(m), operation ? "bmod" : "");
        return true;
    }
    if (!accept("equiv")) return true;
    Node residue, m;
    if (!ratio(residue)) return false;
    const bool complete = modulus_follows();
    if (complete && !modulus(m)) return false;
    Node result = over(Kind::congruence, std::move(residue), std::move(m), complete ? "" : "?");
    result.parts.push_back(std::move(node));
    node = std::move(result);
    return true;
}

// "," ";" "and" "or" ", and"
bool Parser::separator(std::string& joined) {
    const bool comma = accept(",") || accept(";");
    if (!word("and") && !word("or")) return comma;
    joined = lower(tokens_[at_++].text);
    return true;
}

bool Parser::relation(Node& node) {
    if (!spoken_name(node) && !named_function(node) && !ratio(node)) return false;
    if (is("equiv") || modulus_follows()) return congruence(node);
    std::string names;
    std::vector<Node> parts;
    parts.push_back(std::move(node));
    for (char name; (name = relation_name()) != 0;) {
        ++at_;
        Node next;
        if (!ratio(next)) return false;
        names += name;
        parts.push_back(std::move(next));
    }
    node = gathered(Kind::relation, std::move(parts), names);
    // f(x) = 2x for all x
    if (node.kind == Kind::relation && !integers_follow() && word("for") &&
        (word("all", 1) || word("any", 1) || word("every", 1) || word("each", 1)))
        at_ = tokens_.size() - 1;
    return true;
}

// Before an equals sign, what is a name and no calculation: \text{Area}, \angle ABC, P(X = 2).
bool Parser::spoken_name(Node& node) {
    const bool angle = peek().kind == Token_kind::command && (peek().text == "angle" || peek().text == "triangle");
    const bool probability = peek().text == "P" && is("(", 1);
    if (!angle && !probability && (peek().kind != Token_kind::word || peek().text.size() < 2)) return false;
    int depth = 0;
    bool inner = false;
    std::string name;
    for (size_t i = 0; peek(i).kind != Token_kind::end; ++i) {
        depth += is("(", i) || is("{", i);
        depth -= is(")", i) || is("}", i);
        if (is("=", i) && depth == 0) {
            if (i == 0 || (probability && !inner)) return false;
            at_ += i;
            node = leaf(Kind::variable, name);
            return true;
        }
        inner |= is("=", i) || peek(i).kind == Token_kind::word || is("<", i) || is(">", i) || is("|", i) ||
                 is("<=", i) || is(">=", i) || is("cap", i) || is("cup", i);
        if (!probability && (peek(i).kind == Token_kind::number || is(",", i))) return false;
        name += (i ? " " : "") + peek(i).text;
    }
    return false;
}

char Parser::relation_name() const {
    constexpr auto names =
        std::to_array<Pair>({{"=", "="}, {"!=", "#"}, {"<", "<"}, {">", ">"}, {"<=", "l"}, {">=", "g"}, {"in", "E"}});
    if (peek().kind != Token_kind::sign) return 0;
    const std::string_view name = look_up(peek().text, names);
    return name.empty() ? '\0' : name[0];
}

// p(x) = ...: any letter before a bracket of letters and an equals sign names a function.
bool Parser::named_function(Node& node) {
    size_t i = 1;
    while (is("'", i)) ++i;
    if (peek().kind != Token_kind::letter || !is("(", i)) return false;
    Node function = leaf(Kind::apply, peek().text + std::string(i - 1, '\''));
    ++i;
    for (; peek(i).kind == Token_kind::letter && (is(",", i + 1) || is(")", i + 1)); i += 2) {
        function.parts.push_back(leaf(Kind::variable, peek(i).text));
        if (is(")", i + 1)) break;
    }
    if (!is(")", i + 1) || !is("=", i + 2) || function.parts.empty()) return false;
    at_ += i + 2;
    node = std::move(function);
    return true;
}

bool Parser::ratio(Node& node) {
    std::vector<Node> parts;
    std::string zeros;
    do {
        Node part;
        const std::string& digits = peek().text;
        zeros += !parts.empty() && digits.size() > 1 && digits[0] == '0' && is_digit(digits[1]) ? '1' : '0';
        if (!set_union(part)) return false;
        parts.push_back(std::move(part));
    } while (!in_builder_ && accept(":"));
    node = gathered(Kind::ratio, std::move(parts), zeros);
    if (node.kind == Kind::ratio && node.parts.back().kind == Kind::quantity) {  // 3:30 pm
        const std::string unit = node.parts.back().name;
        Node last = std::move(node.parts.back().parts[0]);
        node.parts.back() = std::move(last);
        node = over(Kind::quantity, std::move(node), unit);
    }
    return true;
}

bool Parser::set_union(Node& node) {
    std::vector<Node> parts;
    do {
        Node part;
        if (!quantity(part)) return false;
        if (is("cap")) {
            part = over(Kind::intersection, std::move(part));
            while (accept("cap")) {
                Node next;
                if (!quantity(next)) return false;
                part.parts.push_back(std::move(next));
            }
        }
        if (accept("setminus")) {
            Node without;
            if (!quantity(without)) return false;
            part = over(Kind::difference, std::move(part), std::move(without));
        }
        parts.push_back(std::move(part));
    } while (accept("cup"));
    node = gathered(Kind::set_union, std::move(parts));
    return true;
}

// Of two sums {a \over b} is the quotient, {a \choose b} the binomial.
bool Parser::sum(Node& node) {
    if (!plain_sum(node)) return false;
    if (peek().kind != Token_kind::command || (peek().text != "over" && peek().text != "choose")) return true;
    const bool quotient = tokens_[at_++].text == "over";
    Node below;
    if (!plain_sum(below)) return false;
    node = quotient ? over(Kind::product, std::move(node), over(Kind::inverse, std::move(below)))
                    : over(Kind::call, std::move(node), std::move(below), "binom");
    return true;
}

bool Parser::plain_sum(Node& node) {
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

bool Parser::term(Node& node) {
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
            next = over(Kind::inverse, std::move(next));
            slash = true;
        } else if (!is_scale(factors.back()) && (begins_factor() || power_by_power(factors.back())) &&
                   !(is_lone(Node{Kind::product, "", 0, factors}) && units_follow())) {
            if (slash) return refuse("what a slash divides by is not clear");
            if (!power(next, slash)) return false;
        } else {
            if (peek().kind == Token_kind::number) return refuse("two numbers side by side");
            node = gathered(Kind::product, std::move(factors));
            scale_matrix(node);
            // A(1, 2): a point with its name
            if (node.kind == Kind::product && node.parts.size() == 2 && node.parts[1].kind == Kind::tuple &&
                node.parts[0].kind == Kind::variable && is_upper(node.parts[0].name[0])) {
                Node point = std::move(node.parts[1]);
                node = std::move(point);
            }
            return true;
        }
        factors.push_back(std::move(next));
    }
}

// A number times a matrix is that of its entries.
void Parser::scale_matrix(Node& node) {
    if (node.kind != Kind::product || node.parts.back().kind != Kind::matrix) return;
    Node matrix = std::move(node.parts.back());
    node.parts.pop_back();
    const Node factor = gathered(Kind::product, std::move(node.parts));
    if (contains(factor, Kind::matrix) || contains(factor, Kind::tuple)) {
        node = over(Kind::product, factor, std::move(matrix));
        return;
    }
    for (Node& row : matrix.parts)
        for (Node& entry : row.parts) entry = over(Kind::product, factor, std::move(entry));
    node = std::move(matrix);
}

// The C of 100^\circ C.
bool Parser::is_scale(const Node& before) const {
    return before.kind == Kind::degrees && (peek().text == "C" || peek().text == "F");
}

// 2^x 3^x is a product; any other number behind a factor is refused.
bool Parser::power_by_power(const Node& before) const {
    const bool letter = before.kind == Kind::variable && before.name.size() == 1;  // n2^{n-1}
    return (before.kind == Kind::power || letter) && peek().kind == Token_kind::number && is("^", 1);
}

// The x of 1.2 x 10^3.
bool Parser::times_ten() {
    const bool found = at_ > 0 && tokens_[at_ - 1].kind == Token_kind::number &&
                       (peek().text == "x" || peek().text == "X") && peek(1).text == "10" && is("^", 2);
    at_ += found;
    return found;
}

bool Parser::signed_factor(Node& node, bool& slash) {
    if (is("-") || is("+") || is("pm") || is("mp")) {
        const std::string sign = tokens_[at_++].text;
        if (!enter()) return false;
        if (!signed_factor(node, slash)) return false;
        --depth_;
        if (sign == "-" && node.kind == Kind::matrix) {
            node = Node{Kind::product, "", 0, {constant(-1), std::move(node)}};
            scale_matrix(node);
            return true;
        }
        if (sign == "-") node = over(Kind::negate, std::move(node));
        if (sign == "pm" || sign == "mp") node = over(Kind::plus_minus, std::move(node), sign == "pm" ? "+" : "-");
        return true;
    }
    return power(node, slash);
}

bool Parser::power(Node& node, bool& slash) {
    if (!primary(node, slash)) return false;
    if (is("!") && is("!", 1)) {
        at_ += 2;
        node = over(Kind::call, std::move(node), "double factorial");
    } else if (accept("!")) {
        node = over(Kind::factorial, std::move(node));
    } else if (node.kind == Kind::number && (word("squared") || word("cubed"))) {
        node = over(Kind::power, std::move(node), constant(lower(tokens_[at_++].text) == "squared" ? 2 : 3));
    }
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
bool Parser::script(Node& node) {
    if (accept("-")) {
        if (!script_unsigned(node)) return false;
        node = over(Kind::negate, std::move(node));
        return true;
    }
    return script_unsigned(node);
}

bool Parser::script_unsigned(Node& node) {
    if (peek().kind == Token_kind::number) return node = constant(tokens_[at_++].number), true;
    bool slash = false;
    return primary(node, slash);
}

bool Parser::begins_factor() const {
    const Token& token = peek();
    if (token.kind == Token_kind::letter) return true;
    if (token.kind == Token_kind::command)
        return token.text != "infinity" && token.text != "emptyset" && token.text != "over" && token.text != "choose";
    if (token.kind != Token_kind::sign) return false;
    if (peek().text.starts_with("begin:")) return true;
    if (modulus_follows() || (is("(") && peek(1).kind == Token_kind::letter && is("in", 2))) return false;
    const bool closes = is("[") && (peek(1).kind == Token_kind::end || is(",", 1) || is("cup", 1));  // ]0, 1[
    return is("(") || (is("[") && !closes) || is("{") || is("lfloor") || is("lceil") || (is("|") && !bars_);
}

// ---- tokens

bool Parser::is(std::string_view sign, size_t ahead) const {
    return peek(ahead).kind == Token_kind::sign && peek(ahead).text == sign;
}

bool Parser::word(std::string_view text, size_t ahead) const {
    return peek(ahead).kind == Token_kind::word && lower(peek(ahead).text) == text;
}

bool Parser::accept(std::string_view sign) {
    const bool found = is(sign);
    at_ += found;
    return found;
}

bool Parser::unexpected() {
    const Token& token = peek();
    if (token.kind == Token_kind::end) return refuse("it ends too early");
    if (token.kind == Token_kind::word) return refuse("a word");
    if (token.kind != Token_kind::sign) return refuse("something where a sign should stand");
    if (token.text.find(':') != std::string::npos && token.text.size() > 1) return refuse("a \\begin or \\end");
    return refuse("'" + token.text + "' does not belong there");
}

bool Parser::refuse(std::string why) {
    if (error.empty()) error = std::move(why);
    return false;
}

namespace {

// Words that are mathematics: a number up to twenty, the real numbers.
std::optional<Node> spoken_tree(const std::string& words) {
    constexpr auto numbers = std::to_array<std::string_view>(
        {"zero",     "one",     "two",     "three",     "four",     "five",     "six",
         "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
         "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"});
    for (const std::string_view minus : {"negative ", "minus "})
        if (words.starts_with(minus))
            if (const auto positive = spoken_tree(words.substr(minus.size()))) return over(Kind::negate, *positive);
    if (one_of(words, numbers))
        return constant(long(std::find(numbers.begin(), numbers.end(), words) - numbers.begin()));
    // two thirds
    constexpr auto parts = std::to_array<Pair>(
        {{"half", "2"},     {"halves", "2"}, {"third", "3"},   {"thirds", "3"},   {"quarter", "4"},
         {"quarters", "4"}, {"fourth", "4"}, {"fourths", "4"}, {"fifth", "5"},    {"fifths", "5"},
         {"sixth", "6"},    {"sixths", "6"}, {"seventh", "7"}, {"sevenths", "7"}, {"eighth", "8"},
         {"eighths", "8"},  {"ninth", "9"},  {"ninths", "9"},  {"tenth", "10"},   {"tenths", "10"}});
    const size_t last = words.find_last_of(" -");
    if (last != std::string::npos) {
        const std::string top = words.substr(0, words.find_last_not_of(" -", last) + 1);
        const std::string_view bottom = look_up(words.substr(last + 1), parts);
        if (!bottom.empty() && one_of(top, numbers))
            return constant(Rational(long(std::find(numbers.begin(), numbers.end(), top) - numbers.begin())) /
                            Rational::digits(std::string(bottom)));
    }
    if (words == "all real numbers" || words == "all reals") return leaf(Kind::variable, "mathbb R");
    if (words == "no solution" || words == "empty set") return leaf(Kind::set);
    return std::nullopt;
}

// The text as words: "Yes." and "\text{yes}" are "yes".
void set_words(const std::vector<Token>& tokens, Parse& result) {
    result.plain = false;
    bool clean = true;
    Token_kind last = Token_kind::end;
    for (const Token& token : tokens) {
        if (token.kind == Token_kind::end) break;
        const bool joined = token.kind == Token_kind::letter && !token.spaced && last == Token_kind::letter;
        result.words += (result.words.empty() || joined ? "" : " ") + lower(token.text);
        last = token.kind;
        if (token.kind == Token_kind::word && token.text.size() > 1) result.plain = true;
        if (token.kind == Token_kind::command) clean = false;
        if (token.kind == Token_kind::sign)
            clean = clean && std::string_view("-',.;:()/!?").find(token.text) != std::string_view::npos;
    }
    result.plain = result.plain && clean;
    if (result.words == "dne") result.words = "does not exist";
    // "There are no solutions", "the limit does not exist"
    for (const std::string_view before : {"there is ", "there are ", "a ", "an ", "the ", "it ", "limit "})
        if (result.plain && result.words.starts_with(before)) result.words.erase(0, before.size());
    if (result.words.starts_with("no ") && result.words.ends_with(" solutions")) result.words.pop_back();
}

}  // namespace

namespace {

// Of "all real numbers except 1 and 2" what is behind the "except"; 0 of anything else.
size_t behind_except(const std::vector<Token>& tokens) {
    constexpr auto begin = std::to_array<std::string_view>({"all", "real", "numbers"});
    if (tokens.size() < 6) return 0;
    for (size_t i = 0; i < begin.size(); ++i)
        if (lower(tokens[i].text) != begin[i]) return 0;
    const std::string next = lower(tokens[3].text);
    if (next == "except" || next == "excluding" || next == "but") return 4;
    return next == "other" && lower(tokens[4].text) == "than" ? 5 : 0;
}

}  // namespace

Parse parse(std::string_view text, Reading reading) {
    Parse result;
    if (text.size() > max_bytes) return result.error = "longer than 4096 bytes", result;
    Tokens tokens = tokenize(text, reading);
    if (!tokens.error.empty()) return result.error = tokens.error, result;
    if (tokens.list.size() == 1) return result.error = "empty", result;
    result.separators = tokens.separators;
    set_words(tokens.list, result);
    if (const auto spoken = spoken_tree(result.words)) {
        result.tree = spoken;
        return result;
    }
    const size_t except = behind_except(tokens.list);
    tokens.list.erase(tokens.list.begin(), tokens.list.begin() + long(except));
    Parser parser(std::move(tokens.list), reading);
    Node tree;
    if (!parser.parse(tree)) {
        result.error = parser.error;
        return result;
    }
    if (except) {
        std::vector<Node> points = tree.kind == Kind::list ? std::move(tree.parts) : std::vector<Node>{std::move(tree)};
        tree = over(Kind::difference, leaf(Kind::variable, "mathbb R"), Node{Kind::set, "", 0, std::move(points)});
    }
    result.tree = std::move(tree);
    return result;
}

}  // namespace r1::mathematics
