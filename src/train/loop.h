// The loop of every training stage: a run's folder, its log, its saved states, how it goes on after a stop, its
// progress. A stage gives the loop what one step does.
//
//   options.json     what decides the results: stage, options, hashes of the inputs
//   metrics.jsonl    a line for each step; no clock is in it
//   timings.jsonl    a line for each step
//   training.state   what --resume goes on from
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "base/progress.h"
#include "train/gradient.h"
#include "train/optimizer.h"

namespace r1 {

// The options that all training stages have.
struct TrainingOptions {
    std::string output;  // the run's folder
    float lr = 5e-5f, final_lr_share = 0.1f;
    int warmup = 0;  // updates
    Decay schedule = Decay::cosine;
    float decay = 0.1f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int save_every = 200;  // steps
    bool resume = false, overwrite = false;
};
OptionTable table_of(TrainingOptions& options);
TrainOptions trainer_options(const TrainingOptions& options);

// A run's folder: new, or with o.resume opened where it stopped. UsageError if the stage, an option that can change a
// result or an input is another than the run began with. Nothing is written before the first of lines() or save().
class Run {
public:
    Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table);

    bool resumed() const { return resumed_; }
    int64_t done() const { return done_; }  // steps
    // A file of lines with "step", which is cut to the steps that are done. It lives as long as the run.
    LineWriter& lines(const std::string& name);
    const std::string& folder() const { return folder_; }

    // Takes weights and moments from the saved state, if the run was resumed. reference: as in state.h.
    void restore(Trainer& trainer, Weights* reference = nullptr) const;
    // Saves the state after `done` steps, and all lines before it.
    void save(int64_t done, Trainer& trainer, Weights* reference = nullptr);

private:
    std::string state() const { return folder_ + "/training.state"; }
    void begin();
    std::string folder_;
    json record_;  // of options.json
    bool resumed_ = false, begun_ = false;
    int64_t done_ = 0;
    std::map<std::string, std::unique_ptr<LineWriter>> lines_;
};

// What a step says of itself.
struct StepReport {
    json metrics;                   // a line, which begins with "step"
    json timings = json::object();  // added to {"step", "seconds"}
    std::string text;               // for the progress line
};

struct Stage {
    std::string name;  // its command
    int64_t steps = 0;
    std::function<StepReport(int64_t step)> step;  // does one, counted from 1
    // Called after each step, and once with done = 0 before the first step of a new run. Lines that it writes belong to
    // the run.
    std::function<void(int64_t done, Progress& progress)> look = {};
    Weights* reference = nullptr;  // saved and restored with the model
    int save_every = 0;            // 0: only at the end
};

// Runs the steps that are left. False if a stop was asked for before the last: then the state is saved, and the
// terminal says how to go on.
bool train(Run& run, Trainer& trainer, const Stage& stage);

}  // namespace r1
