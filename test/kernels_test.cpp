// Every kernel against the CPU's operation: the same bits, at shapes around the edges of warps and tiles. The device is
// the emulator, with threads run in three orders, or in r1_gpu_test a GPU.
#include <cmath>
#include <cstring>
#include <set>

#include "base/exact.h"
#include "device_under_test.h"
#include "gradient.h"

using namespace r1;

namespace {

const Ops& cpu = cpu_ops("generic");
const Ops& device() { return device_under_test(); }

// The same numbers for the CPU and, in memory of the device, for the kernels.
template <class T>
struct Twin {
    std::vector<T> host;
    T* on_device;
    explicit Twin(std::vector<T> values)
        : host(std::move(values)), on_device(static_cast<T*>(device().memory->allocate(bytes() + 1))) {
        renew();
    }
    Twin(const Twin&) = delete;
    ~Twin() { device().memory->release(on_device); }
    size_t bytes() const { return host.size() * sizeof(T); }
    void renew() { device().memory->upload(on_device, host.data(), bytes()); }
    std::vector<T> result() const {
        std::vector<T> values(host.size());
        device().memory->download(values.data(), on_device, bytes());
        return values;
    }
};
Numbers numbers{77};
Twin<float> floats(size_t n) {
    std::vector<float> values = numbers.take(n);
    for (float& v : values) v *= 0.73908514f;  // all bits of a float: sums of the numbers themselves would be exact in any order
    return Twin<float>(std::move(values));
}
Twin<int> integers(size_t n, int below) {
    std::vector<int> values(n);
    for (int& v : values) v = numbers.below(below);
    return Twin<int>(values);
}

// What an argument is for the CPU and for the device.
template <class T>
T* for_cpu(Twin<T>& twin) { return twin.host.data(); }
template <class T>
T* for_device(Twin<T>& twin) { return twin.on_device; }
template <class T>
const T& for_cpu(const T& value) { return value; }
template <class T>
const T& for_device(const T& value) { return value; }

// A twin in a comparison: its numbers before the operation, and the CPU's after it.
struct Check {
    std::function<void()> restore, finish;
    std::function<bool()> equal;
};
template <class T>
Check check_of(Twin<T>& twin) {
    return {[&twin, before = twin.host] { device().memory->upload(twin.on_device, before.data(), twin.bytes()); },
            [&twin] { twin.renew(); },
            [&twin] {
                const std::vector<T> got = twin.result();
                return got.empty() || std::memcmp(got.data(), twin.host.data(), twin.bytes()) == 0;
            }};
}
template <class T>
Check check_of(const T&) { return {[] {}, [] {}, [] { return true; }}; }

std::set<std::string> compared;           // operations, by the place of their entry in the table

// Runs the CPU's function, and the device's from the same numbers in each order: all twins must be equal then, those
// that are read as well as those that are written.
template <class... Parameter, class... Argument>
void compare(const std::string& what, void (*of_cpu)(Parameter...), void (*of_device)(Parameter...),
             Argument&&... argument) {
    const std::vector<Check> checks = {check_of(argument)...};
    of_cpu(for_cpu(argument)...);
    in_every_order([&] {
        for (const Check& check : checks) check.restore();
        of_device(for_device(argument)...);
        CAPTURE(what);
        CHECK(std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.equal(); }));
    });
    for (const Check& check : checks) check.finish();
}

template <class... Parameter, class... Argument>
void same(const std::string& what, void (*Ops::*operation)(Parameter...), Argument&&... argument) {
    compare(what, cpu.*operation, device().*operation, argument...);
    char place[sizeof operation];
    std::memcpy(place, &operation, sizeof operation);
    compared.insert(std::string(place, sizeof place));
}

std::string text(std::initializer_list<int> numbers) {
    std::string s;
    for (int n : numbers) s += " " + std::to_string(n);
    return s;
}

}  // namespace

