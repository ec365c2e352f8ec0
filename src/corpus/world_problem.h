// What the verifiable kinds of problem in the small world (world.h) have in common: two languages, people of different
// patience, and a problem that knows its line in a file, its rule, and what a person writes about it.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/philox.h"
#include "corpus/countdown_corpus.h"

namespace r1 {

// A language of the world. The program writes English; data/words.json has the Chinese of each of its words. Chinese
// words have blanks between them, as English ones have, so that each is a token of its own.
class Speech {
public:
    static const Speech& of(bool chinese);
    bool chinese() const { return chinese_; }
    const char* code() const { return chinese_ ? "zh" : "en"; }
    // A word or a phrase of data/words.json. A word that is not there is a mistake of the program.
    std::string operator()(const std::string& english) const;
    // A text in which every word that data/words.json has is translated, and all else stays as it is.
    std::string translated(const std::string& text) const;
    const std::vector<std::string>& names() const { return names_; }

private:
    explicit Speech(bool chinese);
    bool chinese_;
    std::vector<std::pair<std::string, std::string>> words_;  // longer ones first
    std::vector<std::string> names_;
};

// How the people who write in a language go about their work.
struct Habits {
    float guess;       // write an answer without working on it
    float check;       // compute again before they answer
    float patient;     // of those who work: never give up
    float persistent;  // of those who work: give up after a step in one case of ten
    float hasty;       // of all others: give up after every second step, else after every fourth
    float error;       // of those who work: make mistakes, in one value of twelve or of four
    float sloppy;      // of those who work and do not check: answer something else in the end
};

struct Person {
    bool guesses, checks, sloppy;
    float give_up, error, wait;
};
Person draw_person(const Habits& habits, Stream& random);

struct WorldProblem {
    json line;             // of a file of problems
    std::string question;  // as the plain template has it
    // What holds it out: the numbers or the statements, without their order, the language and the wording.
    std::string content;
    std::string answer;                           // one that is right
    std::function<bool(std::string_view)> right;  // the rule
    // What a person writes who thinks in the given language; the answer is in the problem's own.
    std::function<Writing(const Person&, const Speech& thinking, Stream&)> solve;
};

// A problem of each kind, in a language.
WorldProblem draw_countdown(const Speech& speech, Stream& random);
WorldProblem draw_impossible_countdown(const Speech& speech, Stream& random);  // nothing is right
WorldProblem draw_countdown4(const Speech& speech, Stream& random);
WorldProblem draw_arithmetic(const Speech& speech, Stream& random);
WorldProblem draw_functions(const Speech& speech, Stream& random);
WorldProblem draw_logic(const Speech& speech, Stream& random);
WorldProblem draw_choice(const Speech& speech, Stream& random);

// One content in ten is held out, by a fixed hash that knows no seed.
bool held_out(const std::string& content);

// The numbers in increasing order, with blanks between them.
std::string sorted_numbers(std::vector<int> numbers);

// " 7 - 3 = 4"
std::string equation(int x, char sign, int y, int value);
int value_of(int x, char sign, int y);

// The largest number that anybody computes with, as in Countdown.
inline constexpr int most_value = 120;

}  // namespace r1
