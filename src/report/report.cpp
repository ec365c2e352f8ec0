// r1 report: reads what report_read.h says, and writes report.html and summary.json into the first of the folders. The
// page (report.html) draws everything in the browser from one JSON object; nothing that stands in a file ever becomes
// HTML.
#include "report/report.h"

#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/files.h"
#include "report/page.h"
#include "report/report_read.h"
#include "report/run_files.h"

namespace r1 {

namespace {

// The run whose hashes are compared: R1-Zero beside its base, as scripts/demo.sh writes them, or the only run.
const ReportRun* result_of(const ReportData& data) {
    const ReportRun* zero = data.find("zero");
    return zero && data.find("base") ? zero : data.runs.size() == 1 ? &data.runs[0] : nullptr;
}

// Of its weights, and of all metrics that led to it.
json hashes_of(const ReportData& data) {
    const ReportRun* result = result_of(data);
    if (!result) return nullptr;
    const ReportRun* base = data.runs.size() > 1 ? data.find("base") : nullptr;
    const auto metrics = [](const ReportRun* run) { return run ? read_file(run->folder + "/metrics.jsonl") : ""; };
    const std::string& weights = result->weights_sha256;
    return {{"weights", weights.empty() ? json() : json(weights)},
            {"metrics", sha256(metrics(base) + metrics(result))}};
}

// null, or {"weights": equal?, "metrics": equal?}
json compared(const json& sha256, const std::string& golden) {
    if (golden.empty()) return nullptr;
    if (sha256.is_null())
        fail("no run to compare with golden hashes", golden, "give one run, or the folder that scripts/demo.sh filled");
    const json expected = read_json(golden);
    json equal;
    for (const char* key : {"weights", "metrics"}) {
        if (!expected.is_object() || !expected.contains(key) || !expected[key].is_string())
            fail(std::string("no \"") + key + "\" among the golden hashes", golden,
                 "write {\"weights\": \"...\", \"metrics\": \"...\"}");
        equal[key] = sha256[key] == expected[key];
    }
    return equal;
}

json both(const json& equal) {
    if (equal.is_null()) return nullptr;
    return equal["weights"].get<bool>() && equal["metrics"].get<bool>();
}

std::string golden_in_words(const json& equal) {
    if (equal.is_null()) return "no golden hash for this configuration";
    const auto words = [&](const char* key) { return equal[key].get<bool>() ? "equal" : "NOT equal"; };
    return std::string("weights ") + words("weights") + " to the golden hash, metrics " + words("metrics") +
           " to the golden hash";
}

// By run; null where one does not know.
json seconds_of(const ReportData& data) {
    json seconds = json::object();
    double total = 0;
    const auto add = [&](const std::string& name, const json& value) {
        seconds[name] = value;
        total += value.is_number() ? value.get<double>() : std::nan("");
    };
    for (const ReportRun& run : data.runs) add(run.name, run.seconds);
    if (!data.evaluation_seconds.is_null()) add("evaluation", data.evaluation_seconds);
    seconds["total"] = std::isnan(total) ? json() : json(rounded(total));
    return seconds;
}

// ---- summary.json

json summary_of(const ReportData& data, const json& sha256, const json& equal) {
    json summary = {{"runs", json::object()},
                    {"evaluation", data.evaluation},
                    {"sha256", sha256},
                    {"golden", both(equal)},
                    {"seconds", seconds_of(data)}};
    for (const ReportRun& run : data.runs)
        summary["runs"][run.name] = {
            {"stage", run.stage}, {"steps", run.steps}, {"last", run.last}, {"weights_sha256", run.weights_sha256}};
    return summary;
}

// ---- the terminal's tables

std::string with_digits(const char* format, double value) {
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return value == value ? text : "-";
}

using Row = std::vector<std::string>;
std::string table_of_rows(const std::vector<Row>& rows) {
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (size_t i = 0; i < row.size(); ++i) {
            size_t width = 0;
            for (const Row& each : rows) width = std::max(width, each[i].size());
            line += row[i] + std::string(width + 2 - row[i].size(), ' ');
        }
        text += line.erase(line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

std::string percent(const json& evaluation, const std::string& key) {
    return with_digits("%.1f", 100 * number(evaluation, key));
}

std::string pass_of(const json& evaluation) {
    const auto interval = evaluation.find("pass_at_1_interval");
    const bool there = interval != evaluation.end() && interval->is_array() && interval->size() == 2 &&
                       (*interval)[0].is_number() && (*interval)[1].is_number();
    if (!there) return percent(evaluation, "pass_at_1");
    return percent(evaluation, "pass_at_1") + with_digits(" (%.1f", 100 * (*interval)[0].get<double>()) +
           with_digits("-%.1f)", 100 * (*interval)[1].get<double>());
}

std::string evaluations_in_words(const ReportData& data) {
    if (data.evaluation.empty()) return "";
    std::vector<Row> rows = {
        {"evaluation", "problems", "pass@1 %", "majority %", "length", "reflective %", "truncated %", "format %"}};
    for (const auto& [name, e] : data.evaluation.items())
        rows.push_back({name, with_digits("%.0f", number(e, "problems")), pass_of(e),
                        percent(e, key_that_starts_with(e, "majority_at_")),
                        with_digits("%.1f", number(e, "mean_length")), percent(e, "reflective_share"),
                        percent(e, "truncated"), percent(e, "format")});
    return table_of_rows(rows) + "\n";
}

// The figure that says how a stage went.
std::string last_in_words(const ReportRun& run) {
    for (const char* key : {"reward", "accuracy", "loss"})
        if (run.last.contains(key)) return std::string(key) + with_digits(" %.4g", number(run.last, key));
    return "-";
}

std::string runs_in_words(const ReportData& data) {
    std::vector<Row> rows = {{"run", "stage", "steps", "last step", "seconds", "weights"}};
    for (const ReportRun& run : data.runs)
        rows.push_back({run.name, run.stage, std::to_string(run.steps), last_in_words(run),
                        with_digits("%.1f", run.seconds.is_number() ? run.seconds.get<double>() : std::nan("")),
                        run.weights_sha256.empty() ? "not ended" : run.weights_sha256.substr(0, 12)});
    return table_of_rows(rows) + "\n";
}

std::string text_of(const ReportData& data, const json& sha256, const json& equal, const std::string& page) {
    std::string text = evaluations_in_words(data) + runs_in_words(data);
    const auto hash = [&](const char* key) { return sha256[key].is_string() ? sha256[key].get<std::string>() : "-"; };
    if (!sha256.is_null())
        text += "SHA-256\n  weights  " + hash("weights") + "\n  metrics  " + hash("metrics") + "\n  " +
                golden_in_words(equal) + "\n";
    const json seconds = seconds_of(data);
    if (seconds["total"].is_number()) text += "seconds  " + with_digits("%.1f", seconds["total"].get<double>()) + "\n";
    return text + "report   " + page + "\n";
}

// ---- the page

json run_to_json(const ReportRun& run) {
    return {{"name", run.name},         {"folder", run.folder},         {"stage", run.stage},
            {"settings", run.settings}, {"start", run.start},           {"steps", run.steps},
            {"last", run.last},         {"metrics", run.metrics},       {"timings", run.timings},
            {"held_out", run.held_out}, {"rollouts", run.rollouts},     {"kinds", run.kinds},
            {"seconds", run.seconds},   {"weights", run.weights_sha256}};
}

std::string page_of(const ReportData& data, const json& sha256, const json& equal) {
    json runs = json::array();
    for (const ReportRun& run : data.runs) runs.push_back(run_to_json(run));
    const json all = {{"runs", std::move(runs)},     {"evaluation", data.evaluation},
                      {"seconds", seconds_of(data)}, {"sha256", sha256},
                      {"golden", both(equal)},       {"golden_words", golden_in_words(equal)},
                      {"notes", data.notes}};
    return page_of_parts(report_html, {{"report.css", report_css},
                                       {"data", json_for_script(all)},
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
    table
        .inputs("--run", o.runs,
                "folder of a run of any stage, or of several runs, as scripts/demo.sh leaves it; again for each "
                "further one, to see them side by side")
        .needed = true;
    table.input("--golden", o.golden, "JSON with the hashes to expect: {\"weights\": ..., \"metrics\": ...}");
    return table;
}

void report(const ReportOptions& o) {
    const ReportData data = read_report(o.runs);
    const json sha256 = hashes_of(data), equal = compared(sha256, o.golden);
    const std::string page = o.runs[0] + "/report.html";
    write_file_atomically(page, page_of(data, sha256, equal));
    write_file_atomically(o.runs[0] + "/summary.json", summary_of(data, sha256, equal).dump(2) + "\n");
    std::fputs(text_of(data, sha256, equal, page).c_str(), stdout);
    std::fflush(stdout);
    if (both(equal) == false)
        fail("not the golden hashes: " + golden_in_words(equal), o.golden,
             "find out what changed the weights or the metrics");
}

}  // namespace r1
