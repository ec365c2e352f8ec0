// r1 paper. Reads what paper_read.h says, decides what paper_rows.h says, and writes summary.json and report.html into
// the first folder. Hashes, data, curves and texts are those of the first folder; numbers in the tables of stages are
// means over the folders that have them.
#include "report/paper.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/check.h"
#include "report/page.h"
#include "report/paper_read.h"
#include "report/paper_rows.h"
#include "report/run_files.h"
#include "report/words.h"

namespace r1 {

namespace {

constexpr size_t HACKING_POINTS = 40;

// NATURE Table 2; the base's AIME is the start of R1-Zero's training [R1v1 Table 2]. 0: not published.
struct PaperMetric {
    const char* name;
    double base, zero, dev1, dev2, dev3, r1;
};
constexpr PaperMetric PAPER_TABLE[] = {
    {"AIME 2024", 15.6, 77.9, 59.0, 74.0, 78.1, 79.8},  {"MATH-500", 0, 95.9, 94.2, 95.9, 95.4, 97.3},
    {"CNMO 2024", 0, 88.1, 58.0, 73.9, 77.3, 78.8},     {"GPQA-Diamond", 0, 75.8, 66.1, 70.7, 71.2, 71.5},
    {"LiveCodeBench", 0, 50.0, 57.5, 63.5, 64.6, 65.9}, {"MMLU-Pro", 0, 68.9, 74.1, 83.8, 83.1, 84.0},
    {"IF-Eval", 0, 46.6, 71.7, 72.0, 78.1, 83.3},       {"AlpacaEval 2", 0, 24.7, 50.1, 55.8, 62.1, 87.6},
    {"ArenaHard", 0, 53.6, 77.0, 73.2, 75.6, 92.3}};
const std::vector<std::string> MAIN_STAGES = {"base", "zero", "dev1", "dev2", "dev3", "r1"};

struct Golden {
    json equal;           // null: not asked, or no file
    std::string refusal;  // what is wrong, or ""
    std::vector<std::string> different;
};

struct Paper {
    std::vector<PaperRun> runs;
    json rows = json::array();
    json means = json::object();  // by stage: its numbers, over the seeds
    Golden golden;
};

// ---- means over seeds

const json* stage_of(const PaperRun& run, const std::string& name) {
    for (const json* stages : {&run.stages, &run.stages["students"]})
        if (const auto found = stages->find(name); found != stages->end()) return &*found;
    return nullptr;
}

// Adds the numbers of an object, those of objects in it too, under names such as "by_kind/logic", to (sum, count).
void add_numbers(const json& object, const std::string& prefix, std::map<std::string, std::pair<double, int>>& sums) {
    for (const auto& [key, value] : object.items()) {
        if (value.is_object()) add_numbers(value, prefix + key + "/", sums);
        if (!value.is_number()) continue;
        auto& [sum, count] = sums[prefix + key];
        sum += value.get<double>();
        ++count;
    }
}

json means_of(const std::vector<PaperRun>& runs, const std::string& name) {
    std::map<std::string, std::pair<double, int>> sums;
    for (const PaperRun& run : runs)
        if (const json* stage = stage_of(run, name)) {
            add_numbers(stage->value("scores", json::object()), "", sums);
            json rest = *stage;
            rest.erase("scores");
            add_numbers(rest, "", sums);
        }
    json means = json::object();
    for (const auto& [key, sum] : sums) means[key] = rounded(sum.first / sum.second);
    return means;
}

// ---- golden hashes

Golden compare(const std::string& path, const json& hashes) {
    Golden golden;
    if (path.empty()) return golden;
    if (!exists(path)) {
        golden.refusal = "there is no such file of golden hashes";
        return golden;
    }
    const json expected = read_json(path);
    if (!expected.is_object() || expected.empty()) {
        golden.refusal = "no golden hashes in the file";
        return golden;
    }
    for (const auto& [name, hash] : expected.items())
        if (hashes.value(name, json()) != hash) golden.different.push_back(name);
    golden.equal = golden.different.empty();
    std::string names;
    for (const std::string& name : golden.different) names += (names.empty() ? "" : ", ") + name;
    if (!names.empty()) golden.refusal = "not the golden hashes: " + names;
    return golden;
}

std::string golden_in_words(const Golden& golden) {
    if (!golden.refusal.empty()) return golden.refusal;
    return golden.equal.is_null() ? "no golden hashes were given" : "all are equal to the golden hashes";
}

// ---- the terminal

std::string in_per_cent(const json& value) {
    return value.is_number() ? format("%.1f", 100 * value.get<double>()) : "-";
}
std::string in_digits(const json& value) { return value.is_number() ? format("%.1f", value.get<double>()) : "-"; }

std::string line_of(const std::string& title, const std::vector<std::string>& cells, size_t first, size_t width) {
    std::string line = padded(title, first);
    for (const std::string& cell : cells) line += padded(cell, width);
    return line.erase(line.find_last_not_of(' ') + 1) + "\n";
}

constexpr size_t TITLE_WIDTH = 30, CELL_WIDTH = 13;

// The names in a group, such as the kinds of problem, that any of the stages has.
std::vector<std::string> keys_with(const json& means, const std::string& prefix) {
    std::vector<std::string> keys;
    for (const std::string& stage : MAIN_STAGES) {
        const json numbers = means.value(stage, json::object());
        for (const auto& [key, value] : numbers.items())
            if (key.rfind(prefix, 0) == 0 && std::find(keys.begin(), keys.end(), key) == keys.end())
                keys.push_back(key);
    }
    return keys;
}

std::string scores_table(const Paper& p) {
    const auto row = [&](const std::string& title, const std::string& key, bool per_cent) {
        std::vector<std::string> cells;
        for (const std::string& stage : MAIN_STAGES) {
            const json value = p.means.value(stage, json::object()).value(key, json());
            cells.push_back(per_cent ? in_per_cent(value) : in_digits(value));
        }
        return line_of(title, cells, TITLE_WIDTH, CELL_WIDTH);
    };
    std::string table = line_of(p.runs.size() > 1 ? format("means of %zu seeds", p.runs.size()) : "held-out problems",
                                {"base", "R1-Zero", "Dev1", "Dev2", "Dev3", "R1"}, TITLE_WIDTH, CELL_WIDTH);
    table += row("pass@1 %", "pass_at_1", true);
    for (const std::string& key : keys_with(p.means, "majority_at_"))
        table += row("majority of " + key.substr(12) + " %", key, true);
    for (const std::string& key : keys_with(p.means, "by_kind/"))
        table += row("  " + printable(key.substr(8)) + " %", key, true);
    for (const std::string& key : keys_with(p.means, "by_language/"))
        table += row("  language " + printable(key.substr(12)) + " %", key, true);
    table += row("format %", "format", true) + row("in the prompt's language %", "language", true) +
             row("mixed, Chinese prompts %", "mixed_chinese", true) + row("win rate against base %", "win_rate", true) +
             row("mean length, tokens", "mean_length", false) + row("reflective words", "reflective_words", false) +
             row("minutes", "minutes", false);
    table += "the paper [Nature Table 2]\n";
    for (const PaperMetric& m : PAPER_TABLE) {
        std::vector<std::string> cells;
        for (const double value : {m.base, m.zero, m.dev1, m.dev2, m.dev3, m.r1})
            cells.push_back(value > 0 ? format("%.1f", value) : "-");
        table += line_of(std::string("  ") + m.name, cells, TITLE_WIDTH, CELL_WIDTH);
    }
    return table;
}

std::string or_dash(const json& value) { return value.is_string() ? printable(value.get<std::string>()) : "-"; }

std::string data_out_in_words(const json& stage) {
    std::string text;
    for (const json& file : stage.value("data_out", json::array())) {
        text += (text.empty() ? "" : ", ") + or_dash(file["file"]);
        if (number(file, "kept") == number(file, "kept") && number(file, "of") == number(file, "of"))
            text += format(" %.0f of %.0f", number(file, "kept"), number(file, "of"));
    }
    return text.empty() ? "-" : text;
}

std::string lineage_table(const Paper& p) {
    const auto row = [](const std::vector<std::string>& cells) {
        std::string line =
            padded(cells[0], 20) + padded(cells[1], 26) + padded(cells[2], 28) + padded(cells[3], 14) + cells[4];
        return line + "\n";
    };
    std::string table = row({"stage", "starts from", "data in", "SHA-256", "data out, kept of sampled"});
    for (const auto* names : {&PAPER_STAGES, &PAPER_STUDENTS})
        for (const StageName& each : *names)
            if (const json* stage = stage_of(p.runs[0], each.name))
                table += row({each.name, or_dash((*stage)["starts_from"]), or_dash((*stage)["data_in"]),
                              or_dash((*stage)["sha256"]).substr(0, 12), data_out_in_words(*stage)});
    return table;
}

std::string students_table(const Paper& p) {
    std::string table = line_of("students, pass@1 %", {"base", "distilled", "RL alone", "distilled+RL", "trained on"},
                                TITLE_WIDTH, CELL_WIDTH);
    for (const char* size : {"small", "large"}) {
        std::vector<std::string> cells;
        for (const char* kind : {"base", "distilled", "rl", "distilled-rl", "control"})
            cells.push_back(
                in_per_cent(p.means.value(std::string(size) + "-" + kind, json::object()).value("pass_at_1", json())));
        table += line_of(std::string("  ") + size, cells, TITLE_WIDTH, CELL_WIDTH);
    }
    return table + "the paper, 32B [R1v1 Table 6]: distilled 72.6, RL alone 47.0\n";
}

std::string quantity_in_words(const json& row, const json& value) {
    return row["is_share"] == true ? format("%+.1f", 100 * value.get<double>()) : format("%+.3g", value.get<double>());
}

// A text that goes on under its beginning where a line is full.
std::string wrapped(const std::string& text, size_t indent, size_t width = 110) {
    std::string lines, line = std::string(indent, ' ');
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (code_points(line) > indent && code_points(line) + 1 + code_points(word) > width) {
            lines += line + "\n";
            line = std::string(indent + 2, ' ');
        }
        line += (line.find_first_not_of(' ') == std::string::npos ? "" : " ") + word;
        begin = end + 1;
    }
    return lines + line + "\n";
}

std::string claims_table(const Paper& p) {
    constexpr size_t indent = 14;
    std::string table;
    for (const json& row : p.rows) {
        table += padded(row["id"].get<std::string>(), indent) + padded(row["verdict"].get<std::string>(), 16) +
                 row["claim"].get<std::string>() + "\n";
        table += wrapped("test: " + row["test"].get<std::string>(), indent);
        table += wrapped("paper: " + row["paper"].get<std::string>(), indent);
        if (row["ours"].is_null()) continue;
        const auto words = [&](const json& value) { return value.is_null() ? "-" : quantity_in_words(row, value); };
        std::string ours = "ours: " + row["ours"].get<std::string>() + ", so " + words(row["quantity"]) + " (95 % " +
                           words(row["interval"][0]) + " to " + words(row["interval"][1]) + ")";
        if (row["seeds"].size() > 1) {
            ours += "; seeds";
            for (const json& seed : row["seeds"]) ours += " " + words(seed);
        }
        table += wrapped(ours, indent);
    }
    return table;
}

std::string text_of(const Paper& p, const std::string& page) {
    double seconds = 0;
    for (const json& each : p.runs[0].seconds)
        if (each.is_number()) seconds += each.get<double>();
    std::string text =
        scores_table(p) + "\n" + students_table(p) + "\n" + lineage_table(p) + "\n" + claims_table(p) + "\n";
    for (const PaperRun& run : p.runs)
        for (const json& note : run.notes)
            text += "note: " + (p.runs.size() > 1 ? printable(run.folder) + ": " : "") +
                    printable(note.get<std::string>()) + "\n";
    return text + "hashes   " + golden_in_words(p.golden) + "\n" + format("seconds  %.0f\n", seconds) + "report   " +
           page + "\n";
}

// ---- summary.json

json summary_of(const Paper& p) {
    const PaperRun& first = p.runs[0];
    json summary = {{"stages", first.stages},   {"rows", p.rows},           {"sha256", first.sha256},
                    {"golden", p.golden.equal}, {"seconds", first.seconds}, {"notes", first.notes}};
    for (const PaperRun& run : p.runs)
        summary["seeds"].push_back({{"folder", run.folder},
                                    {"stages", run.stages},
                                    {"sha256", run.sha256},
                                    {"seconds", run.seconds},
                                    {"notes", run.notes}});
    summary["means"] = p.means;
    return summary;
}

// ---- the page

json paper_table() {
    json table = json::array();
    for (const PaperMetric& m : PAPER_TABLE) {
        json row = {m.name};
        for (const double value : {m.base, m.zero, m.dev1, m.dev2, m.dev3, m.r1})
            row.push_back(value > 0 ? json(value) : json());
        table.push_back(row);
    }
    return table;
}

json hacking_of(const PaperRun& run) {
    const json lines = run.metrics.value("hacked", json::array());
    json curve = json::array();
    const size_t points = std::min(HACKING_POINTS, lines.size() / 2);
    for (const Stretch& s : stretches_of(lines, points))
        curve.push_back({{"step", s.step},
                         {"kl", rounded(s.kl)},
                         {"proxy", rounded(s.proxy.value)},
                         {"gold", rounded(s.gold.value)}});
    const json start = run.stages.value("hacked", json::object()).value("starts_from", json());
    const json general =
        start.is_string() ? run.general.value(start.get<std::string>(), json::object()) : json::object();
    return {{"rl", curve}, {"best_of", general.value("best_of", json::array())}};
}

// What each evaluation shows of answers.
json answers_of(const json& evaluations) {
    json answers = json::object();
    for (const auto& [name, evaluation] : evaluations.items())
        if (evaluation.contains("samples") && evaluation["samples"].is_array()) answers[name] = evaluation["samples"];
    return answers;
}

std::string page_of(const Paper& p) {
    const PaperRun& first = p.runs[0];
    json titles = json::object(), folders = json::array(), notes = json::array();
    for (const auto* names : {&PAPER_STAGES, &PAPER_STUDENTS})
        for (const StageName& each : *names) titles[each.name] = each.title;
    for (const PaperRun& run : p.runs) {
        folders.push_back(run.folder);
        for (const json& note : run.notes)
            notes.push_back((p.runs.size() > 1 ? run.folder + ": " : "") + note.get<std::string>());
    }
    json data = {{"folders", folders},
                 {"titles", titles},
                 {"stages", first.stages},
                 {"means", p.means},
                 {"rows", p.rows},
                 {"paper", paper_table()},
                 {"notes", notes},
                 {"seconds", first.seconds},
                 {"golden", p.golden.equal},
                 {"golden_words", golden_in_words(p.golden)},
                 {"world", first.world},
                 {"settings", first.settings},
                 {"metrics", json::object()},
                 {"held_out", first.held_out},
                 {"hacking", hacking_of(first)},
                 {"samples", read_paper_samples(first)},
                 {"answers", {{"problems", answers_of(first.evaluation)}, {"general", answers_of(first.general)}}}};
    for (const char* name : {"zero", "zero-language", "dev2", "r1"})
        if (first.metrics.contains(name)) data["metrics"][name] = first.metrics[name];
    return page_of_parts(paper_html, {{"report.css", report_css},
                                      {"paper.css", paper_css},
                                      {"data", json_for_script(data)},
                                      {"page.js", page_js},
                                      {"paper.js", paper_js},
                                      {"chart.js", chart_js},
                                      {"paper_curves.js", paper_curves_js},
                                      {"rollouts.js", rollouts_js},
                                      {"paper_samples.js", paper_samples_js},
                                      {"report_settings.js", report_settings_js}});
}

}  // namespace

