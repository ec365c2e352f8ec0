#include "reward/mathematics/grade.h"

#include <algorithm>

#include "base/check.h"
#include "reward/extract.h"
#include "reward/mathematics/exact.h"
#include "reward/mathematics/lenient.h"
#include "reward/mathematics/numeric.h"
#include "reward/mathematics/parse.h"
#include "reward/mathematics/reals.h"

namespace r1 {

namespace {

using namespace mathematics;

constexpr int64_t max_work = 200000;  // some 100 ms at the most

using Nodes = std::vector<Node>;

// Trees.

Node over(Kind kind, const Node& a) { return {kind, "", 0, {a}}; }

size_t count(const Node& node, const std::string& sign) {
    size_t result = node.kind == Kind::plus_minus && node.name == sign;
    for (const Node& part : node.parts) result += count(part, sign);
    return result;
}

Node with_sign(const Node& node, bool plus) {
    if (node.kind == Kind::plus_minus) {
        const Node inner = with_sign(node.parts[0], plus);
        return plus == (node.name == "+") ? inner : over(Kind::negate, inner);
    }
    Node result = node;
    for (Node& part : result.parts) part = with_sign(part, plus);
    return result;
}

// The one or two values of an item with \pm, where every \mp takes the other sign. None with two \pm.
std::optional<Nodes> values(const Node& item) {
    const size_t plus = count(item, "+"), minus = count(item, "-");
    if (plus + minus == 0) return Nodes{item};
    if (plus > 1 || (plus == 0 && minus > 1)) return std::nullopt;
    return Nodes{with_sign(item, true), with_sign(item, false)};
}

// The items of a list, \pm 2 being two; anything else is a list of one.
std::optional<Nodes> items(const Node& tree) {
    Nodes result;
    const bool set = tree.kind == Kind::set;
    for (const Node& item : tree.kind == Kind::list || set ? tree.parts : Nodes{tree}) {
        const auto expanded = values(item);
        if (!expanded) return std::nullopt;
        result.insert(result.end(), expanded->begin(), expanded->end());
    }
    if (set) return Nodes{Node{Kind::set, "", 0, result}};
    return result;
}

bool mentions(const Node& node, const Node& name) {
    return identical(node, name) ||
           std::any_of(node.parts.begin(), node.parts.end(), [&](const Node& part) { return mentions(part, name); });
}

bool has_number(const Node& node) {
    return node.kind == Kind::number ||
           std::any_of(node.parts.begin(), node.parts.end(), [](const Node& part) { return has_number(part); });
}

// What may stand before an equals sign as the name of a value: x, f(x), (x, y), and what has no number in it, as AB,
// m + n, \cos\theta, |AB|. Not 2x, -x, x^2, e^x: they are to be solved.
bool is_name(const Node& node) {
    if (node.kind == Kind::apply) return true;
    const bool thing = node.kind != Kind::set && node.kind != Kind::list && contains(node, Kind::variable);
    const bool to_be_solved = node.kind == Kind::negate || has_number(node) || contains(node, Kind::power);
    return thing && !to_be_solved;
}

// Whether each of a can be paired with another one of b that is the same.
template <class T, class Same>
bool pair_off(const std::vector<T>& a, const std::vector<T>& b, const Same& same) {
    std::vector<bool> used(b.size());
    for (const T& left : a) {
        size_t i = 0;
        while (i < b.size() && (used[i] || !same(left, b[i]))) ++i;
        if (i == b.size()) return false;
        used[i] = true;
    }
    return true;
}

// Of "x = 1, x = 2" and "x = 1, 2" the name x and the values; none if an item has no name, another one, or itself in
// its value.
struct Named {
    Node name;
    Nodes values;
};

std::optional<Named> named(const Nodes& items) {
    Named result = {items[0], {}};
    for (const Node& item : items) {
        const bool first = &item == &items[0];
        if (item.kind != Kind::relation) {
            if (first || mentions(item, result.name)) return std::nullopt;
            result.values.push_back(item);
            continue;
        }
        if (item.name != "=" && item.name != "E") return std::nullopt;
        const Node &name = item.parts[0], &value = item.parts[1];
        if (!is_name(name)) return std::nullopt;
        if (first) result.name = name;
        if (!identical(name, result.name) || mentions(value, name)) return std::nullopt;
        result.values.push_back(value);
    }
    return result;
}

// Of "x = 1, y = 2" the names and the values; none if an item is anything else, or a name stands twice.
struct Assignments {
    Nodes names, values;
};

std::optional<Assignments> assignments(const Nodes& items) {
    Assignments result;
    for (const Node& item : items) {
        if (item.kind != Kind::relation || item.name != "=" || item.parts[0].kind != Kind::variable)
            return std::nullopt;
        for (const Node& name : result.names)
            if (identical(name, item.parts[0])) return std::nullopt;
        result.names.push_back(item.parts[0]);
        result.values.push_back(item.parts[1]);
    }
    return result.names.size() < 2 ? std::nullopt : std::optional(result);
}

// Whether the names are one letter with subscripts: x_1, x_2.
bool are_numbered(const Nodes& names) {
    const auto letter = [](const Node& name) { return name.name.substr(0, name.name.find('_')); };
    return std::all_of(names.begin(), names.end(), [&](const Node& name) {
        return name.name.find('_') != std::string::npos && letter(name) == letter(names[0]);
    });
}

bool any_relation(const Nodes& items) {
    return std::any_of(items.begin(), items.end(), [](const Node& item) { return item.kind == Kind::relation; });
}

// y(x) is y before an equals sign.
Node without_arguments(const Node& name) {
    const bool plain =
        name.kind == Kind::apply &&
        std::all_of(name.parts.begin(), name.parts.end(), [](const Node& part) { return part.kind == Kind::variable; });
    return plain ? Node{Kind::variable, name.name, 0, {}} : name;
}

void collect_variables(const Node& node, std::vector<std::string>& names) {
    if (node.kind == Kind::variable && node.name != "mathbb R") names.push_back(node.name);
    for (const Node& part : node.parts) collect_variables(part, names);
}

// Whether all variables of both are one, where both have some.
bool same_variables(const Node& a, const Node& b) {
    std::vector<std::string> of_a, of_b;
    collect_variables(a, of_a);
    collect_variables(b, of_b);
    return of_a.empty() || of_b.empty() || of_a[0] == of_b[0];
}

// Decides between trees. One for each answer: it holds the work that is left and what there is to say.
class Grader {
public:
    explicit Grader(bool lenient = false) : lenient_(lenient) {}