TEST_CASE("kernels: products") {
    for (const auto& [N, I, O] : std::vector<std::array<int, 3>>{{1, 1, 1}, {1, 33, 65}, {31, 16, 32}, {32, 17, 31}, {33, 5, 64},
                                                                {70, 40, 129}, {64, 64, 64}, {3, 0, 5}, {128, 20, 7}, {33, 200, 20}}) {
        const std::string what = text({N, I, O});
        auto x = floats(N * (I + 3)), w = floats(I * O), y = floats(N * (O + 2)), base = floats(N * O);
        same("forward" + what, &Ops::matmul_forward, y, O + 2, base, O, x, I + 3, w, N, I, O);
        same("forward from zero" + what, &Ops::matmul_forward, y, O + 2, nullptr, 0, x, I + 3, w, N, I, O);
        same("to the input, onto itself" + what, &Ops::matmul_backward_x, x, I + 3, x, I + 3, y, O + 2, w, N, I, O);
        same("to the weights" + what, &Ops::matmul_backward_w, w, x, I + 3, y, O + 2, N, I, O);
    }
    // Every tile, its side by the result's (M x N), and chains of whole steps and a rest. Rows of the result at any address
    // and at multiples of 16 bytes, whole and with a gap behind each but the last.
    for (const auto& [M, N, K, ld] :
         std::vector<std::array<int, 4>>{{33, 21, 135, 21}, {33, 20, 3, 20}, {33, 21, 3, 24}, {350, 370, 39, 370}, {350, 372, 3, 372},
                                         {350, 370, 3, 372}, {800, 801, 23, 801}, {801, 804, 3, 804}, {801, 803, 3, 804},
                                         {1450, 1451, 15, 1451}, {1451, 1452, 3, 1452}, {1451, 1450, 3, 1452}}) {
        const std::string what = text({M, N, K, ld});
        const int last = (M - 1) * ld + N;
        auto left = floats(M * K), right = floats(N * K), result = floats(last), base = floats(last), weights = floats(M * N);
        same("forward" + what, &Ops::matmul_forward, result, ld, base, ld, left, K, right, M, K, N);
        same("forward from zero" + what, &Ops::matmul_forward, result, ld, nullptr, 0, left, K, right, M, K, N);
        same("to the input" + what, &Ops::matmul_backward_x, result, ld, base, ld, left, K, right, M, N, K);
        same("to the input, from zero" + what, &Ops::matmul_backward_x, result, ld, nullptr, 0, left, K, right, M, N, K);
        same("to the weights" + what, &Ops::matmul_backward_w, weights, left, M, right, N, K, M, N);
    }
}

