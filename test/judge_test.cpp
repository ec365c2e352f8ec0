// The judge: its prompts and verdicts as texts, orders and ties, its numbers by hand, and the command from end to end.
#include "tasks/judge.h"

#include "base/progress.h"
#include "corpus/sft_data.h"
#include "model/config.h"
#include "promises.h"
#include "shell.h"
#include "tasks/judge_lines.h"

using namespace r1;

namespace {

constexpr auto CORRECT = Correctness::correct, INCORRECT = Correctness::incorrect, UNPARSABLE = Correctness::unparsable;

Correctness said(const std::string& text) { return parse_verdict(text).correctness; }
PairVerdict better(const std::string& text) { return parse_pair_verdict(text).better; }

std::string text_of_lines(const std::vector<json>& lines) {
    std::string text;
    for (const json& line : lines) text += line.dump() + "\n";
    return text;
}

// Twelve sums, each with a right and a wrong answer and as a pair; and a small model that has learned by heart to judge
// them, and to answer them, every third of them wrongly. Made once.
struct Prepared : Folder {
    Prepared() {
        std::vector<json> labelled, problems, players;
        for (int i = 0; i < 12; ++i) {
            const int a = 1 + i % 4, b = 1 + i / 4 + i % 3, sum = a + b;
            const std::string question = std::to_string(a) + " + " + std::to_string(b);
            const std::string right = std::to_string(sum), wrong = std::to_string(i % 2 ? sum - 1 : sum + 1);
            const std::string thought = "<think> so</think><answer> ";
            labelled.push_back({{"question", question}, {"reference", right}, {"candidate", right}, {"label", true}});
            labelled.push_back({{"problem", question},
                                {"answer", sum},
                                {"response", thought + wrong + " </answer>"},
                                {"label", "incorrect"}});
            if (i % 2) labelled.push_back({{"prompt", question}, {"chosen", right}, {"rejected", wrong}});
            else labelled.push_back({{"question", question}, {"a", wrong}, {"b", right}, {"label", "B"}});
            problems.push_back({{"prompt", question}, {"reference", right}});
            const std::string& said = i % 3 ? right : wrong;
            players.push_back({{"prompt", question}, {"response", thought + said + " </answer>"}});
        }
        write("labelled.jsonl", text_of_lines(labelled));
        write("problems.jsonl", text_of_lines(problems));
        run("judge --examples " + *this / "labelled.jsonl --output " + *this / "examples.jsonl");
        std::vector<json> examples = lines_of(*this / "examples.jsonl"), corpus;
        examples.insert(examples.end(), players.begin(), players.end());
        write("train.jsonl", text_of_lines(examples));
        for (const json& e : examples)
            corpus.push_back({{"text", "User: " + e["prompt"].get<std::string>() +
                                           " Assistant: " + e["response"].get<std::string>()}});
        write("corpus.jsonl", text_of_lines(corpus));
        Config c = tiny_config();
        c.vocab_size = 448;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        run("tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json");
        run("pretrain --tokens 20000 --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
            *this / "tokenizer.json --output " + *this / "base");
        run("sft --template plain --steps 400 --batch 12 --lr 0.005 --model " + *this / "base --data " +
            *this / "train.jsonl --output " + *this / "model");
    }
    static void run(const std::string& command) {
        const Result r = shell(binary + " " + command);
        INFO(command << "\n" << r.text);
        REQUIRE(r.status == 0);
    }
    std::string judge(const std::string& more) const { return binary + " judge --model " + *this / "model " + more; }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

}  // namespace

TEST_CASE("judge: what is asked and answered, word for word") {
    CHECK(judge_question(" 2 + 3 ", "5", "<think> 6? no </think> It is 5. ") ==
          "Is the candidate's answer correct? The reference is.\n[Question]\n2 + 3\n[Reference]\n5\n[Candidate]\nIt is "
          "5.\n[End]\nReply in JSON: {\"analysis\": \"why\", \"correctness\": \"correct\" or \"incorrect\"}");
    CHECK(judge_pair_question("2 + 3", "a</think>5", "6").find("[Answer A]\n5\n[Answer B]\n6\n[End]\n") !=
          std::string::npos);
    CHECK(without_thinking("<think>a</think>b</think> c ") == "c");
    CHECK(without_thinking("<think>a") == "<think>a");
    CHECK(without_thinking("<think>a</think> <answer> 5 </answer>") == "5");
    CHECK(without_thinking("<answer>") == "<answer>");
    CHECK(without_thinking("<answer>1</answer> <answer>2</answer>") == "<answer>1</answer> <answer>2</answer>");
    CHECK(verdict_text("5 is \"not\" 6.", false) ==
          "{\"analysis\": \"5 is \\\"not\\\" 6.\", \"correctness\": \"incorrect\"}");
    CHECK(pair_verdict_text("", PairVerdict::tie) == "{\"analysis\": \"\", \"better\": \"tie\"}");
    CHECK(parse_verdict(verdict_text("\\frac{1}{2} \n\"{\"", true)) == AnswerVerdict{CORRECT, "\\frac{1}{2} \n\"{\""});
    for (const PairVerdict v : {PairVerdict::a, PairVerdict::b, PairVerdict::tie})
        CHECK(parse_pair_verdict(pair_verdict_text("why", v)) == PairReading{v, "why"});
}

TEST_CASE("judge: verdicts that can be read, and those that cannot") {
    const std::vector<std::pair<std::string, Correctness>> table = {
        {R"({"analysis": "x", "correctness": "correct"})", CORRECT},
        {R"({"correctness":"INCORRECT"})", INCORRECT},
        {R"({"correctness": " Correct "})", CORRECT},
        {R"({"correctness": true})", CORRECT},
        {R"({"correctness": false, "analysis": 3})", INCORRECT},
        {"```json\n{\"analysis\": \"x\",\n \"correctness\": \"incorrect\"}\n```\nDone.", INCORRECT},
        {R"(<think>{"correctness": "correct"}</think>{"correctness": "incorrect"})", INCORRECT},
        {R"({"correctness": "correct"} no: {"correctness": "incorrect"})", INCORRECT},
        {R"(Of {1, 2} and {"a": {"correctness": "correct"}}: {"correctness": "incorrect"} {)", INCORRECT},
        {R"({"analysis": "the set {} of {\"correctness\": \"correct\"}", "correctness": "incorrect"})", INCORRECT},
        {"{\"analysis\": \"\\sqrt{2}\nis \\frac{1}{2}\", \"correctness\": \"correct\"}", CORRECT},
        {R"(a stray " and {"correctness": "correct"})", CORRECT},
        {R"({ a stray quote " {"correctness": "correct"})", CORRECT},
        {"", UNPARSABLE},
        {"correct", UNPARSABLE},
        {R"("correct")", UNPARSABLE},
        {R"({"correctness": "correct")", UNPARSABLE},
        {R"({"correctness": "correct"} {"note": 1})", UNPARSABLE},
        {R"({"verdict": {"correctness": "correct"}})", UNPARSABLE},
        {R"([{"correctness": "partly"}])", UNPARSABLE},
        {R"({"correctness": 1})", UNPARSABLE},
        {R"({"correctness": null})", UNPARSABLE},
        {R"({"correctness": ["correct"]})", UNPARSABLE},
        {R"({"correctness": "not correct"})", UNPARSABLE},
        {R"({"correctness": "correct or incorrect"})", UNPARSABLE},
        {R"({"correctness": "correct", "correctness": "incorrect"})", UNPARSABLE},
        {R"({"Correctness": "correct"})", UNPARSABLE},
        {R"(<think>so {"correctness": "correct"})", UNPARSABLE},
        {R"({"correctness": "correct"}</think>)", UNPARSABLE},
        {"{\"correctness\": \"correct\", \"analysis\": \"\xff\"}", UNPARSABLE},
    };
    for (const auto& row : table) {
        CAPTURE(row.first);
        CHECK(said(row.first) == row.second);
    }
    CHECK(parse_verdict("{\"analysis\": \"\\sqrt{2}\nis\", \"correctness\": true}").analysis == "\\sqrt{2}\nis");
    CHECK(parse_verdict(R"({"analysis": "\q \"", "correctness": true})").analysis == "\\q \"");
}

