#include "train/loop.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/threads.h"
#include "base/version.h"
#include "train/state.h"

namespace r1 {

namespace fs = std::filesystem;

// ---- options

OptionTable table_of(TrainingOptions& o) {
    OptionTable table;
    table.output_folder("--output", o.output, "folder for the model and its metrics").needed = true;
    table.number("--lr", o.lr, at_least(0), "peak learning rate");
    table.number("--final-lr-share", o.final_lr_share, between(0, 1), "the schedule ends at this share of the peak")
        .only("--schedule linear or cosine", [&o] { return o.schedule != Decay::constant; });
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
    table.number("--keep", o.keep, at_least(0), "last saved states that stay as models, in step-N/; 0: none, no best/")
        .effect = Effect::nothing;
    table.input("--held-out", o.held_out, "data of the same form that is not learned from, to evaluate on");
    table
        .number("--evaluate-every", o.evaluate_every, at_least(0),
                "steps between evaluations on --held-out; 0: none on the way")
        .only("--held-out", [&o] { return !o.held_out.empty(); });
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
        const json line = json_of(std::string_view(content).substr(kept, end - kept));
        if (!line.is_object() || line.value("step", int64_t(1) << 60) > steps) break;
    }
    write_file_atomically(path, std::string_view(content).substr(0, kept));
}

// The step of a saved state's model; -1 for other names.
static int64_t step_of(const std::string& name) {
    const std::string digits = name.starts_with("step-") ? name.substr(5) : "";
    const bool is_number =
        !digits.empty() && digits.size() < 16 && digits.find_first_not_of("0123456789") == digits.npos;
    return is_number ? std::stoll(digits) : -1;
}

static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
    return names;
}

static void remove_all(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) fail("cannot remove", path, error.message() + "; remove it yourself");
}

constexpr const char* UNFINISHED = ".tmp";

// All that a run writes, of the run that is begun anew. The state goes first: a model without a state is whole, and a
// state without the rest is not.
static void remove_run(const std::string& folder) {
    remove_file(folder + "/training.state");
    for (const std::string& name : names_in(folder)) {
        const bool of_run = name == "options.json" || name == "metrics.jsonl" || name == "timings.jsonl" ||
                            name == "starts.jsonl" || name == "rollouts.jsonl" || name == "evaluations.jsonl" ||
                            name == "evaluation.json";
        const bool is_model = name == "best" || step_of(name) >= 0;
        if (of_run || is_model || belongs_to_model(name) || name.ends_with(UNFINISHED)) remove_all(folder + "/" + name);
    }
}

Run::Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table) : folder_(o.output) {
    record_ = record_of(stage, table);
    for (const Option& option : table.all)
        if (option.effect == Effect::nothing) free_[option.name.substr(2)] = option.read();
    if (!o.resume) return;
    const json progress = read_progress(state());
    const std::string options = folder_ + "/options.json";
    if (progress.is_object()) {
        if (!progress.contains("record"))
            fail("a saved state of another version", folder_, "give --overwrite to begin anew");
        check_same(progress["record"], record_);
        record_ = progress["record"];  // with the paths that the run began with, as options.json has them
        done_ = progress.value("step", int64_t(0));
        notes = progress.value("notes", json::object());
        resumed_ = true;
    } else if (exists(options)) {
        check_same(read_json(options), record_);
    } else if (holds_something(folder_)) {
        fail("no saved state to go on from", folder_, "give --overwrite to begin anew");
    }
}

