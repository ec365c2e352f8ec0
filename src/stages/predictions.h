// Answers as files: those that an evaluation writes, one a line with its grade, and those that were made elsewhere and
// are only to be graded.
//
//   {"line": 7, "response": "<think>...", ...}    line: of the problem in its file, from 1
#pragma once
#include <string>
#include <vector>

#include "tasks/rollout.h"

namespace r1 {

// All answers to questions[0], then all to questions[1], and so on, for as many questions as have answers.
void write_answers(const std::string& path, const Task& task, const std::vector<Question>& questions,
                   const std::vector<std::vector<Answer>>& answers);

// The questions that the file has answers to, which become all of `questions`, and the answers to each, graded. What a
// line need not have: "finished" (true), "tokens" (the number of its words). Error, in one line that names file and
// line, for what is malformed, and unless every question has equally many answers.
std::vector<std::vector<Answer>> read_predictions(const std::string& path, const Task& task,
                                                  std::vector<Question>& questions);

}  // namespace r1
