#include "commands/verify.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/manifest.h"
#include "train/run.h"
#include "train/state.h"

namespace r1 {

namespace fs = std::filesystem;

OptionTable table_of(VerifyOptions& o) {
    OptionTable table;
    table.input("FOLDER", o.folder, "folder of a run, of a model, or of several").needed = true;
    return table;
}

namespace {

struct Verified {
    int whole = 0, damaged = 0;  // folders

    void add(const std::string& folder, const std::vector<std::string>& damage) {
        std::printf("%s  %s\n", damage.empty() ? "whole  " : "damaged", folder.c_str());
        for (const std::string& line : damage) std::printf("         %s\n", line.c_str());
        (damage.empty() ? whole : damaged) += 1;
    }
};

std::vector<std::string> folders_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.is_directory() && entry.path().extension() != ".tmp") names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

// Of a run that has not ended: its options are those of its last state.
std::vector<std::string> damage_of_options(const std::string& run, int64_t step) {
    const std::string state = run + "/step-" + std::to_string(step) + "/training.state";
    const json options = json_of(exists(run + "/options.json") ? read_file(run + "/options.json") : "");
    if (options == read_progress(state)["record"]) return {};
    return {"options.json: it is not what step " + std::to_string(step) + " was saved with"};
}

void verify(const std::string& folder, Verified& verified) {
    if (has_manifest(folder)) verified.add(folder, damage_of(folder, [](const std::string&) { return true; }));
    const std::vector<int64_t> states = states_in(folder);
    for (const int64_t step : states) {
        const std::string damage = damage_of_state(folder, step);
        std::vector<std::string> lines;
        if (!damage.empty()) lines = {damage};
        else if (step == states[0] && !has_manifest(folder)) lines = damage_of_options(folder, step);
        verified.add(folder + "/step-" + std::to_string(step), lines);
    }
    for (const std::string& name : folders_in(folder))
        if (!name.starts_with("step-")) verify(folder + "/" + name, verified);
}

}  // namespace

void verify_command(const VerifyOptions& o) {
    if (!fs::is_directory(o.folder)) fail("no such folder", o.folder, "name the folder of a run or of a model");
    Verified verified;
    verify(o.folder, verified);
    if (verified.damaged > 0)
        fail(std::to_string(verified.damaged) + " of " + std::to_string(verified.whole + verified.damaged) +
                 " folders damaged",
             o.folder, "take the files that are named from a copy; --resume goes on from the last state that is whole");
    if (verified.whole == 0)
        fail("nothing that r1 wrote a manifest of", o.folder, "name the folder of a run or of a model of r1's");
}

}  // namespace r1
