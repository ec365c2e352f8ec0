// LaTeX and plain text to an expression tree, for the mathematics grader. What is accepted stands in mathematics.h.
#pragma once
#include <gmp.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1::mathematics {

// An exact fraction in lowest terms (GMP).
class Rational {
public:
    Rational(long numerator = 0, unsigned long denominator = 1) {
        mpq_init(value_);
        mpq_set_si(value_, numerator, denominator);
        mpq_canonicalize(value_);
    }
    Rational(const Rational& other) { mpq_init(value_), mpq_set(value_, other.value_); }
    Rational(Rational&& other) noexcept { mpq_init(value_), mpq_swap(value_, other.value_); }
    Rational& operator=(const Rational& other) { return mpq_set(value_, other.value_), *this; }
    Rational& operator=(Rational&& other) noexcept { return mpq_swap(value_, other.value_), *this; }
    ~Rational() { mpq_clear(value_); }

    static Rational integer(mpz_srcptr value);
    static Rational digits(const std::string& decimal_digits);  // at least one, nothing else
    static Rational power(unsigned long base, unsigned long exponent);

    friend Rational operator+(const Rational& a, const Rational& b) { return join(mpq_add, a, b); }
    friend Rational operator-(const Rational& a, const Rational& b) { return join(mpq_sub, a, b); }
    friend Rational operator*(const Rational& a, const Rational& b) { return join(mpq_mul, a, b); }
    friend Rational operator/(const Rational& a, const Rational& b) { return join(mpq_div, a, b); }  // b is not 0
    friend bool operator==(const Rational& a, const Rational& b) { return mpq_equal(a.value_, b.value_) != 0; }
    friend bool operator<(const Rational& a, const Rational& b) { return mpq_cmp(a.value_, b.value_) < 0; }

    int sign() const { return mpq_sgn(value_); }
    bool is_integer() const { return mpz_cmp_ui(mpq_denref(value_), 1) == 0; }
    size_t bits() const { return mpz_sizeinbase(mpq_numref(value_), 2) + mpz_sizeinbase(mpq_denref(value_), 2); }
    std::optional<long> small() const;  // if it is an integer of at most a million, sign aside
    mpz_srcptr numerator() const { return mpq_numref(value_); }
    mpz_srcptr denominator() const { return mpq_denref(value_); }
    mpq_srcptr get() const { return value_; }
    std::string text() const;  // 3, -1/2

private:
    static Rational join(void (*operation)(mpq_ptr, mpq_srcptr, mpq_srcptr), const Rational& a, const Rational& b) {
        Rational result;
        operation(result.value_, a.value_, b.value_);
        return result;
    }
    mpq_t value_;
};

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
    plus_minus,  // name "+" or "-" (for \mp), of parts[0]
    degrees,     // parts[0] degrees inside an expression
    quantity,    // parts[0] with the unit `name`, which begins with '?' if it is not a known unit; number is 1 if it
                 // could also be a product of variables: 3km
    tuple,       // name is the brackets: "()", "[]", "(]", "[)"
    set,         // of parts, braces
    list,        // of parts, without brackets
    set_union,   // of parts
    matrix,      // name "matrix" or "determinant"; parts are the rows
    row,         // of a matrix
    relation,    // name is one character for each sign: = # < > l g E for = != < > <= >= \in; one part more
    ratio,       // parts with colons between them
    based        // name is "digits_base"
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

// With thousands false every comma separates: "1,234" is a list.
Parse parse(std::string_view text, bool thousands = true);

}  // namespace r1::mathematics
