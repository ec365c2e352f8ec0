#include "report/paper_read.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/check.h"
#include "base/options.h"
#include "report/run_files.h"

namespace r1 {

const std::vector<StageName> PAPER_STAGES = {{"base", "base model"},
                                             {"zero", "R1-Zero"},
                                             {"zero-language", "R1-Zero, language reward"},
                                             {"dev1", "Dev1"},
                                             {"dev2", "Dev2"},
                                             {"dev3", "Dev3"},
                                             {"dev3-random", "Dev3, random data"},
                                             {"r1", "R1"},
                                             {"hacked", "reward hacked"},
                                             {"judge", "judge"},
                                             {"helpful", "reward: helpful"},
                                             {"safe", "reward: safe"}};
const std::vector<StageName> PAPER_STUDENTS = {{"small-base", "small, base"},
                                               {"small-distilled", "small, distilled"},
                                               {"small-rl", "small, RL alone"},
                                               {"small-distilled-rl", "small, distilled + RL"},
                                               {"small-control", "small, trained on"},
                                               {"large-base", "large, base"},
                                               {"large-distilled", "large, distilled"},
                                               {"large-rl", "large, RL alone"},
                                               {"large-distilled-rl", "large, distilled + RL"},
                                               {"large-control", "large, trained on"}};

namespace {

constexpr size_t SHOWN_STEPS = 5, SHOWN_LINES = 2;  // of rollouts, for each run; of a data file
constexpr uint64_t LONGEST_HEADER = uint64_t(1) << 26;

// What r1 rejection writes here, and the stage whose answers they are if its record is gone.
struct Sampled {
    const char *file, *stage;
};
constexpr Sampled SAMPLED[] = {{"coldstart.jsonl", "zero"},
                               {"reasoning.jsonl", "dev2"},
                               {"reasoning-random.jsonl", "dev2"},
                               {"judged.jsonl", "dev2"},
                               {"judged-random.jsonl", "dev2"}};

constexpr const char* DATA_FILES[] = {"coldstart.jsonl", "reasoning.jsonl", "reasoning-random.jsonl", "judged.jsonl",
                                      "sft.jsonl"};

std::string folder_of(const std::string& name) {
    const bool student = name.rfind("small-", 0) == 0 || name.rfind("large-", 0) == 0;
    return (student ? "students/" : "") + name;
}

json read_object(const std::string& path) {
    json object = read_json(path);
    if (!object.is_object()) fail("not a JSON object", path, "write it again with the command that made it");
    return object;
}

// A member of a member; null if one is not there.
json member(const json& object, const std::string& outer, const std::string& inner) {
    const auto found = object.find(outer);
    if (found == object.end() || !found->is_object()) return nullptr;
    return found->value(inner, json());
}

// ---- parameters

std::optional<json> header_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    unsigned char length[8];
    if (!file.read(reinterpret_cast<char*>(length), sizeof length)) return std::nullopt;
    uint64_t bytes = 0;
    for (int i = 7; i >= 0; --i) bytes = bytes << 8 | length[i];
    if (bytes > LONGEST_HEADER) return std::nullopt;
    std::string text(bytes, '\0');
    if (!file.read(text.data(), std::streamsize(bytes))) return std::nullopt;
    json header = json_of(text);
    if (!header.is_object()) return std::nullopt;
    return header;
}

double elements_of(const json& tensor) {
    double n = 1;
    const json shape = tensor.is_object() ? tensor.value("shape", json::array()) : json::array();
    for (const json& size : shape) n *= size.is_number() ? size.get<double>() : 1;
    return shape.empty() ? 0 : n;
}

}  // namespace

std::optional<double> active_parameters(const std::string& folder) {
    const std::optional<json> header = header_of(folder + "/model.safetensors");
    if (!header || !exists(folder + "/config.json")) return std::nullopt;
    const json config = read_object(folder + "/config.json");
    const bool deepseek = config.contains("n_routed_experts");
    const double experts = number(config, deepseek ? "n_routed_experts" : "num_experts");
    const double layers = number(config, "num_hidden_layers");
    const bool tied = config.value("tie_word_embeddings", json(false)) == true;
    double active = 0;
    for (const auto& [name, tensor] : header->items()) {
        if (name == "__metadata__" || (name == "model.embed_tokens.weight" && !tied)) continue;
        int layer = 0;
        const bool in_layer = std::sscanf(name.c_str(), "model.layers.%d.", &layer) == 1;
        if (in_layer && layer >= layers) continue;  // multi-token prediction
        const bool routed = name.find(".experts.") != std::string::npos;
        active += elements_of(tensor) * (routed ? number(config, "num_experts_per_tok") / experts : 1);
    }
    if (!(active > 0)) return std::nullopt;
    return active;
}