    // Both are items of lists. Names ("x = ") may be missing on one side.
    bool same_items(const Nodes& reference, const Nodes& answer) {
        if (match(reference, answer)) return true;
        if (answer.size() == 1 && is_chain(answer[0]) && !any_relation(reference))
            return match(reference, {answer[0].parts.back()});
        const auto name = named(reference), other = named(answer);
        if (other && !any_relation(reference)) return match(reference, other->values);
        if (same_assignments(reference, answer)) return true;
        if (answer.size() == 1 && is_true_of_constants(answer[0]) && !any_relation(reference))
            return match(reference, {answer[0].parts[1]});
        if (lenient_ && same_leniently(reference, answer)) return true;
        if (!name || any_relation(answer)) return false;
        const bool may_be_missing = name->name.kind == Kind::apply ||
                                    std::none_of(name->values.begin(), name->values.end(),
                                                 [](const Node& value) { return contains(value, Kind::variable); });
        return may_be_missing && match(name->values, answer);
    }

    // Both as sets of reals, where the reference is one: x < 3 and (-\infty, 3).
    bool same_reals(const Node& reference, const Node& answer) {
        if (!same_variables(reference, answer)) return false;
        const auto left = pieces_of(reference, work_), right = pieces_of(answer, work_);
        if (left && right) return *left == *right;
        const auto a = intervals_of(reference), b = intervals_of(answer);
        if (!a || !b || a->size() != b->size()) return false;
        return pair_off(*a, *b, [&](const Interval& x, const Interval& y) { return same_interval(x, y); });
    }

    // Why the reference cannot be one; "" if it can.
    std::string defect(const Node& node) {
        if (infinite(node) || node.kind == Kind::based) return "";
        if (is_container(node)) {
            for (const Node& part : node.parts)
                if (const std::string inner = defect(part); !inner.empty()) return inner;
            return "";
        }
        Algebra algebra(work_);
        algebra.value(node);
        return algebra.problem;
    }