TEST_CASE("judge: verdicts on pairs, in JSON and in Arena-Hard's brackets") {
    constexpr auto A = PairVerdict::a, B = PairVerdict::b, TIE = PairVerdict::tie, NONE = PairVerdict::unparsable;
    const std::vector<std::pair<std::string, PairVerdict>> table = {
        {R"({"analysis": "", "better": "A"})", A},
        {R"({"better": "b"})", B},
        {R"({"better": "TIE"})", TIE},
        {"My verdict is: [[A>>B]]", A},
        {"[[A>B]]", A},
        {"[[A]]", A},
        {"[[B>>A]]", B},
        {"[[A<B]]", B},
        {"[[ B ]]", B},
        {"[[A=B]]", TIE},
        {"[[C]]", TIE},
        {"[[A>B]] or, once more, [[A>>B]]", A},
        {"<think>[[A]]</think>[[B]]", B},
        {R"({"note": "[[A]]"})", A},
        {R"([[A]] {"better": "B"})", B},
        {"[[A]] no [[B]]", NONE},
        {"[[A>C]]", NONE},
        {"[[A]", NONE},
        {"A", NONE},
        {"", NONE},
        {"<think>[[A]]", NONE},
        {R"({"better": "neither"} [[A]])", NONE},
        {R"({"better": true})", NONE},
    };
    for (const auto& row : table) {
        CAPTURE(row.first);
        CHECK(better(row.first) == row.second);
    }
}

