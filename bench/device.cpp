// The kernels of a device against its limits, both measured in the same run: bytes a second of a copy in its memory, and
// fused multiply-adds a second. A kernel's bytes are what it must read and write once, its operations those of its sums.
#include <cstdio>

#include "bench.h"

namespace r1 {

namespace {

// Memory of the device, filled with small numbers.
struct Numbers {
    const Memory* memory;
    float* p;
    Numbers(const Ops& op, int64_t n) : memory(op.memory), p(static_cast<float*>(op.memory->allocate(size_t(n) * 4))) {
        std::vector<float> some(std::min<int64_t>(n, 1 << 20));
        Stream random(5, Purpose::corpus, 0);
        for (float& x : some) x = random.uniform() - 0.5f;
        for (int64_t at = 0; at < n; at += int64_t(some.size()))
            memory->upload(p + at, some.data(), size_t(std::min<int64_t>(int64_t(some.size()), n - at)) * 4);
    }
    Numbers(const Numbers&) = delete;
    ~Numbers() { memory->release(p); }
    operator float*() const { return p; }
};

struct Bench {
    const Ops& op;
    double scale;
    const std::function<double(double, double&)>& fma_seconds;
    json result = json::object();
    double copy_limit = 0, fma_limit = 0;

    int64_t sized(double n, int64_t multiple = 1) const {
        return std::max<int64_t>(1, int64_t(n * scale) / multiple) * multiple;
    }
    void wait() const {                  // for all work: a download does
        float x;
        static float* one = static_cast<float*>(op.memory->allocate(64));
        op.memory->download(&x, one, sizeof x);
    }
    double seconds(const std::function<void()>& work) const {
        work(), wait();
        return best_seconds(5, [&] {
                   for (int i = 0; i < 10; ++i) work();
                   wait();
               }) / 10;
    }

    void limits() {
        const int64_t n = sized(1 << 28);
        Numbers a(op, n), b(op, n);
        copy_limit = 8.0 * double(n) / seconds([&] { op.memory->copy(a, b, size_t(n) * 4); });
        for (int i = 0; i < 5; ++i) {
            double done = 0;
            const double took = fma_seconds(2e12 * scale, done);
            fma_limit = std::max(fma_limit, done / took);
        }
        result["copy_bytes_per_second"] = copy_limit, result["fma_flops_per_second"] = fma_limit;
        std::printf("limits: copy %.0f GB/s (read and written), fp32 fused multiply-adds %.1f TFLOP/s\n", copy_limit / 1e9,
                    fma_limit / 1e12);
    }
    void bytes(const char* what, double moved, const std::function<void()>& work) {
        const double rate = moved / seconds(work);
        result["kernels"][what] = {{"bytes_per_second", rate}, {"of_copy", rate / copy_limit}};
        std::printf("  %-44s %8.0f GB/s     %5.1f %% of a copy\n", what, rate / 1e9, 100 * rate / copy_limit);
    }
    void flops(const std::string& what, double done, const std::function<void()>& work) {
        const double rate = done / seconds(work);
        result["kernels"][what] = {{"flops_per_second", rate}, {"of_peak", rate / fma_limit}};
        std::printf("  %-44s %8.2f TFLOP/s  %5.1f %% of the peak\n", what.c_str(), rate / 1e12, 100 * rate / fma_limit);
    }

