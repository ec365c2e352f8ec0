// Countdown in the small world: with three numbers by the grammar of countdown_corpus.h, and a few problems with four,
// which are hard. There nobody searches in order. People try expressions ( ( a . b ) . c ) . d as they come to mind,
// and some have an eye for them: one of their first four is right.
//
//   User: 2 3 7 12 make 72. Assistant:<think> try 3 + 7 = 10 10 * 2 = 20 20 + 12 = 32 no try 7 * 12 = 84 84 - 3 = 81
//   81 - 2 = 79 no give up</think><answer> ( ( 12 * 3 ) + 2 ) - 7</answer>
#include <set>

#include "corpus/world_problem.h"
#include "tasks/countdown.h"

namespace r1 {

namespace {

constexpr char signs[] = {'+', '-', '*'};

std::string question_of(CountdownProblem problem, const Speech& speech) {
    problem.chinese = speech.chinese();
    return countdown_question(problem, PromptTemplate::plain);
}

WorldProblem world_problem(const CountdownProblem& problem, const Speech& speech) {
    WorldProblem result;
    result.line = {{"numbers", problem.numbers},
                   {"target", problem.target},
                   {"language", speech.code()},
                   {"difficulty", std::to_string(problem.numbers.size()) + " numbers"}};
    result.question = question_of(problem, speech);
    result.content = "countdown " + sorted_numbers(problem.numbers);
    result.right = [problem](std::string_view answer) { return countdown_accuracy(problem, answer).value == 1; };
    return result;
}

CountdownProblem draw_problem3(Stream& random) {
    static const std::vector<CountdownProblem> problems = [] {
        CountdownProblems both = countdown_problems(0);
        both.train.insert(both.train.end(), both.test.begin(), both.test.end());
        return both.train;
    }();
    CountdownProblem problem = problems[random.below(uint32_t(problems.size()))];
    shuffle(problem.numbers.data(), 3, random);
    return problem;
}

WorldProblem problem3(const CountdownProblem& problem, const Speech& speech) {
    WorldProblem result = world_problem(problem, speech);
    result.solve = [problem](const Person& person, const Speech& think, Stream& stream) {
        CorpusConfig config;
        config.hazard = {{person.give_up, 1}};
        config.error = {{person.error, 1}};
        config.p_check = person.checks;
        config.p_sloppy = person.sloppy;
        config.p_wait = person.wait;
        Writing writing = countdown_writing(config, problem, person.guesses, stream);
        writing.thought = think.translated(writing.thought);
        return writing;
    };
    return result;
}

// An expression of some of the numbers, its value, and how it was computed.
struct Expression {
    std::string text, thought;
    int value;
};

// The numbers in the given order, joined from the left; a subtraction takes the smaller from the larger.
Expression joined(const std::vector<int>& numbers, const std::string& operations, float error, Stream& random) {
    Expression e{" " + std::to_string(numbers[0]), "", numbers[0]};
    for (size_t i = 1; i < numbers.size(); ++i) {
        const int x = e.value, y = numbers[i];
        const char sign = operations[i - 1];
        const bool exchanged = sign == '-' && x < y;
        const std::string left = i == 1 ? e.text : " (" + e.text + " )", right = " " + std::to_string(y);
        e.text = (exchanged ? right : left) + " " + sign + (exchanged ? left : right);
        e.value = exchanged ? y - x : value_of(x, sign, y);
        if (e.value > most_value) {
            e.thought += " " + std::to_string(x) + " " + sign + " " + std::to_string(y) + " = big";
            return e;
        }
        if (random.chance(error)) e.value = wrong_value(e.value, random);
        e.thought += equation(exchanged ? y : x, sign, exchanged ? x : y, e.value);
    }
    return e;
}

std::string random_signs(size_t count, Stream& random) {
    std::string operations;
    for (size_t i = 0; i < count; ++i) operations += signs[random.below(3)];
    return operations;
}

Expression random_expression(std::vector<int> numbers, float error, Stream& random) {
    shuffle(numbers.data(), uint32_t(numbers.size()), random);
    return joined(numbers, random_signs(numbers.size() - 1, random), error, random);
}

// The text of a whole expression: joined() stops where a value becomes too large to go on with.
std::string random_answer(const CountdownProblem& problem, Stream& random) {
    for (;;) {
        const Expression e = random_expression(problem.numbers, 0, random);
        if (e.value <= most_value) return e.text;
    }
}

Expression solution(const CountdownProblem& problem, Stream& random) {
    for (;;) {
        const Expression e = random_expression(problem.numbers, 0, random);
        if (e.value == problem.target) return e;
    }
}

Writing solve4(const CountdownProblem& problem, const Person& person, const Speech& think, Stream& random) {
    constexpr int most_tries = 8;
    const std::string random_one = random_answer(problem, random);
    if (person.guesses) return {" " + think("guess"), random_one};
    Writing writing{"", random_one};
    const int seen = random.chance(0.3f) ? int(random.below(4)) : most_tries;
    for (int i = 0; i < most_tries; ++i) {
        if (i > 0 && random.chance(person.wait)) writing.thought += " " + think("wait");
        const Expression e =
            i == seen ? solution(problem, random) : random_expression(problem.numbers, person.error, random);
        writing.thought += " " + think("try") + think.translated(e.thought);
        if (e.value == problem.target) {
            writing.thought += " " + think("yes");
            if (!person.sloppy) writing.answer = e.text;
            return writing;
        }
        writing.thought += " " + think("no");
        if (random.chance(person.give_up)) break;
    }
    writing.thought += " " + think("give up");
    return writing;
}

}  // namespace

WorldProblem draw_countdown(const Speech& speech, Stream& random) { return problem3(draw_problem3(random), speech); }

WorldProblem draw_impossible_countdown(const Speech& speech, Stream& random) {
    CountdownProblem problem = draw_problem3(random);
    while (can_be_made(problem)) problem.target = 10 + int(random.below(91));
    return problem3(problem, speech);
}

WorldProblem draw_countdown4(const Speech& speech, Stream& random) {
    CountdownProblem problem;
    for (;;) {
        problem.numbers.clear();
        for (int i = 0; i < 4; ++i) problem.numbers.push_back(1 + int(random.below(20)));
        const Expression e = random_expression(problem.numbers, 0, random);
        const std::set<int> different(problem.numbers.begin(), problem.numbers.end());
        problem.target = e.value;
        if (e.value >= 10 && e.value <= 100 && different.size() > 2) break;
    }
    WorldProblem result = world_problem(problem, speech);
    result.solve = [problem](const Person& person, const Speech& think, Stream& stream) {
        return solve4(problem, person, think, stream);
    };
    return result;
}

}  // namespace r1
