#include "train/run.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/manifest.h"
#include "base/progress.h"
#include "base/ranks.h"
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
    table.number("--keep", o.keep, at_least(1), "last saved states that stay, each in step-N/ with its model").effect =
        Effect::nothing;
    table.input("--held-out", o.held_out, "data of the same form that is not learned from, to evaluate on");
    table
        .number("--evaluate-every", o.evaluate_every, at_least(0),
                "steps between evaluations on --held-out; 0: none on the way")
        .only("--held-out", [&o] { return !o.held_out.empty(); });
    table.choice("--on-nonfinite", o.on_nonfinite, {{"stop", OnNonfinite::stop}, {"skip", OnNonfinite::skip}},
                 "a batch whose loss or gradient is not finite is written to nonfinite-step-N.jsonl, and ends the run "
                 "or is left out");
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

static const std::string STATE = "training.state";
static const std::string UNFINISHED = ".tmp";
static bool any_file(const std::string&) { return true; }

// The bytes of the lines of steps up to `steps`, before the first that cannot be read.
static uint64_t bytes_up_to(const std::string& path, int64_t steps) {
    const std::string content = read_file(path);
    size_t kept = 0;
    for (size_t end; (end = content.find('\n', kept)) != std::string::npos; kept = end + 1) {
        const json line = json_of(std::string_view(content).substr(kept, end - kept));
        const bool has_step = line.is_object() && line.contains("step") && line["step"].is_number();
        if (!has_step || line["step"] > steps) break;
    }
    return kept;
}

// The step of a saved state; -1 for other names.
static int64_t step_of(const std::string& name) {
    const std::string digits = name.starts_with("step-") ? name.substr(5) : "";
    const bool is_number =
        !digits.empty() && digits.size() < 16 && digits.find_first_not_of("0123456789") == digits.npos;
    return is_number ? std::stoll(digits) : -1;
}
static std::string name_of_state(int64_t step) { return "step-" + std::to_string(step); }

static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
    return names;
}

std::vector<int64_t> states_in(const std::string& folder) {
    std::vector<int64_t> steps;
    for (const std::string& name : names_in(folder))
        if (step_of(name) >= 0) steps.push_back(step_of(name));
    std::sort(steps.begin(), steps.end(), std::greater<>());
    return steps;
}

static void remove_all(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) throw DiskFailed("cannot remove, " + path + ", " + error.message() + "; remove it yourself");
}

// A folder goes at once, under its name.
static void remove_folder(const std::string& path) {
    if (!exists(path)) return;
    remove_all(path + UNFINISHED);
    rename_file(path, path + UNFINISHED);
    remove_all(path + UNFINISHED);
}

// All that a run writes, of the run that is begun anew. The states go first: a model without a state is whole, and a
// state without the rest is not.
static void remove_run(const std::string& folder) {
    for (const int64_t step : states_in(folder)) remove_folder(folder + "/" + name_of_state(step));
    remove_file(folder + "/" + MANIFEST);
    for (const std::string& name : names_in(folder)) {
        const bool of_run = name == "options.json" || name == "metrics.jsonl" || name == "timings.jsonl" ||
                            name == "starts.jsonl" || name == "rollouts.jsonl" || name == "evaluations.jsonl" ||
                            name == "rollouts.verl.jsonl" || name == "evaluation.json" || name == "best";
        if (of_run || belongs_to_model(name)) remove_all(folder + "/" + name);
    }
}

// What a killed process, or one that the disk refused, left.
static void remove_unfinished(const std::string& folder) {
    for (const std::string& name : names_in(folder))
        if (name.ends_with(UNFINISHED)) remove_all(folder + "/" + name);
}

