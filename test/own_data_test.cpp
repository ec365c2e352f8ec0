// One's own texts, from a folder to a model that chats, by the commands that the README prints; answers made elsewhere;
// options from a file.
#include <map>
#include <sstream>

#include "model/config.h"
#include "promises.h"
#include "shell.h"
#include "text/tokenizer.h"

using namespace r1;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The commands of the README's block that begins with `first`.
std::vector<std::string> commands_from(const std::string& first) {
    const std::string readme = read_file(std::string(R1_SOURCE) + "/README.md");
    const size_t begin = readme.find("```\n" + first);
    REQUIRE(begin != std::string::npos);
    std::istringstream block(readme.substr(begin + 4, readme.find("```", begin + 4) - begin - 4));
    std::vector<std::string> commands;
    for (std::string line; std::getline(block, line);) commands.push_back(line);
    return commands;
}

}  // namespace

TEST_CASE("own data: the README's eight commands, as they stand, on a small text") {
    const Folder f;
    REQUIRE(shell("mkdir " + f / "texts").status == 0);
    std::string story, questions;
    for (int i = 0; i < 400; ++i)
        story += "Once there was a number " + std::to_string(i) + ", and after it came " + std::to_string(i + 1) + ". ";
    for (int i = 0; i < 40; ++i)
        questions += R"({"messages": [{"role": "user", "content": "What comes after )" + std::to_string(i) +
                     R"(?"}, {"role": "assistant", "content": ")" + std::to_string(i + 1) + "\"}]}\n";
    f.write("texts/story.txt", story);
    f.write("texts/lines.jsonl", "{\"text\": \"Once there was a line.\"}\n{\"text\": \"And another one.\"}\n");
    f.write("held-out.txt", "Once there was a number 900, and after it came 901. ");
    f.write("more.txt", story.substr(0, 4000));
    f.write("conversations.jsonl", questions);
    f.write("conversations.test.jsonl", questions.substr(0, questions.find('\n') + 1));
    f.write("problems.jsonl", "{\"prompt\": \"What comes after 7?\", \"reference\": \"8\"}\n");
    const std::vector<std::string> commands = commands_from("r1 tokenizer --corpus texts");
    CHECK(commands.size() == 8);
    for (std::string command : commands) {
        REQUIRE(command.starts_with("r1 "));
#ifdef R1_SANITIZED  // which is too slow for so many tokens
        const size_t tokens = command.find("--tokens 200k --evaluate-every 50");
        if (tokens != std::string::npos) command.replace(tokens, 33, "--tokens 8k --evaluate-every 2");
#endif
        const Result r = shell("cd " + f.path + " && echo 'What comes after 7?' | " + binary + command.substr(2));
        CAPTURE(command);
        CAPTURE(r.text);
        REQUIRE(r.status == 0);
        if (command.starts_with("r1 pretrain --corpus"))  // one sequence would see 513 tokens of the story
            CHECK(has(r.text, "1 longer than the model reads cut into pieces"));
    }
    // What is held out is learned, too, and the best model stands beside the last.
    std::vector<double> losses;
    read_json_lines(f / "base/evaluations.jsonl",
                    [&](const json& line, int64_t) { losses.push_back(line["loss"].get<double>()); });
    REQUIRE(losses.size() > 3);
    CHECK(losses.back() < losses.front());
    CHECK(exists(f / "base/best/model.safetensors"));
    CHECK(exists(f / "chat.answers.jsonl"));
}

TEST_CASE("own data: long documents are cut so that every token is predicted once, or left out") {
    const Folder f;
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word" + std::to_string(i) + " ";
    f.write("c.jsonl", "{\"text\": \"" + words + "\"}\n{\"text\": \"short\"}\n");
    REQUIRE(shell(binary + " tokenizer --corpus " + f / "c.jsonl --output " + f / "t.json").status == 0);
    Config c = tiny_config();
    c.vocab_size = 512;
    c.max_position_embeddings = 64;
    f.write("tiny.json", config_to_json(c).dump());
    const Tokenizer tokenizer = Tokenizer::load(f / "t.json");
    const size_t all = tokenizer.encode(words, Tags::parse).size() + tokenizer.encode("short", Tags::parse).size() + 2;
    const auto pretrain = [&](const std::string& how) {
        return shell(binary + " pretrain --overwrite --config " + f / "tiny.json --corpus " +
                     f / "c.jsonl --tokenizer " + f / "t.json --tokens 1 --batch-tokens " + std::to_string(all) +
                     " --output " + f / "m --long-documents " + how);
    };
    Result r = pretrain("split");
    REQUIRE(r.status == 0);
    CHECK(has(r.text, "1 longer than the model reads cut into pieces"));
    // One batch is an epoch: all tokens of both documents, and their ends.
    read_json_lines(f / "m/metrics.jsonl", [&](const json& line, int64_t) { CHECK(line["tokens"] == all); });
    r = pretrain("skip");
    REQUIRE(r.status == 0);
    CHECK(has(r.text, "1 longer than the model reads left out"));
}

