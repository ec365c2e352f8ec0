#include "reward/mathematics/reals.h"

#include <algorithm>
#include <tuple>

#include "reward/mathematics/exact.h"

namespace r1::mathematics {

int infinite(const Node& node) {
    if (node.kind == Kind::infinity) return 1;
    return node.kind == Kind::negate && node.parts[0].kind == Kind::infinity ? -1 : 0;
}

Node reversed(const Node& relation) {
    Node result = relation;
    std::reverse(result.parts.begin(), result.parts.end());
    std::reverse(result.name.begin(), result.name.end());
    for (char& sign : result.name)
        sign = sign == '<' ? '>' : sign == '>' ? '<' : sign == 'l' ? 'g' : sign == 'g' ? 'l' : sign;
    return result;
}

bool is_container(const Node& node) {
    switch (node.kind) {
        case Kind::quantity:
        case Kind::tuple:
        case Kind::set:
        case Kind::list:
        case Kind::set_union:
        case Kind::difference:
        case Kind::intersection:
        case Kind::congruence:
        case Kind::matrix:
        case Kind::row:
        case Kind::relation:
        case Kind::builder:
        case Kind::ratio:
        case Kind::based: return true;
        default: return infinite(node) != 0;
    }
}

namespace {

using Intervals = std::vector<Interval>;

const Node plus_infinity = {Kind::infinity, "", 0, {}};
const Node minus_infinity = {Kind::negate, "", 0, {plus_infinity}};

// {x: a < x <= b}, x < a, a > x, x != a, x \in [a, b)
std::optional<std::vector<Interval>> of_relation(const Node& node) {
    const auto is_variable = [](const Node& part) { return part.kind == Kind::variable; };
    if (node.name == "E" && is_variable(node.parts[0])) return intervals_of(node.parts[1]);
    if (node.parts.size() == 2 && !is_variable(node.parts[0])) {
        const Node turned = reversed(node);
        return is_variable(turned.parts[0]) && turned.name != "E" ? of_relation(turned) : std::nullopt;
    }
    if (node.parts.size() == 2) {
        const Node& end = node.parts[1];
        if (contains(end, Kind::variable) || is_container(end)) return std::nullopt;
        if (node.name == "#") return Intervals{{minus_infinity, end, false, false}, {end, plus_infinity, false, false}};
        if (node.name == "<" || node.name == "l") return Intervals{{minus_infinity, end, false, node.name == "l"}};
        if (node.name == ">" || node.name == "g") return Intervals{{end, plus_infinity, node.name == "g", false}};
        return std::nullopt;
    }
    const bool rising = node.name.find_first_not_of("<l") == std::string::npos;
    if (!rising && node.name.find_first_not_of(">g") == std::string::npos) return of_relation(reversed(node));
    if (!rising || node.parts.size() != 3 || !is_variable(node.parts[1])) return std::nullopt;
    return Intervals{{node.parts[0], node.parts[2], node.name[0] == 'l', node.name[1] == 'l'}};
}

}  // namespace

std::optional<std::vector<Interval>> intervals_of(const Node& node) {
    if (node.kind == Kind::tuple && node.parts.size() == 2)
        return Intervals{{node.parts[0], node.parts[1], node.name[0] == '[', node.name[1] == ']'}};
    if (node.kind == Kind::variable && node.name == "mathbb R")
        return Intervals{{minus_infinity, plus_infinity, false, false}};
    if (node.kind == Kind::relation) return of_relation(node);
    if (node.kind == Kind::builder) return intervals_of(node.parts[1]);
    if (node.kind != Kind::set_union && (node.kind != Kind::list || node.name.empty())) return std::nullopt;
    Intervals all;
    for (const Node& part : node.parts) {
        const auto piece = intervals_of(part);
        if (!piece) return std::nullopt;
        all.insert(all.end(), piece->begin(), piece->end());
    }
    if (node.name != "and") return all;
    // -1 <= x and x <= 3
    if (all.size() != 2 || node.parts.size() != 2) return std::nullopt;
    if (infinite(all[0].high) == 0) std::swap(all[0], all[1]);
    if (infinite(all[0].high) != 1 || infinite(all[1].low) != -1) return std::nullopt;
    return Intervals{{all[0].low, all[1].high, all[0].has_low, all[1].has_high}};
}

namespace {

using Pieces = std::vector<Piece>;

// ---- ends

// Whether the left end of a is before that of b, and whether the right end of a is before that of b.
bool begins_before(const Piece& a, const Piece& b) {
    if (!a.low || !b.low) return !a.low && b.low;
    return *a.low < *b.low || (*a.low == *b.low && a.has_low && !b.has_low);
}
bool ends_before(const Piece& a, const Piece& b) {
    if (!a.high || !b.high) return a.high && !b.high;
    return *a.high < *b.high || (*a.high == *b.high && !a.has_high && b.has_high);
}

bool is_empty(const Piece& a) {
    return a.low && a.high && (*a.high < *a.low || (*a.low == *a.high && !(a.has_low && a.has_high)));
}

// Whether no number lies between the end of a and the beginning of b, which does not begin before a.
bool touches(const Piece& a, const Piece& b) {
    return !a.high || !b.low || *b.low < *a.high || (*b.low == *a.high && (a.has_high || b.has_low));
}

// ---- sets

Pieces joined(Pieces all) {
    std::erase_if(all, is_empty);
    std::sort(all.begin(), all.end(), begins_before);
    Pieces result;
    for (const Piece& piece : all) {
        if (result.empty() || !touches(result.back(), piece)) {
            result.push_back(piece);
        } else if (ends_before(result.back(), piece)) {
            result.back().high = piece.high;
            result.back().has_high = piece.has_high;
        }
    }
    return result;
}

Pieces common(const Pieces& a, const Pieces& b) {
    Pieces all;
    for (const Piece& left : a)
        for (const Piece& right : b) {
            const Piece &low = begins_before(left, right) ? right : left,
                        &high = ends_before(left, right) ? left : right;
            all.push_back({low.low, high.high, low.has_low, high.has_high});
        }
    return joined(all);
}

Pieces complement(const Pieces& a) {
    Pieces result = {{std::nullopt, std::nullopt, false, false}};
    for (const Piece& piece : a) {
        Pieces outside;
        if (piece.low) outside.push_back({std::nullopt, piece.low, false, !piece.has_low});
        if (piece.high) outside.push_back({piece.high, std::nullopt, !piece.has_high, false});
        result = common(result, outside);
    }
    return result;
}

// ---- what a text names

class Reader {
public:
    explicit Reader(int64_t& work) : work_(work) {}

