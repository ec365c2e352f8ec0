// D7: several ranks end with the bytes of one. Threads stand for ranks where a trainer, a sampler and a scorer are
// compared; whole commands run under mpirun, where it is installed.
#include <barrier>
#include <cstring>
#include <set>
#include <thread>

#include "base/progress.h"
#include "base/ranks.h"
#include "model/sampler.h"
#include "model/scorer.h"
#include "promises.h"
#include "shell.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "train/shards.h"
#include "train/state.h"

using namespace r1;

namespace {

// ---- threads as ranks

// Calls body() in n threads that are each other's ranks. What a rank receives is copied from the others' memory.
void as_ranks(int n, const std::function<void()>& body) {
    std::vector<const Ranks::Out*> sent(static_cast<size_t>(n));
    std::barrier together(n);
    std::vector<std::thread> threads;
    for (int r = 0; r < n; ++r)
        threads.emplace_back([&, r] {
            Ranks mine;
            mine.rank = r;
            mine.count = n;
            mine.exchange = [&, r](const Ranks::Out& out, const Ranks::In& in) {
                sent[size_t(r)] = &out;
                together.arrive_and_wait();
                for (int from = 0; from < n; ++from) {
                    const std::span<const char> bytes = (*sent[size_t(from)])[size_t(r)];
                    ENSURE(bytes.size() == in[size_t(from)].size(), "both sides know the size");
                    if (!bytes.empty()) std::memcpy(in[size_t(from)].data(), bytes.data(), bytes.size());
                }
                together.arrive_and_wait();
            };
            const RanksHere here(mine);
            body();
        });
    for (std::thread& thread : threads) thread.join();
}

// Four updates of a tiny model, with prediction modules, and the hash on each rank of all that it then has.
std::string hash_of_training(int count, int shards, const Config& config, int threads = 1) {
    ThreadsForNow now(threads);
    const auto sequences = tiny_sequences(16, 40, 5);
    std::vector<std::string> hashes(static_cast<size_t>(count));
    const auto body = [&] {
        Model model = make_model(config, cpu_ops());
        initialise(model.config, model.weights, 11);
        TrainOptions options;
        options.shards = shards;
        options.micro_rows = 64;
        options.decay = 0.1f;
        options.bias_speed = 0.01f;
        options.balance.alpha = 0.01f;
        options.prediction = config.num_nextn_predict_layers > 0;
        Trainer trainer = make_trainer(model, options);
        std::vector<Example> batch;
        for (const auto& s : sequences) batch.push_back({s.data(), int(s.size())});
        std::string log;
        for (int step = 0; step < 4; ++step) {
            const TokenLoss loss = accumulate_tokens(trainer, batch, options.prediction ? 0.3f : 0.0f);
            const Update u = apply(trainer, 1e-2f, batch.size());
            log += json({loss.loss, loss.modules, loss.tokens, u.gradient_norm, u.balance_loss, u.load_max}).dump();
        }
        std::vector<double> scored(batch.size());
        score(trainer, model, batch, [&](int i, const SequenceRows& rows) {
            for (int t = 0; t < rows.rows; ++t) scored[size_t(i)] += rows.logp[t] + rows.entropy[t];
        });
        log += json(scored).dump() + hash_of(config, model.weights);
        Moments moments = gather_moments(trainer);
        const std::string of_moments = !ranks().first()  ? ""
                                       : ranks().alone() ? hash_of(trainer.m.arena) + hash_of(trainer.v.arena)
                                                         : hash_of(moments.m.arena) + hash_of(moments.v.arena);
        hashes[size_t(ranks().rank)] = sha256(log) + " " + of_moments;
    };
    if (count == 1) body();
    else as_ranks(count, body);
    for (const std::string& hash : hashes) CHECK(hash.substr(0, 64) == hashes[0].substr(0, 64));
    return hashes[0];
}

const std::string mpirun = "timeout -s KILL 120 mpirun --allow-run-as-root --oversubscribe -np ";
// Without Open MPI these cases are left out, unless R1_RANKS=required, as in CI.
bool has_mpirun() {
    static const bool has =
        shell("command -v mpirun").status == 0 && shell("ldd " + binary + " | grep -q libmpi").status == 0;
    if (!has && std::getenv("R1_RANKS")) FAIL_CHECK("R1_RANKS=required, and Open MPI is not here");
    return has;
}

// A corpus, a tokenizer and small models, made once.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 600 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --vocab-size 320 --corpus " + *this / "corpus.jsonl --output " +
                      *this / "tokenizer.json")
                    .status == 0);
        Config c = tiny_config();
        c.vocab_size = 320;
        c.max_position_embeddings = 320;
        write("tiny.json", config_to_json(c).dump());
        REQUIRE(shell("head -n 4 " + *this / "problems.test.jsonl > " + *this / "held-out.jsonl").status == 0);
        std::string examples, pairs;
        for (int i = 0; i < 9; ++i) {
            const std::string n = std::to_string(i);
            examples +=
                json({{"prompt", n + " 3 make " + n + "."}, {"response", std::string(size_t(i + 1), ' ') + n}}).dump() +
                "\n";
            pairs +=
                json({{"prompt", n}, {"chosen", " yes " + n}, {"rejected", std::string(size_t(i + 1), 'n')}}).dump() +
                "\n";
        }
        write("reward.py",
              "import json, sys\n"
              "for line in sys.stdin:\n"
              "    print([len(r) % 3 for r in json.loads(line)['responses']], flush=True)\n");
        write("examples.jsonl", examples);
        write("pairs.jsonl", pairs);
        REQUIRE(shell(binary + pretrain("base")).status == 0);
    }
    std::string pretrain(const std::string& output) const {
        return " pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl --tokenizer " +
               *this / "tokenizer.json --batch-tokens 800 --tokens 6400 --save-every 3 --shards 4 --held-out " +
               *this / "corpus.jsonl --evaluate-every 4 --output " + *this / output;
    }
    std::string sft(const std::string& output) const {
        return " sft --model " + *this / "base --data " +
               *this / "examples.jsonl --steps 6 --batch 4 --save-every 2 --held-out " +
               *this / "examples.jsonl --evaluate-every 3 --output " + *this / output;
    }
    std::string reward_model(const std::string& output) const {
        return " reward-model --model " + *this / "base --data " +
               *this /
                   "pairs.jsonl --steps 5 --batch 4 --save-every 2 --shards 3 "
                   "--output " +
               *this / output;
    }
    std::string grpo(const std::string& output) const {
        return " grpo --model " + *this / "base --problems " + *this / "problems.train.jsonl --held-out " +
               *this /
                   "held-out.jsonl --evaluate-every 2 --evaluate-count 3 --evaluate-k 2 --prompts 3 --group 4 "
                   "--max-tokens 30 "
                   "--cosine 30 1 1 0 1 0 --lr 3e-3 --slots 4 --steps 5 --save-every 2 --record-every 1 "
                   "--rollout-format verl "
                   "--mismatch token-truncate --reward-command 'python3 " +
               *this / "reward.py' --output " + *this / output;
    }
    std::string rejection(const std::string& output) const {
        return " rejection --model " + *this / "base --problems " +
               *this /
                   "problems.test.jsonl --count 12 --samples 3 --max-tokens 20 "
                   "--save-every 5 --any-format --output " +
               *this / output;
    }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// A folder's files with their hashes, but for what tells the time.