TEST_CASE("own data: a model that is gone on from keeps its shape and tokenizer") {
    const Folder f;
    f.write("c.txt", "one two three four five");
    REQUIRE(shell(binary + " tokenizer --corpus " + f / "c.txt --output " + f / "t.json").status == 0);
    Config c = tiny_config();
    c.vocab_size = 512;
    f.write("tiny.json", config_to_json(c).dump());
    const std::string pretrain = binary + " pretrain --tokens 100 --batch-tokens 20 --corpus " + f / "c.txt";
    REQUIRE(shell(pretrain + " --config " + f / "tiny.json --tokenizer " + f / "t.json --output " + f / "a").status ==
            0);
    REQUIRE(shell(pretrain + " --model " + f / "a --output " + f / "b").status == 0);
    CHECK(read_file(f / "a/tokenizer.json") == read_file(f / "b/tokenizer.json"));
    CHECK(read_json(f / "a/config.json") == read_json(f / "b/config.json"));
    CHECK(read_file(f / "a/model.safetensors") != read_file(f / "b/model.safetensors"));
    refuses(pretrain + " --output " + f / "c", 2, "no tokenizer", "--tokenizer");
    refuses(pretrain + " --model " + f / "a --tokenizer " + f / "t.json --output " + f / "c", 2, "its own shape",
            "--model");
}

TEST_CASE("own data: answers made elsewhere are graded as a model's own are") {
    const Folder f;
    f.write("p.jsonl",
            "{\"numbers\": [1, 2], \"target\": 3}\n{\"numbers\": [2, 2], \"target\": 4}\n{\"numbers\": [5, 6], "
            "\"target\": 11}\n");
    const auto line = [](int of, const std::string& answer) {
        return json({{"line", of}, {"response", "<think>x</think><answer>" + answer + "</answer>"}}).dump() + "\n";
    };
    const std::string predictions = line(1, "1 + 2") + line(3, "5 * 6") + line(1, "2 - 1") + line(3, "5 + 6");
    f.write("a.jsonl", predictions);
    const std::string evaluate = binary + " evaluate --problems " + f / "p.jsonl --predictions " + f / "a.jsonl";
    const Result r = shell(evaluate + " --output " + f / "e.json");
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const json e = read_json(f / "e.json");
    CHECK((e["problems"] == 2 && e["answers_each"] == 2 && e["pass_at_1"] == 0.5 && e["pass_at_2"] == 1));
    // What it writes can be graded again, to the same.
    const std::string again = binary + " evaluate --problems " + f / "p.jsonl --predictions " + f / "e.answers.jsonl";
    REQUIRE(shell(again + " --output " + f / "f.json").status == 0);
    CHECK(read_file(f / "f.json") == read_file(f / "e.json"));
    for (const auto& [bad, says] :
         std::map<std::string, std::string>{{"{\"line\": 9, \"response\": \"\"}", "without the line"},
                                            {"{\"line\": 1}", "without \"response\""},
                                            {line(2, "2 + 2"), "not equally many"}}) {
        f.write("a.jsonl", predictions + bad);
        refuses(evaluate, 1, says, "a.jsonl");
    }
    refuses(binary + " evaluate --problems " + f / "p.jsonl", 2, "something to evaluate", "--predictions");
}

TEST_CASE("options from a file; the command line counts; names that are near") {
    const Folder f;
    f.write("o.ini", "documents = 30\nseed=7\n[grpo]\nsteps=3\n[countdown]\np-wait=0.5\n");
    const std::string countdown = binary + " countdown --options " + f / "o.ini --output ";
    REQUIRE(shell(countdown + f / "a").status == 0);
    REQUIRE(shell(binary + " countdown --documents 30 --seed 7 --p-wait 0.5 --output " + f / "b").status == 0);
    CHECK(read_file(f / "a/corpus.jsonl") == read_file(f / "b/corpus.jsonl"));
    REQUIRE(shell(countdown + f / "c --seed 8").status == 0);
    CHECK(read_file(f / "a/corpus.jsonl") != read_file(f / "c/corpus.jsonl"));
    f.write("o.ini", "documnets = 30\n");
    refuses(countdown + f / "d", 2, "no option --documnets, did you mean --documents?", "o.ini");
    refuses(binary + " countdwon", 2, "no command countdwon, did you mean countdown?");
    refuses(binary + " sample --modle x", 2, "did you mean --model?");
    CHECK(has(shell(binary + " --version").text, "commit "));
}
