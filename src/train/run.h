// A run's folder: what is in it, who may write there, and how it goes on after a stop.
//
//   options.json        what decides the results: stage, options, hashes of the inputs
//   metrics.jsonl       a line for each step; no clock is in it
//   timings.jsonl       a line for each step
//   starts.jsonl        a line for each time that the run was begun or gone on with: by which program, where, how
//   evaluations.jsonl   a line for each look at what is held out
//   training.state      what --resume goes on from
//   step-120/           the last saved states as models, as --keep says
//   best/               the model that did best on what is held out
//   model.safetensors and what belongs to it: the model, once the last step is done
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "train/gradient.h"
#include "train/optimizer.h"

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
    int keep = 1;          // saved states that stay as models; 0: none, and no best one
    bool resume = false;
};
OptionTable table_of(TrainingOptions& options);
TrainOptions trainer_options(const TrainingOptions& options);

// A run's folder: new, or with o.resume opened where it stopped. UsageError if the stage, an option that can change a
// result or an input is another than the run began with. Nothing is written before the first of lines() or save().
class Run {
public:
    Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table);

    // Whether there is something to go on from. --resume in a folder where nothing has been saved begins the run.
    bool resumed() const { return resumed_; }
    int64_t done() const { return done_; }  // steps
    // A file of lines with "step", which is cut to the steps that are done. It lives as long as the run.
    LineWriter& lines(const std::string& name);
    // Adds to starts.jsonl what changes no result: the program, the device, the options without effect.
    void write_start(const char* device);
    const std::string& folder() const { return folder_; }

    // Takes weights and moments from the saved state, if the run was resumed. reference: as in state.h.
    void restore(Trainer& trainer, Weights* reference = nullptr) const;
    // Saves the state after `done` steps, and all lines before it.
    void save(int64_t done, Trainer& trainer, Weights* reference = nullptr);

    // Puts a model that `write` writes into the folder's sub-folder `name`, in place of what was there.
    void put_model(const std::string& name, const std::function<void(const std::string& folder)>& write);
    // Removes the models of saved states but for the last `most` of them.
    void keep_models(int most) const;

    json notes = json::object();  // of the loop, saved and restored with the state

private:
    std::string state() const { return folder_ + "/training.state"; }
    void begin();
    std::string folder_;
    json record_;  // of options.json
    json free_;    // the options that change no result
    bool resumed_ = false, begun_ = false;
    int64_t done_ = 0;
    std::map<std::string, std::unique_ptr<LineWriter>> lines_;
};

}  // namespace r1
