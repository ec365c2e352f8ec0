#include "reward/mathematics/numeric.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace r1::mathematics {

namespace {

constexpr unsigned long precision = 1152;
constexpr long equal_bits = 512;    // equal: to 2^-512, which is 154 digits
constexpr long zero_bits = 450;     // taken for 0, where a sign or a division depends on it
constexpr long largest_bits = 128;  // of a value on the way
constexpr int max_points = 40, enough_points = 5;

// A floating-point number (GMP), always of the same precision.
class Real {
public:
    Real(long value = 0) { mpf_init2(value_, precision), mpf_set_si(value_, value); }
    explicit Real(const Rational& value) { mpf_init2(value_, precision), mpf_set_q(value_, value.get()); }
    Real(const Real& other) { mpf_init2(value_, precision), mpf_set(value_, other.value_); }
    Real& operator=(const Real& other) { return mpf_set(value_, other.value_), *this; }
    ~Real() { mpf_clear(value_); }

    friend Real operator+(const Real& a, const Real& b) { return join(mpf_add, a, b); }
    friend Real operator-(const Real& a, const Real& b) { return join(mpf_sub, a, b); }
    friend Real operator*(const Real& a, const Real& b) { return join(mpf_mul, a, b); }
    friend Real operator/(const Real& a, const Real& b) { return join(mpf_div, a, b); }  // b is not 0
    friend bool operator<(const Real& a, const Real& b) { return mpf_cmp(a.value_, b.value_) < 0; }

    int sign() const { return mpf_sgn(value_); }
    Real size() const { return sign() < 0 ? Real(0) - *this : *this; }
    Real shifted(long bits) const {  // times 2^bits
        Real result;
        if (bits >= 0) mpf_mul_2exp(result.value_, value_, static_cast<unsigned long>(bits));
        else mpf_div_2exp(result.value_, value_, static_cast<unsigned long>(-bits));
        return result;
    }
    Real square_root() const {
        Real result;
        return mpf_sqrt(result.value_, value_), result;
    }
    Real floor() const {
        Real result;
        return mpf_floor(result.value_, value_), result;
    }
    long exponent() const {  // 2^(exponent-1) <= |value| < 2^exponent
        long result;
        mpf_get_d_2exp(&result, value_);
        return result;
    }
    bool below(long bits) const { return sign() == 0 || exponent() <= -bits; }  // |value| < 2^-bits
    long to_long() const { return mpf_get_si(value_); }

private:
    static Real join(void (*operation)(mpf_ptr, mpf_srcptr, mpf_srcptr), const Real& a, const Real& b) {
        Real result;
        operation(result.value_, a.value_, b.value_);
        return result;
    }
    mpf_t value_;
};

constexpr long last_bit = long(precision) - 32;  // a term of a series below 2^-last_bit ends it

// x + x^3/3 ... with alternating signs: arctan for small x.
Real arctan_series(const Real& x) {
    const Real square = Real(0) - x * x;
    Real sum = x, power = x;
    for (long k = 3; !power.below(last_bit); k += 2) {
        power = power * square;
        sum = sum + power / Real(k);
    }
    return sum;
}

// pi/4 = 4 arctan(1/5) - arctan(1/239) [Machin]
const Real& pi() {
    static const Real value =
        (arctan_series(Real(Rational(1, 5))).shifted(2) - arctan_series(Real(Rational(1, 239)))).shifted(2);
    return value;
}

// e^x = (e^(x/2^k))^(2^k), for |x| < 2^7
Real exponential(const Real& x) {
    constexpr int halvings = 39;
    const Real small = x.shifted(-halvings);
    Real sum = 1, term = 1;
    for (long k = 1; !term.below(last_bit); ++k) {
        term = term * small / Real(k);
        sum = sum + term;
    }
    for (int k = 0; k < halvings; ++k) sum = sum * sum;
    return sum;
}

// Newton's method of third order: y + 2 (x - e^y) / (x + e^y), from the exponent of x.
Real logarithm(const Real& x) {
    Real y = Real(Rational(x.exponent() * 693 - 346, 1000));
    for (int k = 0; k < 8; ++k) {
        const Real power = exponential(y);
        y = y + (x - power).shifted(1) / (x + power);
    }
    return y;
}

Real sine(const Real& x) {
    const Real turn = pi().shifted(1);
    const Real reduced = x - (x / turn + Real(Rational(1, 2))).floor() * turn;
    const Real square = Real(0) - reduced * reduced;
    Real sum = reduced, term = reduced;
    for (long k = 2; !term.below(last_bit); k += 2) {
        term = term * square / Real(k * (k + 1));
        sum = sum + term;
    }
    return sum;
}

Real cosine(const Real& x) { return sine(x + pi().shifted(-1)); }

// arctan x = 2 arctan(x / (1 + sqrt(1 + x^2)))
Real arctangent(Real x) {
    constexpr int halvings = 16;
    for (int k = 0; k < halvings; ++k) x = x / (Real(1) + (Real(1) + x * x).square_root());
    return arctan_series(x).shifted(halvings);
}

using Point = std::vector<std::pair<std::string, Rational>>;

// The value of a tree at a point. None where it is not defined; `unknown` where we cannot say.
class Evaluator {
public:
    Evaluator(const Point& point, int64_t& work) : point_(point), work_(work) {}

