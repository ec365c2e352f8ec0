// The tables of options: what a number is, what a run records of itself, what --resume refuses, and that a stage is a
// file and a row.
#include "base/options.h"

#include <filesystem>
#include <set>

#include "commands/command_line.h"
#include "kill.h"
#include "model/disk/folder.h"
#include "promises.h"
#include "shell.h"
#include "stages/grpo.h"
#include "stages/pretrain.h"
#include "stages/reward_model.h"
#include "stages/sft.h"

using namespace r1;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string refusal(const std::string& text, const Range& range, bool whole) {
    try {
        number_of("--n", text, range, whole);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

// A corpus, a tokenizer, a tiny base model, examples and problems, made once.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 600 --output " + path).status == 0);
        REQUIRE(shell("head -n 40 " + *this / "problems.train.jsonl" + " > " + *this / "problems.jsonl").status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json")
                    .status == 0);
        write("examples.jsonl",
              "{\"prompt\": \"1 2 make 3.\", \"response\": \" 1 + 2\"}\n{\"tokens\": [0, 17, 18, 1], \"mask\": [0, 0, "
              "1, 1]}\n");
        write("examples.test.jsonl", "{\"prompt\": \"1 3 make 4.\", \"response\": \" 1 + 3\"}\n");
        write("held-out.jsonl", "{\"text\": \"User: 1 3 make 4.\"}\n{\"text\": \"User: 2 3 make 5.\"}\n");
        Config c = tiny_config();
        c.vocab_size = 448;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        REQUIRE(shell(pretrain("base")).status == 0);
        write("pairs.jsonl",
              "{\"prompt\": \"1 2 make 3.\", \"chosen\": \" 1 + 2\", \"rejected\": \" 1\"}\n"
              "{\"prompt\": \"1 3 make 4.\", \"chosen\": \" 1 + 3\", \"rejected\": \" 3\"}\n");
        write("pairs.test.jsonl", "{\"prompt\": \"2 3 make 5.\", \"chosen\": \" 2 + 3\", \"rejected\": \" 1\"}\n");
        write("labels.jsonl", "{\"prompt\": \"1 2 make 3.\", \"response\": \" 1 + 2\", \"safe\": true}\n");
        REQUIRE(shell(reward_model("helpful")).status == 0);
        REQUIRE(shell(binary + " reward-model --kind safe --model " + *this / "base --data " +
                      *this / "labels.jsonl --output " + *this / "safe")
                    .status == 0);
    }
    std::string reward_model(const std::string& output) const {
        return binary + " reward-model --steps 100 --batch 1 --model " + *this / "base --data " +
               *this / "pairs.jsonl --held-out " + *this / "pairs.test.jsonl --output " + *this / output;
    }
    std::string pretrain(const std::string& output) const {
        return binary + " pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
               *this / "tokenizer.json --batch-tokens 200 --tokens 12000 --evaluate-every 25 --held-out " +
               *this / "held-out.jsonl --output " + *this / output;
    }
    std::string sft(const std::string& output) const {
        return binary + " sft --steps 100 --batch 2 --model " + *this / "base --data " +
               *this / "examples.jsonl --evaluate-every 40 --held-out " + *this / "examples.test.jsonl --output " +
               *this / output;
    }
    std::string grpo(const std::string& output) const {
        return binary +
               " grpo --steps 40 --prompts 2 --group 2 --max-tokens 8 --slots 8 --evaluate-every 20 --evaluate-count 2 "
               "--evaluate-k 2 --record-every 20 --model " +
               *this / "base --problems " + *this / "problems.jsonl --held-out " +
               *this / "problems.test.jsonl --reward-model " + *this / "helpful --safety-model " +
               *this / "safe --output " + *this / output;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// The bytes that a run leaves, without how long it took, where it ran, and the models that --keep keeps.
std::string bytes_of_run(const std::string& folder) {
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.is_regular_file()) files.insert(entry.path());
    std::string all;
    for (const auto& file : files) {
        const std::string name = file.filename();
        const bool has_clock = name == "timings.jsonl" || name == "starts.jsonl" || name == "r1-manifest.json";
        if (!has_clock) all += name + sha256_of_file(file);
    }
    return all;
}

// What might be given to an option in place of `now`, the text that its run began with.
std::vector<std::string> other_values(const Option& option, const std::string& now) {
    if (option.values == 0) return {"true"};
    if (option.name == "--device") return {"cpu"};  // a GPU need not be there
    if (option.name == "--isa") return {"generic"};
    if (option.name == "--reward-command") return {"cat"};
    if (option.values == 2) return {"3 0.5"};
    if (option.values == 6) return {"40 1 1 0 1 0"};
    std::vector<std::string> values;
    if (option.is_number) values = {"1", "2", "3", "0.5", "0.25", "30", "0"};
    else
        for (size_t at = 0; at < option.allowed.size();) {
            const size_t end = std::min(option.allowed.find(", ", at), option.allowed.size());
            values.push_back(option.allowed.substr(at, end - at));
            at = end + 2;
        }
    std::erase_if(values, [&](const std::string& value) {
        if (value == now || option.name == "--preset") return value == now;
        try {
            const std::string before = option.read();
            option.write(value);
            option.write(before);
            return false;
        } catch (const UsageError&) {
            return true;  // out of its range
        }
    });
    if (option.is_number && values.size() > 1) values.resize(1);
    return values;
}

// Stops a run half-way, and resumes it with each of the table's options changed in turn. One that can change a result
// is refused by its name; one that cannot ends with the bytes of a run that was never stopped.
void check_resume(const std::string& name, const OptionTable& table, const std::string& command) {
    const Prepared& p = prepared();
    const std::string folder = p / name, half = p / "half", other = p / "other";
    REQUIRE(shell(command).status == 0);
    REQUIRE(shell("rm -rf " + half).status == 0);
    REQUIRE(stop_after(command + " --output " + half, half + "/metrics.jsonl", 2, "INT").status == 130);
    const std::string whole = bytes_of_run(folder), stopped = bytes_of_run(half);
    const json record = read_json(folder + "/options.json")["options"];
    int refused = 0, free = 0;
    for (const Option& option : table.all) {
        if (option.effect == Effect::input || option.name == "--output" || option.name == "--resume") continue;
        const json now = record.value(option.name.substr(2), json());
        const std::vector<std::string> others =
            other_values(option, now.is_string() ? now.get<std::string>() : now.dump());
        CAPTURE(option.name);
        CHECK_FALSE(others.empty());
        for (const std::string& value : others) {
            REQUIRE(shell("rm -rf " + other + " && cp -r " + half + " " + other).status == 0);
            const std::string changed = " " + option.name + (option.values == 0 ? "" : " " + value);
            const Result r = shell(command + " --output " + other + " --resume" + changed);
            CAPTURE(value);
            CAPTURE(r.text);
            if (option.effect == Effect::result) CHECK((r.status == 2 && has(r.text, option.name)));
            else CHECK((r.status == 0 || (option.name == "--preset" && r.status == 2)));
            CHECK(bytes_of_run(other) == (r.status == 0 ? whole : stopped));
            refused += has(r.text, "the run began with");
            free += r.status == 0;
        }
    }
    CHECK(refused > 15);
    CHECK(free >= 2);
}

// Other bytes in place of an input are refused by name; the same bytes elsewhere are not.
void check_inputs(const std::string& name, const OptionTable& table, const std::string& command,
                  const std::vector<std::string>& inputs) {
    const Prepared& p = prepared();
    const std::string before = bytes_of_run(p / name);
    std::vector<std::string> seen;
    for (const Option& option : table.all) {
        if (option.effect != Effect::input) continue;
        if (option.name == "--model" && name == "resumed-base") continue;  // it goes without --config
        const size_t at = command.find(" " + option.name + " ");
        REQUIRE(at != std::string::npos);
        const size_t begin = at + option.name.size() + 2;
        const std::string input = command.substr(begin, command.find(' ', begin) - begin), copy = p / "copy";
        const bool is_folder = std::filesystem::is_directory(input);
        REQUIRE(shell("rm -rf " + copy + " && cp -r " + input + " " + copy + " && rm -f " + copy + "/r1-manifest.json")
                    .status == 0);
        CAPTURE(option.name);
        const std::string resumed = std::string(command).replace(begin, input.size(), copy) + " --resume";
        const Result same = shell(resumed);
        CAPTURE(same.text);
        CHECK(same.status == 0);
        CHECK(bytes_of_run(p / name) == before);
        REQUIRE(shell("echo >> " + copy + (is_folder ? "/config.json" : "")).status == 0);
        refuses(resumed, 2, "the run began with " + option.name + " " + input, copy);
        CHECK(bytes_of_run(p / name) == before);
        seen.push_back(option.name);
    }
    CHECK(seen == inputs);
}

}  // namespace

