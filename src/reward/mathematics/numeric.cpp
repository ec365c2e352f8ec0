#include "reward/mathematics/numeric.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace r1::mathematics {

namespace {

constexpr unsigned long precision = 1152;
constexpr long equal_bits = 512;    // equal: to 2^-512, which is 154 digits
constexpr long zero_bits = 450;     // taken for 0, where a sign or a division depends on it
constexpr long largest_bits = 128;  // of a value on the way
constexpr int enough_points = 5;

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

// A complex number. Reals have an imaginary part of exactly 0, and cost what reals cost.
struct Complex {
    Real re, im;
    Complex(const Real& real = Real(0)) : re(real) {}
    Complex(long real) : re(real) {}
    Complex(const Real& real, const Real& imaginary) : re(real), im(imaginary) {}
    bool real() const { return im.sign() == 0; }
    bool below(long bits) const { return re.below(bits) && im.below(bits); }
    long exponent() const {
        return std::max(re.sign() ? re.exponent() : -last_bit, im.sign() ? im.exponent() : -last_bit);
    }
};

Complex operator+(const Complex& a, const Complex& b) {
    return a.real() && b.real() ? Complex(a.re + b.re) : Complex(a.re + b.re, a.im + b.im);
}
Complex operator-(const Complex& a) { return Complex(Real(0) - a.re, Real(0) - a.im); }
Complex operator-(const Complex& a, const Complex& b) { return a + -b; }
Complex operator*(const Complex& a, const Complex& b) {
    if (a.real() && b.real()) return Complex(a.re * b.re);
    return Complex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}

using Point = std::vector<std::pair<std::string, Complex>>;

// The value of a tree at a point. None where it is not defined; `unknown` where we cannot say.
class Evaluator {
public:
    Evaluator(const Point& point, int64_t& work) : point_(point), work_(work) {}

    std::optional<Complex> value(const Node& node) {
        if (unknown || (work_ -= 8) < 0) return give_up();
        if (node.kind == Kind::series) return series(node);
        std::vector<Complex> parts;
        for (const Node& part : node.parts) {
            const auto inner = value(part);
            if (!inner) return std::nullopt;
            parts.push_back(*inner);
        }
        const auto result = join(node, parts);
        if (result && (too_large(result->re) || too_large(result->im))) return give_up();
        return result;
    }

    bool unknown = false;

private:
    using Maybe = std::optional<Complex>;

    static bool too_large(const Real& a) {
        if (a.sign() == 0) return false;
        return a.exponent() > largest_bits || (a.below(largest_bits) && !a.below(zero_bits));
    }

    Maybe give_up() {
        unknown = true;
        return std::nullopt;
    }

    Maybe join(const Node& node, const std::vector<Complex>& parts) {
        switch (node.kind) {
            case Kind::number: return Complex(Real(node.number));
            case Kind::variable:
                for (const auto& [name, coordinate] : point_)
                    if (name == node.name) return coordinate;
                return give_up();
            case Kind::pi: return Complex(pi());
            case Kind::e: return Complex(exponential(1));
            case Kind::i: return Complex(0, 1);
            case Kind::sum: {
                Complex sum = 0;
                for (const Complex& part : parts) sum = sum + part;
                return sum;
            }
            case Kind::product: {
                Complex product = 1;
                for (const Complex& part : parts) product = product * part;
                return product;
            }
            case Kind::negate: return -parts[0];
            case Kind::inverse: return divide(1, parts[0]);
            case Kind::power: return power(parts[0], parts[1], node);
            case Kind::root: return parts[0].real() && parts[1].real() ? root(parts[0].re, parts[1].re) : give_up();
            case Kind::absolute: return size(parts[0]);
            case Kind::degrees: return parts[0] * Complex(pi() / Real(180));
            case Kind::factorial: return parts[0].real() ? factorial(parts[0].re) : give_up();
            case Kind::call: return call(node.name, parts);
            default: return give_up();
        }
    }