    std::optional<Real> value(const Node& node) {
        if (unknown || (work_ -= 8) < 0) return give_up();
        std::vector<Real> parts;
        for (const Node& part : node.parts) {
            const auto inner = value(part);
            if (!inner) return std::nullopt;
            parts.push_back(*inner);
        }
        const auto result = join(node, parts);
        if (result && result->sign() && (result->exponent() > largest_bits || small_but_not_zero(*result)))
            return give_up();
        return result;
    }

    bool unknown = false;

private:
    using Maybe = std::optional<Real>;

    static bool small_but_not_zero(const Real& a) { return a.below(largest_bits) && !a.below(zero_bits); }

    Maybe give_up() {
        unknown = true;
        return std::nullopt;
    }

    Maybe join(const Node& node, const std::vector<Real>& parts) {
        switch (node.kind) {
            case Kind::number: return Real(node.number);
            case Kind::variable:
                for (const auto& [name, coordinate] : point_)
                    if (name == node.name) return Real(coordinate);
                return give_up();
            case Kind::pi: return pi();
            case Kind::e: return exponential(1);
            case Kind::sum: {
                Real sum = 0;
                for (const Real& part : parts) sum = sum + part;
                return sum;
            }
            case Kind::product: {
                Real product = 1;
                for (const Real& part : parts) product = product * part;
                return product;
            }
            case Kind::negate: return Real(0) - parts[0];
            case Kind::inverse: return divide(1, parts[0]);
            case Kind::power: return power(parts[0], parts[1], node.parts[1]);
            case Kind::root: return root(parts[0], parts[1]);
            case Kind::absolute: return parts[0].size();
            case Kind::degrees: return parts[0] * pi() / Real(180);
            case Kind::call: return call(node.name, parts);
            default: return give_up();
        }
    }

    static Maybe divide(const Real& a, const Real& b) {
        if (b.below(zero_bits)) return std::nullopt;
        return a / b;
    }

    std::optional<long> whole(const Real& a) {
        const Real nearest = (a + Real(Rational(1, 2))).floor();
        if (!(a - nearest).below(zero_bits) || Real(100000) < nearest.size()) return std::nullopt;
        return nearest.to_long();
    }

    Maybe whole_power(Real base, long exponent) {
        if (exponent < 0) {
            const auto inverse = divide(1, base);
            if (!inverse) return std::nullopt;
            base = *inverse, exponent = -exponent;
        }
        if (exponent == 0 && base.below(zero_bits)) return std::nullopt;
        Real result = 1;
        for (; exponent; exponent >>= 1) {
            if (exponent & 1) result = result * base;
            base = base * base;
            if (base.sign() && exponent > 1 && std::abs(base.exponent()) > 4 * largest_bits) return give_up();
        }
        return result;
    }

    // x^(p/q), with q written out, is the root; any other exponent needs x > 0.
    Maybe power(const Real& base, const Real& exponent, const Node& written) {
        if (const auto n = whole(exponent)) return whole_power(base, *n);
        if (written.kind == Kind::product && written.parts.size() == 2 && written.parts[1].kind == Kind::inverse &&
            written.parts[0].kind == Kind::number && written.parts[1].parts[0].kind == Kind::number) {
            const Rational fraction = written.parts[0].number / written.parts[1].parts[0].number;
            const auto part = root(base, Real(Rational::integer(fraction.denominator())));
            const auto top = Rational::integer(fraction.numerator()).small();
            if (!top) return give_up();
            return part ? whole_power(*part, *top) : std::nullopt;
        }
        if (base.below(zero_bits) || base.sign() < 0) return std::nullopt;
        return raise(exponent * natural_logarithm(base));
    }

    Maybe raise(const Real& exponent) {
        if ((work_ -= 60) < 0 || Real(100) < exponent.size()) return give_up();
        return exponential(exponent);
    }

    Real natural_logarithm(const Real& a) {
        work_ -= 400;
        return logarithm(a);
    }

    Maybe root(const Real& a, const Real& degree) {
        const auto n = whole(degree);
        if (!n || *n < 1 || *n > 64) return give_up();
        if (a.below(zero_bits)) return Real(0);
        if (a.sign() < 0 && *n % 2 == 0) return std::nullopt;
        if (*n == 2) return a.square_root();
        const auto size = raise(natural_logarithm(a.size()) / Real(*n));
        if (!size) return std::nullopt;
        return a.sign() < 0 ? Real(0) - *size : *size;
    }

