// r1 grade, r1 sandbox and the code task, as a person meets them: what they print, and how they refuse.
#include "model/config.h"
#include "reward/sandbox/sandbox.h"
#include "shell.h"
#include "tasks/problem.h"

using namespace r1;

namespace {

std::string file(const Folder& folder, const std::string& name, const std::string& text) {
    folder.write(name, text);
    return folder / name;
}

// What r1 grade prints for this answer.
json graded(const std::string& answer, const std::string& options) {
    const Folder folder;
    folder.write("answer", answer);
    const Result r = shell(binary + " grade " + options + " < " + folder / "answer");
    CAPTURE(r.text);
    CHECK(r.status == 0);
    return json::parse(r.text, nullptr, false);
}
}  // namespace

TEST_CASE("r1 grade: one answer") {
    const std::string countdown = "--task countdown --numbers 3,7,12 --target 33";
    CHECK(graded("12 + 7 * 3\n", countdown)["accuracy"] == 1);
    CHECK(graded("12 + 7 * 3\n", countdown)["format"] == 0);
    CHECK(graded("<think>hm</think><answer>12 + 7 * 3</answer>", countdown)["format"] == 1);
    CHECK(graded("<think><answer>12 + 7 * 3</answer>", countdown)["reason"] == "no answer");
    CHECK(graded("<think><answer>12 + 7 * 3</answer></think><answer>33</answer>", countdown)["accuracy"] == 0);
    for (const char* trick : {"2**3+1", "7//2+1", "5--3", "9**9**9", "33", "1.5", "", "12 + 7 * 3 = 33", "(3,7,12)", "\\xff"})
        CHECK(graded(trick, countdown)["accuracy"] == 0);
    CHECK(graded("so \\boxed{0.5}", "--task math --reference '\\frac{1}{2}'")["accuracy"] == 1);
    CHECK(graded("72", "--task math --reference 'Natalia sold 48/2 = 24 clips.\n#### 72'")["accuracy"] == 1);
    CHECK(graded("0.333", "--task math --reference '\\frac{1}{3}'")["accuracy"] == 0);
    CHECK(graded("<think> x </think> <answer> 3 </answer>", "--task format")["accuracy"] == 1);
    CHECK(graded("<answer> 3 </answer>", "--task format")["accuracy"] == 0);
    CHECK(graded("<think> hello \xE4\xB8\x96 </think>", "--task language --language zh")["accuracy"] == 0.5);
    refuses(binary + " grade --task poetry < /dev/null", 2, "poetry");
    refuses(binary + " grade --task math < /dev/null", 2, "--reference");
    refuses(binary + " grade --task countdown < /dev/null", 2, "--numbers");
    refuses(binary + " grade --task code < /dev/null", 2, "--tests");
    refuses(binary + " grade --task language --language xx < /dev/null", 2, "xx");
    refuses(binary + " grade --task math --reference '\\frac{' < /dev/null", 1, "reference");
}

TEST_CASE("r1 grade: JSON lines") {
    const Folder folder;
    const std::string lines = file(folder, "lines", "{\"answer\": \"12 + 7 * 3\"}\n{\"answer\": \"1 + 2\", \"numbers\": [1, 2], \"target\": 3}\n");
    const Result r = shell(binary + " grade --task countdown --numbers 3,7,12 --target 33 --jsonl < " + lines);
    CHECK(r.text == "{\"accuracy\":1,\"format\":0,\"reason\":\"gives 33\"}\n{\"accuracy\":1,\"format\":0,\"reason\":\"gives 3\"}\n");
    const std::string bad =
        "nonsense\n[]\n{}\n{\"answer\": null}\n{\"answer\": \"1\", \"numbers\": [1.5]}\n{\"answer\": \"1\", \"target\": \"3\"}\n";
    const Result after = shell(binary + " grade --task countdown --numbers 7 --target 7 --jsonl < " + file(folder, "bad", "\xEF\xBB\xBF" + bad + "\n{\"answer\": 7}\n"));
    CHECK(after.status == 1);
    CHECK(after.text.find("6 of 7 lines could not be graded") != std::string::npos);
    for (int line = 1; line <= 6; ++line)
        CHECK(after.text.find("standard input line " + std::to_string(line)) != std::string::npos);
    CHECK(after.text.find("{\"accuracy\":1,\"format\":0,\"reason\":\"gives 7\"}") != std::string::npos);
}

