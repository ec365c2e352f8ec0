// Countdown: an expression of given numbers, each used exactly once, that gives a target.
//
//   {"numbers": [3, 7, 12], "target": 33}        + - *
//   {"nums": [3, 7, 12], "target": 33}           and then also division   [Countdown-Tasks-3to4]
//   {"numbers": [3, 7, 12], "target": 33, "language": "zh"}               asked in Chinese
#pragma once
#include <string>
#include <vector>

#include "tasks/problem.h"

namespace r1 {

struct CountdownProblem {
    std::vector<int> numbers = {};  // in the order of the prompt
    int target = 0;
    bool divides = false;  // the prompt offers division too (the grader always knows it)
    bool chinese = false;  // the question is asked in Chinese
};

Problem problem_of(const CountdownProblem& problem);

// The question: "3 7 12 make 33." where the template is plain, and otherwise
//
//   Using the numbers 3, 7, 12, make 33. Use each number exactly once, with + - *.         (+ - * / if divides)
//
// In Chinese: "用 3 7 12 得 33。", and otherwise
//
//   用数字 3、7、12 算出 33。每个数字恰好用一次，可以用 + - *。
std::string countdown_question(const CountdownProblem& problem, PromptTemplate prompt_template);

// 1 for a right expression, else 0.
Accuracy countdown_accuracy(const CountdownProblem& problem, std::string_view answer);

}  // namespace r1
