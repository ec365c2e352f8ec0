// Evaluation: k answers to each of many held-out problems.
#pragma once
#include "ops/device.h"
#include "tasks/rollout.h"

namespace r1 {

constexpr double MIXED_BELOW = 0.9;
constexpr int SAMPLES = 12;

struct EvaluateOptions {
    std::string model, problems, output;  // the model's folder; JSON lines; a JSON file with the result ("": none)
    std::string predictions;              // JSON lines of answers that are only to be graded; "": the model answers
    std::string protocol;                 // "r1", or "": none
    std::string against;                  // the folder of a model to compare with on general prompts; "": none
    int count = 200, k = 16;              // problems, from the top of the file; answers to each
    float temperature = 1.0f, top_p = 1.0f;
    int max_tokens = 384, slots = 0;
    uint32_t seed = 1;
    TaskOptions task;
};
OptionTable table_of(EvaluateOptions& options);

// Of n answers to each general prompt the one that the helpful reward model likes best: what the model says of it
// (proxy), and its rubric's score (gold), means over prompts. Choosing moves the policy by KL = ln n - (n - 1) / n
// [Gao et al. 2022, section 3].
struct BestOf {
    int n = 1;
    double kl = 0, proxy = 0, gold = 0;
};
struct Scored {
    double proxy, gold;
};
// by_prompt: k answers to each prompt, which are cut into blocks of n = 1, 2, 4, ... up to k.
std::vector<BestOf> best_of_n(const std::vector<std::vector<Scored>>& by_prompt);

// The 95 % interval of a share that is a mean over problems, by Wilson's score [Wilson 1927, "Probable inference"]. It
// is that of as many problems, each wholly right or wrong, as would have this standard error, but of no more than there
// are answers. Where all answers are alike, it is that of all problems.
struct Interval {
    double low, high;
};
Interval wilson_interval(double share, double error, int problems, int answers);

// Shares are between 0 and 1. pass_at_1 = 1/k sum_i p_i [R1v1 section 3], over problems; its interval is Wilson's, from
// the standard error over problems; those of lengths and words are 1.96 standard errors. The majority is over answers
// that are equal as algebra (programs: as text); ties go to the answer seen first.
struct Evaluation {
    int problems = 0, k = 0;
    double pass_at_1 = 0, low = 0, high = 0, majority = 0, pass_at_k = 0;
    double mean_length_half = 0, reflective_words_half = 0;  // of their intervals
    json samples = json::array();                            // the first answer to each of the first problems
    double mean_length = 0;                                  // tokens of an answer, its end token included
    double finished_length = 0;                              // of those that ended by themselves
    double strict = 0;     // accuracy of answers in good form; those of another form count 0
    double lenient = 0;    // accuracy wherever the answer stands: see lenient_accuracy()
    double language = 0;   // mean share of the reasoning's words in the prompt's language, where it has words
    double mixed = 0;      // share of answers with less than MIXED_BELOW of their words in it
    double equations = 0;  // share of the equations written out that are right
    int64_t equation_count = 0;
    std::optional<double> helpful, safe;  // means of what reward models say
    std::vector<BestOf> best_of;          // where there is a helpful reward model
    std::string name;                     // of the group of problems, in what follows
    std::vector<Evaluation> by_kind;      // where there is more than one kind; the same for prompts' languages
    std::vector<Evaluation> by_language, by_difficulty;
    double format = 0, reflective_share = 0, reflective_words = 0, truncated = 0;
};

// The vote of most answers is right if its first answer is. Which answers are the same, the problem's kind says; an
// answer joins the first vote that it is the same as, and one that cannot be read does not vote.
bool majority_is_right(const Problem& problem, const std::vector<Answer>& answers);

// o.k answers to each of the first o.count questions.
std::vector<std::vector<Answer>> evaluation_answers(const Player& player, const std::vector<Question>& questions,
                                                    const EvaluateOptions& o, const SampleProgress& progress = {});
// answers: to the first questions, equally many to each.
Evaluation evaluation_of(const Task& task, const std::vector<Question>& questions,
                         std::vector<std::vector<Answer>> answers);
json evaluation_to_json(const Evaluation& evaluation);

// r1 evaluate
void evaluate_command(const EvaluateOptions& options, const Device& device);

}  // namespace r1