// The CPU's product, the fast kernel's and the naive kernel's are three programs for one chain of sums.
TEST_CASE("kernels: the naive product, a third opinion") {
    // The naive kernel's blocks and the fast one's four tiles, at their edges; chains of no, one and many products.
    const std::vector<std::array<int, 3>> shapes = {{1, 1, 1},    {3, 0, 5},      {1, 33, 65},   {8, 17, 32},  {9, 40, 33},
                                                    {33, 200, 20}, {4090, 21, 20}, {8190, 7, 21}, {16300, 5, 20}};
    for (const auto& [N, I, O] : shapes) {
        const std::string what = text({N, I, O});
        const auto naive = naive_product_under_test;
        auto x = floats(N * (I + 3)), w = floats(I * O), y = floats(N * (O + 2)), base = floats(N * (O + 1));
        same("fast" + what, &Ops::matmul_forward, y, O + 2, base, O + 1, x, I + 3, w, N, I, O);
        compare("naive" + what, cpu.matmul_forward, naive, y, O + 2, base, O + 1, x, I + 3, w, N, I, O);
        same("fast from zero" + what, &Ops::matmul_forward, y, O + 2, nullptr, 0, x, I + 3, w, N, I, O);
        compare("naive from zero" + what, cpu.matmul_forward, naive, y, O + 2, nullptr, 0, x, I + 3, w, N, I, O);
        compare("naive onto itself" + what, cpu.matmul_forward, naive, y, O + 2, y, O + 2, x, I + 3, w, N, I, O);
    }
    // A planted fault: the same products added from the last to the first round otherwise, and the bytes show it.
    const int N = 9, I = 40, O = 33;
    auto x = floats(N * I), w = floats(I * O), y = floats(N * O);
    cpu.matmul_forward(y.host.data(), O, nullptr, 0, x.host.data(), I, w.host.data(), N, I, O);
    for (int n = 0; n < N; ++n) std::reverse(x.host.begin() + n * I, x.host.begin() + (n + 1) * I);
    for (int i = 0; i < I / 2; ++i)
        std::swap_ranges(w.host.begin() + i * O, w.host.begin() + (i + 1) * O, w.host.begin() + (I - 1 - i) * O);
    x.renew();
    w.renew();
    naive_product_under_test(y.on_device, O, nullptr, 0, x.on_device, I, w.on_device, N, I, O);
    const std::vector<float> backwards = y.result();
    CHECK_FALSE(check_of(y).equal());
    for (size_t i = 0; i < backwards.size(); ++i) CHECK(std::abs(backwards[i] - y.host[i]) < 1e-4f);
}

TEST_CASE("kernels: grouped products") {
    const int E = 4, I = 33, O = 65, N = 70;
    for (const std::vector<int>& cuts :
         {std::vector<int>{0, 10, 10, 41, 70}, {0, 70, 70, 70, 70}, {0, 0, 0, 0, 70}, {0, 1, 2, 69, 70}}) {
        auto x = floats(N * I), w = floats(E * I * O), y = floats(N * O);
        Twin<int> offsets(cuts);
        same("forward", &Ops::grouped_forward, y, x, w, offsets, N, E, I, O);
        same("to the weights", &Ops::grouped_backward_w, w, x, y, offsets, N, E, I, O);
        same("to the input", &Ops::grouped_backward_x, x, y, w, offsets, N, E, I, O);
    }
    // Every tile. More rows to one expert than there are blocks for; then rows to several, and none to some.
    for (const auto& [rows, wide, deep] : std::vector<std::array<int, 3>>{{520, 40, 71}, {1030, 100, 39}, {2060, 200, 23},
                                                                           {4100, 400, 15}, {1030, 99, 2}, {2060, 198, 2},
                                                                           {4100, 399, 2}}) {
        const int experts = 8;
        const std::string what = text({rows, wide, deep});
        auto narrow_rows = floats(rows * deep), wide_rows = floats(rows * wide), w = floats(experts * wide * deep);
        for (const std::vector<int>& cuts : {std::vector<int>{0, 0, rows, rows, rows, rows, rows, rows, rows},
                                             std::vector<int>{0, 1, rows / 2, rows / 2, rows / 2 + 33, rows - 70, rows - 3, rows, rows}}) {
            Twin<int> offsets(cuts);
            same("forward" + what, &Ops::grouped_forward, wide_rows, narrow_rows, w, offsets, rows, experts, deep, wide);
            same("to the input" + what, &Ops::grouped_backward_x, wide_rows, narrow_rows, w, offsets, rows, experts, wide, deep);
        }
        auto x = floats(4 * deep * wide), dy = floats(4 * deep * wide), dw = floats(experts * wide * wide);
        Twin<int> offsets({0, deep, deep, 3 * deep - 5, 3 * deep - 5, 3 * deep, 3 * deep + 1, 3 * deep + 1, 4 * deep});
        same("to the weights" + what, &Ops::grouped_backward_w, dw, x, dy, offsets, 4 * deep, experts, wide, wide);
    }
}

