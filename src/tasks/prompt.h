// How a question is put to a model.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "reward/extract.h"
#include "text/chat.h"

namespace r1 {

// Plain, the paper's template for R1-Zero [R1v1 Table 1], or the model's own chat template.
enum class PromptTemplate { plain, r1_zero, chat };

// Their names, as options have them.
inline const std::vector<std::pair<const char*, PromptTemplate>> TEMPLATE_NAMES = {
    {"plain", PromptTemplate::plain}, {"r1-zero", PromptTemplate::r1_zero}, {"chat", PromptTemplate::chat}};

// The conversation that asks the question. Under r1_zero this is to be rendered as plain, which gives the paper's text;
// its full stop after the question is left out where the question has a mark of its own.
std::vector<Message> conversation(PromptTemplate prompt_template, const std::string& question);

// What a chat says after the question: where the answer is to stand, with what there is to give; "" for a summary.
//
//   tags     Think within <think> </think> tags, then give the expression within <answer> </answer> tags.
//   boxed    Please reason step by step, and put your final answer within \boxed{}.
//
// chinese: 请先在 <think> </think> 标签内思考，再在 <answer> </answer> 标签内给出算式。 请逐步推理，并将最终答案放入 \boxed{}。
std::string answer_instruction(AnswerForm form, const std::string& result, bool chinese);

}  // namespace r1