TEST_CASE("judge: any bytes are read in bounded time") {
    const std::string verdict = verdict_text("x", true);
    const auto times = [](const std::string& text, int n) {
        std::string all;
        for (int i = 0; i < n; ++i) all += text;
        return all;
    };
    CHECK(said(times("{", 100000)) == UNPARSABLE);
    CHECK(said(times("{", 63) + times("}", 63)) == UNPARSABLE);
    CHECK(said(R"({"a": )" + times("[", 100) + times("]", 100) + "}") == UNPARSABLE);
    CHECK(said(R"({"a": )" + times("[", 100000) + "}") == UNPARSABLE);
    const double begin = seconds_now();
    for (const char* piece : {"{\"\\\"", "{\"", "{}", "{[", "{\\", "[[A", "\"}{", "{1}", "{\"a\":{}}", "[["}) {
        said(times(piece, 200000));
        better(times(piece, 200000));
    }
    CHECK(seconds_now() - begin < 60);                         // a quadratic reader takes hours
    CHECK(said(times("x", 1 << 21) + verdict) == UNPARSABLE);  // more than a megabyte
    CHECK(said(times("\\frac{1}{2} ", 20000) + verdict) == CORRECT);
    // Cut short anywhere, and with bytes put in.
    for (size_t n = 0; n < verdict.size(); ++n) CHECK(said(verdict.substr(0, n)) == UNPARSABLE);
    Stream random(1, Purpose::problems, 0);
    const std::string alphabet = "{}[]\"\\:,truefalsABncoi \n\xe2\x80\xff<>=/";
    for (int round = 0; round < 20000; ++round) {
        std::string text = random.chance(0.5f) ? verdict : "";
        for (uint32_t i = random.below(30); i > 0; --i)
            text.insert(text.begin() + random.below(uint32_t(text.size() + 1)),
                        alphabet[random.below(uint32_t(alphabet.size()))]);
        said(text);
        better(text);
    }
}

TEST_CASE("judge: both orders of a pair, and votes") {
    using P = PairVerdict;
    const auto both = [](P given, P other_way) { return joined({given, "given"}, {other_way, "other"}); };
    CHECK(both(P::a, P::b).better == P::a);
    CHECK_FALSE(both(P::a, P::b).flipped);
    CHECK(both(P::a, P::b).second == P::a);
    CHECK(both(P::b, P::a).better == P::b);
    CHECK(both(P::tie, P::tie).better == P::tie);
    CHECK_FALSE(both(P::tie, P::tie).flipped);
    CHECK(both(P::a, P::b).analysis == "given");
    for (const auto& [given, other_way] : {std::pair{P::a, P::a},
                                           {P::b, P::b},
                                           {P::a, P::tie},
                                           {P::tie, P::a},
                                           {P::a, P::unparsable},
                                           {P::unparsable, P::b}}) {
        CHECK(both(given, other_way).better == P::tie);
        CHECK(both(given, other_way).flipped);
    }
    CHECK(both(P::unparsable, P::unparsable).better == P::unparsable);
    CHECK_FALSE(both(P::unparsable, P::unparsable).flipped);

    const std::string yes = verdict_text("yes", true), no = verdict_text("no", false), x = "hm";
    CHECK(majority({yes, no, yes}) == AnswerVerdict{CORRECT, "yes"});
    CHECK(majority({yes, no}) == AnswerVerdict{INCORRECT, "no"});
    CHECK(majority({x, yes, x}) == AnswerVerdict{CORRECT, "yes"});
    CHECK(majority({x, x}).correctness == UNPARSABLE);
    CHECK(majority({}).correctness == UNPARSABLE);
    const std::string a = pair_verdict_text("a", P::a), b = pair_verdict_text("b", P::b);
    CHECK(pair_majority({a, b, b, x}) == PairReading{P::b, "b"});
    CHECK(pair_majority({a, b}) == PairReading{P::tie, ""});
    CHECK(pair_majority({x, "[[C]]", a, a}) == PairReading{P::a, "a"});
    CHECK(pair_majority({x}).better == P::unparsable);
}