TEST_CASE("options: a text in brackets stays as it is; capitals of a choice do not matter") {
    const Prepared& p = prepared();
    const std::string one = shell(binary + " score --model " + p / "base --tokens '3 4 5'").text;
    refuses(binary + " score --model " + p / "base --tokens '[3, 4]'", 2, "[3,", "--tokens");
    refuses(binary + " tokenizer --output " + p / "t.json --corpus '[corpus.jsonl]'", 1, "cannot open",
            "[corpus.jsonl]");
    CHECK(one.find("logprobs") != std::string::npos);
    CHECK(shell(p.sft("capitals") + " --schedule Linear --dtype FLOAT32").status == 0);
    refuses(binary + " sft --model a --data b --output c --evaluate-every 5", 2, "no effect without --held-out",
            "--evaluate-every");
}

TEST_CASE("options: what a number is") {
    CHECK(number_of("--n", "12", at_least(0), true) == 12);
    CHECK(number_of("--n", "1e6", at_least(0), true) == 1000000);
    CHECK(number_of("--n", "10M", at_least(0), true) == 10000000);
    CHECK(number_of("--n", "0.5k", at_least(0), true) == 500);
    CHECK(number_of("--n", "-0.25", between(-1, 1), false) == -0.25);
    for (const char* wrong : {"", " ", "x", "1x", "nan", "1 2", "0x10", "--", "1e999"}) {
        CAPTURE(wrong);
        CHECK(refusal(wrong, at_least(0), false) != "");
    }
    CHECK(refusal("inf", at_least(0), false) == "inf is out of range, --n, give a number, 0 or more");
    CHECK(refusal("2", between(0, 1), false) == "2 is out of range, --n, give a number, 0 to 1");
    CHECK(refusal("0", more_than(0), false) == "0 is out of range, --n, give a number, more than 0");
    CHECK(refusal("1.5", at_least(0), true) == "1.5 is not a whole number, --n, give a whole number, 0 or more");
    int number = 7;
    OptionTable table;
    table.number("--n", number, at_least(0), "");
    CHECK_THROWS_AS(table.all[0].write("3000000000"), UsageError);  // beyond the type
    CHECK(number == 7);
}

