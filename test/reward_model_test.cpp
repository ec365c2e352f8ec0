// Reward models: the losses, the gradient of the score, where it is read, and that nothing beside a response is seen in
// it; what pairs and labels say; the command from end to end.
#include "stages/reward_model.h"

#include <fstream>

#include "device_under_test.h"
#include "gradient.h"
#include "kill.h"
#include "loss/preference.h"
#include "promises.h"
#include "reference/training.h"
#include "shell.h"

using namespace r1;

namespace {

Config score_config(Config c = tiny_config()) {
    c.labels = 1;
    c.tie_word_embeddings = false;
    return c;
}

r1::Model score_model(const Config& config, const Ops& ops = cpu_ops()) {
    r1::Model model = make_model(config, ops);
    Weights initial = make_weights(config);
    initialise(config, initial, 3);
    upload(model.weights, initial);
    return model;
}

// Pairs: sequences 2 i and 2 i + 1 are the chosen and the rejected.
double slope_of_pair(const std::vector<float>& scores, size_t pair) {
    return logistic_slope(double(scores[2 * pair]) - double(scores[2 * pair + 1]));
}

struct PairGradient {
    std::vector<float> scores;
    Floats arena;
    reference::Model<double> gradient;
};

PairGradient gradient_of_pairs(r1::Model& model, const std::vector<Ints>& sequences) {
    PairGradient result;
    Scorer scorer = make_scorer(model);
    result.scores = scores_of(scorer, model, sequences);
    std::vector<Example> batch;
    std::vector<float> dscore;
    const double pairs = double(sequences.size()) / 2;
    for (size_t i = 0; i < sequences.size(); ++i) {
        batch.push_back({sequences[i].data(), int(sequences[i].size()), true});
        const double slope = slope_of_pair(result.scores, i / 2) / pairs;
        dscore.push_back(float(i % 2 == 0 ? slope : -slope));
    }
    TrainOptions options;
    options.micro_rows = 16;
    Trainer trainer = make_trainer(model, options);
    accumulate_scores(trainer, batch, dscore);
    float* const sum = reinterpret_cast<float*>(trainer.gradient[0].arena.base());
    const int64_t n = float_count(trainer.m);
    model.ops->add(sum, reinterpret_cast<float*>(trainer.gradient[1].arena.base()), n);
    Weights host = download(model.config, trainer.gradient[0]);
    const float* const begin = reinterpret_cast<const float*>(host.arena.base());
    result.arena.assign(begin, begin + n);
    result.gradient = reference::read(model.config, host);
    return result;
}

template <class T>
T loss_of_pairs(const reference::Model<T>& m, const std::vector<Ints>& sequences) {
    T loss = 0;
    for (size_t i = 0; i + 1 < sequences.size(); i += 2)
        loss += reference::logistic_loss(reference::score(m, sequences[i]) - reference::score(m, sequences[i + 1]));
    return loss / (double(sequences.size()) / 2);
}

}  // namespace

TEST_CASE("preference: the loss and its slope are the golden ones, and each other's derivative") {
    std::ifstream in(R1_SOURCE "/reference/golden/preference.json");
    REQUIRE(in.good());
    const json golden = json::parse(in);
    REQUIRE(golden["cases"].size() > 10);
    for (const json& each : golden["cases"]) {
        const double z = each["margin"], loss = each["loss"], slope = each["slope"];
        CAPTURE(z);
        CHECK(logistic_loss(z) == doctest::Approx(loss).epsilon(1e-12));
        CHECK(logistic_slope(z) == doctest::Approx(slope).epsilon(1e-12));
        CHECK(logistic_loss(Complex(z, STEP)).imag() / STEP == doctest::Approx(slope).epsilon(1e-12));
    }
}