TEST_CASE("kernels: rows") {
    for (const int C : {1, 31, 32, 33, 48, 130})
        for (const int N : {1, 3, 4, 5, 33, 65, 130}) {
            if (N > 33 && C > 33) continue;
            const std::string what = text({N, C});
            auto x = floats(N * (C + 1)), y = floats(N * (C + 2)), g = floats(C), rstd = floats(N), dg = floats(C),
                 dy = floats(N * C), base = floats(N * C);
            same("rmsnorm" + what, &Ops::rmsnorm_forward, y, C + 2, rstd, x, C + 1, g, N, C, 1e-6f);
            same("rmsnorm backward" + what, &Ops::rmsnorm_backward, y, C + 2, nullptr, 0, dg, dy, C, x, C + 1, rstd, g, N, C);
            same("rmsnorm backward, added" + what, &Ops::rmsnorm_backward, base, C, base, C, dg, dy, C, x, C + 1, rstd, g, N, C);
            auto b = floats(C);
            same("bias" + what, &Ops::bias_forward, y, C + 2, b, N, C);
            same("bias backward" + what, &Ops::bias_backward, b, x, C + 1, N, C);
            same("clip" + what, &Ops::clip_forward, y, C + 2, 0.5f, N, C);
            same("clip backward" + what, &Ops::clip_backward, x, C + 1, y, C + 2, 0.5f, N, C);
            same("copy" + what, &Ops::copy_rows, y, C + 2, x, C + 1, N, C);

            auto gu = floats(N * 2 * C), dgu = floats(N * 2 * C), a = floats(N * C), table = floats(7 * C);
            same("swiglu" + what, &Ops::swiglu_forward, a, gu, N, C);
            same("swiglu backward" + what, &Ops::swiglu_backward, dgu, a, gu, N, C);
            auto token = integers(N, 7);
            same("embedding" + what, &Ops::embedding_forward, a, token, table, N, C);
            same("embedding backward" + what, &Ops::embedding_backward, table, dy, token, N, C);
        }
    // Rows wider than a lane's registers, channels of several blocks, more rows than a chain takes at a time.
    for (const auto& [N, C] : std::vector<std::array<int, 2>>{{3, 256}, {3, 257}, {3, 500}, {2, 900}, {2, 1024}, {3, 1100},
                                                              {2, 2047}, {3, 2100}, {3, 2300}, {255, 17}, {256, 3}, {257, 33}, {770, 2}}) {
        const std::string what = text({N, C});
        auto x = floats(N * (C + 1)), y = floats(N * C), g = floats(C), rstd = floats(N), dg = floats(C), base = floats(N * C),
             dx = floats(N * C);
        same("rmsnorm" + what, &Ops::rmsnorm_forward, y, C, rstd, x, C + 1, g, N, C, 1e-6f);
        same("rmsnorm backward" + what, &Ops::rmsnorm_backward, dx, C, nullptr, 0, dg, y, C, x, C + 1, rstd, g, N, C);
        same("rmsnorm backward, added" + what, &Ops::rmsnorm_backward, base, C, base, C, dg, y, C, x, C + 1, rstd, g, N, C);
        same("bias backward" + what, &Ops::bias_backward, dg, x, C + 1, N, C);
        same("swiglu" + what, &Ops::swiglu_forward, y, x, N, C / 2);
        same("bias" + what, &Ops::bias_forward, x, C + 1, g, N, C);
        same("clip" + what, &Ops::clip_forward, x, C + 1, 0.5f, N, C);
        same("clip backward" + what, &Ops::clip_backward, y, C, x, C + 1, 0.5f, N, C);
        same("copy" + what, &Ops::copy_rows, x, C + 1, y, C, N, C);
        auto token = integers(N, 7);
        auto table = floats(7 * C);
        same("embedding" + what, &Ops::embedding_forward, y, token, table, N, C);
    }
    for (const auto& [heads, D] : std::vector<std::array<int, 2>>{{3, 6}, {1, 2}, {5, 64}, {2, 130}, {16, 40}}) {
        const int N = 5, stride = D + 2, ld = heads * stride + 1;
        auto x = floats(N * ld), angles = floats(11 * D);
        auto position = integers(N, 11);
        same("rotation" + text({heads, D}), &Ops::rope_forward, x, ld, position, angles, N, heads, stride, D);
        same("rotation, backward" + text({heads, D}), &Ops::rope_backward, x, ld, position, angles, N, heads, stride, D);
    }
}

