// r1 audit beside other trainers' own numbers, and how it shows a batch: a summary, then one answer at a time.
#include <cstdlib>

#include "shell.h"

using namespace r1;

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Two groups of two answers, as another trainer would say that they are: each changed by `change`.
template <class Change>
std::string theirs(const Change& change) {
    json file = json::parse(R"({"framework": "mine", "options": {"beta": 0, "kl": "none"}, "loss": 0, "groups": [
        {"answers": [{"reward": 1, "logp": [-0.5, -1.5]}, {"reward": 0, "logp": [-0.25, -2]}]},
        {"answers": [{"reward": 0, "logp": [-1]}, {"reward": 2, "logp": [-0.75, -0.5, -3], "truncated": true}]}]})");
    change(file);
    return file.dump();
}

std::string repeated(const std::string& part, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += (i ? ", " : "") + part;
    return all;
}

}  // namespace

TEST_CASE("the audit agrees with real steps of TRL and with verl's loss, and names the faults planted in them") {
    const Folder folder;
    const json golden = read_json(R1_SOURCE "/reference/golden/trainers.json");
    int faults = 0;
    for (const json& each : golden["cases"]) {
        CAPTURE(each["what"].get<std::string>());
        folder.write("step.json", each["file"].dump());
        const std::string finds = each["finds"];
        const Result words = shell(binary + " audit " + folder / "step.json");
        CHECK(words.status == (finds.empty() ? 0 : 1));
        CHECK(holds(words.text, finds.empty() ? "computes what these settings say" : finds));
        if (!finds.empty()) ++faults;
        const Result all = shell(binary + " audit --json " + folder / "step.json 2> /dev/null");
        const json found = json::parse(all.text)["theirs"];
        CHECK(found["equal"] == finds.empty());
        CHECK(found["slopes"] > 8);
        if (!finds.empty()) continue;
        CHECK(found["difference"] <= 1e-6);
        CHECK(found["slope_difference"] <= 1e-6);
    }
    CHECK(golden["cases"].size() == 40);
    CHECK(faults == 12);
}

TEST_CASE("the audit of another trainer's numbers: each difference has its name") {
    const Folder folder;
    const auto audit = [&](const std::string& text) {
        folder.write("theirs.json", text);
        return shell(binary + " audit " + folder / "theirs.json");
    };
    const Result same = audit(theirs([](json&) {}));
    CHECK(same.status == 0);
    CHECK(holds(same.text, "mine says"));
    CHECK(holds(same.text, "a loss alone can agree by chance"));
    const auto finds = [&](const std::string& text, const std::string& what) {
        const Result r = audit(text);
        INFO(r.text);
        CHECK(r.status == 1);
        CHECK(holds(r.text, "r1: error: mine computes something else: "));
        CHECK(holds(r.text, what));
    };
    // rewards 0 and 2: deviation sqrt(2) with n - 1, 1 with n, and 1e-4
    finds(theirs([](json& f) { f["groups"][1]["answers"][1]["advantage"] = 0.5; }),
          "the advantage of group 2 answer 2 is 0.5 there and 0.707056785 here");
    finds(theirs([](json& f) { f["groups"][1]["answers"][1]["advantage"] = 1.0; }), "--spread none gives theirs");
    finds(theirs([](json& f) { f["loss"] = 0.5; }), "the loss is 0.5 there and ");
    finds(theirs([](json& f) { f["groups"][0]["answers"][0]["dlogp"] = {0, 0}; }),
          "dloss/dlogp of token 1 of group 1 answer 1 is 0 there");
    // An answer's options that stand in the file are those of the audit.
    CHECK(holds(audit(theirs([](json& f) { f["options"]["spread"] = "none"; })).text, "options: --spread none"));
    CHECK(holds(audit(theirs([](json& f) { f["preset"] = "dr-grpo"; })).text, "--aggregation constant"));

    const auto rejects = [&](const std::string& text, const std::string& what, const std::string& where) {
        folder.write("theirs.json", text);
        refuses(binary + " audit " + folder / "theirs.json", 1, what, where);
    };
    rejects(theirs([](json& f) { f["loss"] = "0"; }), "finite number", "theirs.json loss");
    rejects(theirs([](json& f) { f["framework"] = 3; }), "\"framework\" is no text", "theirs.json");
    rejects(theirs([](json& f) { f["options"] = 3; }), "\"options\" is not an object", "theirs.json");
    rejects(theirs([](json& f) { f["options"]["bteta"] = 3; }), "no option --bteta, did you mean --beta", "json");
    rejects(theirs([](json& f) { f["groups"][0]["answers"][0]["mask"] = {1}; }), "\"mask\" and \"logp\"", "1");
    rejects(theirs([](json& f) { f["groups"][0]["answers"][0]["mask"] = {1, 2}; }), "out of range", "1 mask");
    rejects(theirs([](json& f) { f["groups"][0]["answers"][0]["dlogp"] = {1}; }), "\"dlogp\" and", "answer 1");
    rejects(theirs([](json& f) { f["groups"][0]["answers"][0]["advantage"] = "x"; }), "finite", "answer 1 advantage");
}

TEST_CASE("the audit opens with a summary, and shows the tokens that are asked for") {
    const Folder folder;
    const std::string long_answer = "{\"reward\": 1, \"logp\": [" + repeated("-0.5", 150) + "]}";
    folder.write("long.json", "{\"beta\": 0, \"groups\": [{\"answers\": [" + long_answer +
                                  ", {\"reward\": 0, \"logp\": [" + repeated("-0.25", 60) + "]}]}]}");
    const std::string audit = binary + " audit " + folder / "long.json";
    const Result summary = shell(audit);
    CHECK(summary.status == 0);
    CHECK(holds(summary.text, "2 answers in 1 group, 2 of them in the loss"));
    CHECK(holds(summary.text, "--group 1 --answer 1"));
    CHECK(!holds(summary.text, "\n    150 "));
    CHECK(holds(shell(audit + " --all").text, "\n    150 "));
    CHECK(holds(shell(audit + " --group 1").text, "\n    150 "));
    CHECK(!holds(shell(audit + " --group 1 --answer 2").text, "\n    150 "));
    CHECK(holds(shell(audit + " --group 1 --answer 2").text, "\n    60 "));

    // The page holds formulas, presets and each answer, and asks nothing of the network.
    CHECK(shell(audit + " --html " + folder / "page.html").status == 0);
    const std::string page = read_file(folder / "page.html");
    CHECK(holds(page, "\"formulas\":[[\"A\",\"(reward - mean) / (std + 0.0001)"));
    CHECK(holds(page, "\"name\":\"dapo\""));
    CHECK(holds(page, "\"name\":\"answer 2\""));
    CHECK(holds(page, "\"cut\":false"));
    CHECK(!holds(page, "{{"));
    CHECK(!holds(page, "https:"));
}
