// The parser of the mathematics grader, in three files: its grammar, what may stand in a place of it, and units.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reward/mathematics/parse.h"

namespace r1::mathematics {

// ---- nodes

inline Node leaf(Kind kind, std::string name = "") { return {kind, std::move(name), 0, {}}; }
inline Node constant(const Rational& value) { return {Kind::number, "", value, {}}; }

inline Node over(Kind kind, Node a, std::string name = "") {
    Node node = leaf(kind, std::move(name));
    node.parts.push_back(std::move(a));
    return node;
}

inline Node over(Kind kind, Node a, Node b, std::string name = "") {
    Node node = over(kind, std::move(a), std::move(name));
    node.parts.push_back(std::move(b));
    return node;
}

// A list of one is its element.
inline Node gathered(Kind kind, std::vector<Node> parts, std::string name = "") {
    if (parts.size() == 1) return std::move(parts[0]);
    return {kind, std::move(name), 0, std::move(parts)};
}

// ---- the parser

// Recursive descent, from the loosest binding to the tightest: list, relation, ratio, union, quantity, sum, term,
// signed, power, primary. Each returns false at the first error, and otherwise leaves its node in `node`.
class Parser {
public:
    Parser(std::vector<Token> tokens, Reading reading) : tokens_(std::move(tokens)), reading_(reading) {}

    bool parse(Node& node) { return list(node) && (peek().kind == Token_kind::end || unexpected()); }

    std::string error;

private:
    using Units = std::map<std::string, int>;  // a unit and its power

    // parse.cpp: what joins
    bool list(Node& node);
    bool separator(std::string& joined);
    bool relation(Node& node);
    bool congruence(Node& node);
    bool modulus_follows() const;
    bool modulus(Node& node);
    bool measured_on(const Node& before) const;
    bool whole_number_follows();
    size_t integer_words(std::string& letter) const;
    bool integers_follow() const;
    bool integers(Node& node);
    bool spoken_name(Node& node);
    char relation_name() const;
    bool named_function(Node& node);
    bool ratio(Node& node);
    bool set_union(Node& node);
    bool sum(Node& node);
    bool plain_sum(Node& node);
    bool term(Node& node);
    static void scale_matrix(Node& node);
    bool is_scale(const Node& before) const;
    bool power_by_power(const Node& before) const;
    bool times_ten();
    bool signed_factor(Node& node, bool& slash);
    bool power(Node& node, bool& slash);
    bool script(Node& node);
    bool script_unsigned(Node& node);
    bool begins_factor() const;

    // parse_units.cpp: what a sum is counted in
    bool quantity(Node& node);
    std::string currency_sign();
    static bool whole_degrees(Node& node);
    static std::string spelled(const Units& units);
    void multiply_by_words(Node& node);
    bool read_units(const Node& value, bool has_currency, Units& units, bool& known);
    static void add_unit(Units& units, const std::string& name, int power);
    std::string unit_at(size_t at) const;
    static bool is_lone(const Node& node);
    static bool is_clear(const Token& token);
    static bool is_noun(const std::string& word);
    static std::string singular(const std::string& word);
    int unit_power();
    bool units_follow() const;

    // parse_primary.cpp: what is joined
    bool primary(Node& node, bool& slash);
    static bool is_variable(const std::string& word);
    bool number(Node& node, bool& slash);
    bool letter(Node& node);
    bool is_function(const std::string& name) const;
    bool combinations(Node& node);
    bool leading_combinations(Node& node);
    bool subscript(std::string& name);
    bool command(Node& node);
    static int derivative_order(const Node& top, const Node& bottom);
    bool root(Node& node, bool latex);
    bool argument(Node& node);
    bool several(Node& node, const std::string& name);
    bool series(Node& node, bool adds);
    static Node with(const Node& tree, const std::string& variable, const Node& value);
    static Node inverse_hyperbolic(const std::string& name, const Node& x);
    static Node hyperbolic(const std::string& name, const Node& x);
    bool call(Node& node, const std::string& name);
    bool function_argument(Node& node);
    bool bracket(Node& node);
    bool inside_bracket(Node& node);
    bool set_builder(Node& node);
    bool elements(std::vector<Node>& parts);
    bool matrix(Node& node);
    bool determinant(Node& node);
    static Node determinant_of(const std::vector<Node>& rows);

    // tokens
    const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    bool is(std::string_view sign, size_t ahead = 0) const;
    bool word(std::string_view text, size_t ahead = 0) const;
    bool accept(std::string_view sign);
    bool enter() { return ++depth_ <= max_depth || refuse("nested more than 64 deep"); }
    bool unexpected();
    bool refuse(std::string why);

    std::vector<Token> tokens_;
    size_t at_ = 0;
    int depth_ = 0;
    bool bars_ = false;        // inside |...|, so that the next | closes
    bool in_builder_ = false;  // behind the bar of {x | ...}, where a colon is no ratio
    Reading reading_;
};

}  // namespace r1::mathematics
