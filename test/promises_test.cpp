// The promises of exact mode, D1 to D5 and D8: bits that depend on configuration, data and seed alone.
//
// Every promise is tested twice: the product must keep it, and a product with a planted reordering, an operation that
// sums in another order in just the circumstance that the promise is about, must be caught.
#include <atomic>
#include <cstring>
#include <thread>

#include "promises.h"

#include <doctest/doctest.h>

using namespace r1;

namespace {

const Ops* real_ops = &cpu_ops();

// ---- Planted reorderings: right to within rounding, and wrong to the bit ----

// The chain over I runs backwards; the caller says when.
void matmul_backwards(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N,
                      int I, int O) {
    for (int n = 0; n < N; ++n)
        for (int o = 0; o < O; ++o) {
            float s = 0;
            for (int i = I; i-- > 0;) s = __builtin_fmaf(x[n * ldx + i], w[i * O + o], s);
            y[n * ldy + o] = base ? base[n * ldbase + o] + s : s;
        }
}
std::atomic<int> calls{0};
void order_by_call(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N, int I, int O) {
    (calls++ < 100 ? matmul_backwards : real_ops->matmul_forward)(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}
void order_by_threads(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N, int I, int O) {
    (thread_count() < 3 ? real_ops->matmul_forward : matmul_backwards)(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}
void order_by_rows(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N, int I, int O) {
    (N >= 16 ? real_ops->matmul_forward : matmul_backwards)(y, ldy, base, ldbase, x, ldx, w, N, I, O);
}
// A weight's gradient of each call is summed by itself and then added: the chain ends where the micro-batch does.
void sum_then_add(float* dw, const float* x, int ldx, const float* dy, int lddy, int N, int I, int O) {
    std::vector<float> sum(size_t(I) * O);
    real_ops->matmul_backward_w(sum.data(), x, ldx, dy, lddy, N, I, O);
    for (size_t i = 0; i < sum.size(); ++i) dw[i] += sum[i];
}
// A multiplication and an addition where one fused operation belongs: what a compiler's contraction would decide.
void not_fused(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w, int N, int I, int O) {
    for (int n = 0; n < N; ++n)
        for (int o = 0; o < O; ++o) {
            float s = base ? base[n * ldbase + o] : 0.0f;
            for (int i = 0; i < I; ++i) {
                const volatile float product = x[n * ldx + i] * w[i * O + o];
                s += product;
            }
            y[n * ldy + o] = s;
        }
}

Ops with_forward(decltype(Ops::matmul_forward) planted) {
    Ops ops = *real_ops;
    ops.matmul_forward = planted;
    return ops;
}

// ---- What is compared ----

// Four updates of a tiny model.
std::string training_hash(const Ops& ops, int threads, int micro_rows, const Config& config = tiny_config()) {
    ThreadsForNow now(threads);
    Model model = make_model(config, ops);
    initialise(model.config, model.weights, 11);
    TrainOptions options;
    options.shards = 4, options.micro_rows = micro_rows, options.decay = 0.1f;
    options.bias_speed = 0.01f, options.balance.alpha = 0.01f;
    Trainer trainer = make_trainer(model, options);
    return hash_of_updates(trainer, tiny_sequences(16, 40, 5));
}

Model sharp_model(const Ops& ops) {       // its answers are of many lengths
    Model model = make_model(tiny_config(), ops);
    initialise(model.config, model.weights, 12);
    for (int64_t i = 0; i < model.config.hidden_size * model.config.vocab_size; ++i) model.weights.head[i] *= 6;
    return model;
}

std::vector<Request> tiny_requests(int count, int samples) {
    std::vector<Request> requests;
    const auto prompts = tiny_sequences(count, 20, 6);
    for (int i = 0; i < count; ++i) requests.push_back({prompts[i], samples, uint32_t(i)});
    return requests;
}

bool same(const Completion& a, const Completion& b) {
    return a.tokens == b.tokens && a.finished == b.finished && a.logp.size() == b.logp.size() &&
           std::memcmp(a.logp.data(), b.logp.data(), a.logp.size() * sizeof(float)) == 0;
}

// Answers of 100 prompts sampled together, against each prompt alone: how many differ.
int differing_answers(const Ops& ops) {
    const Model model = sharp_model(ops);
    SampleOptions options;
    options.max_tokens = 128, options.stop = {};
    std::vector<Request> requests = tiny_requests(100, 1);
    int different = 0;
    Sampler wide = make_sampler(model, 37), narrow = make_sampler(model, 1);
    const auto together = sample(wide, model, requests, options);
    for (size_t i = 0; i < requests.size(); ++i)
        different += !same(together[i][0], sample(narrow, model, {requests[i]}, options)[0][0]);
    return different;
}

// Rollouts with stops, groups and refilled slots, then scored as training scores them: how many log-probabilities
// differ between sampler and trainer.
int differing_logp(const Ops& ops, float temperature) {
    Model model = sharp_model(ops);
    SampleOptions options;
    options.max_tokens = 100, options.temperature = temperature, options.stop = {1, 2, 3};
    Sampler sampler = make_sampler(model, 19);
    const std::vector<Request> requests = tiny_requests(24, 4);
    const auto completions = sample(sampler, model, requests, options);
    std::vector<std::vector<int>> tokens;
    std::vector<Example> batch;
    std::vector<const Completion*> sampled;
    for (size_t i = 0; i < requests.size(); ++i)
        for (const Completion& c : completions[i]) {
            tokens.push_back(requests[i].prompt);
            tokens.back().insert(tokens.back().end(), c.tokens.begin(), c.tokens.end());
            sampled.push_back(&c);
        }
    for (const auto& t : tokens) batch.push_back({t.data(), int(t.size())});
    TrainOptions train;
    train.inverse_temperature = 1.0f / temperature, train.micro_rows = 200;
    Trainer trainer = make_trainer(model, train);
    std::vector<int> different(batch.size());
    const auto compare = [&](int i, const SequenceRows& rows) {
        const size_t prompt = tokens[i].size() - sampled[i]->tokens.size();
        for (size_t t = 0; t < sampled[i]->tokens.size(); ++t)
            different[i] += std::memcmp(&rows.logp[prompt - 1 + t], &sampled[i]->logp[t], sizeof(float)) != 0;
    };
    score(trainer, model, batch, compare);
    accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
        compare(i, rows);
        std::fill(rows.dlogp, rows.dlogp + batch[i].rows(), 0.0f);
    });
    int total = 0;
    for (int d : different) total += d;
    return total;
}

}  // namespace

