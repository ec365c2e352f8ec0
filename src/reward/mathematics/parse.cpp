#include "reward/mathematics/parse.h"

#include <algorithm>
#include <array>

#include "reward/mathematics/lex.h"

namespace r1::mathematics {

bool identical(const Node& a, const Node& b) {
    return a.kind == b.kind && a.name == b.name && a.number == b.number &&
           std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), identical);
}

bool contains(const Node& node, Kind kind) {
    return node.kind == kind ||
           std::any_of(node.parts.begin(), node.parts.end(), [&](const Node& part) { return contains(part, kind); });
}

namespace {

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

// Recursive descent, from the loosest binding to the tightest: list, relation, ratio, union, quantity, sum, term,
// signed, power, primary. Each returns false at the first error, and otherwise leaves its node in `node`.
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
        if (!named_function(node) && !ratio(node)) return false;
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
        constexpr auto names = std::to_array<Pair>(
            {{"=", "="}, {"!=", "#"}, {"<", "<"}, {">", ">"}, {"<=", "l"}, {">=", "g"}, {"in", "E"}});
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
        const Token& next = peek();
        const bool attached =
            next.kind == Token_kind::word && !next.spaced && !next.roman && next.text.size() < 4;  // 3km
        if (!units(unit)) return false;
        if (dollars && !unit.empty() && unit != "dollar") return refuse("two units");
        if (dollars) unit = "dollar";
        if (!unit.empty()) node = over(Kind::quantity, std::move(node), unit);
        if (attached) node.number = 1;
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
            if (kind != Token_kind::number && kind != Token_kind::letter && kind != Token_kind::word)
                return unexpected();
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
        else if (name == "log")
            node = over(Kind::call, std::move(inner), based ? std::move(base) : constant(10), "log");
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
        constexpr auto matrices =
            std::to_array<std::string_view>({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array"});
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
            if (node.parts.back().parts.size() != node.parts[0].parts.size())
                return refuse("a matrix with uneven rows");
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
        if (token.kind == Token_kind::sign)
            clean = clean && std::string_view("-',.;:()/!?").find(token.text) != std::string_view::npos;
    }
    result.plain = result.plain && clean;
}

}  // namespace

Parse parse(std::string_view text, bool thousands) {
    Parse result;
    if (text.size() > max_bytes) return result.error = "longer than 4096 bytes", result;
    Tokens tokens = tokenize(text, thousands);
    if (!tokens.error.empty()) return result.error = tokens.error, result;
    if (tokens.list.size() == 1) return result.error = "empty", result;
    result.separators = tokens.separators;
    set_words(tokens.list, result);
    Parser parser(std::move(tokens.list));
    Node tree;
    if (parser.parse(tree)) result.tree = std::move(tree);
    else result.error = parser.error;
    return result;
}

}  // namespace r1::mathematics
