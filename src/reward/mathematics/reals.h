// Sets of reals as the mathematics grader meets them: intervals, unions, inequalities with one variable, {x | ...}.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "reward/mathematics/parse.h"

namespace r1::mathematics {

// 1, -1 for \infty, -\infty, else 0.
int infinite(const Node& node);
// What is compared part by part, and not computed.
bool is_container(const Node& node);
// a < b is b > a.
Node reversed(const Node& relation);

struct Interval {
    Node low, high;
    bool has_low = false, has_high = false;  // the end belongs to it
};

// The intervals that a text names, as they were written, with ends of any kind: (0, \sqrt 2), x < \pi, a union of such.
// None if it is nothing of the sort.
std::optional<std::vector<Interval>> intervals_of(const Node& node);

// An interval whose ends are rational or infinite.
struct Piece {
    std::optional<Rational> low, high;  // none: infinite
    bool has_low = false, has_high = false;
    bool operator==(const Piece&) const = default;
};

// The same set in one way only: pieces in order, none touching the next. Also of unions, intersections, differences,
// sets of points, |x - a| < b, and conditions that "and", "or" or a comma join. A comma is "and" where some number
// satisfies all, else "or": 0 < x < 2, x \ne 1 and x < -1, x > 3. None if it is nothing of the sort, or an end is not
// rational.
std::optional<std::vector<Piece>> pieces_of(const Node& node, int64_t& work);

}  // namespace r1::mathematics
