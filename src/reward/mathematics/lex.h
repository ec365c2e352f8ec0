// The tokens of a mathematical text, LaTeX or plain, for the mathematics grader.
#pragma once
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reward/mathematics/rational.h"

namespace r1::mathematics {

enum class Token_kind { number, based, letter, word, command, sign, end };

struct Token {
    Token_kind kind = Token_kind::end;
    std::string text;
    Rational number;
    bool spaced = false;  // white space before it
    bool roman = false;   // inside \text{} or \mathrm{}
};

struct Tokens {
    std::vector<Token> list;  // a token `end` is the last one
    std::string error;        // empty, or why this is no text of mathematics
    bool separators = false;  // a comma was taken for a thousands separator
};

// How a text is read where it can be read in two ways.
struct Reading {
    bool thousands = true;  // 1,234 is a number; else a list of two
    bool letters = false;   // a run of letters outside \text{} is a product: ax + by; else it may be a word or a unit
};
Tokens tokenize(std::string_view text, Reading reading);

std::string lower(std::string_view text);  // ASCII

// The one spelling of a unit: "centimeter" for cm; "" if it is not known.
std::string_view unit_name(const std::string& word);

using Pair = std::pair<std::string_view, std::string_view>;

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
template <size_t n>
bool one_of(std::string_view text, const std::array<std::string_view, n>& list) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

template <size_t n>
std::string_view look_up(std::string_view text, const std::array<Pair, n>& table) {
    const auto at = std::find_if(table.begin(), table.end(), [&](const Pair& pair) { return pair.first == text; });
    return at == table.end() ? std::string_view() : at->second;
}

// Commands, also without a backslash.
inline constexpr auto functions = std::to_array<std::string_view>(
    {"sin", "cos", "tan",   "cot",  "sec",  "csc",  "arcsin", "arccos",  "arctan",  "log",    "ln",
     "exp", "abs", "floor", "ceil", "sqrt", "sinh", "cosh",   "tanh",    "coth",    "sech",   "csch",
     "lg",  "Re",  "Im",    "gcd",  "lcm",  "max",  "min",    "arcsinh", "arccosh", "arctanh"});
// Other spellings of functions that may stand without a backslash.
inline constexpr auto function_spellings =
    std::to_array<std::string_view>({"arsinh", "arcosh", "artanh", "asinh", "acosh", "atanh"});
inline constexpr auto of_several = std::to_array<std::string_view>({"gcd", "lcm", "max", "min"});
inline constexpr auto greek = std::to_array<std::string_view>(
    {"alpha", "beta",  "gamma", "delta",  "epsilon", "zeta",  "eta",     "theta", "iota", "kappa", "lambda",
     "mu",    "nu",    "xi",    "rho",    "sigma",   "tau",   "upsilon", "phi",   "chi",  "psi",   "omega",
     "Gamma", "Delta", "Theta", "Lambda", "Xi",      "Sigma", "Phi",     "Psi",   "Omega"});

}  // namespace r1::mathematics