std::string bytes_of(const std::string& folder) {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        const std::string name = std::filesystem::relative(entry.path(), folder);
        const bool has_clock = name == "timings.jsonl" || name == "starts.jsonl" || name == "r1-manifest.json";
        if (entry.is_regular_file() && !has_clock) all.insert(name + " " + sha256_of_file(entry.path()) + "\n");
    }
    std::string text;
    for (const std::string& each : all) text += each;
    return text;
}

}  // namespace

TEST_CASE("D7: a trainer's bytes do not depend on how many ranks share it") {
    Config with_modules = tiny_config();
    with_modules.num_nextn_predict_layers = 2;
    for (const Config& config : {tiny_config(), with_modules})
        for (const int shards : {1, 2, 3, 4, 5, 8}) {
            CAPTURE(shards);
            const std::string alone = hash_of_training(1, shards, config);
            for (const int count : {2, 3, 4, 5}) {
                CAPTURE(count);
                CHECK(hash_of_training(count, shards, config, 1 + count % 2) == alone);
            }
        }
    // A tree of another shape is seen.
    CHECK(hash_of_training(1, 4, tiny_config()) != hash_of_training(1, 3, tiny_config()));
    CHECK(hash_of_training(3, 4, tiny_config()) != hash_of_training(3, 8, tiny_config()));
}