    const std::string& reason(bool correct) {
        if (correct) why_ = unproven_.empty() ? "equal" : unproven_;
        else if (why_.empty()) why_ = "not equal to the reference";
        return why_;
    }

private:
    // Names left out on either side, brackets for brackets of another kind or for none, and lists without regard to
    // repetition.
    bool same_leniently(const Nodes& reference, const Nodes& answer) {
        const auto values = [](const Nodes& items) {
            Nodes result;
            for (const Node& item : items) {
                const bool named = item.kind == Kind::relation && item.name == "=" && is_name(item.parts[0]);
                result.push_back(named ? item.parts[1] : item);
            }
            const bool inner = result.size() == 1 && (result[0].kind == Kind::tuple || result[0].kind == Kind::set);
            return inner && result[0].name.find_first_not_of("()") == std::string::npos ? result[0].parts : result;
        };
        const Nodes a = values(reference), b = values(answer);
        const bool all_named = !any_relation(a) && !any_relation(b) && any_relation(reference) != any_relation(answer);
        const bool other_brackets = is_one_container(reference) != is_one_container(answer) ||
                                    (is_one_container(answer) && reference[0].kind != answer[0].kind);
        if ((all_named || other_brackets) && ordered(a, b)) return true;
        const bool lists = reference.size() > 1 && answer.size() > 1;
        return lists && subset(reference, answer) && subset(answer, reference);
    }

    static bool is_one_container(const Nodes& items) {
        return items.size() == 1 && (items[0].kind == Kind::tuple || items[0].kind == Kind::set);
    }

    // Whether one of the two is a decimal, with two digits and more behind its point and two that count, to which the
    // other one rounds.
    bool rounds(const Node& value, const Node& decimal) {
        const Node& number = decimal.kind == Kind::negate ? decimal.parts[0] : decimal;
        if (number.kind != Kind::number || contains(value, Kind::variable)) return false;
        Rational scaled = number.number;
        size_t places = 0;
        for (; places < 40 && !scaled.is_integer(); ++places) scaled = scaled * Rational(10);
        if (places < 2 || !scaled.is_integer() || scaled.text().size() < 2) return false;
        const Node scale = {Kind::number, "", Rational::power(10, places), {}};
        const Node half = {Kind::number, "", Rational(1, 2), {}};
        const Node product = {Kind::product, "", 0, {value, scale}};
        const Node rounded = {Kind::call, "floor", 0, {{Kind::sum, "", 0, {product, half}}}};
        const Node whole = {Kind::number, "", scaled, {}};
        return same_value(rounded, decimal.kind == Kind::negate ? over(Kind::negate, whole) : whole);
    }

    bool match(const Nodes& reference, const Nodes& answer) {
        if (reference.size() == 1 && answer.size() == 1) return same(reference[0], answer[0]);
        if (reference.size() == 1 && reference[0].kind == Kind::set) return unordered(reference[0].parts, answer);
        if (answer.size() == 1 && answer[0].kind == Kind::set) return unordered(reference, answer[0].parts);
        return unordered(reference, answer);
    }

    bool same_interval(const Interval& a, const Interval& b) {
        return a.has_low == b.has_low && a.has_high == b.has_high && same(a.low, b.low) && same(a.high, b.high);
    }

    // m + n = 100 + 13 = 113: a name, and constants that are all equal.
    bool is_chain(const Node& item) {
        if (item.kind != Kind::relation || item.parts.size() < 3 || !is_name(item.parts[0]) ||
            item.name.find_first_not_of('=') != std::string::npos)
            return false;
        for (size_t i = 1; i < item.parts.size(); ++i)
            if (contains(item.parts[i], Kind::variable) || !same(item.parts[i], item.parts.back())) return false;
        return true;
    }

    // "x = 1, y = 2" against "1, 2" in that order, (1, 2), or (x, y) = (1, 2); x_1 and x_2 in any order.
    bool same_assignments(const Nodes& reference, const Nodes& answer) {
        const auto given = assignments(answer);
        if (const auto expected = assignments(reference); expected && answer.size() == 1) {
            const Node& one = answer[0];
            if (one.kind == Kind::tuple && one.name == "()") return ordered(expected->values, one.parts);
            return one.kind == Kind::relation && one.name == "=" && one.parts[0].kind == Kind::tuple &&
                   one.parts[1].kind == Kind::tuple && ordered(expected->names, one.parts[0].parts) &&
                   ordered(expected->values, one.parts[1].parts);
        }
        if (!given) return false;
        if (reference.size() == 1 && reference[0].kind == Kind::tuple && reference[0].name == "()")
            return ordered(reference[0].parts, given->values);
        if (reference.size() == 1 && reference[0].kind == Kind::relation && reference[0].name == "=" &&
            reference[0].parts[0].kind == Kind::tuple && reference[0].parts[1].kind == Kind::tuple)
            return ordered(reference[0].parts[0].parts, given->names) &&
                   ordered(reference[0].parts[1].parts, given->values);
        if (any_relation(reference)) return false;
        return are_numbered(given->names) ? match(reference, given->values) : ordered(reference, given->values);
    }

