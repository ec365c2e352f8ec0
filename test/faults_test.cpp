// What may happen to a run's folder: bits that turn, files that end early, a disk that refuses, a loss of power.
// Whatever it is, it is named or has no effect, and the run goes on to the same bytes.
//
// R1_FAULTS=all plays all of it, in half an hour; without it, an even sample.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "base/manifest.h"
#include "kill.h"
#include "model/config.h"
#include "power_loss.h"
#include "promises.h"
#include "shell.h"
#include "train/run.h"
#include "train/state.h"

using namespace r1;

namespace {

namespace fs = std::filesystem;

int every(int n) { return std::getenv("R1_FAULTS") ? 1 : n; }

struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 300 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --vocab-size 320 --corpus " + *this / "corpus.jsonl --output " +
                      *this / "tokenizer.json")
                    .status == 0);
        Config c = tiny_config();
        c.vocab_size = 320;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        write("examples.jsonl",
              "{\"prompt\": \"2 3 make 5.\", \"response\": \" 2 + 3\"}\n{\"prompt\": \"4\", \"response\": \" 4\"}\n");
        REQUIRE(shell("head -n 3 " + *this / "problems.test.jsonl > " + *this / "held-out.jsonl").status == 0);
        REQUIRE(shell(pretrain("base")).status == 0);
    }
    std::string pretrain(const std::string& output) const {
        return binary + " pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
               *this / "tokenizer.json --batch-tokens 300 --tokens 1800 --save-every 2 --output " + *this / output;
    }
    std::string sft(const std::string& output) const {
        return binary + " sft --model " + *this / "base --data " +
               *this / "examples.jsonl --steps 6 --batch 1 --save-every 2 --held-out " +
               *this / "examples.jsonl --evaluate-every 3 --output " + *this / output;
    }
    std::string grpo(const std::string& output) const {
        return binary + " grpo --model " + *this / "base --problems " + *this / "problems.train.jsonl --held-out " +
               *this /
                   "held-out.jsonl --evaluate-every 2 --evaluate-count 2 --evaluate-k 2 --prompts 2 --group 2 "
                   "--max-tokens 8 "
                   "--slots 4 --steps 5 --save-every 2 --record-every 1 --rollout-format verl --output " +
               *this / output;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// A run's files with their hashes, but for what tells the time.
std::map<std::string, std::string> files_of(const std::string& run) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(run)) {
        const std::string name = fs::relative(entry.path(), run);
        const bool has_clock = name == "timings.jsonl" || name == "starts.jsonl" || name == MANIFEST;
        if (entry.is_regular_file()) all[name] = has_clock ? "" : sha256_of_file(entry.path());
    }
    return all;
}

// The same without its states: which of them there are depends on when the disk refused.
std::map<std::string, std::string> results_of(const std::string& run) {
    auto all = files_of(run);
    std::erase_if(all, [](const auto& file) {
        return file.first.starts_with("step-") && file.first.find(".tmp") == std::string::npos;
    });
    return all;
}

std::string differences(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b) {
    std::string names;
    for (const auto& [name, hash] : a)
        if (!b.contains(name) || b.at(name) != hash) names += " " + name;
    for (const auto& [name, hash] : b)
        if (!a.contains(name)) names += " " + name;
    return names;
}

// A run as it stood between two saves: the folder without its end.
void take_end_away(const std::string& run) {
    for (const auto& entry : fs::directory_iterator(run))
        if (belongs_to_model(entry.path().filename()) || entry.path().filename() == MANIFEST) fs::remove(entry.path());
}

void flip(const std::string& path, size_t bit) {
    std::string bytes = read_file(path);
    bytes[bit / 8] = char(bytes[bit / 8] ^ (1 << (bit % 8)));
    std::FILE* file = std::fopen(path.c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
}

bool one_line_of_error(const Result& r) {
    const size_t line = r.text.find("r1: error: ");
    return line != std::string::npos && r.text.find('\n', line) == r.text.size() - 1;
}

}  // namespace

