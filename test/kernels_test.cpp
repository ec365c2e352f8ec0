// The CUDA kernels on the emulator against the CPU's operations: the same bits, at shapes around the edges of warps and
// tiles, in three orders of threads. Nothing here has run on a GPU.
#include "base/exact.h"
#include "cuda/attention.cuh"
#include "cuda/experts.cuh"
#include "cuda/loss.cuh"
#include "cuda/product.cuh"
#include "cuda/rows.cuh"
#include "cuda/table.h"
#include "gradient.h"

using namespace r1;

namespace {

void copy(void* to, const void* from, size_t bytes) { // which may be none, from nowhere
    if (bytes > 0) std::memcpy(to, from, bytes);
}

// The same numbers for the CPU and, in memory of the emulated device, for the kernels.
template <class T>
struct Twin {
    std::vector<T> host;
    T* device;
    explicit Twin(std::vector<T> values)
        : host(std::move(values)), device(static_cast<T*>(emulator::allocate(host.size() * sizeof(T)))) {
        renew();
    }
    Twin(const Twin&) = delete;
    ~Twin() { emulator::release(device); }
    void renew() { copy(device, host.data(), host.size() * sizeof(T)); }
    bool equal() const { return host.empty() || std::memcmp(device, host.data(), host.size() * sizeof(T)) == 0; }
};
Numbers numbers{77};
Twin<float> floats(size_t n) { return Twin<float>(numbers.take(n)); }
Twin<int> integers(size_t n, int below) {
    std::vector<int> values(n);
    for (int& v : values) v = numbers.below(below);
    return Twin<int>(values);
}

// Runs cpu() once and gpu() in each order, from the same outputs; the outputs must then be equal.
template <class... Output>
void same(const std::string& what, const std::function<void()>& cpu, const std::function<void()>& gpu,
          Output&... output) {
    std::vector<std::vector<char>> before;
    (before.emplace_back(reinterpret_cast<char*>(output.host.data()),
                         reinterpret_cast<char*>(output.host.data() + output.host.size())),
     ...);
    cpu();
    for (const auto order : {emulator::Order::forward, emulator::Order::reverse, emulator::Order::shuffled}) {
        emulator::order = order;
        size_t i = 0;
        ((copy(output.device, before[i].data(), before[i].size()), ++i), ...);
        gpu();
        CAPTURE(what);
        CHECK((output.equal() && ...));
    }
    emulator::order = emulator::Order::forward;
}

const Ops& cpu = cpu_ops("generic");
const Ops gpu = kernel_table("emulated");

} // namespace

TEST_CASE("kernels: products") {
    for (const auto& shape : {std::array{1, 1, 1},
                              {1, 33, 65},
                              {31, 16, 32},
                              {32, 17, 31},
                              {33, 5, 64},
                              {70, 40, 129},
                              {64, 64, 64},
                              {3, 0, 5},
                              {128, 20, 7}}) {
        const int N = shape[0], I = shape[1], O = shape[2];
        const std::string what = std::to_string(N) + " " + std::to_string(I) + " " + std::to_string(O);
        auto x = floats(N * (I + 3)), w = floats(I * O), y = floats(N * (O + 2)), base = floats(N * O),
             dw = floats(I * O), dx = floats(N * (I + 3));
        same(
            "forward " + what,
            [&] {
                cpu.matmul_forward(y.host.data(), O + 2, base.host.data(), O, x.host.data(), I + 3, w.host.data(), N, I,
                                   O);
            },
            [&] { gpu.matmul_forward(y.device, O + 2, base.device, O, x.device, I + 3, w.device, N, I, O); }, y);
        same(
            "forward from zero " + what,
            [&] { cpu.matmul_forward(y.host.data(), O + 2, nullptr, 0, x.host.data(), I + 3, w.host.data(), N, I, O); },
            [&] { gpu.matmul_forward(y.device, O + 2, nullptr, 0, x.device, I + 3, w.device, N, I, O); }, y);
        same(
            "to the input, onto itself " + what,
            [&] {
                cpu.matmul_backward_x(dx.host.data(), I + 3, dx.host.data(), I + 3, y.host.data(), O + 2, w.host.data(),
                                      N, I, O);
            },
            [&] { gpu.matmul_backward_x(dx.device, I + 3, dx.device, I + 3, y.device, O + 2, w.device, N, I, O); }, dx);
        same(
            "to the weights " + what,
            [&] { cpu.matmul_backward_w(dw.host.data(), x.host.data(), I + 3, y.host.data(), O + 2, N, I, O); },
            [&] { gpu.matmul_backward_w(dw.device, x.device, I + 3, y.device, O + 2, N, I, O); }, dw);
    }
}