    // \log_2 32 = 5
    bool is_true_of_constants(const Node& item) {
        return item.kind == Kind::relation && item.name == "=" && !contains(item.parts[0], Kind::variable) &&
               !is_container(item.parts[0]) && !is_container(item.parts[1]) && same(item.parts[0], item.parts[1]);
    }

    // Each element of the one is equal to another element of the other.
    bool unordered(const Nodes& a, const Nodes& b) {
        if (a.size() != b.size()) return because("another number of elements");
        if (pair_off(a, b, [&](const Node& x, const Node& y) { return same(x, y); })) return true;
        return because("not the same elements");
    }

    bool subset(const Nodes& a, const Nodes& b) {
        return std::all_of(a.begin(), a.end(), [&](const Node& left) {
            return std::any_of(b.begin(), b.end(), [&](const Node& right) { return same(left, right); });
        });
    }

    bool ordered(const Nodes& a, const Nodes& b) {
        if (a.size() != b.size()) return because("another number of elements");
        for (size_t i = 0; i < a.size(); ++i)
            if (!same(a[i], b[i])) return false;
        return true;
    }

    bool same(const Node& reference, const Node& answer) {
        if (--work_ < 0) return because("too much work to decide");
        if (identical(reference, answer)) return true;
        if (reference.kind == Kind::quantity || answer.kind == Kind::quantity) return same_quantity(reference, answer);
        if (infinite(reference) || infinite(answer)) return infinite(reference) == infinite(answer);
        if (!is_container(reference) && !is_container(answer))
            return same_value(reference, answer) ||
                   (lenient_ && (rounds(reference, answer) || rounds(answer, reference)));
        if (reference.kind != answer.kind) return because("another kind of thing than the reference");
        switch (reference.kind) {
            case Kind::tuple:
            case Kind::matrix:
                if (reference.name != answer.name) return because("other brackets than the reference");
                return ordered(reference.parts, answer.parts);
            case Kind::ratio:
                if (reference.name != answer.name) return because("not equal to the reference");
                return ordered(reference.parts, answer.parts);
            case Kind::row:
            case Kind::difference:
            case Kind::intersection: return ordered(reference.parts, answer.parts);
            case Kind::set: return subset(reference.parts, answer.parts) && subset(answer.parts, reference.parts);
            case Kind::set_union: return unordered(reference.parts, answer.parts);
            case Kind::relation: return same_relation(reference, answer);
            default: return false;  // digits in a base are identical or different
        }
    }

    // Units, see grade.h.
    bool same_quantity(const Node& reference, const Node& answer) {
        const auto unit = [](const Node& node) { return node.kind == Kind::quantity ? node.name : std::string(); };
        const auto bare = [](const Node& node) -> const Node& {
            return node.kind == Kind::quantity ? node.parts[0] : node;
        };
        const std::string expected = unit(reference), given = unit(answer);
        const Node &a = bare(reference), &b = bare(answer);
        const auto hundredth = [](const Node& node) {
            return Node{Kind::product, "", 0, {node, Node{Kind::number, "", Rational(1, 100), {}}}};
        };
        if (expected == given) return same(a, b);
        if (expected == "%" && given.empty()) return same(a, b) || same(hundredth(a), b);
        if (expected.empty() && given == "%") return same(a, hundredth(b));
        if (expected == "%" || given == "%") return because("another unit than the reference");
        if (expected.empty()) return same(a, b);
        const bool may_be_missing = reference.number.sign() == 0 && expected != "am" && expected != "pm";
        if (given.empty() && may_be_missing) return same(a, b);
        return because("another unit than the reference");
    }

    bool same_value(const Node& reference, const Node& answer) {
        Algebra algebra(work_);
        const Value a = algebra.value(reference), b = algebra.value(answer);
        if (!algebra.problem.empty()) return because(algebra.problem);
        const bool equal = algebra.equal(a, b);
        if (!algebra.problem.empty()) return because(algebra.problem);
        if (equal && !algebra.used_open) return true;
        const auto* left = algebra.rational(a);
        const auto* right = algebra.rational(b);
        if (!equal && left && right && !algebra.used_open) return gives(*right, *left);
        if (!equal && !algebra.open(algebra.subtract(a, b))) return because("not equal to the reference");
        const Comparison comparison = compare(reference, answer, work_);
        if (comparison.agreement == Agreement::different) return because("not equal to the reference");
        if (equal) return comparison.points > 0 || !algebra.divided_by_open || because("cannot be decided");
        if (comparison.agreement == Agreement::unknown) return because("cannot be decided");
        unproven_ = "equal at " + std::to_string(comparison.points) + (comparison.points == 1 ? " point" : " points") +
                    " to 154 digits, not proven";
        return true;
    }

