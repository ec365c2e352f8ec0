// The form that R1 answers in: the thinking, then a summary for the reader which has the answer in a box.
#pragma once
#include <string>
#include <string_view>

namespace r1 {

// A response of R1-Zero's in that form, for the cold start [R1v1 section 2.3.1]. The thinking stays as it is, but for
// white space at its ends; the summary is one sentence in the prompt's language, Chinese or else English. Where the
// paper has a large model and people rewrite, this is a rule, so that nothing is learned from anywhere else.
//
//   <think> try 3 + 8 = 11 yes</think><answer> 3 + 8</answer>,  answer "3 + 8"
//   <think> try 3 + 8 = 11 yes</think> The answer is \boxed{ 3 + 8}.         zh: 答案 是 \boxed{ 3 + 8}。
//
// The blank in the box makes its tokens those of the thinking, so that a small model can copy them.
std::string in_r1_form(std::string_view response, std::string_view answer, std::string_view language);

}  // namespace r1
