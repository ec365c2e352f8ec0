#include "reward/logic.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/json_stream.h"

namespace r1 {

namespace {

constexpr size_t MOST_VARIABLES = 64, MOST_VALUES = 64, MOST_DEPTH = 32, MOST_PARTS = 4096, MOST_BYTES = 16384;
constexpr double MOST_ASSIGNMENTS = 1e6;

char small(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

bool same_but_for_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return small(x) == small(y); });
}

// ---- reading a puzzle

const char* const puzzle_format =
    "write \"variables\": {\"Ann\": [\"knight\", \"knave\"]} and \"constraints\": [[\"is\", \"Ann\", \"knight\"]]";

struct Operator {
    const char* name;
    LogicFormula::Kind kind;
    size_t least, most;  // operands
};
constexpr std::array<Operator, 8> operators = {{{"is", LogicFormula::is, 2, 2},
                                                {"not", LogicFormula::negation, 1, 1},
                                                {"and", LogicFormula::all, 1, MOST_PARTS},
                                                {"or", LogicFormula::any, 1, MOST_PARTS},
                                                {"if", LogicFormula::implies, 2, 2},
                                                {"iff", LogicFormula::equivalent, 2, 2},
                                                {"different", LogicFormula::different, 2, 2},
                                                {"same", LogicFormula::same, 2, 2}}};

class FormulaReader {
public:
    FormulaReader(const LogicPuzzle& puzzle, const std::string& where) : puzzle_(puzzle), where_(where) {}

    LogicFormula read(const json& formula, size_t depth = 1) {
        if (depth > MOST_DEPTH) refuse("a formula that is more than 32 deep", "write it flatter");
        if (++parts_ > MOST_PARTS) refuse("formulas of more than 4096 parts", "write fewer");
        if (!formula.is_array() || formula.empty() || !formula[0].is_string())
            refuse("a formula that is no list beginning with a word", "write it as [\"is\", \"Ann\", \"knight\"]");
        const std::string word = formula[0].get<std::string>();
        const auto found =
            std::find_if(operators.begin(), operators.end(), [&](const Operator& o) { return word == o.name; });
        if (found == operators.end())
            refuse("a formula that begins with " + printable(word),
                   "begin it with is, not, and, or, if, iff, different or same");
        if (formula.size() - 1 < found->least || formula.size() - 1 > found->most)
            refuse("a formula \"" + word + "\" of " + std::to_string(formula.size() - 1) + " parts",
                   "give it " + std::to_string(found->least) + (found->most > found->least ? " or more" : ""));
        LogicFormula result{found->kind};
        if (result.kind == LogicFormula::is || result.kind == LogicFormula::different ||
            result.kind == LogicFormula::same) {
            result.variable = variable_of(formula[1]);
            const bool names_value = result.kind == LogicFormula::is;
            result.other = names_value ? value_of(result.variable, formula[2]) : variable_of(formula[2]);
            return result;
        }
        for (size_t i = 1; i < formula.size(); ++i) result.parts.push_back(read(formula[i], depth + 1));
        return result;
    }

private:
    [[noreturn]] void refuse(const std::string& what, const std::string& to_do) const { fail(what, where_, to_do); }

    int variable_of(const json& name) const {
        for (size_t i = 0; i < puzzle_.variables.size(); ++i)
            if (name.is_string() && name.get_ref<const std::string&>() == puzzle_.variables[i].name) return int(i);
        refuse("a formula about what is no variable", "name one of \"variables\"");
    }

    int value_of(int variable, const json& value) const {
        const std::vector<std::string>& values = puzzle_.variables[size_t(variable)].values;
        for (size_t i = 0; i < values.size(); ++i)
            if (value.is_string() && value.get_ref<const std::string&>() == values[i]) return int(i);
        refuse("a formula with a value that its variable cannot have", "name one of the variable's values");
    }

    const LogicPuzzle& puzzle_;
    std::string where_;
    size_t parts_ = 0;
};