std::string relative_to(const std::string& folder, const std::string& path) {
    namespace fs = std::filesystem;
    const fs::path own = fs::path(folder + "/").lexically_normal().parent_path();
    const fs::path inside = fs::path(path).lexically_normal().lexically_relative(own);
    if (!inside.empty() && *inside.begin() != "..") return inside.string();
    const std::string named = "/" + own.filename().string() + "/";
    const size_t at = ("/" + path).rfind(named);
    return at == std::string::npos ? path : path.substr(at + named.size() - 1);
}

namespace {

// ---- a stage

// The share of answers that rejection sampling kept, and whose answers they are.
json sampled_files(const PaperRun& run, const std::string& stage) {
    json files = json::array();
    for (const Sampled& sampled : SAMPLED) {
        const std::string path = run.folder + "/" + sampled.file;
        std::string by = sampled.stage;
        if (exists(path + ".state")) {
            const json record = member(read_object(path + ".state"), "record", "inputs");
            const json model = record.is_object() ? member(record, "model", "path") : json();
            if (model.is_string()) by = relative_to(run.folder, model.get<std::string>());
        }
        if (by != stage || !exists(path)) continue;
        json file = {{"file", sampled.file}};
        if (exists(path + ".funnel")) {
            const json funnel = read_object(path + ".funnel");
            file["kept"] = funnel.value("kept", json());
            file["of"] = funnel.value("sampled", json());
            file["rejected"] = funnel.value("rejected", json());
        }
        files.push_back(file);
    }
    return files;
}

// Where the weights came from and what was learned from, by options.json. A model of this folder that has changed since
// is noted: its successor is then not what the folder says it is.
void read_inputs(PaperRun& run, const std::string& name, json& stage) {
    const json inputs = run.settings.value(name, json::object()).value("inputs", json::object());
    stage["starts_from"] = nullptr;
    stage["data_in"] = nullptr;
    for (const auto& [key, input] : inputs.items()) {
        if (!input.is_object() || !input.value("path", json()).is_string()) continue;
        const std::string path = relative_to(run.folder, input["path"].get<std::string>());
        if (key == "data" || key == "problems" || key == "corpus") stage["data_in"] = path;
        if (key != "model") continue;
        stage["starts_from"] = path;
        const std::string here = run.folder + "/" + path;
        if (exists(here + "/config.json") && sha256_of_input(here) != input.value("sha256", json()))
            run.notes.push_back(name + "/ was trained from another model than the one that is in " + path + "/ now.");
    }
}

// Sums over timings.jsonl: minutes, and tokens that were learned from or, by GRPO, sampled.
void read_timings(const PaperRun& run, const std::string& name, json& stage) {
    const std::string path = run.folder + "/" + folder_of(name) + "/timings.jsonl";
    double seconds = 0, tokens = 0;
    bool has_tokens = false;
    stage["minutes"] = nullptr;
    stage["tokens"] = nullptr;
    if (!exists(path)) return;
    for (const json& line : read_lines(path)) {
        const double n = number(line, "tokens"), s = number(line, "seconds");
        if (s == s) seconds += s;
        if (n == n) tokens += n;
        has_tokens = has_tokens || n == n;
    }
    stage["minutes"] = rounded(seconds / 60);
    if (has_tokens) stage["tokens"] = tokens;
}

// Multiplications and additions: 6 for each active parameter and token that was learned from (2 forward, 4 backward),
// and 2 more for one that GRPO sampled. Not counted are attention's scores, the tokens of prompts, what the reference
// of GRPO and its reward models compute, rejection sampling and evaluations. A fine-tuning's tokens are of answers.
void count_operations(const PaperRun& run, const std::string& name, json& stage) {
    const std::optional<double> active = active_parameters(run.folder + "/" + folder_of(name));
    stage["active_parameters"] = active ? json(*active) : json();
    stage["operations"] = nullptr;
    if (!active || stage["tokens"].is_null()) return;
    const bool samples = run.settings.value(name, json::object()).value("stage", json()) == "grpo";
    stage["operations"] = rounded((samples ? 8 : 6) * *active * stage["tokens"].get<double>());
}

json groups_of(const json& evaluation, const char* key) {
    json groups = json::object();
    const json all = evaluation.value(key, json::object());
    for (const auto& [name, group] : all.items())
        if (group.is_object()) groups[name] = group.value("pass_at_1", json());
    return groups;
}

void read_scores(const PaperRun& run, const std::string& name, json& stage) {
    json scores = json::object();
    if (const auto found = run.evaluation.find(name); found != run.evaluation.end()) {
        const json& e = *found;
        const std::string majority = key_that_starts_with(e, "majority_at_");
        for (const char* key : {"problems", "pass_at_1", "pass_at_1_interval"}) scores[key] = e.value(key, json());
        if (!majority.empty()) scores[majority] = e[majority];
        scores["by_kind"] = groups_of(e, "by_kind");
        scores["by_language"] = groups_of(e, "by_language");
        for (const char* key :
             {"format", "mean_length", "reflective_words", "truncated", "language", "mixed", "equations"})
            stage[key] = e.value(key, json());
        stage["mixed_chinese"] =
            member(e, "by_language", "zh").is_object() ? e["by_language"]["zh"].value("mixed", json()) : json();
    }
    stage["scores"] = scores;
    stage["win_rate"] = nullptr;
    const auto found = run.general.find(name);
    if (found == run.general.end()) return;
    stage["win_rate"] = member(*found, "win_rate", "rate");
    stage["win_rate_interval"] = member(*found, "win_rate", "interval");
    for (const char* key : {"preference", "best_of"})
        if (found->contains(key)) stage[key] = (*found)[key];
    for (const char* key : {"language", "mixed"})
        if (found->contains(key)) stage[std::string("general_") + key] = (*found)[key];
}

// What measured the judge: evaluation*.json in its folder, and judge*.json or, from r1 judge, judge*.summary beside the
// other evaluations.
json evaluations_of_judge(const std::string& folder) {
    std::map<std::string, std::string> paths;  // in the names' order
    for (const auto& [place, begin] : {std::pair("/judge", "evaluation"), std::pair("/evaluation", "judge")}) {
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator(folder + place, none)) {
            const std::string name = entry.path().filename().string();
            if (!name.starts_with(begin)) continue;
            if (name.ends_with(".json") || name.ends_with(".summary")) paths[name] = entry.path().string();
        }
    }
    json evaluations = json::object();
    for (const auto& [name, path] : paths) evaluations[name] = read_object(path);
    return evaluations;
}

