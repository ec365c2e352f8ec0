// Win rates: two models answer the same general prompts, and of each pair of answers the better one wins [R1v1 section
// 3 compares so, with a judge]. What is better the prompt's rubric says here.
#pragma once
#include <string>
#include <vector>

#include "model/disk/folder.h"
#include "stages/evaluate.h"

namespace r1 {

// A prompt's pairs of answers, and the lengths of all of them, in tokens.
struct Comparison {
    int wins = 0, ties = 0, losses = 0;
    int64_t length = 0, length_against = 0;
    int pairs() const { return wins + ties + losses; }
    double rate() const { return (wins + 0.5 * ties) / pairs(); }
};

// rate = (wins + ties / 2) / pairs, between 0 and 1, the mean of the prompts'; each prompt has as many pairs. The
// interval is 1.96 standard errors over prompts, because pairs of one prompt are no independent draws.
struct WinRate {
    int prompts = 0, wins = 0, ties = 0, losses = 0;
    double rate = 0, low = 0, high = 0;
    double mean_length = 0, mean_length_against = 0;
};
WinRate win_rate_of(const std::vector<Comparison>& comparisons);
json win_rate_to_json(const WinRate& rate);
void print(const WinRate& rate, const std::string& against);

// The points of the first of two answers to a problem: the only place that decides which answer is better. By the
// rubric the one with the higher score wins; an answer that did not end has score 0.
double points_of(const Problem& problem, const Answer& answer, const Answer& against);

// Error, before anything slow begins, unless there is a general prompt among the first options.count questions and each
// of them has a rubric.
void check_comparable(const std::vector<Question>& questions, const EvaluateOptions& options);

// options.k answers by each model to each general prompt among the first options.count questions, with the same random
// numbers; answer i of the one is compared with answer i of the other. The other model, of options.against, is asked
// through its own tokenizer and template; prompts that do not fit into its context are left out. For now both models
// are in memory.
WinRate win_rate_against(const Player& player, const std::vector<Question>& questions, const ModelFolder& other,
                         const EvaluateOptions& options, const Ops& ops);

}  // namespace r1
