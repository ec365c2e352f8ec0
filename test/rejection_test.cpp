// Rejection sampling: what is taken and why not, the overlap with a held-out file, and the command from end to end.
#include "stages/rejection.h"

#include <set>

#include "kill.h"
#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

Candidate candidate(const std::string& text, double accuracy = 1, double reward = 2, int length = 10) {
    Candidate c;
    c.text = text;
    c.finished = true;
    c.accuracy = accuracy;
    c.format = 1;
    c.reward = reward;
    c.length = length;
    return c;
}

using Ints = std::vector<int>;
using Texts = std::vector<std::string>;

// Twelve sums as problems, and a small model that has learned most of them by heart, made once.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 600 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json")
                    .status == 0);
        Config c = tiny_config();
        c.vocab_size = 448;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        REQUIRE(shell(binary + " pretrain --config " + *this / "tiny.json --corpus " +
                      *this / "corpus.jsonl --tokenizer " + *this / "tokenizer.json --tokens 20000 --output " +
                      *this / "base")
                    .status == 0);
        std::string problems, examples;
        for (int i = 1; i <= 12; ++i) {
            const std::string a = std::to_string(i), b = std::to_string(i + 2), c3 = std::to_string(i + 5),
                              t = std::to_string(3 * i + 7);
            problems += "{\"numbers\": [" + a + ", " + b + ", " + c3 + "], \"target\": " + t + "}\n";
            examples += "{\"prompt\": \"User: " + a + " " + b + " " + c3 + " make " + t +
                        ". Assistant:\", \"response\": \"<think> so</think><answer> " + a + " + " + b + " + " + c3 +
                        "</answer>\"}\n";
        }
        write("problems.jsonl", problems);
        write("examples.jsonl", examples);
        REQUIRE(shell(binary + " sft --steps 120 --batch 6 --lr 0.005 --schedule constant --model " +
                      *this / "base --data " + *this / "examples.jsonl --output " + *this / "model")
                    .status == 0);
    }
    std::string rejection(const std::string& output, const std::string& more = "") const {
        return binary + " rejection --model " + *this / "model --problems " +
               *this / "problems.jsonl --samples 8 --max-tokens 40 --output " + *this / output + " " + more;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

}  // namespace

TEST_CASE("rejection sampling: the first filter that an answer does not pass is its reason") {
    RejectionOptions o;
    o.language_min = 0.8;
    o.repetition_max = 0.5;
    o.longest = 20;
    std::vector<Candidate> c = {candidate("a"),           candidate("b"), candidate("c", 0.5),
                                candidate("d"),           candidate("e"), candidate("f"),
                                candidate("g", 1, 2, 21), candidate("a"), candidate("h")};
    c[1].finished = false;
    c[3].format = 0;
    c[4].language = 0.7;
    c[5].repetition = 0.6;
    Selection s = select_answers(o, c, 0);
    CHECK(s.reason ==
          Texts{"", "unfinished", "wrong", "format", "mixed language", "repetition", "too long", "duplicate", ""});
    CHECK(s.taken == Ints{0, 8});
    o.any_format = o.duplicates = true;
    o.language_min = 0;
    o.repetition_max = 1;
    o.longest = 0;
    CHECK(select_answers(o, c, 0).taken == Ints{0, 3, 4, 5, 6, 7, 8});
    CHECK(select_answers(o, {}, 0).taken.empty());
}

TEST_CASE("rejection sampling: how many, which, and from which prompts") {
    RejectionOptions o;
    const std::vector<Candidate> c = {candidate("a", 1, 2, 30), candidate("b", 0, 1, 5), candidate("c", 1, 2, 10),
                                      candidate("d", 1, 3, 40)};
    CHECK(select_answers(o, c, 0).taken == Ints{0, 2, 3});
    o.keep = 2;
    CHECK(select_answers(o, c, 0).taken == Ints{0, 2});
    CHECK(select_answers(o, c, 0).reason == Texts{"", "wrong", "", "more than --keep"});
    o.select = Select::best;
    CHECK(select_answers(o, c, 0).taken == Ints{3, 2});  // the highest reward, then the shorter of equals
    // strictly between
    for (const auto& [low, high, taken] : {std::tuple{0.75, 2.0, 0}, {0.7, 2.0, 2}, {-1.0, 0.75, 0}, {-1.0, 0.8, 2}}) {
        o.pass_rate_min = low;
        o.pass_rate_max = high;
        CHECK(int(select_answers(o, c, 0).taken.size()) == taken);
    }
    // The control takes as many, of all that ended, and other ones for other prompts.
    o = {};
    o.select = Select::random;
    o.keep = 2;
    std::set<Ints> drawn;
    for (uint32_t prompt = 0; prompt < 60; ++prompt) {
        const Selection s = select_answers(o, c, prompt);
        REQUIRE(s.taken.size() == 2);
        CHECK(select_answers(o, c, prompt).taken == s.taken);
        int reasons = 0;
        for (const std::string& reason : s.reason) reasons += !reason.empty();
        CHECK(reasons == 2);
        drawn.insert(s.taken);
    }
    CHECK(drawn.size() == 6);  // every pair of four, wrong ones too
}

TEST_CASE("rejection sampling: overlap with a held-out file") {
    const Overlap overlap({"One two three four, FIVE six.", "short one"}, 4);
    CHECK(overlap.with("zero; one TWO three: four"));
    CHECK(overlap.with("three four five six seven"));
    CHECK_FALSE(overlap.with("one two three 4 five six"));
    CHECK(overlap.with("Short, one!"));
    CHECK_FALSE(overlap.with("a short one"));
    CHECK_FALSE(overlap.with(""));
    CHECK_FALSE(Overlap({}, 4).with("one"));
}

