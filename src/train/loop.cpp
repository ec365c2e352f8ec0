#include "train/loop.h"

#include <filesystem>
#include <utility>

#include "base/check.h"
#include "train/state.h"

namespace r1 {

// ---- options

OptionTable table_of(TrainingOptions& o) {
    OptionTable table;
    table.output("--output", o.output, "folder for the model and its metrics").needed = true;
    table.number("--lr", o.lr, at_least(0), "peak learning rate");
    table.number("--final-lr-share", o.final_lr_share, between(0, 1), "the schedule ends at this share of the peak");
    table.number("--warmup", o.warmup, at_least(0), "updates of linear warm-up");
    table.choice("--schedule", o.schedule,
                 {{"constant", Decay::constant}, {"linear", Decay::linear}, {"cosine", Decay::cosine}},
                 "how the rate falls after warm-up");
    table.number("--decay", o.decay, at_least(0), "weight decay of matrices");
    table.number("--clip", o.clip, at_least(0), "largest norm of the gradient; 0: any");
    table.number("--beta1", o.beta1, between(0, 0.999999), "decay of AdamW's mean of gradients");
    table.number("--beta2", o.beta2, between(0, 0.999999), "decay of AdamW's mean of squared gradients");
    table.number("--shards", o.shards, between(1, 4096), "virtual shards of the batch: part of the arithmetic");
    table
        .number("--micro-rows", o.micro_rows, between(0, 1e7),
                "tokens computed at a time; 0: 256, or 8192 on a GPU. Speed and memory, not results")
        .effect = Effect::nothing;
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.number("--save-every", o.save_every, at_least(0), "steps between saved states; 0: only at the end").effect =
        Effect::nothing;
    table.flag("--resume", o.resume, "go on from the saved state in --output").effect = Effect::nothing;
    table.flag("--overwrite", o.overwrite, "begin anew where a run is there").effect = Effect::nothing;
    return table;
}

TrainOptions trainer_options(const TrainingOptions& o) {
    TrainOptions train;
    train.shards = o.shards;
    train.micro_rows = o.micro_rows;
    train.beta1 = o.beta1;
    train.beta2 = o.beta2;
    train.decay = o.decay;
    train.clip = o.clip;
    return train;
}

// ---- the run's folder

// Cuts a file of lines behind the last line of a step up to `steps`.
static void keep_lines(const std::string& path, int64_t steps) {
    if (!exists(path)) return;
    const std::string content = read_file(path);
    size_t kept = 0;
    for (size_t end; (end = content.find('\n', kept)) != std::string::npos; kept = end + 1) {
        const json line = json::parse(content.substr(kept, end - kept), nullptr, false);
        if (!line.is_object() || line.value("step", int64_t(1) << 60) > steps) break;
    }
    write_file_atomically(path, std::string_view(content).substr(0, kept));
}

// A run in the folder of one of its inputs would destroy the input.
static void check_not_an_input(const std::string& folder, const OptionTable& table) {
    for (const Option& option : table.all) {
        std::error_code error;
        if (option.effect == Effect::input && std::filesystem::equivalent(folder, option.read(), error))
            throw UsageError("the own folder of " + option.name +
                             ", --output, choose another, so that nothing is lost");
    }
}

Run::Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table)
    : folder_(o.output), resumed_(o.resume) {
    check_not_an_input(folder_, table);
    if (!o.resume && !o.overwrite && exists(state()))
        throw UsageError("a run is there already, --output " + folder_ +
                         ", give --resume to go on or --overwrite to begin anew");
    record_ = record_of(stage, table);
    if (!resumed_) return;
    const json progress = read_progress(state());
    if (!progress.is_object()) fail("no saved state to go on from", folder_, "leave --resume out to begin the run");
    if (!progress.contains("record"))
        fail("a saved state of another version", folder_, "give --overwrite to begin anew");
    check_same(progress["record"], record_);
    record_ = progress["record"];  // with the paths that the run began with, as options.json has them
    done_ = progress.value("step", int64_t(0));
}

void Run::begin() {
    if (begun_) return;
    begun_ = true;
    make_folder(folder_);
    if (!resumed_) remove_file(state());  // of the run that is overwritten
    if (resumed_ && exists(folder_ + "/options.json")) return;
    write_file_atomically(folder_ + "/options.json", record_.dump(2) + "\n");
}

LineWriter& Run::lines(const std::string& name) {
    begin();
    std::unique_ptr<LineWriter>& writer = lines_[name];
    if (writer) return *writer;
    const std::string path = folder_ + "/" + name;
    if (resumed_) keep_lines(path, done_);
    writer = std::make_unique<LineWriter>(path, resumed_);
    return *writer;
}

void Run::restore(Trainer& trainer, Weights* reference) const {
    if (resumed_) load_training(state(), trainer, reference);
}

void Run::save(int64_t done, Trainer& trainer, Weights* reference) {
    begin();
    for (const auto& [name, writer] : lines_) writer->flush();
    save_training(state(), trainer, {{"step", done}, {"record", record_}}, reference);
}

// ---- the loop

bool train(Run& run, Trainer& trainer, const Stage& stage) {
    LineWriter &metrics = run.lines("metrics.jsonl"), &timings = run.lines("timings.jsonl");
    catch_signals();
    int64_t done = run.done();
    Progress progress(stage.name, stage.steps, done);
    if (!run.resumed() && stage.look) stage.look(0, progress);
    while (done < stage.steps && !stop_requested()) {
        const double begin = seconds_now();
        const StepReport report = stage.step(done + 1);
        ++done;
        metrics.write(report.metrics);
        metrics.flush();  // for whoever watches
        json line = {{"step", done}, {"seconds", rounded(seconds_now() - begin)}};
        line.update(report.timings);
        timings.write(line);
        if (done < stage.steps) progress.update(done, report.text);
        else progress.finish(report.text);
        if (stage.look) stage.look(done, progress);
        const bool due = stage.save_every > 0 && done % stage.save_every == 0;
        if (due && done < stage.steps) run.save(done, trainer, stage.reference);
    }
    run.save(done, trainer, stage.reference);
    if (done >= stage.steps) return true;
    progress.note("stopped after step " + std::to_string(done) + "; everything is saved in " + run.folder() +
                  ". To go on: the same r1 " + stage.name + " command with --resume");
    return false;
}

}  // namespace r1
