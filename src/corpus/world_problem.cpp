#include "corpus/world_problem.h"

#include <algorithm>

#include "base/check.h"

namespace r1 {

extern const char world_words[];  // data/words.json

namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether the word stands at this place of the text, and not within a longer one.
bool stands_at(const std::string& text, size_t at, const std::string& word) {
    if (text.compare(at, word.size(), word) != 0) return false;
    const size_t end = at + word.size();
    return (at == 0 || !letter(text[at - 1])) && (end == text.size() || !letter(text[end]));
}

}  // namespace

Speech::Speech(bool chinese) : chinese_(chinese) {
    const json all = json::parse(world_words);
    for (const auto& [english, translation] : all["words"].items()) words_.push_back({english, translation});
    std::stable_sort(words_.begin(), words_.end(),
                     [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    for (const json& name : all["names"]) names_.push_back(name[chinese ? 1 : 0]);
}

const Speech& Speech::of(bool chinese) {
    static const Speech english(false), other(true);
    return chinese ? other : english;
}

std::string Speech::operator()(const std::string& english) const {
    for (const auto& [word, translation] : words_)
        if (word == english) return chinese_ ? translation : word;
    ENSURE(false, ("data/words.json needs the word " + english).c_str());
}

std::string Speech::translated(const std::string& text) const {
    if (!chinese_) return text;
    std::string result;
    for (size_t at = 0; at < text.size();) {
        const auto found = std::find_if(words_.begin(), words_.end(),
                                        [&](const auto& word) { return stands_at(text, at, word.first); });
        if (found == words_.end()) {
            result += text[at++];
        } else {
            result += found->second;
            at += found->first.size();
        }
    }
    return result;
}

Person draw_person(const Habits& habits, Stream& random) {
    Person person{};
    person.guesses = random.chance(habits.guess);
    person.checks = random.chance(habits.check);
    person.sloppy = random.chance(habits.sloppy) && !person.checks;
    const float others = 1 - habits.patient - habits.persistent, hasty = others * habits.hasty;
    person.give_up =
        draw({{0, habits.patient}, {.1f, habits.persistent}, {.5f, hasty}, {.25f, others - hasty}}, random);
    person.error = draw({{.08f, .6f * habits.error}, {.25f, .4f * habits.error}, {0, 1 - habits.error}}, random);
    person.wait = .35f;
    return person;
}

bool held_out(const std::string& content) { return std::stoul(sha256(content).substr(0, 8), nullptr, 16) % 10 == 0; }

std::string sorted_numbers(std::vector<int> numbers) {
    std::sort(numbers.begin(), numbers.end());
    std::string text;
    for (const int number : numbers) text += (text.empty() ? "" : " ") + std::to_string(number);
    return text;
}

int value_of(int x, char sign, int y) { return sign == '+' ? x + y : sign == '-' ? x - y : x * y; }

std::string equation(int x, char sign, int y, int value) {
    return " " + std::to_string(x) + " " + sign + " " + std::to_string(y) + " = " + std::to_string(value);
}

}  // namespace r1