TEST_CASE("faults: every bit and every length of a saved state and of the lines before it is told from another") {
    const Prepared& p = prepared();
    REQUIRE(shell(p.grpo("bits")).status == 0);
    const std::string run = p / "bits";
    const std::vector<int64_t> states = states_in(run);
    REQUIRE(states == std::vector<int64_t>{4});
    REQUIRE(damage_of_state(run, 4).empty());
    std::vector<std::string> names = {"metrics.jsonl", "rollouts.jsonl", "rollouts.verl.jsonl", "evaluations.jsonl"};
    for (const auto& entry : fs::directory_iterator(run + "/step-4"))
        names.push_back("step-4/" + entry.path().filename().string());
    const auto any = [](const std::string&) { return true; };
    int damages = 0;
    for (const std::string& name : names) {
        CAPTURE(name);
        const std::string path = run + "/" + name, right = read_file(path);
        const bool is_line = name.ends_with(".jsonl");
        const size_t covered =
            is_line ? read_progress(run + "/step-4/training.state")["logs"][name]["bytes"].get<size_t>() : right.size();
        REQUIRE(covered > 10);
        const auto told = [&] {
            const std::string damage = damage_of_state(run, 4), file = is_line ? name : name.substr(7);
            ++damages;
            return damage.find(file) != std::string::npos;
        };
        int missed = 0;
        // A sample of the bits of what is large; the first and last bytes always.
        const size_t stride = size_t(std::getenv("R1_FAULTS") ? std::max<size_t>(1, covered * 8 / 20000)
                                                              : std::max<size_t>(1, covered * 8 / 60));
        for (size_t bit = 0; bit < 8 * covered; bit += bit < 64 || bit + 64 > 8 * covered ? 7 : stride) {
            std::string bytes = right;
            bytes[bit / 8] = char(bytes[bit / 8] ^ (1 << (bit % 8)));
            write_file_atomically(path, bytes);
            missed += !told();
        }
        for (size_t size = 0; size < covered;
             size += std::max<size_t>(1, covered / size_t(std::getenv("R1_FAULTS") ? 400 : 10))) {
            write_file_atomically(path, right.substr(0, size));
            missed += !told();
        }
        fs::remove(path);
        missed += !told();
        write_file_atomically(path, right);
        CHECK(missed == 0);
        CHECK(damage_of_state(run, 4).empty());
    }
    for (const auto& entry : fs::directory_iterator(run)) {  // of the finished run
        const std::string name = entry.path().filename();
        if (!entry.is_regular_file() || name == MANIFEST) continue;
        flip(entry.path(), 8 * (fs::file_size(entry.path()) / 2) + 3);
        const std::vector<std::string> damage = damage_of(run, any);
        CHECK((damage.size() == 1 && damage[0].starts_with(name)));
        flip(entry.path(), 8 * (fs::file_size(entry.path()) / 2) + 3);
    }
    CHECK(damage_of(run, any).empty());
    CHECK(damages > 500);
}