TEST_CASE("kernels: the optimizer") {
    for (const int64_t n : {int64_t(1), int64_t(255), int64_t(257), SQUARES_BLOCK, SQUARES_BLOCK + 33}) {
        auto w = floats(n), m = floats(n), v = floats(n), g = floats(n), partial = floats(2);
        for (float& each : v.host) each = std::abs(each);
        v.renew();
        std::vector<Piece> ranges;
        for (int64_t at = 0; at < n; at += MOST_PIECE)
            ranges.push_back({at, int(std::min<int64_t>(MOST_PIECE, n - at)), int(ranges.size()) % 2});
        Twin<Piece> pieces(ranges);
        same("adamw", &Ops::adamw, w, m, v, g, pieces, int(ranges.size()), AdamW{0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.5f, 0.25f, 0.7f});
        same("add", &Ops::add, w, g, n);
        same("squares", &Ops::squares, partial, g, n);
    }
}

TEST_CASE("kernels: the loss and sampling") {
    for (const int V : {1, 31, 32, 33, 65, 300, 700})
        for (const int N : {1, 5}) {
            const std::string what = text({N, V});
            auto logits = floats(N * V), logp = floats(N), entropy = floats(N), stats = floats(2 * N), uniform = floats(N);
            for (float& x : logits.host) x *= V == 700 ? 1.0f : 8.0f;  // a nucleus of most tokens, or of few
            if (V > 40) logits.host[3] = logits.host[37] = logits.host[40];  // equals
            logits.renew();
            auto target = integers(N, V), token = integers(N, V);
            for (const float inverse : {1.0f, 0.7f})
                same("logprob" + what, &Ops::logprob_forward, logp, entropy, stats, logits, target, N, V, inverse);
            for (const float inverse : {0.0f, 1.0f, 0.7f})
                for (const float top_p : {1.0f, 0.9f, 0.3f, 0.0f})
                    for (const int ld : {V, 0, V}) {
                        for (float& u : uniform.host) u = std::min(std::abs(numbers.next()), 0.999f);
                        uniform.renew();
                        same("sample" + what, &Ops::sample, token, logp, logits, ld, uniform, N, V, inverse, top_p);
                    }
            same("logprob" + what, &Ops::logprob_forward, logp, entropy, stats, logits, target, N, V, 1.0f);
            same("logprob backward" + what, &Ops::logprob_backward, logits, logp, stats, target, N, V, 1.0f);
        }
    // A nucleus that ends exactly at its share, half of 64 equal tokens: a 33rd, which lane 0 has too, would be drawn instead
    // of token 1. The first of equals is the best. Tokens whose probability is too small for a float.
    Twin<float> equal(std::vector<float>(128, 0.0f)), close = floats(5 * 700), logp = floats(5);
    Twin<float> uniform({0.04f, 0.999f, 0, 0.5f, 0.3f});
    Twin<int> token = integers(5, 1);
    std::fill(equal.host.begin() + 64 + 5, equal.host.end(), -200.0f);
    equal.renew();
    for (const float inverse : {0.0f, 1.0f})
        for (const float top_p : {0.5f, 0.9f})
            same("sample, equals", &Ops::sample, token, logp, equal, 64, uniform, 2, 64, inverse, top_p);
    // Of nearly all, summed in the nucleus's order, there may be less than the share: it ends with the last token.
    same("sample, all", &Ops::sample, token, logp, close, 700, uniform, 5, 700, 1.0f, 0.99999994f);
}