TEST_CASE("options: a resumed run is the run that was begun: pretraining") {
    PretrainOptions o;
    const std::string command = prepared().pretrain("resumed-base");
    Device device;
    OptionTable table = table_of(o);
    table.add(table_of(device));
    check_resume("resumed-base", table, command);
    check_inputs("resumed-base", table_of(o), command, {"--corpus", "--tokenizer", "--config", "--held-out"});
    // What stands beside a tokenizer.json names its control tokens, and is part of it.
    prepared().write("tokenizer_config.json", "{\"bos_token\": \"<think>\"}");
    refuses(command + " --resume", 2, "the run began with --tokenizer", "--resume");
    REQUIRE(shell("rm " + prepared() / "tokenizer_config.json").status == 0);
    refuses(prepared().sft("base") + "/", 2, "the same place as --model", "--output");
    refuses(prepared().sft("resumed-base"), 2, "there already", "--overwrite");
    refuses(prepared().sft("resumed-base") + " --resume", 2, "the run began with r1 pretrain and this is r1 sft",
            "--resume");
    CHECK(shell(prepared().sft("never-begun") + " --resume").status == 0);
    REQUIRE(shell("mkdir " + prepared() / "other-things && echo > " + prepared() / "other-things/a").status == 0);
    refuses(prepared().sft("other-things") + " --resume", 1, "no saved state", "other-things");
}