TEST_CASE("preference: the reward of a general prompt is the golden one") {
    const json golden = read_json(R1_SOURCE "/reference/golden/preference.json");
    REQUIRE(golden["rewards"].size() > 3);
    for (const json& each : golden["rewards"]) {
        const float said = preference_reward(RewardKind::helpful, each["score"].get<float>());
        CHECK(said == doctest::Approx(each["said"].get<double>()).epsilon(1e-6));
        const double total = each["weight"].get<double>() * said + each["format"].get<double>() +
                             each["language_weight"].get<double>() * each["language"].get<double>();
        CHECK(total == doctest::Approx(each["total"].get<double>()).epsilon(1e-6));
    }
    CHECK(preference_reward(RewardKind::safe, 0.25f) == 0.25f);
}

TEST_CASE("gradient: a reward model's pairs, against the complex step through the whole model") {
    const Config config = score_config();
    const std::vector<Ints> sequences = tiny_sequences(6, 12, 5);
    r1::Model model = score_model(config);
    const PairGradient got = gradient_of_pairs(model, sequences);
    const reference::Model<double> m = reference::read(config, model.weights);
    for (size_t i = 0; i < sequences.size(); ++i)
        CHECK(got.scores[i] == doctest::Approx(reference::score(m, sequences[i])).epsilon(1e-4));
    const reference::Model<Complex> complex{m.config, {m.weight.begin(), m.weight.end()}, m.names, m.slice};
    Numbers random{11};
    for (const std::string& tensor : m.names) {
        const reference::Slice& s = m.slice.at(tensor);
        if (s.kind == TensorKind::router_bias) continue;
        CAPTURE(tensor);
        Gap gap;
        reference::Model<Complex> mine = complex;
        for (int k = 0; k < 8; ++k) {
            const size_t at = s.begin + size_t(random.below(int(s.size())));
            mine.weight[at] += Complex(0, STEP);
            gap.add(got.gradient.weight[at], loss_of_pairs(mine, sequences).imag() / STEP);
            mine.weight[at] = complex.weight[at];
        }
        gap.check("reward model gradient", FLOAT_ERROR, 1e-4);
    }
}

TEST_CASE("reward models: the score is read at the last token, and depends on nothing beside the sequence") {
    for (const Config& config : {score_config(), score_config(grouped_config())}) {
        const std::vector<Ints> sequences = tiny_sequences(40, 60, 7);
        r1::Model model = score_model(config);
        Scorer scorer = make_scorer(model);
        const std::vector<float> together = scores_of(scorer, model, sequences);
        for (size_t i = 0; i < sequences.size(); ++i) {
            const std::vector<float> alone = scores_of(scorer, model, {sequences[i]});
            CHECK(std::memcmp(&alone[0], &together[i], sizeof(float)) == 0);
        }
        Scorer small = make_scorer(model, 1);
        const std::vector<float> in_small_parts = scores_of(small, model, sequences);
        CHECK(std::memcmp(in_small_parts.data(), together.data(), together.size() * sizeof(float)) == 0);
        {
            const ThreadsForNow one(1);
            Scorer single = make_scorer(model);
            const std::vector<float> by_one = scores_of(single, model, sequences);
            CHECK(std::memcmp(by_one.data(), together.data(), together.size() * sizeof(float)) == 0);
        }
        // Every token is read, the last one too; a token behind it would have been the one that counts.
        Ints changed = sequences[0];
        changed.back() = (changed.back() + 1) % 50;
        CHECK(scores_of(scorer, model, {changed})[0] != together[0]);
        Ints longer = sequences[0];
        longer.push_back(0);
        CHECK(scores_of(scorer, model, {longer})[0] != together[0]);
        // h of the last row, times the score's weights.
        Doubles state(size_t(config.hidden_size));
        ForwardPass pass = make_forward_pass(model, {64, 40, false, false});
        read_tokens(model, pass, sequences[0].data(), int(sequences[0].size()), 0, 0);
        const float* const h = pass.activations.h + (sequences[0].size() - 1) * size_t(config.hidden_size);
        double want = 0;
        for (int c = 0; c < config.hidden_size; ++c) want += double(h[c]) * double(model.weights.score[c]);
        CHECK(together[0] == doctest::Approx(want).epsilon(1e-4));
    }
}

