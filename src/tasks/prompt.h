// How a question is put to a model.
#pragma once
#include <string>
#include <utility>
#include <vector>

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

}  // namespace r1