    // The same sides, perhaps reversed; or one sign, and left minus right in proportion.
    bool same_relation(const Node& reference, const Node& answer) {
        for (const Node& turned : {answer, reversed(answer)}) {
            if (reference.name == turned.name && ordered(reference.parts, turned.parts)) return true;
            if (reference.name != "=" || turned.name != "=") continue;
            if (identical(without_arguments(reference.parts[0]), without_arguments(turned.parts[0])) &&
                same(reference.parts[1], turned.parts[1]))
                return true;
        }
        why_.clear();
        if (reference.name.size() != 1 || answer.name.size() != 1 || reference.name == "E") return false;
        const int factor = proportion(reference, answer);
        if (factor == 0) return because("not equal to the reference");
        const Node turned = factor < 0 ? reversed(answer) : answer;
        return turned.name == reference.name || because("not equal to the reference");
    }

    // The sign of k, where left - right of the answer is k times that of the reference, both polynomials; 0 if none.
    int proportion(const Node& reference, const Node& answer) {
        for (const Node* relation : {&reference, &answer})
            for (const Node& side : relation->parts)
                if (is_container(side)) return 0;
        Algebra algebra(work_);
        const auto difference = [&](const Node& relation) {
            const Value left = algebra.value(relation.parts[0]), right = algebra.value(relation.parts[1]);
            return algebra.problem.empty() ? algebra.subtract(left, right) : left;
        };
        const Value a = difference(reference), b = difference(answer);
        if (!algebra.problem.empty() || algebra.used_open || !algebra.is_polynomial(a) || !algebra.is_polynomial(b) ||
            a.top.empty() || a.top.size() != b.top.size())
            return 0;
        const Rational scale = b.top.begin()->second / a.top.begin()->second;
        for (auto left = a.top.begin(), right = b.top.begin(); left != a.top.end(); ++left, ++right)
            if (left->first != right->first || !(left->second * scale == right->second)) return 0;
        return scale.sign();
    }

    bool gives(const Rational& value, const Rational& expected) {
        if (value.bits() > 128 || expected.bits() > 128) return because("not equal to the reference");
        return because("gives " + value.text() + ", not " + expected.text());
    }

    bool because(const std::string& why) {
        why_ = why;
        return false;
    }

    bool lenient_;
    int64_t work_ = max_work;
    std::string why_, unproven_;
};

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

// x < -1 or x > 3, and x < -1 and x > 3.
bool are_joined_otherwise(const Node& a, const Node& b) {
    const auto has_inequality = [](const Node& list) {
        return std::any_of(list.parts.begin(), list.parts.end(), [](const Node& item) {
            return item.kind == Kind::relation && item.name != "=" && item.name != "E";
        });
    };
    return a.kind == Kind::list && b.kind == Kind::list && a.name != b.name && !a.name.empty() && !b.name.empty() &&
           has_inequality(a);
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
    struct Reading {
        Nodes items;
        Node tree;
    };
    // Of one that is mathematics: what its runs of letters may mean, words first. Empty: it is words alone.
    std::vector<Reading> readings;
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
        const auto list = items(*parsed.tree);
        if (!list) {
            defect = "more than one \\pm";
            continue;
        }
        std::string of_item;
        for (const Node& item : *list)
            if (of_item.empty()) of_item = Grader().defect(item);
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
            const Parsed::Reading& reference = parsed_->readings[std::min(i, parsed_->readings.size() - 1)];
            const Parse& reading = given[std::min(i, given.size() - 1)];
            if (!reading.tree) continue;
            const auto list = items(*reading.tree);
            if (!list) return {false, "more than one \\pm"};
            Grader grader(lenient);
            if ((!are_joined_otherwise(reference.tree, *reading.tree) && grader.same_items(reference.items, *list)) ||
                grader.same_reals(reference.tree, *reading.tree))
                return {true, grader.reason(true)};
            if (reason.empty()) reason = grader.reason(false);
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