// Adds a name or a value to others, which it must not be taken for.
void add_text(std::vector<std::string>& texts, const json& text, const char* what, const std::string& where) {
    const std::string bad = std::string("a ") + what;
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
        fail(bad + " that is no text, or an empty one", where, puzzle_format);
    const std::string& given = text.get_ref<const std::string&>();
    if (given.size() > 256) fail(bad + " of more than 256 bytes", where, "write a shorter one");
    if (std::string(" \t\r\n").find(given.front()) != std::string::npos ||
        std::string(" \t\r\n").find(given.back()) != std::string::npos)
        fail(bad + " with a blank at an end", where, "leave the blank out");
    for (const std::string& other : texts)
        if (same_but_for_case(given, other))
            fail(bad + " that stands there twice", where, "make them differ in more than capitals");
    texts.push_back(given);
}

// ---- reading an answer

// A letter or a digit of ASCII: what a whole word may not be followed by.
bool in_word(char c) { return (small(c) >= 'a' && small(c) <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// Whether `word` stands in the text at `at`, with no letter going on before or after it.
bool stands_at(std::string_view text, size_t at, std::string_view word) {
    if (!same_but_for_case(text.substr(at, word.size()), word)) return false;
    const size_t end = at + word.size();
    const bool begun = at > 0 && in_word(text[at - 1]) && in_word(word.front());
    return !begun && !(end < text.size() && in_word(text[end]) && in_word(word.back()));
}

// Which of the words stands at `at`, the longest of them; -1: none.
int longest_at(std::string_view text, size_t at, const std::vector<std::string>& words) {
    int best = -1;
    for (size_t i = 0; i < words.size(); ++i)
        if ((best < 0 || words[i].size() > words[size_t(best)].size()) && stands_at(text, at, words[i])) best = int(i);
    return best;
}

// The bytes of what may stand between names and values, at `at`; 0: something else stands there.
size_t filler_at(std::string_view text, size_t at) {
    constexpr std::array<std::string_view, 19> fillers = {" ",  "\t", "\r", "\n", ",",  ";",  ":",  "=",  ".", "，",
                                                          "；", "：", "、", "。", "＝", "　", "是", "is", "a"};
    for (const std::string_view filler : fillers)
        if (stands_at(text, at, filler)) return filler.size();
    return 0;
}

// ---- searching

// Whether the variables from `first` on can be chosen so that all constraints hold. due[v]: the constraints whose last
// variable is v.
bool can_be_completed(const LogicPuzzle& puzzle, const std::vector<std::vector<const LogicFormula*>>& due, size_t first,
                      std::vector<int>& value) {
    if (first == puzzle.variables.size()) return true;
    const auto held = [&](const LogicFormula* formula) { return holds(puzzle, *formula, value); };
    for (size_t i = 0; i < puzzle.variables[first].values.size(); ++i) {
        value[first] = int(i);
        if (std::all_of(due[first].begin(), due[first].end(), held) && can_be_completed(puzzle, due, first + 1, value))
            return true;
    }
    return false;
}

int last_variable(const LogicFormula& formula) {
    const bool two = formula.kind == LogicFormula::different || formula.kind == LogicFormula::same;
    int last = two ? std::max(formula.variable, formula.other) : formula.variable;
    for (const LogicFormula& part : formula.parts) last = std::max(last, last_variable(part));
    return last;
}

}  // namespace

LogicPuzzle logic_puzzle_of(const json& line, const std::string& where) {
    LogicPuzzle puzzle;
    if (!line.contains("variables") || !line["variables"].is_object() || line["variables"].empty())
        fail("no \"variables\", or none with a name", where, puzzle_format);
    if (line["variables"].size() > MOST_VARIABLES) fail("more than 64 variables", where, "give fewer");
    std::vector<std::string> names;
    for (const auto& [name, values] : line["variables"].items()) {
        add_text(names, name, "variable", where);
        if (!values.is_array() || values.empty() || values.size() > MOST_VALUES)
            fail("a variable whose values are no list of 1 to 64", where, puzzle_format);
        LogicVariable& variable = puzzle.variables.emplace_back(LogicVariable{name, {}});
        for (const json& value : values) add_text(variable.values, value, "value", where);
    }
    if (!line.contains("constraints") || !line["constraints"].is_array() || line["constraints"].empty())
        fail("no \"constraints\", or an empty list", where, puzzle_format);
    FormulaReader reader(puzzle, where);
    for (const json& constraint : line["constraints"]) puzzle.constraints.push_back(reader.read(constraint));
    return puzzle;
}

bool holds(const LogicPuzzle& puzzle, const LogicFormula& f, const std::vector<int>& value) {
    const auto part = [&](const LogicFormula& each) { return holds(puzzle, each, value); };
    const auto text = [&](int variable) -> const std::string& {
        return puzzle.variables[size_t(variable)].values[size_t(value[size_t(variable)])];
    };
    switch (f.kind) {
        case LogicFormula::is: return value[size_t(f.variable)] == f.other;
        case LogicFormula::negation: return !part(f.parts[0]);
        case LogicFormula::all: return std::all_of(f.parts.begin(), f.parts.end(), part);
        case LogicFormula::any: return std::any_of(f.parts.begin(), f.parts.end(), part);
        case LogicFormula::implies: return !part(f.parts[0]) || part(f.parts[1]);
        case LogicFormula::equivalent: return part(f.parts[0]) == part(f.parts[1]);
        case LogicFormula::different: return text(f.variable) != text(f.other);
        case LogicFormula::same: return text(f.variable) == text(f.other);
    }
    return false;
}

std::optional<bool> satisfiable(const LogicPuzzle& puzzle) {
    double assignments = 1;
    for (const LogicVariable& variable : puzzle.variables) assignments *= double(variable.values.size());
    if (assignments > MOST_ASSIGNMENTS) return std::nullopt;
    std::vector<std::vector<const LogicFormula*>> due(puzzle.variables.size());
    for (const LogicFormula& constraint : puzzle.constraints)
        due[size_t(last_variable(constraint))].push_back(&constraint);
    std::vector<int> value(puzzle.variables.size());
    return can_be_completed(puzzle, due, 0, value);
}

std::optional<std::vector<int>> assignment_of(const LogicPuzzle& puzzle, std::string_view answer, std::string* fault) {
    const auto refuse = [&](const std::string& why) {
        if (fault) *fault = why;
        return std::optional<std::vector<int>>();
    };
    if (answer.size() > MOST_BYTES) return refuse("longer than 16 KiB");
    std::vector<std::string> names;
    for (const LogicVariable& variable : puzzle.variables) names.push_back(variable.name);
    std::vector<int> value(names.size(), -1);
    int variable = -1;  // whose value comes next; -1: a name does
    for (size_t at = 0; at < answer.size();) {
        const std::vector<std::string>& words = variable < 0 ? names : puzzle.variables[size_t(variable)].values;
        const int found = longest_at(answer, at, words);
        if (found < 0) {
            const size_t bytes = filler_at(answer, at);
            if (bytes == 0) return refuse("unreadable at character " + std::to_string(at + 1));
            at += bytes;
            continue;
        }
        at += words[size_t(found)].size();
        if (variable >= 0) {
            value[size_t(variable)] = found;
            variable = -1;
        } else if (value[size_t(found)] >= 0) {
            return refuse("variable " + std::to_string(found + 1) + " twice");
        } else {
            variable = found;
        }
    }
    for (size_t i = 0; i < value.size(); ++i)
        if (value[i] < 0) return refuse("no value for variable " + std::to_string(i + 1));
    return value;
}

Verdict grade_logic(const LogicPuzzle& puzzle, std::string_view answer) {
    Verdict verdict;
    const auto value = assignment_of(puzzle, answer, &verdict.reason);
    if (!value) return verdict;
    for (size_t i = 0; i < puzzle.constraints.size(); ++i)
        if (!holds(puzzle, puzzle.constraints[i], *value)) {
            verdict.reason = "constraint " + std::to_string(i + 1) + " does not hold";
            return verdict;
        }
    verdict.correct = true;
    verdict.reason = "all " + std::to_string(puzzle.constraints.size()) + " constraints hold";
    return verdict;
}

std::string logic_vote(std::string_view answer) {
    std::string vote;
    for (size_t at = 0; at < answer.size();) {
        const size_t bytes = filler_at(answer, at);
        if (bytes == 0) vote += small(answer[at]);
        at += std::max<size_t>(1, bytes);
    }
    return vote;
}

}  // namespace r1