TEST_CASE("D1: three runs beside a busy process have one hash") {
    std::atomic<bool> stop{false};
    std::vector<std::thread> busy;
    for (int i = 0; i < 3; ++i) busy.emplace_back([&] { while (!stop) {} });
    const std::string first = training_hash(*real_ops, 2, 64);
    CHECK(training_hash(*real_ops, 2, 64) == first);
    CHECK(training_hash(*real_ops, 2, 64) == first);
    stop = true;
    for (std::thread& t : busy) t.join();
    const Ops planted = with_forward(order_by_call);
    const std::string one = training_hash(planted, 1, 64);
    CHECK(training_hash(planted, 1, 64) != one);
}

TEST_CASE("D2: the number of threads changes no bit") {
    const std::string one = training_hash(*real_ops, 1, 64);
    for (int threads : {2, 3, 5, 8}) CHECK(training_hash(*real_ops, threads, 64) == one);
    const Ops planted = with_forward(order_by_threads);
    CHECK(training_hash(planted, 1, 64) != training_hash(planted, 3, 64));
}

TEST_CASE("D3: an answer does not know its batch: 100 prompts x 128 tokens") {
    CHECK(differing_answers(*real_ops) == 0);
    const Ops planted = with_forward(order_by_rows);
    CHECK(differing_answers(planted) > 0);
}