TEST_CASE("faults: a damaged state is named, the one before it is gone on from, and the bytes are the same") {
    const Prepared& p = prepared();
    const std::string run = p / "older", command = p.grpo("older") + " --save-every 1 --keep 3";
    REQUIRE(shell(command).status == 0);
    const auto right = files_of(run);
    REQUIRE(states_in(run) == std::vector<int64_t>{4, 3});
    CHECK(shell(binary + " verify " + run).status == 0);
    take_end_away(run);
    CHECK(shell(binary + " verify " + run).status == 0);
    const std::string kept = p / "kept";
    fs::copy(run, kept, fs::copy_options::recursive);
    const auto fresh = [&] {
        fs::remove_all(run);
        fs::copy(kept, run, fs::copy_options::recursive);
    };
    for (const std::string name : {"step-4/training.state", "step-4/model.safetensors", "step-4/config.json",
                                   "step-4/r1-manifest.json", "step-4/tokenizer.json"}) {
        CAPTURE(name);
        fresh();
        flip(run + "/" + name, 8 * (fs::file_size(run + "/" + name) / 3) + 1);
        refuses(binary + " verify " + run, 1, "damaged", run);
        CHECK(shell(binary + " verify " + run).text.find(name) != std::string::npos);
        const Result r = shell(command + " --resume");
        CAPTURE(r.text);
        CHECK(r.status == 0);
        CHECK(r.text.find("r1: warning: damaged, " + run + "/" + name) != std::string::npos);
        CHECK(files_of(run) == right);
    }
    // Lines that only the last state counts on, and lines that each does.
    fresh();
    const std::string metrics = run + "/metrics.jsonl";
    const size_t of_three =
        read_progress(run + "/step-3/training.state")["logs"]["metrics.jsonl"]["bytes"].get<size_t>();
    flip(metrics, 8 * of_three + 90);
    const Result r = shell(command + " --resume");
    CHECK(r.text.find(metrics + ": its lines up to step 4") != std::string::npos);
    CHECK(r.status == 0);
    CHECK(files_of(run) == right);
    fresh();
    flip(metrics, 8 * (of_three / 2));
    refuses(command + " --resume", 1, "no saved state is whole: metrics.jsonl", run);
    // What a later line says has no effect, and the clock's lines have none.
    fresh();
    flip(metrics, 8 * fs::file_size(metrics) - 60);
    flip(run + "/timings.jsonl", 60);
    flip(run + "/options.json", 90);
    CHECK(shell(command + " --resume").status == 0);
    CHECK(files_of(run) == right);
}

TEST_CASE("faults: what a finished run's folder is read for is not read from damaged files") {
    const Prepared& p = prepared();
    const std::string run = p / "finished";
    REQUIRE(shell(p.grpo("finished")).status == 0);
    CHECK(shell(binary + " verify " + run).status == 0);
    const std::string question = " --prompt a --max-tokens 2 --model " + run;
    CHECK(shell(binary + " sample" + question).status == 0);
    const auto damaged = [&](const std::string& name, const std::string& command) {
        CAPTURE(name);
        flip(run + "/" + name, 8 * (fs::file_size(run + "/" + name) / 2));
        refuses(binary + " " + command, 1, "a damaged file, " + name, run);
        flip(run + "/" + name, 8 * (fs::file_size(run + "/" + name) / 2));
    };
    damaged("model.safetensors", "sample" + question);
    damaged("config.json", "info --model " + run);
    damaged("tokenizer.json", "sample" + question);
    damaged("metrics.jsonl", "report --run " + run);
    damaged(MANIFEST, "sample" + question);
    // A folder of another's has none, and one's own change is made known by removing it.
    fs::remove(run + "/" + MANIFEST);
    CHECK(shell(binary + " sample" + question).status == 0);
    // The end is done again from the last state.
    const Result r = shell(p.grpo("finished") + " --resume");
    CHECK(r.status == 0);
    CHECK(shell(binary + " verify " + run).status == 0);
    CHECK(shell(p.grpo("finished") + " --resume").text.find("finished already, after step 5") != std::string::npos);
    refuses(binary + " verify " + p.path + "/nowhere", 1, "no such folder", "nowhere");
    refuses(binary + " verify /usr/share/doc/doctest-dev", 1, "nothing that r1 wrote", "");
}