TEST_CASE("D7: the memory of gradients and moments shrinks with the ranks") {
    int64_t moments = 0;
    as_ranks(4, [&] {
        Model model = make_model(tiny_config(), cpu_ops());
        TrainOptions options;
        options.shards = 4;
        const Trainer trainer = make_trainer(model, options);
        const int64_t n = float_count(model.weights),
                      slice = trainer.slices[size_t(ranks().rank) + 1] - trainer.slices[size_t(ranks().rank)];
        CHECK(trainer.gradient.size() == 1);
        CHECK(trainer.slices.back() == n);
        CHECK(trainer.m.arena.used() == 0);
        if (ranks().first()) moments = slice;
        CHECK(slice <= n / 4 + SQUARES_BLOCK);
    });
    CHECK(moments > 0);
    CHECK(partials_of(8, 4) == std::vector<int>{0, 2, 4, 6});
    CHECK(partials_of(8, 3) == std::vector<int>{0, 2, 4, 5, 6});  // shards 0-1, 2-4 and 5-7
    CHECK(partials_of(2, 4) == std::vector<int>{0, 1});
    CHECK(partials_of(5, 1) == std::vector<int>{0});
}

TEST_CASE("D7: answers and scores are the same from any number of ranks, and all have them") {
    Model model = make_model(tiny_config(), cpu_ops());
    initialise(model.config, model.weights, 12);
    Model reward = make_model(reward_config(tiny_config()), cpu_ops());
    initialise(reward.config, reward.weights, 13);
    std::vector<Request> requests;
    const auto prompts = tiny_sequences(11, 20, 6);
    for (size_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i], 1 + int(i % 3), uint32_t(i)});
    const auto all = [&] {
        Sampler sampler = make_sampler(model, 5);
        Scorer scorer = make_scorer(reward);
        SampleOptions options;
        options.max_tokens = 30;
        options.stop = {1, 2};
        Packer packer;
        for (const auto& samples : sample(sampler, model, requests, options))
            for (const Completion& c : samples) packer.add(c.tokens, c.logp, c.finished);
        packer.add(scores_of(scorer, reward, prompts));
        return sha256(packer.bytes);
    };
    const std::string alone = all();
    for (const int count : {2, 3, 16}) {
        CAPTURE(count);
        std::vector<std::string> hashes(static_cast<size_t>(count));
        as_ranks(count, [&] { hashes[size_t(ranks().rank)] = all(); });
        for (const std::string& hash : hashes) CHECK(hash == alone);
    }
}

TEST_CASE("D7: what rank 0 does alone, and fails at, all hear of") {
    as_ranks(3, [] {
        CHECK(done_by_first([](Packer& p) { p.add(std::string("said")); }) == std::string("\4\0\0\0\0\0\0\0said", 12));
        CHECK_THROWS_AS(done_by_first([](Packer&) { throw Stopped(); }), Stopped);
        CHECK_THROWS_WITH_AS(done_by_first([](Packer&) { throw DiskFailed("full"); }), "full", DiskFailed);
        CHECK_THROWS_WITH_AS(done_by_first([](Packer&) { throw OutsideFailed("busy"); }), "busy", OutsideFailed);
        CHECK(on_any_rank(ranks().rank == 1));
        CHECK_FALSE(on_any_rank(false));
        CHECK_NOTHROW(check_equal_on_ranks("a", "a run"));
        CHECK_THROWS_WITH_AS(check_equal_on_ranks(ranks().rank == 2 ? "a" : "b", "a run"),
                             doctest::Contains("rank 2 beside rank 0"), Error);
    });
}

