// The kinds of problems beyond Countdown, mathematics and code: choice, logic, and general prompts with their rubrics.
// The keys that all lines share, where answers stand, and the order of an epoch.
#include <algorithm>
#include <map>

#include "reward/logic.h"
#include "reward/rubric.h"
#include "shell.h"
#include "stages/win_rate.h"
#include "tasks/problem.h"
#include "tasks/task.h"
#include "train/epochs.h"

using namespace r1;

namespace {

Problem problem_of(const std::string& line) { return read_problem(json::parse(line), "auto", "p.jsonl line 1"); }

// What reading a line ends with: "" if it is fine.
std::string error_of(const std::string& line) {
    try {
        problem_of(line);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A line that is refused in one line, which names the file and the line.
void is_refused(const std::string& line, const std::string& what = "") {
    CAPTURE(line);
    const std::string error = error_of(line);
    CAPTURE(error);
    CHECK(has(error, ", p.jsonl line 1, "));
    CHECK(has(error, what));
    CHECK_FALSE(has(error, "\n"));
    CHECK(error.size() < 700);
}

bool is_ungradable(const std::string& line) {
    try {
        problem_of(line);
    } catch (const UngradableReference& error) {
        return has(error.what(), ", p.jsonl line 1, ");
    } catch (const Error&) {}
    return false;
}

float accuracy(const Problem& p, const std::string& answer) { return p.grade(answer).value; }

bool same(const ProblemKind& kind, const std::string& a, const std::string& b) { return kind.same_as(a)(b); }

const std::string mmlu = R"({"question": "Which is in France?", "choices": ["Rome", "Paris", "a"], "answer": 1})";
const std::string mmlu_pro =
    R"({"question_id": 70, "question": "Which?", "options": ["Rome", "Paris"], "answer": "B", "answer_index": 1})";
const std::string people =
    R"({"prompt": "Who?", "variables": {"Ann": ["knight", "knave"], "Bob": ["knight", "knave"]},)";
const std::string puzzle =
    people + R"("constraints": [["iff", ["is", "Ann", "knight"], ["different", "Ann", "Bob"]]]})";
const std::string chinese_puzzle =
    R"({"prompt": "谁？", "language": "zh", "variables": {"安": ["骑士", "骑士长"], "安娜": ["骑士", "无赖"]},)"
    R"("constraints": [["is", "安", "骑士长"], ["is", "安娜", "无赖"]]})";

}  // namespace

TEST_CASE("choice: as MMLU and MMLU-Pro have it") {
    const Problem p = problem_of(mmlu);
    CHECK(p.kind == &choice_kind);
    CHECK(p.question(PromptTemplate::plain) == "Which is in France? A) Rome B) Paris C) a");
    for (const char* right : {"B", "b", "B)", "(B)", "B.", "(b).", " B ", "Paris"}) CHECK(accuracy(p, right) == 1);
    for (const char* wrong : {"A", "(A)", "Rome", "paris", "B) Paris", "C", "D", "(B", "", "B B", ")", "(", ".", "1"})
        CHECK(accuracy(p, wrong) == 0);
    CHECK(p.grade("C").reason == "chooses C, not B");
    CHECK(p.grade("a").reason == "chooses A, not B");  // a letter, though an option reads so
    CHECK(p.grade("hm").reason == "neither a letter from A to C nor an option's text");
    CHECK(p.shown.dump() == R"({"options":3,"reference":"B"})");
    CHECK(accuracy(problem_of(mmlu_pro), "(b)") == 1);
    CHECK(accuracy(problem_of(R"({"question": "q", "choices": ["x", "x"], "answer": 1})"), "x") == 1);
    CHECK(same(choice_kind, "B", "(b)."));
    CHECK(same(choice_kind, "Paris", " Paris"));
    CHECK_FALSE(same(choice_kind, "B", "C"));
    CHECK_FALSE(same(choice_kind, "B", "Paris"));
    CHECK_FALSE(same(choice_kind, "Paris", "B"));
}

TEST_CASE("choice: lines that are none, and answers that no option is") {
    for (const char* reference : {"2", "-1", "99999999999", "\"C\"", "\"Paris\"", "\"\""})
        CHECK(is_ungradable(R"({"question": "q", "choices": ["x", "y"], "answer": )" + std::string(reference) + "}"));
    for (const char* bad :
         {R"({"question": "q", "choices": ["x"], "answer": 0})", R"({"question": "q", "choices": "xy", "answer": 0})",
          R"({"question": "q", "choices": {"text": ["x", "y"]}, "answer": 0})",
          R"({"question": "q", "choices": ["x", 3], "answer": 0})",
          R"({"question": "q", "choices": ["x", " "], "answer": 0})", R"({"question": "q", "choices": ["x", "y"]})",
          R"({"question": "q", "choices": ["x", "y"], "answer": 0.5})",
          R"({"question": "q", "choices": ["x", "y"], "answer": null})",
          R"({"question": "", "choices": ["x", "y"], "answer": 0})"})
        is_refused(bad);
    json many = {{"question", "q"}, {"choices", json::array()}, {"answer", "z"}};
    for (int i = 0; i < 26; ++i) many["choices"].push_back("option " + std::to_string(i));
    CHECK(accuracy(problem_of(many.dump()), "Z") == 1);
    many["choices"].push_back("one more");
    is_refused(many.dump(), "2 to 26 options");
}

TEST_CASE("logic: answers, and what is wrong with them") {
    const Problem p = problem_of(puzzle);
    CHECK(p.kind == &logic_kind);
    CHECK(p.question(PromptTemplate::plain) == "Who?");
    CHECK(p.shown.dump() == R"({"variables":["Ann","Bob"],"constraints":1})");
    for (const char* right : {"Ann knight Bob knave", "ann: Knight, bob: KNAVE.", "Bob=knave; Ann=knight",
                              "Ann is a knight, Bob is a knave", "\n Ann:knight\n Bob:knave\n", "Ann knave Bob knave"})
        CHECK(accuracy(p, right) == 1);
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"Ann knight, Bob knight", "constraint 1 does not hold"},
        {"Ann knight", "no value for variable 2"},
        {"Ann knight Bob", "no value for variable 2"},
        {"", "no value for variable 1"},
        {"Ann knight, Ann knave, Bob knave", "variable 1 twice"},
        {"Ann knight and Bob knave", "unreadable at character 12"},
        {"Anna knight, Bob knave", "unreadable at character 1"},
        {"Ann knightly, Bob knave", "unreadable at character 5"},
        {"Ann knight knave Bob knave", "unreadable at character 12"},
        {"Ann Bob knight knave", "unreadable at character 5"},
        {"not Ann knight Bob knave", "unreadable at character 1"},
        {"Ann knight Bob knave\xff", "unreadable at character 21"},
        {std::string(20000, ' '), "longer than 16 KiB"}};
    for (const auto& each : wrong) {
        CAPTURE(each.first);
        CHECK(accuracy(p, each.first) == 0);
        CHECK(p.grade(each.first).reason == each.second);
    }
    CHECK(p.grade("Ann knight Bob knave").reason == "all 1 constraints hold");
    CHECK(same(logic_kind, "Ann: knight, Bob: knave", "ann is a knight; bob=KNAVE."));
    CHECK_FALSE(same(logic_kind, "Ann knight Bob knave", "Ann knave Bob knave"));
}