TEST_CASE("faults: a disk that refuses a call of a save, of a line or of a corpus: nothing is lost, one line") {
    const Prepared& p = prepared();
    struct Row {
        std::string name, command, resume;
    };
    const std::vector<Row> rows = {
        {"faulty", p.pretrain("faulty") + " --threads 1", " --resume"},
        {"faulty-sft", p.sft("faulty-sft") + " --threads 1", " --resume"},
        {"faulty-grpo", p.grpo("faulty-grpo") + " --threads 1", " --resume"},
        {"faulty-corpus", binary + " functions --documents 40 --train 3 --test 2 --output " + p / "faulty-corpus",
         " --overwrite"}};
    for (const Row& row : rows) {
        CAPTURE(row.name);
        REQUIRE(shell(row.command).status == 0);
        const std::string folder = p / row.name, out = p / "out.txt";
        const auto right = results_of(folder);
        for (const bool onwards : {false, true})
            for (const int error : std::getenv("R1_FAULTS") ? std::vector<int>{ENOSPC, EIO, EDQUOT, EROFS}
                                                            : std::vector<int>{onwards ? ENOSPC : EIO}) {
                const int printed = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
                int wrong = 0, more_lines = 0, went_on = 0, signals = 0;
                std::string last;
                const int times = at_every_call(
                    error,
                    [&] {
                    fs::remove_all(folder);
                    fs::resize_file(out, 0);
                    },
                    [&] {
                    dup2(printed, 1);
                    dup2(printed, 2);
                    execl("/bin/sh", "sh", "-c", ("exec " + row.command).c_str(), nullptr);
                },
                          [&](int status) {
                    signals += !WIFEXITED(status);
                    const Result r{WEXITSTATUS(status), read_file(out)};
                    went_on += r.status == 0;
                    if (r.status != 0 && !one_line_of_error(r)) {
                        ++more_lines;
                        last = r.text;
                    }
                    if (r.status != 0 && shell(row.command + row.resume).status != 0) ++wrong;
                    if (results_of(folder) == right) return;
                    ++wrong;
                    last = differences(results_of(folder), right) + " " + r.text;
                },
                    [&](pid_t child, const SystemCall& call) { return changes_in(child, call, folder); },
                    every(row.name == "faulty" ? 13 : 31), onwards);
                close(printed);
                if (times == 0) {
                    MESSAGE("ptrace is not allowed here: no call can be refused");
                    return;
                }
                CAPTURE(last);
                CAPTURE(error);
                CHECK(wrong == 0);
                CHECK(more_lines == 0);
                CHECK(signals == 0);
                if (std::getenv("R1_FAULTS"))
                    MESSAGE(row.name << ": errno " << error << (onwards ? " from call k on, " : " once, ") << times
                                     << " times, went on " << went_on);
            }
    }
}

TEST_CASE("faults: a loss of power between any two calls loses nothing") {
    const Prepared& p = prepared();
    const std::map<std::string, std::string> commands = {
        {"power", p.pretrain("power") + " --threads 1"},
        {"power-grpo", p.grpo("power-grpo") + " --threads 1 --save-every 1"}};
    for (const auto& each : commands) {
        const std::string folder = p / each.first, command = each.second;
        CAPTURE(command);
        Recorder recorder(folder);
        const int status =
            watched([&] { execl("/bin/sh", "sh", "-c", ("exec " + command + " > /dev/null").c_str(), nullptr); },
                    recorder.watch());
        if (status == -1) {
            MESSAGE("ptrace is not allowed here: no calls can be written down");
            return;
        }
        REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
        const auto right = files_of(folder);
        std::set<std::string> seen;
        int wrong = 0, losses = 0, from_state = 0;
        std::string last;
        Disk disk(folder);
        const size_t step = size_t(every(17));
        for (size_t k = 0; k <= recorder.calls.size(); ++k) {
            if (k > 0) disk.play(recorder.calls[k - 1]);
            if (k % step != 0 && k != recorder.calls.size()) continue;
            for (uint32_t way = 0; way < (std::getenv("R1_FAULTS") ? 6u : 4u); ++way) {
                disk.lose_power(way < 3 ? way : way + 16 * uint32_t(k));
                std::string state;
                for (const auto& [name, hash] : files_of(folder)) state += name + hash + "\n";
                if (!seen.insert(state).second) continue;
                ++losses;
                from_state += !last_state(folder).empty();
                const Result r = shell(command + " --resume");
                if (r.status == 0 && files_of(folder) == right) continue;
                ++wrong;
                last =
                    std::to_string(k) + " " + std::to_string(way) + differences(files_of(folder), right) + " " + r.text;
            }
        }
        CAPTURE(last);
        CHECK(wrong == 0);
        CHECK(losses > 20);
        CHECK(from_state > losses / 4);
        if (std::getenv("R1_FAULTS"))
            MESSAGE(each.first << ": " << recorder.calls.size() << " calls, " << losses << " losses of power, "
                               << from_state << " with a state to go on from");
    }
}