void read_stage(PaperRun& run, const StageName& each) {
    const std::string name = each.name, folder = run.folder + "/" + folder_of(name);
    if (!exists(folder)) {
        run.notes.push_back("There is no " + folder_of(name) + "/: " + each.title + " is left out.");
        return;
    }
    const auto file = [&](const char* part) { return folder + "/" + part; };
    if (exists(file("options.json"))) run.settings[name] = read_object(file("options.json"));
    else run.notes.push_back("There is no " + folder_of(name) + "/options.json: where it comes from is not known.");
    if (exists(file("metrics.jsonl"))) run.metrics[name] = read_lines(file("metrics.jsonl"));
    if (exists(file("evaluations.jsonl"))) run.held_out[name] = read_lines(file("evaluations.jsonl"));
    run.sha256[name] = nullptr;
    if (exists(file("model.safetensors"))) run.sha256[name] = sha256_of_file(file("model.safetensors"));
    else run.notes.push_back("There is no " + folder_of(name) + "/model.safetensors: that stage has not ended.");
    json stage;
    read_inputs(run, name, stage);
    stage["data_out"] = sampled_files(run, folder_of(name));
    read_scores(run, name, stage);
    read_timings(run, name, stage);
    count_operations(run, name, stage);
    stage["sha256"] = run.sha256[name];
    if (name == "judge") stage["judge"] = evaluations_of_judge(run.folder);
    else if (exists(file("evaluation.json"))) stage["reward_model"] = read_object(file("evaluation.json"));
    json& place = folder_of(name) == name ? run.stages : run.stages["students"];
    place[name] = stage;
}