TEST_CASE("logic: Chinese names and values, the longest first") {
    const Problem p = problem_of(chinese_puzzle);
    for (const char* right :
         {"安是骑士长，安娜是无赖", "安：骑士长；安娜：无赖。", "安娜无赖、安骑士长", "安=骑士长　安娜=无赖"})
        CHECK(accuracy(p, right) == 1);
    for (const char* wrong : {"安是骑士，安娜是无赖", "安是骑士长，安娜是骑士", "安不是骑士长，安娜是无赖"})
        CHECK(accuracy(p, wrong) == 0);
    CHECK(same(logic_kind, "安是骑士长，安娜是无赖", "安：骑士长；安娜：无赖"));
}

TEST_CASE("logic: every operator") {
    const auto count = [](const std::string& constraint) {  // of the four assignments
        const LogicPuzzle p = logic_puzzle_of(json::parse(people + "\"constraints\": [" + constraint + "]}"), "here");
        int right = 0;
        for (int a = 0; a < 2; ++a)
            for (int b = 0; b < 2; ++b) right += holds(p, p.constraints[0], {a, b});
        CHECK(satisfiable(p) == (right > 0));
        return right;
    };
    const std::string a = R"(["is", "Ann", "knight"])", b = R"(["is", "Bob", "knight"])";
    CHECK(count(a) == 2);
    CHECK(count("[\"not\", " + a + "]") == 2);
    CHECK(count("[\"and\", " + a + ", " + b + "]") == 1);
    CHECK(count("[\"and\", " + a + "]") == 2);
    CHECK(count("[\"and\", " + a + ", [\"not\", " + a + "]]") == 0);
    CHECK(count("[\"or\", " + a + ", " + b + "]") == 3);
    CHECK(count("[\"if\", " + a + ", " + b + "]") == 3);
    CHECK(count("[\"iff\", " + a + ", " + b + "]") == 2);
    CHECK(count(R"(["different", "Ann", "Bob"])") == 2);
    CHECK(count(R"(["same", "Ann", "Bob"])") == 2);
    // Values of different lists are compared as texts.
    const std::string colours = R"({"prompt": "p", "variables": {"x": ["red", "blue"], "y": ["blue", "green"]},)";
    const Problem p = problem_of(colours + R"("constraints": [["same", "x", "y"]]})");
    CHECK((accuracy(p, "x blue y blue") == 1 && accuracy(p, "x red y blue") == 0));
    CHECK(is_ungradable(people + R"("constraints": [["is", "Ann", "knave"], ["is", "Ann", "knight"]]})"));
    CHECK(is_ungradable(people + R"("constraints": [["different", "Ann", "Ann"]]})"));
}