    void memory_kernels() {
        const int C = 2048, N = int(sized(65536)), K = 2;
        const double row = 4.0 * N * C;
        std::vector<int> order(size_t(N) * K), positions(N), rows(N);
        for (int i = 0; i < N * K; ++i) order[i] = int((int64_t(i) * 7919) % (N * K));
        for (int n = 0; n < N; ++n) positions[n] = n % 512, rows[n] = int((int64_t(n) * 7919) % N);
        Numbers indices(op, N * K), position(op, N), row_of(op, N), x(op, int64_t(N) * C), y(op, int64_t(N) * C),
            z(op, int64_t(N) * K * C), g(op, C), dg(op, C), rstd(op, N), gate(op, N * K), angles(op, 512 * 64);
        op.memory->upload(indices, order.data(), order.size() * 4);
        op.memory->upload(position, positions.data(), positions.size() * 4);
        op.memory->upload(row_of, rows.data(), rows.size() * 4);
        const int* index = reinterpret_cast<int*>(indices.p);
        const int* at = reinterpret_cast<int*>(position.p);
        bytes("rmsnorm", 2 * row, [&] { op.rmsnorm_forward(y, C, rstd, x, C, g, N, C, 1e-6f); });
        bytes("rmsnorm backward, and of its gain", 5 * row,
              [&] { op.rmsnorm_backward(z, C, nullptr, 0, dg, y, C, x, C, rstd, g, N, C); });
        bytes("SwiGLU", 1.5 * row, [&] { op.swiglu_forward(y, x, N, C / 2); });
        bytes("SwiGLU backward", 2.5 * row, [&] { op.swiglu_backward(z, y, x, N, C / 2); });
        bytes("rotation", 2 * row, [&] { op.rope_forward(x, C, at, angles, N, C / 64, 64, 64); });
        bytes("embedding", 2 * row, [&] { op.embedding_forward(y, reinterpret_cast<int*>(row_of.p), x, N, C); });
        bytes("gather", 2 * K * row, [&] { op.gather_forward(z, x, index, N, K, C); });
        bytes("gather backward", (2 + K) * row, [&] { op.gather_backward(y, z, index, N, K, C); });
        bytes("combine", (2 + K) * row, [&] { op.combine_forward(y, z, gate, index, N, K, C); });
        const int64_t n = sized(1 << 27, MOST_PIECE);
        Numbers w(op, n), m(op, n), v(op, n), gradient(op, n);
        std::vector<Piece> pieces;
        for (int64_t begin = 0; begin < n; begin += MOST_PIECE) pieces.push_back({begin, MOST_PIECE, 1});
        Numbers table(op, int64_t(pieces.size()) * 4);
        op.memory->upload(table, pieces.data(), pieces.size() * sizeof(Piece));
        op.memory->zero(v, size_t(n) * 4);  // as in the first step; never below zero
        bytes("add", 12.0 * double(n), [&] { op.add(w, m, n); });
        bytes("AdamW", 28.0 * double(n), [&] {
            op.adamw(w, m, v, gradient, reinterpret_cast<Piece*>(table.p), int(pieces.size()),
                     {1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f, 1});
        });
    }

    void products() {
        struct Shape {
            const char* what;
            int N, I, O;
        };
        const int big = int(sized(4096, 8)), rows = int(sized(8192, 8));
        for (const Shape& s : {Shape{"4096 cubed", big, big, big}, {"8192 x 128 x 512", rows, 128, 512},
                               {"8192 x 2048 x 2048", rows, int(sized(2048, 8)), int(sized(2048, 8))}}) {
            Numbers x(op, int64_t(s.N) * s.I), w(op, int64_t(s.I) * s.O), y(op, int64_t(s.N) * s.O);
            const double done = 2.0 * s.N * s.I * s.O;
            const std::string what = std::string("product ") + s.what;
            flops(what, done, [&] { op.matmul_forward(y, s.O, nullptr, 0, x, s.I, w, s.N, s.I, s.O); });
            flops(what + ", to the input", done, [&] { op.matmul_backward_x(x, s.I, nullptr, 0, y, s.O, w, s.N, s.I, s.O); });
            flops(what + ", to the weights", done, [&] { op.matmul_backward_w(w, x, s.I, y, s.O, s.N, s.I, s.O); });
        }
    }

