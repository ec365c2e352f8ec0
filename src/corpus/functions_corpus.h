// The code task, small enough for the demo's model: find the function from two examples, and write it as a Python
// expression of a and b. An answer is judged by what it prints on these two and on three inputs that the model never
// sees, in the sandbox: an expression that only happens to fit the first example, or names its result, fails.
//
//   User: 3 5 gives 16 and 2 7 gives 15. Assistant:<think> try a + b = 8 8 + 3 = 11 no ... try a * b = 15 15 + 1 = 16 yes
//   check 2 * 7 = 14 14 + 1 = 15 ok</think><answer> ( a * b ) + 1</answer>
//
// The functions are ( a o b ) . z with o one of + *, . one of + - *, z one of a, b, 1, 2; a and b from 1 to 6. As with
// Countdown (countdown.h) the corpus is made of people of different patience: some guess, some give up, few check.
#pragma once
#include <cstdint>
#include <string>

#include "base/options.h"

namespace r1 {

struct FunctionsConfig {
    float p_guess = 0.5f;          // the document is a guess, else a search
    float p_check = 0.5f;          // a searcher computes the second example too, before answering
    float p_give_up = 0.06f;       // after a `no`
    float p_wait = 0.35f;          // `wait` before another try
    float p_fault = 0.1f;          // </think> or <answer> is missing
    int train = 6000, test = 400;  // problems
};

struct FunctionsCorpusOptions {
    std::string output;  // the folder
    int64_t documents = 200000;
    uint32_t seed = 1;
    FunctionsConfig corpus;
};
OptionTable table_of(FunctionsCorpusOptions& options);

// r1 functions: writes problems.train.jsonl, problems.test.jsonl and corpus.jsonl into the folder. No pair of examples
// is on both sides.
void generate_functions(const FunctionsCorpusOptions& options);

}  // namespace r1