TEST_CASE("logic: malformed puzzles are refused in one line") {
    std::string deep = R"(["is", "Ann", "knight"])";
    for (int i = 0; i < 31; ++i) deep = "[\"not\", " + deep + "]";
    CHECK(error_of(people + "\"constraints\": [" + deep + "]}").empty());
    is_refused(people + "\"constraints\": [[\"not\", " + deep + "]]}", "more than 32 deep");
    std::string wide = R"(["or")";
    for (int i = 0; i < 4096; ++i) wide += R"(, ["is", "Ann", "knight"])";
    is_refused(people + "\"constraints\": [" + wide + "]]}", "4096 parts");
    for (const char* bad : {"3",
                            "[]",
                            "\"Ann\"",
                            "[3]",
                            R"(["xor", ["is", "Ann", "knight"]])",
                            R"(["is", "Ann"])",
                            R"(["is", "Ann", "knight", "x"])",
                            R"(["is", "Eve", "knight"])",
                            R"(["is", "ann", "knight"])",
                            R"(["is", "Ann", "king"])",
                            R"(["is", 3, "knight"])",
                            R"(["is", "Ann", null])",
                            R"(["not"])",
                            R"(["not", "Ann"])",
                            R"(["and"])",
                            R"(["or", []])",
                            R"(["if", ["is", "Ann", "knight"]])",
                            R"(["different", "Ann"])",
                            R"(["same", "Ann", "knight"])",
                            R"({"is": "Ann"})",
                            "null",
                            R"(["a\nb"])"})
        is_refused(people + "\"constraints\": [" + bad + "]}");
    for (const char* bad :
         {R"({"prompt": "p", "variables": {}, "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": [], "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": {"A": []}, "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": {"A": ["b", "B"]}, "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": {"A": ["b"], "a": ["b"]}, "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": {"A": [3]}, "constraints": [["is", "A", "b"]]})",
          R"({"prompt": "p", "variables": {"A ": ["b"]}, "constraints": [["is", "A ", "b"]]})",
          R"({"prompt": "p", "variables": {"": ["b"]}, "constraints": [["is", "", "b"]]})",
          R"({"prompt": "p", "variables": {"A": ["b"]}})",
          R"({"prompt": "p", "variables": {"A": ["b"]}, "constraints": []})",
          R"({"prompt": "p", "variables": {"A": ["b"]}, "constraints": {}})",
          R"({"prompt": "p", "constraints": [["is", "A", "b"]]})",
          R"({"variables": {"A": ["b"]}, "constraints": [["is", "A", "b"]]})"})
        is_refused(bad);
    // A search that would take too long is not begun.
    json large = {{"prompt", "p"}, {"variables", json::object()}, {"constraints", json::array()}};
    for (int i = 0; i < 21; ++i) large["variables"]["v" + std::to_string(i)] = {"yes", "no"};
    large["constraints"] = {{"is", "v20", "yes"}, {"is", "v20", "no"}};
    CHECK(error_of(large.dump()).empty());
    CHECK_FALSE(satisfiable(logic_puzzle_of(large, "here")).has_value());
}

