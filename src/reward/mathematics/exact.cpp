#include "reward/mathematics/exact.h"

#include <algorithm>
#include <numeric>

namespace r1::mathematics {

Value Algebra::fail(const std::string& why) {
    if (problem.empty()) problem = why;
    return {{}, constant(1)};
}

bool Algebra::spend(int64_t work) {
    if (problem.empty() && (work_ -= work) < 0) fail("too much work to decide");
    return problem.empty();
}

int Algebra::atom(const std::string& key, const Atom& details) {
    const auto [at, added] = index_.emplace(key, int(atoms_.size()));
    if (added) atoms_.push_back(details);
    return at->second;
}

std::string Algebra::key(const Polynomial& a) {
    std::string result;
    for (const auto& [monomial, coefficient] : a) {
        result += "+" + coefficient.text();
        for (const auto& [atom, exponent] : monomial)
            result +=
                "." + std::to_string(atom) + "^" + std::to_string(exponent.top) + "/" + std::to_string(exponent.bottom);
    }
    spend(int64_t(result.size() / 16 + 1));
    return result;
}

bool Algebra::open(const Polynomial& a) const {
    for (const auto& term : a)
        for (const auto& [index, exponent] : term.first) {
            const Atom& atom = atoms_[size_t(index)];
            if (atom.kind == Atom_kind::root || atom.kind == Atom_kind::call || atom.kind == Atom_kind::exponential ||
                atom.kind == Atom_kind::logarithm || (atom.kind == Atom_kind::prime && atom.degree != 0))
                return true;
        }
    return false;
}

bool Algebra::open(const Value& a) const { return open(a.top) || open(a.bottom); }

const Rational* Algebra::rational(const Value& a) const {
    static const Rational zero = 0;
    if (a.bottom.size() != 1 || !a.bottom.begin()->first.empty() || !(a.bottom.begin()->second == Rational(1)))
        return nullptr;
    if (a.top.empty()) return &zero;
    return a.top.size() == 1 && a.top.begin()->first.empty() ? &a.top.begin()->second : nullptr;
}

bool Algebra::is_polynomial(const Value& a) const {
    const auto has_inverse = [](const auto& term) {
        return std::any_of(term.first.begin(), term.first.end(),
                           [](const auto& factor) { return factor.second.top < 0; });
    };
    return a.bottom == constant(1) && std::none_of(a.top.begin(), a.top.end(), has_inverse);
}

// Polynomials.

Polynomial Algebra::constant(const Rational& a) {
    Polynomial result;
    if (a.sign() != 0) result.emplace(Monomial(), a);
    return result;
}

Polynomial Algebra::single(int atom, Exponent exponent) { return {{Monomial{{atom, exponent}}, Rational(1)}}; }

void Algebra::add_term(Polynomial& sum, const Monomial& monomial, const Rational& coefficient) {
    if (!spend(1 + int64_t(coefficient.bits() / 256))) return;
    if (coefficient.bits() > max_bits) return void(fail("a number of more than 20000 bits"));
    const auto [at, added] = sum.emplace(monomial, coefficient);
    if (!added) at->second = at->second + coefficient;
    if (at->second.sign() == 0) sum.erase(at);
}

Polynomial Algebra::add(const Polynomial& a, const Polynomial& b) {
    Polynomial result = a;
    for (const auto& [monomial, coefficient] : b) add_term(result, monomial, coefficient);
    return result;
}

Polynomial Algebra::multiply(const Polynomial& a, const Polynomial& b) {
    Polynomial result;
    for (const auto& [left, x] : a)
        for (const auto& [right, y] : b) {
            if (!problem.empty()) return result;
            for (const auto& [monomial, coefficient] : multiply_terms(left, right, x * y))
                add_term(result, monomial, coefficient);
        }
    return result;
}

// a * top/bottom, false if it grows too large.
bool Algebra::times(Exponent& a, int64_t top, int64_t bottom) {
    constexpr int64_t limit = 1000000000;
    if (std::abs(top) > limit || bottom > limit) return fail("an exponent that is too large"), false;
    int64_t first = a.top * top, second = a.bottom * bottom;
    const int64_t divisor = std::gcd(first, second);
    first /= divisor, second /= divisor;
    if (std::abs(first) > limit || second > limit) return fail("an exponent that is too large"), false;
    return a = {first, second}, true;
}

// Adds exponents, and applies what is known of the atoms: p^(3/2) is p * p^(1/2), i^2 is -1, a root's power.
Polynomial Algebra::multiply_terms(const Monomial& a, const Monomial& b, Rational coefficient) {
    Monomial product;
    std::vector<std::pair<int, int64_t>> expand;
    for (auto left = a.begin(), right = b.begin(); left != a.end() || right != b.end();) {
        if (!spend(1)) return {};
        const bool use_left = right == b.end() || (left != a.end() && left->first <= right->first);
        const bool use_right = left == a.end() || (right != b.end() && right->first <= left->first);
        const int index = use_left ? left->first : right->first;
        Exponent sum = use_left ? left->second : right->second;
        if (use_left && use_right) {
            const Exponent other = right->second;
            sum = {sum.top * other.bottom + other.top * sum.bottom, 1};
            if (sum.top != 0 && !times(sum, 1, left->second.bottom * other.bottom)) return {};
        }
        left += use_left, right += use_right;
        const Atom& atom = atoms_[size_t(index)];
        int64_t whole = sum.top / sum.bottom - (sum.top % sum.bottom < 0);
        if (atom.kind == Atom_kind::prime && whole != 0) {
            if (size_t(std::abs(whole)) > max_bits / atom.base.bits())
                return fail("a number of more than 20000 bits"), Polynomial();
            mpz_t power;
            mpz_init(power);
            mpz_pow_ui(power, atom.base.numerator(), static_cast<unsigned long>(std::abs(whole)));
            const Rational factor = Rational::integer(power);
            mpz_clear(power);
            coefficient = whole > 0 ? coefficient * factor : coefficient / factor;
            sum.top -= whole * sum.bottom;
        } else if (atom.kind == Atom_kind::imaginary) {
            const int64_t quarter = ((whole % 4) + 4) % 4;
            if (quarter >= 2) coefficient = Rational(0) - coefficient;
            sum.top = quarter % 2;
        } else if (atom.kind == Atom_kind::root && sum.top >= int64_t(atom.degree)) {
            expand.push_back({index, sum.top / int64_t(atom.degree)});
            sum.top %= int64_t(atom.degree);
        }
        if (sum.top != 0) product.push_back({index, sum});
    }
    Polynomial result = {{product, coefficient}};
    for (const auto& [index, exponent] : expand) {
        const Polynomial inner = atoms_[size_t(index)].inner;
        result = multiply(result, power(inner, static_cast<unsigned long>(exponent)));
    }
    return result;
}

Polynomial Algebra::power(Polynomial base, unsigned long exponent) {
    Polynomial result = constant(1);
    for (; exponent && problem.empty(); exponent >>= 1) {
        if (exponent & 1) result = multiply(result, base);
        if (exponent > 1) base = multiply(base, base);
    }
    return result;
}

// 1 / a, for one term without roots.
bool Algebra::invert_term(Polynomial& a) {
    if (a.size() != 1) return false;
    Monomial monomial = a.begin()->first;
    const Rational coefficient = a.begin()->second;
    for (auto& [index, exponent] : monomial) {
        if (atoms_[size_t(index)].kind == Atom_kind::root) return false;
        exponent.top = -exponent.top;
    }
    a = multiply_terms(monomial, {}, Rational(1) / coefficient);
    return true;
}

// Quotients.

Value Algebra::add(const Value& a, const Value& b) {
    if (!problem.empty()) return a;
    if (a.bottom == b.bottom) return {add(a.top, b.top), a.bottom};
    return checked({add(multiply(a.top, b.bottom), multiply(b.top, a.bottom)), multiply(a.bottom, b.bottom)});
}

// (\sqrt{x^2} - x)(\sqrt{x^2} + x) is 0, though neither factor is.
Value Algebra::checked(const Value& a) {
    if (problem.empty() && a.bottom.empty()) return fail("divides by zero");
    return a;
}

Value Algebra::negate(const Value& a) { return multiply({constant(-1), constant(1)}, a); }

Value Algebra::multiply(const Value& a, const Value& b) {
    if (!problem.empty()) return a;
    Value result = {multiply(a.top, b.top), multiply(a.bottom, b.bottom)};
    result = checked(result);
    if (!problem.empty()) return result;
    if (result.top.empty()) result.bottom = constant(1);
    Polynomial inverse = result.bottom;
    if (invert_term(inverse)) result = {multiply(result.top, inverse), constant(1)};
    return result;
}

Value Algebra::divide(const Value& a, const Value& b) {
    if (!problem.empty()) return a;
    if (b.top.empty()) return fail("divides by zero");
    divided_by_open = divided_by_open || open(b);
    return multiply(a, {b.bottom, b.top});
}

bool Algebra::equal(const Value& a, const Value& b) {
    return multiply(a.top, b.bottom) == multiply(b.top, a.bottom) && problem.empty();
}

Value Algebra::power(const Value& base, long exponent) {
    if (exponent == 0 && base.top.empty()) return fail("0 to the power 0");
    if (exponent < 0) return power(divide({constant(1), constant(1)}, base), -exponent);
    const unsigned long n = static_cast<unsigned long>(exponent);
    if (const Rational* number = rational(base); number && number->bits() > 2 && number->bits() * n > 2 * max_bits)
        return fail("a number of more than 20000 bits");
    return multiply(Value{power(base.top, n), constant(1)}, Value{constant(1), power(base.bottom, n)});
}

Value Algebra::power(const Value& base, const Value& exponent) {
    if (!problem.empty()) return base;
    if (const Rational* number = rational(exponent)) {
        const Rational top = Rational::integer(number->numerator()), bottom = Rational::integer(number->denominator());
        if (!top.small() || !bottom.small() || bottom.small() > 64) return fail("an exponent that is too large");
        const Value part = root(base, static_cast<unsigned long>(*bottom.small()));
        return problem.empty() ? power(part, *top.small()) : part;
    }
    used_open = true;
    if (!(exponent.bottom == constant(1))) return call("pow", {base, exponent});
    if (const Rational* number = rational(base); number && number->sign() > 0)
        return exponential(*number, exponent.top);
    if (base.top.size() == 1 && base.bottom == constant(1)) {  // (e^m)^c
        const auto& [monomial, coefficient] = *base.top.begin();
        if (coefficient == Rational(1) && monomial.size() == 1 && positive(monomial)) {
            const Atom inner = atoms_[size_t(monomial[0].first)];
            const Exponent times = monomial[0].second;
            if (inner.kind == Atom_kind::exponential && inner.base.sign() == 0) {
                const Rational scale = Rational(times.top, static_cast<unsigned long>(times.bottom));
                return exponential(0, multiply(multiply(inner.inner, constant(scale)), exponent.top));
            }
        }
    }
    Value result = {constant(1), constant(1)};  // x^{2n+1} is (x^n)^2 x
    for (const auto& [monomial, coefficient] : exponent.top) {
        const auto whole = coefficient.small();
        const Polynomial rest = {{monomial, whole ? Rational(1) : coefficient}};
        if (monomial.empty()) result = multiply(result, power(base, {constant(coefficient), constant(1)}));
        else result = multiply(result, power(call("pow", {base, {rest, constant(1)}}), whole ? *whole : 1));
    }
    return result;
}

// number^exponent, or e^exponent if the number is 0: a product over the terms of the exponent.
Value Algebra::exponential(const Rational& number, const Polynomial& exponent) {
    Value result = {constant(1), constant(1)};
    const Factors primes = number.sign() ? factors(number) : Factors{{0, 1}};
    for (const auto& [monomial, coefficient] : exponent) {
        if (!problem.empty()) return result;
        const Value amount = {constant(coefficient), constant(1)};
        if (monomial.empty() && number.sign()) {
            result = multiply(result, power({constant(number), constant(1)}, amount));
            continue;
        }
        const Polynomial inner = {{monomial, Rational(1)}};
        if (number.sign() == 0 && monomial.size() == 1 &&
            atoms_[size_t(monomial[0].first)].kind == Atom_kind::logarithm &&
            monomial[0].second == Exponent{}) {  // e^{c \ln p}
            const Rational prime = atoms_[size_t(monomial[0].first)].base;
            result = multiply(result, power({constant(prime), constant(1)}, amount));
            continue;
        }
        const Polynomial turn =
            multiply(single(atom("i", Atom_kind::imaginary)), single(atom("pi", Atom_kind::variable)));
        if (number.sign() == 0 && inner == turn) {  // e^{i\pi c}
            const Value angle = multiply(amount, {single(atom("pi", Atom_kind::variable)), constant(1)});
            const Value imaginary = {single(atom("i", Atom_kind::imaginary)), constant(1)};
            const Value along = call("cos", {angle}), across = call("sin", {angle});
            result = multiply(result, add(along, multiply(imaginary, across)));
            continue;
        }
        const auto top = Rational::integer(coefficient.numerator()).small();
        const auto bottom = Rational::integer(coefficient.denominator()).small();
        if (!top || !bottom) return fail("an exponent that is too large");
        for (const auto& [prime, count] : primes) {
            Exponent total = {*top, *bottom};
            if (!times(total, count, 1)) return result;
            const int index = atom("^" + prime.text() + ":" + key(inner), {Atom_kind::exponential, 0, inner, prime});
            result = multiply(result, {single(index, total), constant(1)});
        }
    }
    return result;
}

// Roots.

// The primes of a fraction above 0, with negative counts below the line. A large rest without small factors that is
// neither prime nor a power stays whole; its count is right, only it is no prime.
Algebra::Factors Algebra::factors(const Rational& a) {
    Factors result;
    mpz_t rest, base;
    mpz_init(rest), mpz_init(base);
    for (const int side : {1, -1}) {
        mpz_set(rest, side == 1 ? a.numerator() : a.denominator());
        if (!spend(int64_t(mpz_sizeinbase(rest, 2) + 20))) break;
        for (unsigned long p = 2; p < 2000 && mpz_cmp_ui(rest, 1) > 0; p += 1 + (p > 2)) {
            long count = 0;
            for (; mpz_divisible_ui_p(rest, p); ++count) mpz_divexact_ui(rest, rest, p);
            if (count) result.push_back({Rational(long(p)), side * count});
        }
        if (mpz_cmp_ui(rest, 1) == 0) continue;
        long count = 1;
        if (mpz_sizeinbase(rest, 2) <= 2048 && mpz_perfect_power_p(rest))
            for (unsigned long n = mpz_sizeinbase(rest, 2) / 10; n > 1; --n)
                if (mpz_root(base, rest, n)) {
                    mpz_set(rest, base);
                    count = long(n);
                    break;
                }
        result.push_back({Rational::integer(rest), side * count});
    }
    mpz_clear(rest), mpz_clear(base);
    return result;
}

static bool certainly_prime(const Rational& a) {
    if (a.bits() <= 22) return true;  // it has no factor below 2000
    return a.bits() <= 256 && mpz_probab_prime_p(a.numerator(), 25) > 0;
}

// The root of a fraction above 0.
Polynomial Algebra::rational_root(const Rational& a, unsigned long degree) {
    Polynomial result = constant(1);
    for (const auto& [prime, count] : factors(a)) {
        const bool is_prime = certainly_prime(prime);
        used_open = used_open || !is_prime;
        Exponent exponent = {count, 1};
        if (!times(exponent, 1, int64_t(degree))) return result;
        const int index = atom("prime " + prime.text(), {Atom_kind::prime, is_prime ? 0u : 1u, {}, prime});
        result = multiply(result, multiply_terms({{index, exponent}}, {}, 1));
    }
    return result;
}

// Whether every atom is a number above 0, so that a root may be taken factor by factor.
bool Algebra::positive(const Monomial& monomial) const {
    return std::all_of(monomial.begin(), monomial.end(), [&](const auto& factor) {
        const Atom& atom = atoms_[size_t(factor.first)];
        const auto pi = index_.find("pi"), i = index_.find("i");
        if (pi != index_.end() && pi->second == factor.first) return true;
        if (atom.kind != Atom_kind::exponential) return atom.kind == Atom_kind::prime;
        const Monomial& exponent = atom.inner.begin()->first;
        const bool imaginary =
            i != index_.end() &&
            std::any_of(exponent.begin(), exponent.end(), [&](const auto& part) { return part.first == i->second; });
        return !imaginary && !open(atom.inner);
    });
}

Polynomial Algebra::scaled_exponents(const Monomial& monomial, unsigned long divisor) {
    Monomial scaled = monomial;
    for (auto& factor : scaled)
        if (!times(factor.second, 1, int64_t(divisor))) break;
    return {{scaled, Rational(1)}};
}

Value Algebra::root(const Value& a, unsigned long degree) {
    if (!problem.empty() || degree == 1) return a;
    if (a.bottom == constant(1)) return root(a.top, degree);
    const Value top = root(multiply(a.top, power(a.bottom, degree - 1)), degree);
    const Value bottom = {a.bottom, constant(1)};
    return divide(top, degree % 2 ? bottom : absolute(bottom));
}

Value Algebra::root(const Polynomial& a, unsigned long degree) {
    if (a.empty()) return {{}, constant(1)};
    const auto& [first, leading] = *a.begin();
    const bool one_term = a.size() == 1 && positive(first);
    Rational content = leading.sign() < 0 ? Rational(0) - leading : leading;
    if (!one_term) {  // the greatest common divisor of the coefficients
        mpz_t top, bottom;
        mpz_init_set(top, content.numerator()), mpz_init_set(bottom, content.denominator());
        for (const auto& term : a) {
            mpz_gcd(top, top, term.second.numerator());
            mpz_lcm(bottom, bottom, term.second.denominator());
        }
        content = Rational::integer(top) / Rational::integer(bottom);
        mpz_clear(top), mpz_clear(bottom);
    }
    const bool negative = leading.sign() < 0 && (one_term || degree % 2);
    Value result = {rational_root(content, degree), constant(1)};
    if (negative && degree % 2) result = negate(result);
    if (negative && degree % 2 == 0) {
        if (degree != 2) return fail("an even root of a negative number");
        result = multiply(result, {single(atom("i", Atom_kind::imaginary)), constant(1)});
    }
    if (one_term) return multiply(result, {scaled_exponents(first, degree), constant(1)});
    const Polynomial inner = multiply(a, constant(Rational(negative ? -1 : 1) / content));
    used_open = true;
    const int index = atom("root " + std::to_string(degree) + key(inner), {Atom_kind::root, degree, inner, 0});
    return multiply(result, {single(index), constant(1)});
}

// |a + bi| is \sqrt{a^2 + b^2}, where atoms are taken to be real.
Value Algebra::absolute(const Value& a) {
    if (!problem.empty()) return a;
    const int i = atom("i", Atom_kind::imaginary);
    const auto size = [&](const Polynomial& polynomial) {
        Polynomial real, imaginary;
        for (const auto& [monomial, coefficient] : polynomial) {
            Monomial rest = monomial;
            const auto at =
                std::find_if(rest.begin(), rest.end(), [&](const auto& factor) { return factor.first == i; });
            if (at == rest.end()) add_term(real, monomial, coefficient);
            else rest.erase(at), add_term(imaginary, rest, coefficient);
        }
        return root(add(multiply(real, real), multiply(imaginary, imaginary)), 2);
    };
    return divide(size(a.top), size(a.bottom));
}

// Functions.

Value Algebra::call(const std::string& name, const std::vector<Value>& arguments) {
    if (!problem.empty()) return arguments[0];
    if (auto known = known_call(name, arguments)) return *known;
    if (!problem.empty()) return arguments[0];
    used_open = true;
    std::string all = name + "(";
    for (const Value& argument : arguments) all += key(argument) + ",";
    return {single(atom(all, Atom_kind::call)), constant(1)};
}

std::optional<Value> Algebra::known_call(const std::string& name, const std::vector<Value>& arguments) {
    const Value& a = arguments[0];
    const Value one = {constant(1), constant(1)};
    if (name == "tan") return divide(call("sin", {a}), call("cos", {a}));
    if (name == "cot") return divide(call("cos", {a}), call("sin", {a}));
    if (name == "sec") return divide(one, call("cos", {a}));
    if (name == "csc") return divide(one, call("sin", {a}));
    if (name == "ln") return logarithm(a);
    if (name == "log") return divide(logarithm(a), logarithm(arguments[1]));
    if (name == "sin" || name == "cos") {
        if (const auto turns = multiple_of_pi(a)) {
            const Rational twelfths = (*turns + Rational(name == "cos" ? 1 : 0, 2)) * Rational(12);
            if (twelfths.is_integer()) return sine(twelfths);
        }
    }
    if (name == "binom") return binomial(a, arguments[1]);
    if (name == "double factorial" && rational(a)) return double_factorial(a);
    if (name == "gcd" || name == "lcm" || name == "max" || name == "min") return of_several(name, arguments);
    if (const Rational* number = rational(a); number && (name == "floor" || name == "ceil")) {
        mpz_t whole;
        mpz_init(whole);
        (name == "floor" ? mpz_fdiv_q : mpz_cdiv_q)(whole, number->numerator(), number->denominator());
        const Value result = {constant(Rational::integer(whole)), constant(1)};
        mpz_clear(whole);
        return result;
    }
    return std::nullopt;
}

std::optional<Rational> Algebra::multiple_of_pi(const Value& a) {
    if (a.top.empty()) return Rational(0);
    const int pi = atom("pi", Atom_kind::variable);
    if (!(a.bottom == constant(1)) || a.top.size() != 1 || a.top.begin()->first != Monomial{{pi, Exponent{}}})
        return std::nullopt;
    return a.top.begin()->second;
}

// \sin of a number of twelfths of \pi (15 degrees).
Value Algebra::sine(const Rational& twelfths) {
    const long k = long(mpz_fdiv_ui(twelfths.numerator(), 24));
    const bool negative = k > 12;
    const long folded = std::min(k % 12, 12 - k % 12);
    const Polynomial two = rational_root(2, 2), six = rational_root(6, 2), three = rational_root(3, 2);
    const Polynomial quarter = constant(Rational(negative ? -1 : 1, 4));
    Polynomial four_times;
    switch (folded) {
        case 0: break;
        case 1: four_times = add(six, multiply(two, constant(-1))); break;
        case 2: four_times = constant(2); break;
        case 3: four_times = multiply(two, constant(2)); break;
        case 4: four_times = multiply(three, constant(2)); break;
        case 5: four_times = add(six, two); break;
        default: four_times = constant(4);
    }
    return {multiply(four_times, quarter), constant(1)};
}

// \ln of a product of powers of positive numbers is a sum; of anything else an atom.
Value Algebra::logarithm(const Value& a) {
    if (!problem.empty()) return a;
    if (a.top.empty()) return fail("the logarithm of 0");
    used_open = true;
    const auto& [monomial, coefficient] = *a.top.begin();
    const auto opaque = [&](const Value& of) {
        return Value{single(atom("ln(" + key(of), Atom_kind::call)), constant(1)};
    };
    if (!(a.bottom == constant(1)) || a.top.size() != 1 || coefficient.sign() < 0 || !positive(monomial))
        return opaque(a);
    const auto of_prime = [&](const Rational& prime) {
        const int index = atom("ln " + prime.text(), {Atom_kind::logarithm, 0, {}, prime});
        return single(index);
    };
    Polynomial sum;
    for (const auto& [prime, count] : factors(coefficient)) sum = add(sum, multiply(of_prime(prime), constant(count)));
    for (const auto& [index, exponent] : monomial) {
        const Atom factor = atoms_[size_t(index)];
        Polynomial part = constant(1);
        if (factor.kind == Atom_kind::exponential) part = factor.inner;
        if (factor.kind == Atom_kind::variable) part = opaque({single(index), constant(1)}).top;
        else if (factor.base.sign()) part = multiply(part, of_prime(factor.base));
        sum = add(sum, multiply(part, constant(Rational(exponent.top, static_cast<unsigned long>(exponent.bottom)))));
    }
    return {sum, constant(1)};
}

Value Algebra::factorial(const Value& a) {
    const Rational* number = problem.empty() ? rational(a) : nullptr;
    if (!number) return call("factorial", {a});
    const auto n = number->small();
    if (!n || *n < 0) return fail("a factorial that is not defined or too large");
    if (*n > 2000 || !spend(1000)) return fail("a number of more than 20000 bits");
    mpz_t product;
    mpz_init(product);
    mpz_fac_ui(product, static_cast<unsigned long>(*n));
    const Value result = {constant(Rational::integer(product)), constant(1)};
    mpz_clear(product);
    return result;
}

// n (n - 2) (n - 4) ...
Value Algebra::double_factorial(const Value& a) {
    const Rational* number = rational(a);
    const auto n = number ? number->small() : std::nullopt;
    if (!n || *n < 0 || *n > 2000) return fail("a double factorial that is not defined or too large");
    mpz_t product;
    mpz_init(product);
    mpz_2fac_ui(product, static_cast<unsigned long>(*n));
    const Value result = {constant(Rational::integer(product)), constant(1)};
    mpz_clear(product);
    return result;
}

// Of rational numbers; none where one is something else.
std::optional<Value> Algebra::of_several(const std::string& name, const std::vector<Value>& arguments) {
    const bool divisors = name == "gcd" || name == "lcm";
    std::optional<Rational> best;
    for (const Value& argument : arguments) {
        const Rational* number = rational(argument);
        if (!number) return std::nullopt;
        if (divisors && !number->is_integer()) return fail("a divisor of a fraction");
        if (!best) {
            best = *number;
        } else if (divisors) {
            mpz_t joint;
            mpz_init(joint);
            (name == "gcd" ? mpz_gcd : mpz_lcm)(joint, best->numerator(), number->numerator());
            best = Rational::integer(joint);
            mpz_clear(joint);
        } else if (name == "max" ? *best < *number : *number < *best) {
            best = *number;
        }
    }
    return Value{constant(*best), constant(1)};
}

Value Algebra::binomial(const Value& n, const Value& k) {
    const Rational* top = rational(n);
    const Rational* bottom = rational(k);
    if (!top || !bottom) {
        used_open = true;
        return {single(atom("binom(" + key(n) + "," + key(k), Atom_kind::call)), constant(1)};
    }
    const auto a = top->small(), b = bottom->small();
    if (!a || !b || *a < 0 || *b < 0) return fail("a binomial coefficient that is not defined or too large");
    if (*a > 20000 || !spend(1000)) return fail("a number of more than 20000 bits");
    mpz_t count;
    mpz_init(count);
    mpz_bin_uiui(count, static_cast<unsigned long>(*a), static_cast<unsigned long>(*b));
    const Value result = {constant(Rational::integer(count)), constant(1)};
    mpz_clear(count);
    return result;
}

Value Algebra::value(const Node& node) {
    if (!spend(1)) return {{}, constant(1)};
    std::vector<Value> parts;
    switch (node.kind) {
        case Kind::number:
            if (node.number.bits() > max_bits) return fail("a number of more than 20000 bits");
            return {constant(node.number), constant(1)};
        case Kind::variable: return {single(atom("variable " + node.name, Atom_kind::variable)), constant(1)};
        case Kind::pi: return {single(atom("pi", Atom_kind::variable)), constant(1)};
        case Kind::i: return {single(atom("i", Atom_kind::imaginary)), constant(1)};
        case Kind::e: {
            const Polynomial one = constant(1);
            const int index = atom("^0:" + key(one), {Atom_kind::exponential, 0, one, 0});
            return {single(index), constant(1)};
        }
        default: break;
    }
    for (const Node& part : node.parts) {
        parts.push_back(value(part));
        if (!problem.empty()) return parts[0];
    }
    Value result = {node.kind == Kind::sum ? Polynomial() : constant(1), constant(1)};
    switch (node.kind) {
        case Kind::sum:
            for (const Value& part : parts) result = add(result, part);
            return result;
        case Kind::product:
            for (const Value& part : parts) result = multiply(result, part);
            return result;
        case Kind::negate: return negate(parts[0]);
        case Kind::inverse: return divide(result, parts[0]);
        case Kind::power: return power(parts[0], parts[1]);
        case Kind::root: {
            const Rational* degree = rational(parts[1]);
            if (!degree || !degree->small() || *degree->small() < 1 || *degree->small() > 64)
                return fail("a root whose degree is not between 1 and 64");
            return root(parts[0], static_cast<unsigned long>(*degree->small()));
        }
        case Kind::absolute: return absolute(parts[0]);
        case Kind::factorial: return factorial(parts[0]);
        case Kind::degrees:
            return multiply(
                parts[0], {multiply(constant(Rational(1, 180)), single(atom("pi", Atom_kind::variable))), constant(1)});
        case Kind::call: return call(node.name, parts);
        case Kind::series: return call("series " + node.name, parts);
        case Kind::apply: return call("apply " + node.name, parts);
        default: return fail("brackets, units or signs inside a calculation");
    }
}

}  // namespace r1::mathematics