TEST_CASE("kernels: a reward model's scores and gradient on the device are the CPU's, bit for bit") {
    const Config config = score_config();
    const std::vector<Ints> sequences = tiny_sequences(6, 12, 5);
    r1::Model model = score_model(config);
    const PairGradient want = gradient_of_pairs(model, sequences);
    r1::Model there = score_model(config, device_under_test());
    const PairGradient got = gradient_of_pairs(there, sequences);
    CHECK(std::memcmp(got.scores.data(), want.scores.data(), want.scores.size() * sizeof(float)) == 0);
    CHECK(got.arena == want.arena);
}

TEST_CASE("reward models: the shape in config.json") {
    Config c = tiny_config();
    c.bos_token_id = 0;
    c.num_nextn_predict_layers = 1;
    const Config reward = reward_config(c);
    CHECK((reward.labels == 1 && reward.num_nextn_predict_layers == 0));
    const Config again = config_from_json(config_to_json(reward), "here");
    CHECK((again.labels == 1 && again.num_nextn_predict_layers == 0));
    CHECK(architecture_of(again) == "DeepseekV3ForSequenceClassification");
    CHECK(config_to_json(reward)["pad_token_id"] == 1);
    json two = config_to_json(reward);
    two["id2label"] = {{"0", "no"}, {"1", "yes"}};
    CHECK_THROWS_WITH(config_from_json(two, "here"), doctest::Contains("a classifier of 2 labels"));
    two.erase("id2label");
    CHECK_THROWS_WITH(config_from_json(two, "here"), doctest::Contains("a classifier of 2 labels"));  // as Hugging Face
}

TEST_CASE("reward models: accuracy, that of length, the best possible") {
    const auto pair = [](int length, int other, std::optional<double> truth) {
        RewardExample e;
        e.tokens = {1};
        e.other = {2};
        e.length = length;
        e.other_length = other;
        e.truth = truth;
        return e;
    };
    const std::vector<RewardExample> pairs = {pair(5, 3, 1.0), pair(5, 3, 0.0), pair(3, 3, 0.5), pair(2, 3, 1.0)};
    const RewardAccuracy a = reward_accuracy(pairs, {1, 2, 0, 0}, {0, 1, 0, 3});
    CHECK(a.examples == 4);
    CHECK(a.accuracy == (1 + 1 + 0.5 + 0) / 4);
    CHECK(a.length == (1 + 1 + 0.5 + 0) / 4);
    CHECK(*a.truth == (1 + 0 + 0.5 + 1) / 4);
    CHECK_FALSE(a.best);
    CHECK(*a.of_truth == (1 + 0 + 0) / 3.0);
    CHECK_FALSE(reward_accuracy({pairs[0], pair(1, 1, {})}, {1, 1}, {0, 0}).truth);
    RewardExample likely = pairs[0], unlikely = pairs[1];
    likely.probability = 0.75;
    unlikely.probability = 0.125;
    CHECK(*reward_accuracy({likely, unlikely}, {1, 1}, {0, 0}).best == (0.75 + 0.875) / 2);
    RewardExample safe, harmful;
    harmful.safe = false;
    const RewardAccuracy labels = reward_accuracy({safe, safe, harmful}, {1, -1, -2}, {0, 0, 0});
    CHECK(labels.accuracy == 2.0 / 3);
    CHECK(labels.length == 2.0 / 3);
}

// ---- the command