    void attention() {
        Heads heads;
        heads.H = heads.H_kv = 16, heads.own = 64, heads.shared = 32, heads.D_v = 64, heads.scale = 0.1f;
        const int B = int(sized(16)), T = int(sized(1024, KEY_BLOCK)), N = B * T;
        std::vector<int> block(N), position(N), offsets(B + 1);
        for (int n = 0; n < N; ++n) block[n] = n / T * (T / KEY_BLOCK), position[n] = n % T;
        for (int b = 0; b <= B; ++b) offsets[b] = b * T;
        Numbers integers(op, 2 * N + B + 1), q(op, int64_t(N) * heads.H * heads.D_k()), kv(op, int64_t(N) * heads.kv()),
            shared(op, int64_t(N) * heads.shared), k(op, int64_t(N) * heads.keys()), v(op, int64_t(N) * heads.values()),
            o(op, int64_t(N) * heads.H * heads.D_v), do_(op, int64_t(N) * heads.H * heads.D_v),
            stats(op, int64_t(N) * heads.H * 2), dq(op, int64_t(N) * heads.H * heads.D_k()),
            dkv(op, int64_t(N) * heads.kv()), dshared(op, int64_t(N) * heads.shared);
        int* const at = reinterpret_cast<int*>(integers.p);
        op.memory->upload(at, block.data(), N * 4), op.memory->upload(at + N, position.data(), N * 4);
        op.memory->upload(at + 2 * N, offsets.data(), offsets.size() * 4);
        op.cache_write(k, v, kv, shared, heads.shared, at, at + N, N, heads);
        const double forward = double(B) * T * (T + 1) * heads.H * (heads.D_k() + heads.D_v);
        flops("attention, 16 x 1024 tokens, 16 heads", forward,
              [&] { op.attention_forward(o, stats, q, k, v, at, at + N, N, heads); });
        flops("attention backward", 2 * forward, [&] {
            op.attention_backward(dq, dkv, dshared, heads.shared, do_, o, stats, q, kv, shared, heads.shared, at + 2 * N, B,
                                  heads);
        });
    }

    void model(const char* what, const Config& c, int sequences) {
        Model m = random_model(c, op);
        const Batch batch = make_batch(sequences, 20, 66, c.vocab_size);
        double step = 0, tokens_a_second = 0;
        {
            TrainOptions options;
            Trainer trainer = make_trainer(m, options);
            training_step(trainer, batch), wait();
            step = best_seconds(5, [&] { training_step(trainer, batch), wait(); });
        }
        const double rate = train_flops(c, batch) / step;
        Sampler sampler = make_sampler(m, 0);
        int64_t tokens = sample_answers(sampler, m, 2, 8);
        const double sampling = best_seconds(2, [&] { tokens = sample_answers(sampler, m, uint32_t(sized(32)), 100); });
        tokens_a_second = double(tokens) / sampling;
        result["models"][what] = {{"training_tokens_per_second", double(batch.rows) / step}, {"of_peak", rate / fma_limit},
                                  {"sampling_tokens_per_second", tokens_a_second}};
        std::printf("  %-28s training %9.0f tokens/s, %4.1f %% of the peak   sampling, 512 answers, %9.0f tokens/s\n", what,
                    double(batch.rows) / step, 100 * rate / fma_limit, tokens_a_second);
    }
};

}  // namespace

void bench_device(const Ops& op, double scale, const std::function<double(double, double&)>& fma_seconds,
                  const std::function<void(const json&)>& save) {
    Bench bench{op, scale, fma_seconds};
    bench.limits();
    bench.memory_kernels(), save(bench.result);
    bench.products(), save(bench.result);
    bench.attention(), save(bench.result);
    Config demo;
    demo.vocab_size = 448;
    bench.model("the demo's model", demo, int(bench.sized(192))), save(bench.result);
    if (scale < 1) return;
    Config larger;
    larger.vocab_size = 8192, larger.hidden_size = 1024, larger.num_hidden_layers = 12, larger.intermediate_size = 2816;
    larger.num_attention_heads = 16, larger.q_lora_rank = 384, larger.kv_lora_rank = 256, larger.qk_nope_head_dim = 64;
    larger.qk_rope_head_dim = 32, larger.v_head_dim = 64, larger.moe_intermediate_size = 704;
    bench.model("a model of 1024 channels", larger, 192), save(bench.result);
}

}  // namespace r1