TEST_CASE("kernels: answers in the making") {
    const int slots = 70, most = 9;
    auto prompt = integers(slots, 1000), sample = integers(slots, 50), begin = integers(slots, 20), limit = integers(slots, 6),
         count = integers(slots, 3), state = integers(slots, 3), tokens = integers(slots * most, 100);
    auto logps = floats(slots * most), logp = floats(slots), uniform = floats(slots);
    for (int i = 0; i < slots; ++i) limit.host[i] += count.host[i] + 1, prompt.host[i] -= 500;  // also negative
    limit.renew(), prompt.renew();
    auto token = integers(slots, 100), position = integers(slots, 9), block = integers(slots, 9), slot = integers(slots, 9);
    for (int i = 0; i < slots; ++i) slot.host[i] = slots - 1 - i;
    slot.renew();
    Twin<int> stop({3, 7, 50});
    // An Answers of either side, from the twins.
    struct Both {
        Answers host, device;
    } const answers = {{prompt.host.data(), sample.host.data(), begin.host.data(), limit.host.data(), count.host.data(),
                        state.host.data(), tokens.host.data(), logps.host.data(), most},
                       {prompt.on_device, sample.on_device, begin.on_device, limit.on_device, count.on_device, state.on_device,
                        tokens.on_device, logps.on_device, most}};
    const Draws draws{1234567891, 2, 77};
    for (int step = 0; step < 4; ++step) {
        cpu.answer_rows(token.host.data(), position.host.data(), block.host.data(), uniform.host.data(), slot.host.data(),
                        answers.host, 11, draws, slots);
        device().answer_rows(token.on_device, position.on_device, block.on_device, uniform.on_device, slot.on_device,
                             answers.device, 11, draws, slots);
        for (Twin<int>* each : {&token, &position, &block}) CHECK(each->result() == each->host);
        CHECK(uniform.result() == uniform.host);
        for (int& t : token.host) t = numbers.below(step == 3 ? 100 : 20);
        token.renew();
        cpu.append(answers.host, slot.host.data(), token.host.data(), logp.host.data(), stop.host.data(), 3, slots);
        device().append(answers.device, slot.on_device, token.on_device, logp.on_device, stop.on_device, 3, slots);
        for (Twin<int>* each : {&count, &state, &tokens}) CHECK(each->result() == each->host);
        CHECK(logps.result() == logps.host);
    }
    for (int s : {int(GROWING), int(ENDED), int(CUT)}) CHECK(std::count(state.host.begin(), state.host.end(), s) > 0);
}