    static constexpr long no_end = -1000000;  // whole() gives smaller numbers
    // At most 100 terms; none if the upper end is further below the lower one than by 1.
    Maybe series(const Node& node) {
        const auto low = value(node.parts[0]), high = value(node.parts[1]);
        if (!low || !high) return std::nullopt;
        if (!low->real() || !high->real()) return std::nullopt;
        const long from = whole(low->re).value_or(no_end), to = whole(high->re).value_or(no_end);
        if (from == no_end || to == no_end || to < from - 1) return std::nullopt;
        if (to - from >= 100) return give_up();
        const bool adds = node.name.starts_with("sum ");
        Point inside = point_;
        inside.insert(inside.begin(), {node.name.substr(node.name.find(' ') + 1), Complex(0)});
        Complex result = adds ? 0 : 1;
        for (long k = from; k <= to; ++k) {
            inside[0].second = Complex(k);
            Evaluator evaluator(inside, work_);
            const auto term = evaluator.value(node.parts[2]);
            unknown = unknown || evaluator.unknown;
            if (!term) return std::nullopt;
            result = adds ? result + *term : result * *term;
        }
        return result;
    }

    static Complex size(const Complex& a) {
        return a.real() ? Complex(a.re.size()) : Complex((a.re * a.re + a.im * a.im).square_root());
    }

    static Maybe divide(const Complex& a, const Complex& b) {
        if (b.below(zero_bits)) return std::nullopt;
        if (a.real() && b.real()) return Complex(a.re / b.re);
        const Real square = b.re * b.re + b.im * b.im;
        const Complex product = a * Complex(b.re, Real(0) - b.im);
        return Complex(product.re / square, product.im / square);
    }

    static std::optional<long> whole(const Real& a) {
        const Real nearest = (a + Real(Rational(1, 2))).floor();
        if (!(a - nearest).below(zero_bits) || Real(100000) < nearest.size()) return std::nullopt;
        return nearest.to_long();
    }

    Maybe whole_power(Complex base, long exponent) {
        if (exponent < 0) {
            const auto inverse = divide(1, base);
            if (!inverse) return std::nullopt;
            base = *inverse;
            exponent = -exponent;
        }
        if (exponent == 0 && base.below(zero_bits)) return std::nullopt;
        Complex result = 1;
        for (; exponent; exponent >>= 1) {
            if (exponent & 1) result = result * base;
            base = base * base;
            if (!base.below(last_bit) && exponent > 1 && std::abs(base.exponent()) > 4 * largest_bits) return give_up();
        }
        return result;
    }

    // x^(p/q), with q written out, is the root; any other exponent needs x > 0.
    Maybe power(const Complex& base, const Complex& exponent, const Node& node) {
        if (exponent.real())
            if (const auto n = whole(exponent.re)) return whole_power(base, *n);
        if (!base.real()) return give_up();
        const Node& written = node.parts[1];
        if (written.kind == Kind::product && written.parts.size() == 2 && written.parts[1].kind == Kind::inverse &&
            written.parts[0].kind == Kind::number && written.parts[1].parts[0].kind == Kind::number) {
            const Rational fraction = written.parts[0].number / written.parts[1].parts[0].number;
            const auto part = root(base.re, Real(Rational::integer(fraction.denominator())));
            const auto top = Rational::integer(fraction.numerator()).small();
            if (!top) return give_up();
            return part ? whole_power(*part, *top) : std::nullopt;
        }
        if (base.re.below(zero_bits) || base.re.sign() < 0) return std::nullopt;
        if (node.parts[0].kind == Kind::e) return raise(exponent);
        return raise(exponent * Complex(natural_logarithm(base.re)));
    }

    // e^(a + bi) = e^a (cos b + i sin b)
    Maybe raise(const Complex& exponent) {
        if ((work_ -= 60) < 0 || Real(100) < exponent.re.size()) return give_up();
        const Real size = exponential(exponent.re);
        if (exponent.real()) return Complex(size);
        if ((work_ -= 100) < 0 || exponent.im.exponent() > 64) return give_up();
        return Complex(size * cosine(exponent.im), size * sine(exponent.im));
    }

    Real natural_logarithm(const Real& a) {
        work_ -= 400;
        return logarithm(a);
    }

