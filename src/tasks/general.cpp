// General prompts, which have no reference: whatever people ask. In reinforcement learning a reward model says what
// their answers are worth, if there is one for their set; otherwise what is graded here does. Evaluation always grades.
//
//   {"prompt": "Tell me about cats."}
//   {"prompt": "How do I pick a lock?", "set": "safe"}                            judged by the reward model for safety
//   {"prompt": "Name three pets.", "rubric": [{"any": ["cat", "dog", "fish"], "at_least": 3}, {"words_at_most": 12}]}
//
// A line is general if it has a "prompt" and no key of another kind. The answer is the summary, all that stands after
// the thinking, under every template. Its accuracy is the rubric's score (src/reward/rubric.h), and 0 without a rubric.
#include <memory>

#include "reward/rubric.h"
#include "tasks/problem.h"

namespace r1 {

namespace {

bool is_general(const json& line) {
    for (const char* key : {"reference", "answer", "solution", "tests", "variables", "constraints", "choices",
                            "options", "numbers", "nums", "target"})
        if (line.contains(key)) return false;
    return line.contains("prompt");
}

Problem read_general(const json& line, const std::string& where) {
    const std::string question = question_text(line, "prompt", where);
    std::string set = "helpful";
    if (line.contains("set")) {
        const json& given = line["set"];
        if (given != "helpful" && given != "safe")
            fail("\"set\" is neither helpful nor safe", where, "write one of them or leave it out");
        set = given.get<std::string>();
    }
    const bool has_rubric = line.contains("rubric");
    const auto rubric = std::make_shared<const Rubric>(has_rubric ? rubric_of(line["rubric"], where) : Rubric());
    const auto grade = [rubric](std::string_view answer) {
        if (rubric->empty()) return Accuracy{0, "no rubric"};
        const RubricScore s = rubric_score(*rubric, answer);
        return Accuracy{float(s.score), s.reason};
    };
    Problem problem{&general_kind,
                    [question](PromptTemplate) { return question; },
                    grade,
                    {{"set", set}, {"rubric", rubric->size()}}};
    problem.set = set;
    problem.has_rubric = has_rubric;
    return problem;
}

std::function<bool(std::string_view)> same_text(std::string_view answer) {
    return [text = std::string(answer)](std::string_view other) { return other == text; };
}

}  // namespace

const ProblemKind general_kind = {.name = "general",
                                  .example = "{\"prompt\": \"...\"}",
                                  .recognises = is_general,
                                  .read = read_general,
                                  .result = "",
                                  .chinese_result = "",
                                  .chat_form = AnswerForm::summary,
                                  .same_as = same_text,
                                  .judged_by_model = true};

}  // namespace r1