TEST_CASE("kernels: experts") {
    for (const Routing r : {Routing{8, 2, 2, 1, true, 1.0f, false}, Routing{8, 3, 4, 2, false, 2.5f, false},
                            Routing{7, 2, 1, 1, true, 1.0f, false}, Routing{33, 1, 1, 1, true, 1.0f, false},
                            Routing{8, 3, 4, 2, false, 2.5f, true}, Routing{33, 2, 1, 1, true, 1.0f, true},
                            Routing{66, 9, 6, 3, true, 1.5f, false}, Routing{66, 9, 6, 3, false, 1.5f, true},
                            Routing{6, 2, 6, 3, true, 1.0f, false}})
        for (const int N : {1, 7, 33, 450}) {
            if (N == 450 && r.E != 8) continue;
            const int C = N == 7 ? 650 : 20, E = r.E, K = r.K;
            auto logits = floats(N * E), bias = floats(E), score = floats(N * E), gate = floats(N * K), dgate = floats(N * K),
                 dscore = floats(N * E);
            if (E > 4) logits.host[1] = logits.host[3], logits.renew();  // equals
            auto expert = integers(N * K, E), source = integers(N * K, N * K), place = integers(N * K, N * K),
                 offsets = integers(E + 1, 1), load = integers(3 * (E + 2), 100);
            same("router", &Ops::router_forward, score, expert, gate, logits, bias, N, r);
            Twin<int> sequences(N > 3 ? std::vector<int>{0, 1, N - 2, N} : std::vector<int>{0, N});
            const int B = int(sequences.host.size()) - 1;
            auto loss = floats(B), total = floats(1);
            same("balance", &Ops::balance_loss, loss, dscore, score, sequences, B, 0.01f, 0.5f, r);
            same("sum", &Ops::add_up, total, loss, B);
            same("router backward", &Ops::router_backward, logits, dgate, dscore, score, expert, N, r);
            same("dispatch", &Ops::dispatch, source, place, offsets, expert, N, E, K);
            same("load", &Ops::count_load, load, offsets, E);
            same("bias", &Ops::move_bias, bias, load, 3, E + 2, E, 0.001f);
            auto x = floats(N * C), xs = floats(N * K * C), y = floats(N * C), dys = floats(N * K * C);
            auto ys = floats(N * K * C), dxs = floats(N * K * C);  // xs has a token's row K times: any order would do
            same("gather", &Ops::gather_forward, xs, x, source, N, K, C);
            same("gather backward", &Ops::gather_backward, x, dxs, place, N, K, C);
            same("combine", &Ops::combine_forward, y, ys, gate, place, N, K, C);
            same("combine backward", &Ops::combine_backward, dys, dgate, y, ys, gate, place, N, K, C);
        }
    // All tokens to one expert, and experts without a token.
    Twin<int> expert(std::vector<int>(20, 3));
    auto source = integers(20, 20), place = integers(20, 20), offsets = integers(9, 1);
    same("dispatch to one", &Ops::dispatch, source, place, offsets, expert, 10, 8, 2);
}

namespace {

struct Shape {
    int H, H_kv, own, shared, D_v;
};

Shape drawn_shape() {
    const auto below = [](int n) { return numbers.below(n); };
    const int widest[] = {20, 64, 128, 256}, H_kv = 1 + below(2), D_k = 1 + below(widest[below(4)]), D_v = 1 + below(widest[below(4)]);
    const int kind = below(4), shared = kind == 0 ? 0 : kind == 1 ? D_k : below(std::min(D_k, 40) + 1);
    return {H_kv * (1 + below(2)), H_kv, D_k - shared, shared, D_v};
}

// Sequences of these lengths, each in whole blocks of the cache: into the cache, forward, backward.
void compare_attention(const Shape& s, const std::vector<int>& lengths) {
    Heads heads;
    heads.H = s.H, heads.H_kv = s.H_kv, heads.own = s.own, heads.shared = s.shared, heads.D_v = s.D_v;
    heads.scale = 1 / exact::sqrt(float(heads.D_k()));
    std::vector<int> first_block, positions, cuts = {0};
    int blocks = 0;
    for (const int T : lengths) {
        for (int t = 0; t < T; ++t) first_block.push_back(blocks), positions.push_back(t);
        blocks += (T + KEY_BLOCK - 1) / KEY_BLOCK, cuts.push_back(int(positions.size()));
    }
    const int N = int(positions.size()), ld = s.shared + 3, cache = blocks * KEY_BLOCK;
    Twin<int> block(first_block), position(positions), offsets(cuts);
    auto q = floats(N * s.H * heads.D_k()), kv = floats(N * heads.kv()), k_shared = floats(N * ld),
         k = floats(cache * heads.keys()), v = floats(cache * heads.values());
    auto o = floats(N * s.H * s.D_v), stats = floats(N * s.H * 2), do_ = floats(N * s.H * s.D_v);
    auto dq = floats(N * s.H * heads.D_k()), dkv = floats(N * heads.kv()), dk_shared = floats(N * ld);
    const std::string what = text({s.H, s.H_kv, s.own, s.shared, s.D_v});
    same("cache" + what, &Ops::cache_write, k, v, kv, k_shared, ld, block, position, N, heads);
    same("attention" + what, &Ops::attention_forward, o, stats, q, k, v, block, position, N, heads);
    same("attention backward" + what, &Ops::attention_backward, dq, dkv, dk_shared, ld, do_, o, stats, q, kv, k_shared, ld,
         offsets, int(lengths.size()), heads);
    // Two layers of four blocks: block 1 on to 0 and 3 on, two blocks each time but the last.
    Twin<int> to({2, 0});
    auto keys = floats(size_t(2) * 4 * KEY_BLOCK * heads.keys()), values = floats(size_t(2) * 4 * KEY_BLOCK * heads.values());
    same("cache copy" + what, &Ops::cache_copy, keys, values, to, 2, 1, 1, 2, int64_t(4), heads);
}

}  // namespace

