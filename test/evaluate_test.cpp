// Evaluation from end to end: by kind, language and difficulty, strict and lenient, and win rates between two models.
// r1 grade on choices and puzzles; weights in training.
#include "stages/evaluate.h"

#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

// A corpus, a tokenizer and two tiny models of different seeds, made once.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 300 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json")
                    .status == 0);
        Config c = tiny_config();
        c.vocab_size = 448;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        for (const std::string seed : {"1", "2"})
            REQUIRE(shell(binary + " pretrain --config " + *this / "tiny.json --corpus " +
                          *this / "corpus.jsonl --tokenizer " + *this / "tokenizer.json --tokens 2000 --seed " + seed +
                          " --output " + *this / "model" + seed)
                        .status == 0);
    }
    std::string evaluate(const std::string& problems, const std::string& more = "") const {
        write("p.jsonl", problems);
        return binary + " evaluate --k 2 --max-tokens 12 --model " + *this / "model1 --problems " + *this / "p.jsonl " +
               "--overwrite --output " + *this / "e.json " + more;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string countdown = R"({"numbers": [3, 7, 12], "target": 33})",
                  chinese = R"({"numbers": [3, 7, 12], "target": 33, "language": "zh", "difficulty": "easy"})",
                  general = R"({"prompt": "Cats?", "rubric": [{"words_at_least": 1}, {"words_at_most": 3}]})";

}  // namespace

TEST_CASE("evaluate: Wilson's interval, by hand and at the ends") {
    // 8 of 10 [Wilson 1927]: (0.8 + z^2/20 -+ z sqrt(0.016 + z^2/400)) / (1 + z^2/10), z = 1.96
    const Interval eight = wilson_interval(0.8, std::sqrt(0.8 * 0.2 / 10), 10, 40);
    CHECK(eight.low == doctest::Approx(0.490157).epsilon(1e-5));
    CHECK(eight.high == doctest::Approx(0.943319).epsilon(1e-5));
    // Where all problems are alike it has a width: 0 of 10 ends at z^2 / (10 + z^2).
    const Interval none = wilson_interval(0, 0, 10, 40), all = wilson_interval(1, 0, 10, 40);
    CHECK((none.low == 0 && none.high == doctest::Approx(3.8416 / 13.8416)));
    CHECK((all.high == doctest::Approx(1) && all.low == doctest::Approx(10 / 13.8416)));
    // Problems that are half right each say more than those of one answer.
    CHECK(wilson_interval(0.5, 0.01, 100, 4000).high - 0.5 == doctest::Approx(0.0196).epsilon(0.01));
    // No spread at all, or but that of rounding, is no proof: the answers are counted then.
    for (const double error : {0.0, 1e-12})
        CHECK(wilson_interval(0.8, error, 3, 10).low == doctest::Approx(eight.low));
}

