// GRPO on problems and general prompts together: what rewards what, from which step on, and that it is the same bytes
// however it runs.
#include "promises.h"
#include "shell.h"
#include "stages/grpo.h"
#include "tasks/r1_form.h"

using namespace r1;

namespace {

// A corner of the small world, a tiny model that has read some of it, and its reward models.
struct Mixture : Folder {
    Mixture() {
        run("world --output " + path +
            " --documents 1500 --train 60 --test 12 --pairs 40 --pairs-test 8 --safety 40 "
            "--safety-test 8 --judge 8 --judge-test 8 --sft 8");
        run("tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json");
        Config c = tiny_config();
        c.vocab_size = 512;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 400;
        write("tiny.json", config_to_json(c).dump());
        run("pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
            *this / "tokenizer.json --tokens 40000 --output " + *this / "base");
        run("reward-model --model " + *this / "base --data " + *this / "pairs.train.jsonl --batch 20 --output " +
            *this / "helpful");
        run("reward-model --kind safe --model " + *this / "base --data " + *this / "safety.train.jsonl --batch 20 " +
            "--output " + *this / "safe");
        const Result r =
            shell("cat " + *this / "problems.train.jsonl " + *this / "general.train.jsonl > " + *this / "all.jsonl");
        REQUIRE(r.status == 0);
    }
    void run(const std::string& command) const {
        const Result r = shell(binary + " " + command);
        INFO(command << "\n" << r.text);
        REQUIRE(r.status == 0);
    }
    std::string models() const { return " --reward-model " + *this / "helpful --safety-model " + *this / "safe "; }
    std::string grpo(const std::string& output, const std::string& more) const {
        return binary + " grpo --model " + *this / "base --output " + *this / output +
               " --steps 4 --prompts 8 --group 4 --max-tokens 24 --record-every 1 --record-groups 8 " + more;
    }
    std::string mixed(const std::string& output, const std::string& more = "") const {
        return grpo(output, "--problems " +
                                *this /
                                    "all.jsonl --preference-from 3 --language-weight 0.5 "
                                    "--preference-weight 2 --raise-at 4 --raise-to 40" +
                                models() + more);
    }
};
const Mixture& mixture() {
    static const Mixture m;
    return m;
}

}  // namespace

