// D9: whole steps on the device end with the CPU's bytes. The device is the emulator, or in r1_gpu_test a GPU.
#include <unistd.h>

#include <cstring>

#include "device_under_test.h"
#include "model/checkpoint.h"
#include "promises.h"
#include "loss/grpo.h"

#include <doctest/doctest.h>

using namespace r1;

namespace {

// Small enough for the emulator, with everything in it: both kinds of layer, groups of experts, a low-rank query or none;
// or, with SMALL_GROUPED, what other families have.
constexpr int SMALL_GROUPED = -1;
Config small_config(int q_lora_rank) {
    Config c = q_lora_rank == SMALL_GROUPED ? grouped_config() : Config();
    c.vocab_size = 50, c.hidden_size = 24, c.num_hidden_layers = 2, c.intermediate_size = 20;
    c.moe_intermediate_size = 10, c.max_position_embeddings = 64;
    if (q_lora_rank == SMALL_GROUPED) return c;
    c.num_attention_heads = 2, c.q_lora_rank = q_lora_rank, c.kv_lora_rank = 12, c.qk_nope_head_dim = 6, c.qk_rope_head_dim = 4;
    c.v_head_dim = 7, c.n_routed_experts = 6, c.n_group = 3, c.topk_group = 2, c.num_experts_per_tok = 2;
    return c;
}

Model small_model(const Ops& ops, int q_lora_rank, float sharpness) {
    Model model = make_model(small_config(q_lora_rank), ops);
    Weights initial = make_weights(model.config);
    initialise(model.config, initial, 11);
    for (int i = 0; i < model.config.hidden_size; ++i) initial.norm[i] *= sharpness;
    upload(model.weights, initial);
    return model;
}

// Pretraining: four updates with weight decay, balance loss and moving biases.
std::string pretraining(const Ops& ops, int q_lora_rank) {
    Model model = small_model(ops, q_lora_rank, 1);
    TrainOptions options;
    options.shards = 2, options.micro_rows = 60, options.decay = 0.1f, options.bias_speed = 0.01f, options.balance.alpha = 0.01f;
    Trainer trainer = make_trainer(model, options);
    return hash_of_updates(trainer, tiny_sequences(6, 45, 5));
}

std::string bytes_of(const std::vector<std::vector<Completion>>& completions) {
    std::string bytes;
    for (const auto& group : completions)
        for (const Completion& c : group) {
            bytes.append(reinterpret_cast<const char*>(c.tokens.data()), c.tokens.size() * sizeof(int));
            bytes.append(reinterpret_cast<const char*>(c.logp.data()), c.logp.size() * sizeof(float));
            bytes += c.finished ? "|" : "/";
        }
    return bytes;
}

// GRPO: two steps of sampling, scoring by a reference, advantages and an update.
std::string grpo_steps(const Ops& ops, int q_lora_rank) {
    Model model = small_model(ops, q_lora_rank, 6);
    const Model reference = small_model(ops, q_lora_rank, 6);
    Trainer trainer = make_trainer(model, TrainOptions());
    Sampler sampler = make_sampler(model, 5);
    const auto prompts = tiny_sequences(3, 9, 6);
    std::string log;
    for (uint32_t step = 0; step < 2; ++step) {
        std::vector<Request> requests;
        for (uint32_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i], 4, i});
        SampleOptions options;
        options.max_tokens = 16, options.stop = {1, 2, 3}, options.seed = 3, options.step = step;
        options.top_p = step == 1 ? 0.9f : 1.0f;
        const auto completions = sample(sampler, model, requests, options);
        log += bytes_of(completions);
        std::vector<std::vector<int>> tokens;
        std::vector<const Completion*> answers;
        std::vector<float> A;
        for (size_t i = 0; i < completions.size(); ++i) {
            float reward[4];
            for (int j = 0; j < 4; ++j) {
                const Completion& c = completions[i][j];
                tokens.push_back(prompts[i]), answers.push_back(&c);
                tokens.back().insert(tokens.back().end(), c.tokens.begin(), c.tokens.end());
                reward[j] = float(c.tokens.size() % 3);
            }
            A.resize(A.size() + 4);
            advantages(&A[A.size() - 4], reward, 4, GrpoMath(), 0.0f);
        }
        std::vector<Example> batch;
        for (const auto& t : tokens) batch.push_back({t.data(), int(t.size())});
        std::vector<std::vector<float>> logp_ref(batch.size());
        score(trainer, reference, batch, [&](int i, const float* logp, const float*) {
            logp_ref[i].assign(logp + batch[i].rows() - int(answers[i]->tokens.size()), logp + batch[i].rows());
        });
        accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
            const int n = int(answers[i]->tokens.size()), first = batch[i].rows() - n;
            std::fill(rows.dlogp, rows.dlogp + first, 0.0f);
            std::vector<float> of_answer(n, A[i]);
            std::vector<TokenTerm<float>> terms(n);
            answer_terms(terms.data(), {rows.logp + first, answers[i]->logp.data(), logp_ref[i].data(), nullptr, of_answer.data(), n},
                         GrpoMath());
            for (int t = 0; t < n; ++t) rows.dlogp[first + t] = -0.1f * terms[t].slope + rows.logits[(first + t) * 50] * 1e-6f;
            if (std::memcmp(rows.logp + first, answers[i]->logp.data(), n * sizeof(float)) != 0) log += "sampler is not trainer";
        }, true);
        apply(trainer, 1e-2f, batch.size());
        log += hash_of(model.config, model.weights);
    }
    return log;
}

}  // namespace