TEST_CASE("rejection sampling: the command, its files, and what learns from them") {
    const Prepared& p = prepared();
    const Result r = shell(p.rejection("kept.jsonl"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const json funnel = read_json(p / "kept.jsonl.funnel");
    const std::vector<json> kept = lines_of(p / "kept.jsonl"), rejected = lines_of(p / "kept.jsonl.rejected");
    CHECK(funnel["sampled"] == 96);
    CHECK(funnel["kept"] == kept.size());
    CHECK(kept.size() + rejected.size() == 96);
    REQUIRE(kept.size() >= 6);
    int64_t in_bins = 0, in_reasons = 0;
    for (const json& n : funnel["pass_rates"]) in_bins += n.get<int64_t>();
    for (const auto& [reason, n] : funnel["rejected"].items()) in_reasons += n.get<int64_t>();
    CHECK(in_bins == 12);
    CHECK(in_reasons == int64_t(rejected.size()));
    std::set<std::string> names;
    for (const json& line : kept) {
        for (const char* key :
             {"problem", "solution", "answer", "problem_type", "source", "uuid", "generations", "is_reasoning_complete",
              "correctness", "finish_reasons", "correctness_count", "messages"})
            CHECK(line.contains(key));
        CHECK(line["correctness"] == json({true}));
        CHECK(line["messages"].back()["content"] == line["generations"][0]);
        CHECK(line["generations"][0].get<std::string>().ends_with("</answer>"));
        names.insert(line["uuid"]);
    }
    CHECK(names.size() == kept.size());

    // The same bytes with other threads and slots, and from a run that was stopped.
    REQUIRE(shell(p.rejection("again.jsonl", "--threads 1 --slots 5")).status == 0);
    CHECK(read_file(p / "again.jsonl") == read_file(p / "kept.jsonl"));
    CHECK(read_file(p / "again.jsonl.rejected") == read_file(p / "kept.jsonl.rejected"));
    refuses(p.rejection("kept.jsonl"), 2, "there already", "--overwrite");
    refuses(p.rejection("kept.jsonl", "--resume --seed 2"), 2, "the run began with --seed 1", "--resume");
    CHECK(shell(p.rejection("kept.jsonl", "--resume")).status == 0);
    CHECK(read_file(p / "again.jsonl") == read_file(p / "kept.jsonl"));
    CHECK(shell(p.rejection("kept.jsonl", "--overwrite --seed 2")).status == 0);
    CHECK(read_file(p / "again.jsonl") != read_file(p / "kept.jsonl"));

    // r1 sft learns from it as it is: the prompt as it was put, the answer and its end.
    const Result learned = shell(binary + " sft --steps 4 --batch 4 --model " + p / "base --data " +
                                 p / "again.jsonl --output " + p / "student");
    CAPTURE(learned.text);
    CHECK(learned.status == 0);
    CHECK(learned.text.find("sft: " + std::to_string(lines_of(p / "again.jsonl").size()) + " examples") !=
          std::string::npos);
    // Problems that are held out are left out.
    REQUIRE(shell("head -n 3 " + p / "problems.jsonl" + " > " + p / "held.jsonl").status == 0);
    REQUIRE(shell(p.rejection("clean.jsonl", "--decontaminate " + p / "held.jsonl")).status == 0);
    CHECK(read_json(p / "clean.jsonl.funnel")["prompts"] == 9);
    CHECK(read_json(p / "clean.jsonl.funnel")["overlapping"] == 3);
    // The control is of the same size.
    REQUIRE(shell(p.rejection("random.jsonl", "--select random")).status == 0);
    CHECK(lines_of(p / "random.jsonl").size() == lines_of(p / "again.jsonl").size());
    refuses(p.rejection("x.jsonl", "--samples 0"), 2, "out of range", "--samples");
    refuses(p.rejection("x.jsonl", "--select most"), 2, "no choice", "--select");
    refuses(binary + " rejection --model /nowhere --problems x --output " + p / "y.jsonl", 1, "no model here",
            "/nowhere");
    CHECK_FALSE(exists(p / "y.jsonl"));
}

TEST_CASE("rejection sampling: killed at system calls that change a file, and resumed, the bytes are the same") {
    const Prepared& p = prepared();
    const std::string command = p.rejection("killed.jsonl", "--threads 1 --samples 2 --save-every 3");
    const auto files = [&] {
        std::string all;
        for (const char* name : {"", ".rejected", ".funnel"})
            all += sha256_of_file(p / ("killed.jsonl" + std::string(name)));
        return all;
    };
    REQUIRE(shell(p.rejection("killed.jsonl", "--samples 2")).status == 0);  // in one go
    const std::string right = files();
    int wrong = 0, resumed = 0;
    const int kills = killed_at_every_call(
        [&] { REQUIRE(shell("rm -f " + p / "killed.jsonl*").status == 0); },
        [&] { execl("/bin/sh", "sh", "-c", ("exec " + command + " > /dev/null").c_str(), nullptr); },
        [&] {
        const bool has_state = exists(p / "killed.jsonl.state");
        const Result r = shell(command + " --resume --threads 2");
        INFO(r.text);
        CHECK(r.status == 0);
        resumed += has_state;
        wrong += files() != right;
        },
        changes_files, std::getenv("R1_KILLS") ? 1 : 3);
    if (kills == 0) {
        MESSAGE("ptrace is not allowed here: no process can be killed at its system calls");
        return;
    }
    CHECK(wrong == 0);
    CHECK(resumed > kills / 3);  // with a state to go on from, as for training runs
    CHECK(kills > 10);
}
