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
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/philox.h"
#include "corpus/countdown_corpus.h"

namespace r1 {

struct PuzzleFunction {
    char inner, outer, z;
    std::string text() const { return std::string("( a ") + inner + " b ) " + outer + " " + z; }
    int node(int a, int b) const { return inner == '+' ? a + b : a * b; }
    int of_z(int a, int b) const { return z == 'a' ? a : z == 'b' ? b : z - '0'; }
    int value(int a, int b) const {
        const int n = node(a, b), last = of_z(a, b);
        return outer == '+' ? n + last : outer == '-' ? n - last : n * last;
    }
};
// All 24, in the order in which a searcher tries them.
const std::vector<PuzzleFunction>& puzzle_functions();

struct FunctionPuzzle {
    struct Example {
        int a, b;
    };
    PuzzleFunction function;
    std::array<Example, 5> example;  // two that are shown, three that are not

    std::string question() const;
    bool fits(const PuzzleFunction& f, int i) const {
        return f.value(example[i].a, example[i].b) == function.value(example[i].a, example[i].b);
    }
};
// Two different shown inputs with different numbers, and results that are not negative.
FunctionPuzzle draw_function_puzzle(Stream& random);
// Its line in a file of problems.
json function_problem(const FunctionPuzzle& puzzle);

struct FunctionsConfig {
    float p_guess = 0.5f;          // the document is a guess, else a search
    float p_check = 0.5f;          // a searcher computes the second example too, before answering
    float p_give_up = 0.06f;       // after a `no`
    float p_wait = 0.35f;          // `wait` before another try
    float p_fault = 0.1f;          // </think> or <answer> is missing
    int train = 6000, test = 400;  // problems
};

// A person works on a puzzle: guesses, or searches.
Writing function_writing(const FunctionsConfig& config, const FunctionPuzzle& puzzle, bool guesses, Stream& random);

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