TEST_CASE("D7: of MPI only what starts, ends, sends and receives is called") {
    const Result r = shell("nm -D --undefined-only " + binary + " | grep -o 'MPI_[A-Za-z_]*' | sort | tr '\\n' ' '");
    if (!has_mpirun()) {
        CHECK(r.text.empty());
        return;
    }
    CHECK(r.text ==
          "MPI_Comm_rank MPI_Comm_size MPI_Finalize MPI_Finalized MPI_Init_thread MPI_Initialized MPI_Irecv MPI_Isend "
          "MPI_Test ");
}

TEST_CASE("D7: every stage under mpirun, by 1, 2 and 4 ranks, has one hash") {
    if (!has_mpirun()) {
        MESSAGE("Open MPI is not installed: no command is run by several ranks");
        return;
    }
    const Prepared& p = prepared();
    using Make = std::string (Prepared::*)(const std::string&) const;
    for (const Make make : {&Prepared::pretrain, &Prepared::sft, &Prepared::reward_model, &Prepared::grpo}) {
        REQUIRE(shell("rm -rf " + p / "one").status == 0);
        const std::string one = (p.*make)("one");
        CAPTURE(one);
        REQUIRE(shell(binary + one).status == 0);
        const std::string right = bytes_of(p / "one");
        for (const int count : {2, 4}) {
            REQUIRE(shell("rm -rf " + p / "many").status == 0);
            const Result r = shell(mpirun + std::to_string(count) + " " + binary + (p.*make)("many"));
            CAPTURE(r.text);
            CHECK(r.status == 0);
            CHECK(bytes_of(p / "many") == right);
            CHECK(lines_of(p / "many/starts.jsonl")[0]["ranks"] == count);
        }
    }
    REQUIRE(shell(binary + p.rejection("one.jsonl")).status == 0);
    REQUIRE(shell(mpirun + "3 " + binary + p.rejection("many.jsonl")).status == 0);
    for (const char* part : {"", ".rejected", ".funnel", ".state"})
        CHECK(read_file(p / ("one.jsonl" + std::string(part))) == read_file(p / ("many.jsonl" + std::string(part))));
    const std::string evaluate = " evaluate --model " + p / "base --problems " +
                                 p / "problems.test.jsonl --count 5 --k 3 --max-tokens 20 --output ";
    REQUIRE(shell(binary + evaluate + p / "one.json").status == 0);
    REQUIRE(shell(mpirun + "2 " + binary + evaluate + p / "many.json").status == 0);
    CHECK(read_file(p / "one.json") == read_file(p / "many.json"));
    CHECK(read_file(p / "one.answers.jsonl") == read_file(p / "many.answers.jsonl"));
}

TEST_CASE("D7: a run goes on by more or fewer ranks; a rank that dies or hangs ends the others") {
    if (!has_mpirun()) return;
    const Prepared& p = prepared();
    REQUIRE(shell(binary + p.grpo("whole") + " --steps 30").status == 0);
    const std::string right = bytes_of(p / "whole"), parts = p.grpo("parts") + " --steps 30";
    const std::string after = "for i in $(seq 1200); do [ -d " + p / "parts/step-4" + " ] && break; sleep 0.05; done; ";
    // A rank that has not yet met the others would keep mpirun itself waiting.
    const std::string started =
        "for i in $(seq 1200); do [ $(wc -l < " + p / "parts/starts.jsonl" + ") -ge 2 ] && break; sleep 0.05; done; ";
    // One that is stopped would keep what it prints to open.
    const std::string none_left = "; pkill -KILL -f 'outpu[t] " + p / "parts' ; true";
    // Killed, stopped by SIGTERM, and hanging: the command begins in the background, and $! is mpirun.
    const Result killed = shell("(" + mpirun + "2 " + binary + parts + "; echo status $?) & " + after +
                                "pkill -KILL -n -f 'output " + p / "parts' ; wait" + none_left);
    CAPTURE(killed.text);
    CHECK(killed.text.find("status 0") == std::string::npos);
    CHECK(killed.text.find("rank 1") != std::string::npos);
    const Result hanging =
        shell("(" + mpirun + "4 " + binary + parts + " --resume --rank-seconds 2; echo status $?) & " + started +
              "pkill -STOP -n -f 'output " + p / "parts' ; wait" + none_left);
    CAPTURE(hanging.text);
    CHECK(hanging.text.find("status 0") == std::string::npos);
    CHECK(hanging.text.find("has said nothing for 2 seconds") != std::string::npos);
    const Result resumed = shell(mpirun + "3 " + binary + parts + " --resume --keep 2");
    CAPTURE(resumed.text);
    CHECK(resumed.status == 0);
    CHECK(bytes_of(p / "parts") == right);
}