    std::optional<Pieces> set(const Node& node) {
        switch (node.kind) {
            case Kind::set: return points(node.parts);
            case Kind::builder: return set(node.parts[1]);
            case Kind::set_union: return folded(node.parts, "or");
            case Kind::intersection: return folded(node.parts, "and");
            case Kind::difference: {
                const auto all = set(node.parts[0]), without = set(node.parts[1]);
                if (!all || !without) return std::nullopt;
                return common(*all, complement(*without));
            }
            case Kind::list: {
                const bool conditions = std::all_of(node.parts.begin(), node.parts.end(), [](const Node& part) {
                    return part.kind == Kind::relation && part.name != "=";
                });
                return conditions ? folded(node.parts, node.name) : std::nullopt;
            }
            case Kind::relation:
                if (node.name == "#" && node.parts[1].kind == Kind::plus_minus)  // x \\ne \\pm 1
                    return both_missing(node.parts[1].parts[0]);
                if (const auto ends = around(node)) return ends;
                if (node.name == "E" && node.parts[0].kind == Kind::variable) return set(node.parts[1]);
                return of_intervals(node);
            default: return of_intervals(node);
        }
    }

private:
    std::optional<Rational> number(const Node& node) {
        if (contains(node, Kind::variable)) return std::nullopt;
        Algebra algebra(work_);
        const Value value = algebra.value(node);
        const Rational* rational = algebra.problem.empty() ? algebra.rational(value) : nullptr;
        return rational ? std::optional(*rational) : std::nullopt;
    }

