// What the grammar of parse.cpp joins: numbers, letters, commands, brackets.
#include <algorithm>
#include <array>

#include "reward/mathematics/parser.h"

namespace r1::mathematics {

bool Parser::primary(Node& node, bool& slash) {
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

bool Parser::is_variable(const std::string& word) {
    return word.size() == 1 && (is_lower(word[0]) || is_upper(word[0]));
}

// A number, or a mixed number: 1 1/2, 1\frac{1}{2}.
bool Parser::number(Node& node, bool& slash) {
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
        at_ += 3;
        return slash = true;
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

// A variable with its subscript, e, i, f(...), or C_5^2.
bool Parser::letter(Node& node) {
    std::string name = tokens_[at_++].text;
    if (name == "C" && is("_") && is("^", is("{", 1) ? 4 : 2) && peek(is("{", 1) ? 2 : 1).kind == Token_kind::number)
        return combinations(node);
    while (accept("'")) name += '\'';
    if (is("_")) {
        ++at_;
        node = leaf(Kind::variable, name + "_");
        return subscript(node.name);
    }
    if (name == "e" || name == "i") {
        node = leaf(name == "e" ? Kind::e : Kind::i);
        return true;
    }
    node = leaf(Kind::variable, name);
    if (is("(") && !peek().spaced && is_function(name)) {
        node = leaf(Kind::apply, name);
        ++at_;
        return elements(node.parts) && (accept(")") || unexpected());
    }
    return true;
}

// f(...) is a function; g(x), h(2) too, but g(h - x) is a product.
bool Parser::is_function(const std::string& name) const {
    if (name[0] == 'f') return true;
    if (name[0] != 'g' && name[0] != 'h') return false;
    const bool single = peek(1).kind == Token_kind::letter || peek(1).kind == Token_kind::number;
    return name.size() > 1 || (single && is(")", 2));
}

// C_n^k, n above 1 and k are numbers: {n choose k}.
bool Parser::combinations(Node& node) {
    Node n, k;
    if (!accept("_") || !script(n) || !accept("^") || !script(k)) return unexpected();
    node = over(Kind::call, std::move(n), std::move(k), "binom");
    return true;
}

// {}_5C_2, _5C_2, ^5C_2: 5 choose 2.
bool Parser::leading_combinations(Node& node) {
    size_t i = 0;
    if (is("{") && is("}", 1)) i = 2;
    if (!is("_", i) && !is("^", i)) return false;
    const size_t braces = is("{", i + 1);
    const Token& n = peek(i + 1 + braces);
    i += 2 + 2 * braces;
    if (n.kind != Token_kind::number || peek(i).text != "C" || !is("_", i + 1)) return false;
    const Rational top = n.number;
    at_ += i + 2;
    Node k;
    if (!script(k)) return false;
    node = over(Kind::call, constant(top), std::move(k), "binom");
    return true;
}

bool Parser::subscript(std::string& name) {
    const bool braces = accept("{");
    const size_t begin = at_;
    do {
        const Token_kind kind = peek().kind;
        const bool comma = braces && at_ > begin && is(",");  // x_{1,2}
        if (kind == Token_kind::end || (kind == Token_kind::sign && !comma)) return unexpected();
        name += (at_ > begin ? " " : "") + peek().text;
        ++at_;
    } while (braces && !is("}"));
    return !braces || accept("}") || unexpected();
}

bool Parser::command(Node& node) {
    const std::string name = tokens_[at_++].text;
    if (one_of(name, greek)) {
        node = leaf(Kind::variable, name);
        return !accept("_") || subscript(node.name += "_");
    }
    if (name == "pi" || name == "infinity" || name == "emptyset") {
        node = leaf(name == "pi" ? Kind::pi : name == "infinity" ? Kind::infinity : Kind::set);
        return true;
    }
    if (name == "frac" || name == "binom") {
        Node a, b;
        if (!argument(a) || !argument(b)) return false;
        const auto of_d = [](const Node& side) {
            return side.kind == Kind::product && side.parts.size() == 2 && side.parts[0].name == "d" &&
                   side.parts[1].kind == Kind::variable;
        };
        if (name == "frac" && of_d(a) && of_d(b)) {  // \frac{dy}{dx} is y'
            node = leaf(Kind::variable, a.parts[1].name + "'");
            return true;
        }
        if (const int order = derivative_order(a, b); name == "frac" && order > 1) {
            node = leaf(Kind::variable, a.parts[1].name + std::string(size_t(order), '\''));
            return true;
        }
        node = name == "frac" ? over(Kind::product, std::move(a), over(Kind::inverse, std::move(b)))
                              : over(Kind::call, std::move(a), std::move(b), name);
        return true;
    }
    if (name == "sqrt" || name == "surd") return root(node, name == "sqrt");
    if (name == "cuberoot") {
        bool slash = false;
        Node inner;
        if (!primary(inner, slash)) return false;
        node = over(Kind::root, std::move(inner), constant(3));
        return true;
    }
    if (name == "bar") {
        Node inner;
        if (!argument(inner)) return false;
        node = over(Kind::call, std::move(inner), "conj");
        return true;
    }
    if (name == "sum" || name == "prod") return series(node, name == "sum");
    if (one_of(name, of_several)) return several(node, name);
    if (one_of(name, functions)) return call(node, name);
    return refuse("a command that is not known");
}

// Of d^2y over dx^2 2; 0 of anything else, and beyond 4.
int Parser::derivative_order(const Node& top, const Node& bottom) {
    const auto is_d = [](const Node& node) { return node.kind == Kind::variable && node.name == "d"; };
    const auto is_product = [](const Node& node) { return node.kind == Kind::product && node.parts.size() == 2; };
    if (!is_product(top) || !is_product(bottom) || !is_d(bottom.parts[0])) return 0;
    const Node &above = top.parts[0], &below = bottom.parts[1];
    const bool powers = above.kind == Kind::power && is_d(above.parts[0]) && below.kind == Kind::power &&
                        identical(above.parts[1], below.parts[1]) && top.parts[1].kind == Kind::variable;
    if (!powers || above.parts[1].kind != Kind::number) return 0;
    const long order = above.parts[1].number.small().value_or(0);
    return order >= 2 && order <= 4 ? int(order) : 0;
}

bool Parser::root(Node& node, bool latex) {
    Node degree = constant(2), inner;
    if (latex && accept("[")) {
        if (!sum(degree)) return false;
        if (!accept("]")) return unexpected();
    }
    bool slash = false;
    if (latex && !is("(") ? !argument(inner) : !primary(inner, slash)) return false;
    node = over(Kind::root, std::move(inner), std::move(degree));
    return true;
}

// An argument of LaTeX: {...}, or one digit, letter or command.
bool Parser::argument(Node& node) {
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
    if (token.kind == Token_kind::number) {
        node = constant(tokens_[at_++].number);
        return true;
    }
    if (token.kind != Token_kind::letter && token.kind != Token_kind::command) return unexpected();
    bool slash = false;
    return primary(node, slash);
}

// \gcd(12, 18), \max\{2, 6\}
bool Parser::several(Node& node, const std::string& name) {
    Node inner;
    bool slash = false;
    if (!is("(") && !is("\\{") && !is("{")) return refuse("a function of several without its brackets");
    if (!primary(inner, slash)) return false;
    if (inner.kind != Kind::tuple && inner.kind != Kind::set) return refuse("a function of several of one");
    node = Node{Kind::call, name, 0, std::move(inner.parts)};
    return true;
}

// \sum_{k=1}^{4} k^2, with numbers below and above: its terms, at most 200.
bool Parser::series(Node& node, bool adds) {
    Node upper, body;
    if (!accept("_") || !accept("{") || peek().kind != Token_kind::letter || !is("=", 1))
        return refuse("a sum without its index");
    const std::string index = tokens_[at_].text;
    at_ += 2;
    Node lower_end;
    if (!sum(lower_end) || !accept("}") || !accept("^") || !script(upper)) return refuse("a sum without its ends");
    if (!term(body)) return false;
    if (lower_end.kind != Kind::number || upper.kind != Kind::number) {
        node = leaf(Kind::series, (adds ? "sum " : "prod ") + index);
        node.parts = {std::move(lower_end), std::move(upper), with(body, index, leaf(Kind::variable, index))};
        return true;
    }
    const auto from = lower_end.number.small(), to = upper.number.small();
    if (!from || !to || *to - *from >= 200 || *to < *from) return refuse("a sum that is too long");
    node = leaf(adds ? Kind::sum : Kind::product);
    for (long k = *from; k <= *to; ++k) node.parts.push_back(with(body, index, constant(k)));
    return true;
}

// The tree with a value in place of a variable.
Node Parser::with(const Node& tree, const std::string& variable, const Node& value) {
    if (tree.kind == Kind::variable && tree.name == variable) return value;
    if (tree.kind == Kind::i && variable == "i") return value;
    Node result = tree;
    for (Node& part : result.parts) part = with(part, variable, value);
    return result;
}

// arsinh x is \ln(x + \sqrt{x^2 + 1}), arcosh x \ln(x + \sqrt{x^2 - 1}), artanh x \ln((1 + x) / (1 - x)) / 2.
Node Parser::inverse_hyperbolic(const std::string& name, const Node& x) {
    const auto logarithm = [](Node inner) { return over(Kind::call, std::move(inner), "ln"); };
    const auto plus = [](Node a, Node b) { return Node{Kind::sum, "", 0, {std::move(a), std::move(b)}}; };
    if (name == "arctanh") {
        Node quotient =
            over(Kind::product, plus(constant(1), x), over(Kind::inverse, plus(constant(1), over(Kind::negate, x))));
        return over(Kind::product, logarithm(std::move(quotient)), constant(Rational(1, 2)));
    }
    Node square = over(Kind::power, x, constant(2));
    Node inner = plus(std::move(square), constant(name == "arcsinh" ? 1 : -1));
    return logarithm(plus(x, over(Kind::root, std::move(inner), constant(2))));
}

// \sinh x is (e^x - e^{-x}) / 2, and so on.
Node Parser::hyperbolic(const std::string& name, const Node& x) {
    const auto exponential = [&](bool minus) {
        return over(Kind::power, leaf(Kind::e), minus ? over(Kind::negate, x) : x);
    };
    const auto half = [&](bool minus) {
        Node sum = leaf(Kind::sum);
        sum.parts = {exponential(false), minus ? over(Kind::negate, exponential(true)) : exponential(true)};
        return over(Kind::product, std::move(sum), constant(Rational(1, 2)));
    };
    const Node s = half(true), c = half(false);
    if (name == "sinh") return s;
    if (name == "cosh") return c;
    if (name == "tanh") return over(Kind::product, s, over(Kind::inverse, c));
    if (name == "coth") return over(Kind::product, c, over(Kind::inverse, s));
    return over(Kind::inverse, name == "sech" ? c : s);
}

// \sin x, \sin^2 x, \log_2 8, \ln(x+1)
bool Parser::call(Node& node, const std::string& name) {
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
        constexpr auto invertible =
            std::to_array<std::string_view>({"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"});
        inverse = exponent.parts[0].kind == Kind::number && exponent.parts[0].number == Rational(1);
        if (!inverse || !one_of(name, invertible)) return refuse("a negative exponent of a function");
    }
    if (!function_argument(inner)) return false;
    if (name == "abs") node = over(Kind::absolute, std::move(inner));
    else if (name == "Re" || name == "Im") node = over(Kind::call, std::move(inner), name);
    else if (name == "lg") node = over(Kind::call, std::move(inner), constant(10), "log");
    else if (name.ends_with("h") && (inverse || name.starts_with("arc")))
        node = inverse_hyperbolic(inverse ? "arc" + name : name, inner);
    else if (name.ends_with("h")) node = hyperbolic(name, inner);
    else if (name == "exp") node = over(Kind::power, leaf(Kind::e), std::move(inner));
    else if (name == "log") node = over(Kind::call, std::move(inner), based ? std::move(base) : constant(10), "log");
    else node = over(Kind::call, std::move(inner), (inverse ? "arc" : "") + name);
    if (power && !inverse) node = over(Kind::power, std::move(node), std::move(exponent));
    return true;
}

// In brackets, or a product without signs up to the next function: \sin 2x \cos x.
bool Parser::function_argument(Node& node) {
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

bool Parser::bracket(Node& node) {
    if (leading_combinations(node)) return true;
    if (!error.empty()) return false;
    const bool outer = std::exchange(bars_, is("|"));
    const bool ok = inside_bracket(node);
    bars_ = outer;
    return ok;
}

bool Parser::inside_bracket(Node& node) {
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
    if (open == "langle") {
        ++at_;
        node = leaf(Kind::tuple, "<>");
        return elements(node.parts) && (accept("rangle") || unexpected());
    }
    const bool outward = open == "]";  // ]0, 1[ is (0, 1)
    if (open != "(" && open != "[" && open != "{" && open != "\\{" && !outward) return unexpected();
    ++at_;
    std::vector<Node> parts;
    const bool braces = open == "{" || open == "\\{";
    if (open == "\\{" && accept("\\}")) {
        node = leaf(Kind::set);
        return true;
    }
    if (open == "\\{") {
        Node builder;
        if (set_builder(builder)) {
            node = std::move(builder);
            return true;
        }
        if (!error.empty()) return false;
    }
    if (!elements(parts)) return false;
    if (braces) {
        if (!accept(open == "{" ? "}" : "\\}")) return unexpected();
        node = Node{Kind::set, "", 0, std::move(parts)};
        if (open == "{" && node.parts.size() == 1) node = gathered(Kind::set, std::move(node.parts));
        return true;
    }
    if (!is(")") && !is("]") && !(is("[") && open != "(")) return unexpected();
    const std::string close = tokens_[at_++].text;
    const std::string kinds = (outward ? "(" : open) + (close == "[" ? ")" : close);
    if ((outward || close == "[") && parts.size() != 2) return refuse("brackets that do not match");
    if (kinds != "()" && kinds != "[]" && parts.size() != 2) return refuse("brackets that do not match");
    node = gathered(Kind::tuple, std::move(parts), kinds);
    return true;
}

// x | x > 2 \} or x \in \mathbb R : ..., behind the brace.
bool Parser::set_builder(Node& node) {
    if (peek().kind != Token_kind::letter) return false;
    size_t i = 1;
    if (is("in", 1) && peek(2).text == "mathbb R") i = 3;
    if (!is("|", i) && !is(":", i)) return false;
    const Node variable = leaf(Kind::variable, peek().text);
    at_ += i + 1;
    const bool outer = std::exchange(in_builder_, true);
    Node condition;
    const bool ok = list(condition);
    in_builder_ = outer;
    if (!ok) return false;
    if (!accept("\\}")) return unexpected();
    node = over(Kind::builder, variable, std::move(condition));
    return true;
}

bool Parser::elements(std::vector<Node>& parts) {
    do {
        Node part;
        if (!ratio(part)) return false;
        parts.push_back(std::move(part));
    } while (accept(",") || accept(";"));
    return true;
}

bool Parser::matrix(Node& node) {
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
        if (node.parts.back().parts.size() != node.parts[0].parts.size()) return refuse("a matrix with uneven rows");
        if (!is("\\\\")) break;
        while (accept("\\\\")) {}
    } while (true);
    if (!accept("end:" + name)) return unexpected();
    if (node.name == "determinant") return determinant(node);
    return true;
}

// |a b; c d| is ad - bc: along the first row, of at most four rows.
bool Parser::determinant(Node& node) {
    const size_t n = node.parts.size();
    if (n > 4 || node.parts[0].parts.size() != n) return refuse("a determinant that is not square, or too large");
    node = determinant_of(node.parts);
    return true;
}

Node Parser::determinant_of(const std::vector<Node>& rows) {
    if (rows.size() == 1) return rows[0].parts[0];
    Node sum = leaf(Kind::sum);
    for (size_t column = 0; column < rows.size(); ++column) {
        std::vector<Node> rest(rows.begin() + 1, rows.end());
        for (Node& row : rest) row.parts.erase(row.parts.begin() + long(column));
        Node product = over(Kind::product, rows[0].parts[column], determinant_of(rest));
        sum.parts.push_back(column % 2 ? over(Kind::negate, std::move(product)) : std::move(product));
    }
    return sum;
}

}  // namespace r1::mathematics
