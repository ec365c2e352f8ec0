// The report: a small run's folder becomes a page that holds its data and lets none of it act, a summary and a table.
#include "report/report.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "report/page.h"

using namespace r1;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/r1_report_XXXXXX";
        path = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    void put(const std::string& name, const std::string& content) const {
        make_folder(std::filesystem::path(path + "/" + name).parent_path().string());
        write_file_atomically(path + "/" + name, content);
    }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What report() prints, and behind it what it refuses with.
std::string printed(const ReportOptions& options) {
    std::fflush(stdout);
    const int terminal = dup(1);
    std::FILE* file = std::tmpfile();
    dup2(fileno(file), 1);
    std::string refusal;
    try {
        report(options);
    } catch (const Error& error) {
        refusal = std::string("refused: ") + error.what();
    }
    std::fflush(stdout);
    dup2(terminal, 1);
    close(terminal);
    std::fseek(file, 0, SEEK_END);
    std::string text(size_t(std::ftell(file)), '\0');
    std::rewind(file);
    CHECK(std::fread(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
    return text + refusal;
}

const std::string hostile = "</script><b>&\"'<!-- \xE2\x80\xA8";

json evaluation(double pass) {
    return {{"problems", 200}, {"pass_at_1", pass}, {"pass_at_1_interval", {pass - 0.03, pass + 0.03}},
            {"majority_at_16", pass + 0.1}, {"mean_length", 60.5}, {"format", 0.9}, {"reflective_share", 0.25},
            {"truncated", 0.02}};
}

const std::string base_metrics =
    "{\"step\":1,\"tokens\":10,\"loss\":6.125}\n{\"step\":2,\"tokens\":10,\"loss\":null}\n";
const std::string zero_metrics = "{\"step\":1,\"reward\":0.234375,\"accuracy\":0.125,\"kl\":0.0}\n";

void put_run(const Folder& folder) {
    folder.put("base/metrics.jsonl", base_metrics);
    folder.put("base/options.json", "{\"stage\":\"pretrain\"}");
    folder.put("base/timings.jsonl", "{\"seconds\":2.5,\"tokens\":20}\n{\"seconds\":1.5}\n");
    folder.put("zero/metrics.jsonl", zero_metrics);
    folder.put("zero/timings.jsonl", "{\"step\":1,\"tokens\":9,\"sample_seconds\":1.25,\"train_seconds\":0.75}\n");
    folder.put("zero/evaluations.jsonl", "{\"step\":0,\"pass_at_1\":0.15625}\n");
    folder.put("zero/model.safetensors", "abc");
    folder.put("control/metrics.jsonl", "{\"step\":1,\"reward\":0.5,\"accuracy\":0.0625}\n");
    for (const auto& [name, pass] : {std::pair("base", 0.15), std::pair("zero", 0.85), std::pair("control", 0.3)}) {
        folder.put(std::string("evaluation/") + name + ".json", evaluation(pass).dump());
        folder.put(std::string("evaluation/") + name + ".json.seconds", "{\"seconds\":1.0}\n");
    }
    const json answer = {{"step", 1}, {"prompt_index", 0}, {"sample", 0}, {"prompt", hostile}, {"reason", hostile},
                         {"kind", hostile},
                         {"pieces", {hostile, "x"}}, {"reward", 0.1}, {"advantage", -0.5}, {"logp", {-0.5, -1.5}}};
    folder.put("zero/rollouts.jsonl", answer.dump() + "\n");
}

}  // namespace

TEST_CASE("report: a page's parts stand where it names them") {
    CHECK(page_of_parts("<p>\n{{a}}\n</p>{{b}}{{a}}", {{"a", "1\n"}, {"b", "{{a}}"}}) == "<p>\n1\n</p>{{a}}1");
    CHECK(page_of_parts("\n{{a}}", {{"a", ""}}) == "\n");
    CHECK(page_of_parts("none", {}) == "none");
    CHECK_THROWS(page_of_parts("{{a}}", {}));
}

TEST_CASE("report: the page holds the data, and nothing in it acts") {
    Folder folder;
    put_run(folder);
    const std::string text = printed({{folder.path}, ""}), page = read_file(folder.path + "/report.html");
    for (const char* number : {"0.234375", "6.125", "0.15625", "0.0625", "-1.5"}) CHECK(has(page, number));
    CHECK(!has(page, hostile));
    CHECK(!has(page, "<b>"));
    CHECK(has(page, "\\u003c/script>\\u003cb>"));
    size_t scripts = 0;
    for (size_t at = 0; (at = page.find("</script", at)) != std::string::npos; ++at) ++scripts;
    CHECK(scripts == 2);                       // the data's own end and the script's
    const std::string data_begin = "id=\"data\">";
    const size_t begin = page.find(data_begin) + data_begin.size();
    const json data = json::parse(page.substr(begin, page.find("</script>", begin) - begin));
    REQUIRE(data["runs"].size() == 3);  // pretraining first
    std::string names;
    for (const json& run : data["runs"]) names += run["name"].get<std::string>() + " ";
    CHECK(names == "base control zero ");
    CHECK(data["runs"][2]["rollouts"][0]["pieces"][0] == hostile);
    CHECK(data["runs"][2]["kinds"] == json({hostile}));
    CHECK(data["runs"][0]["metrics"]["loss"] == json({6.125}));
    CHECK(data["runs"][0]["metrics"]["step"] == json({1, 2}));
    for (const char* request : {"https://", "src=", "href=", "@import", "url("}) CHECK(!has(page, request));
    CHECK(page.rfind("http://") == page.find("http://www.w3.org/2000/svg"));  // SVG's name, which nobody fetches

    CHECK(has(text, "15.0 (12.0-18.0)"));
    CHECK(has(text, "majority %"));
    CHECK(has(text, "no golden hash for this configuration"));
    CHECK(has(text, folder.path + "/report.html"));
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) CHECK(end - at <= 100);
}