    std::optional<Pieces> points(const std::vector<Node>& nodes) {
        Pieces all;
        for (const Node& node : nodes) {
            const auto at = number(node);
            if (!at) return std::nullopt;
            all.push_back({at, at, true, true});
        }
        return joined(all);
    }

    std::optional<Pieces> both_missing(const Node& node) {
        const auto at = number(node);
        if (!at) return std::nullopt;
        const Rational other = Rational(0) - *at;
        return complement(joined({{at, at, true, true}, {other, other, true, true}}));
    }

    std::optional<Pieces> of_intervals(const Node& node) {
        const auto intervals = intervals_of(node);
        if (!intervals) return std::nullopt;
        Pieces all;
        for (const Interval& interval : *intervals) {
            Piece piece = {std::nullopt, std::nullopt, interval.has_low, interval.has_high};
            if (infinite(interval.low) == 0 && !(piece.low = number(interval.low))) return std::nullopt;
            if (infinite(interval.high) == 0 && !(piece.high = number(interval.high))) return std::nullopt;
            if (infinite(interval.low) > 0 || infinite(interval.high) < 0 || is_empty(piece)) return std::nullopt;
            if (!piece.low) piece.has_low = false;
            if (!piece.high) piece.has_high = false;
            all.push_back(piece);
        }
        return joined(all);
    }

    // |x - 1| < 2, |x| >= 3: an absolute value of what is of degree 1 in a variable, and a number.
    std::optional<Pieces> around(const Node& node) {
        if (node.parts.size() != 2 || node.name == "=" || node.name == "#" || node.name == "E") return std::nullopt;
        const Node turned = node.parts[0].kind == Kind::absolute ? node : reversed(node);
        if (turned.parts[0].kind != Kind::absolute) return std::nullopt;
        const auto distance = number(turned.parts[1]);
        const auto inner = linear(turned.parts[0].parts[0]);
        if (!distance || distance->sign() < 0 || !inner) return std::nullopt;
        const Rational middle = (Rational(0) - inner->constant) / inner->slope;
        const Rational half = *distance / (inner->slope.sign() < 0 ? Rational(0) - inner->slope : inner->slope);
        const bool inside = turned.name == "<" || turned.name == "l", closed = turned.name == "l" || turned.name == ">";
        const Pieces between = joined({{middle - half, middle + half, closed, closed}});
        return inside ? between : complement(between);
    }

    // slope x + constant of one variable, slope not 0; none of anything else.
    struct Linear {
        Rational slope, constant;
    };
    std::optional<Linear> linear(const Node& node) {
        for (const Kind kind : {Kind::pi, Kind::e, Kind::i, Kind::call, Kind::apply})
            if (contains(node, kind)) return std::nullopt;
        Algebra algebra(work_);
        const Value value = algebra.value(node);
        if (!algebra.problem.empty() || algebra.used_open || !algebra.is_polynomial(value)) return std::nullopt;
        Linear result;
        for (const auto& [monomial, coefficient] : value.top) {
            const bool variable = monomial.size() == 1 && monomial[0].second == Exponent{1, 1};
            if (!monomial.empty() && (!variable || result.slope.sign() != 0)) return std::nullopt;
            (variable ? result.slope : result.constant) = coefficient;
        }
        return result.slope.sign() == 0 ? std::nullopt : std::optional(result);
    }

    std::optional<Pieces> folded(const std::vector<Node>& nodes, const std::string& how) {
        Pieces any, all = {{std::nullopt, std::nullopt, false, false}};
        for (const Node& node : nodes) {
            const auto pieces = set(node);
            if (!pieces) return std::nullopt;
            any.insert(any.end(), pieces->begin(), pieces->end());
            all = common(all, *pieces);
        }
        return how == "or" || (how.empty() && all.empty()) ? joined(any) : all;
    }

    int64_t& work_;
};

}  // namespace

std::optional<std::vector<Piece>> pieces_of(const Node& node, int64_t& work) { return Reader(work).set(node); }

}  // namespace r1::mathematics
