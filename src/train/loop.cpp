#include "train/loop.h"

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
    table.number("--beta1", o.beta1, between(0, 0.999999), "AdamW");
    table.number("--beta2", o.beta2, between(0, 0.999999), "AdamW");
    table.number("--shards", o.shards, between(1, 4096), "virtual shards of the batch: part of the arithmetic");
    table
        .number("--micro-rows", o.micro_rows, between(0, 1e7),
                "tokens computed at a time; 0: 256, or 8192 on a GPU. Speed and memory, not results")
        .effect = Effect::nothing;
    table.number("--seed", o.seed, at_least(0), "seed");
    table.number("--save-every", o.save_every, at_least(0), "steps between saved states; 0: only at the end").effect =
        Effect::nothing;
    table.flag("--resume", o.resume, "go on from the saved state in --output").effect = Effect::nothing;
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

Run::Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table)
    : folder_(o.output), record_(record_of(stage, table)), resumed_(o.resume) {
    if (!resumed_) return;
    const json progress = read_progress(state());
    if (!progress.is_object()) fail("no saved state to go on from", folder_, "leave --resume out to begin the run");
    check_same(progress.value("record", json()), record_);
    record_ = progress["record"];  // paths as they were
    done_ = progress.value("step", int64_t(0));
}

void Run::begin() {
    if (begun_) return;
    begun_ = true;
    if (resumed_) return;
    make_folder(folder_);
    remove_file(state());  // of another run
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
