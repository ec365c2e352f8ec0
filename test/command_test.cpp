// The program as a person meets it: bad input is one line that says what, where and what to do, with exit status 1
// (2 for usage), and nothing is lost. A run that is stopped goes on as if it had not been.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "base/files.h"
#include "kill.h"
#include "promises.h"
#include "shell.h"
#include "loss/grpo_options.h"
#include "model/config.h"
#include "ops/device.h"

#include <doctest/doctest.h>

using namespace r1;

namespace {

// A corpus, a tokenizer and a tiny model, made once.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 3000 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl" + " --output " + *this / "tokenizer.json").status == 0);
        Config c = tiny_config();
        c.vocab_size = 448, c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        REQUIRE(shell(pretrain("base", 12)).status == 0);
    }
    std::string pretrain(const std::string& output, int steps, const std::string& more = "") const {
        return binary + " pretrain --config " + *this / "tiny.json" + " --corpus " + *this / "corpus.jsonl" + " --tokenizer " +
               *this / "tokenizer.json" + " --batch-tokens 400 --warmup 4 --save-every 3 --tokens " + std::to_string(400 * steps) +
               " --output " + *this / output + " " + more;
    }
    std::string grpo(const std::string& output, const std::string& more) const {
        return binary + " grpo --model " + *this / "base" + " --problems " + *this / "problems.train.jsonl" +
               " --prompts 3 --group 4 --max-tokens 40 --slots 8 --save-every 2 --output " + *this / output + " " + more;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

}  // namespace

TEST_CASE("help and usage") {
    for (const char* command : {"", "countdown", "tokenizer", "encode", "decode", "pretrain", "grpo", "evaluate", "audit", "report"}) {
        const Result r = shell(binary + " " + command + " --help");
        CHECK(r.status == 0);
        CHECK(r.text.find("--help") != std::string::npos);
    }
    refuses(binary, 2, "subcommand", "command line");
    refuses(binary + " nonsense", 2, "", "command line");
    refuses(binary + " pretrain --no-such-option 3", 2, "no option --no-such-option", "command line");
    refuses(binary + " evaluate --model a --problems b --no-such-option", 2, "no-such-option", "command line");
    refuses(binary + " evaluate --model a --problems b --k many", 2, "\"many\" is not a number", "--k");
    refuses(binary + " evaluate --model a --problems b --isa neon", 2, "neon", "--isa");
    refuses(binary + " evaluate --model a --problems b --threads -2", 2, "out of range", "--threads");
    refuses(binary + " evaluate --model a --problems b --device gpu", 2, "gpu", "--device");
}

TEST_CASE("the device: one line says which and why; a GPU that is not there is refused") {
    CHECK(shell(binary + " evaluate --model a --problems b --device cpu").text.find("device: cpu, ") == 0);
    CHECK(shell(binary + " evaluate --model a --problems b --isa generic").text.find("device: cpu, generic, ") == 0);
    std::string about;
    if (cuda_ops(about)) {
        CHECK(shell(binary + " evaluate --model a --problems b").text.find("device: cuda, " + about) == 0);
        return;
    }
    CHECK(shell(binary + " evaluate --model a --problems b").text.find(": " + about + "\n") != std::string::npos);
    refuses(binary + " evaluate --model a --problems b --device cuda", 1, about, "--device cuda");
}

TEST_CASE("input that is missing or broken") {
    const Prepared& p = prepared();
    refuses(binary + " evaluate --model /nowhere --problems x", 1, "no model here", "/nowhere");
    refuses(binary + " tokenizer --corpus /nowhere.jsonl --output " + p / "t.json", 1, "cannot open", "/nowhere.jsonl");
    p.write("latin1.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"caf\xe9\"}\n");
    refuses(binary + " tokenizer --corpus " + p / "latin1.jsonl" + " --output " + p / "t.json", 1, "not UTF-8", "latin1.jsonl line 2");
    p.write("broken.jsonl", "{\"numbers\": [3, 7, 12], \"target\": 33}\n{\"numbers\": [3, 7\n");
    refuses(binary + " evaluate --model " + p / "base" + " --problems " + p / "broken.jsonl", 1, "not JSON", "broken.jsonl line 2");
    p.write("other.jsonl", "{\"numbers\": [3, 7, \"x\"], \"target\": 33}\n");
    refuses(binary + " evaluate --model " + p / "base" + " --problems " + p / "other.jsonl", 1, "", "other.jsonl line 1");
    p.write("empty.jsonl", "\n");
    refuses(binary + " tokenizer --corpus " + p / "empty.jsonl" + " --output " + p / "t.json", 1, "without documents", "empty.jsonl");
    p.write("nottext.jsonl", "{\"words\": 3}\n");
    refuses(p.pretrain("x", 2, "--corpus " + p / "nottext.jsonl"), 1, "without \"text\"", "nottext.jsonl line 1");
    refuses(binary + " report --run /nowhere", 1, "", "/nowhere");
}