TEST_CASE("r1 grade: R1's own form, templates, the lenient reading") {
    const std::string math = "--task math --reference 42";
    const json own_form = graded("<think> hm \\boxed{1} </think>\n\nIt is \\boxed{42}.", math);
    CHECK((own_form["accuracy"] == 1 && own_form["format"] == 1));
    CHECK(graded("hm </think> It is \\boxed{42}.", math)["format"] == 1);  // the prompt had opened it
    CHECK(graded("<think> hm </think> It is 42.", math)["reason"] == "no answer");
    CHECK(graded("<think> \\boxed{42}", math)["reason"] == "no answer");
    CHECK(graded("<think> hm </think> It is \\boxed{42}.", math + " --template r1-zero")["accuracy"] == 0);
    CHECK(graded("<think> hm </think> <answer> 42 </answer>", math + " --template r1-zero")["format"] == 1);
    CHECK(graded("<think> hm </think> <answer> 42 </answer>", math + " --template chat")["accuracy"] == 0);
    CHECK(graded("It is \\boxed{42}.", math + " --template chat")["accuracy"] == 1);
    CHECK(graded("42", math + " --template plain")["reason"] == "no answer");
    CHECK(graded("<think> hm </think> It is $40 + 2 = 42$ in all.", math)["accuracy"] == 0);
    CHECK(graded("<think> hm </think> It is $40 + 2 = 42$ in all.", math + " --lenient")["accuracy"] == 1);
    CHECK(graded("<think> It is $40 + 2 = 42$", math + " --lenient")["accuracy"] == 0);
    const json countdown = graded("<think>hm</think> 12 + 7 * 3", "--task countdown --numbers 3,7,12 --target 33");
    CHECK((countdown["accuracy"] == 1 && countdown["format"] == 1));
}

TEST_CASE("r1 sandbox and r1 grade --task code") {
    const SandboxLevel level = Sandbox::level();
    const Folder folder;
    const std::string program = file(folder, "p.py", "print(sum(map(int, input().split())))\n"), input = file(folder, "in", "1 2\n");
    const Result reached = shell(binary + " sandbox --level");
    CHECK(reached.text.find(level.usable ? "\"usable\": true" : "\"usable\": false") != std::string::npos);
    refuses(binary + " sandbox", 2, "--run");
    refuses(binary + " sandbox --run /nowhere", 1, "/nowhere");
    refuses(binary + " sandbox --run " + program + " --memory-mb 1", 2, "--memory-mb", "16 to 1000000");
    if (!level.usable) {
        refuses(binary + " sandbox --run " + program, 1, "untrusted programs cannot be run here");
        return;
    }
    const json run = json::parse(shell(binary + " sandbox --run " + program + " --stdin " + input).text);
    CHECK((run["status"] == "ok" && run["exit_code"] == 0 && run["stdout"] == "3\n" && run["stderr"] == ""));
    CHECK(run["cpu_seconds"].is_number());
    const std::string tests = file(folder, "t.json", "{\"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\"}, {\"input\": \"5 6\\n\", \"output\": \"11\"}]}");
    CHECK(graded("Like so:\n```python\nprint(sum(map(int, input().split())))\n```\n", "--task code --tests " + tests)["accuracy"] == 1);
    CHECK(graded("print(3)", "--task code --tests " + tests)["accuracy"] == 0);
    refuses(binary + " grade --task code --tests " + file(folder, "b.json", "{}") + " < /dev/null", 1, "no tests");
}

TEST_CASE("code RL from end to end: a corpus, a base model, rewards through the sandbox, the same bytes again") {
    const Folder f;
    REQUIRE(shell(binary + " functions --documents 1500 --train 40 --test 10 --output " + f.path).status == 0);
    const std::vector<Problem> train = read_problems(f.path + "/problems.train.jsonl"), test = read_problems(f.path + "/problems.test.jsonl");
    CHECK((train.size() == 40 && test.size() == 10));
    for (const Problem& p : train) {
        const std::string question = p.question(PromptTemplate::plain);
        CHECK((p.shown["tests"] == 5 && question.find(" gives ") < question.find(" and ")));
        for (const Problem& q : test) CHECK(question != q.question(PromptTemplate::plain));
    }
    if (!Sandbox::level().usable) return;
    Config c;
    c.vocab_size = 448, c.hidden_size = 40, c.num_hidden_layers = 2, c.intermediate_size = 48, c.max_position_embeddings = 320;
    c.q_lora_rank = 24, c.kv_lora_rank = 16, c.qk_nope_head_dim = 8, c.qk_rope_head_dim = 4, c.v_head_dim = 16, c.moe_intermediate_size = 20;
    const std::string shape = file(f, "tiny.json", config_to_json(c).dump()), at = " " + f.path + "/";
    REQUIRE(shell(binary + " tokenizer --corpus" + at + "corpus.jsonl --output" + at + "tokenizer.json").status == 0);
    REQUIRE(shell(binary + " pretrain --corpus" + at + "corpus.jsonl --tokenizer" + at + "tokenizer.json --config " + shape +
                  " --tokens 150000 --output" + at + "base").status == 0);
    for (const char* run : {"one", "two --threads 1"}) {
        const Result r = shell(binary + " grpo --model" + at + "base --problems" + at + "problems.train.jsonl --steps 2 --prompts 3 --group 4 "
                               "--max-tokens 120 --record-every 1 --record-groups 3 --repetition 3 0.1 --language-weight 0.1 --output" + at + run);
        CAPTURE(r.text);
        REQUIRE(r.status == 0);
    }
    for (const char* name : {"/metrics.jsonl", "/rollouts.jsonl", "/model.safetensors"})
        CHECK(read_file(f.path + "/one" + name) == read_file(f.path + "/two" + name));
    CHECK(read_file(f.path + "/one/rollouts.jsonl").find("test ") != std::string::npos);  // a grader's words
    CHECK(shell(binary + " evaluate --model" + at + "one --problems" + at + "problems.test.jsonl --count 3 --k 2").status == 0);
    CHECK(shell(binary + " audit --run" + at + "one").status == 0);
}
