// The mathematics grader: is an answer, as a model writes it in LaTeX or plain text, equal to the reference of a data
// set? It would rather miss a match than accept a wrong answer. What it decides, with answer and reference:
//
//   numbers      0.5, .5, 1/2, \frac12, \dfrac{1}{2}, 50%, 0.\overline{3} and 1/3, 1 1/2 and \frac32, 1.2 \times 10^3:
//                exact fractions. Nothing is rounded: 0.333 is not 1/3, 3.14 is not \pi.
//   thousands    1,234 and 1{,}234 and 1,\!234 and 1\,234 are 1234; "1, 234" (a blank) is a list; (1,234) is a pair.
//                Where the reference is a list, 1,234 may be one too.
//   constants    \sqrt{8} = 2\sqrt2, 1/(1+\sqrt2) = \sqrt2-1, i^2 = -1, \pi, e, \log_2 8 = 3, \sin 30^\circ = 1/2,
//                exactly. \log is base 10, \ln is base e, \sqrt[3]{-8} is -2, 2^3^2 is 2^9, x^10 is x^{10}.
//   algebra      (x+1)^2 = x^2+2x+1 by expansion, exactly. Quotients by cross-multiplication, so (x^2-1)/(x-1) is x+1,
//                equal wherever both are defined. \sqrt{x^2} is |x|, not x. x, X and x_1 are different; e and i are
//                always the constants.
//   functions    what expansion leaves open is computed to 154 digits, with variables at 40 fixed points, and the
//                verdict says "not proven": \sin^2 x + \cos^2 x is 1. Where one is defined and the other is not, they
//                are not equal: \ln(x^2) is not 2\ln x.
//   names        "x = 5" and "5" are equal, "x = 5" and "y = 5" are not. Of a reference "y = 2x+1" the name must be
//                given, of "f(x) = 2x+1" not. Equations are equal if one is a number times the other: 2y = 4x+2.
//   units        5 cm, 5\text{ cm} and 5 are equal: a unit may be missing on either side but not contradict. Nothing is
//                converted: 5 cm is not 50 mm, 30^\circ is not \pi/6. Words that are no known unit must agree, and so
//                must letters that follow the reference's number at once (3km may be 3 k m).
//   percent      50% is 0.5. A reference 50% also accepts 50; a reference 50 does not accept 50%.
//   lists        "1, 2 and 3": in any order, the same number of times; also against \{1,2,3\}; \pm 2 is "2, -2".
//                "3 or 4" is a list too, never a choice.
//   brackets     (1,2), [1,2], [1,2) and \{1,2\} are four things; only sets are free of order (and of repetition).
//                Unions in any order, but [0,1] \cup [1,2] is not [0,2], nor "x > 2" (2,\infty). Matrices by entries;
//                a column is no point.
//   the rest     2:3 and 3:30 literally (2:3 is not 4:6), 1011_2 by digits and base (not 11, not 1011), (C) and C and
//                \text{(C)}, words without regard to case: \text{Yes} and "yes". "the answer is 5" are words, not 5.
//
// Refused, because it could be read in two ways: 1/2x, \sin x/2, 2e-3 (1.5e-3 and 1e-3 are scientific notation), 2 3/2,
// \pm a \pm b. Bounds: 4096 bytes, 64 levels of nesting, 20,000 bits in an integer, a fixed amount of work. Any bytes.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "reward/verdict.h"

namespace r1 {

// What stands in the last \boxed{...} or \fbox{...}; \{ and \} do not count as braces. Of nested boxes, the inner one.
//
//   so \boxed{1}, no, \boxed{\frac{1}{2}}.    "\frac{1}{2}"
//   \boxed{1} and \boxed{ }                   ""       trimmed; no falling back to an earlier one
//   \boxed{1} and \boxed{2                    none     the last one never closes
std::optional<std::string_view> extract_boxed(std::string_view text);

// The answer in a data set's own solution: after the last "####" to the end of its line [GSM8K], else the last box
// [MATH], which there may also read "\boxed 5$".
std::optional<std::string_view> reference_answer(std::string_view solution);

// The right answer, parsed once.
class MathReference {
public:
    // Throws through fail() if the text cannot be understood, has no value (1/0) or is beyond the bounds above: an
    // error in the data set, never a reward. `where` says which row it is.
    static MathReference parse(std::string_view text, const std::string& where);

    // If the answer holds a \boxed{...}, the last one is the answer. With the reference \frac{1}{3}:
    //
    //   2/6         correct      "equal"
    //   x = 1/3     correct      "equal"
    //   0.333       not correct  "gives 333/1000, not 1/3"
    //   1/0         not correct  "divides by zero"
    //   one third   not correct  "cannot be read as mathematics: a word"
    Verdict grade(std::string_view answer) const;

private:
    struct Parsed;
    std::shared_ptr<const Parsed> parsed_;
};

}  // namespace r1