TEST_CASE("D9: whole pretraining steps on the device end with the CPU's hash") {
    const std::string want = pretraining(cpu_ops("generic"), 12);
    in_every_order([&] { CHECK(pretraining(device_under_test(), 12) == want); });
    for (const int kind : {0, SMALL_GROUPED}) CHECK(pretraining(device_under_test(), kind) == pretraining(cpu_ops("generic"), kind));
}

TEST_CASE("D9: whole GRPO steps on the device end with the CPU's bytes") {
    const std::string want = grpo_steps(cpu_ops("generic"), 12);
    CHECK(want.find("sampler is not trainer") == std::string::npos);
    in_every_order([&] { CHECK(grpo_steps(device_under_test(), 12) == want); });
    const std::string grouped = grpo_steps(cpu_ops("generic"), SMALL_GROUPED);
    CHECK(grouped.find("sampler is not trainer") == std::string::npos);
    CHECK(grpo_steps(device_under_test(), SMALL_GROUPED) == grouped);
}

TEST_CASE("D9: a planted reordering on the device is caught") {
    static const Ops* real = nullptr;
    real = &device_under_test();
    Ops planted = *real;
    planted.add = [](float* y, const float* x, int64_t n) {  // one shard twice: right for equal shards alone
        real->add(y, x, n / 2), real->add(y + n / 2, y, n - n / 2);
    };
    CHECK(pretraining(planted, 12) != pretraining(cpu_ops("generic"), 12));
}

TEST_CASE("D9: how many decoding steps go between two looks changes no answer") {
    const Model model = small_model(device_under_test(), 12, 6);
    const auto prompts = tiny_sequences(5, 12, 6);
    std::vector<Request> requests;
    for (uint32_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i], i == 2 ? 0 : 3, i});
    SampleOptions options;
    options.max_tokens = 16, options.stop = {1, 2, 3}, options.seed = 3;
    std::string want;
    for (const auto& [slots, steps] : std::vector<std::pair<int, int>>{{20, 1}, {7, 5}, {3, 100}}) {
        Sampler sampler = make_sampler(model, slots);
        sampler.steps = steps;
        const std::string got = bytes_of(sample(sampler, model, requests, options));
        if (want.empty()) want = got;
        CHECK(got == want);
    }
}

TEST_CASE("the device's memory: a state saved and loaded again, and one line when there is no more") {
    const std::string path = "/tmp/r1_device_test_" + std::to_string(getpid()) + ".safetensors";
    Model model = small_model(device_under_test(), 12, 1);
    TrainOptions options;
    options.micro_rows = 64;
    {
        Trainer trainer = make_trainer(model, options);
        save_training(path, trainer, {{"step", 5}});
    }
    const std::string before = hash_of(model.config, model.weights);
    model.ops->memory->zero(model.weights.arena.base(), model.weights.arena.used());
    Trainer trainer = make_trainer(model, options);
    CHECK(load_training(path, trainer)["step"] == 5);
    CHECK(hash_of(model.config, model.weights) == before);
    std::remove(path.c_str());

    if (!leave_memory(100000)) return;
    std::string error;
    try {
        make_sampler(model, 50);
    } catch (const Error& e) {
        error = e.what();
    }
    leave_memory(size_t(-1));
    CHECK(error.find("out of memory of the emulated device") == 0);
    CHECK(error.find('\n') == std::string::npos);
}