TEST_CASE("rubrics: every check") {
    const auto score = [](const std::string& rubric, const std::string& answer) {
        return rubric_score(rubric_of(json::parse(rubric), "here"), answer).score;
    };
    const std::string pets = R"([{"any": ["cat", "dog"], "at_least": 2}, {"words_at_most": 5}])";
    CHECK(score(pets, "A Cat and a DOG.") == 1);
    CHECK(score(pets, "Cats, and a dog.") == 0.75);
    CHECK(score(pets, "[cat]") == 0.75);
    CHECK(score(pets, "cat cat cat cat cat cat") == 0.25);  // the phrases are counted, not how often they stand there
    CHECK(score(R"([{"any": ["猫"]}, {"words_at_least": 4}])", "我喜欢猫") == 1);
    CHECK(score(R"([{"any": ["猫"]}, {"words_at_least": 5}])", "我喜欢猫") == 0.5);
    CHECK(score(R"([{"any": ["cat", "dog", "fish"], "at_least": 3}])", "dog, fish") == 2.0 / 3);
    CHECK(score(R"([{"any": ["cat", "dog"]}])", "cat dog") == 1);  // more than enough
    CHECK(score(R"([{"any": ["cat"]}])", "the cat是") == 1);
    CHECK(score(R"([{"any": ["cat"]}])", "concat, cat_2, catñ, ñcat") == 0);
    CHECK(score(R"([{"any": ["new york"]}])", "in New York, now") == 1);
    CHECK(score(R"([{"any": ["C++"]}])", "use c++!") == 1);
    CHECK(score(R"([{"any": ["café"]}])", "a café.") == 1);
    CHECK(score(R"([{"none": ["as an AI", "sorry"]}])", "As an AI I cannot") == 0);
    CHECK(score(R"([{"none": ["as an AI", "sorry"]}])", "Sorrywort grows") == 1);
    CHECK(score(R"([{"words_at_most": 2}])", "yes, I do. 3 times") == 0);  // yes, do, times
    CHECK(score(R"([{"words_at_most": 3}])", "yes, I do. 3 times") == 1);
    CHECK(score(R"([{"begins": ["Dear", "Hello"]}])", " dear Ann") == 1);
    CHECK(score(R"([{"begins": ["Dear"]}])", "Dearest Ann") == 0);
    CHECK(score(R"([{"ends": [".", "！"]}])", "Fine.\n") == 1);
    CHECK(score(R"([{"ends": ["end"]}])", "the bend") == 0);
    CHECK(score(R"([{"ends": ["end"]}])", "the end") == 1);
    CHECK(score(R"([{"any": ["cat"], "weight": 3}, {"none": ["dog"]}])", "dog") == 0);
    CHECK(score(R"([{"any": ["cat"], "weight": 3}, {"none": ["dog"]}])", "cat dog") == 0.75);
    CHECK(score(R"([{"any": ["cat"]}])", "") == 0);
    CHECK(score(R"([{"any": ["cat"]}])", "\xff\xfe\xc3") == 0);
    CHECK(rubric_score(rubric_of(json::parse(pets), "here"), "cat dog").reason == "all 2 checks");
    CHECK(rubric_score(rubric_of(json::parse(pets), "here"), "cat").reason == "1 of 2 checks in full");
}

