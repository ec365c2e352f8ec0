// Whether two trees are the same answer. What that means stands in grade.h.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "reward/mathematics/parse.h"
#include "reward/verdict.h"

namespace r1::mathematics {

using Nodes = std::vector<Node>;

// A text that was read: its tree, and the items of that.
struct Answer {
    Nodes items;
    Node tree;
};

// The items of a list, \pm 2 being two; of anything else the tree itself. None where two \pm leave open what is meant.
std::optional<Nodes> items_of(const Node& tree);

// Why a tree can be no reference, such as 1/0; "" if it can.
std::string defect_of(const Node& node);

// The verdict, with its reason. lenient: as MathReference::grade_leniently() compares.
Verdict same_answer(const Answer& reference, const Answer& answer, bool lenient);

}  // namespace r1::mathematics