std::string damage_of_state(const std::string& run, int64_t step) {
    const std::string name = name_of_state(step), folder = run + "/" + name;
    if (!has_manifest(folder)) return name + "/" + MANIFEST + ": it is missing";
    const std::vector<std::string> damage = damage_of(folder, any_file);
    if (!damage.empty()) return name + "/" + damage[0];
    const json progress = read_progress(folder + "/" + STATE);
    if (!progress.is_object() || !progress.contains("logs") || !progress.contains("record"))
        return name + "/" + STATE + ": of another version";
    for (const auto& [log, written] : progress["logs"].items()) {
        const std::string path = run + "/" + log;
        if (!exists(path) || sha256_of_begin(path, written["bytes"].get<uint64_t>()) != written["sha256"])
            return log + ": its lines up to step " + std::to_string(step) + " are not those that were written";
    }
    return "";
}

Run::Run(const TrainingOptions& o, const std::string& stage, const OptionTable& table)
    : folder_(o.output), keep_(o.keep) {
    record_ = record_of(stage, table);
    for (const Option& option : table.all)
        if (option.effect == Effect::nothing) free_[option.name.substr(2)] = option.read();
    if (o.resume) resume();
    // Also, until all have read what is there, rank 0 writes nothing.
    check_equal_on_ranks(record_.dump() + std::to_string(done_) + version().commit, "a run");
}

static void warn(const std::string& folder, const std::string& damage) {
    if (!ranks().first()) return;
    std::fprintf(stderr, "r1: warning: damaged, %s/%s, so an earlier state is gone on from\n", folder.c_str(),
                 damage.c_str());
}

void Run::resume() {
    const auto take = [&](const json& record, int64_t step) {
        check_same(record, record_);
        record_ = record;  // with the paths that the run began with, as options.json has them
        done_ = step;
        resumed_ = true;
    };
    if (has_manifest(folder_)) {
        const std::vector<std::string> damage = damage_of(folder_, any_file);
        if (damage.empty()) {
            const json manifest = read_sealed(folder_ + "/" + MANIFEST);
            take(manifest["record"], manifest["step"].get<int64_t>());
            check_equal_on_ranks("finished", "a run");
            if (ranks().first()) remove_unfinished(folder_);
            keep_states(keep_ - 1);
            std::printf("finished already, after step %lld, in %s\n", static_cast<long long>(done_), folder_.c_str());
            throw Finished();
        }
        warn(folder_, damage[0]);
    }
    for (const int64_t step : states_in(folder_)) {
        const std::string damage = damage_of_state(folder_, step);
        if (damage.empty()) {
            const json progress = read_progress(folder_ + "/" + name_of_state(step) + "/" + STATE);
            take(progress["record"], step);
            go_to(step, progress);
            return;
        }
        damaged_.push_back(damage);
        warn(folder_, damage);
    }
    const std::string options = folder_ + "/options.json";
    if (!damaged_.empty())
        fail("no saved state is whole: " + damaged_[0], folder_,
             "take the file from a copy, or give --overwrite to begin anew");
    if (exists(options)) check_same(read_json(options), record_);
    else if (holds_something(folder_)) fail("no saved state to go on from", folder_, "give --overwrite to begin anew");
}

void Run::go_to(int64_t step, const json& progress) {
    done_ = step;
    logs_ = progress["logs"];
    notes = progress["notes"];
}

int64_t Run::roll_back(int64_t most, Trainer& trainer, Weights* reference) {
    for (const int64_t step : states_in(folder_)) {
        if (step > most || !damage_of_state(folder_, step).empty()) continue;
        go_to(step, load_training(folder_ + "/" + name_of_state(step) + "/" + STATE, trainer, reference));
        check_equal_on_ranks(std::to_string(step), "a run");  // all have read it
        done_by_first([&](Packer&) {
            for (const auto& [name, file] : lines_) cut_lines(name, *file.writer, file.kind);
            for (const int64_t later : states_in(folder_))
                if (later > step) remove_folder(folder_ + "/" + name_of_state(later));
        });
        return step;
    }
    return -1;
}

