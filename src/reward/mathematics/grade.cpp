#include "reward/mathematics/grade.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "reward/extract.h"
#include "reward/mathematics/lenient.h"
#include "reward/mathematics/parse.h"
#include "reward/mathematics/same.h"

namespace r1 {

namespace {

using namespace mathematics;

constexpr size_t none = std::string_view::npos;
constexpr auto boxes = std::to_array<std::string_view>({"\\boxed", "\\fbox", "\\Boxed", "\\framebox"});

// The last box that a brace follows, or a digit (\boxed5) where `bare` allows it: where that stands.
size_t last_box(std::string_view text, bool bare) {
    size_t best = none;
    for (const std::string_view command : boxes) {
        for (size_t at = text.rfind(command); at != none; at = at ? text.rfind(command, at - 1) : none) {
            const size_t next = text.find_first_not_of(" \t\r\n", at + command.size());
            if (next == none || !(text[next] == '{' || (bare && is_digit(text[next])))) continue;
            if (best == none || next > best) best = next;
            break;
        }
    }
    return best;
}

bool has_box(std::string_view text) {
    return std::any_of(boxes.begin(), boxes.end(),
                       [&](std::string_view command) { return text.find(command) != none; });
}

// **5** and __5__ are 5 in bold; "Option A" is A.
std::string_view without_markdown(std::string_view text) {
    text = trimmed(text);
    for (const std::string_view before : {"Option ", "option ", "Choice ", "choice "})
        if (text.starts_with(before)) return trimmed(text.substr(before.size()));
    for (const std::string_view mark : {"**", "__"})
        if (text.size() > 4 && text.starts_with(mark) && text.ends_with(mark))
            return trimmed(text.substr(2, text.size() - 4));
    return text;
}

}  // namespace

std::optional<std::string_view> extract_boxed(std::string_view text) {
    const size_t begin = last_box(text, true);
    if (begin == none) return std::nullopt;
    if (text[begin] != '{') {
        const size_t end = text.find_first_not_of("0123456789.", begin);
        const std::string_view number = text.substr(begin, end == none ? none : end - begin);
        return number.ends_with('.') ? number.substr(0, number.size() - 1) : number;
    }
    int open = 0;
    for (size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\\') ++i;
        else if (text[i] == '{') ++open;
        else if (text[i] == '}' && --open == 0) return trimmed(text.substr(begin + 1, i - begin - 1));
    }
    return std::nullopt;
}

std::optional<std::string_view> reference_answer(std::string_view solution) {
    if (const size_t hashes = solution.rfind("####"); hashes != none) {
        const std::string_view rest = solution.substr(hashes + 4);
        return trimmed(rest.substr(0, rest.find('\n')));
    }
    const size_t box = solution.rfind("\\boxed ");
    const size_t brace = last_box(solution, false);
    if (box == none || (brace != none && brace > box)) return extract_boxed(solution);
    const std::string_view rest = solution.substr(box + 7);
    return trimmed(rest.substr(0, rest.find_first_of("$\n")));
}

namespace {

// The readings of a text that are mathematics: its runs of letters as words and units, and as products.
std::vector<Parse> readings(std::string_view text, bool thousands) {
    std::vector<Parse> all = {mathematics::parse(text, {thousands, false}),
                              mathematics::parse(text, {thousands, true})};
    const bool both = all[0].tree && all[1].tree;
    if ((both && identical(*all[0].tree, *all[1].tree)) || !all[1].tree) all.pop_back();
    return all;
}

// Words of which the letters are no product: several, and those that answers are made of. abcd is one.
bool is_plain_word(const std::string& words) {
    constexpr auto common = std::to_array<std::string_view>(
        {"yes",   "no",    "on",    "odd",    "even",   "none",  "true",  "false", "all",   "any",   "both",  "left",
         "right", "up",    "down",  "one",    "two",    "three", "four",  "five",  "six",   "seven", "eight", "nine",
         "ten",   "not",   "never", "north",  "south",  "east",  "west",  "red",   "blue",  "green", "white", "black",
         "heads", "tails", "win",   "lose",   "tie",    "equal", "prime", "first", "last",  "same",  "less",  "more",
         "line",  "plane", "point", "circle", "square", "cube",  "cone",  "acute", "obtuse"});
    const bool letters = std::all_of(words.begin(), words.end(), [](char c) { return c == ' ' || is_lower(c); });
    const bool one = words.find(' ') == std::string::npos;
    return (letters && (!one || words.size() > 4)) || one_of(words, common);
}

// Texts that stand in a data set's column of answers and are none.
std::string no_answer(const Parse& parsed) {
    constexpr auto placeholders = std::to_array<std::string_view>(
        {"proof", "notfound", "not found", "answer not found", "see solution", "n / a"});
    if (one_of(parsed.words, placeholders)) return "\"" + parsed.words + "\" is no answer";
    if (std::count(parsed.words.begin(), parsed.words.end(), ' ') >= 7) return "a sentence, which is no answer";
    return "";
}

}  // namespace

struct MathReference::Parsed {
    std::string words;  // as text
    // Of one that is mathematics: what its runs of letters may mean, words first. Empty: it is words alone.
    std::vector<Answer> readings;
    bool plain = false;
};

MathReference MathReference::parse(std::string_view text, const std::string& where) {
    const auto refuse = [&](const std::string& why) {
        fail("a reference answer that cannot be graded: " + why, where, "correct it or leave the row out");
    };
    if (has_box(text)) {
        const auto box = extract_boxed(text);
        if (!box) refuse("a box that is not closed");
        text = *box;
    }
    auto result = std::make_shared<Parsed>();
    std::string defect;
    const std::vector<Parse> all = readings(text, true);
    result->words = all[0].words;
    result->plain = all[0].plain;
    for (const Parse& parsed : all) {
        if (!parsed.tree) continue;
        const auto list = items_of(*parsed.tree);
        if (!list) {
            defect = "more than one \\pm";
            continue;
        }
        std::string of_item;
        for (const Node& item : *list)
            if (of_item.empty()) of_item = defect_of(item);
        if (of_item.empty()) result->readings.push_back({*list, *parsed.tree});
        else defect = of_item;
    }
    if (!all[0].tree && all[0].plain) {
        const std::string why = no_answer(all[0]);
        if (!why.empty()) refuse(why);
        if (is_plain_word(all[0].words)) result->readings.clear();
    } else if (result->readings.empty()) {
        refuse(defect.empty() ? all[0].error : defect);
    }
    MathReference reference;
    reference.parsed_ = std::move(result);
    return reference;
}

Verdict MathReference::grade(std::string_view answer) const {
    if (answer.size() > max_bytes) return {false, "longer than 4096 bytes"};
    if (has_box(answer)) {
        const auto box = extract_boxed(answer);
        if (!box) return {false, "the box is not closed"};
        answer = *box;
    }
    return compare(answer, false);
}

Verdict MathReference::compare(std::string_view answer, bool lenient) const {
    answer = without_markdown(answer);
    std::vector<Parse> given = readings(answer, true);
    const bool same_words = !given[0].words.empty() && given[0].words == parsed_->words;
    if (same_words && (parsed_->plain || given[0].plain)) return {true, "the same words"};
    if (parsed_->readings.empty()) return {false, "not the words of the reference"};
    if (!given[0].tree && given.size() == 1) return {false, "cannot be read as mathematics: " + given[0].error};
    std::string reason;  // of the first reading
    for (const bool thousands : {true, false}) {
        // 1,234 for a list 1 and 234
        if (!thousands && (parsed_->readings[0].items.size() < 2 || !given[0].separators)) break;
        if (!thousands) given = readings(answer, false);
        for (size_t i = 0; i < std::max(parsed_->readings.size(), given.size()); ++i) {
            const Answer& reference = parsed_->readings[std::min(i, parsed_->readings.size() - 1)];
            const Parse& reading = given[std::min(i, given.size() - 1)];
            if (!reading.tree) continue;
            const auto list = items_of(*reading.tree);
            if (!list) return {false, "more than one \\pm"};
            const Verdict verdict = same_answer(reference, {*list, *reading.tree}, lenient);
            if (verdict.correct) return verdict;
            if (reason.empty()) reason = verdict.reason;
        }
    }
    if (!given[0].tree && given[0].plain) reason = "cannot be read as mathematics: " + given[0].error;
    return {false, reason};
}

MathReference MathReference::parse_leniently(std::string_view text, const std::string& where) {
    std::optional<MathReference> strict;
    std::string why;
    try {
        strict = parse(text, where);
    } catch (const Error& error) {
        why = error.what();
    }
    std::vector<std::string> others = lenient_answers(text);
    MathReference reference = strict ? *strict : MathReference();
    for (const std::string& other : others) {
        try {
            reference.others_.push_back(parse(other, where).parsed_);
        } catch (const Error&) {}
    }
    if (!strict && reference.others_.empty()) throw Error(why);
    if (!strict) reference.parsed_ = reference.others_[0];
    return reference;
}

Verdict MathReference::grade_leniently(std::string_view text) const {
    const Verdict strict = grade(text);
    if (strict.correct) return strict;
    std::string reason;
    for (const std::string& answer : lenient_answers(text)) {
        if (answer.size() > max_bytes) continue;
        const Verdict verdict = compare(answer, true);
        if (verdict.correct) return {true, verdict.reason + ", read leniently"};
        if (reason.empty()) reason = verdict.reason;
        for (const auto& other : others_) {
            MathReference reference;
            reference.parsed_ = other;
            if (reference.compare(answer, true).correct) return {true, "equal, both read leniently"};
        }
    }
    return {false, reason.empty() ? "no mathematics" : reason};
}

}  // namespace r1
