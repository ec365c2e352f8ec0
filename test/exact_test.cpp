// Exact arithmetic: elementary functions against long double, Philox against its authors' vectors, the matrix product
// against the chain that defines it, sums against the lanes that define them.
#include <cmath>
#include <vector>

#include "base/exact.h"
#include "base/philox.h"
#include "ops/ops.h"
#include "promises.h"

#include <doctest/doctest.h>

using namespace r1;

// The distance in units of the last place of `want`, subnormals counted in theirs.
static double ulps(float got, long double want) {
    int exponent;
    std::frexp(double(want), &exponent);
    return double(std::fabs((long double)got - want)) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

TEST_CASE("elementary functions keep the bounds that exact.h states") {
    double worst_exp = 0, worst_log = 0, worst_sigmoid = 0;
    for (float x = -103; x < 88.7f; x += 0.0037f) worst_exp = std::max(worst_exp, ulps(exact::exp(x), expl(x)));
    for (uint32_t b = 0x00800000; b < 0x7f000000; b += 9973) {
        const float x = exact::bits_as<float>(b);
        worst_log = std::max(worst_log, ulps(exact::log(x), logl(x)));
    }
    for (float x = 0.5f; x < 2; x += 1.1e-5f)
        if (x != 1) worst_log = std::max(worst_log, ulps(exact::log(x), logl(x)));
    for (float x = -80; x < 88; x += 0.0037f) worst_sigmoid = std::max(worst_sigmoid, ulps(exact::sigmoid(x), 1 / (1 + expl(-x))));
    CHECK(worst_exp <= 1.0);
    CHECK(worst_log <= 2.0);
    CHECK(worst_sigmoid <= 2.5);
    double worst = 0;
    for (double x = -700; x < 700; x += 0.137) worst = std::max(worst, double(std::fabs(exact::exp(x) / expl(x) - 1)));
    for (double x = 1e-9; x < 1e6; x *= 1.001) worst = std::max(worst, double(std::fabs((exact::log(x) - logl(x)) / logl(x))));
    for (double x = -1e6; x < 1e6; x += 77.137) {
        double s, c;
        exact::sincos(x, s, c);
        worst = std::max({worst, double(std::fabs(s - sinl(x))), double(std::fabs(c - cosl(x)))});
    }
    CHECK(worst <= 1e-15);
}

TEST_CASE("elementary functions at the edges") {
    CHECK(exact::exp(0.0f) == 1.0f);                       // so an unchanged policy has ratio exactly 1
    CHECK(exact::exp(-INFINITY) == 0.0f);
    CHECK(exact::exp(INFINITY) == INFINITY);
    CHECK(std::isnan(exact::exp(NAN)));
    CHECK(exact::log(1.0f) == 0.0f);
    CHECK(exact::sigmoid(0.0f) == 0.5f);
    CHECK(exact::sigmoid(-200.0f) == 0.0f);
}

TEST_CASE("Philox gives its authors' known answers") {     // Random123, kat_vectors, philox4x32 10
    const Philox4 zero = philox(0, 0u, 0, 0, 0, 0), ones = philox(~0u, ~0u, ~0u, ~0u, ~0u, ~0u);
    const Philox4 pi = philox(0xa4093822, 0x299f31d0u, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
    const uint32_t want[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 4; ++i) {
        CHECK(zero.x[i] == want[0][i]);
        CHECK(ones.x[i] == want[1][i]);
        CHECK(pi.x[i] == want[2][i]);
    }
}

TEST_CASE("every element of a product is one chain of fused multiply-adds") {
    Stream random(3, Purpose::corpus, 1);
    for (const Ops* ops : all_cpu_ops())
        for (int round = 0; round < 60; ++round) {
            const int N = 1 + int(random.below(40)), I = 1 + int(random.below(round % 4 ? 40 : 600)), O = 1 + int(random.below(70));
            const auto fill = [&](int n) {
                std::vector<float> v(n);
                for (float& x : v) x = random.uniform() - 0.5f;
                return v;
            };
            const std::vector<float> x = fill(N * I), w = fill(I * O), dy = fill(N * O), base = fill(std::max({N * I, N * O, I * O}));
            std::vector<float> y(N * O), dx(N * I), dw(base.begin(), base.begin() + I * O);
            ops->matmul_forward(y.data(), O, base.data(), O, x.data(), I, w.data(), N, I, O);
            ops->matmul_backward_x(dx.data(), I, nullptr, 0, dy.data(), O, w.data(), N, I, O);
            ops->matmul_backward_w(dw.data(), x.data(), I, dy.data(), O, N, I, O);
            int wrong = 0;
            for (int n = 0; n < N; ++n)
                for (int o = 0; o < O; ++o) {
                    float s = base[n * O + o];
                    for (int i = 0; i < I; ++i) s = std::fmaf(x[n * I + i], w[i * O + o], s);
                    wrong += s != y[n * O + o];
                }
            for (int n = 0; n < N; ++n)
                for (int i = 0; i < I; ++i) {
                    float s = 0;
                    for (int o = 0; o < O; ++o) s = std::fmaf(dy[n * O + o], w[i * O + o], s);
                    wrong += s != dx[n * I + i];
                }
            for (int i = 0; i < I; ++i)
                for (int o = 0; o < O; ++o) {
                    float s = base[i * O + o];
                    for (int n = 0; n < N; ++n) s = std::fmaf(x[n * I + i], dy[n * O + o], s);
                    wrong += s != dw[i * O + o];
                }
            CHECK(wrong == 0);
        }
}

TEST_CASE("a sum over a row is 32 chains and a tree") {
    Stream random(4, Purpose::corpus, 1);
    for (const Ops* ops : all_cpu_ops())
        for (int n : {1, 31, 32, 33, 64, 100, 8192}) {
            std::vector<float> x(n);
            for (float& v : x) v = random.uniform() - 0.5f;
            float lane[32] = {}, got;
            for (int i = 0; i < n; ++i) lane[i % 32] = std::fmaf(x[i], x[i], lane[i % 32]);
            for (int half = 16; half >= 1; half /= 2)
                for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
            ops->squares(&got, x.data(), n);
            CHECK(got == lane[0]);
        }
}

TEST_CASE("sampling inverts the distribution") {
    const int V = 70, N = 40000;
    std::vector<float> logits(size_t(V) * N), uniforms(N), logp(N);
    std::vector<int> token(N);
    Stream random(5, Purpose::corpus, 1);
    for (int v = 0; v < V; ++v) logits[v] = 3 * random.uniform();
    for (int n = 1; n < N; ++n) std::copy(logits.begin(), logits.begin() + V, logits.begin() + size_t(n) * V);
    for (int n = 0; n < N; ++n) uniforms[n] = (float(n) + 0.5f) / N;
    double total = 0;
    for (int v = 0; v < V; ++v) total += std::exp(double(logits[v]));
    for (const Ops* ops : all_cpu_ops()) {
        ops->sample(token.data(), logp.data(), logits.data(), V, uniforms.data(), N, V, 1.0f, 1.0f);
        std::vector<int> count(V);
        for (int n = 0; n < N; ++n) ++count[token[n]];
        for (int v = 0; v < V; ++v) CHECK(std::fabs(count[v] - N * std::exp(double(logits[v])) / total) <= 2.0);
        ops->sample(token.data(), logp.data(), logits.data(), V, uniforms.data(), N, V, 1.0f, 0.5f);  // the nucleus alone
        std::vector<double> p(V);
        for (int v = 0; v < V; ++v) p[v] = std::exp(double(logits[v])) / total;
        std::vector<int> order(V), in_nucleus(V);
        for (int v = 0; v < V; ++v) order[v] = v;
        std::sort(order.begin(), order.end(), [&](int a, int b) { return p[a] > p[b]; });
        double mass = 0;
        for (int i = 0; i < V && mass < 0.5; ++i) in_nucleus[order[i]] = 1, mass += p[order[i]];
        int outside = 0, kinds = 0;
        std::vector<int> seen(V);
        for (int n = 0; n < N; ++n) outside += !in_nucleus[token[n]], seen[token[n]] = 1;
        for (int v = 0; v < V; ++v) kinds += seen[v] != in_nucleus[v];
        CHECK(outside == 0);
        CHECK(kinds == 0);
        ops->sample(token.data(), logp.data(), logits.data(), V, uniforms.data(), 8, V, 0.0f, 1.0f);  // temperature 0
        CHECK(token[3] == order[0]);
    }
}