TEST_CASE("kernels: grouped products") {
    const int E = 4, I = 33, O = 65, N = 70;
    for (const std::vector<int>& offsets :
         {std::vector<int>{0, 10, 10, 41, 70}, {0, 70, 70, 70, 70}, {0, 0, 0, 0, 70}, {0, 1, 2, 69, 70}}) {
        auto x = floats(N * I), w = floats(E * I * O), y = floats(N * O), dw = floats(E * I * O);
        Twin<int> at(offsets);
        same(
            "forward",
            [&] { cpu.grouped_forward(y.host.data(), x.host.data(), w.host.data(), at.host.data(), E, I, O); },
            [&] { gpu.grouped_forward(y.device, x.device, w.device, at.device, E, I, O); }, y);
        same(
            "to the weights",
            [&] { cpu.grouped_backward_w(dw.host.data(), x.host.data(), y.host.data(), at.host.data(), E, I, O); },
            [&] { gpu.grouped_backward_w(dw.device, x.device, y.device, at.device, E, I, O); }, dw);
        same(
            "to the input",
            [&] { cpu.grouped_backward_x(x.host.data(), y.host.data(), w.host.data(), at.host.data(), E, I, O); },
            [&] { gpu.grouped_backward_x(x.device, y.device, w.device, at.device, E, I, O); }, x);
    }
}

TEST_CASE("kernels: rows") {
    for (const int C : {1, 31, 32, 33, 48, 130})
        for (const int N : {1, 3, 4, 5, 33}) {
            const std::string what = std::to_string(N) + " " + std::to_string(C);
            auto x = floats(N * (C + 1)), y = floats(N * (C + 2)), g = floats(C), rstd = floats(N), dg = floats(C),
                 dy = floats(N * C), base = floats(N * C);
            same(
                "rmsnorm " + what,
                [&] {
                    cpu.rmsnorm_forward(y.host.data(), C + 2, rstd.host.data(), x.host.data(), C + 1, g.host.data(), N,
                                        C, 1e-6f);
                },
                [&] { gpu.rmsnorm_forward(y.device, C + 2, rstd.device, x.device, C + 1, g.device, N, C, 1e-6f); }, y,
                rstd);
            for (const bool with_base : {false, true})
                same(
                    "rmsnorm backward " + what,
                    [&] {
                        cpu.rmsnorm_backward(y.host.data(), C + 2, with_base ? base.host.data() : nullptr, C,
                                             dg.host.data(), dy.host.data(), C, x.host.data(), C + 1, rstd.host.data(),
                                             g.host.data(), N, C);
                    },
                    [&] {
                        gpu.rmsnorm_backward(y.device, C + 2, with_base ? base.device : nullptr, C, dg.device,
                                             dy.device, C, x.device, C + 1, rstd.device, g.device, N, C);
                    },
                    y, dg);

            auto gu = floats(N * 2 * C), a = floats(N * C), dgu = floats(N * 2 * C), table = floats(7 * C),
                 dtable = floats(7 * C);
            same(
                "swiglu " + what, [&] { cpu.swiglu_forward(a.host.data(), gu.host.data(), N, C); },
                [&] { gpu.swiglu_forward(a.device, gu.device, N, C); }, a);
            same(
                "swiglu backward " + what,
                [&] { cpu.swiglu_backward(dgu.host.data(), a.host.data(), gu.host.data(), N, C); },
                [&] { gpu.swiglu_backward(dgu.device, a.device, gu.device, N, C); }, dgu);
            auto token = integers(N, 7);
            same(
                "embedding " + what,
                [&] { cpu.embedding_forward(a.host.data(), token.host.data(), table.host.data(), N, C); },
                [&] { gpu.embedding_forward(a.device, token.device, table.device, N, C); }, a);
            same(
                "embedding backward " + what,
                [&] { cpu.embedding_backward(dtable.host.data(), a.host.data(), token.host.data(), N, C); },
                [&] { gpu.embedding_backward(dtable.device, a.device, token.device, N, C); }, dtable);
        }
    const int N = 5, heads = 3, D = 6, stride = 8, ld = heads * stride + 1;
    auto x = floats(N * ld), angles = floats(11 * D);
    auto position = integers(N, 11);
    same(
        "rotation",
        [&] { cpu.rope_forward(x.host.data(), ld, position.host.data(), angles.host.data(), N, heads, stride, D); },
        [&] { gpu.rope_forward(x.device, ld, position.device, angles.device, N, heads, stride, D); }, x);
    same(
        "rotation, backward",
        [&] { cpu.rope_backward(x.host.data(), ld, position.host.data(), angles.host.data(), N, heads, stride, D); },
        [&] { gpu.rope_backward(x.device, ld, position.device, angles.device, N, heads, stride, D); }, x);
}

