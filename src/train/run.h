// A run's folder: what is in it, who may write there, and how it goes on after a stop.
//
//   options.json        what decides the results: stage, options, hashes of the inputs
//   metrics.jsonl       a line for each step; no clock is in it
//   timings.jsonl       a line for each step
//   starts.jsonl        a line for each time that the run was begun or gone on with: by which program, where, how
//   evaluations.jsonl   a line for each look at what is held out
//   step-120/           a saved state: training.state, which --resume goes on from, and the model of that step. The
//                       last --keep of them are there
//   best/               the model that did best on what is held out
//   model.safetensors and what belongs to it: the model, once the last step is done
//   r1-manifest.json    of the finished run, and in step-120/ and best/: the hash of each file beside it
//
// Rank 0 alone writes; all ranks call what saves.
//
// A state counts on the lines that were written before it: it has their hash. A state that is damaged, or whose lines
// are, is named and left out, and the one before it is gone on from.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "train/gradient.h"
#include "train/health.h"
#include "train/state.h"

namespace r1 {

// The options that all training stages have.
struct TrainingOptions {
    std::string output;      // the run's folder
    std::string held_out;    // data of the stage's form that is not learned from; "": none
    int evaluate_every = 0;  // steps between looks at it; 0: none
    float lr = 5e-5f, final_lr_share = 0.1f;
    int warmup = 0;  // updates
    Decay schedule = Decay::cosine;
    float decay = 0.1f, clip = 1.0f, beta1 = 0.9f, beta2 = 0.95f;
    int shards = 2, micro_rows = 0;
    uint32_t seed = 1;
    int save_every = 200;  // steps
    int keep = 2;          // saved states that stay
    OnNonfinite on_nonfinite = OnNonfinite::stop;
    bool resume = false;
};
OptionTable table_of(TrainingOptions& options);
TrainOptions trainer_options(const TrainingOptions& options);

// A run's folder: new, or with o.resume opened where it stopped; Finished if nothing is left to do. UsageError if the
// stage, an option that can change a result or an input is another than the run began with. Nothing is written before
// the first of lines() or save().
class Run {
public:
    Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table);

    // Whether there is something to go on from. --resume in a folder where nothing has been saved begins the run.
    bool resumed() const { return resumed_; }
    int64_t done() const { return done_; }  // steps
    // A file of lines, which is cut to those that the saved state counts on. It lives as long as the run. A result has
    // the same bytes whenever the run is done; lines that are none have a "step".
    enum class Lines { result, clock };
    LineWriter& lines(const std::string& name, Lines kind = Lines::result);
    void flush();  // all lines, for whoever watches
    // Adds to starts.jsonl what changes no result: the program, the device, the options without effect.
    void write_start(const char* device);
    const std::string& folder() const { return folder_; }

    // Takes weights and moments from the saved state, if the run was resumed. reference: as in state.h.
    void restore(Trainer& trainer, Weights* reference = nullptr) const;
    // Saves the state after `done` steps behind all lines before it. What writes a model is given the folder for it. A
    // folder is whole or not there, whenever the process is killed.
    using WriteModel = std::function<void(const std::string& folder)>;
    void save(int64_t done, Trainer& trainer, Weights* reference, const WriteModel& write_model);
    void remove_old_states() const { keep_states(keep_); }
    // Takes weights and moments from the last state of a step up to `most`, and cuts the lines behind it. Its
    // step, or -1 if there is none.
    int64_t roll_back(int64_t most, Trainer& trainer, Weights* reference);
    void save_best(int64_t done, const WriteModel& write_model);
    // After the last step: the model itself, and the manifest.
    void finish(int64_t done, const WriteModel& write_model);

    json notes = json::object();  // of the loop, saved and restored with the state

private:
    struct OneFile {
        std::unique_ptr<LineWriter> writer;
        Lines kind;
    };
    void begin();
    void resume();
    void go_to(int64_t step, const json& progress);
    void cut_lines(const std::string& name, LineWriter& writer, Lines kind) const;
    void write_state(int64_t done, Trainer& trainer, Moments& moments, Weights* reference,
                     const WriteModel& write_model);
    void put(const std::string& name, int64_t done, const WriteModel& write);
    void keep_states(int most) const;
    std::string state() const;
    json about(int64_t done) const;
    std::string folder_;
    int keep_;
    json record_;  // of options.json
    json free_;    // the options that change no result
    bool resumed_ = false, begun_ = false;
    int64_t done_ = 0;
    json logs_ = json::object();        // of the state: the bytes and hash of each file of results
    std::vector<std::string> damaged_;  // states
    std::map<std::string, OneFile> lines_;
};

// The steps of the saved states in a run's folder, the last first.
std::vector<int64_t> states_in(const std::string& folder);
// What is wrong with one of them, or with the lines before it; "" if nothing is.
std::string damage_of_state(const std::string& run, int64_t step);

}  // namespace r1