    Maybe root(const Real& a, const Real& degree) {
        const auto n = whole(degree);
        if (!n || *n < 1 || *n > 64) return give_up();
        if (a.below(zero_bits)) return Complex(0);
        if (a.sign() < 0 && *n % 2 == 0) return std::nullopt;
        if (*n == 2) return Complex(a.square_root());
        const auto size = raise(Complex(natural_logarithm(a.size()) / Real(*n)));
        if (!size) return std::nullopt;
        return a.sign() < 0 ? -*size : *size;
    }

    // Of whole numbers from 0 on.
    Maybe factorial(const Real& a) {
        const auto n = whole(a);
        if (!n || *n < 0) return std::nullopt;
        if (*n > 30) return give_up();
        Real product = 1;
        for (long k = 2; k <= *n; ++k) product = product * Real(k);
        return Complex(product);
    }

    // Of whole numbers from 1 on.
    Maybe divisor(bool greatest, const std::vector<Complex>& parts) {
        long result = 0;
        for (const Complex& part : parts) {
            const long n = part.real() ? whole(part.re).value_or(0) : 0;
            if (n < 1) return std::nullopt;
            result = result == 0 ? n : greatest ? std::gcd(result, n) : std::lcm(result, n);
            if (result > 1000000000) return give_up();
        }
        return Complex(result);
    }

    Maybe double_factorial(const Real& a) {
        const auto n = whole(a);
        if (!n || *n < -1) return std::nullopt;
        if (*n > 50) return give_up();
        Real product = 1;
        for (long k = *n; k > 1; k -= 2) product = product * Real(k);
        return Complex(product);
    }

    Maybe binomial(const Real& top, const Real& bottom) {
        const auto n = whole(top), k = whole(bottom);
        if (!n || !k || *n < 0 || *k < 0) return std::nullopt;
        if (*n > 100) return give_up();
        Real product = *k > *n ? 0 : 1;
        for (long j = 0; j < *k && *k <= *n; ++j) product = product * Real(*n - j) / Real(j + 1);
        return Complex(product);
    }

    Maybe call(const std::string& name, const std::vector<Complex>& parts) {
        const Complex& z = parts[0];
        if ((work_ -= 100) < 0) return give_up();
        if (name == "conj") return Complex(z.re, Real(0) - z.im);
        if (name == "Re") return Complex(z.re);
        if (name == "Im") return Complex(z.im);
        if (!z.real()) return complex_call(name, z);
        const Real& a = z.re;
        if (name == "gcd" || name == "lcm") return divisor(name == "gcd", parts);
        if (name == "max" || name == "min") {
            Real best = a;
            for (const Complex& part : parts) {
                if (!part.real()) return give_up();
                if (name == "max" ? best < part.re : part.re < best) best = part.re;
            }
            return Complex(best);
        }
        if (name == "double factorial") return double_factorial(a);
        if (name == "binom") return parts[1].real() ? binomial(a, parts[1].re) : give_up();
        if (name == "floor" || name == "ceil") {
            const Real nearest = (a + Real(Rational(1, 2))).floor();
            if ((a - nearest).below(zero_bits)) return Complex(nearest);
            return Complex(name == "floor" ? a.floor() : a.floor() + Real(1));
        }
        if (name == "ln" || name == "log") {
            if (a.below(zero_bits) || a.sign() < 0) return std::nullopt;
            if (name == "ln") return Complex(natural_logarithm(a));
            if (!parts[1].real()) return give_up();
            const Real& base = parts[1].re;
            if (base.below(zero_bits) || base.sign() < 0) return std::nullopt;
            return divide(natural_logarithm(a), natural_logarithm(base));
        }
        if (name == "arctan") return Complex(arctangent(a));
        if (name == "arcsin" || name == "arccos") return arcsine(a, name == "arccos");
        if (!a.below(zero_bits) && a.exponent() > 64) return give_up();
        return trigonometric(name, Complex(sine(a)), Complex(cosine(a)));
    }

