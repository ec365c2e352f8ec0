#include "train/run.h"

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

}  // namespace r1