// Evaluations of stages whose folder is gone are read too.
void read_evaluations(PaperRun& run, const StageName& each) {
    const std::string path = run.folder + "/evaluation/" + each.name;
    const bool has_folder = exists(run.folder + "/" + folder_of(each.name));
    const std::string name = each.name;
    if (name == "judge" || name == "helpful" || name == "safe") return;
    if (exists(path + ".json")) run.evaluation[name] = read_object(path + ".json");
    else if (has_folder) run.notes.push_back("There is no evaluation/" + name + ".json: it has no scores.");
    if (exists(path + ".general.json")) run.general[name] = read_object(path + ".general.json");
    else if (has_folder && folder_of(name) == name)
        run.notes.push_back("There is no evaluation/" + name + ".general.json: its win rate is not known.");
}

}  // namespace

PaperRun read_paper_run(const std::string& folder) {
    PaperRun run;
    run.folder = folder;
    if (!exists(folder)) fail("there is no such folder", folder, "give the folder of a run with --run");
    if (!exists(folder + "/base") && !exists(folder + "/zero"))
        fail("neither base/ nor zero/, so no run to report", folder, "fill it with scripts/r1.sh");
    if (exists(folder + "/world/world.json")) run.world = read_json(folder + "/world/world.json");
    run.stages["students"] = json::object();
    for (const auto* names : {&PAPER_STAGES, &PAPER_STUDENTS})
        for (const StageName& each : *names) {
            read_evaluations(run, each);
            read_stage(run, each);
        }
    for (const char* file : DATA_FILES)
        if (!exists(folder + "/" + file))
            run.notes.push_back(std::string("There is no ") + file + ": it is not shown.");
    if (exists(folder + "/seconds.json")) {
        run.seconds = read_object(folder + "/seconds.json");
        return run;
    }
    run.notes.push_back("There is no seconds.json: only the time of training is known.");
    const auto add = [&](const json& stages) {
        for (const auto& [name, stage] : stages.items())
            if (name != "students" && stage["minutes"].is_number())
                run.seconds[name] = rounded(60 * stage["minutes"].get<double>());
    };
    add(run.stages);
    add(run.stages["students"]);
    return run;
}

// ---- texts

// The first lines of a file, without reading all of it; lines that cannot be read are left out.
static json first_lines(const std::string& path) {
    json lines = json::array();
    std::ifstream file(path);
    std::string text;
    while (lines.size() < SHOWN_LINES && std::getline(file, text))
        if (json line = json_of(text); line.is_object()) lines.push_back(std::move(line));
    return lines;
}

// An example, of whatever form r1 sft reads, as a prompt and a response.
static json example_of(const json& line) {
    json example = {{"prompt", line.value("prompt", line.value("problem", json("")))},
                    {"response", line.value("response", json(""))}};
    const json messages = line.value("messages", json::array());
    for (const json& message : messages)
        if (message.is_object())
            example[message.value("role", json()) == "assistant" ? "response" : "prompt"] =
                message.value("content", json(""));
    return example;
}

json read_paper_samples(const PaperRun& run) {
    json samples = {{"rollouts", json::object()}, {"data", json::object()}};
    for (const auto* names : {&PAPER_STAGES, &PAPER_STUDENTS})
        for (const StageName& each : *names) {
            const std::string path = run.folder + "/" + folder_of(each.name) + "/rollouts.jsonl";
            if (!exists(path)) continue;
            json lines = thinned(read_lines(path), SHOWN_STEPS);
            for (json& line : lines) {
                line.erase("candidates");  // which only r1 audit looks at
                line.erase("ids");
            }
            samples["rollouts"][each.name] = std::move(lines);
        }
    for (const char* file : DATA_FILES) {
        const json lines = first_lines(run.folder + "/" + file);
        for (const json& line : lines) samples["data"][file].push_back(example_of(line));
    }
    return samples;
}

}  // namespace r1
