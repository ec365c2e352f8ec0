// Logic: a puzzle whose answer is checked against its constraints.
//
//   {"prompt": "...", "variables": {"Ann": ["knight", "knave"], ...}, "constraints": [["is", "Ann", "knight"], ...]}
//
// src/reward/logic.h has the formulas and what answers look like. A puzzle that nothing solves cannot be graded, which
// is found out where there are at most a million assignments.
#include "reward/logic.h"

#include <memory>

#include "tasks/problem.h"

namespace r1 {

namespace {

bool is_logic(const json& line) { return line.contains("variables") || line.contains("constraints"); }

Problem read_logic(const json& line, const std::string& where) {
    const std::string question = question_text(line, "prompt", where);
    const auto puzzle = std::make_shared<const LogicPuzzle>(logic_puzzle_of(line, where));
    if (satisfiable(*puzzle) == false)
        throw UngradableReference("a puzzle that no assignment solves, " + where +
                                  ", correct its constraints or leave the row out");
    const auto grade = [puzzle](std::string_view answer) {
        const Verdict v = grade_logic(*puzzle, answer);
        return Accuracy{v.correct ? 1.0f : 0.0f, v.reason};
    };
    json names = json::array();
    for (const LogicVariable& variable : puzzle->variables) names.push_back(variable.name);
    return {&logic_kind,
            [question](PromptTemplate) { return question; },
            grade,
            {{"variables", names}, {"constraints", puzzle->constraints.size()}}};
}

// The same names and values in the same order; another order of the names is another vote.
std::function<bool(std::string_view)> same_logic(std::string_view answer) {
    return [vote = logic_vote(answer)](std::string_view other) { return logic_vote(other) == vote; };
}

}  // namespace

const ProblemKind logic_kind = {
    .name = "logic",
    .example =
        "{\"prompt\": \"...\", \"variables\": {\"Ann\": [\"knight\", \"knave\"]}, \"constraints\": [[\"is\", \"Ann\", "
        "\"knight\"]]}",
    .recognises = is_logic,
    .read = read_logic,
    .result = "the value of each name, as Ann: knight, Bob: knave,",
    .chinese_result = "每个名字的取值（例如“安：骑士，鲍勃：无赖”）",
    .chat_form = AnswerForm::tags,
    .same_as = same_logic};

}  // namespace r1
