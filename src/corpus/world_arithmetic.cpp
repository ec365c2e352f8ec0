// Arithmetic in the small world: three to six numbers with + - and at most one * between them. The patient compute the
// product and then sum after sum, others stop on the way and guess; a guess is near the truth and mostly wrong.
//
//   User: what is 12 + 6 * 3? Assistant:<think> try 6 * 3 = 18 12 + 18 = 30 yes check 6 * 3 = 18 12 + 18 = 30 ok
//   </think><answer> 30</answer>
#include <algorithm>
#include <optional>

#include "corpus/world_problem.h"

namespace r1 {

namespace {

constexpr int most = 60;        // of every value on the way, which is not below 0 either
constexpr int most_right = 20;  // of what is added or taken away

struct Sum {
    std::vector<int> numbers;
    std::string signs;  // between them

    std::string text() const {
        std::string result = std::to_string(numbers[0]);
        for (size_t i = 1; i < numbers.size(); ++i)
            result += std::string(" ") + signs[i - 1] + " " + std::to_string(numbers[i]);
        return result;
    }
};

// Computes the sum step by step and writes the steps down. None if the person gives up after one of them, or comes to a
// value below 0 or above 60, which cannot be.
std::optional<int> work(Sum sum, float error, float give_up, std::string& thought, Stream& random) {
    while (!sum.signs.empty()) {
        const size_t product = sum.signs.find('*');
        const size_t i = product == std::string::npos ? 0 : product;
        int value = value_of(sum.numbers[i], sum.signs[i], sum.numbers[i + 1]);
        if (value < 0 || value > most) return std::nullopt;
        if (random.chance(error)) value = wrong_value(value, random);
        thought += equation(sum.numbers[i], sum.signs[i], sum.numbers[i + 1], value);
        sum.numbers[i] = value;
        sum.numbers.erase(sum.numbers.begin() + int64_t(i) + 1);
        sum.signs.erase(i, 1);
        if (!sum.signs.empty() && random.chance(give_up)) return std::nullopt;
    }
    return sum.numbers[0];
}

std::string guess(int truth, Stream& random) {
    return " " + std::to_string(random.chance(0.1f) ? truth : wrong_value(truth, random));
}

Writing solve(const Sum& sum, int truth, const Person& person, const Speech& think, Stream& random) {
    const std::string guessed = guess(truth, random);
    if (person.guesses) return {" " + think("guess"), guessed};
    Writing writing{" " + think("try"), guessed};
    const std::optional<int> value = work(sum, person.error, person.give_up, writing.thought, random);
    if (!value) {
        writing.thought += " " + think("no") + " " + think("give up");
        return writing;
    }
    writing.thought += " " + think("yes");
    if (!person.sloppy) writing.answer = " " + std::to_string(*value);
    if (!person.checks) return writing;
    writing.thought += " " + think("check");
    work(sum, 0, 0, writing.thought, random);
    writing.answer = " " + std::to_string(truth);
    writing.thought += *value == truth ? " " + think("ok") : " " + think("no") + " " + think("so") + writing.answer;
    return writing;
}

// Numbers as they are in Countdown, so that what is learned of them there holds here.
Sum draw_sum(Stream& random, int& value) {
    const int count = 3 + int(random.below(4));
    for (;;) {
        Sum sum;
        for (int i = 0; i < count; ++i) {
            sum.numbers.push_back(1 + int(random.below(20)));
            if (i > 0) sum.signs += "++--*"[random.below(5)];
        }
        std::string thought;
        const std::optional<int> result = work(sum, 0, 0, thought, random);
        if (!result || std::count(sum.signs.begin(), sum.signs.end(), '*') > 1) continue;
        const size_t product = sum.signs.find('*');
        const bool late = product != std::string::npos && product > 0;
        if (late && sum.numbers[product] * sum.numbers[product + 1] > most_right) continue;
        value = *result;
        return sum;
    }
}

}  // namespace

WorldProblem draw_arithmetic(const Speech& speech, Stream& random) {
    int value = 0;
    const Sum sum = draw_sum(random, value);
    WorldProblem result;
    result.question = speech("what is") + " " + sum.text() + speech("?");
    result.answer = std::to_string(value);
    result.line = {{"prompt", result.question},
                   {"reference", result.answer},
                   {"language", speech.code()},
                   {"difficulty", std::to_string(sum.signs.size()) + " operations"}};
    result.content = "arithmetic " + sorted_numbers(sum.numbers);
    result.right = [answer = result.answer](std::string_view given) { return given == answer; };
    result.solve = [sum, value](const Person& person, const Speech& think, Stream& stream) {
        return solve(sum, value, person, think, stream);
    };
    return result;
}

}  // namespace r1