TEST_CASE("kernels: attention") {
    for (const Shape& s : {Shape{4, 4, 16, 16, 32}, {4, 2, 8, 0, 16}, {3, 3, 5, 2, 7}, {2, 1, 40, 8, 48}, {2, 1, 60, 196, 251}})
        compare_attention(s, {1, 31, 33, 70});
    // What a compiler makes of a loop is several loops, for each rest its own: shapes by lot.
    for (int draw = 0; draw < shapes_by_lot(); ++draw) {
        const Shape s = drawn_shape();
        compare_attention(s, {1 + numbers.below(6), 33 + numbers.below(8)});
    }
}

TEST_CASE("kernels: attention over more tokens than a warp keeps scores of, and over wide heads") {
    std::vector<Shape> shapes = {{2, 1, 2, 1, 3}, {2, 1, 3, 0, 70}, {2, 1, 5, 4, 130}, {2, 1, 250, 6, 256},
                                 {2, 1, 207, 31, 60}, {2, 1, 207, 31, 100}, {2, 1, 207, 31, 250}};
    for (int draw = 0; draw < shapes_by_lot(); ++draw) shapes.push_back(drawn_shape());
    for (const Shape& s : shapes) {
        Heads heads;
        heads.H = s.H, heads.H_kv = s.H_kv, heads.own = s.own, heads.shared = s.shared, heads.D_v = s.D_v, heads.scale = 0.3f;
        // Four queries of one sequence, in any order; some that cannot be taken together, of two sequences; one more.
        const std::vector<std::vector<int>> rows = {{0, 259}, {0, 5}, {0, 519}, {0, 256}, {0, 255}, {0, 1023}, {90, 1024}, {90, 31}, {0, 1050}};
        std::vector<int> blocks, positions;
        for (const auto& row : rows) blocks.push_back(row[0]), positions.push_back(row[1]);
        const int N = int(rows.size()), cache = 160 * KEY_BLOCK;
        Twin<int> block(blocks), position(positions);
        auto q = floats(N * heads.H * heads.D_k()), k = floats(cache * heads.keys()), v = floats(cache * heads.values()),
             o = floats(N * heads.H * heads.D_v), stats = floats(N * heads.H * 2);
        same("attention" + text({s.H, s.H_kv, s.own, s.shared, s.D_v}), &Ops::attention_forward, o, stats, q, k, v, block,
             position, N, heads);
    }
}

TEST_CASE("kernels: every operation has one, none is the CPU's, and every one was compared above") {
    const auto* own = reinterpret_cast<const void* const*>(&device());
    const auto* of_cpu = reinterpret_cast<const void* const*>(&cpu);
    const size_t first = offsetof(Ops, embedding_forward) / sizeof(void*), end = sizeof(Ops) / sizeof(void*);
    for (size_t i = first; i < end; ++i) CHECK((own[i] != nullptr && own[i] != of_cpu[i]));
    CHECK(compared.size() == end - first - 2);  // answer_rows and append are compared by hand
}
