// LaTeX and plain text to an expression tree, for the mathematics grader. What is accepted stands in grade.h.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reward/mathematics/lex.h"
#include "reward/mathematics/rational.h"

namespace r1::mathematics {

constexpr size_t max_bytes = 4096;
constexpr int max_depth = 64;
constexpr size_t max_bits = 20000;

enum class Kind {
    number,      // number
    variable,    // name: x, x_1, theta
    pi,          //
    e,           //
    i,           // the imaginary unit
    infinity,    //
    sum,         // of parts
    product,     // of parts
    negate,      // parts[0]; a - b is the sum of a and negate(b)
    inverse,     // 1 / parts[0]; a / b is the product of a and inverse(b)
    power,       // parts[0] to the power parts[1]
    root,        // of degree parts[1] of parts[0]
    absolute,    // |parts[0]|
    factorial,   // parts[0]!
    call,        // name(parts): sin, log (of parts[0] to the base parts[1]), floor, binom ...
    apply,       // name(parts) for an unknown function: f(x)
    series,      // the sum or product (name "sum k" or "prod k") of parts[2] for k from parts[0] to parts[1]
    plus_minus,  // name "+" or "-" (for \mp), of parts[0]
    degrees,     // parts[0] degrees inside an expression
    quantity,   // parts[0] with the unit `name`, which begins with '?' if it is a noun that is no known unit; number is
                // 1 if it could also be a product of variables: 3km
    tuple,      // name is the brackets: "()", "[]", "(]", "[)", "<>"
    set,        // of parts, braces
    list,       // of parts, without brackets; name is "and" or "or" where such a word joins them, else ""
    set_union,  // of parts
    intersection,  // of parts
    difference,    // of the sets parts[0] and parts[1]
    congruence,    // parts[0] modulo parts[1]; of parts[2] if that is there: n \equiv 2 \pmod 5;
                   // name "bmod": the operation of that name
    matrix,        // name "matrix" or "determinant"; parts are the rows
    row,           // of a matrix
    relation,      // name is one character for each sign: = # < > l g E for = != < > <= >= \in; one part more
    builder,       // {parts[0] | parts[1]}: those for which a relation holds
    ratio,         // parts with colons between them; name has 1 where a part begins with a 0, as in 3:05, else 0
    based          // name is "digits_base"
};

struct Node {
    Kind kind;
    std::string name;
    Rational number;
    std::vector<Node> parts;
};

bool identical(const Node& a, const Node& b);

// Whether a node of that kind stands anywhere in the tree.
bool contains(const Node& node, Kind kind);

struct Parse {
    std::optional<Node> tree;  // none if it is not mathematics; then `error` says why, in ASCII
    std::string error;
    std::string words;        // the text in lower case with one blank between words, for comparing as text
    bool plain = false;       // made of words, numbers and punctuation alone, with at least one word
    bool separators = false;  // a comma was taken for a thousands separator
};

Parse parse(std::string_view text, Reading reading = {});

}  // namespace r1::mathematics
