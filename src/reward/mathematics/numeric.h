// Evaluation to 1152 bits for the mathematics grader, where exact algebra leaves open whether two values are equal.
#pragma once
#include <cstdint>
#include <string>

#include "reward/mathematics/parse.h"

namespace r1::mathematics {

enum class Agreement {
    equal,      // at `points` points, both defined and equal to 154 digits
    different,  // somewhere not, or one is defined where the other is not
    unknown     // cannot be computed, is defined at too few points, or there was too much work
};

struct Comparison {
    Agreement agreement = Agreement::unknown;
    int points = 0;
};

// Compares the two as functions of their variables. Nothing of this is a proof; the points, the same in every run, are
// chosen by what stands in the two:
//
//   always             40, near 0 and as far away as the numbers in the two suggest, with all combinations of signs of
//                      three variables
//   4 to 6 variables   every combination of signs; of more, 64 that are drawn
//   floors, ceilings   whole numbers and halves: of one variable all from -4 1/2 to 17
//   |...|, even roots, where the inside is 0, of degree 1 or 2 in a variable, and between each two neighbours:
//   \max, \min         |x-3| + |x-4| and |2x-7| differ from 3 to 4 alone
//   n!, binomials,     whole numbers from 0 on, and nothing else: there the variables are such
//   (-1)^n
//   \bar z             complex numbers
//
// At single points (whole numbers, zeros) a value that only one of the two lacks does not count: x/x and 1. Without
// variables there is one point. Values beyond 2^128 are not computed: \sqrt{10^{200}+1} is near 10^{100}.
Comparison compare(const Node& a, const Node& b, int64_t& work);

}  // namespace r1::mathematics