    Maybe trigonometric(const std::string& name, const Complex& s, const Complex& c) {
        if (name == "sin") return s;
        if (name == "cos") return c;
        if (name == "tan") return divide(s, c);
        if (name == "cot") return divide(c, s);
        if (name == "sec") return divide(1, c);
        if (name == "csc") return divide(1, s);
        return give_up();
    }

    // sin z = (e^iz - e^-iz) / 2i
    Maybe complex_call(const std::string& name, const Complex& z) {
        const auto forward = raise(z * Complex(0, 1)), back = raise(z * Complex(0, -1));
        if (!forward || !back) return give_up();
        const auto s = divide(*forward - *back, Complex(0, 2)), c = divide(*forward + *back, 2);
        return trigonometric(name, *s, *c);
    }

    static Maybe arcsine(const Real& a, bool complement) {
        const Real rest = Real(1) - a * a;
        const Real quarter = pi().shifted(-1);
        Real angle;
        if (rest.below(zero_bits)) angle = a.sign() < 0 ? Real(0) - quarter : quarter;
        else if (rest.sign() < 0) return std::nullopt;
        else angle = arctangent(a / rest.square_root());
        return Complex(complement ? quarter - angle : angle);
    }

    const Point& point_;
    int64_t& work_;
};

// ---- what stands in the two trees, and so where they may differ

struct Features {
    std::set<std::string> names;     // of variables
    std::set<std::string> complex;   // of those that a bar stands over
    bool steps = false;              // floors, ceilings, remainders: they change at whole numbers and halves
    bool whole = false;              // factorials, binomials, (-1)^n: variables are whole numbers from 0 on
    std::vector<const Node*> bends;  // insides of absolute values and of even roots: they change where these are 0
    std::vector<Node> differences;   // of what a maximum or a minimum is taken of
};

bool has_variable(const Node& node) { return contains(node, Kind::variable); }

// n, m, k and j stand for whole numbers where that makes a difference: under a floor, as an exponent of what is
// complex.
bool has_only_whole_letters(const Node& node) {
    constexpr auto letters = std::to_array<std::string_view>({"n", "m", "k", "j", "N"});
    if (node.kind == Kind::variable) return one_of(node.name, letters);
    return std::all_of(node.parts.begin(), node.parts.end(), has_only_whole_letters);
}

void collect(const Node& node, Features& features) {
    if (node.kind == Kind::variable) features.names.insert(node.name);
    if (node.kind == Kind::absolute || node.kind == Kind::root) features.bends.push_back(&node.parts[0]);
    if (node.kind == Kind::factorial) features.whole |= has_variable(node);
    if (node.kind == Kind::power && has_variable(node.parts[1])) {
        features.whole |= node.parts[0].kind == Kind::negate && node.parts[0].parts[0].kind == Kind::number;
        features.whole |= contains(node.parts[0], Kind::i) && has_only_whole_letters(node.parts[1]);
    }
    if (node.kind == Kind::series) {
        features.whole = true;
        Features inside;
        collect(node.parts[2], inside);
        inside.names.erase(node.name.substr(node.name.find(' ') + 1));
        features.names.insert(inside.names.begin(), inside.names.end());
        collect(node.parts[0], features);
        collect(node.parts[1], features);
        return;
    }
    if (node.kind == Kind::call) {
        const bool steps = node.name == "floor" || node.name == "ceil";
        features.steps |= steps;
        constexpr auto of_whole = std::to_array<std::string_view>({"binom", "double factorial", "gcd", "lcm"});
        features.whole |= one_of(node.name, of_whole) && has_variable(node);
        features.whole |= steps && has_variable(node) && has_only_whole_letters(node);
        if (node.name == "conj" || node.name == "Re" || node.name == "Im") {
            Features inside;
            collect(node.parts[0], inside);
            features.complex.insert(inside.names.begin(), inside.names.end());
        }
        if (node.name == "max" || node.name == "min")
            for (size_t i = 1; i < node.parts.size(); ++i)
                features.differences.push_back(
                    Node{Kind::sum, "", 0, {node.parts[0], Node{Kind::negate, "", 0, {node.parts[i]}}}});
    }
    for (const Node& part : node.parts) collect(part, features);
}

// The binary digits of the numbers in a tree, all together: where |x + 10^6| and x + 10^6 part.
long digits(const Node& node, int64_t& work) {
    if (!has_variable(node)) {
        const Point nowhere;
        Evaluator evaluator(nowhere, work);
        const auto value = evaluator.value(node);
        return value && !value->below(last_bit) ? std::abs(value->exponent()) : 0;
    }
    long sum = 0;
    for (const Node& part : node.parts) sum += digits(part, work);
    return sum;
}

// ---- points

// Numbers without a pattern, the same in every run.
class Draws {
public:
    explicit Draws(uint64_t seed) : state_(2025 + seed) {}
    long below(long bound) {
        for (int k = 0; k < 3; ++k) state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return long((state_ >> 33) % uint64_t(bound));
    }

private:
    uint64_t state_;
};

constexpr int scattered = 40;  // points that are taken of any two trees

// Coordinates are k/1009 times a scale: first 8 points above 0, below 1 and 8 in turn; then, at each of four scales, 8
// points with every combination of signs of the first three variables (and so of the next three).
Point scattered_point(const Features& features, int index, long digits) {
    const long scales[] = {index % 2 ? 3 : 0, 0, 3, std::clamp(digits / 2, 5L, 40L), std::clamp(digits + 2, 7L, 100L)};
    const Rational scale = Rational::power(2, static_cast<unsigned long>(scales[index / 8]));
    Point point;
    Draws draws{uint64_t(index)};
    int variable = 0;
    for (const std::string& name : features.names) {
        const long steps = 1 + draws.below(1008);
        const bool negative = index >= 8 && (index >> (variable++ % 3)) % 2 == 0;
        Complex coordinate(Real(scale * Rational(negative ? -steps : steps, 1009)));
        if (features.complex.contains(name)) coordinate.im = Real(Rational(draws.below(2017) - 1008, 1009));
        point.emplace_back(name, coordinate);
    }
    return point;
}

// Every combination of signs, for four to six variables; of more, 64 that are drawn.
std::vector<Point> signed_points(const Features& features) {
    std::vector<Point> points;
    const size_t count = features.names.size();
    if (count < 4) return points;
    for (int pattern = 0; pattern < (1 << std::min<size_t>(count, 6)); ++pattern) {
        Draws draws{uint64_t(1000 + pattern)};
        Point point;
        size_t bit = 0;
        for (const std::string& name : features.names) {
            const bool negative = count <= 6 ? (pattern >> bit++) % 2 : draws.below(2);
            const long steps = 1 + draws.below(1008);
            point.emplace_back(name, Complex(Real(Rational(negative ? -steps : steps, 250))));
        }
        points.push_back(point);
    }
    return points;
}

// Whole numbers and halves: of one variable all from -4 1/2 to 17, of more 48 combinations. With `whole` whole numbers
// from 0 on alone: 0 to 14, or 64 combinations of 0 to 9.
std::vector<Point> stepped_points(const Features& features) {
    const auto coordinate = [&](long k) { return Complex(Real(features.whole ? Rational(k) : Rational(k - 9, 2))); };
    std::vector<Point> points;
    if (features.names.size() == 1) {
        for (long k = 0; k < (features.whole ? 15 : 44); ++k)
            points.push_back({{*features.names.begin(), coordinate(k)}});
        return points;
    }
    for (int index = 0; index < (features.whole ? 64 : 48); ++index) {
        Draws draws{uint64_t(2000 + index)};
        Point point;
        for (const std::string& name : features.names)
            point.emplace_back(name, coordinate(draws.below(features.whole ? 10 : 28)));
        points.push_back(point);
    }
    return points;
}

// Where a tree is 0 along one coordinate of a point, if it is a polynomial of degree 1 or 2 in it: exactly, but for the
// rounding to 1152 bits. Of degree 2 also its vertex, where (x - 3)^2 touches 0.
std::vector<Real> zeros_along(const Node& node, Point point, size_t coordinate, int64_t& work) {
    std::vector<Real> values;
    for (long t = 0; t < 4; ++t) {
        point[coordinate].second = Complex(t);
        Evaluator evaluator(point, work);
        const auto value = evaluator.value(node);
        if (!value || !value->real()) return {};
        values.push_back(value->re);
    }
    const Real& c = values[0];
    const Real a = (values[2] - values[1] - values[1] + values[0]).shifted(-1), b = values[1] - values[0] - a;
    const Real third = values[3] - (a * Real(9) + b * Real(3) + c);
    if (!third.below(zero_bits)) return {};
    if (a.below(zero_bits)) {
        if (b.below(zero_bits)) return {};
        return {Real(0) - c / b};
    }
    const Real middle = Real(0) - b / a.shifted(1), under = b * b - (a * c).shifted(2);
    if (under.sign() < 0 || under.below(zero_bits)) return {middle};
    const Real away = under.square_root() / a.shifted(1);
    return {middle - away, middle, middle + away};
}

// Where absolute values, even roots, maxima and minima bend: at the bends themselves, and between each two neighbours.
std::vector<Point> points_at_bends(const Features& features, int64_t& work) {
    std::vector<Point> points;
    std::vector<const Node*> bends = features.bends;
    for (const Node& difference : features.differences) bends.push_back(&difference);
    if (bends.size() > 12) bends.resize(12);
    for (int index : {1, 12, 19}) {
        const Point base = scattered_point(features, index, 4);
        for (size_t i = 0; i < base.size(); ++i) {
            if (!base[i].second.real()) continue;
            std::vector<Real> zeros;
            for (const Node* bend : bends)
                for (const Real& zero : zeros_along(*bend, base, i, work)) zeros.push_back(zero);
            std::sort(zeros.begin(), zeros.end());
            std::vector<Real> places = zeros;
            for (size_t k = 0; k + 1 < zeros.size(); ++k) places.push_back((zeros[k] + zeros[k + 1]).shifted(-1));
            for (const Real& place : places) {
                points.push_back(base);
                points.back()[i].second = Complex(place);
            }
        }
        if (features.names.size() == 1) break;
    }
    return points;
}

bool close(const Complex& a, const Complex& b) {
    const Complex difference = a - b;
    const long scale = std::max({0L, a.exponent(), b.exponent()});
    return difference.below(last_bit) || difference.exponent() - scale <= -equal_bits;
}

// Compares at points, and stops at the first where the two differ.
class Comparer {
public:
    Comparer(const Node& a, const Node& b, int64_t& work) : a_(a), b_(b), work_(work) {}

