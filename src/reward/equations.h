// The arithmetic that a text writes out: how often it is right. Nothing is rewarded by it; it tells whether a model is
// ready for reinforcement learning, which teaches one whose arithmetic is wrong nothing.
#pragma once
#include <cstdint>
#include <string_view>

namespace r1 {

struct EquationCount {
    int64_t all = 0, right = 0;
};

// Equations of two whole numbers, a o b = c with o one of + - * x × and c a whole number, with or without blanks. Their
// numbers have at most nine digits. An operation before a or after b (as in 1 + 2 + 3 = 6) makes it none of these.
//
//   try 3 + 8 = 11 11 * 3 = 33 yes          2, 2 right
//   3+8=12, 5 - 7 = -2                      2, 1 right
//   3 + 8 = big                             none
EquationCount equations_in(std::string_view text);

}  // namespace r1