TEST_CASE("a model folder that does not fit together") {
    const Prepared& p = prepared();
    const std::string evaluate = binary + " evaluate --count 2 --k 2 --problems " + p / "problems.test.jsonl" + " --model " + p / "copy";
    const auto fresh = [&] { REQUIRE(shell("rm -rf " + p / "copy" + " && cp -r " + p / "base " + p / "copy" + " && rm " + p / "copy/r1-manifest.json").status == 0); };
    fresh();
    CHECK(shell(evaluate).status == 0);
    json config = read_json(p / "base/config.json");
    config["hidden_size"] = 48;
    p.write("copy/config.json", config.dump());
    refuses(evaluate, 1, "shape", "model.safetensors tensor model.embed_tokens.weight");
    config["hidden_size"] = 40, config["n_group"] = 4;
    p.write("copy/config.json", config.dump());
    refuses(evaluate, 1, "n_group", "config.json");
    config.erase("n_group");
    p.write("copy/config.json", config.dump());
    refuses(evaluate, 1, "n_group", "config.json");
    fresh();
    const std::string weights = read_file(p / "base/model.safetensors");
    for (const size_t keep : {size_t(0), size_t(5), size_t(100), weights.size() / 2, weights.size() - 1}) {
        p.write("copy/model.safetensors", weights.substr(0, keep));
        refuses(evaluate, 1, "", "model.safetensors");
    }
    p.write("copy/model.safetensors", weights + "x");
    refuses(evaluate, 1, "belong to no tensor", "model.safetensors");
}

TEST_CASE("a disk that is full loses nothing") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.pretrain("full", 12, "--save-every 5")).status == 0);
    REQUIRE(shell("cd " + p / "full" + " && rm r1-manifest.json model.safetensors").status == 0);  // as before the end
    const std::string state = last_state(p / "full"), before = sha256_of_file(state);
    // A limit on the size of files stands for the disk: a write beyond it fails in the same way.
    const Result r = shell("trap '' XFSZ; ulimit -f 40; " + p.pretrain("full", 12, "--resume --save-every 1"));
    CAPTURE(r.text);
    CHECK(r.status == 1);
    CHECK(r.text.find("the run goes on and will try again") != std::string::npos);
    CHECK(r.text.find("r1: error: cannot write") != std::string::npos);
    CHECK(sha256_of_file(state) == before);
    CHECK(shell(p.pretrain("full", 12, "--resume")).status == 0);
    CHECK(sha256_of_file(p / "full/model.safetensors") == sha256_of_file(p / "base/model.safetensors"));
}

TEST_CASE("a run that diverges stops in one line, before a number that is none is logged") {
    const Prepared& p = prepared();
    refuses(p.pretrain("wild", 9, "--lr 1e15"), 1, "not finite", "lower --lr");
    const std::string spread = " --cosine 40 1 1 0 1 0";  // of lengths, as no answer is right yet
    refuses(p.grpo("wild-zero", "--steps 9 --lr 1e15 --warmup 1" + spread), 1, "the gradient is not finite", "lower --lr");
    for (const std::string run : {"wild", "wild-zero"}) CHECK(read_file(p / (run + "/metrics.jsonl")).find("null") == std::string::npos);
}