void Run::begin() {
    if (begun_) return;
    begun_ = true;
    make_folder(folder_);
    if (!resumed_) remove_run(folder_);
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

void Run::write_start(const char* device) {
    begin();
    const Version v = version();
    char time[32];
    const std::time_t now = std::time(nullptr);
    std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    LineWriter starts(folder_ + "/starts.jsonl", true);
    starts.write({{"step", done_},
                  {"time", time},
                  {"version", v.number},
                  {"commit", v.commit},
                  {"compiler", v.compiler},
                  {"device", device},
                  {"threads", thread_count()},
                  {"options", free_}});
    starts.flush();
}

void Run::restore(Trainer& trainer, Weights* reference) const {
    if (resumed_) load_training(state(), trainer, reference);
}

void Run::save(int64_t done, Trainer& trainer, Weights* reference) {
    begin();
    for (const auto& [name, writer] : lines_) writer->flush();
    save_training(state(), trainer, {{"step", done}, {"record", record_}, {"notes", notes}}, reference);
}

// The folder is whole or not there, whenever the process is killed.
void Run::put_model(const std::string& name, const std::function<void(const std::string& folder)>& write) {
    begin();
    const std::string path = folder_ + "/" + name, unfinished = path + UNFINISHED;
    remove_all(unfinished);
    write(unfinished);
    remove_all(path);
    rename_file(unfinished, path);
}

void Run::keep_models(int most) const {
    std::vector<int64_t> steps;
    for (const std::string& name : names_in(folder_))
        if (step_of(name) >= 0) steps.push_back(step_of(name));
    std::sort(steps.begin(), steps.end(), std::greater<>());
    for (size_t i = size_t(most); i < steps.size(); ++i) remove_all(folder_ + "/step-" + std::to_string(steps[i]));
}

// ---- the loop

namespace {

struct Loop {
    Run& run;
    Trainer& trainer;
    const Stage& stage;
    int64_t done;
    Progress progress;
    LineWriter &metrics, &timings;
    LineWriter* evaluations;

    Loop(Run& r, Trainer& t, const Stage& s)
        : run(r), trainer(t), stage(s), done(r.done()), progress(s.name, s.steps, r.done()),
          metrics(r.lines("metrics.jsonl")), timings(r.lines("timings.jsonl")),
          evaluations(s.evaluate ? &r.lines("evaluations.jsonl") : nullptr) {}

    void save() {
        if (stage.keep > 0 && done < stage.steps) {
            run.put_model("step-" + std::to_string(done), stage.write_model);
            run.keep_models(stage.keep);
        }
        run.save(done, trainer, stage.reference);
    }

    void step() {
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
    }

    // A look that a stop cut short is taken when the run goes on.
    void evaluate() {
        const bool due = stage.evaluate && stage.evaluate_every > 0 && done % stage.evaluate_every == 0;
        if (!due || run.notes.value("evaluated", int64_t(-1)) >= done) return;
        const Evaluated said = stage.evaluate(done);
        json line = {{"step", done}};
        line.update(said.line);
        evaluations->write(line);
        evaluations->flush();
        progress.note("  step " + std::to_string(done) + ", held out: " + said.text);
        run.notes["evaluated"] = done;
        if (run.notes.contains("best") && run.notes["best"]["score"] >= said.score) return;
        if (stage.keep > 0) run.put_model("best", stage.write_model);
        run.notes["best"] = {{"step", done}, {"score", said.score}};
    }

    // Whether all is done.
    bool go_on() {
        evaluate();
        while (done < stage.steps && !stop_requested()) {
            step();
            evaluate();
            const bool due = stage.save_every > 0 && done % stage.save_every == 0;
            if (due && done < stage.steps) save();
        }
        return done >= stage.steps;
    }
};

}  // namespace

bool train(Run& run, Trainer& trainer, const Stage& stage) {
    catch_signals();
    run.write_start(trainer.model->ops->name);
    Loop loop(run, trainer, stage);
    bool all_done = false;
    try {
        all_done = loop.go_on();
    } catch (const Stopped&) {}
    loop.save();
    if (all_done) {
        run.keep_models(std::max(0, stage.keep - 1));
        stage.write_model(run.folder());
        return true;
    }
    loop.progress.note("stopped after step " + std::to_string(loop.done) + "; everything is saved in " + run.folder() +
                       ". To go on: the same r1 " + stage.name + " command with --resume");
    return false;
}

}  // namespace r1
