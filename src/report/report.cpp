// The report of a run. Reads the folder that the stages filled; what is missing is left out, and the page says so:
//
//   base/     metrics.jsonl  timings.jsonl  options.json                       pretraining
//   zero/     the same, evaluations.jsonl  rollouts.jsonl                      GRPO; metrics.jsonl must be there
//             model.safetensors                                                the weights that are hashed
//   control/  metrics.jsonl  options.json                                      GRPO with an empty <think></think>
//   evaluation/{base,zero,control}.json  and the same with .seconds            r1 evaluate
//
// and writes report.html and summary.json beside them. The page (report.html) draws everything in the browser from
// one JSON object; nothing that stands in a file ever becomes HTML.
#include "report/report.h"

#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/files.h"
#include "report/page.h"
#include "report/run_files.h"

namespace r1 {

namespace {

constexpr size_t RECORDED_STEPS = 24;  // at most so many steps of rollouts go into the page

struct Run {
    std::string folder;
    json evaluation = json::object();        // by name: base, zero, control; those that there are
    json zero, control, held_out, rollouts;  // lines
    json settings = json::object();          // options.json of base, zero, control; those that there are
    json base;                               // pretraining, by column: step, loss
    json seconds;                            // pretrain, grpo, evaluate, total; null: not known
    json sha256;                             // weights, metrics
    json golden;                             // null, or {"weights": equal?, "metrics": equal?}
    json notes = json::array();              // what is missing, in words
};

// Reads the lines of folder/name, or notes what the page has to do without.
json read_part(Run& run, const std::string& name, const std::string& left_out) {
    if (exists(run.folder + "/" + name)) return read_lines(run.folder + "/" + name);
    run.notes.push_back("There is no " + name + ": " + left_out);
    return json::array();
}

json sum_of(const std::string& path, std::initializer_list<const char*> keys) {
    if (!exists(path)) return nullptr;
    double sum = 0;
    for (const json& line : read_lines(path))
        for (const char* key : keys)
            if (const double value = number(line, key); value == value) sum += value;
    return rounded(sum);
}

json seconds_of_evaluation(const Run& run, const std::string& name) {
    const std::string path = run.folder + "/evaluation/" + name + ".json.seconds";
    const double seconds = exists(path) ? number(read_json(path), "seconds") : std::nan("");
    return seconds == seconds ? json(rounded(seconds)) : json();
}

json add(const json& a, const json& b) {
    if (a.is_null() || b.is_null()) return a.is_null() ? b : a;
    return rounded(a.get<double>() + b.get<double>());
}

// Some steps' rollouts, so that the page stays small enough to open.
void thin_rollouts(Run& run) {
    const size_t all = steps_of(run.rollouts).size();
    if (all <= RECORDED_STEPS) return;
    run.rollouts = thinned(std::move(run.rollouts), RECORDED_STEPS);
    run.notes.push_back("Of the " + std::to_string(all) + " steps in zero/rollouts.jsonl the page holds " +
                        std::to_string(RECORDED_STEPS) + ", evenly spread.");
}

void read_evaluations(Run& run) {
    const std::pair<const char*, const char*> parts[] = {
        {"base", "the base model's column is empty."},
        {"zero", "R1-Zero's column is empty."},
        {"control", "without the control run (an empty <think></think>) the ceiling of guessing is not known."}};
    for (const auto& [name, left_out] : parts) {
        const std::string file = std::string("evaluation/") + name + ".json", path = run.folder + "/" + file;
        if (!exists(path)) {
            run.notes.push_back("There is no " + file + ": " + left_out);
            continue;
        }
        json evaluation = read_json(path);
        if (!evaluation.is_object()) fail("not a JSON object", path, "write it with r1 evaluate --output");
        run.evaluation[name] = std::move(evaluation);
    }
}

// The control run and its evaluation are no part of the main job: their seconds do not count.
void read_seconds(Run& run) {
    run.seconds["pretrain"] = sum_of(run.folder + "/base/timings.jsonl", {"seconds"});
    run.seconds["grpo"] = sum_of(run.folder + "/zero/timings.jsonl", {"sample_seconds", "train_seconds"});
    run.seconds["evaluate"] = add(seconds_of_evaluation(run, "base"), seconds_of_evaluation(run, "zero"));
    run.seconds["total"] = add(add(run.seconds["pretrain"], run.seconds["grpo"]), run.seconds["evaluate"]);
}

void read_hashes(Run& run, const std::string& golden) {
    const std::string weights = run.folder + "/zero/model.safetensors", base = run.folder + "/base/metrics.jsonl";
    run.sha256["weights"] = nullptr;
    if (exists(weights)) run.sha256["weights"] = sha256_of_file(weights);
    else run.notes.push_back("There is no zero/model.safetensors: the run has not ended; there is no hash of weights.");
    run.sha256["metrics"] =
        sha256((exists(base) ? read_file(base) : "") + read_file(run.folder + "/zero/metrics.jsonl"));
    if (golden.empty()) return;
    const json expected = read_json(golden);
    for (const char* key : {"weights", "metrics"}) {
        if (!expected.is_object() || !expected.contains(key) || !expected[key].is_string())
            fail(std::string("no \"") + key + "\" among the golden hashes", golden,
                 "write {\"weights\": \"...\", \"metrics\": \"...\"}");
        run.golden[key] = run.sha256[key] == expected[key];
    }
}

void read_settings(Run& run) {
    for (const char* name : {"base", "zero", "control"}) {
        const std::string path = run.folder + "/" + name + "/options.json";
        if (exists(path)) run.settings[name] = read_json(path);
    }
}

Run read_run(const ReportOptions& o) {
    Run run;
    run.folder = o.run;
    if (!exists(o.run)) fail("there is no such folder", o.run, "give the folder of a run with --run");
    if (!exists(o.run + "/zero/metrics.jsonl"))
        fail("no run to report", o.run + "/zero/metrics.jsonl", "train first: r1 grpo --output " + o.run + "/zero");
    run.zero = read_lines(o.run + "/zero/metrics.jsonl");
    read_evaluations(run);
    const json pretraining = read_part(run, "base/metrics.jsonl", "the curve of pretraining is left out.");
    run.base = {{"step", json::array()}, {"loss", json::array()}};
    for (const json& line : pretraining)
        for (const char* key : {"step", "loss"}) run.base[key].push_back(line.value(key, json()));
    run.held_out = read_part(run, "zero/evaluations.jsonl", "the accuracy chart has no held-out points.");
    run.control = read_part(run, "control/metrics.jsonl", "the accuracy chart has no line for the control run.");
    run.rollouts = read_part(run, "zero/rollouts.jsonl", "there are no answers to look into.");
    thin_rollouts(run);
    read_seconds(run);
    read_settings(run);
    if (run.seconds["pretrain"].is_null())
        run.notes.push_back("There is no base/timings.jsonl: how long pretraining took is not known.");
    if (run.seconds["grpo"].is_null())
        run.notes.push_back("There is no zero/timings.jsonl: how long GRPO took is not known.");
    read_hashes(run, o.golden);
    return run;
}

json both_equal(const Run& run) {
    if (run.golden.is_null()) return nullptr;
    return run.golden["weights"].get<bool>() && run.golden["metrics"].get<bool>();
}

json summary_of(const Run& run) {
    json summary = {{"base", nullptr}, {"zero", nullptr}};
    for (const auto& [name, evaluation] : run.evaluation.items()) {
        json part;
        const std::string majority = key_that_starts_with(evaluation, "majority_at_");
        for (const std::string& key : {std::string("pass_at_1"), majority, std::string("mean_length"),
                                       std::string("reflective_share"), std::string("truncated")})
            if (!key.empty()) part[key] = evaluation.value(key, json());
        summary[name] = part;
    }
    summary["sha256"] = run.sha256;
    summary["golden"] = both_equal(run);
    summary["seconds"] = run.seconds;
    return summary;
}

std::string golden_in_words(const Run& run) {
    if (run.golden.is_null()) return "no golden hash for this configuration";
    const auto words = [&](const char* key) { return run.golden[key].get<bool>() ? "equal" : "NOT equal"; };
    return std::string("weights ") + words("weights") + " to the golden hash, metrics " + words("metrics") +
           " to the golden hash";
}

// ---- the terminal's table ----

std::string with_digits(const char* format, double value) {
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return value == value ? text : "-";
}

std::string cell(const json& evaluation, const std::string& key) {
    if (key == "mean_length") return with_digits("%.1f", number(evaluation, key));
    std::string text = with_digits("%.1f", 100 * number(evaluation, key));
    const auto interval = evaluation.find(key + "_interval");
    if (interval != evaluation.end() && interval->is_array() && interval->size() == 2 && (*interval)[0].is_number() &&
        (*interval)[1].is_number())
        text += with_digits(" (%.1f", 100 * (*interval)[0].get<double>()) +
                with_digits("-%.1f)", 100 * (*interval)[1].get<double>());
    return text;
}

std::string table_of(const Run& run) {
    const auto line = [&](const std::string& name, const auto& value_of, const std::string& paper) {
        char text[64];
        std::snprintf(text, sizeof text, "%-20s", name.c_str());
        std::string row = text;
        for (const char* column : {"base", "zero", "control"}) {
            if (std::string(column) == "control" && !run.evaluation.contains("control")) continue;
            std::snprintf(text, sizeof text, "%-20s", value_of(column).c_str());
            row += text;
        }
        row += paper;
        return row.erase(row.find_last_not_of(' ') + 1) + "\n";
    };
    const auto values = [&](const std::string& prefix) {
        return [&run, prefix](const std::string& column) {
            if (!run.evaluation.contains(column)) return std::string("-");
            const json& evaluation = run.evaluation[column];
            return cell(evaluation, evaluation.contains(prefix) ? prefix : key_that_starts_with(evaluation, prefix));
        };
    };
    std::string votes = "k";
    for (const json& evaluation : run.evaluation)
        if (const std::string key = key_that_starts_with(evaluation, "majority_at_"); !key.empty())
            votes = key.substr(12);
    const auto title = [](const std::string& column) {
        return std::string(column == "base" ? "base" : column == "zero" ? "R1-Zero" : "empty think");
    };
    return line("held-out problems", title, "paper, AIME 2024") +
           line("pass@1 %", values("pass_at_1"), "15.6 -> 71.0, 77.9") +
           line("majority of " + votes + " %", values("majority_at_"), "86.7") +
           line("mean length", values("mean_length"), "grows") +
           line("reflective share %", values("reflective_share"), "words: x 5 to 7") +
           line("truncated %", values("truncated"), "not stated") + line("format %", values("format"), "not stated");
}

std::string text_of(const Run& run, const std::string& page) {
    const auto text = [](const json& value) { return value.is_string() ? value.get<std::string>() : std::string("-"); };
    std::string seconds;
    for (const auto& [stage, value] : run.seconds.items())
        seconds += (seconds.empty() ? "" : ", ") + stage + " " +
                   with_digits("%.1f", value.is_number() ? value.get<double>() : std::nan(""));
    return table_of(run) + "\nSHA-256\n  weights  " + text(run.sha256["weights"]) + "\n  metrics  " +
           text(run.sha256["metrics"]) + "\n  " + golden_in_words(run) + "\nseconds    " + seconds + "\nreport     " +
           page + "\n";
}

// ---- the page ----

std::string page_of(const Run& run) {
    const json data = {{"run", run.folder},         {"evaluation", run.evaluation},
                       {"seconds", run.seconds},    {"sha256", run.sha256},
                       {"golden", both_equal(run)}, {"golden_words", golden_in_words(run)},
                       {"notes", run.notes},        {"zero", run.zero},
                       {"held_out", run.held_out},  {"control", run.control},
                       {"base", run.base},          {"settings", run.settings},
                       {"rollouts", run.rollouts}};
    return page_of_parts(report_html, {{"report.css", report_css},
                                       {"data", json_for_script(data)},
                                       {"page.js", page_js},
                                       {"report.js", report_js},
                                       {"chart.js", chart_js},
                                       {"report_curves.js", report_curves_js},
                                       {"rollouts.js", rollouts_js},
                                       {"report_settings.js", report_settings_js}});
}

}  // namespace

OptionTable table_of(ReportOptions& o) {
    OptionTable table;
    table.input("--run", o.run, "the run's folder, with zero/metrics.jsonl in it").needed = true;
    table.input("--golden", o.golden, "JSON with the hashes to expect: {\"weights\": ..., \"metrics\": ...}");
    return table;
}

void report(const ReportOptions& o) {
    const Run run = read_run(o);
    const std::string page = o.run + "/report.html";
    write_file_atomically(page, page_of(run));
    write_file_atomically(o.run + "/summary.json", summary_of(run).dump(2) + "\n");
    std::fputs(text_of(run, page).c_str(), stdout);
    std::fflush(stdout);
    if (both_equal(run) == false)
        fail("not the golden hashes: " + golden_in_words(run), o.golden,
             "find out what changed the weights or the metrics");
}

}  // namespace r1