TEST_CASE("judge: its prompt is to the token what r1 sft learns from") {
    const Folder f;
    const json golden = read_json(std::string(R1_SOURCE) + "/reference/golden/chat.json");
    f.write("tokenizer.json", golden["tokenizer"].dump());
    const Tokenizer tokenizer = Tokenizer::load(f / "tokenizer.json");
    ChatTemplate deepseek;
    deepseek.family = ChatFamily::deepseek;
    deepseek.bos = "<｜begin▁of▁sentence｜>";
    deepseek.end = "<｜end▁of▁sentence｜>";
    deepseek.thinking = Thinking::goes;
    ChatTemplate opened = deepseek, chatml;
    opened.opening = "<think>\n";
    chatml.family = ChatFamily::chatml;
    chatml.end = "<|im_end|>";
    chatml.system = "You are helpful.";
    const std::string question = judge_question("2 + 3 <think> <|im_end|>?", "5", "<think> a </think> It is 6.");
    for (const bool plain : {true, false})
        for (const ChatTemplate& chat : {deepseek, opened, chatml}) {
            Task task;
            task.tokenizer = &tokenizer;
            task.options.prompt_template = plain ? PromptTemplate::plain : PromptTemplate::chat;
            task.chat = plain ? plain_template(tokenizer) : chat;
            const std::string begun = plain ? "" : chat.opening;
            f.write("sft.jsonl", json({{"prompt", question}, {"response", begun + verdict_text("no", false)}}).dump());
            SftDataOptions options;
            options.chat_template = chat;
            options.prompt_template = task.options.prompt_template;
            options.vocab_size = tokenizer.size();
            const SftExample example = read_sft_data(f / "sft.jsonl", tokenizer, options).examples.at(0);
            const auto first = std::find(example.mask.begin(), example.mask.end(), 1);
            const std::vector<int> before(example.tokens.begin(),
                                          example.tokens.begin() + (first - example.mask.begin()));
            CHECK(before.size() > 20);
            CHECK(question_tokens(task, question) == before);
        }
}