TEST_CASE("report: summary.json") {
    Folder folder;
    put_run(folder);
    printed({{folder.path}, ""});
    const json summary = read_json(folder.path + "/summary.json");
    CHECK(summary["evaluation"]["zero"] == evaluation(0.85));
    CHECK(summary["evaluation"]["base"]["pass_at_1"] == 0.15);
    CHECK(summary["evaluation"]["control"]["pass_at_1"] == 0.3);
    CHECK(summary["runs"]["zero"] == json({{"stage", "grpo"}, {"steps", 1}, {"last", json::parse(zero_metrics)},
                                           {"weights_sha256", sha256("abc")}}));
    CHECK(summary["sha256"]["weights"] == sha256("abc"));
    CHECK(summary["sha256"]["metrics"] == sha256(base_metrics + zero_metrics));
    CHECK(summary["golden"].is_null());
    CHECK(summary["seconds"] == json({{"base", 4.0}, {"control", nullptr}, {"zero", 2.0}, {"evaluation", 3.0},
                                      {"total", nullptr}}));
    folder.put("control/timings.jsonl", "{\"step\":1,\"seconds\":0.5}\n");
    printed({{folder.path}, ""});
    CHECK(read_json(folder.path + "/summary.json")["seconds"]["total"] == 9.5);
}

TEST_CASE("report: golden hashes, equal, unequal, missing") {
    Folder folder;
    put_run(folder);
    printed({{folder.path}, ""});
    const json hashes = read_json(folder.path + "/summary.json")["sha256"];
    const std::string golden = folder.path + "/golden.json";
    const auto golden_of_summary = [&] { return read_json(folder.path + "/summary.json")["golden"]; };

    folder.put("golden.json", hashes.dump());
    CHECK(has(printed({{folder.path}, golden}), "weights equal to the golden hash, metrics equal to the golden hash"));
    CHECK(golden_of_summary() == true);

    folder.put("golden.json", json({{"weights", hashes["weights"]}, {"metrics", std::string(64, '0')}}).dump());
    const std::string text = printed({{folder.path}, golden});
    CHECK(has(text, "weights equal to the golden hash, metrics NOT equal to"));
    CHECK(has(text, "refused: not the golden hashes"));
    CHECK(golden_of_summary() == false);

    CHECK(has(printed({{folder.path}, golden + ".none"}), "refused: cannot open the file"));

    folder.put("golden.json", "{\"weights\": 1}");
    CHECK_THROWS_AS(report({{folder.path}, golden}), Error);
}

TEST_CASE("report: what is missing is said in words") {
    Folder folder;
    CHECK_THROWS_AS(report({{folder.path + "/none"}, ""}), Error);
    CHECK_THROWS_AS(report({{folder.path}, ""}), Error);  // no metrics.jsonl anywhere

    folder.put("zero/metrics.jsonl", zero_metrics + "{\"step\":2,\"rew");  // a line that is being written
    printed({{folder.path}, ""});
    const std::string page = read_file(folder.path + "/report.html");
    for (const char* name : {"zero/model.safetensors", "zero/timings.jsonl"})
        CHECK_MESSAGE(has(page, "There is no " + std::string(name)), name);
    const json summary = read_json(folder.path + "/summary.json");
    CHECK(summary["evaluation"].empty());
    CHECK(summary["seconds"]["total"].is_null());

    folder.put("zero/metrics.jsonl", "{\"step\":1}\nnot JSON\n");
    CHECK_THROWS_WITH_AS(report({{folder.path}, ""}), doctest::Contains("metrics.jsonl line 2"), Error);
}

