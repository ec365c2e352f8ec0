// Problems as their authors publish them, how they are put to a model, and how answers are judged and vote.
#include "tasks/problem.h"

#include <algorithm>

#include "shell.h"
#include "stages/evaluate.h"
#include "tasks/task.h"

using namespace r1;

namespace {

ProblemSet set_of(const std::string& lines, const ProblemOptions& options = {}) {
    const Folder folder;
    folder.write("p.jsonl", lines);
    return read_problem_set(folder / "p.jsonl", options);
}
Problem problem_of(const std::string& line) { return set_of(line).problems.at(0); }

std::string error_of(const std::string& lines, const ProblemOptions& options = {}) {
    try {
        set_of(lines, options);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string countdown = R"({"numbers": [3, 7, 12], "target": 33})", published = R"({"target": 98, "nums": [44, 19, 35]})";
const std::string gsm8k = R"({"question": "How many clips?", "answer": "She sold 48/2 = <<48/2=24>>24 in May.\nThat is <<1000+72=1072>>1,072.\n#### 1,072"})";
const std::string math = R"({"problem": "Find $x$.", "level": "Level 5", "type": "Algebra", "solution": "So \\boxed{1}, no: $x = \\boxed{\\frac{1}{2}}$."})";
const std::string math500 = R"x({"problem": "Convert.", "answer": "\\left( 3, \\frac{\\pi}{2} \\right)", "solution": "as above", "subject": "Precalculus", "unique_id": "x"})x";
const std::string own = R"({"prompt": "What is 6 * 7?", "reference": 42})";
const std::string code = R"({"prompt": "Print 1.", "tests": [{"input": "", "output": "1"}]})";
const std::string proof = R"({"problem": "Prove it.", "solution": "Clearly."})", garbled = R"({"prompt": "p", "reference": "\\frac{"})";

float accuracy(const Problem& p, const std::string& answer) { return p.grade(answer).value; }
std::string question(const Problem& p, PromptTemplate prompt_template = PromptTemplate::plain) { return p.question(prompt_template); }

}  // namespace

TEST_CASE("problems as they are published") {
    const ProblemSet all = set_of(countdown + "\n" + published + "\n" + gsm8k + "\n" + math + "\n" + math500 + "\n\n" + own + "\n" + code + "\n");
    REQUIRE((all.problems.size() == 7 && all.left_out == 0));
    const auto& p = all.problems;
    CHECK((p[0].kind == &countdown_kind && question(p[0]) == "3 7 12 make 33."));
    CHECK((p[1].kind == &countdown_kind && question(p[1]) == "44 19 35 make 98."));
    CHECK_FALSE(has(question(p[0], PromptTemplate::r1_zero), "/"));
    CHECK(has(question(p[1], PromptTemplate::r1_zero), "/"));
    for (int i = 2; i < 6; ++i) CHECK(p[i].kind == &mathematics_kind);
    CHECK(question(p[2]) == "How many clips?");
    CHECK((accuracy(p[2], "1072") == 1 && accuracy(p[2], "$1,072") == 1 && accuracy(p[2], "24") == 0));
    CHECK((accuracy(p[3], "0.5") == 1 && accuracy(p[3], "1") == 0));
    CHECK((accuracy(p[4], "(3, \\pi/2)") == 1 && accuracy(p[4], "(\\pi/2, 3)") == 0));
    CHECK((accuracy(p[5], "42.0") == 1 && accuracy(p[5], "41") == 0));
    CHECK((p[6].kind == &code_kind && question(p[6]) == "Print 1." && p[6].shown.dump() == "{\"tests\":1}"));
    CHECK(problem_of(R"({"question": "q", "answer": "-5"})").shown["reference"] == "-5");  // a bare answer
    CHECK(accuracy(problem_of(R"({"problem": "q", "answer": 204})"), "204") == 1);
    CHECK(p[2].shown.dump() == "{\"reference\":\"1,072\"}");
    CHECK(p[0].shown.dump() == "{\"numbers\":[3,7,12],\"target\":33}");
}

TEST_CASE("columns of mathematics as they are published elsewhere, and numbers as they are written") {
    const std::string user = R"({"role": "user", "content": "2+2?"})";
    const std::string asked = R"({"prompt": [)" + user + "]";
    for (const std::string& line :
         {R"({"prompt": [{"role": "system", "content": "Be brief."}, )" + user +
              R"(], "reward_model": {"ground_truth": 4}})",
          asked + R"(, "reward_model": {"ground_truth": "4", "style": "rule"}, "solution": "no box"})",
          asked + R"(, "solution": "4"})",
          std::string(R"({"prompt": "2+2?", "answer": 4})"),
          std::string(R"({"prompt": "2+2?", "ground_truth": "4"})"),
          std::string(R"x({"Body": "Two and two.", "Question": "2+2?", "Answer": 4.0, "Equation": "( 2 + 2 )"})x"),
          std::string(R"({"ID": "I-1", "Problem": "2+2?", "Solution": "So \\boxed{4}.", "Answer": 4})"),
          std::string(R"({"problem": "2+2?", "answer": null, "solution": "It is \\boxed{4}."})")}) {
        CAPTURE(line);
        const Problem p = problem_of(line);
        CHECK(p.kind == &mathematics_kind);
        CHECK(has(question(p), "2+2?"));
        CHECK((accuracy(p, "4") == 1 && accuracy(p, "5") == 0));
        CHECK(has(question(p), "Be brief.") == has(line, "system"));
    }
    CHECK(question(problem_of(R"({"Body": "Two.", "Question": "2+2?", "Answer": 4})")) == "Two. 2+2?");
    const std::string reply = R"({"role": "assistant", "content": "4"})";
    for (const std::string& messages : {std::string(), reply, user + ", " + user, user + ", " + reply,
                                        std::string(R"({"role": "user"})"), std::string(R"("q")")})
        CHECK(has(error_of(R"({"answer": "4", "prompt": [)" + messages + "]}"), "message"));
    const auto shown = [](const std::string& number) {
        return problem_of(R"({"prompt": "q", "reference": )" + number + "}").shown["reference"];
    };
    for (const char* number : {"0.00002", "12345678901234567890123", "-0.1234567890123456789", "-1.5", "120.25", "7"})
        CHECK(shown(number) == number);
    CHECK(accuracy(problem_of(R"({"prompt": "q", "reference": 1e300})"), "10^{300}") == 1);
    CHECK(has(question(problem_of(R"({"prompt": "q \"12345678901234567890123", "reference": 1})")), "\"12"));
    const ProblemSet missing =
        set_of(R"({"question": "q", "answer": null})" "\n" R"({"prompt": null, "reference": "4"})" "\n" + own);
    CHECK((missing.problems.size() == 1 && missing.left_out == 2 && has(missing.first_left_out, "is null")));
}

TEST_CASE("a reference that cannot be graded is left out and counted, or refused, and never rewards") {
    const ProblemSet set = set_of(own + "\n" + proof + "\n" + garbled + "\n" + gsm8k + "\n");
    CHECK((set.problems.size() == 2 && set.left_out == 2));
    CHECK((has(set.first_left_out, "p.jsonl line 2") && has(set.first_left_out, "\\boxed{}")));
    ProblemOptions refuse;
    refuse.refuse_ungradable = true;
    CHECK(has(error_of(own + "\n" + garbled, refuse), "p.jsonl line 2"));
    CHECK(has(error_of(proof), "no other line is left"));
    CHECK(set_of(own + "\n" + R"({"problem": "q", "answer": ""})" + "\n" + R"({"problem": "q", "answer": "1/0"})").left_out == 2);
}

TEST_CASE("lines that are no problem are refused") {
    for (const std::string bad : {R"({})", R"({"text": "x"})", R"({"question": "x"})", R"({"prompt": 7})", R"({"question": "", "answer": "1"})",
                                  R"({"question": 3, "answer": "1"})", R"({"prompt": "x", "reference": [1]})", R"({"nums": [1, "2"], "target": 3})",
                                  R"({"nums": [1, 2]})", R"({"nums": 1, "target": 3})", R"({"prompt": " ", "tests": []})", R"([])", R"(x)"}) {
        CAPTURE(bad);
        CHECK(has(error_of(own + "\n" + bad), "p.jsonl line 2, "));
    }
    CHECK(has(error_of(""), "no problems"));
    ProblemOptions o;
    o.task = "countdown";
    CHECK(set_of(countdown + "\n" + published, o).problems.size() == 2);
    CHECK(has(error_of(countdown + "\n" + own, o), "a line of math where --task is countdown, "));
    CHECK(has(error_of("{}", o), "no known kind"));
    o.task = "math";
    CHECK(has(error_of(countdown, o), "a line of countdown where --task is math"));
    CHECK_THROWS_AS(check_given(""), UsageError);

    const Folder f;
    f.write("p.jsonl", "PAR1\x15\x04");
    refuses(binary + " evaluate --model /nowhere", 2, "--problems", "r1 countdown");
    refuses(binary + " grpo --device cpu --model /nowhere --output " + f / "run" + " --task countdown", 2, "--problems", "r1 countdown");
    try {
        read_problems(f / "p.jsonl");
        FAIL("a Parquet file was read");
    } catch (const Error& error) {
        CHECK((has(error.what(), "a Parquet file") && has(error.what(), "pandas.read_parquet") && has(error.what(), f / "p.jsonl")));
    }
}

TEST_CASE("a problem becomes a prompt") {
    const Tokenizer t = train_tokenizer(std::vector<std::string>{"User: make Assistant: Using the numbers"}, 300);
    TaskOptions o;
    const auto tokens = [&](const std::string& line) { return prompt_tokens(make_task(o, "/nowhere", t), problem_of(line)); };
    const auto prompt = [&](const std::string& line) {
        const auto ids = tokens(line);
        CHECK(ids.at(0) == t.bos);
        return t.decode(ids);
    };
    const auto tags = [&](const std::string& line) {
        const auto ids = tokens(line);
        return std::count_if(ids.begin(), ids.end(), [&](int id) { return t.tokens[id].kind == Kind::tag; });
    };
    const std::string tagged = R"({"prompt": "Is <think> a tag", "reference": "Yes"})";
    CHECK(prompt(countdown) == "User: 3 7 12 make 33. Assistant:");
    CHECK(prompt(own) == "User: What is 6 * 7? Assistant:");
    CHECK(prompt(code) == "User: Print 1. Assistant:");
    CHECK(tags(tagged) == 0);
    o.empty_think = true;
    CHECK(prompt(own) == "User: What is 6 * 7? Assistant:<think></think>");
    CHECK(tags(own) == 2);

    o = {};
    o.prompt_template = PromptTemplate::r1_zero;
    const std::string paper =
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant first thinks about the "
        "reasoning process in the mind and then provides the user with the answer. The reasoning process and answer are enclosed within <think> "
        "</think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: ";
    CHECK(prompt(countdown) == paper + "Using the numbers 3, 7, 12, make 33. Use each number exactly once, with + - *. Assistant:");
    CHECK(prompt(published) == paper + "Using the numbers 44, 19, 35, make 98. Use each number exactly once, with + - * /. Assistant:");
    CHECK(prompt(own) == paper + "What is 6 * 7? Assistant:");
    CHECK(prompt(tagged) == paper + "Is <think> a tag. Assistant:");
    CHECK(tags(tagged) == 8);  // the paper's own

    o = {};
    o.prompt_template = PromptTemplate::chat;  // of a folder without a template of its own
    CHECK(prompt(own) == "User: What is 6 * 7?\nPlease reason step by step, and put your final answer within \\boxed{}. Assistant:");
    CHECK(has(prompt(countdown), "within <answer> </answer> tags."));
    CHECK(tags(countdown) == 0);
}

TEST_CASE("a problem becomes a prompt in R1's own chat template") {
    const Folder f;
    f.write("tokenizer.json", read_json(std::string(R1_SOURCE) + "/reference/golden/chat.json")["tokenizer"].dump());
    f.write("chat_template.jinja", R"({{'<｜User｜>' + message['content']}}{{'<｜Assistant｜><think>\n'}})");
    const Tokenizer t = Tokenizer::load(f / "tokenizer.json");
    TaskOptions o;
    CHECK(make_task(o, f.path, t).chat.family == ChatFamily::plain);  // not asked for: not read
    o.prompt_template = PromptTemplate::chat;
    const auto tokens = [&] { return prompt_tokens(make_task(o, f.path, t), problem_of(own)); };
    const auto prompt = [&] { return t.decode(tokens(), Control::show); };
    const std::string asked = "<｜begin▁of▁sentence｜><｜User｜>What is 6 * 7?\nPlease reason step by step, and put your final answer within \\boxed{}.<｜Assistant｜>";
    CHECK(prompt() == asked + "<think>\n");
    CHECK(make_task(o, f.path, t).stop == std::vector<int>{t.eos});
    o.empty_think = true;
    CHECK(prompt() == asked + "<think>\n\n</think>\n\n");
    const auto ids = tokens();
    CHECK(std::count(ids.begin(), ids.end(), t.id_of("</think>")) == 1);
    f.write("chat_template.jinja", R"({{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{{ '<|im_start|>assistant\n' }})");
    CHECK(make_task(o, f.path, t).stop == std::vector<int>{t.eos, t.id_of("<|im_end|>")});
}

TEST_CASE("a problem whose prompt fills the context is left out") {
    const Tokenizer t = train_tokenizer(std::vector<std::string>{"a"}, 300);
    const Folder f;
    f.write("p.jsonl", own + "\n" + R"({"prompt": ")" + std::string(300, '7') + R"(", "reference": 1})" + "\n" + countdown + "\n");
    const auto read = [&](int context) { return read_questions(make_task({}, f.path, t), f / "p.jsonl", context); };
    CHECK((read(400).size() == 3 && read(200).size() == 2 && read(200)[1].problem.kind == &countdown_kind));
    CHECK_THROWS_AS(read(5), Error);
}

TEST_CASE("answers to mathematics: between tags, or boxed after the thinking in a chat") {
    const Tokenizer t = train_tokenizer(std::vector<std::string>{"a"}, 300);
    Task task = make_task({}, "/nowhere", t);
    const Problem p = problem_of(math);
    const auto graded = [&](const std::string& text, bool finished = true) {
        return grade(task, p, {Completion{t.encode(text, Tags::parse), {}, finished}})[0];
    };
    CHECK(graded("<think>so</think><answer> \\frac12 </answer>").reward.total == 2);
    CHECK(graded("<think>so</think><answer> $\\boxed{0.5}$ </answer>").reward.total == 2);
    CHECK(graded("<think>so</think>\\boxed{0.5}").reward.total == 0);
    CHECK(graded("<think>so</think><answer>1</answer>").reward.total == 1);
    CHECK_FALSE(graded("<think>so</think><answer>1/2</answer>", false).answer.has_value());

    task.options.prompt_template = PromptTemplate::chat;
    task.chat.family = ChatFamily::deepseek;
    task.chat.opening = "<think>\n";
    const Graded right = graded("so \\boxed{1}</think>\n\nIt is \\boxed{\\frac12}.");
    CHECK((right.reward.total == 2 && right.answer == "\\frac12" && right.text == "<think>\nso \\boxed{1}</think>\n\nIt is \\boxed{\\frac12}."));
    CHECK(graded("so \\boxed{1/2}").reward.total == 0);                                   // never stopped thinking
    CHECK(graded("so</think>\n\n1/2").reward.reason == "no answer; format: no box after </think>");
    CHECK(graded("so</think>\\boxed{}").reward.total == 0);
    CHECK(graded("<think>so</think>\\boxed{1/2}").reward.total == 1);                     // thinks twice
    CHECK(graded("so</think>\\boxed{1/2}</think>").reward.total == 0);
    task.chat.opening = "";
    CHECK(graded("It is \\boxed{1/2}.").reward.total == 1);                               // right, without thinking
    CHECK(graded("<think>a</think> It is \\boxed{2/4}.").reward.total == 2);
    CHECK(graded("x <think>a</think> It is \\boxed{2/4}.").reward.total == 1);
}

TEST_CASE("lenient: right in whatever form the answer stands") {
    const Tokenizer t = train_tokenizer(std::vector<std::string>{"a"}, 300);
    const Task task = make_task({}, "/nowhere", t);
    const std::vector<Problem> problems = {
        problem_of(own), problem_of(R"({"prompt": "p", "rubric": [{"words_at_least": 1}, {"words_at_most": 3}]})")};
    const auto lenient = [&](const std::string& text, bool finished = true, int problem = 0) {
        const Completion completion{t.encode(text, Tags::parse), {}, finished};
        return lenient_accuracy(problems[size_t(problem)],
                                {completion, grade(task, problems[size_t(problem)], {completion})[0]});
    };
    for (const char* right : {"<think>so</think><answer>42</answer>", "<think>so</think>It is \\boxed{42}.",
                              "<think>so</think> 42", "42", "It is \\boxed{42}.", "<answer>42</answer>",
                              "<answer>1</answer> no, \\boxed{42}"})
        CHECK(lenient(right) == 1);
    for (const char* wrong :
         {"<think>42", "<think>\\boxed{42}</think> 41", "<think></think><answer>41</answer> 42", ""})
        CHECK(lenient(wrong) == 0);
    CHECK(lenient("<think>so</think> 42", false) == 0);
    CHECK(lenient("<think>so</think> We have $6 * 7 = 42$.") == 1);  // the lenient reading of mathematics
    CHECK(lenient("<think>so</think> <answer> so x = 6 \\cdot 7 = 42 </answer>") == 1);
    CHECK(lenient("<think>so</think> cats and dogs", true, 1) == 1);
    CHECK(lenient("<think>so</think> cats, dogs, fish, birds", true, 1) == 0.5f);
    // Without a reward model a general prompt is rewarded by its rubric, else by the form and by what the model says.
    const Completion cats{t.encode("<think>so</think> cats", Tags::parse), {}, true};
    const Reward by_rubric = grade(task, problems[1], {cats})[0].reward;
    CHECK((by_rubric.accuracy == 1 && by_rubric.format == 1 && by_rubric.total == 2));
    Task with_model = task;
    with_model.options.preference.helpful_model = "a folder";
    const Reward by_form = grade(with_model, problems[1], {cats})[0].reward;
    CHECK((by_form.accuracy == 1 && by_form.format == 1 && by_form.total == 1));
}

TEST_CASE("what a chat asks for is what is looked for") {
    const Tokenizer t = train_tokenizer(std::vector<std::string>{"a"}, 300);
    Task task = make_task({}, "/nowhere", t);
    task.options.prompt_template = PromptTemplate::chat;
    const Problem choice = problem_of(R"({"question": "q", "choices": ["x", "y"], "answer": 1})"),
                  zh = problem_of(R"({"prompt": "q", "reference": 1, "language": "zh"})");
    const auto asked = [&](const Problem& p, AnswerFormOption option) {
        task.options.answer_form = option;
        return t.decode(prompt_tokens(task, p));
    };
    CHECK(has(asked(choice, AnswerFormOption::automatic), "put the letter of the right option within \\boxed{}."));
    CHECK(has(asked(choice, AnswerFormOption::tags), "give the letter of the right option within <answer> </answer>"));
    CHECK(asked(problem_of(R"({"prompt": "p"})"), AnswerFormOption::boxed) == "User: p Assistant:");
    CHECK(has(asked(zh, AnswerFormOption::tags), "请先在 <think> </think> 标签内思考，再在 <answer> </answer> 标签内给出最终答案。"));
    CHECK(has(asked(zh, AnswerFormOption::automatic), "请逐步推理，并将最终答案放入 \\boxed{}。"));
}

TEST_CASE("the same answers, for the majority vote") {
    const auto same = [](const ProblemKind& kind, const std::string& a, const std::string& b) {
        const auto is_same = kind.same_as(a);
        return is_same && is_same(b);
    };
    CHECK(same(mathematics_kind, "0.5", "\\frac{1}{2}"));
    CHECK(same(mathematics_kind, "x = 3", "3"));
    CHECK(same(mathematics_kind, "Yes", "yes"));
    CHECK_FALSE(same(mathematics_kind, "0.5", "0.51"));
    CHECK_FALSE(same(mathematics_kind, "\\frac{", "\\frac{"));  // cannot be read: no vote
    CHECK(same(countdown_kind, "3 + 8 * 2", "2 * 8 + 3"));
    CHECK_FALSE(same(countdown_kind, "4 * 4", "8 + 8"));
    CHECK_FALSE(same(countdown_kind, "2 **", "2 **"));
    CHECK(same(code_kind, "print(1)", "print(1)"));
    CHECK_FALSE(same(code_kind, "print(1)", "print( 1)"));

    const auto right = [](const std::string& line, const std::vector<std::string>& answers) {
        const Problem p = problem_of(line);
        std::vector<Answer> sampled;
        for (const std::string& answer : answers) {
            Graded& g = sampled.emplace_back().graded;
            if (answer == "none") continue;
            g.answer = answer;
            g.reward.accuracy = p.grade(answer).value;
        }
        return majority_is_right(p, sampled);
    };
    CHECK(right(math, {"1", "0.5", "1/2"}));
    CHECK_FALSE(right(math, {"0.5", "1", "1.0"}));
    CHECK(right(math, {"0.5", "1"}));        // of equals the first
    CHECK_FALSE(right(math, {"1", "0.5"}));
    CHECK(right(math, {"\\frac{", "\\frac{", "none", "none", "0.5"}));
    CHECK_FALSE(right(math, {"none", "\\frac{"}));
    CHECK_FALSE(right(math, {}));
}

TEST_CASE("evaluation: the paper's protocol, and results by kind") {
    EvaluateOptions o;
    const OptionTable table = table_of(o);
    table.find("--protocol")->write("r1");
    CHECK((o.k == 64 && o.temperature == 0.6f && o.top_p == 0.95f));
    CHECK_THROWS_AS(table.find("--protocol")->write("r2"), UsageError);

    const Folder f;
    REQUIRE(shell(binary + " countdown --documents 300 --output " + f.path).status == 0);
    REQUIRE(shell(binary + " tokenizer --corpus " + f / "corpus.jsonl --output " + f / "tokenizer.json").status == 0);
    const std::string files =
        "--corpus " + f / "corpus.jsonl --tokenizer " + f / "tokenizer.json --output " + f / "base";
    REQUIRE(shell(binary + " pretrain --tokens 2000 " + files).status == 0);
    f.write("p.jsonl", countdown + "\n" + own + "\n" + countdown + "\n");
    const Result r = shell(binary + " evaluate --protocol r1 --k 2 --max-tokens 12 --model " + f / "base --problems " +
                           f / "p.jsonl --output " + f / "e.json");
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const json e = read_json(f / "e.json");
    CHECK((e["problems"] == 3 && e["answers_each"] == 2));
    CHECK((e["by_kind"]["countdown"]["problems"] == 2 && e["by_kind"]["math"]["problems"] == 1));
    CHECK(has(r.text, "countdown, 2 problems"));
}
