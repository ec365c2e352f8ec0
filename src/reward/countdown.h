// The Countdown grader: does an expression use every given number exactly once, and does it give the target?
//
// The grammar, which is all that is accepted (ASCII; blanks, tabs and line ends between symbols are free):
//
//   sum      = product { ("+" | "-") product }        evaluated from the left, as on paper
//   product  = factor { ("*" | "/") factor }
//   factor   = number | "(" sum ")"
//   number   = "0" | digit 1 to 9 { digit }
//
// So there is no power (2**3), no floor division (7//2), no sign (-3, 5--3), no decimal point (1.5), no exponent
// (1e3), no product without its "*" (2(3)), no × or ÷, and nothing before or after ("x = 33", "33 = ..."). Values
// are exact fractions: 7/3*3 is 7. At most 256 bytes and 32 open parentheses; time linear in the text; any bytes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reward/verdict.h"

namespace r1 {

// With the numbers 3, 7, 12 and the target 33:
//
//   12 + 7 * 3    correct      "gives 33"
//   (12 + 7) * 3  not correct  "gives 57, not 33"
//   12 / 7 * 3    not correct  "gives 36/7, not 33"
//   7 + 7 * 3     not correct  "uses 7 twice, which is given once"
//   12 + 21       not correct  "uses 21, which is not given"
//   12 + 7        not correct  "does not use 3"
//   12 / (7 - 7)  not correct  "uses 7 twice, which is given once"   (the numbers are looked at first)
//   12 + 7 ** 3   not correct  "'*' at character 9 does not belong there"
Verdict grade_countdown(std::string_view expression, const std::vector<int>& numbers, int target);

// For majority voting, without looking at the target: two expressions get the same vote if they are equal as
// algebra. Every number n is replaced by a fixed random element of the field of integers modulo 2^61 - 1, and the
// vote is the value there. Formulas that are not equal meet by accident with a probability below 2^-50.
//
//   3 + 8 * 2 and 2 * 8 + 3    the same vote            4 * 4 and 8 + 8    two votes, though both give 16
//
// No vote: what the grammar above refuses, and what divides by zero.
std::optional<uint64_t> countdown_vote(std::string_view expression);

}  // namespace r1