    Maybe call(const std::string& name, const std::vector<Real>& parts) {
        const Real& a = parts[0];
        if ((work_ -= 100) < 0) return give_up();
        if (name == "floor" || name == "ceil") {
            const Real nearest = (a + Real(Rational(1, 2))).floor();
            if ((a - nearest).below(zero_bits)) return nearest;
            return name == "floor" ? a.floor() : a.floor() + Real(1);
        }
        if (name == "ln" || name == "log") {
            if (a.below(zero_bits) || a.sign() < 0) return std::nullopt;
            if (name == "ln") return natural_logarithm(a);
            if (parts[1].below(zero_bits) || parts[1].sign() < 0) return std::nullopt;
            return divide(natural_logarithm(a), natural_logarithm(parts[1]));
        }
        if (name == "arctan") return arctangent(a);
        if (name == "arcsin" || name == "arccos") return arcsine(a, name == "arccos");
        if (!a.below(zero_bits) && a.exponent() > 64) return give_up();
        const Real s = sine(a), c = cosine(a);
        if (name == "sin") return s;
        if (name == "cos") return c;
        if (name == "tan") return divide(s, c);
        if (name == "cot") return divide(c, s);
        if (name == "sec") return divide(1, c);
        if (name == "csc") return divide(1, s);
        return give_up();
    }

    static Maybe arcsine(const Real& a, bool complement) {
        const Real rest = Real(1) - a * a;
        const Real quarter = pi().shifted(-1);
        Real angle;
        if (rest.below(zero_bits)) angle = a.sign() < 0 ? Real(0) - quarter : quarter;
        else if (rest.sign() < 0) return std::nullopt;
        else angle = arctangent(a / rest.square_root());
        return complement ? quarter - angle : angle;
    }

    const Point& point_;
    int64_t& work_;
};

void collect_variables(const Node& node, std::set<std::string>& names) {
    if (node.kind == Kind::variable) names.insert(node.name);
    for (const Node& part : node.parts) collect_variables(part, names);
}

// The binary digits of the numbers in a tree, all together: where |x + 10^6| and x + 10^6 part.
long digits(const Node& node, int64_t& work) {
    std::set<std::string> names;
    collect_variables(node, names);
    if (names.empty()) {
        const Point nowhere;
        Evaluator evaluator(nowhere, work);
        const auto value = evaluator.value(node);
        return value && value->sign() ? std::abs(value->exponent()) : 0;
    }
    long sum = 0;
    for (const Node& part : node.parts) sum += digits(part, work);
    return sum;
}

// Coordinates are k/1009 times a scale: first 8 points above 0, below 1 and 8 in turn; then, at each of four scales, 8
// points with every combination of signs of the first three variables (and so of the next three).
Point point_of(const std::set<std::string>& names, int index, long digits) {
    const long scales[] = {index % 2 ? 3 : 0, 0, 3, std::clamp(digits / 2, 5L, 40L), std::clamp(digits + 2, 7L, 100L)};
    const Rational scale = Rational::power(2, static_cast<unsigned long>(scales[index / 8]));
    Point point;
    uint64_t state = 2025 + uint64_t(index);
    int variable = 0;
    for (const std::string& name : names) {
        for (int k = 0; k < 3; ++k) state = state * 6364136223846793005u + 1442695040888963407u;
        const long steps = 1 + long((state >> 33) % 1008);
        const bool negative = index >= 8 && (index >> (variable++ % 3)) % 2 == 0;
        point.emplace_back(name, scale * Rational(negative ? -steps : steps, 1009));
    }
    return point;
}

bool close(const Real& a, const Real& b) {
    const Real difference = a - b;
    const long scale = std::max({0L, a.sign() ? a.exponent() : 0L, b.sign() ? b.exponent() : 0L});
    return difference.sign() == 0 || difference.exponent() - scale <= -equal_bits;
}

}  // namespace

Comparison compare(const Node& a, const Node& b, int64_t& work) {
    std::set<std::string> names;
    collect_variables(a, names), collect_variables(b, names);
    const int tries = names.empty() ? 1 : max_points, needed = names.empty() ? 1 : enough_points;
    const long scale = names.empty() ? 0 : digits(a, work) + digits(b, work);
    Comparison result;
    if (scale > 90) return result;  // the points would not reach as far
    for (int index = 0; index < tries; ++index) {
        const Point point = point_of(names, index, scale);
        Evaluator left(point, work), right(point, work);
        const auto x = left.value(a), y = right.value(b);
        if (left.unknown || right.unknown) continue;
        if (!x && !y) continue;
        if (!x || !y || !close(*x, *y)) return {Agreement::different, 0};
        ++result.points;
    }
    if (result.points >= needed) result.agreement = Agreement::equal;
    return result;
}

}  // namespace r1::mathematics