TEST_CASE("pretraining: stopped and resumed, the bytes are the same") {
    const Prepared& p = prepared();
    const Result r = stop_after(p.pretrain("stopped", 100000, "--save-every 0"), p / "stopped/metrics.jsonl", 3, "INT");
    INFO(r.text);
    CHECK(r.status == 130);
    CHECK(r.text.find("--resume") != std::string::npos);
    CHECK(exists(last_state(p / "stopped")));
    // A copy that goes on by another number of threads, stopped again, against one that was never stopped.
    REQUIRE(shell(p.pretrain("whole", 40)).status == 0);
    const std::string steps = p / "parts/metrics.jsonl";
    CHECK(stop_after(p.pretrain("parts", 40, "--threads 1"), steps, 2, "INT").status == 130);
    for (int i = 0; i < 2; ++i)
        (void)stop_after(p.pretrain("parts", 40, "--resume --threads 2"), steps, 2, "TERM");
    REQUIRE(shell(p.pretrain("parts", 40, "--resume --threads 3")).status == 0);
    for (const char* file : {"/model.safetensors", "/metrics.jsonl"})
        CHECK(sha256_of_file(p / (std::string("whole") + file)) == sha256_of_file(p / (std::string("parts") + file)));
}

TEST_CASE("GRPO: stopped and resumed, the bytes are the same") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.grpo("whole-rl", "--steps 8 --reference-every 5")).status == 0);
    CHECK(stop_after(p.grpo("parts-rl", "--steps 8 --reference-every 5"), p / "parts-rl/metrics.jsonl", 2, "INT").status == 130);
    REQUIRE(shell(p.grpo("parts-rl", "--steps 8 --reference-every 5 --resume --threads 1")).status == 0);
    for (const char* file : {"/model.safetensors", "/metrics.jsonl", "/rollouts.jsonl"})
        CHECK(sha256_of_file(p / (std::string("whole-rl") + file)) == sha256_of_file(p / (std::string("parts-rl") + file)));
}

// At every one of them with R1_KILLS=all, which takes a quarter of an hour.
TEST_CASE("D6: killed at system calls that change a file, and resumed, the bytes are the same") {
    const Prepared& p = prepared();
#ifdef R1_SANITIZED
    const int some = 31;
#else
    const int some = 7;
#endif
    const int step = std::getenv("R1_KILLS") ? 1 : some;
    const std::map<std::string, std::string> commands = {
        {"killed", p.pretrain("killed", 4, "--threads 1 --save-every 2")},
        {"killed-zero",
         p.grpo("killed-zero", "--threads 1 --steps 4 --keep 2 --evaluate-every 2 --evaluate-count 3 --evaluate-k 2 "
                               "--record-every 1 --rollout-format verl "
                               "--held-out " + p / "problems.test.jsonl")}};
    for (const auto& each : commands) {
        const std::string &name = each.first, &command = each.second, folder = p / name;
        const auto files = [&] {  // each with its hash, but for that of how long it took
            std::map<std::string, std::string> all;
            for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
                const std::string file_name = std::filesystem::relative(file.path(), folder);
                const bool has_clock =
                    file_name == "timings.jsonl" || file_name == "starts.jsonl" || file_name == "r1-manifest.json";
                all[file_name] = file.is_regular_file() && !has_clock ? sha256_of_file(file.path()) : "";
            }
            return all;
        };
        REQUIRE(shell(command).status == 0);
        const auto right = files();
        int wrong = 0, resumed = 0;
        const int kills = killed_at_every_call(
            [&] { std::filesystem::remove_all(folder); },
            [&] { execl("/bin/sh", "sh", "-c", ("exec " + command + " > /dev/null").c_str(), nullptr); },
            [&] {
                const bool has_state = !last_state(folder).empty();
                const Result r = shell(command + " --resume --threads 2");
                INFO(r.text);
                CHECK(r.status == 0);
                resumed += has_state, wrong += files() != right;
            },
            changes_files, step);
        if (kills == 0) {
            MESSAGE("ptrace is not allowed here: no process can be killed at its system calls");
            return;
        }
        if (step == 1) MESSAGE(name << ": killed " << kills << " times, of which " << resumed << " could be resumed");
        CHECK(wrong == 0);
        CHECK(5 * resumed > kills);
        CHECK(kills > 100 / step);
    }
}

TEST_CASE("GRPO: on policy the first update is exact") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.grpo("first", "--steps 2 --updates 1")).status == 0);
    int steps = 0;
    read_json_lines(p / "first/metrics.jsonl", [&](const json& m, int64_t) {
        CHECK(m["first_update_mismatch"].get<double>() == 0);
        CHECK(m["ratio"].get<double>() == 1);
        CHECK(m["clip_low"].get<double>() == 0);
        CHECK(m["clip_high"].get<double>() == 0);
        if (++steps == 1) CHECK(m["kl"].get<double>() == 0);
    });
    CHECK(steps == 2);
}