TEST_CASE("D3: slots, neighbours and threads change no answer") {
    const Model model = sharp_model(*real_ops);
    SampleOptions options;
    options.max_tokens = 60, options.stop = {1, 2, 3}, options.top_p = 0.9f;
    const std::vector<Request> requests = tiny_requests(12, 5);
    std::vector<Request> reversed(requests.rbegin(), requests.rend());
    Sampler one = make_sampler(model, 3);
    const auto want = sample(one, model, requests, options);
    ThreadsForNow now(5);
    Sampler other = make_sampler(model, 16);
    const auto got = sample(other, model, reversed, options);
    for (size_t i = 0; i < requests.size(); ++i)
        for (int j = 0; j < 5; ++j) CHECK(same(want[i][j], got[requests.size() - 1 - i][j]));
}

TEST_CASE("D4: the micro-batch split changes no bit") {
    // 4 shards of about 80 rows: whole shards, a few sequences, one sequence at a time.
    const std::string whole = training_hash(*real_ops, 1, 1000);
    CHECK(training_hash(*real_ops, 1, 80) == whole);
    CHECK(training_hash(*real_ops, 1, 1) == whole);
    const std::string grouped = training_hash(*real_ops, 1, 1000, grouped_config());
    for (const int rows : {80, 1}) CHECK(training_hash(*real_ops, 1, rows, grouped_config()) == grouped);
    Ops planted = *real_ops;
    planted.matmul_backward_w = sum_then_add;
    CHECK(training_hash(planted, 1, 1000) != training_hash(planted, 1, 1));
}

// Examples packed row after row into one pass, against each alone: how many log-probabilities and entropies differ.
static int differing_rows(const Ops& ops) {
    Model model = sharp_model(ops);
    const auto sequences = tiny_sequences(12, 60, 8);
    std::vector<Example> batch;
    for (const auto& s : sequences) batch.push_back({s.data(), int(s.size())});
    const auto scored = [&](const std::vector<Example>& examples, int most_rows) {
        std::vector<Lane> lanes;
        lanes.push_back(make_lane(model, 1000, false));
        std::vector<std::vector<float>> rows(examples.size());
        score(lanes, model, examples, 1.0f, most_rows, [&](int i, const SequenceRows& r) {
            rows[i].assign(r.logp, r.logp + examples[i].rows());
            rows[i].insert(rows[i].end(), r.entropy, r.entropy + examples[i].rows());
        });
        return rows;
    };
    const auto packed = scored(batch, 1000);
    int different = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
        const auto alone = scored({batch[i]}, 1)[0];
        for (size_t t = 0; t < alone.size(); ++t)
            different += std::memcmp(&alone[t], &packed[i][t], sizeof(float)) != 0;
    }
    return different;
}

TEST_CASE("D4: examples that are packed into one pass do not see each other") {
    CHECK(differing_rows(*real_ops) == 0);
    const Ops planted = with_forward(order_by_rows);
    CHECK(differing_rows(planted) > 0);
}

TEST_CASE("D5: the sampler's log-probabilities are the trainer's") {
    for (float temperature : {1.0f, 0.7f}) CHECK(differing_logp(*real_ops, temperature) == 0);
    const Ops planted = with_forward(order_by_rows);
    CHECK(differing_logp(planted, 1.0f) > 0);
}

TEST_CASE("D8: AVX-512, AVX2 and plain code have one hash") {
    const std::string want = training_hash(*real_ops, 2, 64);
    const std::string grouped = training_hash(*real_ops, 3, 64, grouped_config());
    for (const Ops* ops : all_cpu_ops()) {
        CHECK(training_hash(*ops, 2, 64) == want);
        CHECK(training_hash(*ops, 2, 64, grouped_config()) == grouped);
    }
    const Ops planted = with_forward(not_fused);
    CHECK(training_hash(planted, 2, 64) != want);
    // The committed hash ties compilers and optimisation levels together: every build runs this test.
    const json golden = read_json(std::string(R1_SOURCE) + "/reference/golden/promises.json");
    CHECK(golden["training"].get<std::string>() == want);
}