TEST_CASE("evaluation: strict and lenient, by language and by difficulty") {
    const Prepared& p = prepared();
    Result r = shell(p.evaluate(countdown + "\n" + chinese + "\n" + general + "\n"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    json e = read_json(p / "e.json");
    CHECK((e["problems"] == 3 && e["strict"] <= e["pass_at_1"] && e["pass_at_1"] <= e["lenient"]));
    CHECK((e["by_kind"].size() == 2 && e["by_kind"]["general"]["problems"] == 1));
    CHECK((e["by_language"]["en"]["problems"] == 2 && e["by_language"]["zh"]["problems"] == 1));
    CHECK((e["by_difficulty"]["easy"]["problems"] == 1 && e["by_difficulty"]["not given"]["problems"] == 2));
    CHECK((has(r.text, "strict ") && has(r.text, "language zh, 1 problems") && has(r.text, "difficulty easy, 1 p")));
    CHECK_FALSE(e.contains("win_rate"));
    r = shell(p.evaluate(countdown + "\n" + countdown + "\n"));
    REQUIRE(r.status == 0);
    e = read_json(p / "e.json");
    for (const char* key : {"by_kind", "by_language", "by_difficulty", "win_rate"}) CHECK_FALSE(e.contains(key));
}

TEST_CASE("evaluation: win rates against another model") {
    const Prepared& p = prepared();
    std::string problems = countdown + "\n";
    for (int i = 0; i < 6; ++i)
        problems += R"({"prompt": "Cats )" + std::to_string(i) + R"(?", "rubric": [{"words_at_most": 3}, )" +
                    R"({"any": ["wait", "check", "so", "make", "the"]}]})" + "\n";
    const Result r = shell(p.evaluate(problems, "--against " + p / "model2"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    CHECK(has(r.text, "6 general prompts"));
    const json w = read_json(p / "e.json")["win_rate"];
    CHECK(w["prompts"] == 6);
    CHECK(w["wins"].get<int>() + w["ties"].get<int>() + w["losses"].get<int>() == 6 * 2);  // two answers
    CHECK(w["rate"].get<double>() ==
          doctest::Approx((w["wins"].get<int>() + w["ties"].get<int>() / 2.0) / 12).epsilon(1e-5));
    CHECK((w["interval"][0] <= w["rate"] && w["rate"] <= w["interval"][1] && w["mean_length"] > 0));
    // A model that has learned to answer wins against one that never ends an answer.
    std::string examples;
    for (int i = 0; i < 6; ++i)
        examples += R"({"prompt": "User: Cats )" + std::to_string(i) +
                    R"(? Assistant:", "response": "<think></think> so"})" + "\n";
    p.write("examples.jsonl", examples);
    REQUIRE(shell(binary + " sft --steps 60 --batch 6 --lr 0.005 --schedule constant --model " + p / "model1 --data " +
                  p / "examples.jsonl --output " + p / "taught")
                .status == 0);
    REQUIRE(shell(p.evaluate(problems, "--against " + p / "taught")).status == 0);
    const json lost = read_json(p / "e.json")["win_rate"];
    CHECK(lost["losses"].get<int>() >= 8);
    CHECK(lost["mean_length_against"] < lost["mean_length"]);
    // A model against itself: the same answers, which tie.
    REQUIRE(shell(p.evaluate(problems, "--against " + p / "model1")).status == 0);
    const json tied = read_json(p / "e.json")["win_rate"];
    CHECK((tied["ties"] == 12 && tied["rate"] == 0.5 && tied["mean_length"] == tied["mean_length_against"]));

    refuses(p.evaluate(countdown, "--against " + p / "model2"), 1, "no general prompts", "p.jsonl");
    refuses(p.evaluate(general + "\n" + R"({"prompt": "Dogs?"})", "--against " + p / "model2"), 1, "without a rubric",
            "p.jsonl line 2");
    refuses(p.evaluate(general, "--against /nowhere"), 1, "no model here", "/nowhere");
}

TEST_CASE("weights reach GRPO and sft, and weights of 1 change nothing") {
    const Prepared& p = prepared();
    const auto grpo = [&](const std::string& weight, const std::string& output) {
        std::string problems;
        for (int i = 1; i <= 5; ++i)
            problems +=
                R"({"numbers": [)" + std::to_string(i) + R"(, 5], "target": )" + std::to_string(i + 5) + weight + "}\n";
        p.write(output + ".jsonl", problems);
        REQUIRE(shell(binary + " grpo --steps 2 --prompts 3 --group 2 --max-tokens 12 --answer-form boxed --model " +
                      p / "model1 --problems " + p / (output + ".jsonl") + " --output " + p / output)
                    .status == 0);
        return read_file(p / (output + "/rollouts.jsonl"));
    };
    const std::string plain = grpo("", "zero");
    CHECK(grpo(R"(, "weight": 1)", "zero1") == plain);
    CHECK(grpo(R"(, "weight": 0.5)", "zero2") != plain);
    CHECK(read_json(p / "zero/options.json")["options"]["answer-form"] == "boxed");

    const auto sft = [&](const std::string& weight) {
        const std::string first = R"({"prompt": "a", "response": "b"})", second = R"({"prompt": "c", "response": "d")";
        p.write("s.jsonl", first + "\n" + second + weight + "}\n");
        return shell(binary + " sft --epochs 3 --batch 1 --overwrite --model " + p / "model1 --data " +
                     p / "s.jsonl --output " + p / "student");
    };
    CHECK(has(sft("").text, "6 updates of 1 examples"));
    const std::string metrics = read_file(p / "student/metrics.jsonl");
    CHECK(has(sft(R"(, "weight": 1)").text, "6 updates of 1 examples"));
    CHECK(read_file(p / "student/metrics.jsonl") == metrics);
    CHECK(has(sft(R"(, "weight": 3)").text, "12 updates of 1 examples"));
    p.write("w.jsonl", R"({"prompt": "a", "response": "b", "weight": 0})");
    refuses(binary + " sft --model " + p / "model1 --data " + p / "w.jsonl --output " + p / "x", 1, "\"weight\"",
            "w.jsonl line 1");
}

TEST_CASE("r1 grade: choices and puzzles") {
    const Folder f;
    const std::string choice = R"({"question": "q", "choices": ["Rome", "Paris"], "answer": "B"})",
                      logic = R"({"prompt": "p", "variables": {"Ann": ["knight", "knave"]}, )"
                              R"("constraints": [["is", "Ann", "knave"]]})";
    f.write("choice.json", choice);
    f.write("logic.json", logic);
    const auto graded = [&](const std::string& answer, const std::string& options) {
        f.write("answer", answer);
        return shell(binary + " grade " + options + " < " + f / "answer").text;
    };
    const std::string by_choice = "--task choice --problem " + f / "choice.json";
    CHECK(graded("Paris\n", by_choice) == "{\"accuracy\":1,\"format\":0,\"reason\":\"chooses B\"}\n");
    CHECK(has(graded("<think>hm</think> <answer>(b)</answer>", by_choice), "\"accuracy\":1,\"format\":1"));
    CHECK(has(graded("so \\boxed{A}", by_choice), "chooses A, not B"));
    CHECK(has(graded("Ann: knave", "--task logic --problem " + f / "logic.json"), "all 1 constraints hold"));
    const auto with = [](std::string line, const std::string& keys) { return line.insert(1, keys + ", ") + "\n"; };
    CHECK(graded(with(choice, R"("response": "B")") + with(choice, R"("response": "A")"), "--task choice --jsonl") ==
          "{\"accuracy\":1,\"format\":0,\"reason\":\"chooses B\"}\n"
          "{\"accuracy\":0,\"format\":0,\"reason\":\"chooses A, not B\"}\n");
    CHECK(has(graded(with(logic, R"("response": "Ann knave")") + with(logic, R"("answer": "Ann knight")"),
                     "--task logic --jsonl"),
              "constraint 1 does not hold"));
    refuses(binary + " grade --task choice < /dev/null", 2, "--problem");
    refuses(binary + " grade --task logic --problem " + f / "choice.json < /dev/null", 1, "a line of choice",
            "choice.json");
    for (const std::string& bad : {std::string("nonsense"), std::string("[]"), choice,
                                   with(choice, R"("response": [3])"), with(logic, R"("response": "x")")}) {
        f.write("bad", bad);
        refuses(binary + " grade --task choice --jsonl < " + f / "bad", 1, "", "standard input line 1");
    }
}
