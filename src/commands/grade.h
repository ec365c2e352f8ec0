// r1 grade: one answer, or JSON lines of them, judged by any of the graders. r1 sandbox: one program, run in it.
#pragma once
#include <string>
#include <vector>

#include "base/options.h"

namespace r1 {

struct GradeOptions {
    std::string task;          // countdown, math, code, choice, logic, format, language
    std::vector<int> numbers;  // countdown
    int target = 0;
    std::string reference;                     // math
    std::string tests;                         // code: a JSON file, as src/reward/code.h has it
    std::string problem;                       // choice, logic: a JSON file with a line of problems
    std::vector<std::string> reward_commands;  // of the user's, in place of a task
    double reward_seconds = 60;
    std::string prompt_template = "auto";
    bool lenient = false;         // math: also the lenient reading
    std::string language = "en";  // language: the target's ISO 639-1 code
    bool jsonl = false;           // standard input is JSON lines {"answer": ..., and any of the above}
};
OptionTable table_of(GradeOptions& options);

struct SandboxOptions {
    bool level = false;                           // say what holds a program here, and run nothing
    std::string run, language = "python", input;  // the program's file; its standard input's file ("": empty)
    double cpu_seconds = 2;
    int memory_mb = 256, output_kb = 1024;
};
OptionTable table_of(SandboxOptions& options);

void grade_command(const GradeOptions& options);
void sandbox_command(const SandboxOptions& options);

}  // namespace r1