    // At a single point, where a value alone may be missing: x/x at 0.
    void at(const Point& point, bool single) {
        if (result.agreement == Agreement::different) return;
        Evaluator left(point, work_), right(point, work_);
        const auto x = left.value(a_), y = right.value(b_);
        if (left.unknown || right.unknown || (!x && !y) || (single && (!x || !y))) return;
        if (!x || !y || !close(*x, *y)) result = {Agreement::different, 0};
        else ++result.points;
    }
    void at(const std::vector<Point>& points) {
        for (const Point& point : points) at(point, true);
    }

    Comparison result;

private:
    const Node &a_, &b_;
    int64_t& work_;
};

}  // namespace

Comparison compare(const Node& a, const Node& b, int64_t& work) {
    Features features;
    collect(a, features);
    collect(b, features);
    const bool constant = features.names.empty();
    const long scale = constant ? 0 : digits(a, work) + digits(b, work);
    if (scale > 90) return {};  // the points would not reach as far
    Comparer comparer(a, b, work);
    if (constant) {
        comparer.at(Point(), false);
    } else if (features.whole) {
        comparer.at(stepped_points(features));
    } else {
        for (int index = 0; index < scattered; ++index) comparer.at(scattered_point(features, index, scale), false);
        comparer.at(signed_points(features));
        if (features.steps) comparer.at(stepped_points(features));
        comparer.at(points_at_bends(features, work));
    }
    Comparison result = comparer.result;
    if (result.agreement == Agreement::different) return result;
    // Points that were not reached say nothing.
    if (work >= 0 && result.points >= (constant ? 1 : enough_points)) result.agreement = Agreement::equal;
    return result;
}

}  // namespace r1::mathematics