TEST_CASE("what a command needs is checked before it works") {
    const Prepared& p = prepared();
    refuses(p.grpo("x", "--group 1"), 2, "no baseline", "--group");
    refuses(p.grpo("x", "--temperature 0"), 2, "out of range", "--temperature");
    refuses(p.grpo("x", "--updates 1000"), 2, "updates", "--updates");
    refuses(p.grpo("x", "--aggregation sum"), 2, "no choice", "--aggregation");
    refuses(p.grpo("x", "--preset ppo"), 2, "no preset", "--preset");
    refuses(p.grpo("x", "--beta -1"), 2, "out of range", "--beta");
}

TEST_CASE("the READMEs' tables name real files with their length") {
    int rows = 0;
    for (const std::string folder : {"/", "/cuda/"}) {
        const std::string readme = read_file(R1_SOURCE + folder + "README.md");
        for (size_t at = readme.find("| ["); at != std::string::npos; at = readme.find("| [", at + 1)) {
            const size_t open = readme.find("](", at), close = readme.find(')', open), bar = readme.find('|', close);
            const std::string path = folder + readme.substr(open + 2, close - open - 2);
            const std::string text = read_file(R1_SOURCE + path);
            const long said = std::strtol(readme.c_str() + bar + 1, nullptr, 10), lines = std::count(text.begin(), text.end(), '\n');
            INFO(path << " has " << lines << " lines");
            CHECK(std::labs(said - lines) * 10 <= lines);
            ++rows;
        }
    }
    CHECK(rows > 30);
}

TEST_CASE("the tour in CONTRIBUTING.md: each arrow is a call, and three lead to what people look for") {
    std::istringstream lines(read_file(R1_SOURCE "/CONTRIBUTING.md"));
    int ways = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" -> `src/") == std::string::npos) continue;
        std::vector<std::string> words;        // file, name, file, name, ..., file
        for (size_t at = line.find('`'); at != std::string::npos; at = line.find('`', at + 1)) {
            const size_t end = line.find('`', at + 1);
            words.push_back(line.substr(at + 1, end - at - 1));
            at = end;
        }
        CAPTURE(line);
        REQUIRE(words.size() % 2 == 1);
        CHECK(words.size() / 2 <= 3);
        for (size_t i = 0; i + 2 < words.size(); i += 2) {
            CAPTURE(words[i]);
            const std::string& name = words[i + 1];
            const std::string from = read_file(R1_SOURCE "/" + words[i]), to = read_file(R1_SOURCE "/" + words[i + 2]);
            const auto holds = [](const std::string& text, const std::string& part) {
                return text.find(part) != std::string::npos;
            };
            CHECK((holds(from, name + "(") || holds(from, ", " + name + ")") || holds(from, ", " + name + ",")));
            CHECK(holds(to, " " + name + "("));
        }
        ++ways;
    }
    CHECK(ways == 3);
}