TEST_CASE("kernels: the optimizer") {
    for (const int64_t n : {int64_t(1), int64_t(255), int64_t(257), SQUARES_BLOCK, SQUARES_BLOCK + 33}) {
        auto w = floats(n), m = floats(n), v = floats(n), g = floats(n), partial = floats(2);
        for (size_t i = 0; i < v.host.size(); ++i) v.host[i] = std::abs(v.host[i]);
        v.renew();
        const AdamW update{0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.5f, 0.25f, 0.7f};
        same(
            "adamw", [&] { cpu.adamw(w.host.data(), m.host.data(), v.host.data(), g.host.data(), n, update); },
            [&] { gpu.adamw(w.device, m.device, v.device, g.device, n, update); }, w, m, v);
        same(
            "add", [&] { cpu.add(w.host.data(), g.host.data(), n); }, [&] { gpu.add(w.device, g.device, n); }, w);
        same(
            "squares", [&] { cpu.squares(partial.host.data(), g.host.data(), n); },
            [&] { gpu.squares(partial.device, g.device, n); }, partial);
    }
}

TEST_CASE("kernels: every operation has one") {
    const auto* entries = reinterpret_cast<void* const*>(&gpu);
    for (size_t i = 0; i < sizeof(Ops) / sizeof(void*); ++i) CHECK(entries[i] != nullptr);
}

TEST_CASE("kernels: the loss and sampling") {
    for (const int V : {1, 31, 32, 33, 65, 300})
        for (const int N : {1, 5}) {
            const std::string what = std::to_string(N) + " " + std::to_string(V);
            auto logits = floats(N * V), logp = floats(N), entropy = floats(N), stats = floats(2 * N),
                 uniform = floats(N);
            for (float& x : logits.host) x *= 8;
            for (float& u : uniform.host) u = std::abs(u) * 0.999f;
            if (V > 40) logits.host[3] = logits.host[37] = logits.host[40]; // equals
            logits.renew(), uniform.renew();
            auto target = integers(N, V), token = integers(N, V);
            for (const float inverse : {1.0f, 0.7f})
                same(
                    "logprob " + what,
                    [&] {
                        cpu.logprob_forward(logp.host.data(), entropy.host.data(), stats.host.data(),
                                            logits.host.data(), target.host.data(), N, V, inverse);
                    },
                    [&] {
                        gpu.logprob_forward(logp.device, entropy.device, stats.device, logits.device, target.device, N,
                                            V, inverse);
                    },
                    logp, entropy, stats);
            for (const float inverse : {0.0f, 1.0f, 0.7f})
                for (const float top_p : {1.0f, 0.9f, 0.3f, 0.0f})
                    for (int again = 0; again < 3; ++again) {
                        for (float& u : uniform.host) u = std::abs(numbers.next());
                        uniform.renew();
                        same(
                            "sample " + what,
                            [&] {
                                cpu.sample(token.host.data(), logp.host.data(), logits.host.data(), uniform.host.data(),
                                           N, V, inverse, top_p);
                            },
                            [&] {
                                gpu.sample(token.device, logp.device, logits.device, uniform.device, N, V, inverse,
                                           top_p);
                            },
                            token, logp);
                    }
            cpu.logprob_forward(logp.host.data(), entropy.host.data(), stats.host.data(), logits.host.data(),
                                target.host.data(), N, V, 1);
            stats.renew(), logp.renew();
            same(
                "logprob backward " + what,
                [&] {
                    cpu.logprob_backward(logits.host.data(), logp.host.data(), stats.host.data(), target.host.data(), N,
                                         V, 1);
                },
                [&] { gpu.logprob_backward(logits.device, logp.device, stats.device, target.device, N, V, 1); },
                logits);
        }
}