void Run::begin() {
    if (begun_ || !ranks().first()) return;
    begun_ = true;
    make_folder(folder_);
    const std::string options = folder_ + "/options.json", text = record_.dump(2) + "\n";
    if (!resumed_) remove_run(folder_);
    remove_unfinished(folder_);
    remove_file(folder_ + "/" + MANIFEST);
    for (const int64_t step : states_in(folder_))
        if (step > done_) remove_folder(folder_ + "/" + name_of_state(step));  // damaged ones
    if (!exists(options) || read_file(options) != text) write_file_atomically(options, text);
}

LineWriter& Run::lines(const std::string& name, Lines kind) {
    begin();
    OneFile& file = lines_[name];
    if (file.writer) return *file.writer;
    const std::string path = ranks().first() ? folder_ + "/" + name : "/dev/null";
    file.kind = kind;
    if (!ranks().first()) {
        file.writer = std::make_unique<LineWriter>(path);
        return *file.writer;
    }
    file.writer = std::make_unique<LineWriter>(path, resumed_, true);
    if (resumed_) cut_lines(name, *file.writer, kind);
    return *file.writer;
}

// To what the state counts on.
void Run::cut_lines(const std::string& name, LineWriter& writer, Lines kind) const {
    if (kind == Lines::clock) writer.cut(bytes_up_to(folder_ + "/" + name, done_));
    else writer.cut(logs_.contains(name) ? logs_[name]["bytes"].get<uint64_t>() : 0);
}

void Run::flush() {
    for (const auto& [name, file] : lines_) file.writer->flush();
}

void Run::write_start(const char* device) {
    begin();
    if (!ranks().first()) return;
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
                  {"ranks", ranks().count},
                  {"options", free_}});
    starts.sync();
}

std::string Run::state() const { return folder_ + "/" + name_of_state(done_) + "/" + STATE; }

void Run::restore(Trainer& trainer, Weights* reference) const {
    if (resumed_) load_training(state(), trainer, reference);
}

json Run::about(int64_t done) const { return {{"step", done}, {"record", record_}}; }

void Run::put(const std::string& name, int64_t done, const WriteModel& write) {
    const std::string path = folder_ + "/" + name, unfinished = path + UNFINISHED;
    remove_all(unfinished);
    try {
        write(unfinished);
        write_manifest(unfinished, about(done));
        remove_all(path);
        rename_file(unfinished, path);
    } catch (const DiskFailed&) {
        std::error_code ignored;
        fs::remove_all(unfinished, ignored);  // which makes room
        throw;
    }
}

void Run::save(int64_t done, Trainer& trainer, Weights* reference, const WriteModel& write_model) {
    begin();
    Moments moments = gather_moments(trainer);
    done_by_first([&](Packer&) { write_state(done, trainer, moments, reference, write_model); });
}

void Run::write_state(int64_t done, Trainer& trainer, Moments& moments, Weights* reference,
                      const WriteModel& write_model) {
    for (const auto& [name, file] : lines_) {
        file.writer->sync();
        if (file.kind == Lines::result)
            logs_[name] = {{"bytes", file.writer->bytes()}, {"sha256", file.writer->sha256()}};
    }
    put(name_of_state(done), done, [&](const std::string& folder) {
        write_model(folder);
        const json progress = {{"step", done}, {"record", record_}, {"notes", notes}, {"logs", logs_}};
        save_training(folder + "/" + STATE, trainer, moments, progress, reference);
    });
}

void Run::save_best(int64_t done, const WriteModel& write_model) {
    begin();
    done_by_first([&](Packer&) { put("best", done, write_model); });
}

void Run::finish(int64_t done, const WriteModel& write_model) {
    begin();
    done_by_first([&](Packer&) {
        for (const auto& [name, file] : lines_) file.writer->sync();
        write_model(folder_);
        write_manifest(folder_, about(done));
        keep_states(keep_ - 1);
    });
}

void Run::keep_states(int most) const {
    if (!ranks().first()) return;
    const std::vector<int64_t> steps = states_in(folder_);
    for (size_t i = size_t(most); i < steps.size(); ++i) remove_folder(folder_ + "/" + name_of_state(steps[i]));
}

}  // namespace r1