TEST_CASE("a mixture: problems are rewarded by rules, general prompts by their set's model, from a step on") {
    const Mixture& m = mixture();
    const Result r = shell(m.mixed("mixed"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    int general = 0, safe = 0, longer = 0;
    for (const json& line : lines_of(m / "mixed/rollouts.jsonl")) {
        const bool of_set = line["problem"].contains("set");
        CHECK_FALSE((of_set && line["step"] < 3));
        CHECK(line.contains("preference") == of_set);
        longer += line["ids"].size() > 24;
        CHECK_FALSE((line["ids"].size() > 24 && line["step"] < 4));
        CHECK(line["ids"].size() <= 40);
        if (!of_set) continue;
        ++general;
        safe += line["problem"]["set"] == "safe";
        if (!line["finished"].get<bool>()) continue;
        // format + 2 (what the model says, from 0 to 1) + 0.5 (share of the language)               [NATURE eq 8 to 10]
        const double said = line["preference"], rest = line["reward"].get<double>() - line["format"].get<double>();
        const double preference = line["problem"]["set"] == "safe" ? said : 1 / (1 + std::exp(-said));
        const double language = (rest - 2 * preference) / 0.5;
        CHECK(language > -1e-4);
        CHECK(language < 1 + 1e-4);
    }
    CHECK(general > 10);
    CHECK(safe > 0);
    CHECK(longer > 0);
    const std::vector<json> metrics = lines_of(m / "mixed/metrics.jsonl");
    CHECK_FALSE(metrics[1].contains("preference_helpful"));
    CHECK(metrics[3].contains("preference_helpful"));
    CHECK(metrics[3].contains("rubric_helpful"));
    CHECK(metrics[0].contains("language"));
    CHECK(metrics[0].contains("accuracy_countdown"));
}

TEST_CASE("a mixture: the same bytes with other threads, and stopped and resumed") {
    const Mixture& m = mixture();
    REQUIRE(shell(m.mixed("one", "--threads 1 --slots 5 --micro-rows 64")).status == 0);
    REQUIRE(shell(m.mixed("two", "--threads 2")).status == 0);
    stop_after(m.mixed("stopped", "--save-every 1"), m / "stopped/metrics.jsonl", 2, "TERM");
    if (!exists(m / "stopped/model.safetensors"))
        REQUIRE(shell(m.mixed("stopped", "--save-every 1 --resume --threads 1")).status == 0);
    for (const char* name : {"/model.safetensors", "/metrics.jsonl", "/rollouts.jsonl"}) {
        CHECK(read_file(m / "one" + name) == read_file(m / "two" + name));
        CHECK(read_file(m / "stopped" + name) == read_file(m / "two" + name));
    }
}

TEST_CASE("a mixture: what nothing could reward is refused in one line") {
    const Mixture& m = mixture();
    m.write("bare.jsonl", "{\"prompt\": \"name two colours.\"}\n");
    refuses(m.grpo("x", "--problems " + m / "bare.jsonl"), 1, "a general prompt that nothing rewards", "line 1");
    refuses(m.grpo("x", "--preference-from 2 --problems " + m / "general.train.jsonl"), 2, "no problems to ask before",
            "--preference-from");
    refuses(m.grpo("x", "--reward-model " + m / "safe --problems " + m / "all.jsonl"), 1, "kind \"safe\"", "safe");
    refuses(m.grpo("x", "--reward-model " + m / "base --problems " + m / "all.jsonl"), 1, "no reward model", "base");
    refuses(m.grpo("x", "--raise-at 2 --problems " + m / "all.jsonl"), 2, "no new limit", "--raise-to");
    CHECK_FALSE(exists(m / "x/model.safetensors"));
    // Without a model a rubric is the reward.
    const Result r = shell(m.grpo("rubric", "--steps 1 --problems " + m / "general.train.jsonl"));
    CAPTURE(r.text);
    CHECK(r.status == 0);
    for (const json& line : lines_of(m / "rubric/rollouts.jsonl"))
        if (line["finished"].get<bool>())
            CHECK(line["reward"].get<double>() ==
                  doctest::Approx(line["accuracy"].get<double>() + line["format"].get<double>()));
}

TEST_CASE("a mixture: rejection sampling and evaluation with reward models, and best of n") {
    const Mixture& m = mixture();
    const std::string general = "--problems " + m / "general.test.jsonl --max-tokens 24" + m.models();
    const Result r = shell(binary + " rejection --model " + m / "base --any-format --samples 4 --count 10 --output " +
                           m / "kept.jsonl " + general);
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    for (const json& line : lines_of(m / "kept.jsonl")) CHECK(line.contains("preference"));
    for (const json& line : lines_of(m / "kept.jsonl.rejected")) CHECK(line.contains("reason"));
    const Result e =
        shell(binary + " evaluate --model " + m / "base --count 20 --k 4 --output " + m / "general.json " + general);
    CAPTURE(e.text);
    REQUIRE(e.status == 0);
    const json evaluation = read_json(m / "general.json");
    CHECK(evaluation["preference"].contains("helpful"));
    CHECK(evaluation["best_of"].size() == 3);
    CHECK(evaluation["best_of"][2]["proxy"].get<double>() >= evaluation["best_of"][0]["proxy"].get<double>());
}

TEST_CASE("best of n: blocks of each prompt's answers, by hand") {
    const std::vector<BestOf> curve = best_of_n({{{1, 0.5}, {2, 0}, {0, 1}, {0, 0.25}}});
    REQUIRE(curve.size() == 3);
    CHECK(curve[0].proxy == 0.75);
    CHECK(curve[0].gold == 0.4375);
    CHECK(curve[1].proxy == 1);   // 2 of {1, 2}, and of two equals the first, 0 of {0, 0}
    CHECK(curve[1].gold == 0.5);  // 0 and 1
    CHECK(curve[2].gold == 0);
    CHECK(curve[0].kl == 0);
    CHECK(curve[2].kl == doctest::Approx(std::log(4.0) - 0.75));
    CHECK(best_of_n({}).empty());
}

TEST_CASE("R1's form: the thinking as it is, and a summary with the answer in a box") {
    CHECK(in_r1_form("<think> try 3 + 8 = 11 yes</think><answer> 3 + 8</answer>", "3 + 8", "en") ==
          "<think> try 3 + 8 = 11 yes</think> The answer is \\boxed{ 3 + 8}.");
    CHECK(in_r1_form("<think> 试</think><answer> 1</answer>", " 1 ", "zh") ==
          "<think> 试</think> 答案 是 \\boxed{ 1}。");
    CHECK(format_ok(in_r1_form("<think></think><answer>1</answer>", "1", "en"), nullptr, false, AnswerForm::boxed));
}
