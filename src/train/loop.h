// The loop of every training stage: steps, their log, saved states, looks at what is held out, progress, and a stop in
// good order. A stage gives the loop what one step does.
#pragma once
#include <functional>
#include <string>

#include "base/progress.h"
#include "train/run.h"

namespace r1 {

// What a step says of itself.
struct StepReport {
    json metrics;                   // a line, which begins with "step"
    json timings = json::object();  // added to {"step", "seconds"}
    std::string text;               // for the progress line
    bool save_now = false;          // something is wrong with the machine
    std::string alarm = {};         // what a collapse looks like, if it does
};

// Of a step whose only update was left out.
inline StepReport skipped_report(int64_t step) {
    return {{{"step", step}, {"skipped", 1}}, json::object(), "not finite: this step is left out"};
}

// What a look at held-out data says of the model.
struct Evaluated {
    json line;         // of evaluations.jsonl, behind "step"
    double score = 0;  // larger is better
    std::string text;  // for the terminal
};

constexpr int ALARM_STEPS = 3;

struct Stage {
    std::string name;  // its command
    int64_t steps = 0;
    std::function<StepReport(int64_t step)>
        step;  // does one, counted from 1; Stopped or OutsideFailed before a weight changed
    std::function<void(int64_t done, Progress& progress)> look = {};  // called after each step
    // Called before the first step and after each `evaluate_every` of them; Stopped if it gave up.
    std::function<Evaluated(int64_t done)> evaluate = {};
    int evaluate_every = 0;  // 0: never
    // After an alarm in ALARM_STEPS steps in a row the run goes back to the last state before it, at most so many
    // times, and is told that it goes another way now: the how manieth.
    int rollbacks = 0;
    std::function<void(int times)> rolled_back = {};
    std::function<void()> at_end = {};  // called on all ranks after the last step, before the model is written
    std::function<void(const std::string& folder)> write_model;  // called on rank 0
    Weights* reference = nullptr;                                // saved and restored with the model
    int save_every = 0;                                          // 0: only at the end
};

// Runs the steps that are left, and writes the model. False if a stop was asked for before the last step: then the
// state is saved, and the terminal says how to go on.
bool train(Run& run, Trainer& trainer, const Stage& stage);

}  // namespace r1