TEST_CASE("the audit refuses what GRPO is not defined on, in one line") {
    const Prepared& p = prepared();
    const auto audits = [&](const std::string& text, const std::string& options = "") {
        p.write("audit.json", text);
        return binary + " audit " + p / "audit.json" + " " + options;
    };
    const std::string fine = R"({"reward": 1, "logp": [-0.5, -1], "logp_old": [-0.5, -1.2], "logp_ref": [-0.6, -1]})";
    const std::string other = R"({"reward": 0, "logp": [-0.25], "logp_old": [-0.5], "logp_ref": [-0.5]})";
    const auto groups = [](const std::string& answers) { return "{\"groups\": [{\"answers\": [" + answers + "]}]}"; };
    refuses(audits("{\"groups\": "), 1, "not JSON", "audit.json");
    refuses(audits("{}"), 1, "\"groups\"", "audit.json");
    refuses(audits("{\"groups\": []}"), 1, "no groups", "audit.json");
    refuses(audits("{\"groups\": [{}]}"), 1, "\"answers\"", "group 1");
    refuses(audits(groups("")), 1, "without answers", "group 1");
    refuses(audits(groups(fine + ", 3")), 1, "not an object", "group 1 answer 2");
    refuses(audits(groups(fine + R"(, {"logp": [-1]})")), 1, "no \"reward\"", "group 1 answer 2");
    refuses(audits(groups(fine + R"(, {"reward": 1})")), 1, "no \"logp\"", "group 1 answer 2");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [-1, -2], "logp_old": [-1]})")), 1, "1 numbers and \"logp\" 2", "group 1 answer 2");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [null]})")), 1, "finite", "group 1 answer 2 logp 1");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [NaN]})")), 1, "not JSON", "audit.json");
    refuses(audits(groups(fine + R"(, {"reward": "x", "logp": [-1], "logp_ref": [-1]})")), 1, "finite", "answer 2 reward");
    refuses(audits(groups(fine + R"(, {"reward": 0, "logp": [-1]})")), 1, "no \"logp_ref\"", "answer 2");
    refuses(audits(groups(fine + R"(, {"steps": [[5, 1]], "logp": [-1], "logp_ref": [-1]})")), 1, "out of order", "answer 2 step 1");
    refuses(audits(groups(fine + R"(, {"steps": [[0, 1]], "logp": [-1], "logp_ref": [-1]})")), 1, "\"steps\"", "group 1");
    refuses(audits(groups(fine + ", " + other), "--preset none"), 2, "no preset", "--preset");
    refuses(audits(groups(fine + ", " + other), "--objective ppo"), 2, "no choice", "--objective");
    refuses(audits(groups(fine + ", " + other), "--epsilon-low x"), 2, "number", "--epsilon-low");
    const std::string two = groups(fine + ", " + other);
    refuses(audits(two, "--group 1 --answer 1 --token 1"), 2, "no logits", "--token");
    refuses(audits(two, "--answer 1"), 2, "half a place", "--group");
    refuses(audits(two, "--group 2"), 2, "1 group,", "--group");
    refuses(audits(two, "--group 1 --answer 3"), 2, "2 answers", "--answer");
    refuses(audits(two, "--group 1 --all"), 2, "all, and one", "--all");
    refuses(audits(groups(fine + ", " + other), "--step 2"), 2, "no steps", "--step");
    refuses(audits(groups(fine + ", " + other), "--beta 1e308"), 2, "number", "--beta");
    refuses(audits(groups(fine + R"(, {"reward": 1e308, "logp": [-1], "logp_ref": [-1]})")), 1, "out of range", "answer 2 reward");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [5], "logp_ref": [-1]})")), 1, "above 0", "answer 2 logp 1");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [-1], "logp_ref": [-1], "truncated": 1})")), 1, "neither true nor false", "answer 2");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [-1], "logp_ref": [-1], "tokens": [["a"]]})")), 1, "no text", "answer 2");
    refuses(audits(groups(fine + R"(, {"reward": 1, "logp": [-1], "logp_ref": [-1], "tokens": ["a", "b"]})")), 1, "different lengths", "answer 2");
    refuses(audits(groups(R"({"steps": [[0, 1]], "reward": 1, "logp": [-1], "logp_ref": [-1]})")), 1, "one of them", "answer 1");
    refuses(audits(groups(R"({"steps": [[0, 1]], "logp": [-1], "logp_ref": [-1]}, {"steps": [[0, 0]], "logp": [-1], "logp_ref": [-1]})"),
                   "--kl-in reward"), 2, "rewards of steps", "--kl-in");
    refuses(binary + " audit", 2, "nothing to audit", "--run");
    refuses(binary + " audit --run /nowhere", 1, "", "/nowhere");

    // What has a convention is computed by it, and is never NaN.
    for (const std::string& answers : {fine, fine + ", " + fine, fine + R"(, {"reward": 0, "logp": [], "logp_old": [], "logp_ref": []})",
                                       fine + ", " + other, std::string(R"({"reward": 3, "logp": [-1], "logp_ref": [-100]})") + ", " + fine,
                                       std::string(R"({"reward": 1e-200, "logp": [-1], "logp_ref": [-1]})") + R"(, {"reward": 0, "logp": [-1], "logp_ref": [-1]})"})
        for (const Preset& preset : presets()) {
            const Result r = shell(audits(groups(answers), "--json --preset " + std::string(preset.name)));
            CAPTURE(answers);
            CAPTURE(r.text);
            CHECK(r.status == 0);
            CHECK(r.text.find("null") == std::string::npos);
            const json object = json::parse(r.text);
            for (const char* key : {"advantages", "loss", "policy_loss", "kl_loss", "gradient", "clip_low", "clip_high", "kl_mean", "ratio_mean"})
                CHECK(object.contains(key));
        }
    const Result words = shell(audits(groups(fine + ", " + other), "--html " + p / "audit.html"));
    CHECK(words.status == 0);
    for (const char* part : {"advantage A = +0.70", "ratio > 1.2: held, slope 0", "the presets on the same answers", "drawn in"})
        CHECK(words.text.find(part) != std::string::npos);
    CHECK(read_file(p / "audit.html").find("<script>") != std::string::npos);
}