TEST_CASE("D7: what several ranks cannot do is one line of ours") {
    if (!has_mpirun()) return;
    const Prepared& p = prepared();
    const auto ours = [](const std::string& text) {
        size_t lines = 0;
        for (size_t at = text.find("r1: error: "); at != std::string::npos; at = text.find("r1: error: ", at + 1))
            ++lines;
        return lines;
    };
    for (const std::string& command : {" report --run " + p / "base", p.pretrain("x") + " --lr nan", p.pretrain("base"),
                                       " sft --model nowhere --data x --output " + p / "x"}) {
        const Result r = shell(mpirun + "2 " + binary + command);
        CAPTURE(r.text);
        CHECK(r.status != 0);
        CHECK(ours(r.text) == 1);
    }
}

TEST_CASE("the plan: operations and bytes of a step, by hand") {
    const Config c = tiny_config();
    const StepWork work{3, 4, 10, 20, 2, true};
    const Rates rates{100, 200, 300, 50, 1000};
    const double weights = double(parameter_count(c, false)), active = double(parameter_count(c, true));
    const Heads h = c.heads();
    CHECK(forward_flop(c, 7) == 2 * active + 2.0 * c.num_hidden_layers * h.H * (h.D_k() + h.D_v) * 7);
    CHECK(cache_bytes(c) == 4LL * c.num_hidden_layers * (h.H * (h.own + h.D_v) + h.shared));
    CHECK(latent_cache_bytes(c, 2) == 2LL * c.num_hidden_layers * (c.kv_lora_rank + c.qk_rope_head_dim));
    const StepPlan one = plan_step(c, work, rates, 1), two = plan_step(c, work, rates, 2);
    CHECK(one.prefill_flop == 3 * 10 * forward_flop(c, 5));
    CHECK(one.decode_flop == 3 * 4 * 20 * forward_flop(c, 20));
    CHECK(one.update_flop == 3 * one.reference_flop);
    CHECK(one.exchange_bytes == 0);
    CHECK(two.exchange_bytes == 2 * 2 * weights * 4 / 2);  // half of the gradients, and half of the weights, twice
    CHECK(two.rollout_seconds == doctest::Approx(one.rollout_seconds / 2));
    CHECK(two.exchange_seconds == doctest::Approx(two.exchange_bytes / 1000));
    CHECK(one.update_seconds == doctest::Approx(one.update_flop / 300 + 2 * weights / 50));
    const Prepared& p = prepared();
    const std::string plan = binary + " plan --model " + p / "base --prompt-tokens 10 --answer-tokens 20 ";
    const Result measured = shell(plan + "--slots 4 --measure " + p / "rates.json --json");
    CAPTURE(measured.text);
    CHECK(measured.status == 0);
    CHECK(shell(plan + "--cluster " + p / "rates.json").text.find("it does not fit") == std::string::npos);
    p.write("small.json",
            "{\"ranks\": 4, \"memory\": 1000, \"rates\": {\"decode\": 1, \"score\": 1, \"train\": 1, \"optimizer\": 1, "
            "\"link\": 1}}");
    CHECK(shell(plan + "--cluster " + p / "small.json").text.find("it does not fit") != std::string::npos);
    refuses(plan, 2, "rates to plan with", "--measure");
    p.write("bad.json", "{\"ranks\": 0}");
    refuses(plan + "--cluster " + p / "bad.json", 1, "no number of ranks", "bad.json");
    p.write("bad.json", "{\"rates\": {\"decode\": -1}}");
    refuses(plan + "--cluster " + p / "bad.json", 1, "no rate \"decode\"", "bad.json");
    p.write("bad.json", "[]");
    refuses(plan + "--cluster " + p / "bad.json", 1, "no number of ranks", "bad.json");
}