TEST_CASE("options: a resumed run is the run that was begun: supervised fine-tuning") {
    SftOptions o;
    const std::string command = prepared().sft("resumed-sft");
    check_resume("resumed-sft", table_of(o), command);
    check_inputs("resumed-sft", table_of(o), command, {"--model", "--data", "--held-out"});
}

TEST_CASE("options: a resumed run is the run that was begun: reward models") {
    RewardModelOptions o;
    const std::string command = prepared().reward_model("resumed-reward");
    check_resume("resumed-reward", table_of(o), command);
    check_inputs("resumed-reward", table_of(o), command, {"--model", "--data", "--held-out"});
}

TEST_CASE("options: a resumed run is the run that was begun: GRPO") {
    GrpoOptions o;
    const std::string command = prepared().grpo("resumed-grpo");
    check_resume("resumed-grpo", table_of(o), command);
    check_inputs("resumed-grpo", table_of(o), command,
                 {"--model", "--problems", "--held-out", "--reward-model", "--safety-model"});
    const json record = read_json(prepared() / "resumed-grpo/options.json");
    CHECK(record["stage"] == "grpo");
    for (const char* key : {"lr", "objective", "beta", "template", "empty-think", "seed", "max-tokens"})
        CHECK(record["options"].contains(key));
    for (const char* key : {"threads", "output", "resume", "slots"}) CHECK_FALSE(record["options"].contains(key));
    CHECK(record["inputs"]["problems"]["sha256"] == sha256_of_file(prepared() / "problems.jsonl"));
}

TEST_CASE("options: without KL no reference is kept, and nothing is said of KL") {
    const Prepared& p = prepared();
    for (const char* none : {"--kl none", "--beta 0"}) {
        CAPTURE(none);
        REQUIRE(shell(p.grpo("no-kl") + " --overwrite " + none).status == 0);
        read_json_lines(p / "no-kl/metrics.jsonl", [](const json& line, int64_t) {
            CHECK_FALSE((line.contains("kl") || line.contains("kl_loss")));
        });
        read_json_lines(p / "no-kl/rollouts.jsonl",
                        [](const json& line, int64_t) { CHECK_FALSE(line.contains("logp_ref")); });
        const TensorFiles state = TensorFiles::of_file(last_state(p / "no-kl"));
        CHECK(state.find("weights.model.norm.weight").has_value());
        CHECK_FALSE(state.find("reference.model.norm.weight").has_value());
        CHECK(shell(binary + " audit --run " + p / "no-kl").status == 0);
        CHECK(shell(binary + " audit --explain --run " + p / "no-kl").status == 0);
    }
    REQUIRE(shell(p.grpo("with-kl")).status == 0);
    CHECK(TensorFiles::of_file(last_state(p / "with-kl")).find("reference.model.norm.weight").has_value());
}

TEST_CASE("options: --mismatch reaches the trainer, and in exact mode changes nothing") {
    const Prepared& p = prepared();
    const std::string spread = " --repetition 1 1 --lr 0.01 --warmup 0";
    REQUIRE(shell(p.grpo("plain") + spread).status == 0);
    const std::string weights = sha256_of_file(p / "plain/model.safetensors");
    for (const char* kind : {"token-truncate", "token-mask", "sequence-truncate", "sequence-mask"}) {
        REQUIRE(shell(p.grpo("mismatch") + spread + " --overwrite --mismatch " + kind).status == 0);
        CHECK(sha256_of_file(p / "mismatch/model.safetensors") == weights);
        read_json_lines(p / "mismatch/rollouts.jsonl",
                        [](const json& line, int64_t) { CHECK(line["logp_sampler"] == line["logp_old"]); });
    }
    REQUIRE(shell(p.grpo("mismatch") + spread + " --overwrite --mismatch token-truncate --mismatch-cap 0.3").status ==
            0);
    CHECK(sha256_of_file(p / "mismatch/model.safetensors") != weights);  // the cap holds every weight below 1
}

