// Files that are no files, JSON of 100,000 levels, sizes and limits of memory: each reader says so in one line, without
// a signal, within two seconds of computing.
#include <sys/resource.h>
#include <sys/stat.h>

#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

struct Prepared : Folder {
    Prepared() {
        run("countdown --documents 300 --output " + *this / "data");
        run("tokenizer --corpus " + *this / "data/corpus.jsonl --output " + *this / "tokenizer.json");
        Config c = tiny_config();
        c.vocab_size = 448;
        c.max_position_embeddings = 320;
        config = config_to_json(c);
        write("tiny.json", config.dump());
        write("examples.jsonl", R"({"prompt": "a", "response": "b"})");
        run("pretrain --tokens 200 --config " + *this / "tiny.json" + corpus() + " --output " + *this / "model");
        std::string deep;
        for (int i = 0; i < 100000; ++i) deep += i % 2 ? "{\"a\":" : "[";
        write("deep.json", deep);
        write("deep.jsonl", "{\"text\": " + deep);
        write("garbage.json", std::string("\x00\xff{\"a", 6) + std::string(5000, '\x80'));
        mkfifo((*this / "pipe").c_str(), 0600);
    }
    void run(const std::string& arguments) const { REQUIRE(shell(binary + " " + arguments).status == 0); }
    std::string corpus() const {
        return " --corpus " + *this / "data/corpus.jsonl --tokenizer " + *this / "tokenizer.json";
    }
    json config;
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// Seconds that the processes which this one has waited for have computed: a busy machine does not add to them.
double seconds_of_children() {
    rusage used{};
    getrusage(RUSAGE_CHILDREN, &used);
    return double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * double(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

// One line, no signal, within two seconds of computing (longer where a sanitizer watches).
void says_so(const std::string& command) {
#ifdef R1_SANITIZED
    const double most = 30;
#else
    const double most = 2;
#endif
    const double before = seconds_of_children();
    const Result r = shell("timeout 60 " + command);
    CAPTURE(command);
    CAPTURE(r.text);
    const size_t line = r.text.find("r1: error: ");
    CHECK((r.status == 1 || r.status == 2));
    CHECK((line != std::string::npos && r.text.find('\n', line) == r.text.size() - 1));
    CHECK(r.text.find("not expected") == std::string::npos);
    CHECK(seconds_of_children() - before < most);
}

}  // namespace

TEST_CASE("hostile: deep JSON, pipes, devices and folders, for every option that reads") {
    const Prepared& p = prepared();
    const std::string model = " --model " + p / "model", out = " --overwrite --output " + p / "out",
                      problems = " --problems " + p / "data/problems.test.jsonl",
                      data = " --data " + p / "examples.jsonl";
    // The path comes last.
    const std::vector<std::string> readers = {
        "tokenizer" + out + " --corpus",
        "encode --tokenizer",
        "decode --tokenizer",
        "pretrain" + out + " --tokenizer " + p / "tokenizer.json --corpus",
        "pretrain" + out + " --corpus " + p / "data/corpus.jsonl --tokenizer",
        "pretrain" + out + p.corpus() + " --config",
        "pretrain" + out + p.corpus() + " --held-out",
        "pretrain" + out + " --corpus " + p / "data/corpus.jsonl --model",
        "pretrain --options",
        "sft" + out + data + " --model",
        "sft" + out + model + " --data",
        "sft" + out + model + data + " --held-out",
        "grpo" + out + problems + " --model",
        "grpo" + out + model + " --problems",
        "grpo" + out + model + problems + " --held-out",
        "grpo" + out + model + problems + " --reward-model",
        "rejection" + out + problems + " --model",
        "rejection" + out + model + " --problems",
        "rejection" + out + model + problems + " --decontaminate",
        "rejection" + out + model + problems + " --judge",
        "reward-model" + out + model + " --data",
        "evaluate" + problems + " --model",
        "evaluate" + model + " --problems",
        "evaluate" + problems + " --predictions",
        "evaluate" + model + problems + " --against",
        "judge --judge-template plain" + model + " --data",
        "judge" + out + " --examples",
        "score --tokens 3 --model",
        "sample --prompt a --model",
        "chat --model",
        "info --model",
        "audit",
        "audit --run",
        "report --run",
        "paper --run",
        "grade --task code --tests",
        "grade --task logic --problem",
        "render --model",
    };
    for (const std::string& reader : readers)
        for (const char* path : {"deep.json", "deep.jsonl", "garbage.json", "pipe", "data", "/dev/zero", "nowhere"}) {
            const bool is_corpus_folder =
                reader.ends_with("--corpus") || (reader.starts_with("pretrain") && reader.ends_with("--held-out"));
            if (std::string(path) == "data" && is_corpus_folder) continue;  // a folder of texts is meant to be read
            const std::string place = path[0] == '/' ? path : p / path;
            says_so(binary + " " + reader + " " + place + " < /dev/null");
        }
}

TEST_CASE("hostile: what a configuration needs is compared with the memory there is") {
    const Prepared& p = prepared();
    const auto with = [&](const std::vector<std::pair<const char*, int64_t>>& changes) {
        json c = p.config;
        for (const auto& [key, value] : changes) c[key] = value;
        p.write("large.json", c.dump());
        return binary + " pretrain --overwrite" + p.corpus() + " --config " + p / "large.json --output " + p / "large";
    };
    says_so(with({{"hidden_size", 1000000}}));
    says_so(with({{"hidden_size", 1 << 24}, {"num_hidden_layers", 4096}}));
    says_so(with({{"num_hidden_layers", 1000000000}}));
    says_so(with({{"intermediate_size", 2000000000}}));
    says_so(with({{"n_routed_experts", 1000000000}}));
    says_so(with({{"max_position_embeddings", 2000000000}, {"num_hidden_layers", 100000}}));
}

#ifndef R1_SANITIZED  // a sanitizer takes all addresses that there are
TEST_CASE("hostile: 41 limits of memory") {
    const Prepared& p = prepared();
    const std::string evaluate = binary + " evaluate --count 2 --k 2 --max-tokens 4 --threads 2 --model " +
                                 p / "model" + " --problems " + p / "data/problems.test.jsonl",
                      pretrain = binary + " pretrain --threads 2 --overwrite --tokens 200 --config " + p / "tiny.json" +
                                 p.corpus() + " --output " + p / "limited",
                      grade = "echo '\\boxed{1}' | " + binary + " grade --task math --reference 1";
    int worked = 0, refused = 0;
    for (int i = 0; i <= 40; ++i)
        for (const std::string& command : {evaluate, pretrain, grade}) {
            const Result r = shell("ulimit -v " + std::to_string(30000 + 4000 * i) + "; timeout 60 " + command);
            const size_t line = r.text.find("r1: error: ");
            const bool said = line != std::string::npos && r.text.find('\n', line) == r.text.size() - 1;
            // Below what the program itself takes, the system's loader ends it with a line of its own.
            const bool not_begun = r.text.find("error while loading shared libraries") != std::string::npos ||
                                   r.text.find("libgomp: Thread creation failed") != std::string::npos;
            CAPTURE(command);
            CAPTURE(i);
            CAPTURE(r.text);
            CAPTURE(r.status);
            CHECK((r.status == 0 || not_begun || (r.status == 1 && said)));
            worked += r.status == 0;
            refused += said;
        }
    MESSAGE(worked << " worked, " << refused << " were refused");
    CHECK(worked > 20);
}
#endif