TEST_CASE("rubrics that are malformed are refused in one line") {
    for (const char* bad : {"3",
                            "[]",
                            "{}",
                            "null",
                            "[3]",
                            "[{}]",
                            R"([{"weight": 1}])",
                            R"([{"any": []}])",
                            R"([{"any": "cat"}])",
                            R"([{"any": [3]}])",
                            R"([{"any": [" "]}])",
                            R"([{"any": ["a", "A"]}])",
                            R"([{"any": ["a"], "none": ["b"]}])",
                            R"([{"all": ["a"]}])",
                            R"([{"any": ["a"], "at_least": 2}])",
                            R"([{"any": ["a"], "at_least": 0}])",
                            R"([{"none": ["a"], "at_least": 1}])",
                            R"([{"words_at_most": 0}])",
                            R"([{"words_at_most": 1.5}])",
                            R"([{"words_at_most": "1"}])",
                            R"([{"words_at_least": 9999999999999}])",
                            R"([{"any": ["a"], "weight": 0}])",
                            R"([{"any": ["a"], "weight": "x"}])",
                            R"([{"a\nb": ["a"]}])"})
        is_refused(R"({"prompt": "p", "rubric": )" + std::string(bad) + "}");
}

TEST_CASE("general prompts: what they are, and what is graded") {
    const Problem p = problem_of(R"({"prompt": "Tell me about cats."})");
    CHECK((p.kind == &general_kind && p.kind->judged_by_model && p.set == "helpful" && !p.has_rubric));
    CHECK(p.question(PromptTemplate::plain) == "Tell me about cats.");
    CHECK((accuracy(p, "Cats sleep.") == 0 && p.grade("Cats sleep.").reason == "no rubric"));
    CHECK(problem_of(R"({"prompt": "p", "set": "safe"})").set == "safe");
    CHECK_FALSE(problem_of(mmlu).kind->judged_by_model);
    const Problem graded = problem_of(R"({"prompt": "p", "rubric": [{"any": ["cat", "dog"], "at_least": 2}]})");
    CHECK((graded.has_rubric && accuracy(graded, "a cat") == 0.5f));
    CHECK(same(general_kind, "a", "a"));
    CHECK_FALSE(same(general_kind, "a", "a "));
    is_refused(R"({"prompt": "p", "set": "rude"})", "\"set\"");
    is_refused(R"({"prompt": "p", "set": 3})", "\"set\"");
    is_refused(R"({"prompt": " "})");
    // A line with a key of another kind is not taken for a general prompt.
    for (const char* bad : {R"({"prompt": "p", "choices": ["a", "b"]})", R"({"prompt": "p", "target": 3})",
                            R"({"prompt": "p", "tests": 3})", R"({"prompt": "p", "variables": 3})"})
        is_refused(bad);
}

