#include "tasks/prompt.h"

namespace r1 {

std::vector<Message> conversation(PromptTemplate prompt_template, const std::string& question) {
    if (prompt_template != PromptTemplate::r1_zero) return {{"user", question}};
    const bool marked = !question.empty() && std::string(".?!").find(question.back()) != std::string::npos;
    return {{"system",
             "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
             "assistant first thinks about the reasoning process in the mind and then provides the user with the "
             "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
             "tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."},
            {"user", question + (marked ? "" : ".")}};
}

}  // namespace r1
