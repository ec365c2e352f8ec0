// What a response says: its answer, whether it keeps the format, and how often it reflects. Time linear in the text;
// tags are matched byte by byte, so <Think> is not a tag.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace r1 {

// Where a response has its answer: between <answer> tags, as R1-Zero writes it; in a \boxed{} after the thinking, as
// the released R1 answers mathematics; or all of the text after the thinking, which the paper calls the summary. What
// the examples below say of `tags` is the rule unless another form is asked for.
enum class AnswerForm { tags, boxed, summary };

// Without the white space (blank, tab, carriage return, line feed) at both ends.
std::string_view trimmed(std::string_view text);

// The answer: in the text after the LAST </think>, what stands between the last </answer> and the last <answer>
// before it, trimmed. What was written while thinking is never an answer. The view points into `response`.
//
//   <think> 3 + 8 </think><answer> 11 * 3 </answer>              "11 * 3"
//   <think> <answer>1</answer> </think> <answer>2</answer>       "2"      the one inside <think> does not count
//   </think> <answer>1</answer> hm <answer>2</answer>            "2"      the last one counts
//   </think> <answer>1</answer> hm <answer>2                     "1"      the second one never ends
//   </think> <answer>1</answer> <answer> </answer>               ""       no falling back to an earlier one
//   <think> 1 <answer>1</answer>                                 none     never stopped thinking
//   </think> <answer>1</answer> </think> 2                       none     nothing after the last </think>
//
// boxed: the last \boxed{} (see mathematics/grade.h) after the last </think>; of a response with neither <think> nor
// </think>, of all of it.
//
//   <think> \boxed{1} </think> So \boxed{2}.                      "2"
//   So \boxed{2}.                                                "2"      a model that does not think in tags
//   <think> \boxed{1}                                            none     never stopped thinking
//
// summary: the text after the last </think>, trimmed; of a response with neither <think> nor </think>, all of it.
//
//   <think> A cat? </think> Cats sleep.                          "Cats sleep."
//   Cats sleep.                                                  "Cats sleep."
//   <think> A cat? Cats sleep.                                   none     never stopped thinking
std::optional<std::string_view> extract_answer(std::string_view response, AnswerForm form = AnswerForm::tags);

// What stands between the last </answer> of a text and the last <answer> before it, trimmed, wherever the text is from.
std::optional<std::string_view> extract_tagged(std::string_view text);

// The format: <think> ... </think> <answer> ... </answer>, each of the four tags exactly once, in this order, white
// space alone before, between the two blocks and after, and an answer that is not empty. With think_opened the
// prompt has ended in <think> already, so the response must go on from there and not open it again.
// If the format is not kept and reason is not null, *reason says why.
//
//   <think> 3 </think> <answer> 3 </answer>        kept
//   <think></think><answer>3</answer>              kept        there is no duty to think
//   3 </think> <answer> 3 </answer>                "<think> is missing"; kept with think_opened
//   <think> 3 </think> so <answer> 3 </answer>     "text between </think> and <answer>"
//   <think> 3 </think> <answer> 3 </answer> ok     "text after </answer>"
//   <think> <answer> 3 </think> </answer>          "the tags are not in order"
//
// boxed: <think> ... </think> once each and in order, nothing but white space before, and a box that is not empty after.
// summary: the same with a summary that is not empty in place of the box.
bool format_ok(std::string_view response, std::string* reason = nullptr, bool think_opened = false,
               AnswerForm form = AnswerForm::tags);

// How often the words wait, mistake, however, but, retry, error, verify, wrong, evaluate, check stand in the text
// [R1v2 C.2], in any case, as whole words: "Wait, check it: wait." has 3, "waiting, unchecked" none.
//
// Chinese is written without blanks, so there a word is found wherever it stands, of several at one place the longest:
// 等等, 等一下, 错, 错误, 但是, 不过, 然而, 重试, 重新, 检查, 验证, 核对. 错 does not count in 不错 and 没错, which
// approve, and 等 by itself, which mostly says "and so on", counts where no letter or digit stands beside it.
//
//   等等，检查一下：错误。     3          等，不对     1          3、5 等数     0          没错     0
int reflective_words(std::string_view text);

}  // namespace r1
