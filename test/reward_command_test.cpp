// Rewards that come from outside: a command of the user's, and programs that nobody trusts. Whatever they do, a run
// ends by itself, goes on where it was, and never learns from what was not judged.
#include "reward/command.h"

#include "loss/grpo_batch.h"
#include "promises.h"
#include "reward/sandbox/sandbox.h"
#include "shell.h"

using namespace r1;

namespace {

const json request = {{"problem", {{"prompt", "p"}, {"reference", "42"}}},
                      {"prompt", "p"},
                      {"responses", {"it is 42", "no"}},
                      {"finished", {true, true}}};

std::string failure_of(const std::string& command, double seconds = 20) {
    try {
        RewardCommand(command, seconds).ask(request, 2);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

// A tiny model that has read some functions, with problems for it.
struct Functions : Folder {
    Functions() {
        run("functions --documents 1500 --train 40 --test 10 --output " + path);
        run("tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json");
        Config c = tiny_config();
        c.vocab_size = 448;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        run("pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
            *this / "tokenizer.json --tokens 150000 --output " + *this / "base");
    }
    void run(const std::string& command) const {
        const Result r = shell(binary + " " + command);
        INFO(command << "\n" << r.text);
        REQUIRE(r.status == 0);
    }
    std::string grpo(const std::string& output, const std::string& more) const {
        return binary + " grpo --model " + *this / "base --output " + *this / output +
               " --steps 4 --prompts 3 --group 4 --max-tokens 100 --record-every 1 --record-groups 3 " +
               more;
    }
};
const Functions& functions() {
    static const Functions f;
    return f;
}

}  // namespace

TEST_CASE("a reward command: one process, in order, numbers or objects") {
    RewardCommand plain("n=0; while read line; do n=$((n+1)); echo \"[$n, 0.5]\"; done", 20);
    for (int i = 1; i <= 3; ++i) {
        const std::vector<CommandReward> said = plain.ask(request, 2);
        CHECK((said[0].reward == i && said[1].reward == 0.5 && said[0].parts.empty() && said[0].reason.empty()));
    }
    RewardCommand example("0.5:python3 " R1_SOURCE "/data/reward.py", 20);
    CHECK(example.weight() == 0.5);
    const std::vector<CommandReward> said = example.ask(request, 2);
    CHECK((said[0].reward > 1 && said[1].reward < 0.2));
    CHECK((said[0].parts["right"] == 1 && said[1].parts["right"] == 0 && said[0].reason == "says it"));
    json large = request;  // longer than any pipe holds
    large["responses"] = json::array();
    for (int i = 0; i < 100; ++i) large["responses"].push_back(std::string(20000, 'x'));
    RewardCommand slow(
        "python3 -c 'import sys, json\nfor line in sys.stdin:\n  n = len(json.loads(line)[\"responses\"])\n"
        "  print(json.dumps([{\"reward\": 1, \"reason\": \"y\" * 9999}] * n), flush=True)'",
        60);
    CHECK(slow.ask(large, 100)[99].reason.size() == 9999);
    CHECK(slow.ask(large, 100).size() == 100);
}

TEST_CASE("a reward command that fails is named in one line") {
    const struct {
        const char *command, *said;
    } list[] = {{"true", "ended with status 0"},
                {"exit 3", "ended with status 3"},
                {"kill -9 $$", "ended"},
                {"/nowhere/at/all 2> /dev/null", "ended with status 127"},
                {"cat", "no list of rewards"},
                {"echo 1", "no list of rewards"},
                {"echo '[1]'", "1 rewards for 2 responses"},
                {"echo '[1, 2, 3]'", "3 rewards for 2 responses"},
                {"echo '[1, \"x\"]'", "reward 2"},
                {"echo '[1, null]'", "reward 2"},
                {"echo '[1, 1e7]'", "reward 2"},
                {"echo '[{}, 1]'", "reward 1"},
                {"echo '[{\"reward\": 1, \"parts\": 3}, 1]'", "reward 1"},
                {"echo '[{\"reward\": 1, \"parts\": {\"a\": \"b\"}}, 1]'", "reward 1"},
                {"", "no command"},
                {"0.5:", "no command"},
                {"1e9:true", "ended with status 127"},  // no weight, and no such program
                {"9999:true", "--reward-command"}};
    for (const auto& row : list) {
        CAPTURE(row.command);
        const std::string quiet = row.command[0] == '1' ? " 2> /dev/null" : "";
        const std::string failure = failure_of(row.command + quiet);
        CAPTURE(failure);
        CHECK(failure.find(row.said) != std::string::npos);
        CHECK(failure.find("--reward-command") != std::string::npos);
        CHECK(failure.find('\n') == std::string::npos);
    }
    CHECK(failure_of("sleep 100", 0.2).find("said nothing for 0.2 seconds") != std::string::npos);
    CHECK(failure_of("yes 0 | tr -d '\\n'", 20).find("64 MiB") != std::string::npos);
}

TEST_CASE("r1 grade tries a reward command") {
    const Folder folder;
    folder.write(
        "lines",
        "{\"response\": \"it is 42\", \"reference\": \"42\"}\nnonsense\n{\"answer\": \"no\", \"reference\": \"42\"}\n");
    const std::string command = " --reward-command 'python3 " R1_SOURCE "/data/reward.py'";
    const Result one = shell("echo it is 42 | " + binary + " grade --reference 42" + command);
    CHECK((one.status == 0 && json::parse(one.text)["commands"][0]["parts"]["right"] == 1));
    const Result lines = shell(binary + " grade --jsonl" + command + " < " + folder / "lines");
    CHECK(lines.status == 1);  // one of them cannot be read
    CHECK(lines.text.find("\"right\":1.0") < lines.text.find("\"error\""));
    CHECK(lines.text.find("\"error\"") < lines.text.find("\"right\":0.0"));
    refuses(binary + " grade --task math --reference 1" + command + " < /dev/null", 2, "--reward-command");
    refuses(binary + " grade < /dev/null", 2, "--reward-command");
    refuses(binary + " grade --task math --reference 1 --reward-seconds 2 < /dev/null", 2, "--reward-seconds");
}

TEST_CASE("GRPO with reward commands: added with their weights, logged, and the same bytes after a failure") {
    const Functions& f = functions();
    f.write("reward.py",
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    group = json.loads(line)\n"
            "    assert group['problem']['tests'] and group['prompt'].startswith('User:')\n"
            "    print(json.dumps([{'reward': len(r) % 7, 'parts': {'length': len(r)}, 'reason': 'long'}\n"
            "                      for r in group['responses']]), flush=True)\n");
    f.write("dies.py",
            "import sys\n"
            "sys.argv[1:] and None\n"
            "exec(open('" +
                f / "reward.py').read().replace('group = ', 'n = globals().get(\"n\", 0) + 1\\n"
                    "    n == 8 and sys.exit(4)\\n    group = '))\n");
    const std::string problems = "--problems " + f / "problems.train.jsonl ";
    const std::string twice =
        " --reward-command '0.5:python3 " + f / "reward.py' --reward-command 'while read l; do echo [1,1,1,1]; done'";
    const Result r = shell(f.grpo("own", problems + twice));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    int lines = 0;
    for (const json& line : lines_of(f / "own/rollouts.jsonl")) {
        ++lines;
        REQUIRE(line["commands"].size() == 2);
        const double first = line["commands"][0]["reward"], format = line["format"], accuracy = line["accuracy"];
        CHECK(line["reward"].get<double>() == doctest::Approx(format + accuracy + 0.5 * first + 1));
        CHECK(int(line["commands"][0]["parts"]["length"].get<double>()) % 7 == int(first));
        CHECK(line["reason"].get<std::string>().find("; long") != std::string::npos);
    }
    CHECK(lines == 48);
    for (const json& line : lines_of(f / "own/metrics.jsonl"))
        CHECK((line["command_2"] == 1.0 && line.contains("command_1_length") && line["command_1"] > 0));
    CHECK(shell(binary + " audit --run " + f / "own").status == 0);
    CHECK(shell(binary + " report --run " + f / "own").status == 0);

    const auto command = [&](const char* name) { return problems + "--reward-command 'python3 " + f / name + "'"; };
    REQUIRE(shell(f.grpo("whole", command("reward.py"))).status == 0);
    const Result died = shell(f.grpo("died", command("dies.py")));
    CAPTURE(died.text);
    CHECK(died.status == 1);
    CHECK(died.text.find("status 4") != std::string::npos);
    CHECK(died.text.find("step 2 is saved") != std::string::npos);
    CHECK(exists(f / "died/step-2/training.state"));
    f.write("dies.py", read_file(f / "reward.py"));  // mended
    const Result resumed = shell(f.grpo("died", command("dies.py") + " --resume"));
    CAPTURE(resumed.text);
    REQUIRE(resumed.status == 0);
    for (const char* name : {"/metrics.jsonl", "/rollouts.jsonl", "/model.safetensors"})
        CHECK(read_file(f / "whole" + name) == read_file(f / "died" + name));
}

TEST_CASE("GRPO with hostile programs around the answers ends by itself, with the state of every step") {
    if (!Sandbox::level().usable) return;
    const Functions& f = functions();
    const char* const hostile[] = {
        "import os\nrings = [os.pipe() for _ in range(17)]\nfor i in range(17):\n  if os.fork() == 0:\n    while "
        "True:\n"
        "      os.write(rings[(i + 1) % 17][1], os.read(rings[i][0], 1))\nos.write(rings[0][1], "
        "b'x')\nos.wait()\n#{answer}",
        "import os, signal\nfor n in range(1, 65):\n  try: os.kill(1, n)\n  except OSError: pass\nos.kill(-1, "
        "9)\n#{answer}",
        "import os\nos.close(0), os.close(1), os.close(2)\nos._exit(0)\n#{answer}",
        "#include <cstdio>\nasm(\".pushsection .interp,\\\"a\\\"\\n.ascii \\\"/nope\\\"\\n.popsection\");\n/* {answer} "
        "*/ int main() {}"};
    std::string lines;
    for (const char* program : hostile) {
        json line = {
            {"prompt", "2 3 gives 5."}, {"tests", {{{"input", "2 3\n"}, {"output", "5"}}}}, {"program", program}};
        line["cpu_seconds"] = 0.3;
        if (program[0] == '#') line["language"] = "cpp";
        lines += line.dump() + "\n";
    }
    f.write("hostile.jsonl", lines);
    const Result r = shell(f.grpo("hostile", "--save-every 1 --keep 4 --problems " + f / "hostile.jsonl"));
    CAPTURE(r.text);
    CHECK(r.status == 0);
    for (const char* state : {"step-1", "step-2", "step-3"})
        CHECK(read_file(f / "hostile/" + state + "/model.safetensors").size() > 0);
    CHECK(lines_of(f / "hostile/metrics.jsonl").size() == 4);
    for (const json& line : lines_of(f / "hostile/metrics.jsonl")) CHECK_FALSE(line.contains("ungraded"));
    int judged = 0;
    for (const json& line : lines_of(f / "hostile/rollouts.jsonl"))
        judged += line["reason"].get<std::string>().find("test 1 of 1") != std::string::npos;
    CHECK(judged > 5);
}

TEST_CASE("an answer that nobody could judge is no part of its group, nor of the loss") {
    GrpoMath math;
    const auto answer = [](double reward, int tokens, bool ungraded) {
        GrpoAnswer<double> a;
        a.reward = reward;
        a.ungraded = ungraded;
        a.logp.assign(size_t(tokens), -0.5);
        a.logp_old.assign(size_t(tokens), -0.6);
        a.logp_ref.assign(size_t(tokens), -0.4);
        return a;
    };
    GrpoBatch<double> with, without;
    with.groups = {{{answer(1, 3, false), answer(1, 4, true), answer(0, 5, false), answer(0.5, 2, false)}},
                   {{answer(1, 3, true), answer(0, 2, true)}},
                   {{answer(1, 3, false), answer(0, 2, true)}}};
    without.groups = {{{answer(1, 3, false), answer(0, 5, false), answer(0.5, 2, false)}}, {{answer(1, 3, false)}}};
    for (const Aggregation aggregation : {Aggregation::sequence_mean, Aggregation::token_mean}) {
        math.aggregation = aggregation;
        const GrpoResult<double> a = grpo_batch(with, math), b = grpo_batch(without, math);
        CHECK((a.loss == b.loss && a.N == b.N && a.L == b.L && a.deviation == b.deviation));
        const auto& first = a.groups[0].answers;
        CHECK((first[0].A == b.groups[0].answers[0].A && first[2].A == b.groups[0].answers[1].A));
        CHECK((first[1].advantage == 0 && !first[1].counts && first[1].A == std::vector<double>(4, 0.0)));
        for (const double slope : first[1].dlogp) CHECK(slope == 0);
        CHECK((a.groups[1].flat && a.groups[1].mean == 0));
    }
}