TEST_CASE("kernels: experts") {
    for (const Routing r : {Routing{8, 2, 2, 1, true, 1.0f}, Routing{8, 3, 4, 2, false, 2.5f},
                            Routing{5, 2, 1, 1, true, 1.0f}, Routing{33, 1, 1, 1, true, 1.0f}})
        for (const int N : {1, 7, 33}) {
            const int C = 20, E = r.E, K = r.K;
            auto logits = floats(N * E), bias = floats(E), score = floats(N * E), gate = floats(N * K),
                 dgate = floats(N * K), dscore = floats(N * E);
            if (E > 4) logits.host[1] = logits.host[3], logits.renew();
            auto expert = integers(N * K, E), source = integers(N * K, N * K), place = integers(N * K, N * K),
                 offsets = integers(E + 1, 1);
            same(
                "router",
                [&] {
                    cpu.router_forward(score.host.data(), expert.host.data(), gate.host.data(), logits.host.data(),
                                       bias.host.data(), N, r);
                },
                [&] { gpu.router_forward(score.device, expert.device, gate.device, logits.device, bias.device, N, r); },
                score, expert, gate);
            Twin<int> sequences(N > 3 ? std::vector<int>{0, 1, N - 2, N} : std::vector<int>{0, N});
            const int B = int(sequences.host.size()) - 1;
            auto loss = floats(B);
            same(
                "balance",
                [&] {
                    cpu.balance_loss(loss.host.data(), dscore.host.data(), score.host.data(), sequences.host.data(), B,
                                     0.01f, 0.5f, r);
                },
                [&] {
                    gpu.balance_loss(loss.device, dscore.device, score.device, sequences.device, B, 0.01f, 0.5f, r);
                },
                loss, dscore);
            same(
                "router backward",
                [&] {
                    cpu.router_backward(logits.host.data(), dgate.host.data(), dscore.host.data(), score.host.data(),
                                        expert.host.data(), N, r);
                },
                [&] {
                    gpu.router_backward(logits.device, dgate.device, dscore.device, score.device, expert.device, N, r);
                },
                logits);
            same(
                "dispatch",
                [&] {
                    cpu.dispatch(source.host.data(), place.host.data(), offsets.host.data(), expert.host.data(), N, E,
                                 K);
                },
                [&] { gpu.dispatch(source.device, place.device, offsets.device, expert.device, N, E, K); }, source,
                place, offsets);
            auto x = floats(N * C), xs = floats(N * K * C), y = floats(N * C), dys = floats(N * K * C);
            same(
                "gather", [&] { cpu.gather_forward(xs.host.data(), x.host.data(), source.host.data(), N, K, C); },
                [&] { gpu.gather_forward(xs.device, x.device, source.device, N, K, C); }, xs);
            same(
                "gather backward",
                [&] { cpu.gather_backward(x.host.data(), xs.host.data(), place.host.data(), N, K, C); },
                [&] { gpu.gather_backward(x.device, xs.device, place.device, N, K, C); }, x);
            same(
                "combine",
                [&] {
                    cpu.combine_forward(y.host.data(), xs.host.data(), gate.host.data(), place.host.data(), N, K, C);
                },
                [&] { gpu.combine_forward(y.device, xs.device, gate.device, place.device, N, K, C); }, y);
            same(
                "combine backward",
                [&] {
                    cpu.combine_backward(dys.host.data(), dgate.host.data(), y.host.data(), xs.host.data(),
                                         gate.host.data(), place.host.data(), N, K, C);
                },
                [&] {
                    gpu.combine_backward(dys.device, dgate.device, y.device, xs.device, gate.device, place.device, N, K,
                                         C);
                },
                dys, dgate);
        }
    // All tokens to one expert, and experts without a token.
    Twin<int> expert(std::vector<int>(20, 3)), source = integers(20, 20), place = integers(20, 20),
                                               offsets = integers(9, 1);
    same(
        "dispatch to one",
        [&] { cpu.dispatch(source.host.data(), place.host.data(), offsets.host.data(), expert.host.data(), 10, 8, 2); },
        [&] { gpu.dispatch(source.device, place.device, offsets.device, expert.device, 10, 8, 2); }, source, place,
        offsets);
}

