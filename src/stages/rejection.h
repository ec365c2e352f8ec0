// Rejection sampling: a model answers problems many times, and the answers that are right, whole and readable become
// examples to learn from. R1's second fine-tuning, and its students, learn from such a set [R1v1 section 2.3.3].
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ops/device.h"
#include "tasks/judge.h"
#include "tasks/rollout.h"

namespace r1 {

// Which of a prompt's answers that pass the filters are taken.
enum class Select {
    all,     // in the order in which they were sampled
    best,    // those of the highest reward first, of equals the shorter
    random,  // as many as `all` would take, of all that ended, right or wrong: the matched control
};

struct RejectionOptions {
    std::string model, problems, output;  // the model's folder; JSON lines; JSON lines
    std::string decontaminate;            // problems that must not be among these; "": none
    int decontaminate_n = 10;             // words in a row that two questions may not share
    int count = 0, samples = 16;          // problems, from the top of the file, 0: all; answers to each
    float temperature = 1.0f, top_p = 1.0f;
    int max_tokens = 384, slots = 0;
    uint32_t seed = 1;
    // Filters; an answer is counted under the first that it does not pass.
    bool any_format = false;                       // the format need not be kept
    double language_min = 0;                       // of the reasoning's words in the prompt's language
    double preference_min = 0.5;                   // what a reward model must say, from 0 to 1
    double repetition_max = 1;                     // share of repeated 3-grams of tokens
    int longest = 0;                               // tokens of an answer; 0: any
    bool duplicates = false;                       // equal answers to a prompt are kept
    double pass_rate_min = -1, pass_rate_max = 2;  // of a prompt's answers, strictly between
    Select select = Select::all;
    std::string rewrite = "none";  // or "r1": into the form that R1 answers in
    int keep = 0;                  // answers to a prompt; 0: all
    int save_every = 0;            // prompts between saves; 0: those of 8192 answers
    bool resume = false;
    std::string judge;  // folder of a model whose verdict replaces the rule's where a problem has a reference; "": none
    JudgeOptions judge_options;
    TaskOptions task;
};
OptionTable table_of(RejectionOptions& options);

// What is known of an answer when it is decided on.
struct Candidate {
    std::string text, answer;              // the response; the answer in it
    std::optional<float> preference;       // what a reward model says, by which the accuracy then is
    std::optional<AnswerVerdict> verdict;  // of a judge, by which the accuracy then is
    bool finished = false;
    double accuracy = 0, format = 0, reward = 0, language = 1, repetition = 0;  // all but the reward are 0 to 1
    int length = 0;                                                             // tokens
    bool right() const { return finished && accuracy == 1; }
};

// reason[i] is why candidates[i] is not taken, and "" of those that are, which `taken` lists in their order. prompt:
// its index, for the random numbers.
struct Selection {
    std::vector<std::string> reason;
    std::vector<int> taken;
};
Selection select_answers(const RejectionOptions& options, const std::vector<Candidate>& candidates, uint32_t prompt);

// The texts of `held_out` that share n words in a row with a text; of texts with fewer words, all of them. Words are
// runs of letters and digits, in small letters.
class Overlap {
public:
    Overlap(const std::vector<std::string>& held_out, int n);
    bool with(const std::string& text) const;

private:
    std::vector<std::string> grams_of(const std::string& text) const;
    int n_;
    std::vector<std::string> grams_;  // sorted
};

// r1 rejection
void rejection(RejectionOptions options, const Device& device);

}  // namespace r1
