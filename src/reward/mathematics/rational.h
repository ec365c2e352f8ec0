// The exact fractions of the mathematics grader.
#pragma once
#include <gmp.h>

#include <optional>
#include <string>

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

}  // namespace r1::mathematics
