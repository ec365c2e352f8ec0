// What is judged, as JSON lines have it, what becomes of it in numbers, and the examples that a judge learns from.
//
//   {"question": "2 + 3", "reference": "5", "candidate": "6"}      an answer to be judged
//   {"question": "2 + 3", "a": "5", "b": "It is 5."}               two answers to be compared
//   {"prompt": "2 + 3", "chosen": "5", "rejected": "6"}            the same, where the label is "a"
//
// "problem" or "prompt" may stand for "question", "answer" for "reference", "response" or "generation" for "candidate".
// "label" says what is true: true, false, "correct" or "incorrect"; of a pair "a", "b" or "tie". Further keys stay.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tasks/judge.h"

namespace r1 {

struct JudgeLine {
    json line;          // as the file has it
    std::string where;  // file and line, for errors
    bool is_pair = false;
    JudgeAsk answer = {};
    PairAsk pair = {};
    std::optional<bool> correct = {};        // the label
    std::optional<PairVerdict> better = {};  // the label of a pair
    bool labelled() const { return correct || better; }
};

inline constexpr const char* JUDGE_LINES_HELP =
    "JSON lines {\"question\", \"reference\", \"candidate\"}, or pairs {\"question\", \"a\", \"b\"} or {\"prompt\", "
    "\"chosen\", \"rejected\"}";

// Error, in one line that names file and line, for a line of another form, a label that is none, and an empty file.
std::vector<JudgeLine> read_judge_lines(const std::string& path);
// Error that names the first line without a label.
void check_labelled(const std::vector<JudgeLine>& lines);

// n of `of`, with Wilson's score interval at 95 %. All are 0 of nothing.
struct Proportion {
    int64_t n = 0, of = 0;
    double value() const { return of > 0 ? double(n) / double(of) : 0; }
    double low() const;
    double high() const;
    void add(bool yes) {
        n += yes;
        ++of;
    }
};

// Verdicts in numbers, and how they compare with labels. What cannot be read agrees with no label.
struct AnswerSummary {
    int64_t correct = 0, incorrect = 0, unparsable = 0;
    Proportion right;            // verdicts that are the label, of those with one
    Proportion false_positives;  // judged correct, of those labelled incorrect
    Proportion false_negatives;  // judged incorrect, of those labelled correct
    void add(const JudgeLine& line, const AnswerVerdict& verdict);
    int64_t judged() const { return correct + incorrect + unparsable; }
};
struct PairSummary {
    int64_t a = 0, b = 0, ties = 0, unparsable = 0;
    Proportion flips;        // pairs on which the two orders disagree
    Proportion first_place;  // orders that prefer the answer which is shown first, of those that prefer one
    Proportion right;        // verdicts that are the label, of those with one
    // Of pairs whose answers differ in length (bytes, without the thinking) and of which one is preferred: how often
    // the longer is. By the judge, and by the labels, for whom it is how often a rule that takes the longer is right.
    Proportion longer, longer_by_labels;
    void add(const JudgeLine& line, const JudgedPair& pair);
    int64_t judged() const { return a + b + ties + unparsable; }
};
struct JudgeSummary {
    AnswerSummary answers;
    PairSummary pairs;
};
json summary_to_json(const JudgeSummary& summary);
std::string in_words(const JudgeSummary& summary);  // a few lines, each with its line feed

// Examples {"prompt", "response"} for r1 sft that teach to judge as the line is labelled. The analysis is the line's
// own "analysis" if it has one, else a short sentence that a rule makes. A pair without one of its own gives two
// examples, one for each order, so that places teach nothing.
std::vector<json> judge_examples(const JudgeLine& line);

}  // namespace r1
