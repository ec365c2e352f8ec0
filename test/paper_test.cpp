// The report of the whole pipeline: intervals and verdicts by hand, small runs of several seeds, what is missing,
// golden hashes, and a page in which no data acts.
#include "report/paper.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "report/paper_read.h"
#include "report/paper_rows.h"
#include "shell.h"

using namespace r1;

namespace {

struct RunFolder : Folder {
    void put(const std::string& name, const std::string& content) const {
        make_folder(std::filesystem::path(path + "/" + name).parent_path().string());
        write(name, content);
    }
    json summary() const { return read_json(path + "/summary.json"); }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What paper() prints; it may throw.
std::string printed(const PaperOptions& options) {
    std::fflush(stdout);
    const int terminal = dup(1);
    std::FILE* file = std::tmpfile();
    dup2(fileno(file), 1);
    std::string refusal;
    try {
        paper(options);
    } catch (const Error& e) {
        refusal = e.what();
    }
    std::fflush(stdout);
    dup2(terminal, 1);
    close(terminal);
    std::fseek(file, 0, SEEK_END);
    std::string text(size_t(std::ftell(file)), '\0');
    std::rewind(file);
    CHECK(std::fread(text.data(), 1, text.size(), file) == text.size());
    std::fclose(file);
    if (!refusal.empty()) throw Error(refusal);
    return text;
}

const std::string hostile = "</script><b>&\"'<!-- \xE2\x80\xA8";

// A file of tensors: an embedding that is not the head, a head, two experts of which a token meets one, and a layer
// that predicts a further token.
std::string tensors(const std::string& more) {
    const json header = {{"model.embed_tokens.weight", {{"dtype", "F32"}, {"shape", {10, 4}}}},
                         {"lm_head.weight", {{"dtype", "F32"}, {"shape", {10, 4}}}},
                         {"model.layers.0.mlp.experts.0.up_proj.weight", {{"dtype", "F32"}, {"shape", {3, 4}}}},
                         {"model.layers.0.mlp.experts.1.up_proj.weight", {{"dtype", "F32"}, {"shape", {3, 4}}}},
                         {"model.layers.1.eh_proj.weight", {{"dtype", "F32"}, {"shape", {100}}}}};
    const std::string text = header.dump();
    std::string length(8, '\0');
    for (size_t i = 0; i < 8; ++i) length[i] = char(text.size() >> (8 * i) & 255);
    return length + text + more;
}
const std::string config =
    R"({"n_routed_experts": 2, "num_experts_per_tok": 1, "num_hidden_layers": 1, "tie_word_embeddings": false})";

json evaluation(double pass, double mixed) {
    const json chinese = {{"problems", 96}, {"pass_at_1", pass}, {"mixed", mixed}};
    return {{"problems", 200},
            {"pass_at_1", pass},
            {"pass_at_1_interval", {pass - 0.0392, pass + 0.0392}},
            {"majority_at_8", pass + 0.15},
            {"mean_length", 50 + 200 * pass},
            {"reflective_words", 4 * pass},
            {"format", 0.5 + pass / 2},
            {"language", 0.9},
            {"by_kind", {{"logic", {{"pass_at_1", pass}}}}},
            {"by_language", {{"en", {{"problems", 104}, {"mixed", 0}}}, {"zh", chinese}}}};
}

json general(double rate) {
    return {{"problems", 100},
            {"win_rate", {{"prompts", 100}, {"rate", rate}, {"interval", {rate - 0.05, rate + 0.05}}}},
            {"best_of",
             {{{"n", 1}, {"kl", 0}, {"proxy", 0}, {"gold", 0.5}},
              {{"n", 16}, {"kl", 1.835}, {"proxy", 2}, {"gold", 0.7}}}}};
}

struct Trained {
    std::string name, stage, from, data;
    double pass, mixed, rate;
};
const Trained all_stages[] = {{"base", "pretrain", "", "world/corpus.jsonl", 0.2, 0.02, 0.5},
                              {"zero", "grpo", "base", "world/problems.train.jsonl", 0.6, 0.4, 0.45},
                              {"zero-language", "grpo", "base", "world/problems.train.jsonl", 0.59, 0.01, 0.45},
                              {"dev1", "sft", "base", "coldstart.jsonl", 0.45, 0.0, 0.55},
                              {"dev2", "grpo", "dev1", "world/problems.train.jsonl", 0.65, 0.0, 0.6},
                              {"dev3", "sft", "base", "sft.jsonl", 0.66, 0.0, 0.7},
                              {"dev3-random", "sft", "base", "sft.jsonl", 0.4, 0.0, 0.7},
                              {"r1", "grpo", "dev3", "world/problems.train.jsonl", 0.67, 0.0, 0.85},
                              {"hacked", "grpo", "dev3", "world/general.train.jsonl", 0.5, 0.0, 0.6}};

// 40 steps in which the proxy rises from 0 to 4 while the truth rises to 0.7 and then falls to 0.
std::string hacked_metrics() {
    std::string lines;
    for (int step = 1; step <= 40; ++step) {
        const double x = step / 40.0, gold = x < 0.5 ? 0.5 + 0.4 * x : 1.4 * (1 - x);
        lines += json({{"step", step},
                       {"preference_helpful", 4 * x},
                       {"rubric_helpful", gold},
                       {"kl", 0.01 * step},
                       {"length", 50}})
                     .dump() +
                 "\n";
    }
    return lines;
}

// A run's folder. Each seed's scores are `more` above the others'.
void put_run(const RunFolder& folder, double more = 0, const std::string& weights = "") {
    for (const Trained& t : all_stages) {
        folder.put(t.name + "/config.json", config);
        folder.put(t.name + "/model.safetensors", tensors(t.name + weights));
        json inputs = {{t.stage == "grpo" ? "problems" : "data", {{"path", folder.path + "/" + t.data}}}};
        if (!t.from.empty()) {
            const std::string from = folder.path + "/" + t.from;
            inputs["model"] = {{"path", from}, {"sha256", sha256_of_input(from)}};
        }
        folder.put(t.name + "/options.json",
                   json({{"stage", t.stage}, {"options", {{"seed", 1}}}, {"inputs", inputs}}).dump());
        folder.put(t.name + "/timings.jsonl",
                   "{\"step\":1,\"seconds\":30,\"tokens\":100}\n{\"seconds\":60,\"tokens\":50}\n");
        folder.put(t.name + "/metrics.jsonl",
                   t.name == "hacked" ? hacked_metrics() : "{\"step\":1,\"reward\":0.234375}\n");
        folder.put("evaluation/" + t.name + ".json", evaluation(t.pass + more, t.mixed).dump());
        folder.put("evaluation/" + t.name + ".general.json", general(t.rate).dump());
    }
    const json rollout = {{"step", 1},           {"prompt_index", 0}, {"sample", 0},    {"prompt", hostile},
                          {"pieces", {hostile}}, {"reward", 1},       {"advantage", 1}, {"candidates", {"left out"}}};
    folder.put("zero/rollouts.jsonl", rollout.dump() + "\n");
    folder.put(
        "coldstart.jsonl",
        json({{"problem", hostile}, {"messages", {{{"role", "assistant"}, {"content", hostile}}}}}).dump() + "\n");
    folder.put("coldstart.jsonl.funnel", R"({"sampled": 4800, "kept": 812, "rejected": {"wrong": 3988}})");
    folder.put("judge/config.json", config);
    folder.put("evaluation/judge.jsonl.summary", R"({"answers": {"accuracy": 0.875}})");
    folder.put("seconds.json", R"({"base": 90, "evaluate": 30})");
}

const json* row_of(const json& summary, const std::string& id) {
    for (const json& row : summary["rows"])
        if (row["id"] == id) return &row;
    return nullptr;
}

bool near(double a, double b) { return std::fabs(a - b) < 1e-6; }

}  // namespace

TEST_CASE("paper: the error of a number, by hand") {
    const json e = {{"problems", 96},
                    {"p", 0.5},
                    {"p_interval", {0.402, 0.598}},
                    {"cut", 0.98},
                    {"cut_interval", {0.9408, 1}},
                    {"same", 1.0},
                    {"same_interval", {1, 1}},
                    {"share", 0.5},
                    {"none", 0.0},
                    {"words", 3.0}};
    const auto error_of = [&](const char* key, Scale scale) { return estimate_of(e, key, scale)->error; };
    CHECK(near(error_of("p", Scale::share), 0.05));          // 0.098 / 1.96
    CHECK(near(error_of("cut", Scale::share), 0.02));        // the side that was not cut off, 0.0392 / 1.96
    CHECK(near(error_of("same", Scale::share), 0.014));      // q = 98 / 100, sqrt(0.98 x 0.02 / 100)
    CHECK(near(error_of("share", Scale::share), 0.05));      // q = 0.5, sqrt(0.25 / 100)
    CHECK(near(error_of("none", Scale::share), 0.014));      // q = 2 / 100
    CHECK(near(error_of("words", Scale::count), 0.353553));  // sqrt((3 + 9) / 96)
    CHECK(!estimate_of(e, "absent", Scale::share));
    CHECK(!estimate_of({{"share", 0.5}}, "share", Scale::share));  // of how many problems?
    const Estimate d = difference_of({0.6, 0.03}, {0.2, 0.02}, 2);
    CHECK(near(d.value, 0.2));
    CHECK(near(d.error, 0.05));  // sqrt(0.03^2 + 0.04^2)
}

TEST_CASE("paper: a verdict, by hand") {
    const double most = std::numeric_limits<double>::infinity();
    const auto of = [&](std::vector<std::optional<Estimate>> seeds, double low = 0,
                        double high = std::numeric_limits<double>::infinity()) {
        return decide(seeds, low, high, 1.96);
    };
    const Decision one = of({Estimate{0.1, 0.05}});
    CHECK(near(one.low, 0.002));
    CHECK(near(one.high, 0.198));
    CHECK(one.holds == true);
    CHECK(!of({Estimate{0.09, 0.05}}).holds);  // 0.09 - 0.098
    CHECK(of({Estimate{-0.1, 0.05}}).holds == false);
    CHECK(!of({}).measured);
    CHECK(!of({std::nullopt}).holds);

    const Decision two = of({Estimate{0.1, 0.03}, std::nullopt, Estimate{0.1, 0.04}});  // sqrt(0.0025) / 2 = 0.025
    CHECK(near(two.high - two.mean, 1.96 * 0.025));
    const Decision spread = of({Estimate{0.1, 0.01}, Estimate{0.3, 0.01}});  // deviation 0.141421, / sqrt(2) = 0.1
    CHECK(near(spread.mean, 0.2));
    CHECK(near(spread.high, 0.396));
    CHECK(spread.holds == true);
    // The interval is on the side, and one seed is not.
    CHECK(
        !of({Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{-0.01, 0.01}})
             .holds);
    CHECK(
        of({Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{0.3, 0.01}, Estimate{-0.01, 0.01}})
            .low > 0);

    CHECK(of({Estimate{0.01, 0.01}}, -0.05, 0.05).holds == true);  // a claim of equality
    CHECK(!of({Estimate{0.04, 0.01}}, -0.05, 0.05).holds);
    CHECK(of({Estimate{0.08, 0.01}}, -0.05, 0.05).holds == false);
    CHECK(of({Estimate{-0.08, 0.01}}, -0.05, most).holds == false);
}

TEST_CASE("paper: no claim is unable to fail, nor to hold") {
    for (const Claim& claim : PAPER_CLAIMS) {
        INFO(claim.id);
        const double inside = std::isfinite(claim.low) ? claim.low + 0.01 : claim.high - 0.01;
        const double outside = std::isfinite(claim.low) ? claim.low - 0.01 : claim.high + 0.01;
        CHECK(decide({Estimate{inside, 0.001}}, claim.low, claim.high, claim.z).holds == true);
        CHECK(decide({Estimate{outside, 0.001}}, claim.low, claim.high, claim.z).holds == false);
    }
}

TEST_CASE("paper: parameters that a token goes through, and where a path is") {
    RunFolder folder;
    folder.put("m/config.json", config);
    CHECK(!active_parameters(folder.path + "/m"));
    folder.put("m/model.safetensors", "abc");
    CHECK(!active_parameters(folder.path + "/m"));
    folder.put("m/model.safetensors", std::string(8, '\xff'));
    CHECK(!active_parameters(folder.path + "/m"));
    folder.put("m/model.safetensors", tensors(""));
    CHECK(*active_parameters(folder.path + "/m") == 40 + 12);  // the head, and half of two experts

    CHECK(relative_to("runs/r1", "runs/r1/base") == "base");
    CHECK(relative_to("runs/r1/", "./runs/r1/students/small-base/") == "students/small-base/");
    CHECK(relative_to("/elsewhere/r1", "/home/me/runs/r1/sft.jsonl") == "sft.jsonl");
    CHECK(relative_to("runs/r1", "/models/qwen") == "/models/qwen");
}

TEST_CASE("paper: one seed's summary") {
    RunFolder folder;
    put_run(folder);
    const std::string text = printed({{folder.path}, ""});
    const json summary = folder.summary(), zero = summary["stages"]["zero"];
    CHECK(zero["starts_from"] == "base");
    CHECK(zero["data_in"] == "world/problems.train.jsonl");
    CHECK(zero["data_out"] ==
          json::parse(R"([{"file":"coldstart.jsonl","kept":812,"of":4800,"rejected":{"wrong":3988}}])"));
    CHECK(zero["scores"]["pass_at_1"] == 0.6);
    CHECK(zero["scores"]["majority_at_8"] == 0.75);
    CHECK(zero["scores"]["by_kind"] == json({{"logic", 0.6}}));
    CHECK(zero["mixed_chinese"] == 0.4);
    CHECK(zero["win_rate"] == 0.45);
    CHECK(zero["minutes"] == 1.5);
    CHECK(zero["tokens"] == 150);
    CHECK(zero["operations"] == 8 * 52 * 150);                       // sampled and learned from
    CHECK(summary["stages"]["dev1"]["operations"] == 6 * 52 * 150);  // learned from
    CHECK(summary["sha256"]["zero"] == sha256(tensors("zero")));
    CHECK(summary["means"]["judge"]["judge/judge.jsonl.summary/answers/accuracy"] == 0.875);
    CHECK(summary["golden"].is_null());
    CHECK(summary["seconds"] == json({{"base", 90}, {"evaluate", 30}}));

    // 0.6 - 2 x 0.2; errors 0.02 and 2 x 0.02
    const json& doubled = *row_of(summary, "1a");
    CHECK(doubled["quantity"] == 0.2);
    CHECK(near(doubled["interval"][0].get<double>(), 0.2 - 1.96 * std::sqrt(0.002)));
    CHECK(doubled["holds"] == true);
    CHECK(doubled["ours"] == "20.0 -> 60.0");
    CHECK(doubled["seeds"] == json({0.2}));
    // 170 - 1.5 x 90 tokens; errors 170.5 / sqrt(200) and 1.5 x 90.5 / sqrt(200): 35 -+ 30.2
    CHECK((*row_of(summary, "1c"))["holds"] == true);
    CHECK((*row_of(summary, "1d"))["holds"] == false);  // 2.4 - 5 x 0.8
    CHECK((*row_of(summary, "2b"))["holds"] == true);
    CHECK((*row_of(summary, "3a format"))["holds"].is_null());  // 0.725 - 0.8, errors near 0.03
    CHECK((*row_of(summary, "3a language"))["holds"].is_null());
    CHECK((*row_of(summary, "3a language"))["verdict"] == "not decided");
    CHECK((*row_of(summary, "7a small"))["verdict"] == "not measured");
    CHECK((*row_of(summary, "7a small"))["interval"].is_null());
    for (const char* part : {"coldstart.jsonl 812 of 4800", "pass@1 of R1-Zero less twice the base's is above 0",
                             "There is no students/small-base/", "There is no reasoning.jsonl", "There is no helpful/"})
        CHECK_MESSAGE(has(text, part), part);
    CHECK(!has(text, "was trained from another model"));
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        if (text.compare(at, 4, "note") != 0) CHECK(end - at <= 120 + folder.path.size());
}

TEST_CASE("paper: a reward that is hacked, by hand") {
    RunFolder folder;
    put_run(folder);
    printed({{folder.path}, ""});
    const json summary = folder.summary();
    // Tenths of 4 steps: the best is steps 17 to 20 (x = 0.425 to 0.5, truth 0.67 to 0.7), the last 37 to 40.
    const json &truth = *row_of(summary, "6a truth"), &reward = *row_of(summary, "6a reward");
    CHECK(truth["quantity"] == doctest::Approx((0.105 + 0.07 + 0.035 + 0) / 4 - (0.67 + 0.68 + 0.69 + 0.7) / 4));
    CHECK(truth["holds"] == true);
    CHECK(reward["quantity"] == doctest::Approx(2.0));
    CHECK(reward["holds"] == true);
    // The last tenth whose proxy is at most 2 is that one, with proxy 1.85: 0.5 + 0.2 x 1.85 / 2 of best-of-n.
    const json& best_of = *row_of(summary, "6b");
    CHECK(best_of["quantity"] == doctest::Approx(0.685 - 0.685));
    CHECK(best_of["verdict"] == "not decided");
    const std::vector<Stretch> stretches = stretches_of(read_paper_run(folder.path).metrics["hacked"], 10);
    CHECK(stretches.size() == 10);
    CHECK(stretches[9].kl == doctest::Approx(50 * 0.385));
    CHECK(stretches_of(json::array(), 10).empty());
}

TEST_CASE("paper: several seeds") {
    RunFolder first, second, third;
    put_run(first);
    put_run(second, 0.03);
    put_run(third, -0.03);
    const std::string text = printed({{first.path, second.path, third.path}, ""});
    CHECK(has(text, "means of 3 seeds"));
    CHECK(!exists(second.path + "/summary.json"));
    const json summary = first.summary(), row = *row_of(summary, "1a");
    CHECK(summary["seeds"].size() == 3);
    CHECK(summary["means"]["zero"]["pass_at_1"] == 0.6);
    CHECK(row["seeds"] == json({0.2, 0.17, 0.23}));
    // Over problems sqrt(3 x 0.002) / 3 = 0.02582; over seeds 0.03 / sqrt(3) = 0.01732.
    CHECK(row["interval"][0] == doctest::Approx(0.2 - 1.96 * 0.0258199));
    CHECK(row["holds"] == true);

    std::filesystem::remove(second.path + "/evaluation/zero.json");
    printed({{first.path, second.path, third.path}, ""});
    CHECK((*row_of(first.summary(), "1a"))["seeds"] == json({0.2, nullptr, 0.23}));
}

TEST_CASE("paper: golden hashes") {
    RunFolder folder;
    put_run(folder);
    const std::string golden = folder.path + "/golden.json";
    const json hashes = {{"zero", sha256(tensors("zero"))}, {"r1", sha256(tensors("r1"))}};
    folder.put("golden.json", hashes.dump());
    CHECK(has(printed({{folder.path}, golden}), "all are equal to the golden hashes"));
    CHECK(folder.summary()["golden"] == true);

    for (const char* name : {"zero", "small-rl"}) {  // another one, and one that was not trained
        json other = hashes;
        other[name] = std::string(64, '0');
        folder.put("golden.json", other.dump());
        std::filesystem::remove(folder.path + "/summary.json");
        CHECK_THROWS_WITH_AS(printed({{folder.path}, golden}), doctest::Contains(name), Error);
        CHECK(folder.summary()["golden"] == false);
    }
    std::filesystem::remove(golden);
    std::filesystem::remove(folder.path + "/summary.json");
    CHECK_THROWS_WITH_AS(printed({{folder.path}, golden}), doctest::Contains("no such file"), Error);
    CHECK(folder.summary()["golden"].is_null());
}

TEST_CASE("paper: what is missing is said in words") {
    RunFolder folder;
    CHECK_THROWS_AS(printed({{folder.path + "/none"}, ""}), Error);
    CHECK_THROWS_WITH_AS(printed({{folder.path}, ""}), doctest::Contains("neither base/ nor zero/"), Error);
    folder.put("zero/metrics.jsonl", "{\"step\":1}\n{\"step\":2,\"rew");  // a line that is being written
    const std::string text = printed({{folder.path}, ""});
    for (const char* part : {"There is no base/", "no zero/options.json", "no zero/model.safetensors",
                             "no evaluation/zero.json", "There is no seconds.json"})
        CHECK_MESSAGE(has(text, part), part);
    const json summary = folder.summary();
    CHECK(summary["stages"]["zero"]["starts_from"].is_null());
    for (const json& row : summary["rows"]) CHECK(row["verdict"] == "not measured");

    put_run(folder);
    folder.put("base/model.safetensors", tensors("another"));
    CHECK(has(printed({{folder.path}, ""}), "zero/ was trained from another model than the one that is in base/ now"));
    folder.put("zero/metrics.jsonl", "{\"step\":1}\nnot JSON\n");
    CHECK_THROWS_WITH_AS(printed({{folder.path}, ""}), doctest::Contains("metrics.jsonl line 2"), Error);
}

TEST_CASE("paper: the page holds the data, and nothing in it acts") {
    RunFolder folder;
    put_run(folder);
    json with_samples = evaluation(0.6, 0.4);
    with_samples["samples"] = {{{"prompt", hostile}, {"response", hostile}, {"accuracy", 1}, {"language", 1}}};
    folder.put("evaluation/zero.json", with_samples.dump());
    printed({{folder.path}, ""});
    const std::string page = read_file(folder.path + "/report.html");
    CHECK(has(page, "0.234375"));
    CHECK(!has(page, hostile));
    CHECK(!has(page, "<b>"));
    const std::string data_begin = "id=\"data\">";
    const size_t begin = page.find(data_begin) + data_begin.size();
    const json data = json::parse(page.substr(begin, page.find("</script>", begin) - begin));
    CHECK(data["answers"]["problems"]["zero"][0]["response"] == hostile);
    CHECK(data["samples"]["rollouts"]["zero"][0]["pieces"][0] == hostile);
    CHECK(!data["samples"]["rollouts"]["zero"][0].contains("candidates"));
    CHECK(data["samples"]["data"]["coldstart.jsonl"][0]["response"] == hostile);
    for (const char* request : {"https://", "src=", "href=", "@import", "url("}) CHECK(!has(page, request));
    CHECK(page.rfind("http://") == page.find("http://www.w3.org/2000/svg"));  // SVG's name, which nobody fetches
}

TEST_CASE("paper: the command, with a folder a seed") {
    RunFolder first, second;
    put_run(first);
    put_run(second, 0.01);
    const std::string command = binary + " paper --run " + first.path;
    const Result r = shell(command + " --run " + second.path);
    CHECK(r.status == 0);
    CHECK(has(r.text, "means of 2 seeds"));
    CHECK(first.summary()["seeds"][1]["folder"] == second.path);
    refuses(command + " --golden " + first / "none.json", 1, "no such file of golden hashes", "none.json");
    refuses(binary + " paper --run " + first / "none", 1, "there is no such folder", "none");
    refuses(binary + " paper", 2, "--run", "");
}