namespace {

// Sums as prompts, of which a right answer is better; a model that has read some of their kind.
struct RewardFolder : Folder {
    RewardFolder() {
        REQUIRE(shell(binary + " countdown --documents 400 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl --output " + *this / "tokenizer.json")
                    .status == 0);
        Config c = tiny_config();
        c.vocab_size = 448;
        c.num_hidden_layers = 2;
        c.max_position_embeddings = 256;
        write("tiny.json", config_to_json(c).dump());
        REQUIRE(shell(binary + " pretrain --config " + *this / "tiny.json --corpus " + *this / "corpus.jsonl" +
                      " --tokenizer " + *this / "tokenizer.json --tokens 20000 --output " + *this / "base")
                    .status == 0);
        std::string train, test, labels;
        for (int i = 0; i < 240; ++i) {
            const std::string a = std::to_string(1 + i % 20), b = std::to_string(1 + i / 12);
            const std::string prompt = "{\"prompt\": \"" + a + " " + b + " make " + std::to_string(i) + "\", ";
            const std::string right = "\"<think> " + a + "</think> yes " + a + "\"", wrong = "\"no\"";
            (i % 8 == 0 ? test : train) += prompt + "\"chosen\": " + right + ", \"rejected\": " + wrong +
                                           ", \"better\": \"chosen\", \"probability\": 1}\n";
            labels += prompt + "\"response\": " + (i % 2 ? right : wrong) +
                      ", \"safe\": " + (i % 2 ? "true" : "false") + "}\n";
        }
        write("train.jsonl", train);
        write("test.jsonl", test);
        write("labels.jsonl", labels);
    }
    std::string command(const std::string& output, const std::string& more) const {
        return binary + " reward-model --model " + *this / "base --output " + *this / output +
               " --batch 16 --lr 0.003 " + more;
    }
    std::string pairs(const std::string& output, const std::string& more = "") const {
        return command(output, "--data " + *this / "train.jsonl --held-out " + *this / "test.jsonl " + more);
    }
};
const RewardFolder& reward_folder() {
    static const RewardFolder folder;
    return folder;
}

std::string hash_of_folder(const std::string& folder) {
    std::string all;
    for (const char* name : {"model.safetensors", "config.json", "metrics.jsonl", "evaluation.json"})
        all += sha256_of_file(folder + "/" + name);
    return all;
}

}  // namespace

TEST_CASE("r1 reward-model learns from pairs and from labels, and its folder scores") {
    const RewardFolder& f = reward_folder();
    const Result r = shell(f.pairs("helpful"));
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    CHECK(r.text.find("by length alone") != std::string::npos);
    CHECK(r.text.find("best possible 100.0 %") != std::string::npos);
    const json evaluation = read_json(f / "helpful/evaluation.json");
    CHECK(evaluation["held_out"]["examples"] == 30);
    CHECK(evaluation["held_out"]["accuracy"].get<double>() > 0.9);
    CHECK(shell(f.pairs("again", "--threads 1 --micro-rows 32")).status == 0);
    CHECK(hash_of_folder(f / "again") == hash_of_folder(f / "helpful"));

    const auto model = load_reward_model(f / "helpful", RewardKind::helpful, cpu_ops());
    const std::vector<float> rewards =
        rewards_of(*model, {{"3 5 make 8", "<think> 3</think> yes 3"}, {"3 5 make 8", "no"}, {"3 5 make 8", "yes 3"}});
    CHECK(rewards[0] > rewards[1]);
    CHECK(rewards[0] == rewards[2]);  // the thinking is not read
    CHECK(shell(f.command("safe", "--kind safe --data " + f / "labels.jsonl")).status == 0);
    const auto safety = load_reward_model(f / "safe", RewardKind::safe, cpu_ops());
    const std::vector<float> safe =
        rewards_of(*safety, {{"3 5 make 8", "<think> 3</think> yes 3"}, {"3 5 make 8", "no"}});
    CHECK((safe[0] > 0.5f && safe[1] < 0.5f && safe[0] < 1));
    CHECK_THROWS_WITH(load_reward_model(f / "safe", RewardKind::helpful, cpu_ops()),
                      doctest::Contains("kind \"safe\""));
    CHECK_THROWS_WITH(load_reward_model(f / "base", RewardKind::helpful, cpu_ops()),
                      doctest::Contains("no reward model"));
    refuses(binary + " sample --model " + f / "safe --prompt x", 1, "a reward model, which writes no text");
}

