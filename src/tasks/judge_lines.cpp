#include "tasks/judge_lines.h"

#include <algorithm>
#include <cstdarg>

#include "base/check.h"
#include "base/exact.h"
#include "reward/mathematics/grade.h"

namespace r1 {

// ---- reading

namespace {

const char* const FORMS =
    "write {\"question\": ..., \"reference\": ..., \"candidate\": ...} or {\"question\": ..., \"a\": ..., \"b\": ...}";

// The text under the first of the keys that the line has; a number is a text, too.
std::string text_of(const JudgeLine& line, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        if (!line.line.contains(key)) continue;
        const json& value = line.line[key];
        if (value.is_number()) return value.dump();
        if (!value.is_string()) fail(std::string("\"") + key + "\" is no text", line.where, FORMS);
        return value.get<std::string>();
    }
    fail(std::string("no \"") + *keys.begin() + "\"", line.where, FORMS);
}

[[noreturn]] void refuse_label(const JudgeLine& line, const char* what) {
    fail("a label that is none", line.where, std::string("write ") + what);
}

void read_label(JudgeLine& line) {
    if (line.is_pair && line.line.contains("chosen")) line.better = PairVerdict::a;
    if (!line.line.contains("label") || line.line["label"].is_null()) return;
    const json& label = line.line["label"];
    const std::string word = label.is_string() ? label.get<std::string>() : "";
    if (line.is_pair) {
        line.better.reset();
        for (const PairVerdict verdict : {PairVerdict::a, PairVerdict::b, PairVerdict::tie})
            if (same_word(word, name_of(verdict))) line.better = verdict;
        if (!line.better) refuse_label(line, "\"a\", \"b\" or \"tie\"");
        return;
    }
    if (label == true || same_word(word, "correct")) line.correct = true;
    else if (label == false || same_word(word, "incorrect")) line.correct = false;
    else refuse_label(line, "true, false, \"correct\" or \"incorrect\"");
}

JudgeLine line_of(const json& object, const std::string& where) {
    JudgeLine line{object, where};
    const bool named = object.contains("a") && object.contains("b");
    line.is_pair = named || (object.contains("chosen") && object.contains("rejected"));
    const std::string question = text_of(line, {"question", "problem", "prompt"});
    if (line.is_pair && named) line.pair = {question, text_of(line, {"a"}), text_of(line, {"b"})};
    else if (line.is_pair) line.pair = {question, text_of(line, {"chosen"}), text_of(line, {"rejected"})};
    else
        line.answer = {question, text_of(line, {"reference", "answer"}),
                       text_of(line, {"candidate", "response", "generation"})};
    read_label(line);
    return line;
}

}  // namespace

std::vector<JudgeLine> read_judge_lines(const std::string& path) {
    std::vector<JudgeLine> lines;
    read_json_lines(path, [&](const json& object, int64_t number) {
        lines.push_back(line_of(object, path + " line " + std::to_string(number)));
    });
    if (lines.empty()) fail("nothing to judge", path, FORMS);
    return lines;
}

void check_labelled(const std::vector<JudgeLine>& lines) {
    for (const JudgeLine& line : lines)
        if (!line.labelled())
            fail("a line without a label", line.where,
                 line.is_pair ? "write \"label\": \"a\", \"b\" or \"tie\"" : "write \"label\": true or false");
}

// ---- in numbers

// Wilson's score interval: the shares p of which n of `of` is within 1.96 standard errors of p.
static double wilson(const Proportion& share, double side) {
    if (share.of == 0) return 0;
    const double n = double(share.of), p = share.value(), z = 1.96;
    const double half = z * exact::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return std::clamp((p + z * z / (2 * n) + side * half) / (1 + z * z / n), 0.0, 1.0);
}
double Proportion::low() const { return wilson(*this, -1); }
double Proportion::high() const { return wilson(*this, 1); }

void AnswerSummary::add(const JudgeLine& line, const AnswerVerdict& verdict) {
    const bool yes = verdict.correctness == Correctness::correct, no = verdict.correctness == Correctness::incorrect;
    correct += yes;
    incorrect += no;
    unparsable += !yes && !no;
    if (!line.correct) return;
    right.add(*line.correct ? yes : no);
    if (*line.correct) false_negatives.add(no);
    else false_positives.add(yes);
}

void PairSummary::add(const JudgeLine& line, const JudgedPair& pair) {
    const auto prefers = [](PairVerdict verdict) { return verdict == PairVerdict::a || verdict == PairVerdict::b; };
    a += pair.better == PairVerdict::a;
    b += pair.better == PairVerdict::b;
    ties += pair.better == PairVerdict::tie;
    unparsable += pair.better == PairVerdict::unparsable;
    flips.add(pair.flipped);
    if (prefers(pair.first)) first_place.add(pair.first == PairVerdict::a);
    if (prefers(pair.second)) first_place.add(pair.second == PairVerdict::b);
    const size_t of_a = without_thinking(line.pair.a).size(), of_b = without_thinking(line.pair.b).size();
    const PairVerdict long_one = of_a > of_b ? PairVerdict::a : PairVerdict::b;
    if (of_a != of_b && prefers(pair.better)) longer.add(pair.better == long_one);
    if (!line.better) return;
    right.add(pair.better == *line.better);
    if (of_a != of_b && prefers(*line.better)) longer_by_labels.add(*line.better == long_one);
}

static json json_of(const Proportion& share) {
    return {{"n", share.n}, {"of", share.of}, {"share", rounded(share.value())}};
}

static void add_accuracy(json& out, const Proportion& right) {
    out["labelled"] = right.of;
    if (right.of == 0) return;
    out["accuracy"] = rounded(right.value());
    out["accuracy_interval"] = {rounded(right.low()), rounded(right.high())};
}