namespace {

// A model of whose tokens one has an embedding that is no number.
void poison(const std::string& model, int token) {
    std::string bytes = read_file(model + "/model.safetensors");
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    const json entry = json_of(bytes.substr(8, size))["model.embed_tokens.weight"];
    const size_t width = entry["shape"][1].get<size_t>() * sizeof(float);
    const size_t at = 8 + size + entry["data_offsets"][0].get<size_t>() + size_t(token) * width;
    const float none = std::numeric_limits<float>::infinity();
    std::memcpy(bytes.data() + at, &none, sizeof none);
    write_file_atomically(model + "/model.safetensors", bytes);
    fs::remove(model + "/" + MANIFEST);
}

}  // namespace

TEST_CASE("faults: a batch that is not finite is written aside, and ends the run or is left out") {
    const Prepared& p = prepared();
    fs::copy(p / "base", p / "poisoned", fs::copy_options::recursive);
    poison(p / "poisoned", 300);
    std::string lines;
    for (int i = 0; i < 8; ++i)
        lines += json({{"tokens", {5, i == 5 ? 300 : 6, 7, 8 + i}}, {"mask", {0, 1, 1, 1}}}).dump() + "\n";
    p.write("tokens.jsonl", lines);
    const auto sft = [&](const std::string& output, const std::string& more) {
        return binary + " sft --model " + p / "poisoned --data " + p / "tokens.jsonl --batch 2 --epochs 2 --output " +
               p / output + more;
    };
    refuses(sft("stops", ""), 1, "the loss is not finite", "--on-nonfinite skip");
    const Result r = shell(sft("skips", " --on-nonfinite skip"));
    CAPTURE(r.text);
    // Its weights are those of the poisoned model: what is not finite never becomes a model.
    CHECK(r.status == 1);
    CHECK(r.text.find("a weight that is not finite") != std::string::npos);
    int steps = 0, skipped = 0;
    for (const json& line : lines_of(p / "skips/metrics.jsonl")) {
        ++steps;
        skipped += line.contains("skipped");
        CHECK(line.contains("skipped") != line.contains("loss"));
    }
    CHECK(steps == 8);
    CHECK(skipped == 2);  // once an epoch
    int aside = 0, culprits = 0;
    for (const auto& entry : fs::directory_iterator(p / "skips"))
        if (entry.path().filename().string().starts_with("nonfinite-step-"))
            for (const json& line : lines_of(entry.path())) {
                ++aside;
                const std::vector<int> tokens = line["tokens"];
                CHECK(line["loss"].is_null() == (tokens[1] == 300));
                culprits += line["loss"].is_null();
            }
    CHECK(aside == 4);
    CHECK(culprits == 2);
    // One that is never finite again ends after some.
    refuses(p.pretrain("wild") + " --tokens 12000 --lr 1e15 --on-nonfinite skip", 1, "not finite",
            "wild/nonfinite-step-");
    int tried = 0;
    for (const json& line : lines_of(p / "wild/metrics.jsonl")) tried += line.contains("skipped");
    CHECK(tried == 10);
}

TEST_CASE("faults: a collapse sends the run back to its last state before it, and to other answers; the same resumed") {
    const Prepared& p = prepared();
    const std::string more =
        " --steps 16 --lr 0.3 --warmup 0 --cosine 8 1 1 0 1 0 --max-tokens 12 --group 4 --rollback 2";
    const Result r = shell(p.grpo("collapsing") + more);
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    CHECK(r.text.find("back to step") != std::string::npos);
    const auto lines = lines_of(p / "collapsing/metrics.jsonl");
    REQUIRE(lines.size() == 16);
    for (size_t i = 0; i < lines.size(); ++i) CHECK(lines[i]["step"] == i + 1);
    CHECK(lines.back()["rollbacks"] == 2);
    for (const int stop : {3, 6, 9}) {
        CAPTURE(stop);
        fs::remove_all(p / "parts");
        const std::string parts = p.grpo("parts") + more;
        (void)stop_after(parts, p / "parts/metrics.jsonl", stop, "INT");
        const Result resumed = shell(parts + " --resume --threads 1");
        CAPTURE(resumed.text);
        CHECK(results_of(p / "parts") == results_of(p / "collapsing"));
    }
}
