// Nothing is lost: what is there is not overwritten, a place has one writer, a run that is stopped, by whatever signal,
// is saved, and what cannot be written is said.
#include "base/outputs.h"

#include <filesystem>
#include <map>

#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

// A world of data, a model, a run, and answers by rejection sampling, made once.
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
        write("judged.jsonl", R"({"question": "q", "reference": "1", "candidate": "1", "label": true})");
        write("program.py", "print(1)");
        write("chat.txt", R"([{"role": "user", "content": "a"}])");
        run(pretrain("model", "2k"));
        run(grpo("run/zero"));
        run(rejection("kept.jsonl"));
    }
    void run(const std::string& arguments) const { REQUIRE(shell(binary + " " + arguments).status == 0); }
    std::string pretrain(const std::string& output, const std::string& tokens) const {
        return "pretrain --config " + *this / "tiny.json --corpus " + *this / "data/corpus.jsonl --tokenizer " +
               *this / "tokenizer.json --batch-tokens 100 --save-every 3 --tokens " + tokens + " --output " +
               *this / output;
    }
    std::string on_model(const std::string& command) const { return command + " --model " + *this / "model"; }
    std::string grpo(const std::string& output) const {
        return on_model("grpo") + " --steps 2 --prompts 2 --group 2 --max-tokens 6 --problems " +
               *this / "data/problems.train.jsonl --output " + *this / output;
    }
    std::string rejection(const std::string& output) const {
        return on_model("rejection") + " --count 4 --samples 2 --max-tokens 6 --problems " +
               *this / "data/problems.train.jsonl --output " + *this / output;
    }
    // All commands that write, without where.
    std::vector<std::string> writers() const {
        return {"countdown --documents 20",
                "functions --documents 20 --train 5 --test 5",
                "world --documents 20 --train 20 --test 10 --pairs 20 --pairs-test 5 --safety 20 --safety-test 5 "
                "--judge 20 --judge-test 5",
                "tokenizer --corpus " + *this / "data/corpus.jsonl",
                "pretrain --tokens 200 --corpus " + *this / "data/corpus.jsonl --tokenizer " + *this / "tokenizer.json",
                on_model("sft") + " --steps 1 --data " + *this / "examples.jsonl",
                on_model("grpo") + " --steps 1 --max-tokens 6 --problems " + *this / "data/problems.test.jsonl",
                on_model("rejection") + " --count 2 --max-tokens 6 --problems " + *this / "data/problems.test.jsonl",
                on_model("reward-model") + " --steps 1 --data " + *this / "pairs.jsonl",
                on_model("evaluate") + " --count 2 --k 2 --problems " + *this / "data/problems.test.jsonl",
                on_model("judge") + " --judge-template plain --data " + *this / "judged.jsonl"};
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// Every file below a folder with its hash.
std::map<std::string, std::string> bytes_of(const std::string& folder) {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        all[entry.path()] = entry.is_regular_file() ? sha256_of_file(entry.path()) : "";
    return all;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("outputs: what is there is not overwritten, and what is read never is") {
    const Prepared& p = prepared();
    const auto before = bytes_of(p.path);
    int trials = 0;
    for (const std::string& writer : p.writers())
        for (const char* place :
             {"model", "run/zero", "data", "kept.jsonl", "model/model.safetensors", "examples.jsonl"}) {
            const Result r = shell(binary + " " + writer + " --output " + p / place);
            CAPTURE(writer);
            CAPTURE(r.text);
            CHECK(r.status == 2);
            CHECK(bytes_of(p.path) == before);
            ++trials;
        }
    const std::string data = p / "data/problems.test.jsonl", model = p / "model";
    const std::vector<std::string> inputs = {
        "tokenizer --corpus " + data + " --output " + data,
        p.on_model("evaluate") + " --problems " + data + " --output " + data,
        p.on_model("evaluate") + " --problems " + data + " --output " + model + "/model.safetensors",
        p.on_model("rejection") + " --problems " + data + " --output " + data,
        p.on_model("judge") + " --data " + data + " --output " + data,
        p.on_model("sft") + " --data " + data + " --output " + model,
        "tokenizer --corpus " + p / "data --output " + p / "data/more/tokenizer.json",
        p.on_model("sft") + " --data " + data + " --output " + model + "/../model/",
        p.on_model("sft") + " --data " + model + "/a.jsonl --output " + model + "/.",
        p.on_model("grpo") + " --problems " + data + " --output " + p / "data",
        p.on_model("score") + " --tokens 3 --logits " + model + "/config.json"};
    for (const std::string& command : inputs) {
        refuses(binary + " " + command + " --overwrite", 2, "so that nothing is lost");
        CHECK(bytes_of(p.path) == before);
        ++trials;
    }
    refuses(binary + " " + p.on_model("evaluate") + " --problems " + data + " --output /dev/null --overwrite", 2,
            "neither file nor folder", "/dev/null");
    CHECK(trials >= 60);
}

TEST_CASE("outputs: a run inside a model's folder changes nothing of the model's hash") {
    const Prepared& p = prepared();
    const std::string sft =
        p.on_model("sft") + " --steps 1 --data " + p / "examples.jsonl --output " + p / "model/student";
    p.run(sft);
    p.run(sft + " --resume");
    REQUIRE(shell("rm -r " + p / "model/student").status == 0);
}

TEST_CASE("outputs: a place has one writer") {
    const Prepared& p = prepared();
    // The first holds the place for as long as it is asked to; the second is refused by name, and changes nothing.
    for (const char* name : {"both", "both.jsonl"}) {
        const bool is_folder = std::string(name) == "both";
        OptionTable table;
        std::string place = p / name;
        is_folder ? table.output_folder("--output", place, "") : table.output("--output", place, "");
        {
            const std::vector<OutputLock> locks = lock_outputs(table);
            for (const char* flag : {"", " --overwrite", " --resume"}) {
                const std::string command = is_folder ? p.pretrain(name, "300") : p.rejection(name);
                refuses(binary + " " + command + flag, 2, "another process is writing there", name);
                CHECK((is_folder ? !holds_something(place) : !exists(place)));
            }
        }
        CHECK_FALSE(exists(place));  // nothing was written there, and nothing is left
        CHECK_FALSE(exists(place + ".lock"));
        p.run(is_folder ? p.pretrain(name, "300") : p.rejection(name));
    }
    // Two at once: one of them is whole, and the other says that it is not alone.
    const std::string one = binary + " " + p.pretrain("race", "3k"), two = one + " --seed 2";
    for (int i = 0; i < 5; ++i) {
        const Result r = shell("rm -rf " + p / "race" + "; " + one + " & " + two + "; wait");
        CAPTURE(r.text);
        const bool refused = has(r.text, "another process is writing there") || has(r.text, "there already");
        CHECK(refused);
        CHECK(exists(p / "race/generation_config.json"));
    }
}

TEST_CASE("outputs: a run that is begun anew and stopped leaves nothing of the old one") {
    const Prepared& p = prepared();
    p.run(p.pretrain("old", "1k"));
    const std::string anew = binary + " " + p.pretrain("old", "100M") + " --overwrite";
    CHECK(stop_after("rm -f " + p / "old/metrics.jsonl; " + anew, p / "old/metrics.jsonl", 4, "INT").status == 130);
    CHECK_FALSE(exists(p / "old/model.safetensors"));
    CHECK(exists(last_state(p / "old")));
    int models = 0;
    for (const auto& entry : std::filesystem::directory_iterator(p / "old")) {
        if (!entry.is_directory()) continue;
        ++models;
        CHECK(shell(binary + " sample --prompt a --max-tokens 3 --model " + entry.path().string()).status == 0);
    }
    CHECK(models >= 1);  // a saved state can be asked
}

TEST_CASE("outputs: SIGHUP, and nobody who reads what is printed, save the run") {
    const Prepared& p = prepared();
    // Whoever began the tests may have asked for SIGHUP to be ignored, as nohup does.
    const std::string command = "env --default-signal=HUP " + binary + " " + p.pretrain("hung-up", "100M");
    CHECK(stop_after(command, p / "hung-up/metrics.jsonl", 3, "HUP").status == 130);
    CHECK(exists(last_state(p / "hung-up")));
    CHECK(has(
        shell("(timeout 60 " + binary + " " + p.pretrain("unread", "100M") + "; echo status $? >&2) | head -n 3").text,
        "status 130"));
    CHECK(exists(last_state(p / "unread")));
}

TEST_CASE("outputs: what cannot be printed is said") {
    const Prepared& p = prepared();
    const std::string model = " --model " + p / "model", tokenizer = " --tokenizer " + p / "tokenizer.json";
    const std::vector<std::string> commands = {
        "score --tokens '3 4'" + model,
        "encode" + tokenizer,
        "sample --prompt a --max-tokens 3" + model,
        "info" + model,
        "grade --task countdown --numbers 1,2 --target 3",
        "sandbox --run " + p / "program.py",
        "render" + model,
        "evaluate --count 2 --k 2 --max-tokens 4 --problems " + p / "data/problems.test.jsonl" + model};
    for (const std::string& command : commands)
        refuses(binary + " " + command + " < " + p / "chat.txt > /dev/full", 1, "cannot write what is printed",
                "No space");
    refuses("echo 3 4 | " + binary + " decode" + tokenizer + " > /dev/full", 1, "cannot write what is printed");
}