TEST_CASE("grpo: recorded answers in verl's form too, the same ones") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.grpo("dumped", "--steps 1 --record-every 1 --record-groups 3 --rollout-format verl")).status == 0);
    std::vector<json> ours, theirs;
    read_json_lines(p / "dumped/rollouts.jsonl", [&](const json& line, int64_t) { ours.push_back(line); });
    read_json_lines(p / "dumped/rollouts.verl.jsonl", [&](const json& line, int64_t) { theirs.push_back(line); });
    REQUIRE((ours.size() == 12 && theirs.size() == 12));
    const std::pair<const char*, const char*> names[] = {{"input", "prompt"},   {"output", "completion"},
                                                         {"gts", "problem"},    {"score", "reward"},
                                                         {"step", "step"},      {"acc", "accuracy"},
                                                         {"format", "format"},  {"reason", "reason"}};
    for (size_t i = 0; i < ours.size(); ++i)
        for (const auto& [verl, r1] : names) CHECK(theirs[i].at(verl) == ours[i].at(r1));
}

// TensorBoard's library is not here: one stands in for it that prints what it is given.
TEST_CASE("scripts/export.py gives every number and every answer of a run to the library, and says what is missing") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.grpo("exported", "--steps 2 --record-every 1 --record-groups 1")).status == 0);
    p.write("tensorboardX.py", "class SummaryWriter:\n"
                                       "    def __init__(self, folder): print('folder', folder)\n"
                                       "    def add_scalar(self, *what): print('scalar', *what)\n"
                                       "    def add_text(self, name, text, step=0): print('text', name, step)\n"
                                       "    def close(self): print('closed')\n");
    const std::string program = "PYTHONPATH=" + p.path + " python3 " R1_SOURCE "/scripts/export.py ";
    const std::string run = p / "exported";
    const Result r = shell(program + run + " --tensorboard " + p / "logs");
    CAPTURE(r.text);
    CHECK(r.status == 0);
    int numbers = 0;
    read_json_lines(run + "/metrics.jsonl", [&](const json& line, int64_t) {
        for (const auto& [key, value] : line.items()) {
            if (key == "step" || !value.is_number()) continue;
            CHECK(r.text.find("scalar " + key + " ") != std::string::npos);
            ++numbers;
        }
    });
    const auto count = [&](const std::string& what) {
        int found = 0;
        for (size_t at = 0; (at = r.text.find(what, at)) != std::string::npos; ++at) ++found;
        return found;
    };
    CHECK(count("\nscalar ") - count("\nscalar time/") == numbers);
    CHECK(count("\ntext answers ") == 8);
    CHECK(count("closed") == 1);

    const auto says = [&](const std::string& arguments, const std::string& what) {
        const Result refused = shell(program + arguments);
        CAPTURE(refused.text);
        CHECK(refused.status != 0);
        CHECK(refused.text.find(what) != std::string::npos);
        CHECK(refused.text.find("Traceback") == std::string::npos);
    };
    says("/nowhere --parquet " + p / "tables", "no metrics.jsonl, /nowhere, give");
    says(run, "say where to");
    p.write("exported/rollouts.jsonl", "[1]\n");
    says(run + " --tensorboard " + p / "logs", "rollouts.jsonl line 1");
}

