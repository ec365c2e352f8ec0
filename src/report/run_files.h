// Reading what a run wrote: lines of metrics and of rollouts, and numbers in them.
#pragma once
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

// The complete lines of a JSON lines file: a run that is still going may be writing its last one.
json read_lines(const std::string& path);

double number(const json& object, const std::string& key);  // NaN if it is none

// "majority_at_16" of an evaluation with 16 answers; "" if there is none.
std::string key_that_starts_with(const json& object, const std::string& prefix);

// The steps that lines are of, each once, in order.
std::vector<double> steps_of(const json& lines);
// The lines of at most so many steps, two or more, evenly spread from the first to the last.
json thinned(json lines, size_t most);

}  // namespace r1