TEST_CASE("r1 reward-model: bad pairs and splits end in one line; pairs that are equal as they are read are counted") {
    const RewardFolder& f = reward_folder();
    refuses(f.command("x", "--data " + f / "labels.jsonl"), 1, "a line of the kind safe", "line 1");
    refuses(f.command("x", "--kind safe --data " + f / "train.jsonl"), 1, "a line of the kind helpful", "line 1");
    refuses(f.command("x", "--data " + f / "train.jsonl --held-out " + f / "train.jsonl"), 1,
            "prompts are learned from", "train.jsonl");
    f.write("bad.jsonl", "{\"prompt\": \"1\", \"chosen\": 3, \"rejected\": \"4\"}\n");
    refuses(f.command("x", "--data " + f / "bad.jsonl"), 1, "neither a text nor a list", "line 1");
    f.write("bad.jsonl", "{\"prompt\": \"1\", \"chosen\": \"3\"}\n");
    refuses(f.command("x", "--data " + f / "bad.jsonl"), 1, "no \"rejected\"", "line 1");
    f.write("bad.jsonl", "{\"chosen\": [{\"role\": \"assistant\", \"content\": \"3\"}], \"rejected\": \"2\"}\n");
    refuses(f.command("x", "--data " + f / "bad.jsonl"), 1, "a prompt that does not end", "line 1");
    f.write("bad.jsonl", R"({"prompt": "1", "chosen": [{"role": "assistant", "content": "3", "tool_calls": [1]}], )"
                         R"("rejected": "2"})" "\n");
    refuses(f.command("x", "--data " + f / "bad.jsonl"), 1, "tool_calls", "line 1");
    CHECK_FALSE(exists(f / "x/model.safetensors"));
    f.write(
        "equal.jsonl",
        "{\"prompt\": \"1\", \"chosen\": \"<think> a</think> 3\", \"rejected\": \"<think> b</think> 3\"}\n"
        "{\"chosen\": [{\"role\": \"user\", \"content\": \"1\"}, {\"role\": \"assistant\", \"content\": \"3\"}], "
        "\"rejected\": [{\"role\": \"user\", \"content\": \"1\"}, {\"role\": \"assistant\", \"content\": \"2\"}]}\n");
    const Result r = shell(f.command("equal", "--data " + f / "equal.jsonl"));
    CAPTURE(r.text);
    CHECK(r.status == 0);
    CHECK(r.text.find("1 pairs of 2 lines") != std::string::npos);
    CHECK(r.text.find("1 left out: their two sides are equal") != std::string::npos);
}

TEST_CASE("r1 reward-model: killed at system calls that change a file, and resumed, the bytes are the same") {
    const RewardFolder& f = reward_folder();
    REQUIRE(shell(f.pairs("whole", "--steps 6")).status == 0);
    const std::string right = hash_of_folder(f / "whole");
    const std::string command = f.pairs("killed", "--steps 6 --save-every 2 --threads 1");
    int wrong = 0, resumed = 0;
    const int kills = killed_at_every_call(
        [&] { REQUIRE(shell("rm -rf " + f / "killed").status == 0); },
        [&] { execl("/bin/sh", "sh", "-c", ("exec " + command + " > /dev/null").c_str(), nullptr); },
        [&] {
        const bool has_state = !last_state(f / "killed").empty();
        const Result r = shell(command + " --resume --threads 2");
        INFO(r.text);
        CHECK(r.status == 0);
        resumed += has_state;
        wrong += hash_of_folder(f / "killed") != right;
        },
        changes_files, std::getenv("R1_KILLS") ? 1 : 5);
    if (kills == 0) {
        MESSAGE("ptrace is not allowed here: no process can be killed at its system calls");
        return;
    }
    CHECK(wrong == 0);
    CHECK(resumed > kills / 3);
    CHECK(kills > 5);
}
