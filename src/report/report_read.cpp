#include "report/report_read.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/check.h"
#include "base/manifest.h"
#include "report/run_files.h"

namespace r1 {

namespace fs = std::filesystem;

namespace {

constexpr size_t RECORDED_STEPS = 24;  // at most so many steps of rollouts go into the page
constexpr size_t POINTS = 4000;        // at most so many points a curve
const std::vector<std::string> STAGES = {"pretrain", "sft", "grpo", "reward-model"};  // in the order of a page

// Lines as columns, so that names are not repeated; above POINTS lines, means over equal stretches of them.
json columns_of(const json& lines, size_t stretch) {
    json columns = json::object();
    for (size_t begin = 0, row = 0; begin < lines.size(); begin += stretch, ++row) {
        const size_t end = std::min(lines.size(), begin + stretch);
        std::map<std::string, std::pair<double, int>> sums;
        for (size_t i = begin; i < end; ++i)
            for (const auto& [key, value] : lines[i].items())
                if (value.is_number()) {
                    sums[key].first += value.get<double>();
                    ++sums[key].second;
                }
        for (const auto& [key, sum] : sums) {
            json& column = columns[key];
            while (column.size() < row) column.push_back(nullptr);
            const bool one = end - begin == 1;
            column.push_back(key == "step" ? lines[end - 1][key]
                             : one         ? lines[begin][key]
                                           : json(rounded(sum.first / sum.second)));
        }
    }
    return columns;
}

json lines_if_there(const std::string& path) { return exists(path) ? read_lines(path) : json::array(); }

// By what options.json says; of older runs, by the columns of their metrics.
std::string stage_of(const ReportRun& run) {
    const json said = run.settings.is_object() ? run.settings.value("stage", json()) : json();
    if (std::find(STAGES.begin(), STAGES.end(), said) != STAGES.end()) return said;
    if (run.metrics.contains("reward")) return "grpo";
    return run.metrics.contains("margin") ? "reward-model" : "training";
}

double sum_of(const json& line, std::initializer_list<const char*> keys) {
    double sum = 0;
    for (const char* key : keys) sum += std::isnan(number(line, key)) ? 0 : number(line, key);
    return sum;
}

void read_rollouts(ReportRun& run, json& notes) {
    run.rollouts = lines_if_there(run.folder + "/rollouts.jsonl");
    std::set<std::string> kinds;
    for (const json& line : run.rollouts)
        if (line.value("kind", json()).is_string()) kinds.insert(line["kind"]);
    run.kinds = {kinds.begin(), kinds.end()};
    const size_t all = steps_of(run.rollouts).size();
    if (all <= RECORDED_STEPS) return;
    run.rollouts = thinned(std::move(run.rollouts), RECORDED_STEPS);
    notes.push_back("Of the " + std::to_string(all) + " steps in " + run.name + "/rollouts.jsonl the page holds " +
                    std::to_string(RECORDED_STEPS) + ", evenly spread.");
}

ReportRun read_run(const std::string& folder, const std::string& name, json& notes) {
    ReportRun run;
    run.folder = folder;
    run.name = name;
    const json lines = read_lines(folder + "/metrics.jsonl"), timings = lines_if_there(folder + "/timings.jsonl");
    const size_t stretch = std::max<size_t>(1, (lines.size() + POINTS - 1) / POINTS);
    run.metrics = columns_of(lines, stretch);
    run.timings = columns_of(timings, stretch);
    if (stretch > 1)
        notes.push_back("The curves of " + name + " are means of " + std::to_string(stretch) + " steps each.");
    if (!lines.empty()) run.last = lines.back();
    run.steps = int64_t(sum_of(run.last, {"step"}));
    if (!timings.empty()) {
        double seconds = 0;
        // Older runs have no sum of the two.
        for (const json& line : timings)
            seconds += line.contains("seconds") ? sum_of(line, {"seconds"})
                                                : sum_of(line, {"sample_seconds", "train_seconds"});
        run.seconds = rounded(seconds);
    } else notes.push_back("There is no " + name + "/timings.jsonl: how long it took is not known.");
    check_whole(folder, [](const std::string&) { return true; });
    if (exists(folder + "/options.json")) run.settings = read_json(folder + "/options.json");
    const json starts = lines_if_there(folder + "/starts.jsonl");
    if (!starts.empty()) run.start = starts.back();
    run.stage = stage_of(run);
    run.held_out = lines_if_there(folder + "/evaluations.jsonl");
    read_rollouts(run, notes);
    if (exists(folder + "/model.safetensors")) run.weights_sha256 = sha256_of_file(folder + "/model.safetensors");
    else notes.push_back("There is no " + name + "/model.safetensors: that run has not ended.");
    return run;
}

bool is_run(const std::string& folder) { return exists(folder + "/metrics.jsonl"); }

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    if (!fs::is_directory(folder)) return names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

// "runs/demo/zero" and 2: "demo/zero".
std::string last_parts(const std::string& folder, int parts) {
    fs::path path = fs::absolute(folder).lexically_normal(), name;
    if (path.filename().empty()) path = path.parent_path();
    for (int i = 0; i < parts && path.has_relative_path(); ++i, path = path.parent_path())
        name = name.empty() ? path.filename() : path.filename() / name;
    return name.string();
}
// As many last parts of each path as tell the folders apart.
std::vector<std::string> short_names(const std::vector<std::string>& folders) {
    std::vector<std::string> names;
    for (int parts = 1; parts < 32; ++parts) {
        names.clear();
        for (const std::string& folder : folders) names.push_back(last_parts(folder, parts));
        if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
    }
    fail("the same run twice", folders[0], "give each folder once");
}

void read_evaluations(const std::string& folder, const std::string& before, ReportData& data, double& seconds) {
    for (const std::string& file : names_in(folder + "/evaluation")) {
        const std::string path = folder + "/evaluation/" + file;
        if (file.ends_with(".json.seconds")) seconds += sum_of(read_json(path), {"seconds"});
        if (!file.ends_with(".json")) continue;
        json evaluation = read_json(path);
        if (!evaluation.is_object()) fail("not a JSON object", path, "write it with r1 evaluate --output");
        if (evaluation.contains("pass_at_1"))
            data.evaluation[before + file.substr(0, file.size() - 5)] = std::move(evaluation);
    }
}

int order_of(const std::string& stage) { return int(std::find(STAGES.begin(), STAGES.end(), stage) - STAGES.begin()); }

}  // namespace

const ReportRun* ReportData::find(const std::string& name) const {
    for (const ReportRun& run : runs)
        if (run.name == name) return &run;
    return nullptr;
}

ReportData read_report(const std::vector<std::string>& folders) {
    ReportData data;
    double seconds = 0;
    const std::vector<std::string> names = short_names(folders);
    for (size_t i = 0; i < folders.size(); ++i) {
        const std::string& folder = folders[i];
        if (!exists(folder)) fail("there is no such folder", folder, "give the folder of a run with --run");
        const size_t before = data.runs.size();
        if (is_run(folder)) data.runs.push_back(read_run(folder, names[i], data.notes));
        else {
            const std::string prefix = folders.size() > 1 ? names[i] + "/" : "";
            for (const std::string& name : names_in(folder))
                if (is_run(folder + "/" + name))
                    data.runs.push_back(read_run(folder + "/" + name, prefix + name, data.notes));
            std::stable_sort(data.runs.begin() + long(before), data.runs.end(),
                             [](const auto& a, const auto& b) { return order_of(a.stage) < order_of(b.stage); });
            read_evaluations(folder, prefix, data, seconds);
        }
        if (data.runs.size() == before)
            fail("no run to report: no metrics.jsonl in this folder or in those within it", folder,
                 "give the --output of a training command");
    }
    if (seconds > 0) data.evaluation_seconds = rounded(seconds);
    return data;
}

}  // namespace r1
