#include "reward/mathematics/same.h"

#include <algorithm>
#include <array>

#include "reward/mathematics/exact.h"
#include "reward/mathematics/numeric.h"
#include "reward/mathematics/reals.h"

namespace r1::mathematics {

namespace {

constexpr size_t none = std::string_view::npos;
constexpr int64_t max_work = 200000;  // some 100 ms at the most

// Trees.

Node over(Kind kind, const Node& a) { return {kind, "", 0, {a}}; }

Node leaf_of(const std::string& variable) { return {Kind::variable, variable, 0, {}}; }

// The tree with a value in place of a variable.
Node with_value(const Node& node, const Node& variable, const Node& value) {
    if (identical(node, variable)) return value;
    Node result = node;
    for (Node& part : result.parts) part = with_value(part, variable, value);
    return result;
}

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

    // Both are items of lists. Names ("x = ") may be missing on one side, and constants of integration have others.
    bool same_answers(const Nodes& reference, const Nodes& answer) {
        if (same_items(reference, answer)) return true;
        for (const Nodes& renamed : with_constants_of(reference, answer))
            if (same_items(reference, renamed)) return true;
        return false;
    }

    bool same_items(const Nodes& reference, const Nodes& answer) {
        if (match(reference, answer)) return true;
        if (answer.size() == 1 && is_chain(answer[0]) && !any_relation(reference))
            return match(reference, {answer[0].parts.back()});
        const auto name = named(reference), other = named(answer);
        if (other && !any_relation(reference)) return match(reference, other->values);
        if (name && other && identical(name->name, other->name) && match(name->values, other->values)) return true;
        if (same_families(reference, answer)) return true;
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
    // y = C_1 e^x + C_2 with other letters: the answer with the reference's C, or C_1 and C_2, in place of as many of
    // its own that may stand for such (A and B for numbered ones alone), in every order. None without a small letter
    // beside them, which would be a choice C or a side AC.
    static std::vector<Nodes> with_constants_of(const Nodes& reference, const Nodes& answer) {
        const auto names_of = [](const Nodes& items) {
            std::vector<std::string> names;
            for (const Node& item : items) collect_variables(item, names);
            std::sort(names.begin(), names.end());
            names.erase(std::unique(names.begin(), names.end()), names.end());
            return names;
        };
        const auto is_in = [](const std::string& name, const std::vector<std::string>& names) {
            return std::find(names.begin(), names.end(), name) != names.end();
        };
        const auto is_one_of = [](const std::string& name, std::string_view letters) {
            return letters.find(name[0]) != none && (name.size() == 1 || name[1] == '_');
        };
        const std::vector<std::string> ours = names_of(reference), theirs = names_of(answer);
        std::vector<std::string> expected, given;
        for (const std::string& name : ours)
            if (is_one_of(name, "C") && !is_in(name, theirs)) expected.push_back(name);
        std::vector<Nodes> all;
        const bool beside = std::any_of(ours.begin(), ours.end(),
                                        [](const std::string& name) { return name.size() == 1 && is_lower(name[0]); });
        const bool equation = reference.size() == 1 && reference[0].kind == Kind::relation &&
                              reference[0].name == "=" &&
                              !is_in(reference[0].parts[0].name, expected);  // C = 2\pi r is about C
        if (expected.empty() || expected.size() > 3 || !beside || !equation) return all;
        const bool numbered = expected[0].size() > 1;
        for (const std::string& name : theirs)
            if (is_one_of(name, numbered ? "ABCKck" : "CKck") && !is_in(name, ours)) given.push_back(name);
        if (expected.size() != given.size()) return all;
        do {
            Nodes renamed = answer;
            for (size_t i = 0; i < given.size(); ++i)
                for (Node& item : renamed) item = with_value(item, leaf_of(given[i]), leaf_of(expected[i]));
            all.push_back(renamed);
        } while (std::next_permutation(expected.begin(), expected.end()));
        return all;
    }

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
                   one.parts[1].kind == Kind::tuple &&
                   same_by_name(*expected, {one.parts[0].parts, one.parts[1].parts});
        }
        if (!given) return false;
        if (reference.size() == 1 && reference[0].kind == Kind::tuple && reference[0].name == "()")
            return ordered(reference[0].parts, given->values);
        if (reference.size() == 1 && reference[0].kind == Kind::relation && reference[0].name == "=" &&
            reference[0].parts[0].kind == Kind::tuple && reference[0].parts[1].kind == Kind::tuple)
            return same_by_name({reference[0].parts[0].parts, reference[0].parts[1].parts}, *given);
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
        if ((reference.kind == Kind::congruence) != (answer.kind == Kind::congruence))
            return is_residue(reference, answer);
        if (is_vector(reference, answer)) return ordered(entries(reference), entries(answer));
        if (infinite(reference) || infinite(answer)) return infinite(reference) == infinite(answer);
        if (!is_container(reference) && !is_container(answer))
            return same_value(reference, answer) || same_antiderivative(reference, answer) ||
                   (lenient_ && (rounds(reference, answer) || rounds(answer, reference)));
        if (reference.kind != answer.kind) return because("another kind of thing than the reference");
        switch (reference.kind) {
            case Kind::tuple: {
                const auto brackets = [](const Node& node) { return node.name == "<>" ? "()" : node.name; };
                if (brackets(reference) != brackets(answer)) return because("other brackets than the reference");
                return ordered(reference.parts, answer.parts);
            }
            case Kind::congruence: return same_congruence(reference, answer);
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

    // \langle 1, 2 \rangle and a column of the same entries.
    static bool is_vector(const Node& a, const Node& b) {
        const auto is_brackets = [](const Node& node) { return node.kind == Kind::tuple && node.name == "<>"; };
        return a.kind != b.kind && (is_brackets(a) || is_brackets(b)) && !entries(a).empty() && !entries(b).empty();
    }
    static Nodes entries(const Node& node) {
        if (node.kind == Kind::tuple) return node.parts;
        Nodes all;
        if (node.kind != Kind::matrix) return all;
        for (const Node& row : node.parts) {
            if (row.parts.size() != 1 && node.parts.size() != 1) return {};
            all.insert(all.end(), row.parts.begin(), row.parts.end());
        }
        return all;
    }

    // The rational value of a tree without variables.
    std::optional<Rational> number(const Node& node) {
        if (is_container(node) || contains(node, Kind::variable)) return std::nullopt;
        Algebra algebra(work_);
        const Value value = algebra.value(node);
        const Rational* rational = algebra.problem.empty() ? algebra.rational(value) : nullptr;
        return rational ? std::optional(*rational) : std::nullopt;
    }

    // n \equiv 7 is n \equiv 2 modulo 5, with n on one side or on both.
    bool same_congruence(const Node& reference, const Node& answer) {
        const bool named = reference.parts.size() > 2 && answer.parts.size() > 2;
        if (named && !same(reference.parts[2], answer.parts[2])) return false;
        if (!same(reference.parts[1], answer.parts[1])) return because("another modulus");
        const auto a = number(reference.parts[0]), b = number(answer.parts[0]), m = number(reference.parts[1]);
        if (!a || !b || !m || m->sign() == 0) return same(reference.parts[0], answer.parts[0]);
        return ((*a - *b) / *m).is_integer() || because("another residue");
    }

    // 17 \bmod 5 is 2. Of a reference 2 \pmod 5 the modulus may be missing, and the residue is the one from 0 on; of a
    // reference 2 the class of 2 is none.
    bool is_residue(const Node& reference, const Node& answer) {
        const bool first = reference.kind == Kind::congruence;
        const Node &congruence = first ? reference : answer, &plain = first ? answer : reference;
        if (!first && congruence.name != "bmod") return because("another kind of thing than the reference");
        if (first && congruence.parts.size() > 2) return because("without what is congruent");
        const auto a = number(congruence.parts[0]), m = number(congruence.parts[1]), value = number(plain);
        if (!a || !m || !value || m->sign() <= 0) return because("another kind of thing than the reference");
        const bool smallest = value->sign() >= 0 && *value < *m;
        return (smallest && ((*a - *value) / *m).is_integer()) || because("another residue");
    }

    // 2k\pi, k \in \mathbb Z: the items without what says that k is whole, and k.
    static std::optional<Named> family(const Nodes& items) {
        Named result = {leaf_of(""), {}};
        for (const Node& item : items) {
            const bool whole = item.kind == Kind::relation && item.name == "E" &&
                               item.parts[0].kind == Kind::variable && item.parts[1].name == "mathbb Z";
            if (whole && result.name.name.empty()) result.name = item.parts[0];
            else result.values.push_back(item);
        }
        // Of n > 3, n \in \mathbb Z the second says something of n.
        for (const Node& value : result.values)
            if (value.kind == Kind::relation && (value.name != "=" || mentions(value.parts[0], result.name)))
                return std::nullopt;
        const bool found = !result.name.name.empty() && !result.values.empty();
        return found ? std::optional(result) : std::nullopt;
    }

    // The letter that runs through the whole numbers may be another, and what says so may be missing on one side.
    bool same_families(const Nodes& reference, const Nodes& answer) {
        const auto expected = family(reference), given = family(answer);
        if (!expected && !given) return false;
        if (!expected && reference.size() == 1 && reference[0].kind == Kind::congruence)
            return is_class(reference[0], *given);
        if (!given && answer.size() == 1 && answer[0].kind == Kind::congruence) return is_class(answer[0], *expected);
        if (!expected) return same_items(reference, given->values);
        if (!given) {
            const auto name = named(expected->values);
            return same_items(expected->values, answer) ||
                   (name && !any_relation(answer) && match(name->values, answer));
        }
        const auto renamed = [](const Named& of) {
            Nodes all;
            for (const Node& value : of.values) all.push_back(with_value(value, of.name, leaf_of("whole number")));
            return all;
        };
        const Nodes a = renamed(*expected), b = renamed(*given);
        return same_items(a, b) || same_progressions(a, b);
    }

    // n \equiv 2 \pmod 5 and n = 5k + 2, k \in \mathbb Z
    bool is_class(const Node& congruence, const Named& family) {
        if (congruence.parts.size() < 3 || family.values.size() != 1) return false;
        const Node& item = family.values[0];
        if (item.kind != Kind::relation || item.name != "=" || !identical(item.parts[0], congruence.parts[2]))
            return false;
        const auto p = progression(with_value(item.parts[1], family.name, leaf_of("whole number")));
        if (!p) return false;
        const auto a = number(p->first), b = number(p->step);
        const auto residue = number(congruence.parts[0]), m = number(congruence.parts[1]);
        if (!a || !b || !residue || !m || m->sign() == 0 || b->sign() == 0) return false;
        return (*b == *m || *b == Rational(0) - *m) && ((*a - *residue) / *m).is_integer();
    }

    // Of x = \frac{\pi}{2} + k\pi the value, whose name may be missing.
    static const Node& value_of(const Node& item) {
        const bool named = item.kind == Kind::relation && item.name == "=" && is_name(item.parts[0]);
        return named ? item.parts[1] : item;
    }

    // Item for item a + bk, with the same b but for its sign, and a difference of the a that is a multiple of it.
    bool same_progressions(const Nodes& reference, const Nodes& answer) {
        if (reference.size() != answer.size()) return false;
        return pair_off(reference, answer, [&](const Node& x, const Node& y) {
            const bool names = x.kind == Kind::relation && y.kind == Kind::relation;
            if (names && !identical(x.parts[0], y.parts[0])) return false;
            const Node &f = value_of(x), &g = value_of(y);
            if ((f.kind == Kind::quantity || g.kind == Kind::quantity) && f.name != g.name) return false;
            const auto p = progression(f), q = progression(g);
            if (!p || !q) return false;
            const auto ratio = number(quotient(p->step, q->step)), shift = number(quotient(p->shift(*q), p->step));
            return ratio && (*ratio == Rational(1) || *ratio == Rational(-1)) && shift && shift->is_integer();
        });
    }

    struct Progression {
        Node first, step;
        Node shift(const Progression& other) const {
            return {Kind::sum, "", 0, {first, over(Kind::negate, other.first)}};
        }
    };
    static Node quotient(const Node& a, const Node& b) { return {Kind::product, "", 0, {a, over(Kind::inverse, b)}}; }
    // a and b of a + bk, which holds no other variable; none of anything else.
    std::optional<Progression> progression(const Node& node) {
        if (node.kind == Kind::quantity) return progression(node.parts[0]);
        if (is_container(node)) return std::nullopt;
        const auto at = [&](long k) {
            return with_value(node, leaf_of("whole number"), Node{Kind::number, "", Rational(k), {}});
        };
        if (contains(at(0), Kind::variable)) return std::nullopt;
        const Node step = {Kind::sum, "", 0, {at(1), over(Kind::negate, at(0))}};
        const Node next = {Kind::sum, "", 0, {leaf_of("whole number"), Node{Kind::number, "", Rational(1), {}}}};
        const Node everywhere = {
            Kind::sum, "", 0, {with_value(node, leaf_of("whole number"), next), over(Kind::negate, node)}};
        if (!same_value(everywhere, step)) return std::nullopt;
        return Progression{at(0), step};
    }

    // F(x) + C and G(x) + c, where F - G is constant.
    bool same_antiderivative(const Node& reference, const Node& answer) {
        const auto without = [](const Node& sum, std::string_view letters) -> std::optional<Node> {
            if (sum.kind != Kind::sum) return std::nullopt;
            Node rest = {Kind::sum, "", 0, {}};
            for (const Node& part : sum.parts)
                if (part.kind != Kind::variable || part.name.size() != 1 || letters.find(part.name) == none)
                    rest.parts.push_back(part);
            return rest.parts.size() + 1 == sum.parts.size() ? std::optional(rest) : std::nullopt;
        };
        const auto F = without(reference, "C"), G = without(answer, "CcK");
        std::vector<std::string> names;
        if (!F || !G) return false;
        collect_variables(*F, names);
        collect_variables(*G, names);
        if (names.empty() || std::any_of(names.begin(), names.end(), [&](const auto& n) { return n != names[0]; }))
            return false;
        const Node difference = {Kind::sum, "", 0, {*F, over(Kind::negate, *G)}};
        // The same as at one place, wherever both are defined.
        int64_t work = 3 * max_work;  // the two are computed four times over
        for (const Rational& place : {Rational(7, 5), Rational(3, 10), Rational(5)}) {
            const Node there = with_value(difference, leaf_of(names[0]), Node{Kind::number, "", place, {}});
            const Node domain = {Kind::sum, "", 0, {there, *F, over(Kind::negate, *F), *G, over(Kind::negate, *G)}};
            if (compare(difference, domain, work).agreement == Agreement::equal) return true;
        }
        return false;
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

    // f(t) = t^2 where the reference has f(x) = x^2: with x for t; none where there is nothing to rename.
    static std::optional<Node> with_argument_of(const Node& reference, const Node& answer) {
        const Node &a = reference.parts[0], &b = answer.parts[0];
        const bool both = reference.name == "=" && answer.name == "=" && a.kind == Kind::apply &&
                          b.kind == Kind::apply && a.name == b.name && a.parts.size() == 1 && b.parts.size() == 1;
        if (!both || a.parts[0].kind != Kind::variable || b.parts[0].kind != Kind::variable) return std::nullopt;
        if (identical(a.parts[0], b.parts[0]) || mentions(answer, a.parts[0])) return std::nullopt;
        return with_value(answer, b.parts[0], a.parts[0]);
    }

    // x = 5, x < 5: a variable, and a constant.
    static bool is_solved(const Node& relation) {
        const auto is = [](const Node& name, const Node& value) {
            return name.kind == Kind::variable && !contains(value, Kind::variable);
        };
        return is(relation.parts[0], relation.parts[1]) || is(relation.parts[1], relation.parts[0]);
    }

    bool same_by_name(const Assignments& a, const Assignments& b) {
        if (a.names.size() != b.names.size() || a.values.size() != a.names.size() || b.values.size() != b.names.size())
            return false;
        for (size_t i = 0; i < a.names.size(); ++i) {
            size_t j = 0;
            while (j < b.names.size() && !identical(a.names[i], b.names[j])) ++j;
            if (j == b.names.size() || !same(a.values[i], b.values[j])) return false;
        }
        return true;
    }

    // (x, y) = (1, 2) and (y, x) = (2, 1).
    bool is_permuted(const Node& reference, const Node& answer) {
        const auto named_point = [](const Node& node) {
            return node.name == "=" && node.parts[0].kind == Kind::tuple && node.parts[1].kind == Kind::tuple &&
                   node.parts[0].parts.size() == node.parts[1].parts.size();
        };
        if (!named_point(reference) || !named_point(answer)) return false;
        const auto pairs = [](const Node& node) {
            std::vector<std::pair<Node, Node>> all;
            for (size_t i = 0; i < node.parts[0].parts.size(); ++i)
                all.push_back({node.parts[0].parts[i], node.parts[1].parts[i]});
            return all;
        };
        const auto a = pairs(reference), b = pairs(answer);
        return a.size() == b.size() && pair_off(a, b, [&](const auto& x, const auto& y) {
                   return identical(x.first, y.first) && same(x.second, y.second);
               });
    }

    // The same sides, perhaps reversed; or one sign, and left minus right in proportion.
    bool same_relation(const Node& reference, const Node& answer) {
        if (is_permuted(reference, answer)) return true;
        if (const auto renamed = with_argument_of(reference, answer)) return same_relation(reference, *renamed);
        for (const Node& turned : {answer, reversed(answer)}) {
            if (reference.name == turned.name && ordered(reference.parts, turned.parts)) return true;
            if (reference.name != "=" || turned.name != "=") continue;
            if (identical(without_arguments(reference.parts[0]), without_arguments(turned.parts[0])) &&
                same(reference.parts[1], turned.parts[1]))
                return true;
        }
        why_.clear();
        if (reference.name.size() != 1 || answer.name.size() != 1 || reference.name == "E") return false;
        if (reference.name == "=" && is_solved(reference) != is_solved(answer)) return because("still to be solved");
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

}  // namespace

std::optional<Nodes> items_of(const Node& tree) { return items(tree); }

std::string defect_of(const Node& node) { return Grader().defect(node); }

Verdict same_answer(const Answer& reference, const Answer& answer, bool lenient) {
    Grader grader(lenient);
    const bool same =
        (!are_joined_otherwise(reference.tree, answer.tree) && grader.same_answers(reference.items, answer.items)) ||
        grader.same_reals(reference.tree, answer.tree);
    return {same, grader.reason(same)};
}

}  // namespace r1::mathematics