json summary_to_json(const JudgeSummary& s) {
    json answers = {{"judged", s.answers.judged()},
                    {"correct", s.answers.correct},
                    {"incorrect", s.answers.incorrect},
                    {"unparsable", s.answers.unparsable}};
    add_accuracy(answers, s.answers.right);
    if (s.answers.right.of > 0) {
        answers["false_positives"] = json_of(s.answers.false_positives);
        answers["false_negatives"] = json_of(s.answers.false_negatives);
    }
    json pairs = {{"judged", s.pairs.judged()},
                  {"A", s.pairs.a},
                  {"B", s.pairs.b},
                  {"ties", s.pairs.ties},
                  {"unparsable", s.pairs.unparsable},
                  {"flips", json_of(s.pairs.flips)},
                  {"first_place", json_of(s.pairs.first_place)},
                  {"longer", json_of(s.pairs.longer)}};
    add_accuracy(pairs, s.pairs.right);
    if (s.pairs.right.of > 0) pairs["longer_by_labels"] = json_of(s.pairs.longer_by_labels);
    return {{"answers", answers}, {"pairs", pairs}};
}

static std::string formatted(const char* format, ...) {
    char text[256];
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return text;
}

static std::string in_words(const Proportion& share) {
    if (share.of == 0) return "none";
    return formatted("%.1f %% (%lld of %lld)", 100 * share.value(), static_cast<long long>(share.n),
                     static_cast<long long>(share.of));
}

static std::string accuracy_in_words(const Proportion& right) {
    return "  accuracy " + in_words(right) +
           formatted(", 95 %% interval %.1f to %.1f\n", 100 * right.low(), 100 * right.high());
}

std::string in_words(const JudgeSummary& s) {
    const auto n = [](int64_t count) { return std::to_string(count); };
    const AnswerSummary& a = s.answers;
    const PairSummary& p = s.pairs;
    std::string text;
    if (a.judged() > 0) {
        text += n(a.judged()) + " answers: " + n(a.correct) + " correct, " + n(a.incorrect) + " incorrect, " +
                n(a.unparsable) + " unparsable\n";
        if (a.right.of > 0)
            text += accuracy_in_words(a.right) + "  false positives " + in_words(a.false_positives) +
                    "   false negatives " + in_words(a.false_negatives) + "\n";
    }
    if (p.judged() > 0) {
        text += n(p.judged()) + " pairs: A " + n(p.a) + ", B " + n(p.b) + ", ties " + n(p.ties) + ", unparsable " +
                n(p.unparsable) + "\n  flipped by the order " + in_words(p.flips) +
                "   the one shown first is preferred " + in_words(p.first_place) + "\n  the longer is preferred " +
                in_words(p.longer);
        if (p.right.of > 0)
            text += ", by the labels " + in_words(p.longer_by_labels) + "\n" + accuracy_in_words(p.right);
        else text += "\n";
    }
    return text;
}

// ---- examples

namespace {

constexpr size_t LONGEST_FINAL = 80;  // bytes of an answer that a sentence repeats

// The answer that a text ends with, if it is short: after ####, in its box, or the text itself.
std::string final_answer(std::string_view text) {
    std::string_view found = without_thinking(text);
    if (const auto of_solution = reference_answer(found)) found = *of_solution;
    return std::string(found.size() <= LONGEST_FINAL && found.find('\n') == found.npos ? found : "");
}

// Of a text such as "17" or "17."; nothing of another, or of a number that nobody subtracts by heart.
std::optional<int> small_number(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    const bool digits = !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == text.npos;
    return digits ? std::optional(std::stoi(std::string(text))) : std::nullopt;
}

// Whole numbers are compared by their difference, because a small model computes better than it compares.
std::string analysis_of(const JudgeAsk& ask, bool correct) {
    const std::string candidate = final_answer(ask.candidate), reference = final_answer(ask.reference);
    const std::optional<int> x = small_number(candidate), y = small_number(reference);
    if (x && y) {
        const int high = std::max(*x, *y), low = std::min(*x, *y);
        return std::to_string(high) + " - " + std::to_string(low) + " = " + std::to_string(high - low) + ".";
    }
    if (!candidate.empty() && !reference.empty())
        return candidate + (correct ? " agrees with " : " does not agree with ") + reference + ".";
    return correct ? "The candidate agrees with the reference." : "The candidate does not agree with the reference.";
}

std::string analysis_of(PairVerdict verdict) {
    if (verdict == PairVerdict::tie) return "Neither is better.";
    return std::string(name_of(verdict)) + " is better.";
}

}  // namespace

std::vector<json> judge_examples(const JudgeLine& line) {
    std::vector<json> examples;
    const auto add = [&](const std::string& prompt, const std::string& response) {
        examples.push_back(json{{"prompt", prompt}, {"response", response}});
    };
    std::optional<std::string> own;
    if (line.line.contains("analysis")) own = text_of(line, {"analysis"});
    if (!line.is_pair) {
        const JudgeAsk& ask = line.answer;
        const std::string analysis = own ? *own : analysis_of(ask, *line.correct);
        add(judge_question(ask.question, ask.reference, ask.candidate), verdict_text(analysis, *line.correct));
        return examples;
    }
    const PairAsk& ask = line.pair;
    const PairVerdict given = *line.better, other_way = swapped(given);
    add(judge_pair_question(ask.question, ask.a, ask.b), pair_verdict_text(own ? *own : analysis_of(given), given));
    if (!own)
        add(judge_pair_question(ask.question, ask.b, ask.a), pair_verdict_text(analysis_of(other_way), other_way));
    return examples;
}

}  // namespace r1
