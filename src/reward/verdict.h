// What a grader says of an answer.
#pragma once
#include <string>

namespace r1 {

struct Verdict {
    bool correct = false;
    std::string reason;  // in words; plain ASCII, whatever the answer held
};

}  // namespace r1