TEST_CASE("the answer of a general prompt is its summary") {
    const auto summary = [](std::string_view text) { return extract_answer(text, AnswerForm::summary); };
    CHECK(summary("<think> A cat? </think> Cats sleep.\n") == "Cats sleep.");
    CHECK(summary(" Cats sleep. ") == "Cats sleep.");
    CHECK_FALSE(summary("<think> A cat? Cats sleep.").has_value());
    CHECK(summary("a </think> b </think> c") == "c");
    CHECK(summary("<think></think> ") == "");
    const auto fault = [](std::string_view text, bool opened = false) {
        std::string why;
        const bool kept = format_ok(text, &why, opened, AnswerForm::summary);
        CHECK(kept == why.empty());
        return why;
    };
    CHECK(fault("\n<think> so </think> Cats <answer>sleep</answer>.").empty());
    CHECK(fault("so </think> Cats", true).empty());
    CHECK(fault("Cats") == "<think> is missing");
    CHECK(fault("<think> so") == "</think> is missing");
    CHECK(fault("<think> so </think> \n") == "the summary is empty");
    CHECK(fault("Hm <think> so </think> Cats") == "text before <think>");
    CHECK(fault("</think> so <think> Cats") == "the tags are not in order");
    CHECK(fault("<think> so </think> Cats </think>") == "</think> more than once");

    const Tokenizer t = train_tokenizer(std::vector<std::string>{"a"}, 300);
    Task task = make_task({}, "/nowhere", t);
    const Problem general = problem_of(R"({"prompt": "p"})"), choice = problem_of(mmlu), logic = problem_of(puzzle);
    const auto form = [&](const Problem& p, PromptTemplate prompt_template, AnswerFormOption option) {
        task.options.prompt_template = prompt_template;
        task.options.answer_form = option;
        return form_of(task, p);
    };
    for (const auto prompt_template : {PromptTemplate::plain, PromptTemplate::r1_zero, PromptTemplate::chat}) {
        const bool chat = prompt_template == PromptTemplate::chat;
        for (const auto option : {AnswerFormOption::automatic, AnswerFormOption::tags, AnswerFormOption::boxed})
            CHECK(form(general, prompt_template, option) == AnswerForm::summary);
        CHECK(form(choice, prompt_template, AnswerFormOption::tags) == AnswerForm::tags);
        CHECK(form(logic, prompt_template, AnswerFormOption::boxed) == AnswerForm::boxed);
        CHECK(form(logic, prompt_template, AnswerFormOption::automatic) == AnswerForm::tags);
        CHECK((form(choice, prompt_template, AnswerFormOption::automatic) == AnswerForm::boxed) == chat);
    }
}

TEST_CASE("keys that all problems share") {
    const auto with = [](std::string line, const std::string& keys) { return line.insert(1, keys + ", "); };
    const std::string countdown = R"({"numbers": [3, 7, 12], "target": 33})";
    for (const std::string& line : {countdown, mmlu, puzzle, std::string(R"({"prompt": "p", "reference": 1})")}) {
        const Problem bare = problem_of(line);
        CHECK((bare.language.empty() && bare.weight == 1 && bare.difficulty.empty()));
        const Problem p = problem_of(with(line, R"("language": "zh", "weight": 0.5, "difficulty": 3)"));
        CHECK((p.language == "zh" && p.weight == 0.5 && p.difficulty == "3"));
        for (const char* bad :
             {R"("language": "xx")", R"("language": "EN")", R"("language": "")", R"("language": 3)", R"("weight": 0)",
              R"("weight": -1)", R"("weight": "2")", R"("weight": 1e300)", R"("difficulty": [3])", R"("level": {})"})
            is_refused(with(line, bad));
    }
    CHECK(problem_of(with(mmlu, R"("level": "Level 5")")).difficulty == "Level 5");
    CHECK(problem_of(with(mmlu, R"("level": "Level 5", "difficulty": "hard")")).difficulty == "hard");
    CHECK(problem_of(with(mmlu, R"("level": null, "difficulty": null, "weight": null)")).difficulty.empty());
    // Of code "language" is the program's.
    const std::string code = R"({"prompt": "p", "tests": [{"output": "1"}]})";
    CHECK(problem_of(with(code, R"("language": "python")")).language.empty());
    CHECK(problem_of(with(code, R"("prompt_language": "zh")")).language == "zh");
    is_refused(with(code, R"("prompt_language": "python")"));

    Task task;
    CHECK(language_of(task, problem_of(countdown)) == "en");
    CHECK(language_of(task, problem_of(with(countdown, R"("language": "zh")"))) == "zh");
    const Folder f;
    f.write("p.jsonl", countdown + "\n\n" + mmlu + "\n");
    const ProblemSet set = read_problem_set(f / "p.jsonl");
    CHECK((set.problems[0].line == 1 && set.problems[1].line == 3));
}

