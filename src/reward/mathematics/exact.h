// Exact algebra for the mathematics grader. A value is a quotient of two polynomials with rational coefficients in
// atoms:
//
//   variables, pi, i            i^2 = -1
//   prime numbers p^q           0 < q < 1: \sqrt{12} is 2 * 3^(1/2)
//   exponentials e^m, p^m       m a monomial: e^{2x+1} is (e^x)^2 * e
//   logarithms of primes        \ln 12 is 2 \ln 2 + \ln 3
//   roots of polynomials        r^n is replaced by its polynomial: \sqrt{x+1}^2 is x+1; |P| is \sqrt{P^2}
//   calls                       \sin(P), f(P): nothing is known of them but their argument
//
// In the first three kinds a polynomial that is 0 has no terms, and one that has terms is not 0. With the others
// ("open" atoms) a polynomial with terms may still be 0: \sqrt{3+2\sqrt2} - 1 - \sqrt2.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "reward/mathematics/parse.h"

namespace r1::mathematics {

struct Exponent {
    int64_t top = 1, bottom = 1;  // lowest terms, bottom above 0
    auto operator<=>(const Exponent&) const = default;
};

using Monomial = std::vector<std::pair<int, Exponent>>;  // atom and exponent, atoms ascending, no exponent 0
using Polynomial = std::map<Monomial, Rational>;         // no coefficient 0

struct Value {
    Polynomial top, bottom;
};

class Algebra {
public:
    // Work is counted down in products of terms; at 0 nothing more is computed.
    explicit Algebra(int64_t& work) : work_(work) {}

    // On failure `problem` says why, and the result means nothing.
    Value value(const Node& node);
    bool equal(const Value& a, const Value& b);
    Value subtract(const Value& a, const Value& b) { return add(a, negate(b)); }

    // The number, if it is rational; else null.
    const Rational* rational(const Value& a) const;
    bool open(const Value& a) const;  // an open atom stands in it

    // Without a denominator, and without 1/x in a term.
    bool is_polynomial(const Value& a) const;

    std::string problem;
    bool used_open = false;        // an open atom was made
    bool divided_by_open = false;  // and something was divided by a polynomial that has one

private:
    enum class Atom_kind { variable, imaginary, prime, exponential, logarithm, root, call };
    struct Atom {
        Atom_kind kind;
        unsigned long degree = 0;  // of a root
        Polynomial inner;          // a root's polynomial; an exponential's exponent (one term)
        Rational base = 0;         // of a prime, a logarithm, or an exponential (0 is e)
    };
    using Factors = std::vector<std::pair<Rational, long>>;  // primes and their exponents

    Value fail(const std::string& why);
    bool spend(int64_t work);

    int atom(const std::string& key, const Atom& details);
    int atom(const std::string& key, Atom_kind kind) { return atom(key, Atom{kind, 0, {}, 0}); }
    std::string key(const Polynomial& a);
    std::string key(const Value& a) { return key(a.top) + "/" + key(a.bottom); }
    bool open(const Polynomial& a) const;

    static Polynomial constant(const Rational& a);
    Polynomial single(int atom, Exponent exponent = {});
    void add_term(Polynomial& sum, const Monomial& monomial, const Rational& coefficient);
    Polynomial add(const Polynomial& a, const Polynomial& b);
    Polynomial multiply(const Polynomial& a, const Polynomial& b);
    Polynomial multiply_terms(const Monomial& a, const Monomial& b, Rational coefficient);
    Polynomial power(Polynomial base, unsigned long exponent);
    bool times(Exponent& a, int64_t top, int64_t bottom);
    bool invert_term(Polynomial& a);

    Value add(const Value& a, const Value& b);
    Value checked(const Value& a);
    Value negate(const Value& a);
    Value multiply(const Value& a, const Value& b);
    Value divide(const Value& a, const Value& b);
    Value power(const Value& base, long exponent);
    Value power(const Value& base, const Value& exponent);
    Value exponential(const Rational& number, const Polynomial& exponent);
    Value root(const Value& a, unsigned long degree);
    Value root(const Polynomial& a, unsigned long degree);
    Polynomial rational_root(const Rational& a, unsigned long degree);
    Polynomial scaled_exponents(const Monomial& monomial, unsigned long divisor);
    Value absolute(const Value& a);
    Value logarithm(const Value& a);
    Value call(const std::string& name, const std::vector<Value>& arguments);
    Value sine(const Rational& halves);
    Value factorial(const Value& a);
    Value double_factorial(const Value& a);
    Value binomial(const Value& n, const Value& k);
    std::optional<Value> of_several(const std::string& name, const std::vector<Value>& arguments);
    bool positive(const Monomial& monomial) const;
    Factors factors(const Rational& a);
    std::optional<Rational> multiple_of_pi(const Value& a);
    std::optional<Value> known_call(const std::string& name, const std::vector<Value>& arguments);

    int64_t& work_;
    std::map<std::string, int> index_;
    std::vector<Atom> atoms_;
};

}  // namespace r1::mathematics
