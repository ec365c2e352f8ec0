#include "reward/mathematics/lenient.h"

#include <algorithm>
#include <array>
#include <optional>

#include "reward/extract.h"
#include "reward/mathematics/grade.h"
#include "reward/mathematics/lex.h"
#include "reward/mathematics/parse.h"

namespace r1::mathematics {

namespace {

constexpr size_t none = std::string_view::npos;
constexpr size_t joined_within = 40;  // bytes between boxes that are one list, and between mathematics and its unit

bool is_letter(char c) { return is_lower(c) || is_upper(c); }

// A part of the text: where it begins and ends, and what is of interest in it.
struct Place {
    size_t begin, end;
    std::string content;
};

// Behind the full stop, question mark or blank line that ends the sentence which stands at `from`; that of "3.5" and of
// "a.m." ends none.
size_t sentence_end(std::string_view text, size_t from) {
    for (size_t i = from; i < text.size(); ++i) {
        const bool last = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n';
        if ((text[i] == '.' || text[i] == '?') && last) return i + 1;
        if (text[i] == '\n' && i + 1 < text.size() && text[i + 1] == '\n') return i;
    }
    return text.size();
}

// Without what stands around an answer and is none of it.
std::string_view bare(std::string_view text) {
    constexpr std::string_view around = " \t\r\n.,;:\"*";
    const size_t begin = text.find_first_not_of(" \t\r\n,;:\"*");
    if (begin == none) return "";
    size_t end = text.find_last_not_of(around);
    return end == none || end < begin ? "" : text.substr(begin, end + 1 - begin);
}

// All numbers of a text as they stand in prose, with thousands joined and a decimal comma as a point.
std::vector<Place> numbers_in(std::string_view text) {
    std::vector<Place> found;
    const auto digits = [&](size_t i) {
        while (i < text.size() && is_digit(text[i])) ++i;
        return i;
    };
    const auto at = [&](size_t i) { return i < text.size() ? text[i] : '\0'; };
    for (size_t i = 0; i < text.size();) {
        const bool begins = is_digit(text[i]) || (text[i] == '.' && is_digit(at(i + 1)));
        const char before = i == 0 ? ' ' : text[i - 1];
        if (!begins || is_letter(before) || before == '_' || before == '.') {
            i = begins ? std::max(digits(i), i + 1) : i + 1;
            continue;
        }
        const bool negative = before == '-' && (i < 2 || !(is_letter(text[i - 2]) || is_digit(text[i - 2])));
        Place place = {i - negative, 0, negative ? "-" : ""};
        size_t end = digits(i);
        place.content += text.substr(i, end - i);
        const bool may_be_grouped = end - i >= 1 && end - i <= 3 && text[i] != '0';
        bool grouped = false;
        while (may_be_grouped && (at(end) == ',' || at(end) == ' ') && digits(end + 1) == end + 4) {
            place.content += text.substr(end + 1, 3);
            end += 4;
            grouped = true;
        }
        const bool comma = at(end) == ',' && !grouped;
        if ((at(end) == '.' || comma) && is_digit(at(end + 1))) {
            const size_t behind = digits(end + 1);
            place.content += "." + std::string(text.substr(end + 1, behind - end - 1));
            end = behind;
        } else if (at(end) == '/' && is_digit(at(end + 1))) {
            const size_t behind = digits(end + 1);
            place.content += text.substr(end, behind - end);
            end = behind;
        }
        const size_t sign = std::min(text.find_first_not_of(" \\", end), text.size());
        if (at(sign) == '%') {
            place.content += "%";
            end = sign + 1;
        }
        place.end = end;
        found.push_back(place);
        i = end;
    }
    return found;
}

// The closed boxes of a text.
std::vector<Place> boxes_in(std::string_view text) {
    std::vector<Place> found;
    for (size_t at = text.find("\\boxed"); at != none; at = text.find("\\boxed", at + 1)) {
        size_t end = at + 6;
        int open = 0;
        for (; end < text.size(); ++end) {
            if (text[end] == '\\') ++end;
            else if (text[end] == '{') ++open;
            else if (text[end] == '}' && --open == 0) break;
            else if (open == 0 && text[end] != ' ') break;
        }
        if (end >= text.size() || text[end] != '}') continue;
        if (const auto content = extract_boxed(text.substr(at, end + 1 - at)))
            found.push_back({at, end + 1, std::string(*content)});
    }
    return found;
}

// $5 and $6 apiece: two words between two dollars are prose, and the first of them is money.
bool is_prose(std::string_view text) {
    int words = 0;
    for (size_t i = 0; i < text.size();) {
        const size_t begin = i;
        while (i < text.size() && is_letter(text[i])) ++i;
        const bool command = begin > 0 && (text[begin - 1] == '\\' || text[begin - 1] == '{');
        words += i - begin > 2 && !command;
        if (i == begin) ++i;
    }
    return words > 1;
}

// Of an align environment the last row that is not empty.
std::string last_row(std::string_view text) {
    std::string_view rest = bare(text);
    while (rest.ends_with("\\\\")) rest = bare(rest.substr(0, rest.size() - 2));
    const size_t line = rest.rfind("\\\\");
    std::string row(line == none ? rest : rest.substr(line + 2));
    std::erase(row, '&');
    return row;
}

// All that stands between the signs of mathematics.
std::vector<Place> mathematics_in(std::string_view text) {
    constexpr auto marks = std::to_array<Pair>({{"$$", "$$"},
                                                {"$", "$"},
                                                {"\\(", "\\)"},
                                                {"\\[", "\\]"},
                                                {"\\begin{align*}", "\\end{align*}"},
                                                {"\\begin{align}", "\\end{align}"},
                                                {"\\begin{aligned}", "\\end{aligned}"},
                                                {"\\begin{equation}", "\\end{equation}"},
                                                {"\\begin{equation*}", "\\end{equation*}"}});
    std::vector<Place> found;
    for (size_t i = 0; i < text.size();) {
        const std::string_view rest = text.substr(i);
        const auto mark =
            std::find_if(marks.begin(), marks.end(), [&](const Pair& pair) { return rest.starts_with(pair.first); });
        if (mark == marks.end()) {
            i += rest.starts_with('\\') ? 2 : 1;
            continue;
        }
        const auto& [begin, close] = *mark;
        size_t end = text.find(close, i + begin.size());
        while (begin == "$" && end != none && text[end - 1] == '\\') end = text.find(close, end + 1);
        const std::string_view inside =
            end == none ? std::string_view() : text.substr(i + begin.size(), end - i - begin.size());
        if (end == none || (begin == "$" && (inside.find("\n\n") != none || is_prose(inside)))) {
            i += begin.size();
            continue;
        }
        const bool rows = begin.starts_with("\\begin");
        found.push_back({i, end + close.size(), rows ? last_row(inside) : std::string(trimmed(inside))});
        i = end + close.size();
    }
    return found;
}

// What an answer may be meant as, beside what it is.
void add_meanings(std::vector<std::string>& all, std::string_view given) {
    const auto add = [&](std::string_view text) {
        text = bare(text);
        if (!text.empty() && std::find(all.begin(), all.end(), text) == all.end()) all.emplace_back(text);
    };
    add(given);
    std::string text(bare(given));
    for (size_t at = text.find("\\\\"); at != none; at = text.find("\\\\", at + 1))
        if (at + 2 < text.size() && is_letter(text[at + 2])) text.erase(at, 1);
    for (size_t at = text.find(" {, }"); at != none; at = text.find(" {, }", at)) text.replace(at, 5, "{,}");
    add(text);
    if (const auto numbers = numbers_in(text); numbers.size() == 1) {
        const std::string_view before = trimmed(std::string_view(text).substr(0, numbers[0].begin));
        const std::string_view behind = trimmed(std::string_view(text).substr(numbers[0].end));
        if ((before.empty() || before.ends_with(':')) && (behind.empty() || behind.starts_with('$')))
            add(numbers[0].content);
    }
    // The sides of a chain, where no list stands.
    std::vector<std::string> sides = {""};
    bool last_is_approximate = false;
    int depth = 0;
    for (size_t i = 0; i < text.size();) {
        const std::string_view rest = std::string_view(text).substr(i);
        if (rest[0] == '{' || rest[0] == '(' || rest[0] == '[') ++depth;
        if (rest[0] == '}' || rest[0] == ')' || rest[0] == ']') --depth;
        if (depth == 0 && (rest[0] == ',' || rest[0] == ';') && !(rest.size() > 1 && is_digit(rest[1]))) return;
        const bool inequality = i > 0 && (text[i - 1] == '<' || text[i - 1] == '>' || text[i - 1] == '!');
        constexpr auto approximate = std::to_array<std::string_view>({"\\approx", "\xE2\x89\x88", "\\simeq"});
        const auto sign = std::find_if(approximate.begin(), approximate.end(),
                                       [&](std::string_view one) { return rest.starts_with(one); });
        if (depth == 0 && rest[0] == '=' && !inequality) {
            sides.emplace_back();
            last_is_approximate = false;
            ++i;
        } else if (depth == 0 && sign != approximate.end()) {
            sides.emplace_back();
            last_is_approximate = true;
            i += sign->size();
        } else {
            sides.back() += text[i++];
        }
    }
    const bool to_be_solved = sides.size() == 2 && !last_is_approximate && parse(sides[0]).tree;  // 2x = 5
    if (sides.size() < 2 || to_be_solved) return;
    add(sides.back());
    if (last_is_approximate) add(sides[sides.size() - 2]);
}

// Whether what stands between two boxes makes a list of them: nothing, a comma, "and" with a few words around it.
bool are_joined(std::string_view between) {
    if (between.size() > joined_within || sentence_end(between, 0) < between.size()) return false;
    const std::string padded = " " + std::string(between) + " ";
    constexpr auto joiners =
        std::to_array<std::string_view>({",", ";", " and ", " or ", "{and}", "{or}", "\xE5\x92\x8C"});
    const bool joiner = std::any_of(joiners.begin(), joiners.end(),
                                    [&](std::string_view one) { return padded.find(one) != std::string::npos; });
    return joiner || trimmed(between).empty();
}

// Behind the last "final answer" or "answer is", and the "is" that may follow; none if it stands nowhere.
size_t behind_announcement(std::string_view text) {
    const std::string small = lower(text);
    size_t from = none;
    for (const std::string_view phrase : {"final answer", "answer is", "answer:"})
        if (const size_t at = small.rfind(phrase); at != none)
            from = from == none ? at + phrase.size() : std::max(from, at + phrase.size());
    if (from == none) return none;
    from = std::min(small.find_first_not_of(" \n\t:*", from), small.size());
    if (std::string_view(small).substr(from).starts_with("is ")) from += 3;
    return from;
}

// The last mathematics of a text, or the last number where that stands in a later sentence.
void add_last(std::vector<std::string>& all, std::string_view text) {
    const std::vector<Place> formulas = mathematics_in(text);
    const std::vector<Place> numbers = numbers_in(text);
    const size_t sentence = formulas.empty() ? 0 : sentence_end(text, formulas.back().end);
    const bool later = !numbers.empty() && (formulas.empty() || numbers.back().begin >= sentence);
    if (later) return add_meanings(all, numbers.back().content);
    if (formulas.empty()) return;
    size_t first = formulas.size() - 1;  // 5 cm$^2$
    if (first > 0 && formulas[first].content.starts_with('^')) --first;
    const Place& formula = formulas[first];
    if (sentence - formula.end <= joined_within)
        add_meanings(all, formula.content + " " + std::string(text.substr(formula.end, sentence - formula.end)));
    add_meanings(all, formula.content);
    if (numbers.empty() || numbers.back().begin < formulas.back().end) return;
    add_meanings(all, numbers.back().content);  // the largest $n$ is 34
}

}  // namespace

std::vector<std::string> lenient_answers(std::string_view text) {
    std::vector<std::string> all;
    const std::vector<Place> boxes = boxes_in(text);
    const size_t announced = behind_announcement(text);
    if (announced != none && (boxes.empty() || boxes.back().begin < announced)) {
        const std::string_view sentence = text.substr(announced, sentence_end(text, announced) - announced);
        add_meanings(all, sentence);
        add_last(all, sentence);
        if (!all.empty()) return all;
    }
    if (boxes.empty()) {
        add_meanings(all, text);
        const std::vector<Place> formulas = mathematics_in(text);
        const bool is_mathematics = text.size() <= max_bytes && parse(text).tree.has_value();
        const bool covered = formulas.size() == 1 && formulas[0].end - formulas[0].begin == bare(text).size();
        if (covered) add_meanings(all, formulas[0].content);
        else if (!is_mathematics && (!formulas.empty() || is_prose(text))) add_last(all, text);
        return all;
    }
    size_t first = boxes.size() - 1;
    while (first > 0 && are_joined(text.substr(boxes[first - 1].end, boxes[first].begin - boxes[first - 1].end)))
        --first;
    std::string list;
    for (size_t i = first; i < boxes.size(); ++i) list += (i > first ? ", " : "") + boxes[i].content;
    add_meanings(all, list);
    const size_t end = boxes.back().end;
    std::string unit(text.substr(end, sentence_end(text, end) - end));  // of $\boxed{20}$ percent
    std::erase(unit, '$');
    if (unit.size() <= joined_within) add_meanings(all, boxes.back().content + unit);
    add_meanings(all, boxes.back().content);
    return all;
}

}  // namespace r1::mathematics