TEST_CASE("Countdown in Chinese") {
    const auto asked = [](const char* line, PromptTemplate prompt_template) {
        return problem_of(line).question(prompt_template);
    };
    const char* const plain = R"({"numbers": [3, 7, 12], "target": 33, "language": "zh"})";
    CHECK(asked(plain, PromptTemplate::plain) == "用 3 7 12 得 33。");
    CHECK(asked(plain, PromptTemplate::chat) == "用数字 3、7、12 算出 33。每个数字恰好用一次，可以用 + - *。");
    CHECK(asked(R"({"nums": [3, 7], "target": 21, "language": "zh"})", PromptTemplate::r1_zero) ==
          "用数字 3、7 算出 21。每个数字恰好用一次，可以用 + - * /。");
    CHECK(asked(R"({"numbers": [3, 7, 12], "target": 33, "language": "en"})", PromptTemplate::plain) ==
          "3 7 12 make 33.");
    // The paper's full stop is left out after a Chinese one, too.
    CHECK(conversation(PromptTemplate::r1_zero, "谁？")[1].content == "谁？");
    CHECK(conversation(PromptTemplate::r1_zero, "谁")[1].content == "谁.");
}

TEST_CASE("reflective words in Chinese") {
    CHECK(reflective_words("等等，检查一下：错误。") == 3);
    CHECK(reflective_words("等，不对") == 1);
    CHECK(reflective_words("3、5 等数，等级，等于，相等") == 0);
    CHECK(reflective_words("没错，不错") == 0);
    CHECK(reflective_words("错了。等 等一下 但是不过然而重试重新检查验证核对错误") == 12);
    CHECK(reflective_words("等") == 1);
    CHECK(reflective_words("等等等") == 1);
    CHECK(reflective_words("Wait, 等一下, check 检查wait") == 4);  // English as before: the last wait is no word
    CHECK(reflective_words("\xE7\xAD\x89\xE7") == 0);
}

TEST_CASE("epochs: with weights of 1 the order is that of a permutation, to the bit") {
    const std::vector<double> weights(7, 1);
    for (const uint32_t sequence : {0u, 1u, 3u}) {
        std::vector<int> expected;
        for (uint32_t epoch = 0; epoch < 5; ++epoch)
            for (const uint32_t i : permutation(7, Stream(11, Purpose::shuffle, epoch, sequence)))
                expected.push_back(int(i));
        for (const auto& [begin, end] : {std::pair{0, 35}, {3, 11}, {7, 14}, {34, 35}, {5, 5}})
            CHECK(items_of_epochs(weights, {11, sequence}, begin, end) ==
                  std::vector<int>(expected.begin() + begin, expected.begin() + end));
    }
    CHECK(length_of_epochs(weights, {11, 0}, 5) == 35);
}

TEST_CASE("epochs: weights say how often an epoch has an item") {
    const std::vector<double> weights = {1, 2, 0.5, 2.25, 0.001};
    std::vector<int> seen(5), all;
    constexpr int epochs = 4000;
    for (uint32_t epoch = 0; epoch < epochs; ++epoch) {
        std::vector<int> times(5);
        for (const uint32_t i : epoch_of(weights, {5, 1}, epoch)) {
            ++times[i];
            ++seen[i];
            all.push_back(int(i));
        }
        REQUIRE((times[0] == 1 && times[1] == 2 && times[2] <= 1 && times[3] >= 2 && times[3] <= 3 && times[4] <= 1));
    }
    for (size_t i = 0; i < 5; ++i) CHECK(std::abs(seen[i] / double(epochs) - weights[i]) < 0.04);
    CHECK(length_of_epochs(weights, {5, 1}, epochs) == int64_t(all.size()));
    for (const auto& [begin, end] : {std::pair{0, 3}, {2, 40}, {997, 1013}})
        CHECK(items_of_epochs(weights, {5, 1}, begin, end) == std::vector<int>(all.begin() + begin, all.begin() + end));
    CHECK(items_of_epochs(weights, {6, 1}, 0, 40) != items_of_epochs(weights, {5, 1}, 0, 40));
    // Items of small weight are met, however many empty epochs pass.
    CHECK(items_of_epochs({0.001}, {5, 1}, 2, 4) == std::vector<int>{0, 0});
}

