// A generative judge: a language model that is asked whether an answer is right, or which of two answers is better,
// and whose written verdict is read.
//
// For rejection sampling R1's judge is DeepSeek-V3, which sees the question, the reference and the candidate, and says
// correct or incorrect in JSON with the keys "analysis" and "correctness" [R1v2 Listing 4]. For the pairs that a reward
// model learns from, it compares two answers in both orders [R1v2 B.2]. The words of the prompts here are our own, and
// short, so that a small model can read them.
//
// A verdict that cannot be read is counted as such and is never a yes.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "model/disk/folder.h"
#include "model/sampler.h"
#include "tasks/task.h"

namespace r1 {

enum class Correctness { correct, incorrect, unparsable };
enum class PairVerdict { a, b, tie, unparsable };
const char* name_of(Correctness correctness);  // "correct", "incorrect", "unparsable"
const char* name_of(PairVerdict verdict);      // "A", "B", "tie", "unparsable"
PairVerdict swapped(PairVerdict verdict);      // the same verdict where the two answers change places

// ---- what is asked

// What stands after the last </think>, all of a text that has none, without white space at both ends. Where that is one
// pair of <answer> tags and nothing else, what stands between them.
std::string_view without_thinking(std::string_view answer);

// The question that the judge is asked. It sees the candidate without its thinking.
std::string judge_question(const std::string& question, const std::string& reference, const std::string& candidate);
// The same for two answers, which it sees without their thinking, too.
std::string judge_pair_question(const std::string& question, const std::string& a, const std::string& b);

// ---- what is answered

// The verdict as a judge is to write it:
//
//   {"analysis": "5 is not 6.", "correctness": "incorrect"}
//   {"analysis": "B is shorter.", "better": "B"}                      or "A", or "tie"
std::string verdict_text(const std::string& analysis, bool correct);
std::string pair_verdict_text(const std::string& analysis, PairVerdict verdict);

struct AnswerVerdict {
    Correctness correctness = Correctness::unparsable;
    std::string analysis;  // "" if there is none, or if it is no text
    bool operator==(const AnswerVerdict&) const = default;
};
// Reads the last JSON object after the last </think>. Its "correctness" is "correct" or "incorrect" in any case, or
// true or false. All else is unparsable: no such object or key, a key twice, a thought that does not end. Within its
// texts line feeds and a backslash that escapes nothing (LaTeX) are taken as they stand. For any bytes; a text of more
// than a megabyte is unparsable.
AnswerVerdict parse_verdict(std::string_view text);

struct PairReading {
    PairVerdict better = PairVerdict::unparsable;
    std::string analysis;
    bool operator==(const PairReading&) const = default;
};
// Reads "better" of the same object: "A", "B" or "tie", in any case. Where there is none, Arena-Hard's brackets after
// the last </think>: [[A]], [[A>B]], [[A>>B]]; [[B]], [[B>A]], [[B>>A]], [[A<B]], [[A<<B]]; [[A=B]], [[B=A]], [[C]] and
// [[tie]], which are ties. Brackets that contradict each other are unparsable.
PairReading parse_pair_verdict(std::string_view text);

// ---- the judge

struct JudgeOptions {
    PromptTemplate prompt_template = PromptTemplate::chat;
    bool no_opening = false;  // the prompt does not begin a thought, though the model's template would
    int max_tokens = 512;     // of a verdict
    int context = 4096;       // tokens of a prompt and its verdict, at most what the model reads
    float temperature = 0;    // 0: the best token
    int samples = 1;          // votes for each verdict
    uint32_t seed = 1;
    int slots = 0;
};
OptionTable table_of(JudgeOptions& options);  // --judge-template, --judge-max-tokens and so on

struct Judge {
    JudgeOptions options;
    ModelFolder folder;
    Task task;  // it has the template, and looks at the folder's tokenizer
    Model model;
    Sampler sampler;
};
// The judge of a model's folder. Error as in open_model and make_task.
std::unique_ptr<Judge> make_judge(const std::string& folder, const JudgeOptions& options, const Ops& ops);

// The tokens that the judge goes on from, which are those that r1 sft puts before the response to this prompt. Where
// the model's template begins a thought, this holds for responses that begin with it, or else with no_opening.
std::vector<int> judge_prompt(const Judge& judge, const std::string& judge_question);

// What votes come to, as they were written: the majority of those that can be read. A draw is incorrect, or a tie. The
// analysis is that of the first vote for it.
AnswerVerdict majority(const std::vector<std::string>& votes);
PairReading pair_majority(const std::vector<std::string>& votes);

// Called now and then with a number of sampled tokens, by one thread at a time.

struct JudgeAsk {
    std::string question, reference, candidate;
};
// verdicts[i] is of asks[i], the majority of its votes. A prompt that leaves no room for a verdict is unparsable. A
// verdict depends on its ask and the options alone, not on what is judged beside it, and equal asks are judged once.
std::vector<AnswerVerdict> judge_answers(Judge& judge, const std::vector<JudgeAsk>& asks,
                                         const SampleProgress& progress = {});

struct PairAsk {
    std::string question, a, b;
};
struct JudgedPair {
    PairVerdict better = PairVerdict::unparsable;  // what both orders agree on
    PairVerdict first = PairVerdict::unparsable;   // where `a` was shown first
    PairVerdict second = PairVerdict::unparsable;  // where `b` was; in terms of the ask's own a and b
    bool flipped = false;                          // the orders disagree, or one of them cannot be read
    std::string analysis;                          // of the order that shows `a` first
};
// What both orders come to: readings of a pair as it is given, and with its answers in each other's place. Orders that
// disagree, and a single one that cannot be read, make a tie; where neither can be read the pair is unparsable.
JudgedPair joined(const PairReading& given, const PairReading& other_way);
// Each pair is judged in both orders. As for answers, a pair depends on nothing beside it.
std::vector<JudgedPair> judge_pairs(Judge& judge, const std::vector<PairAsk>& asks,
                                    const SampleProgress& progress = {});

}  // namespace r1
