// Where a text that keeps no form may have its answer, and how that may be meant: for evaluation alone, beside the
// strict reading, and never for a reward.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace r1::mathematics {

// The texts that may be the answer, the likeliest first, each without blanks around it.
//
// The place is one, the first of these that there is:
//
//   the sentence behind the last "final answer" or "answer is", if no box stands behind that
//   the last box; with those before it, as a list, where a few words at most stand between: \boxed{1} and \boxed{2}
//   the last $...$, $$...$$, \(...\), \[...\], or row of an align environment, unless a number follows in a later
//   sentence
//   the last number, with its sign, fraction, decimals and percent sign
//
// Of what stands there: all of it, what follows it in its sentence included ($28$ percent); without that; the last side
// of a = b = c, and of a = b \approx c both b and c, but not of 2x = 5, which is to be solved; with a decimal comma as
// a point (2,74), thousands joined (1 000), and \\frac as \frac.
//
//   so $x = 2 + 3 = 5$ hours      x = 2 + 3 = 5 hours; x = 2 + 3 = 5; 5
//   It costs 2,74 $ a day         2.74
std::vector<std::string> lenient_answers(std::string_view text);

}  // namespace r1::mathematics