TEST_CASE("kernels: attention") {
    struct Shape {
        int H, H_kv, own, shared, D_v;
    };
    for (const Shape s : {Shape{4, 4, 16, 16, 32}, {4, 2, 8, 0, 16}, {3, 3, 5, 2, 7}, {2, 1, 40, 8, 48}}) {
        Heads heads;
        heads.H = s.H, heads.H_kv = s.H_kv, heads.own = s.own, heads.shared = s.shared, heads.D_v = s.D_v;
        heads.scale = 1 / exact::sqrt(float(heads.D_k()));
        // Sequences of 1, 31, 33 and 70 tokens, each in whole blocks of the cache.
        std::vector<int> block, position, cuts = {0};
        int blocks = 0;
        for (const int T : {1, 31, 33, 70}) {
            for (int t = 0; t < T; ++t) block.push_back(blocks), position.push_back(t);
            blocks += (T + KEY_BLOCK - 1) / KEY_BLOCK, cuts.push_back(int(block.size()));
        }
        const int N = int(block.size()), ld = s.shared + 3, cache = blocks * KEY_BLOCK;
        Twin<int> at(block), place(position), offsets(cuts);
        auto q = floats(N * s.H * heads.D_k()), kv = floats(N * heads.kv()), k_shared = floats(N * ld),
             k = floats(cache * heads.keys()), v = floats(cache * heads.values());
        auto o = floats(N * s.H * s.D_v), stats = floats(N * s.H * 2), do_ = floats(N * s.H * s.D_v);
        auto dq = floats(N * s.H * heads.D_k()), dkv = floats(N * heads.kv()), dk_shared = floats(N * ld);
        const std::string what =
            std::to_string(s.H) + " heads of " + std::to_string(s.own) + " + " + std::to_string(s.shared);
        same(
            "cache " + what,
            [&] {
                cpu.cache_write(k.host.data(), v.host.data(), kv.host.data(), k_shared.host.data(), ld, at.host.data(),
                                place.host.data(), N, heads);
            },
            [&] {
                gpu.cache_write(k.device, v.device, kv.device, k_shared.device, ld, at.device, place.device, N, heads);
            },
            k, v);
        same(
            "attention " + what,
            [&] {
                cpu.attention_forward(o.host.data(), stats.host.data(), q.host.data(), k.host.data(), v.host.data(),
                                      at.host.data(), place.host.data(), N, heads);
            },
            [&] {
                gpu.attention_forward(o.device, stats.device, q.device, k.device, v.device, at.device, place.device, N,
                                      heads);
            },
            o, stats);
        same(
            "attention backward " + what,
            [&] {
                cpu.attention_backward(dq.host.data(), dkv.host.data(), dk_shared.host.data(), ld, do_.host.data(),
                                       o.host.data(), stats.host.data(), q.host.data(), kv.host.data(),
                                       k_shared.host.data(), ld, offsets.host.data(), 4, heads);
            },
            [&] {
                gpu.attention_backward(dq.device, dkv.device, dk_shared.device, ld, do_.device, o.device, stats.device,
                                       q.device, kv.device, k_shared.device, ld, offsets.device, 4, heads);
            },
            dq, dkv, dk_shared);
    }
}