TEST_CASE("report: one run of any stage, several side by side, each by a name that tells it from the others") {
    Folder folder;
    const auto put = [&](const std::string& name, const char* stage, const std::string& metrics) {
        folder.put(name + "/metrics.jsonl", metrics);
        folder.put(name + "/options.json", json({{"stage", stage}, {"options", {{"lr", 0.1}}}}).dump());
    };
    put("one/sft", "sft", "{\"step\":3,\"loss\":0.5}\n");
    put("two/sft", "sft", "{\"step\":4,\"loss\":0.25}\n");
    put("reward", "reward-model", "{\"step\":5,\"loss\":0.5,\"accuracy\":0.75}\n");
    const auto runs_of = [&](const std::vector<std::string>& folders) {
        printed({folders, ""});
        return read_json(folders[0] + "/summary.json")["runs"];
    };
    json runs = runs_of({folder.path + "/one/sft"});
    CHECK((runs.size() == 1 && runs["sft"]["stage"] == "sft" && runs["sft"]["steps"] == 3));
    runs = runs_of({folder.path + "/one/sft/", folder.path + "/two/sft", folder.path + "/reward"});
    CHECK((runs.size() == 3 && runs["one/sft"]["steps"] == 3 && runs["two/sft"]["steps"] == 4));
    CHECK(has(runs.dump(), "reward-model"));
    runs = runs_of({folder.path + "/one", folder.path + "/two"});
    CHECK((runs.size() == 2 && runs["one/sft"]["steps"] == 3 && runs["two/sft"]["last"]["loss"] == 0.25));
    const std::string one = folder.path + "/one", reward = folder.path + "/reward";
    const std::string golden = folder.path + "/golden.json";
    CHECK_THROWS_WITH_AS(report({{one, one}, ""}), doctest::Contains("the same run twice"), Error);
    folder.put("golden.json", "{\"weights\": \"\", \"metrics\": \"\"}");
    CHECK_THROWS_WITH_AS(report({{folder.path + "/one/sft", folder.path + "/two/sft"}, folder.path + "/golden.json"}),
                         doctest::Contains("no run to compare"), Error);
    // One run alone has a golden hash too.
    printed({{folder.path + "/reward"}, ""});
    folder.put("golden.json", read_json(folder.path + "/reward/summary.json")["sha256"].dump());
    CHECK_THROWS_WITH_AS(report({{reward}, golden}), doctest::Contains("no \"weights\""), Error);
    folder.put("reward/model.safetensors", "abc");
    printed({{folder.path + "/reward"}, ""});
    folder.put("golden.json", read_json(folder.path + "/reward/summary.json")["sha256"].dump());
    CHECK(has(printed({{folder.path + "/reward"}, folder.path + "/golden.json"}), "metrics equal to the golden hash"));
}

TEST_CASE("report: a long curve is thinned to means, whose steps are the last of each stretch") {
    Folder folder;
    std::string lines;
    for (int step = 1; step <= 8001; ++step)
        lines += json({{"step", step}, {"loss", step % 3}}).dump() + "\n";
    folder.put("long/metrics.jsonl", lines);
    printed({{folder.path + "/long"}, ""});
    const std::string page = read_file(folder.path + "/long/report.html"), begin_of_data = "id=\"data\">";
    const size_t begin = page.find(begin_of_data) + begin_of_data.size();
    const json run = json::parse(page.substr(begin, page.find("</script>", begin) - begin))["runs"][0];
    CHECK(run["metrics"]["step"].size() == 2667);
    CHECK(run["metrics"]["step"][0] == 3);
    CHECK(run["metrics"]["loss"][0] == 1.0);
    CHECK(run["metrics"]["step"][2666] == 8001);
    CHECK(run["steps"] == 8001);
    CHECK(has(page, "The curves of long are means of 3 steps each."));
}

TEST_CASE("report: of many recorded steps the page holds some, the first and the last among them") {
    Folder folder;
    folder.put("zero/metrics.jsonl", zero_metrics);
    std::string rollouts;
    for (int step = 1; step <= 100; ++step)
        for (int sample = 0; sample < 2; ++sample)
            rollouts += json({{"step", step}, {"prompt", "step " + std::to_string(step) + "."}}).dump() + "\n";
    folder.put("zero/rollouts.jsonl", rollouts);
    printed({{folder.path}, ""});
    const std::string page = read_file(folder.path + "/report.html");
    int kept = 0;
    for (int step = 1; step <= 100; ++step) kept += has(page, "\"step " + std::to_string(step) + ".\"");
    CHECK(kept == 24);
    CHECK(has(page, "\"step 1.\""));
    CHECK(has(page, "\"step 100.\""));
    CHECK(has(page, "Of the 100 steps in zero/rollouts.jsonl the page holds 24"));
}
