// Every option of every command with values that no one means: one usage line or an effect that its help describes, and
// never a signal, a hang or an internal error. With R1_OPTIONS=all every value of every option, in some minutes;
// otherwise a seventh of them, each option with one; under sanitizers, which are slow, a fifth of that.
#include <cstdlib>
#include <regex>
#include <sstream>

#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

// Commands that end at once as they stand, and what they work on.
struct Prepared : Folder {
    Prepared() {
        run("countdown --documents 300 --output " + *this / "data");
        run("tokenizer --corpus " + *this / "data/corpus.jsonl --output " + *this / "tokenizer.json");
        Config c = tiny_config();
        c.vocab_size = 448;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        write("examples.jsonl", R"({"prompt": "a", "response": "b"})");
        write("pairs.jsonl", R"({"prompt": "a", "chosen": "b", "rejected": "c"})");
        write("pairs.test.jsonl", R"({"prompt": "d", "chosen": "b", "rejected": "c"})");
        write("judged.jsonl", R"({"question": "q", "reference": "1", "candidate": "1", "label": true})");
        write("audited.json", R"({"groups": [{"answers": [{"reward": 1, "logp": [-1], "logp_ref": [-1]},)"
                              R"({"reward": 0, "logp": [-2], "logp_ref": [-2]}]}]})");
        write("held-out.txt", "User: 1 2 make 3.");
        write("program.py", "print(1)");
        write("chat.txt", R"([{"role": "user", "content": "a"}])");
        run("pretrain " + pretrain + " --output " + *this / "model");
        run("grpo " + grpo + " --output " + *this / "run/zero");
    }
    void run(const std::string& arguments) const { REQUIRE(shell(binary + " " + arguments).status == 0); }

    const std::string pretrain =
        "--config " + *this / "tiny.json --corpus " + *this / "data/corpus.jsonl --tokenizer " +
        *this / "tokenizer.json --tokens 300 --batch-tokens 100 --held-out " + *this / "held-out.txt";
    const std::string model = "--model " + *this / "model",
                      problems = " --problems " + *this / "data/problems.test.jsonl",
                      grpo = model + problems + " --held-out " + *this / "data/problems.test.jsonl" +
                             " --steps 1 --prompts 2 --group 2 --max-tokens 6 --evaluate-count 1 --evaluate-k 1";
    const std::string output = " --overwrite --output " + *this / "output";

    // Command and arguments; standard input is the conversation.
    std::vector<std::pair<std::string, std::string>> commands() const {
        const std::string data = " --data " + *this / "examples.jsonl";
        return {{"countdown", "--documents 20" + output},
                {"functions", "--documents 20 --train 5 --test 5" + output},
                {"world",
                 "--documents 20 --train 20 --test 10 --pairs 20 --pairs-test 5 --safety 20 --safety-test 5 "
                 "--judge 20 --judge-test 5" +
                     output},
                {"tokenizer", "--corpus " + *this / "data/corpus.jsonl" + output + ".json"},
                {"encode", "--tokenizer " + *this / "tokenizer.json"},
                {"decode", "--tokenizer " + *this / "tokenizer.json"},
                {"pretrain", pretrain + output},
                {"sft", model + data + " --steps 1" + output},
                {"grpo", grpo + output},
                {"rejection", model + problems + " --count 2 --samples 2 --max-tokens 6" + output + ".jsonl"},
                {"reward-model", model + " --steps 1 --data " + *this / "pairs.jsonl --held-out " +
                                     *this / "pairs.test.jsonl" + output},
                {"evaluate", model + problems + " --count 2 --k 2 --max-tokens 6" + output + ".json"},
                {"judge", model + " --judge-template plain --judge-max-tokens 6 --data " + *this / "judged.jsonl" +
                              output + ".jsonl"},
                {"score", model + " --tokens '3 4'"},
                {"sample", model + " --prompt a --max-tokens 6"},
                {"chat", model + " --max-tokens 6 --context 100"},
                {"info", model},
                {"audit", *this / "audited.json"},
                {"report", "--run " + *this / "run"},
                {"paper", "--run " + *this / "run"},
                {"grade", "--task countdown --numbers 1,2 --target 3"},
                {"sandbox", "--run " + *this / "program.py"},
                {"render", model}};
    }
};

struct Known {
    std::string name, kind, help;
};

// Those that take a value, as --help lists them.
std::vector<Known> options_of(const std::string& command) {
    std::vector<Known> options;
    std::istringstream help(shell(binary + " " + command + " --help").text);
    const std::regex row("^ +(--[a-z0-9-]+) (NUMBER|NUMBERS|TEXT|PATH)\\b(.*)");
    for (std::string line; std::getline(help, line);) {
        std::smatch found;
        if (std::regex_match(line, found, row)) options.push_back({found[1], found[2], found[3]});
        else if (!options.empty()) options.back().help += line;
    }
    return options;
}

// What ended well had a value that the help allows; what did not said so in one line.
bool is_right(const Known& option, const std::string& value, const Result& r) {
    const size_t line = r.text.find("r1: error: ");
    if (r.status == 1 || r.status == 2)
        return line != std::string::npos && r.text.find('\n', line) == r.text.size() - 1;
    if (r.status != 0 || line != std::string::npos) return false;
    const bool no_number = value == "nan" || value == "inf" || value == "letters" || value.empty();
    if (option.kind == "NUMBER" || option.kind == "NUMBERS") return !no_number;
    return option.kind == "TEXT" || !value.empty();
}

}  // namespace

TEST_CASE("every option of every command with values that nobody means") {
    const Prepared p;
    const std::vector<std::string> values = {"nan", "inf", "-1", "0", "1e30", "", "letters"};
#ifdef R1_SANITIZED
    const size_t some = 5 * values.size() + 1, least = 50;
#else
    const size_t some = values.size(), least = 250;
#endif
    const size_t step = std::getenv("R1_OPTIONS") ? 1 : some;
    size_t runs = 0, wrong = 0, at = 0;
    for (const auto& [command, arguments] : p.commands()) {
        const std::string as_it_stands =
            "cd " + p.path + " && " + binary + " " + command + " " + arguments + " < " + p / "chat.txt";
        const Result r = shell(as_it_stands);
        CAPTURE(as_it_stands);
        CAPTURE(r.text);
        CHECK((r.status == 0 || command == "decode" || command == "paper"));
        for (const Known& option : options_of(command)) {
            for (size_t i = at++ % step; i < values.size(); i += step) {
                const std::string line = "cd " + p.path + " && timeout 60 " + binary + " " + command + " " + arguments +
                                         " " + option.name + " '" + values[i] + "' < " + p / "chat.txt";
                const Result with = shell(line);
                ++runs;
                CAPTURE(line);
                CAPTURE(with.text);
                CAPTURE(with.status);
                const bool right = is_right(option, values[i], with);
                CHECK(right);
                wrong += !right;
            }
        }
    }
    MESSAGE(runs << " runs, " << wrong << " wrong");
    CHECK(runs > least);
}
