// What is written and said of GRPO's steps: a line of metrics, some rollouts token by token, warnings. It watches the
// steps and changes nothing in them.
#pragma once
#include "stages/grpo.h"

namespace r1 {

// A step's line of metrics.
json metrics_of(const GrpoStep& step, const GrpoRun& run);

class GrpoRecord {
public:
    // verl: takes the recorded answers in verl's form too; null: not wanted.
    GrpoRecord(const GrpoRun& run, LineWriter& rollouts, LineWriter* verl)
        : run_(run), rollouts_(rollouts), verl_(verl) {}
    // Does the step, and says what it was.
    StepReport step(int64_t number);
    // After a step: warnings, and, of the steps that are recorded, their rollouts and an answer for the terminal.
    void look(int64_t done, Progress& progress);

private:
    struct Candidate {
        int token;
        float p;
    };
    bool records(int64_t step) const;
    bool records(const GrpoStep& step, AnswerIndex at) const;
    void see_logits(const GrpoStep& step, AnswerIndex at, const float* logits);
    void share_candidates();
    json line_of(AnswerIndex at) const;
    json verl_line_of(AnswerIndex at) const;
    void warn(Progress& progress);
    std::string alarm() const;  // of the last step

    const GrpoRun& run_;
    LineWriter& rollouts_;
    LineWriter* verl_;
    GrpoStep last_;
    json metrics_;                                                              // of the last step
    std::vector<std::vector<std::vector<std::vector<Candidate>>>> candidates_;  // by group, answer and token
    bool warned_[4] = {};
};

}  // namespace r1
