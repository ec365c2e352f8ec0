#include "reward/mathematics/grade.h"

#include <algorithm>

#include "base/check.h"
#include "reward/extract.h"
#include "reward/mathematics/exact.h"
#include "reward/mathematics/numeric.h"
#include "reward/mathematics/parse.h"

namespace r1 {

namespace {

using namespace mathematics;

constexpr int64_t max_work = 50000;  // some 25 ms at the most

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

// Of "x = 1, x = 2" the name x and the values; none if an item has no name, another one, or itself in its value.
struct Named {
    Node name;
    Nodes values;
};

std::optional<Named> named(const Nodes& items) {
    Named result = {items[0], {}};
    for (const Node& item : items) {
        if (item.kind != Kind::relation || (item.name != "=" && item.name != "E")) return std::nullopt;
        const Node &name = item.parts[0], &value = item.parts[1];
        if (name.kind != Kind::variable && name.kind != Kind::apply) return std::nullopt;
        if (&item == &items[0]) result.name = name;
        if (!identical(name, result.name) || mentions(value, name)) return std::nullopt;
        result.values.push_back(value);
    }
    return result;
}

bool any_relation(const Nodes& items) {
    return std::any_of(items.begin(), items.end(), [](const Node& item) { return item.kind == Kind::relation; });
}

// 1, -1 for \infty, -\infty, else 0.
int infinite(const Node& node) {
    if (node.kind == Kind::infinity) return 1;
    return node.kind == Kind::negate && node.parts[0].kind == Kind::infinity ? -1 : 0;
}

// What is compared part by part, and not computed.
bool is_container(const Node& node) {
    switch (node.kind) {
        case Kind::quantity:
        case Kind::tuple:
        case Kind::set:
        case Kind::list:
        case Kind::set_union:
        case Kind::matrix:
        case Kind::row:
        case Kind::relation:
        case Kind::ratio:
        case Kind::based: return true;
        default: return infinite(node) != 0;
    }
}

// a < b is b > a.
Node reversed(const Node& relation) {
    Node result = relation;
    std::reverse(result.parts.begin(), result.parts.end());
    std::reverse(result.name.begin(), result.name.end());
    for (char& sign : result.name)
        sign = sign == '<' ? '>' : sign == '>' ? '<' : sign == 'l' ? 'g' : sign == 'g' ? 'l' : sign;
    return result;
}

// Decides between trees. One for each answer: it holds the work that is left and what there is to say.
class Grader {
public:
    // Both are items of lists. Names ("x = ") may be missing on one side.
    bool same_items(const Nodes& reference, const Nodes& answer) {
        if (match(reference, answer)) return true;
        const auto name = named(reference), other = named(answer);
        if (other && !any_relation(reference)) return match(reference, other->values);
        if (!name || any_relation(answer)) return false;
        const bool may_be_missing = name->name.kind == Kind::apply ||
                                    std::none_of(name->values.begin(), name->values.end(),
                                                 [](const Node& value) { return contains(value, Kind::variable); });
        return may_be_missing && match(name->values, answer);
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
    bool match(const Nodes& reference, const Nodes& answer) {
        if (reference.size() == 1 && answer.size() == 1) return same(reference[0], answer[0]);
        if (reference.size() == 1 && reference[0].kind == Kind::set) return unordered(reference[0].parts, answer);
        if (answer.size() == 1 && answer[0].kind == Kind::set) return unordered(reference, answer[0].parts);
        return unordered(reference, answer);
    }

    // Each element of the one is equal to another element of the other.
    bool unordered(const Nodes& a, const Nodes& b) {
        if (a.size() != b.size()) return because("another number of elements");
        std::vector<bool> used(b.size());
        for (const Node& left : a) {
            size_t i = 0;
            while (i < b.size() && (used[i] || !same(left, b[i]))) ++i;
            if (i == b.size()) return why_.clear(), because("not the same elements");
            used[i] = true;
        }
        return true;
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
        if (!is_container(reference) && !is_container(answer)) return same_value(reference, answer);
        if (reference.kind != answer.kind) return because("another kind of thing than the reference");
        switch (reference.kind) {
            case Kind::tuple:
            case Kind::matrix:
                if (reference.name != answer.name) return because("other brackets than the reference");
                return ordered(reference.parts, answer.parts);
            case Kind::row:
            case Kind::ratio: return ordered(reference.parts, answer.parts);
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
        if (expected.empty() && given[0] != '?') return same(a, b);
        const bool unclear = expected[0] == '?' || reference.number.sign() != 0;
        const bool may_be_missing = !unclear && expected != "am" && expected != "pm";
        if (given.empty() && may_be_missing) return same(a, b);
        return because(!given.empty() && given[0] == '?' ? "words that are no known unit"
                                                         : "another unit than the reference");
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
        for (const Node& turned : {answer, reversed(answer)})
            if (reference.name == turned.name && ordered(reference.parts, turned.parts)) return true;
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

    int64_t work_ = max_work;
    std::string why_, unproven_;
};

constexpr size_t none = std::string_view::npos;

// The last "\boxed" or "\fbox" that a brace follows; where the brace is.
size_t last_box(std::string_view text) {
    size_t best = none;
    for (const std::string_view command : {"\\boxed", "\\fbox"}) {
        for (size_t at = text.rfind(command); at != none; at = at ? text.rfind(command, at - 1) : none) {
            const size_t brace = text.find_first_not_of(" \t\r\n", at + command.size());
            if (brace == none || text[brace] != '{') continue;
            if (best == none || brace > best) best = brace;
            break;
        }
    }
    return best;
}

bool has_box(std::string_view text) { return text.find("\\boxed") != none || text.find("\\fbox") != none; }

}  // namespace

std::optional<std::string_view> extract_boxed(std::string_view text) {
    const size_t brace = last_box(text);
    if (brace == none) return std::nullopt;
    int open = 0;
    for (size_t i = brace; i < text.size(); ++i) {
        if (text[i] == '\\') ++i;
        else if (text[i] == '{') ++open;
        else if (text[i] == '}' && --open == 0) return trimmed(text.substr(brace + 1, i - brace - 1));
    }
    return std::nullopt;
}

std::optional<std::string_view> reference_answer(std::string_view solution) {
    if (const size_t hashes = solution.rfind("####"); hashes != none) {
        const std::string_view rest = solution.substr(hashes + 4);
        return trimmed(rest.substr(0, rest.find('\n')));
    }
    const size_t box = solution.rfind("\\boxed ");
    const size_t brace = last_box(solution);
    if (box == none || (brace != none && brace > box)) return extract_boxed(solution);
    const std::string_view rest = solution.substr(box + 7);
    return trimmed(rest.substr(0, rest.find_first_of("$\n")));
}

struct MathReference::Parsed {
    std::string words;  // of a reference that is no mathematics
    Nodes items;        // of one that is
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
    const Parse parsed = mathematics::parse(text);
    auto result = std::make_shared<Parsed>();
    if (parsed.tree) {
        const auto list = items(*parsed.tree);
        if (!list) refuse("more than one \\pm");
        result->items = *list;
        for (const Node& item : result->items)
            if (const std::string defect = Grader().defect(item); !defect.empty()) refuse(defect);
    } else {
        if (!parsed.plain) refuse(parsed.error);
        result->words = parsed.words;
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
    Parse parsed = mathematics::parse(answer);
    if (parsed_->items.empty()) {
        const bool same = !parsed.words.empty() && parsed.words == parsed_->words;
        return {same, same ? "the same words" : "not the words of the reference"};
    }
    if (!parsed.tree) return {false, "cannot be read as mathematics: " + parsed.error};
    Grader grader;
    for (const bool again : {false, true}) {
        if (again && (parsed_->items.size() < 2 || !parsed.separators)) break;
        if (again) parsed = mathematics::parse(answer, false);  // 1,234 for a list 1 and 234
        if (!parsed.tree) break;
        const auto list = items(*parsed.tree);
        if (!list) return {false, "more than one \\pm"};
        if (grader.same_items(parsed_->items, *list)) return {true, grader.reason(true)};
    }
    return {false, grader.reason(false)};
}

}  // namespace r1
