// Evaluation to 1152 bits for the mathematics grader, where exact algebra leaves open whether two values are equal.
#pragma once
#include <cstdint>
#include <string>

#include "reward/mathematics/parse.h"

namespace r1::mathematics {

enum class Agreement {
    equal,      // at `points` points, both defined and equal to 154 digits
    different,  // somewhere not, or one is defined where the other is not
    unknown     // cannot be computed, or is defined at too few points
};

struct Comparison {
    Agreement agreement = Agreement::unknown;
    int points = 0;
};

// Compares the two as real functions of their variables, at 40 fixed points, near 0 and as far away as the numbers in
// the two suggest, with all combinations of signs. Without variables there is one point. Values beyond 2^128 are not
// computed: \sqrt{10^{200}+1} is near 10^{100}.
Comparison compare(const Node& a, const Node& b, int64_t& work);

}  // namespace r1::mathematics