TEST_CASE("the audit of a run's step gives what training used") {
    const Prepared& p = prepared();
    // The penalty of length gives every group a spread, which a model as young as this has not by itself.
    REQUIRE(shell(p.grpo("audited", "--steps 2 --record-every 1 --record-groups 3 --updates 2 --lr 0.01 --warmup 1 "
                                    "--overlong-limit 45 --overlong-cache 40")).status == 0);
    for (const int step : {1, 2}) {
        const Result r = shell(binary + " audit --json --run " + p / "audited" + " --step " + std::to_string(step));
        REQUIRE(r.status == 0);
        const json audit = json::parse(r.text);
        // The recorded groups are all of the step: its losses come out again, and the advantages of each answer.
        json metrics;
        read_json_lines(p / "audited/metrics.jsonl", [&](const json& line, int64_t) {
            if (line["step"] == step) metrics = line;
        });
        CHECK(audit["policy_loss"].get<double>() == doctest::Approx(metrics["policy_loss"].get<double>()).epsilon(1e-4));
        CHECK(audit["kl_loss"].get<double>() == doctest::Approx(metrics["kl_loss"].get<double>()).epsilon(1e-4));
        CHECK(audit["kl_mean"].get<double>() == doctest::Approx(metrics["kl"].get<double>()).epsilon(1e-4));
        CHECK(audit["ratio_mean"].get<double>() == doctest::Approx(metrics["ratio"].get<double>()).epsilon(1e-5));
        int line_number = 0, learned = 0, ended = 0;
        read_json_lines(p / "audited/rollouts.jsonl", [&](const json& line, int64_t) {
            if (line["step"] != step) return;
            const double A = audit["advantages"][line_number / 4][line_number % 4].get<double>();
            CHECK(A == doctest::Approx(line["advantage"].get<double>()).epsilon(1e-6));
            // Every token of the answer is learned from, the first and the end of text too, and nothing else.
            const json& gradient = audit["gradient"][line_number / 4][line_number % 4];
            CHECK(gradient.size() == line["pieces"].size());
            if (line["finished"].get<bool>()) CHECK(line["pieces"].back().get<std::string>().find("end") != std::string::npos);
            if (A != 0 && step == 1 && line["update"] == 0) {
                CHECK(gradient.front().get<double>() != 0);
                CHECK(gradient.back().get<double>() != 0);
                ++learned, ended += line["finished"].get<bool>();
            }
            ++line_number;
        });
        CHECK(line_number == 12);
        if (step == 1) CHECK(learned > 3);
        if (step == 1) CHECK(ended > 0);
    }
    // The gradient of the logits: what the token gains, the others lose.
    const Result logits = shell(binary + " audit --run " + p / "audited" + " --step 2 --group 1 --answer 2 --token 3");
    CHECK(logits.status == 0);
    CHECK(logits.text.find("the sampled token") != std::string::npos);
    CHECK(logits.text.find("0 but for the rounding of p") != std::string::npos);
    const Result explained = shell(binary + " audit --run " + p / "audited" + " --explain");
    CHECK(explained.status == 0);
    CHECK(explained.text.find("as expected") != std::string::npos);
    refuses(binary + " audit --run " + p / "audited" + " --step 7", 1, "not recorded", "rollouts.jsonl");
    const std::string place = binary + " audit --run " + p / "audited" + " --group 1 --answer ";
    refuses(place + "99 --token 1", 2, "4 answers", "--answer");
    refuses(place + "1 --token 1 --json", 2, "words only", "--json");
    // Settings of one's own make the recorded groups a batch by themselves; nothing is divided by what is not known.
    for (const char* options : {"--truncated mask", "--flat-groups skip", "--spread-over batch --spread population", "--preset dapo"}) {
        const Result own = shell(binary + " audit --json --run " + p / "audited" + " " + options);
        CHECK(own.status == 0);
        CHECK(own.text.find("null") == std::string::npos);
    }
    // A damaged record is an error with its line.
    const std::string rollouts = read_file(p / "audited/rollouts.jsonl");
    for (const char* key : {"\"pieces\"", "\"ids\"", "\"candidates\"", "\"prompt_index\"", "\"finished\"", "\"batch_answers\"", "\"logp\"", "\"advantage\""}) {
        std::string damaged = rollouts;
        damaged.replace(damaged.find(key), 2, "\"x");
        p.write("audited/rollouts.jsonl", damaged);
        refuses(binary + " audit --run " + p / "audited" + " --step 1", 1, "", "rollouts.jsonl line 1");
    }
    p.write("audited/rollouts.jsonl", rollouts);
    p.write("audited/options.json", "{\"options\": {}}");
    refuses(binary + " audit --run " + p / "audited", 1, "baseline", "options.json");
}

