// Problems, as JSON lines have them. Two kinds:
//
//   Countdown   {"numbers": [3, 7, 12], "target": 33}
//   code        {"prompt": "User: ...", "tests": [{"input": "1 2\n", "output": "3\n"}], ...}    as src/reward/code.h has it
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "reward/code.h"

namespace r1 {

struct Problem {
    std::vector<int> numbers = {};        // Countdown: in the order of the prompt
    int target = 0;
    std::string prompt = {};              // code: what the model reads
    std::shared_ptr<const CodeTask> code = nullptr;
};

// Refuses a line that is neither, in one line that names it.
std::vector<Problem> read_problems(const std::string& path);

}  // namespace r1
