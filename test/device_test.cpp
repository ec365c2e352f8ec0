// D9: whole steps on the device end with the CPU's bytes. The device is the emulator, or in r1_gpu_test a GPU.
#include <unistd.h>

#include <cstring>

#include "device_under_test.h"
#include "promises.h"
#include "stages/grpo_record.h"
#include "tasks/countdown.h"
#include "train/state.h"

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

Model small_model(const Ops& ops, int q_lora_rank, float sharpness, int vocab_size = 50) {
    Config config = small_config(q_lora_rank);
    config.vocab_size = vocab_size;
    Model model = make_model(config, ops);
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

std::string bytes_of(const Completion& c) {
    std::string bytes(reinterpret_cast<const char*>(c.tokens.data()), c.tokens.size() * sizeof(int));
    bytes.append(reinterpret_cast<const char*>(c.logp.data()), c.logp.size() * sizeof(float));
    return bytes + (c.finished ? "|" : "/");
}
std::string bytes_of(const Answer& a) { return bytes_of(a.completion) + a.graded.text + number_text(a.graded.reward.total); }

template <class Each>
std::string bytes_of(const std::vector<std::vector<Each>>& groups) {
    std::string bytes;
    for (const auto& group : groups)
        for (const Each& each : group) bytes += bytes_of(each);
    return bytes;
}

// What a step of GRPO works with, small: Countdown problems, rewards that differ among the answers of a model that knows
// nothing (for repeating themselves little), many tokens that end an answer.
struct TinyGrpo {
    GrpoOptions o;
    Tokenizer tokenizer = train_tokenizer(std::vector<std::string>{"User: 3 7 12 make 33. Assistant:"}, 280);
    Model model, reference;
    Trainer trainer;
    Health health = {};
    Sampler sampler;
    Task task;
    std::vector<Question> questions;

    TinyGrpo(const Ops& ops, int kind, const GrpoOptions& options)
        : o(options), model(small_model(ops, kind, 6, 288)), reference(small_model(ops, kind, 6, 288)),
          trainer(make_trainer(model, trainer_options(o))), sampler(make_sampler(model, 5)),
          task(make_task(o.task, "/nowhere", tokenizer)) {
        while (task.stop.size() < 60) task.stop.push_back(int(task.stop.size()) * 4);
        for (const int target : {33, 21, 40}) {
            const Problem problem = problem_of(CountdownProblem{{3, 7, 12}, target});
            questions.push_back({problem, prompt_tokens(task, problem)});
        }
    }
    GrpoRun run() { return {o, task, questions, model, &reference, trainer, health, sampler}; }
};

GrpoOptions tiny_grpo_options() {
    GrpoOptions o;
    o.steps = 2, o.prompts = 2, o.group = 4, o.updates = 2, o.max_tokens = 12, o.lr = 1e-2f, o.warmup = 0;
    o.seed = 3, o.reference_every = 3, o.task.repetition = Repetition{1, 1};
    o.math.beta = 0.1, o.math.mismatch = Mismatch::token_truncate;
    return o;
}

void append(std::string& log, const std::vector<float>& values) {
    log.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// Everything that two steps did, in bytes: answers, what the loss saw and made of it, the logits of a recorded group, the
// line of metrics, the weights.
std::string grpo_steps(const Ops& ops, int kind, const GrpoOptions& options = tiny_grpo_options()) {
    TinyGrpo tiny(ops, kind, options);
    const GrpoRun run = tiny.run();
    std::string log;
    for (int64_t number = 1; number <= 2; ++number) {
        std::vector<std::vector<float>> logits(4);
        const LogitsObserver observer = {
            [](const GrpoStep&, AnswerIndex at) { return at.group == 0; },
            [&](const GrpoStep& step, AnswerIndex at, const float* rows) {
                const int n = step.batch.groups[0].answers[at.answer].length();
                logits[at.answer].assign(rows, rows + n * 288);
            }};
        const GrpoStep step = grpo_step(run, number, observer);
        log += bytes_of(step.answers);
        for (const auto& rows : logits) append(log, rows);
        for (size_t g = 0; g < step.batch.groups.size(); ++g)
            for (size_t i = 0; i < step.batch.groups[g].answers.size(); ++i) {
                const GrpoAnswer<float>& a = step.batch.groups[g].answers[i];
                for (const auto* values : {&a.logp, &a.logp_old, &a.logp_ref, &a.logp_sampler}) append(log, *values);
                append(log, step.result.groups[g].answers[i].dlogp);
                append(log, step.entropy[g][i]);
            }
        log += metrics_of(step, run).dump() + hash_of(tiny.model.config, tiny.model.weights);
    }
    return log;
}

}  // namespace

TEST_CASE("D9: whole pretraining steps on the device end with the CPU's hash") {
    const std::string want = pretraining(cpu_ops("generic"), 12);
    in_every_order([&] { CHECK(pretraining(device_under_test(), 12) == want); });
    for (const int kind : {0, SMALL_GROUPED}) CHECK(pretraining(device_under_test(), kind) == pretraining(cpu_ops("generic"), kind));
}

TEST_CASE("D9: the product's own GRPO steps on the device end with the CPU's bytes") {
    const std::string want = grpo_steps(cpu_ops("generic"), 12);
    in_every_order([&] { CHECK(grpo_steps(device_under_test(), 12) == want); });
    GrpoOptions other = tiny_grpo_options();
    other.math = preset("dapo").math;
    const std::string grouped = grpo_steps(cpu_ops("generic"), SMALL_GROUPED, other);
    CHECK(grpo_steps(device_under_test(), SMALL_GROUPED, other) == grouped);
    CHECK(grouped != grpo_steps(cpu_ops("generic"), SMALL_GROUPED));
}

TEST_CASE("D9: the device's sampler and trainer agree: every mismatch weight of the first update is exactly 1") {
    TinyGrpo tiny(device_under_test(), 12, tiny_grpo_options());
    const GrpoStep step = grpo_step(tiny.run(), 1);
    int tokens = 0, spread = 0;
    for (size_t g = 0; g < step.result.groups.size(); ++g)
        for (size_t i = 0; i < step.result.groups[g].answers.size(); ++i) {
            const GrpoAnswer<float>& a = step.batch.groups[g].answers[i];
            const GrpoAnswerResult<float>& result = step.result.groups[g].answers[i];
            REQUIRE(a.logp_sampler.size() == a.logp_old.size());
            spread += result.advantage != 0;
            for (int t = 0; t < a.length(); ++t, ++tokens) CHECK(result.terms[t].mismatch == 1.0f);
        }
    CHECK(tokens > 20);
    CHECK(spread > 2);
}

TEST_CASE("D9: a planted reordering on the device is caught") {
    static const Ops* real = nullptr;
    real = &device_under_test();
    Ops planted = *real;
    planted.add = [](float* y, const float* x, int64_t n) {  // one shard twice: right for equal shards alone
        real->add(y, x, n / 2), real->add(y + n / 2, y, n - n / 2);
    };
    CHECK(pretraining(planted, 12) != pretraining(cpu_ops("generic"), 12));
    CHECK(grpo_steps(planted, 12) != grpo_steps(cpu_ops("generic"), 12));
}

TEST_CASE("D9: how many decoding steps go between two looks changes no answer") {
    const Model model = small_model(device_under_test(), 12, 6);
    const auto prompts = tiny_sequences(5, 12, 6);
    std::vector<Request> requests;
    for (uint32_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i], i == 2 ? 0 : 3, i});
    SampleOptions options;
    options.max_tokens = 16, options.stop = {1, 2, 3}, options.seed = 3, options.top_p = 0.9f;
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
        Moments moments = gather_moments(trainer);
        save_training(path, trainer, moments, {{"step", 5}});
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