TEST_CASE("judge: the numbers, by hand") {
    const Folder f;
    const auto read = [&](const std::vector<json>& lines) {
        f.write("l.jsonl", text_of_lines(lines));
        return read_judge_lines(f / "l.jsonl");
    };
    const json q = {{"question", "q"}, {"reference", "r"}, {"candidate", "c"}};
    std::vector<json> lines;
    for (const json& label : {json(true), json("Correct"), json(true), json(false), json("incorrect"), json()}) {
        lines.push_back(q);
        lines.back()["label"] = label;
    }
    const std::vector<JudgeLine> answers = read(lines);
    CHECK_FALSE(answers[5].labelled());
    const std::vector<Correctness> said = {CORRECT, INCORRECT, UNPARSABLE, CORRECT, INCORRECT, CORRECT};
    JudgeSummary s;
    for (size_t i = 0; i < said.size(); ++i) s.answers.add(answers[i], {said[i], ""});

    using P = PairVerdict;
    struct Row {
        const char *a, *b, *label;
        P given, other_way;  // of the prompt as it is shown: A is what stands first
    };
    const std::vector<Row> rows = {{"long", "b", "a", P::a, P::b},               // the longer, rightly
                                   {"a", "long", "a", P::b, P::a},               // the longer, wrongly
                                   {"a", "<think>x</think>b", "b", P::b, P::a},  // of equal length
                                   {"a", "b", "tie", P::a, P::a},                // flipped, and so a tie
                                   {"long", "b", "B", P::unparsable, P::a},      // the same: b where b is first
                                   {"long", "b", "b", P::unparsable, P::unparsable}};
    lines.clear();
    for (const Row& row : rows) lines.push_back({{"question", "q"}, {"a", row.a}, {"b", row.b}, {"label", row.label}});
    const std::vector<JudgeLine> pairs = read(lines);
    for (size_t i = 0; i < rows.size(); ++i)
        s.pairs.add(pairs[i], joined({rows[i].given, ""}, {rows[i].other_way, ""}));

    const json out = summary_to_json(s), &a = out["answers"], &p = out["pairs"];
    const auto share = [](int n, int of) { return json{{"n", n}, {"of", of}, {"share", rounded(double(n) / of)}}; };
    CHECK(a["judged"] == 6);
    CHECK(a["correct"] == 3);
    CHECK(a["incorrect"] == 2);
    CHECK(a["unparsable"] == 1);
    CHECK(a["labelled"] == 5);
    CHECK(a["accuracy"] == 0.4);
    CHECK(a["accuracy_interval"] == json({0.117618, 0.76928}));  // Wilson's of 2 of 5
    CHECK(a["false_positives"] == share(1, 2));
    CHECK(a["false_negatives"] == share(1, 3));
    CHECK(p["judged"] == 6);
    CHECK((p["A"] == 1 && p["B"] == 2 && p["ties"] == 2 && p["unparsable"] == 1));
    CHECK(p["flips"] == share(2, 6));
    CHECK(p["first_place"] == share(6, 9));
    CHECK(p["labelled"] == 6);
    CHECK(p["accuracy"] == 0.5);
    CHECK(p["longer"] == share(2, 2));
    CHECK(p["longer_by_labels"] == share(1, 4));
    CHECK(in_words(s).find("accuracy 40.0 % (2 of 5), 95 % interval 11.8 to 76.9") != std::string::npos);
    CHECK(in_words(s).find("preferred 100.0 % (2 of 2), by the labels 25.0 % (1 of 4)") != std::string::npos);
    CHECK(Proportion{0, 0}.high() == 0);
    CHECK(Proportion{5, 5}.high() == 1);
    CHECK(rounded(Proportion{5, 5}.low()) == 0.565509);
}

