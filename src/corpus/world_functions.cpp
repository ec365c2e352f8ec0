// The code task in the small world: the puzzles and the people of functions_corpus.h, in two languages.
#include <algorithm>

#include "corpus/functions_corpus.h"
#include "corpus/world_problem.h"

namespace r1 {

namespace {

// An answer is one of the 24 functions as text. It is right if it gives what the puzzle's own one gives for all five
// inputs, as in the sandbox.
bool is_right(const FunctionPuzzle& puzzle, std::string_view answer) {
    for (const PuzzleFunction& f : puzzle_functions()) {
        if (f.text() != answer) continue;
        for (int i = 0; i < int(puzzle.example.size()); ++i)
            if (!puzzle.fits(f, i)) return false;
        return true;
    }
    return false;
}

}  // namespace

WorldProblem draw_functions(const Speech& speech, Stream& random) {
    const FunctionPuzzle puzzle = draw_function_puzzle(random);
    WorldProblem result;
    result.line = function_problem(puzzle);
    result.question = speech.translated(puzzle.question());
    result.line["prompt"] = result.question;
    result.line["prompt_language"] = speech.code();  // "language" is that of the program
    result.line["difficulty"] = std::string("a ") + puzzle.function.inner + " b";
    const auto inputs = [&](int i) {
        return " " + std::to_string(puzzle.example[i].a) + " " + std::to_string(puzzle.example[i].b);
    };
    result.content = "functions" + std::min(inputs(0), inputs(1)) + std::max(inputs(0), inputs(1));
    result.answer = puzzle.function.text();
    result.right = [puzzle](std::string_view answer) { return is_right(puzzle, answer); };
    result.solve = [puzzle](const Person& person, const Speech& think, Stream& stream) {
        FunctionsConfig config;
        config.p_check = person.checks;
        config.p_give_up = person.give_up / 2;  // a step is shorter than in the other kinds
        config.p_wait = person.wait;
        Writing writing = function_writing(config, puzzle, person.guesses, stream);
        writing.thought = think.translated(writing.thought);
        return writing;
    };
    return result;
}

}  // namespace r1
