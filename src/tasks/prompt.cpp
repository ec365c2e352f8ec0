#include "tasks/prompt.h"

namespace r1 {

std::vector<Message> conversation(PromptTemplate prompt_template, const std::string& question) {
    if (prompt_template != PromptTemplate::r1_zero) return {{"user", question}};
    bool marked = false;
    for (const char* mark : {".", "?", "!", "。", "？", "！"}) marked |= question.ends_with(mark);
    return {{"system",
             "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
             "assistant first thinks about the reasoning process in the mind and then provides the user with the "
             "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
             "tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."},
            {"user", question + (marked ? "" : ".")}};
}

std::string answer_instruction(AnswerForm form, const std::string& result, bool chinese) {
    switch (form) {
        case AnswerForm::tags:
            if (chinese)
                return "请先在 <think> </think> 标签内思考，再在 <answer> </answer> 标签内给出" + result + "。";
            return "Think within <think> </think> tags, then give " + result + " within <answer> </answer> tags.";
        case AnswerForm::boxed:
            if (chinese) return "请逐步推理，并将" + result + "放入 \\boxed{}。";
            return "Please reason step by step, and put " + result + " within \\boxed{}.";
        case AnswerForm::summary: break;
    }
    return "";
}

}  // namespace r1