OptionTable table_of(PaperOptions& o) {
    OptionTable table;
    table.inputs("--run", o.runs, "a folder that scripts/r1.sh filled; again for each further seed").needed = true;
    table.input("--golden", o.golden,
                "JSON with the hashes to expect: {\"zero\": SHA-256 of its model.safetensors, ...}");
    return table;
}

void paper(const PaperOptions& o) {
    Paper p;
    for (const std::string& folder : o.runs) p.runs.push_back(read_paper_run(folder));
    for (const Claim& claim : PAPER_CLAIMS) p.rows.push_back(paper_row(claim, p.runs));
    for (const auto* names : {&PAPER_STAGES, &PAPER_STUDENTS})
        for (const StageName& each : *names)
            if (json means = means_of(p.runs, each.name); !means.empty()) p.means[each.name] = std::move(means);
    p.golden = compare(o.golden, p.runs[0].sha256);
    const std::string page = o.runs[0] + "/report.html";
    write_file_atomically(page, page_of(p));
    write_file_atomically(o.runs[0] + "/summary.json", summary_of(p).dump(2) + "\n");
    std::fputs(text_of(p, page).c_str(), stdout);
    std::fflush(stdout);
    if (!p.golden.refusal.empty())
        fail(p.golden.refusal, o.golden,
             "find out what changed the weights, or give {\"NAME\": SHA-256 of its model.safetensors, ...}");
}

}  // namespace r1
