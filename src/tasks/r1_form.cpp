#include "tasks/r1_form.h"

#include "reward/extract.h"
#include "reward/language.h"

namespace r1 {

std::string in_r1_form(std::string_view response, std::string_view answer, std::string_view language) {
    const bool chinese = language == "zh";
    const std::string thinking(trimmed(reasoning(response)));
    const std::string box = "\\boxed{ " + std::string(trimmed(answer)) + "}";
    return "<think> " + thinking + "</think>" + (chinese ? " 答案 是 " + box + "。" : " The answer is " + box + ".");
}

}  // namespace r1
