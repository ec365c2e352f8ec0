// The mathematics grader: is an answer, as a model writes it in LaTeX or plain text, equal to the reference of a data
// set? It would rather miss a match than accept a wrong answer. What it decides, with answer and reference:
//
//   numbers      0.5, .5, 1/2, \frac12, {1 \over 2}, 50%, 0.\overline{3}, 0.\dot3, 0.(3) and 1/3, 1 1/2 and \frac32,
//                1.2 \times 10^3: exact fractions. Nothing is rounded: 0.333 is not 1/3, 3.14 is not \pi.
//   thousands    1,234 and 1{,}234 and 1,\!234 and 1\,234 are 1234, and 1 234 567 is 1234567; "1, 234" (a blank) is a
//                list; (1,234) is a pair. Where the reference is a list, 1,234 may be one too.
//   constants    \sqrt{8} = 2\sqrt2, 1/(1+\sqrt2) = \sqrt2-1, i^2 = -1, \pi, e, \log_2 8 = 3, \sin 30^\circ = 1/2,
//                exactly. \log is base 10, \ln is base e, \sqrt[3]{-8} is -2, 2^3^2 is 2^9, x^10 is x^{10}; \gcd,
//                \max, \binom, C_5^2, 5!!, sums and products between numbers, determinants.
//   algebra      (x+1)^2 = x^2+2x+1 by expansion, exactly. Quotients by cross-multiplication, so (x^2-1)/(x-1) is x+1,
//                equal wherever both are defined. \sqrt{x^2} is |x|, not x. x, X and x_1 are different; e and i are
//                always the constants.
//   functions    what expansion leaves open is computed to 154 digits, with variables at points (numeric.h says which),
//                and the verdict says "not proven": \sin^2 x + \cos^2 x is 1. Where one is defined and the other is
//                not, they are not equal: \ln(x^2) is not 2\ln x. With factorials, binomials, \gcd, (-1)^n and sums or
//                products to n variables are whole numbers, and so are n, m, k alone under a floor; \bar z has
//                complex ones. F(x) + C is G(x) + C where F - G is constant. f(...) is a function, and g(x), but
//                h(a+b) is a product.
//   letters      ax+by is a product, and words are words: "yes" is not y e s. A text is read both ways, and both texts
//                must be equal in one and the same way. SAS and other runs of three capitals are words.
//   names        "x = 5" and "5" are equal, "x = 5" and "y = 5" are not; so are "AB = 5", "m + n = 5", "\angle A = 5",
//                "P(X = 2) = 5", but not "x + 1 = 5": before the sign stands no number. "x = 1, 2" is 1 and 2;
//                "x = 1, y = 2" is (1,2), and "1, 2" in that order. Of a reference "y = 2x+1" the name must be given,
//                of "f(x) = 2x+1" not. Equations are equal if one is a number times the other: 2y = 4x+2.
//                \frac{dy}{dx} is y'. "2k\pi, k \in \mathbb Z" may have another letter for k, and go without saying.
//   units        5 cm, 5\text{ cm} and 5 are equal: a unit may be missing on either side but not contradict. Nothing is
//                converted: 5 cm is not 50 mm, 30^\circ is not \pi/6. Outside \text{} a run of letters is a unit
//                behind a number alone (3 mg); behind other constants only one that cannot be sizes (2\pi cm, not
//                2\pi hr).
//                One to three other words behind a number are a noun, which may be missing too: 5 eggs. Not words of
//                logic: 5 or more. 5 million is 5000000, "five" is 5, 5 squared is 25. 2 h 30 min is two sums.
//   percent      50% is 0.5. A reference 50% also accepts 50; a reference 50 does not accept 50%.
//   lists        "1, 2 and 3": in any order, the same number of times; also against \{1,2,3\}; \pm 2 is "2, -2".
//                "3 or 4" is a list too, never a choice.
//   brackets     (1,2), [1,2], [1,2) and \{1,2\} are four things; only sets are free of order (and of repetition).
//                Matrices by entries; a column is no point, but may be \langle 1,2\rangle, as may (1,2); A(1,2) is
//                (1,2); ]0,1[ is (0,1).
//   sets         Intervals, unions, intersections, differences, inequalities with one variable, |x - a| < b,
//                \{x | ...\} and \mathbb R are equal as sets of reals: "x > 2" is (2,\infty), "x \ne 0" is
//                (-\infty,0) \cup (0,\infty), [0,1] \cup [1,2] is [0,2]. With ends that are not rational pieces are
//                compared as they are written. Other inequalities are not solved: x^2 < 4 is not (-2,2).
//   congruences  n \equiv 2 \pmod 5 by modulus and residue; 17 \bmod 5 is 2; of a reference 2 \pmod 5 the modulus may
//                be missing, of an answer to 2 not.
//   the rest     2:3 and 3:30 literally (2:3 is not 4:6, 3:05 is not 3:5), 1011_2 by digits and base (not 11, nor
//                1011), (C) and C and \text{(C)}, words without regard to case: \text{Yes} and "yes". "the answer is 5"
//                are words, not 5. As references "proof", "not found" and sentences of eight words are refused.
//
// Refused, because it could be read in two ways: 1/2x, \sin x/2, 2e-3 (1.5e-3 and 1e-3 are scientific notation), 2 3/2,
// \pm a \pm b. Bounds: 4096 bytes, 64 levels of nesting, 20,000 bits in an integer, a fixed amount of work. Any bytes.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reward/verdict.h"

namespace r1 {

// What stands in the last \boxed{...} or \fbox{...}; \{ and \} do not count as braces. Of nested boxes, the inner one.
// \boxed5 holds 5.
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
    //   a third     not correct  "cannot be read as mathematics: a word"
    Verdict grade(std::string_view answer) const;

    // For evaluation alone, never a reward: the answer wherever a text without a box has it (lenient.h says where), the
    // last side of a chain of equalities, decimals of two digits and more as roundings (0.33 is 1/3, 3.14 is \pi),
    // decimal commas, names left out, other brackets, repetitions in lists. Right wherever grade() is.
    Verdict grade_leniently(std::string_view text) const;
    // A reference that grade_leniently() reads in the same way, for texts that are no bare answers. Throws as parse().
    static MathReference parse_leniently(std::string_view text, const std::string& where);

private:
    struct Parsed;
    Verdict compare(std::string_view answer, bool lenient) const;

    std::shared_ptr<const Parsed> parsed_;
    std::vector<std::shared_ptr<const Parsed>> others_;  // its lenient readings
};

}  // namespace r1