TEST_CASE("GRPO: groups are skipped, resampled and masked as asked") {
    const Prepared& p = prepared();
    for (const char* options : {"--flat-groups skip", "--flat-groups resample", "--truncated mask", "--kl-in reward --beta 0.1",
                                "--preset gspo", "--preset cispo", "--preset r1", "--overlong-limit 40 --overlong-cache 20"}) {
        CAPTURE(options);
        const Result r = shell(p.grpo("variant", "--overwrite --steps 2 --threads 2 " + std::string(options)));
        CAPTURE(r.text);
        CHECK(r.status == 0);
        const std::string first = sha256_of_file(p / "variant/model.safetensors");
        CHECK(shell(p.grpo("variant", "--overwrite --steps 2 --threads 1 " + std::string(options))).status == 0);
        CHECK(sha256_of_file(p / "variant/model.safetensors") == first);
    }
}

namespace {

using Equation = std::pair<std::string, int>;  // paper, number

// The equations that the tags in square brackets name: "[V3 eq 1-3, 5; DSM eq 4]" gives V3 1, 2, 3, 5 and DSM 4.
std::set<Equation> equations_in(const std::string& text) {
    std::set<Equation> found;
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    for (const std::string word : {" eq ", " algorithm "})
        for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
            size_t end = at, begin = text.rfind('[', at), next = at + word.size();
            if (begin == std::string::npos || at - begin > 80 || text.find(']', begin) < at || !digit(next)) continue;
            if (text[end - 1] == ',') --end;
            std::string paper = text.substr(begin + 1, end - begin - 1);
            for (const char* cut : {"; ", ", "})
                if (const size_t last = paper.rfind(cut); last != std::string::npos) paper = paper.substr(last + 2);
            for (;;) {
                size_t used = 0;
                const int low = std::stoi(text.substr(next, 6), &used);
                next += used;
                int high = low;
                if (next < text.size() && text[next] == '-' && digit(next + 1)) high = std::stoi(text.substr(next + 1, 6), &used), next += used + 1;
                for (int i = low; i <= high; ++i) found.insert({paper, i});
                if (text.compare(next, 2, ", ") != 0 || !digit(next + 2)) break;
                next += 2;
            }
        }
    return found;
}

}  // namespace

TEST_CASE("every equation has its tag in the code, a test and a golden") {
    const std::string root = R1_SOURCE, readme = read_file(root + "/reference/README.md");
    std::string tests;
    for (const auto& entry : std::filesystem::directory_iterator(root + "/test"))
        if (entry.path().extension() == ".cpp") tests += read_file(entry.path());
    std::set<Equation> listed;
    std::istringstream lines(readme);
    int rows = 0;
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string> cell;
        for (size_t at = 2, end; (end = line.find(" | ", at)) != std::string::npos; at = end + 3) cell.push_back(line.substr(at, end - at));
        const auto tags = cell.size() == 5 ? equations_in("[" + cell[1] + "]") : std::set<Equation>();
        if (tags.empty()) continue;
        const std::string golden = line.substr(line.rfind(" | ") + 3, line.rfind(" |") - line.rfind(" | ") - 3);
        ++rows;
        CAPTURE(line);
        const auto in_code = equations_in(read_file(root + "/" + cell[2]));
        for (const auto& equation : tags) {
            CAPTURE(equation.first);
            CAPTURE(equation.second);
            CHECK(in_code.count(equation));
            listed.insert(equation);
        }
        CHECK(tests.find("TEST_CASE(\"" + cell[4] + "\")") != std::string::npos);
        CHECK(exists(root + "/reference/golden/" + golden));
        CHECK(!cell[3].empty());
    }
    CHECK(rows >= 19);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root + "/src")) {
        if (entry.is_directory()) continue;
        CAPTURE(entry.path().string());
        for (const auto& equation : equations_in(read_file(entry.path()))) {
            CAPTURE(equation.first);
            CAPTURE(equation.second);
            CHECK(listed.count(equation));
        }
    }
}
