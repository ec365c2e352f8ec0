// Multiple choice in the small world: which expression has a value, which is the largest, which number is missing in a
// sequence. The patient compute each option; others pick, and seven of ten pick the option that looks right:
// the one that begins with the value, that has the largest number, or that is one more than the last number shown.
//
//   User: which is 33? A) 33 - 4 B) 12 * 2 C) 11 * 3 D) 40 - 2 Assistant:<think> try A 33 - 4 = 29 no B 12 * 2 = 24 no
//   C 11 * 3 = 33 yes</think><answer> C</answer>
#include <algorithm>
#include <array>
#include <set>

#include "corpus/world_problem.h"

namespace r1 {

namespace {

constexpr int options = 4;
enum Form { equal, largest, missing };

struct Alternative {
    int x = 0;
    char sign = 0;  // 0: the option is the number x
    int y = 0;
    int value() const { return sign ? value_of(x, sign, y) : x; }
    std::string text() const {
        return sign ? std::to_string(x) + " " + sign + " " + std::to_string(y) : std::to_string(x);
    }
};

struct Choice {
    explicit Choice(Form form) : form(form) {}
    Form form;
    int target = 0;             // equal: the value
    std::vector<int> sequence;  // missing: with the missing number
    size_t gap = 0;             // its place
    std::array<Alternative, options> option;
    int right = 0, tempting = 0;
};

std::string letter(int i) { return std::string(" ") + "ABCD"[i]; }

// A value within 1..120, from numbers within 1..20.
Alternative draw_option(Stream& random) {
    for (;;) {
        const Alternative option{1 + int(random.below(20)), "+-*"[random.below(3)], 1 + int(random.below(20))};
        if (option.value() >= 1 && option.value() <= most_value) return option;
    }
}

bool all_different(const Choice& choice) {
    std::set<int> values;
    for (const Alternative& option : choice.option) values.insert(option.value());
    return values.size() == options;
}

// The first option is right and the second tempting, until they are put in another order.
Choice draw_equal(Stream& random) {
    Choice choice(equal);
    do {
        for (Alternative& option : choice.option) option = draw_option(random);
        choice.target = choice.option[0].value();
        choice.option[1] = {choice.target, random.chance(0.5f) ? '+' : '-', 1 + int(random.below(9))};
    } while (choice.target < 10 || choice.target > 100 || !all_different(choice));
    return choice;
}

Choice draw_largest(Stream& random) {
    Choice choice(largest);
    const auto smaller_value = [](const Alternative& a, const Alternative& b) { return a.value() < b.value(); };
    const auto smaller_number = [](const Alternative& a, const Alternative& b) {
        return std::max(a.x, a.y) < std::max(b.x, b.y);
    };
    auto& all = choice.option;
    do {
        for (Alternative& option : all) option = draw_option(random);
        std::swap(all[0], *std::max_element(all.begin(), all.end(), smaller_value));
        std::swap(all[1], *std::max_element(all.begin() + 1, all.end(), smaller_number));
    } while (!all_different(choice) || !smaller_number(all[0], all[1]));
    return choice;
}

Choice draw_missing(Stream& random) {
    constexpr int length = 5;
    Choice choice(missing);
    do {
        const int first = 1 + int(random.below(20)), step = 2 + int(random.below(10));
        choice.sequence.clear();
        for (int i = 0; i < length; ++i) choice.sequence.push_back(first + i * step);
        choice.gap = 2 + random.below(length - 2);
        const int right = choice.sequence[choice.gap];
        const int shown = choice.gap + 1 == length ? choice.sequence[length - 2] : choice.sequence.back();
        choice.option = {Alternative{right}, Alternative{shown + 1}, Alternative{right + 1 + int(random.below(3))},
                         Alternative{right - 1 - int(random.below(3))}};
    } while (choice.sequence.back() > most_value || !all_different(choice));
    return choice;
}

Choice draw_choice_of(Form form, Stream& random) {
    Choice choice = form == equal ? draw_equal(random) : form == largest ? draw_largest(random) : draw_missing(random);
    int order[options] = {0, 1, 2, 3};
    shuffle(order, options, random);
    const auto before = choice.option;
    for (int i = 0; i < options; ++i) {
        choice.option[i] = before[order[i]];
        if (order[i] == 0) choice.right = i;
        if (order[i] == 1) choice.tempting = i;
    }
    return choice;
}

std::string shown_sequence(const Choice& choice) {
    std::string text;
    for (size_t i = 0; i < choice.sequence.size(); ++i)
        text += i == choice.gap ? " _" : " " + std::to_string(choice.sequence[i]);
    return text;
}

std::string question_of(const Choice& choice, const Speech& speech) {
    switch (choice.form) {
        case equal: return speech("which is") + " " + std::to_string(choice.target) + speech("?");
        case largest: return speech("which is the largest") + speech("?");
        case missing: return speech("which is missing in") + shown_sequence(choice) + speech("?");
    }
    return "";
}

// " 12 * 2 = 24", or " 33" of a number; the value that the person finds.
int computed(const Alternative& option, float error, std::string& thought, Stream& random) {
    if (!option.sign) {
        thought += " " + option.text();
        return option.x;
    }
    const int value = random.chance(error) ? wrong_value(option.value(), random) : option.value();
    thought += equation(option.x, option.sign, option.y, value);
    return value;
}

// The option that has the value; none if the person gives up.
int search_value(const Choice& choice, int wanted, const Person& person, const Speech& think, std::string& thought,
                 Stream& random) {
    for (int i = 0; i < options; ++i) {
        thought += letter(i);
        if (computed(choice.option[i], person.error, thought, random) == wanted) return i;
        thought += " " + think("no");
        if (random.chance(person.give_up)) break;
    }
    return -1;
}

int search_largest(const Choice& choice, float error, float give_up, std::string& thought, Stream& random) {
    int best = 0, best_value = -1;
    for (int i = 0; i < options; ++i) {
        thought += letter(i);
        const int value = computed(choice.option[i], error, thought, random);
        if (value > best_value) {
            best_value = value;
            best = i;
        }
        if (i + 1 < options && random.chance(give_up)) return -1;
    }
    return best;
}

// Writes the step of the sequence and the missing number.
int search_missing(const Choice& choice, float error, std::string& thought, Stream& random) {
    const int first = choice.sequence[0], second = choice.sequence[1], before = choice.sequence[choice.gap - 1];
    const int step = computed({second, '-', first}, error, thought, random);
    return computed({before, '+', step}, error, thought, random);
}

int search(const Choice& choice, const Person& person, const Speech& think, std::string& thought, Stream& random) {
    switch (choice.form) {
        case equal: return search_value(choice, choice.target, person, think, thought, random);
        case largest: return search_largest(choice, person.error, person.give_up, thought, random);
        case missing: {
            const int wanted = search_missing(choice, person.error, thought, random);
            if (random.chance(person.give_up)) return -1;
            return search_value(choice, wanted, person, think, thought, random);
        }
    }
    return -1;
}

// Computes again, without error: the option itself, all of them for the largest.
void check(const Choice& choice, int found, const Speech& think, Writing& writing, Stream& random) {
    std::string& thought = writing.thought;
    thought += " " + think("check");
    if (choice.form == equal) computed(choice.option[found], 0, thought, random);
    if (choice.form == largest) search_largest(choice, 0, 0, thought, random);
    if (choice.form == missing) search_missing(choice, 0, thought, random);
    if (found == choice.right) {
        thought += " " + think("ok");
        return;
    }
    thought += " " + think("no") + " " + think("so") + letter(choice.right);
    writing.answer = letter(choice.right);
}

Writing solve(const Choice& choice, const Person& person, const Speech& think, Stream& random) {
    const std::string picked = letter(random.chance(0.7f) ? choice.tempting : int(random.below(options)));
    if (person.guesses) return {" " + think("guess"), picked};
    Writing writing{" " + think("try"), picked};
    const int found = search(choice, person, think, writing.thought, random);
    if (found < 0) {
        writing.thought += " " + think("give up");
        return writing;
    }
    writing.thought += choice.form == largest ? " " + think("so") + letter(found) : " " + think("yes");
    if (!person.sloppy) writing.answer = letter(found);
    if (person.checks) check(choice, found, think, writing, random);
    return writing;
}

}  // namespace

WorldProblem draw_choice(const Speech& speech, Stream& random) {
    const Choice choice = draw_choice_of(Form(random.below(3)), random);
    constexpr const char* names[] = {"equal", "largest", "missing"};
    const std::string question = question_of(choice, speech);
    std::vector<std::string> texts;
    for (const Alternative& option : choice.option) texts.push_back(option.text());

    WorldProblem result;
    result.line = {{"question", question},
                   {"choices", texts},
                   {"answer", choice.right},
                   {"language", speech.code()},
                   {"difficulty", names[choice.form]}};
    result.question = question;
    for (int i = 0; i < options; ++i) result.question += letter(i) + ") " + texts[i];
    result.answer = letter(choice.right).substr(1);
    result.content = std::string("choice ") + names[choice.form] + shown_sequence(choice);
    if (choice.form != missing) {
        std::sort(texts.begin(), texts.end());
        for (const std::string& text : texts) result.content += ", " + text;
    }
    result.right = [answer = result.answer](std::string_view given) { return given == answer; };
    result.solve = [choice](const Person& person, const Speech& think, Stream& stream) {
        return solve(choice, person, think, stream);
    };
    return result;
}

}  // namespace r1