TEST_CASE("a model's files are read once, and once more for their hash") {
    const Prepared& p = prepared();
    const auto opened = [&](const std::string& command, const std::string& file) {
        return opens_of(file,
                        [&] { execl("/bin/sh", "sh", "-c", ("exec " + command + " > /dev/null").c_str(), nullptr); });
    };
    const std::string evaluate =
        binary + " evaluate --count 2 --k 2 --model " + p / "base --problems " + p / "problems.jsonl";
    const int once = opened(evaluate, "/base/config.json");
    if (once < 0) {
        MESSAGE("ptrace is not allowed here: no process can be watched");
        return;
    }
    CHECK(once == 2);
    CHECK(opened(evaluate, "/base/model.safetensors") == 2);
    CHECK(opened(evaluate, "/base/tokenizer.json") == 2);
    // A folder of another's has no hashes to compare with.
    REQUIRE(shell("cp -r " + p / "base " + p / "theirs" + " && rm " + p / "theirs/r1-manifest.json").status == 0);
    const std::string theirs = std::string(evaluate).replace(evaluate.find("/base "), 6, "/theirs ");
    CHECK(opened(theirs, "/theirs/model.safetensors") == 1);
    // A run that records its inputs hashes them once more. The reference is no further time.
    REQUIRE(shell("rm -rf " + p / "watched").status == 0);
    CHECK(opened(p.grpo("watched"), "/base/config.json") == 3);
    CHECK(opened(p.grpo("watched") + " --overwrite", "/base/model.safetensors") == 3);
}

// ---- A stage is a file and a row

namespace {

struct EmptyOptions : TrainingOptions {
    std::string model;
    int steps = 3;
};
OptionTable table_of(EmptyOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model to start from").needed = true;
    table.number("--steps", o.steps, at_least(1), "steps that do nothing");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    return table;
}

void empty_stage(EmptyOptions o, const Device& device) {
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model);
    Run run(o, "empty", table_of(o));
    Model model = load_model(folder, ops, 32);
    Trainer trainer = make_trainer(model, trainer_options(o));
    run.restore(trainer);
    Stage stage;
    stage.name = "empty";
    stage.steps = o.steps;
    stage.step = [](int64_t step) { return StepReport{{{"step", step}}, json::object(), "nothing"}; };
    stage.write_model = [&](const std::string& path) { save_model(path, model, folder.tokenizer, o.model); };
    train(run, trainer, stage);
}

int run_empty(std::vector<std::string> words) {
    words.insert(words.begin(), {"r1", "empty", "--device", "cpu"});
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    return run_command_line({command<EmptyOptions>("empty", "a stage that does nothing", empty_stage)},
                            int(argv.size()), argv.data());
}

}  // namespace

TEST_CASE("adding a stage: its file and its row in the table, nothing else") {
    const Prepared& p = prepared();
    const std::string folder = p / "empty";
    CHECK(run_empty({"--help"}) == 0);
    CHECK(run_empty({"--model", p / "base"}) == 2);
    CHECK(run_empty({"--model", p / "base", "--output", folder, "--lr", "nan"}) == 2);
    CHECK(run_empty({"--model", "/nowhere", "--output", folder}) == 1);
    CHECK(run_empty({"--model", p / "base", "--output", folder}) == 0);
    CHECK(read_file(folder + "/metrics.jsonl") == "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    CHECK(read_json(folder + "/options.json")["options"]["steps"] == 3);
    CHECK(read_file(folder + "/model.safetensors") == read_file(p / "base/model.safetensors"));
    CHECK(run_empty({"--model", p / "base", "--output", folder, "--resume"}) == 0);
    CHECK(run_empty({"--model", p / "base", "--output", folder, "--resume", "--lr", "1"}) == 2);
}
