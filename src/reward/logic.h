// Logic puzzles, judged by a checker: variables with a few values each, and formulas that must all hold. No solution is
// stored, so every assignment that keeps the constraints is right.
//
//   {"variables": {"Ann": ["knight", "knave"], "Bob": ["knight", "knave"]},
//    "constraints": [["iff", ["is", "Ann", "knight"], ["different", "Ann", "Bob"]]]}
//
// A formula is a list: ["is", variable, value], ["not", f], ["and", f, g, ...], ["or", f, g, ...], ["if", f, g] (false
// only where f holds and g does not), ["iff", f, g], ["different", variable, variable], ["same", variable, variable].
// The last two compare the values' texts. At most 64 variables with 64 values each, formulas 32 deep with 4096 parts in
// all.
//
// An answer names every variable once, each followed by its value. Between them stand blanks, line ends, commas,
// semicolons, colons, equals signs and full stops, also the Chinese ones, and the words is, a and 是. Names and values
// are found as they are given, the longest first, without regard to the case of ASCII letters, and as whole words:
// "Anna" is not Ann. Anything else makes the answer unreadable.
//
//   Ann knight Bob knave                correct      "all 1 constraints hold"
//   ann: Knight, bob: KNAVE.            correct
//   Bob=knave; Ann=knight               correct
//   Ann is a knight, Bob is a knave     correct
//   Ann knight, Bob knight              not correct  "constraint 1 does not hold"
//   Ann knight                          not correct  "no value for variable 2"
//   Ann knight, Ann knave, Bob knave    not correct  "variable 1 twice"
//   Ann knight and Bob knave            not correct  "unreadable at character 12"
//
// and with names and values in Chinese:   安是骑士，鲍勃是无赖
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "reward/verdict.h"

namespace r1 {

struct LogicVariable {
    std::string name;
    std::vector<std::string> values;
};

struct LogicFormula {
    enum Kind { is, negation, all, any, implies, equivalent, different, same };
    Kind kind = is;
    int variable = 0, other = 0;           // is: the variable, and which of its values; different, same: two variables
    std::vector<LogicFormula> parts = {};  // of the other kinds
};

struct LogicPuzzle {
    std::vector<LogicVariable> variables;
    std::vector<LogicFormula> constraints;
};

// Reads "variables" and "constraints" of a line. Error, in one line that says where, for whatever is malformed.
LogicPuzzle logic_puzzle_of(const json& line, const std::string& where);

// Whether a formula, or every constraint, holds for an assignment: value[v] is which of its values variable v has.
bool holds(const LogicPuzzle& puzzle, const LogicFormula& formula, const std::vector<int>& value);

// Whether some assignment keeps all constraints. None where there are more than a million, which are not tried.
std::optional<bool> satisfiable(const LogicPuzzle& puzzle);

// The assignment that an answer gives, or none with what is wrong with it in *fault. Any bytes; more than 16 KiB are
// refused.
std::optional<std::vector<int>> assignment_of(const LogicPuzzle& puzzle, std::string_view answer, std::string* fault);

Verdict grade_logic(const LogicPuzzle& puzzle, std::string_view answer);

// What remains of an answer without its separators and fillers, in small letters. Answers with the same remains give
// the same assignment in the same order.
std::string logic_vote(std::string_view answer);

}  // namespace r1