TEST_CASE("win rates: wins, ties, losses, and the interval over prompts") {
    const auto answer = [](float score) {
        Answer a;
        a.graded.reward.accuracy = score;
        return a;
    };
    const Problem p = problem_of(R"({"prompt": "p"})");
    CHECK(points_of(p, answer(0.5), answer(0.25)) == 1);
    CHECK(points_of(p, answer(0.5), answer(0.5)) == 0.5);
    CHECK(points_of(p, answer(0), answer(0.5)) == 0);
    const WinRate w = win_rate_of({{1, 0, 0, 10, 20}, {1, 0, 0, 20, 20}, {0, 1, 0, 10, 30}, {0, 0, 1, 20, 30}});
    CHECK((w.prompts == 4 && w.wins == 2 && w.ties == 1 && w.losses == 1 && w.rate == 0.625));
    CHECK((w.mean_length == 15 && w.mean_length_against == 25));
    CHECK(w.low == doctest::Approx(0.625 - 1.96 * 0.23936).epsilon(1e-4));
    CHECK(w.high == 1);
    CHECK(win_rate_of({{0, 1, 0, 1, 1}}).low == 0.5);
    // Pairs of one prompt are one draw: its rate alone decides how wide the interval is.
    const WinRate k = win_rate_of({{3, 2, 1, 60, 30}, {0, 0, 6, 60, 30}});
    CHECK((k.prompts == 2 && k.wins == 3 && k.ties == 2 && k.losses == 7));
    CHECK(k.rate == doctest::Approx((4.0 / 6 + 0) / 2));
    CHECK((k.mean_length == 10 && k.mean_length_against == 5));
    CHECK((k.low == 0 && k.high == doctest::Approx(1.0 / 3 + 1.96 / 3)));
}

// Mutations of valid lines: each is read, or refused in one line.
TEST_CASE("kinds: mutated lines are read or refused, and never crash") {
    const std::vector<std::string> lines = {
        puzzle,
        chinese_puzzle,
        mmlu,
        mmlu_pro,
        R"({"prompt": "p", "rubric": [{"any": ["cat", "dog"], "at_least": 2, "weight": 2}, {"words_at_most": 12}]})",
        R"({"prompt": "p", "rubric": [{"none": ["猫"]}, {"begins": ["a"]}, {"ends": ["."]}], "set": "safe"})"};
    const std::vector<std::string> answers = {"Ann knight Bob knave", "安是骑士长，安娜是无赖", "B", "a cat, a dog."};
    const std::string letters = "\"[]{},:0123456789-.eAnnis notandifB猫\\\x01\xff ";
    Stream random(7, Purpose::corpus, 3);
    int read = 0, refused = 0;
    const auto mutated = [&](std::string text) {
        for (uint32_t n = 1 + random.below(3); n > 0 && !text.empty(); --n) {
            const size_t at = random.below(uint32_t(text.size()));
            switch (random.below(4)) {
                case 0: text[at] = letters[random.below(uint32_t(letters.size()))]; break;
                case 1: text.erase(at, 1 + random.below(8)); break;
                case 2: text.insert(at, 1, letters[random.below(uint32_t(letters.size()))]); break;
                default: text.insert(at, text.substr(random.below(uint32_t(text.size())), 1 + random.below(30)));
            }
        }
        return text;
    };
    for (int i = 0; i < 30000; ++i) {
        const std::string text = mutated(lines[random.below(uint32_t(lines.size()))]);
        const json line = json::parse(text, nullptr, false);
        if (!line.is_object()) continue;
        try {
            const Problem p = read_problem(line, "auto", "here");
            for (const std::string& answer : answers) {
                const float value = accuracy(p, mutated(answer));
                if (!(value >= 0 && value <= 1)) FAIL("an accuracy of " << value);
            }
            ++read;
        } catch (const Error& error) {
            if (std::string(error.what()).find('\n') != std::string::npos) FAIL("more than one line: " << error.what());
            ++refused;
        }
    }
    CHECK(read > 500);
    CHECK(refused > 500);
}
