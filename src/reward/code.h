// The code grader: a program is right if it prints what it should, for every test. It runs in the sandbox, is given a
// test's input and nothing else, and what it prints is compared here, outside: expected outputs never come near it, and
// an exit status earns nothing.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "reward/sandbox/sandbox.h"
#include "reward/verdict.h"

namespace r1 {

struct CodeTest {
    std::string input, output;            // standard input; what must be printed
};

struct CodeTask {
    Program language = Program::python;
    std::string program = "{answer}";     // what is run: the answer stands where it says {answer}
    std::vector<CodeTest> tests;
    bool fraction = false;                // the reward is the share of tests passed; otherwise all or nothing
    SandboxLimits limits;                 // of each test
};

// {"tests": [{"input": "1 2\n", "output": "3\n"}], "language": "python", "program": "print({answer})", "reward": "all",
// "cpu_seconds": 2, "memory_mb": 256}; all but the tests may be left out. Refuses anything else in one line.
CodeTask code_task_of(const json& object, const std::string& where);

// The program in an answer: what stands in its last complete ``` block, without the language's name; if there is no
// block, all of it.
//
//   print(1)                                      print(1)
//   Here: ```python\nprint(1)\n``` done.          print(1)
//   ```\nprint(1)\n``` or ```\nprint(2)\n```      print(2)       the last one
std::string_view extract_code(std::string_view answer);

// Outputs are equal if their lines are, without blanks at the ends of lines and of the text.
bool same_output(std::string_view printed, std::string_view expected);

struct CodeVerdict : Verdict {
    float share = 0;                      // of the tests passed; without `fraction` the first failure ends it, with 0
    bool ungraded = false;                // the sandbox itself failed, several times: there is no verdict
};
CodeVerdict grade_code(Sandbox& sandbox, std::string_view answer, const CodeTask& task);

}  // namespace r1
