#include "reward/mathematics/rational.h"

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

}  // namespace r1::mathematics