TEST_CASE("judge: the command judges what it has learned to, the same whatever is beside it") {
    const Prepared& p = prepared();
    const Result r = shell(p.judge("--evaluate --data " + p / "labelled.jsonl --output " + p / "out.jsonl"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const json summary = read_json(p / "out.jsonl.summary");
    CHECK(summary["answers"]["labelled"] == 24);
    CHECK(summary["answers"]["accuracy"] >= 0.9);
    CHECK(summary["pairs"]["labelled"] == 12);
    CHECK(summary["pairs"]["accuracy"] >= 0.6);
    CHECK(r.text.find("24 answers: ") != std::string::npos);
    CHECK(r.text.find("12 pairs: A ") != std::string::npos);
    const std::vector<json> out = lines_of(p / "out.jsonl");
    REQUIRE(out.size() == 36);
    CHECK(out[0]["question"] == "1 + 1");
    CHECK(out[0]["correctness"] == "correct");
    CHECK(out[0]["analysis"] == "2 - 2 = 0.");
    CHECK(out[1]["correctness"] == "incorrect");
    for (const char* key : {"analysis", "better", "better_as_given", "better_swapped", "flipped"})
        CHECK(out[2].contains(key));

    // Every second line, in other slots: the same verdicts, also where they are drawn at random.
    for (const std::string how : {"", "--judge-temperature 2 --judge-samples 3 "}) {
        REQUIRE(shell(p.judge(how + "--overwrite --data " + p / "labelled.jsonl --output " + p / "out.jsonl")).status ==
                0);
        REQUIRE(shell("awk 'NR % 2' " + p / "labelled.jsonl > " + p / "half.jsonl").status == 0);
        REQUIRE(shell(p.judge(how + "--judge-slots 3 --threads 1 --overwrite --data " + p / "half.jsonl --output " +
                              p / "half.out"))
                    .status == 0);
        REQUIRE(shell("awk 'NR % 2' " + p / "out.jsonl > " + p / "expected.out").status == 0);
        CHECK(read_file(p / "half.out") == read_file(p / "expected.out"));
    }
    const std::string drawn = read_file(p / "out.jsonl");
    const std::string again = "--judge-temperature 2 --judge-samples 3 --overwrite --data " + p / "labelled.jsonl" +
                              " --output " + p / "out.jsonl --judge-seed ";
    REQUIRE(shell(p.judge(again + "2")).status == 0);
    CHECK(read_file(p / "out.jsonl") != drawn);
    REQUIRE(shell(p.judge(again + "1")).status == 0);
    CHECK(read_file(p / "out.jsonl") == drawn);

    // What does not fit, or is cut short, is unparsable.
    std::string digits(3000, '7');
    p.write("long.jsonl", text_of_lines({{{"question", digits}, {"reference", "1"}, {"candidate", "1"}},
                                         {{"question", digits}, {"a", "1"}, {"b", "1"}}}));
    REQUIRE(shell(p.judge("--overwrite --data " + p / "long.jsonl --output " + p / "out.jsonl")).status == 0);
    CHECK(read_json(p / "out.jsonl.summary")["answers"]["unparsable"] == 1);
    CHECK(read_json(p / "out.jsonl.summary")["pairs"]["unparsable"] == 1);
    const Result cut = shell(p.judge("--judge-max-tokens 3 --data " + p / "labelled.jsonl"));
    CHECK(cut.text.find("24 answers: 0 correct, 0 incorrect, 24 unparsable") != std::string::npos);
    const Result stopped = stop_after(p.judge("--judge-slots 1 --threads 1 --judge-samples 100 --data " +
                                              p / "labelled.jsonl --output " + p / "s.jsonl"),
                                      p / "s.jsonl", 4, "INT");
    CAPTURE(stopped.text);
    CHECK(stopped.status == 130);
    CHECK(stopped.text.find("stopped after ") != std::string::npos);
    const json some = read_json(p / "s.jsonl.summary");
    const int64_t judged = some["answers"]["judged"].get<int64_t>() + some["pairs"]["judged"].get<int64_t>();
    CHECK(judged == int64_t(lines_of(p / "s.jsonl").size()));
    CHECK(judged >= 4);
    CHECK(judged < 36);
}

TEST_CASE("judge: the tokens that it is asked with are those of the examples that it learned from") {
    const Prepared& p = prepared();
    const std::unique_ptr<Judge> judge = make_judge(p / "model", {}, cpu_ops("generic"));
    SftDataOptions options;
    options.prompt_template = PromptTemplate::plain;
    options.vocab_size = judge->folder.tokenizer.size();
    const SftData data = read_sft_data(p / "examples.jsonl", judge->folder.tokenizer, options);
    const std::vector<json> examples = lines_of(p / "examples.jsonl");
    REQUIRE(data.examples.size() == 48);
    for (size_t i = 0; i < examples.size(); ++i) {
        const std::vector<int> prompt = judge_prompt(*judge, examples[i]["prompt"]);
        const SftExample& e = data.examples[i];
        REQUIRE(prompt.size() < e.tokens.size());
        CHECK(std::equal(prompt.begin(), prompt.end(), e.tokens.begin()));
        CHECK(e.mask[prompt.size()] == 1);
        CHECK(e.mask[prompt.size() - 1] == 0);
    }
    // Equal asks are answered equally, and no asks are no verdicts.
    const std::vector<JudgeAsk> asks = {{"1 + 1", "2", "2"}, {"1 + 1", "2", "3"}, {"1 + 1", "2", "2"}};
    const std::vector<AnswerVerdict> verdicts = judge_answers(*judge, asks);
    CHECK(verdicts[0] == verdicts[2]);
    CHECK(verdicts[0].correctness == CORRECT);
    CHECK(verdicts[1].correctness == INCORRECT);
    CHECK(judge_answers(*judge, {}).empty());
    CHECK(judge_pairs(*judge, {}).empty());
}

TEST_CASE("judge: rejection sampling takes its verdict in place of the rule's") {
    const Prepared& p = prepared();
    const auto rejection = [&](const std::string& output, const std::string& more) {
        return binary + " rejection --model " + p / "model --judge " + p / "model --problems " +
               p / "problems.jsonl --samples 6 --max-tokens 40 --output " + p / output + " " + more;
    };
    const Result r = shell(rejection("kept.jsonl", ""));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const std::vector<json> kept = lines_of(p / "kept.jsonl"), rejected = lines_of(p / "kept.jsonl.rejected");
    CHECK(kept.size() >= 6);
    CHECK(kept.size() + rejected.size() == 72);
    // The verdicts are those of r1 judge on the same answers.
    std::vector<json> asked, said;
    for (const json& line : kept) {
        CHECK(line["correctness"] == json({true}));
        asked.push_back(
            {{"question", line["problem"]}, {"reference", line["answer"]}, {"candidate", line["generations"][0]}});
        said.push_back({"correct", line["judge_analysis"]});
    }
    int wrong = 0;
    for (const json& line : rejected) {
        if (!line.contains("correctness")) continue;
        wrong += line["reason"] == "wrong";
        CHECK((line["accuracy"] == 1) == (line["correctness"] == "correct"));
        for (const json& problem : lines_of(p / "problems.jsonl"))
            if (problem["prompt"] == line["problem"]) {
                asked.push_back({{"question", line["problem"]},
                                 {"reference", problem["reference"]},
                                 {"candidate", line["generation"]}});
                said.push_back({line["correctness"], line["judge_analysis"]});
                break;
            }
    }
    CHECK(wrong > 6);
    p.write("asked.jsonl", text_of_lines(asked));
    REQUIRE(shell(p.judge("--data " + p / "asked.jsonl --output " + p / "asked.out")).status == 0);
    const std::vector<json> judged = lines_of(p / "asked.out");
    for (size_t i = 0; i < judged.size(); ++i)
        CHECK(json({judged[i]["correctness"], judged[i]["analysis"]}) == said[i]);

    // The same bytes in other rounds and slots, and after a stop; another judge is not the same run.
    const std::string drawn = "--judge-temperature 1.2 --judge-samples 3 ";
    REQUIRE(shell(rejection("a.jsonl", drawn)).status == 0);
    REQUIRE(shell(rejection("b.jsonl", drawn + "--save-every 5 --judge-slots 2 --slots 3 --threads 1")).status == 0);
    for (const char* file : {"", ".rejected", ".funnel"})
        CHECK(read_file(p / ("a.jsonl" + std::string(file))) == read_file(p / ("b.jsonl" + std::string(file))));
    CHECK(shell(rejection("a.jsonl", drawn + "--resume")).status == 0);
    refuses(rejection("a.jsonl", "--resume"), 2, "the run began with --judge-temperature", "--resume");
    refuses(rejection("a.jsonl", drawn + "--resume --judge " + p / "base"), 2, "--judge", "--resume");

    // A verdict that cannot be read is never a yes. A reference that no rule can grade can be judged.
    REQUIRE(shell(rejection("c.jsonl", "--judge-max-tokens 3")).status == 0);
    const json funnel = read_json(p / "c.jsonl.funnel");
    CHECK(funnel["kept"] == 0);
    CHECK(funnel["right"] == 0);
    CHECK(funnel["rejected"]["unparsable verdict"] == funnel["finished"]);
    p.write("proofs.jsonl", R"({"problem": "1 + 1", "solution": "Clearly two."})"
                            "\n");
    const std::string proofs = binary + " rejection --samples 2 --max-tokens 40 --model " + p / "model --problems " +
                               p / "proofs.jsonl --output " + p / "d.jsonl";
    refuses(proofs, 1, "no other line is left");
    REQUIRE(shell(proofs + " --judge " + p / "model").status == 0);
    CHECK(read_json(p / "d.jsonl.funnel")["sampled"] == 2);
    p.write("countdown.jsonl", R"({"numbers": [1, 2], "target": 3})"
                               "\n");
    refuses(binary + " rejection --model " + p / "model --judge " + p / "model --problems " + p / "countdown.jsonl" +
                " --output " + p / "e.jsonl",
            2, "no problem with a reference", "--judge");
}

TEST_CASE("judge: bad input is one line") {
    const Folder f;
    const auto judge = [&](const std::string& line, const std::string& more) {
        f.write("bad.jsonl",
                "{\"question\": \"q\", \"reference\": 1, \"candidate\": \"1\", \"label\": true}\n" + line + "\n");
        return binary + " judge --data " + f / "bad.jsonl --model /nowhere " + more;
    };
    refuses(judge("{\"question\": \"q\"}", ""), 1, "no \"reference\"", "line 2");
    refuses(judge(R"({"question": "q", "a": "x"})", ""), 1, "no \"reference\"", "line 2");
    refuses(judge(R"({"reference": "q", "candidate": "x"})", ""), 1, "no \"question\"", "line 2");
    refuses(judge(R"({"question": "q", "a": "x", "b": ["y"]})", ""), 1, "\"b\" is no text", "line 2");
    refuses(judge(R"({"question": "q", "a": "x", "b": "y", "label": "c"})", ""), 1, "a label that is none", "line 2");
    refuses(judge(R"({"question": "q", "reference": "x", "candidate": "y", "label": 1})", ""), 1,
            "a label that is none", "line 2");
    refuses(judge(R"({"question": "q", "a": "x", "b": "y"})", "--evaluate"), 1, "a line without a label", "line 2");
    refuses(judge("[1]", ""), 1, "not a JSON object", "line 2");
    refuses(judge("", ""), 1, "no model here", "/nowhere");
    refuses(judge("", "--output " + f / "bad.jsonl"), 2, "the same place as --data, --output");
    f.write("there.jsonl", "");
    refuses(judge("", "--output " + f / "there.jsonl"), 2, "there already", "--overwrite");
    refuses(judge("", "--judge-template none"), 2, "no choice", "--judge-template");
    refuses(judge("", "--judge-samples 0"), 2, "out of range", "--judge-samples");
    refuses(binary + " judge --data " + f / "bad.jsonl", 2, "no model that judges", "--model");
    refuses(binary + " judge --model x", 2, "nothing to judge", "--data");
    refuses(binary + " judge --data " + f / "there.jsonl --model x", 1, "nothing to judge", "there.jsonl");
    refuses(binary + " judge --examples " + f / "bad.jsonl", 2, "no place for the examples", "--output");
    refuses(judge("", "--examples " + f / "bad.jsonl"), 2, "both --data and --examples");
    refuses(binary + " judge --examples /nowhere --output " + f / "x", 1, "cannot open the file", "/nowhere");
    f.write("bare.jsonl", R"({"question": "q", "reference": "1", "candidate": "1"})");
    refuses(binary + " judge --examples " + f / "bare.jsonl --output " + f / "x", 1, "a line without a label",
            "line 1");
    CHECK_FALSE(exists(f / "x"));
}

TEST_CASE("judge: examples have the line's own analysis, or a sentence made by rule") {
    const Folder f;
    const std::vector<json> lines = {
        {{"question", "q"}, {"reference", "so \\boxed{5}"}, {"candidate", "#### 6"}, {"label", false}},
        {{"question", "q"}, {"reference", "5"}, {"candidate", std::string(99, 'x')}, {"label", false}},
        {{"question", "q"}, {"reference", "5"}, {"candidate", "5"}, {"label", true}, {"analysis", "It is."}},
        {{"question", "q"}, {"a", "x"}, {"b", "y"}, {"label", "tie"}},
        {{"question", "q"}, {"a", "x"}, {"b", "y"}, {"label", "a"}, {"analysis", "A is x."}},
        {{"prompt", "q"}, {"chosen", "x"}, {"rejected", "y"}}};
    f.write("l.jsonl", text_of_lines(lines));
    std::vector<json> all;
    for (const JudgeLine& line : read_judge_lines(f / "l.jsonl"))
        for (const json& example : judge_examples(line)) all.push_back(example);
    REQUIRE(all.size() == 8);
    CHECK(all[0]["prompt"] == judge_question("q", "so \\boxed{5}", "#### 6"));
    CHECK(all[0]["response"] == verdict_text("6 - 5 = 1.", false));
    CHECK(all[1]["response"] == verdict_text("The candidate does not agree with the reference.", false));
    CHECK(all[2]["response"] == verdict_text("It is.", true));
    CHECK(all[3]["response"] == pair_verdict_text("Neither is better.", PairVerdict::tie));
    CHECK(all[4]["prompt"] == judge_pair_question("q", "y", "x"));
    CHECK(all[5]["response"] == pair_verdict_text("A is x.", PairVerdict::a));
    CHECK(all[6]["prompt"] == judge_pair_question("q", "x", "y"));
    CHECK(all[6]["response"] == pair_verdict_text("A is better.", PairVerdict::a));
    CHECK(all[7]["response"] == pair_verdict_text("B is better.", PairVerdict::b));
}
