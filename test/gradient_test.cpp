// The proofs of the gradients, one operation at a time: every backward operation of ops.h against the complex step on
// the reference's forward, at shapes on the edges of vectors, tiles and blocks, with the same bits on every
// instruction set (design.md, D8). Outputs that must be set start as NaN; those that are added to start as numbers.
#include "gradient.h"

using namespace r1;

namespace {

// got against d f / d inputs[which], f(inputs) a complex number. Of many elements about 300 are looked at.
template <class F>
void check_gradient(const std::string& name, const F& f, const std::vector<Floats>& inputs, int which,
                    const Floats& got, double least = 0) {
    std::vector<std::vector<Complex>> x;
    for (const Floats& input : inputs) x.emplace_back(input.begin(), input.end());
    REQUIRE(got.size() == x[which].size());
    Gap gap;
    for (size_t i = 0; i < got.size(); i += got.size() / 300 | 1) {
        const Complex value = x[which][i];
        x[which][i] += Complex(0, STEP);
        gap.add(got[i], f(x).imag() / STEP);
        x[which][i] = value;
    }
    gap.check(name, FLOAT_ERROR, least);
}

Floats bits_of(const Ints& values) {
    Floats floats(values.size());
    std::memcpy(floats.data(), values.data(), values.size() * sizeof(int));
    return floats;
}

Floats unset(size_t n) { return Floats(n, NAN); }  // an output must be set, not added to

// Rows of `columns` floats, `ld` apart, and back.
Floats spread(const Floats& dense, int columns, int ld) {
    Floats rows(dense.size() / columns * ld, 7.0f);
    for (size_t i = 0; i < dense.size(); ++i) rows[i / columns * ld + i % columns] = dense[i];
    return rows;
}
Floats dense(const Floats& rows, int columns, int ld) {
    Floats result;
    for (size_t i = 0; i < rows.size(); ++i)
        if (int(i % ld) < columns) result.push_back(rows[i]);
    return result;
}

template <class T>
std::vector<T> row(const std::vector<T>& x, size_t n, size_t columns) {
    return reference::part(x, n * columns, columns);
}

// An empty vector of x's kind, to append to.
template <class T>
std::vector<T> none(const std::vector<T>&) {
    return {};
}

template <class T>
T dot(const Floats& weight, const std::vector<T>& x) {
    T sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += double(weight[i]) * x[i];
    return sum;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

// y = x w for rows n in [begin, end), w (I, O): the transpose of what reference::linear takes.
template <class T>
std::vector<T> product(const std::vector<T>& x, const std::vector<T>& w, int begin, int end, int I, int O,
                       size_t at = 0) {
    std::vector<T> file(size_t(I) * O), y;
    for (int i = 0; i < I; ++i)
        for (int o = 0; o < O; ++o) file[size_t(o) * I + i] = w[at + size_t(i) * O + o];
    for (int n = begin; n < end; ++n) append(y, reference::linear(file.data(), O, row(x, n, I)));
    return y;
}

// ---- One operation at a time ----

TEST_CASE("gradient: matmul") {
    const int shapes[][3] = {{1, 1, 1},    {2, 31, 33}, {17, 32, 1}, {33, 33, 31},
                             {70, 300, 17}, {1, 33, 64}, {13, 1, 32}};
    for (const auto& shape : shapes)
        for (const int pad : {0, 3}) {
            const int N = shape[0], I = shape[1], O = shape[2];
            Numbers random{uint32_t(N * I + O + pad)};
            const Floats x = random.take(N * I), w = random.take(I * O), dy = random.take(N * O);
            const Floats base_y = random.take(N * O), base_x = random.take(N * I), dw0 = random.take(I * O);
            const Floats xs = spread(x, I, I + pad), dys = spread(dy, O, O + pad);
            const auto out = on_every_isa("matmul", [&](const Ops& op) {
                Floats y = pad ? spread(base_y, O, O + pad) : unset(N * O), dx = unset(N * I), dw = dw0;
                op.matmul_forward(y.data(), O + pad, pad ? y.data() : nullptr, O + pad, xs.data(), I + pad, w.data(),
                                  N, I, O);
                op.matmul_backward_x(dx.data(), I, pad ? base_x.data() : nullptr, I, dys.data(), O + pad, w.data(), N,
                                     I, O);
                op.matmul_backward_w(dw.data(), xs.data(), I + pad, dys.data(), O + pad, N, I, O);
                return std::vector<Floats>{y, dx, dw};
            });
            const auto f = [&](const auto& in) {
                return dot(dy, product(in[0], in[1], 0, N, I, O)) + (pad ? dot(base_x, in[0]) : 0) + dot(dw0, in[1]);
            };
            Doubles y = product(doubles(x), doubles(w), 0, N, I, O);
            for (size_t i = 0; i < y.size() && pad; ++i) y[i] += base_y[i];
            check_values("matmul y", dense(out[0], O, O + pad), y);
            for (size_t i = 0; i < out[0].size(); ++i)
                if (int(i % (O + pad)) >= O) CHECK(out[0][i] == 7.0f);  // between rows nothing is touched
            check_gradient("matmul dx", f, {x, w}, 0, out[1]);
            check_gradient("matmul dw", f, {x, w}, 1, out[2]);
        }
}

TEST_CASE("gradient: grouped matmul") {
    const int I = 33, O = 17;
    const std::vector<Ints> lists = {{0, 5, 5, 22, 39}, {0, 0, 39, 39}, {0, 1}, {0, 0, 1, 3, 3}};  // empty experts too
    for (const Ints& offsets : lists) {
        const int E = int(offsets.size()) - 1, N = offsets[E];
        Numbers random{uint32_t(N + E)};
        const Floats x = random.take(N * I), w = random.take(E * I * O), dy = random.take(N * O);
        const Floats dw0 = random.take(E * I * O);
        const auto out = on_every_isa("grouped", [&](const Ops& op) {
            Floats y = unset(N * O), dx = unset(N * I), dw = dw0;
            op.grouped_forward(y.data(), x.data(), w.data(), offsets.data(), N, E, I, O);
            op.grouped_backward_x(dx.data(), dy.data(), w.data(), offsets.data(), N, E, I, O);
            op.grouped_backward_w(dw.data(), x.data(), dy.data(), offsets.data(), N, E, I, O);
            return std::vector<Floats>{y, dx, dw};
        });
        const auto y = [&](const auto& x, const auto& w) {
            auto all = product(x, w, 0, 0, I, O);
            for (int e = 0; e < E; ++e) append(all, product(x, w, offsets[e], offsets[e + 1], I, O, size_t(e) * I * O));
            return all;
        };
        const auto f = [&](const auto& in) { return dot(dy, y(in[0], in[1])) + dot(dw0, in[1]); };
        check_values("grouped y", out[0], y(doubles(x), doubles(w)));
        check_gradient("grouped dx", f, {x, w}, 0, out[1]);
        check_gradient("grouped dw", f, {x, w}, 1, out[2]);
    }
}

TEST_CASE("gradient: embedding") {
    const Ints token = {3, 0, 3, 3, 4, 0, 1};
    const int N = int(token.size()), V = 5;
    for (const int C : {1, 31, 32, 33, 70}) {
        Numbers random{uint32_t(C)};
        const Floats table = random.take(V * C), dy = random.take(N * C), before = random.take(V * C);
        const auto out = on_every_isa("embedding", [&](const Ops& op) {
            Floats y = unset(N * C), dtable = before;
            op.embedding_forward(y.data(), token.data(), table.data(), N, C);
            op.embedding_backward(dtable.data(), dy.data(), token.data(), N, C);
            return std::vector<Floats>{y, dtable};
        });
        const auto y = [&](const auto& table) {
            auto all = none(table);
            for (const int each : token) append(all, row(table, each, C));
            return all;
        };
        check_values("embedding y", out[0], y(doubles(table)));
        check_gradient("embedding dtable", [&](const auto& in) { return dot(dy, y(in[0])) + dot(before, in[0]); },
                       {table}, 0, out[1]);
    }
}

TEST_CASE("gradient: rmsnorm") {
    const float epsilon = 0x1p-6f;  // large enough to matter
    for (const int C : {1, 31, 32, 33, 70})
        for (const int N : {1, 2, 17, 33, 70}) {
            if (C == 70 && N == 70) continue;
            const int pad = N % 2 ? 0 : 5;
            Numbers random{uint32_t(100 * C + N)};
            const Floats x = random.take(N * C), g = random.take(C), dy = random.take(N * C), base = random.take(N * C);
            const Floats before = random.take(C), xs = spread(x, C, C + pad), dys = spread(dy, C, C + pad);
            const auto out = on_every_isa("rmsnorm", [&](const Ops& op) {
                Floats y = unset(N * C), rstd = unset(N), dx = unset(N * C), dg = before;
                op.rmsnorm_forward(y.data(), C, rstd.data(), xs.data(), C + pad, g.data(), N, C, epsilon);
                op.rmsnorm_backward(dx.data(), C, pad ? base.data() : nullptr, C, dg.data(), dys.data(), C + pad,
                                    xs.data(), C + pad, rstd.data(), g.data(), N, C);
                return std::vector<Floats>{y, dx, dg};
            });
            const auto y = [&](const auto& x, const auto& g) {
                auto all = none(x);
                for (int n = 0; n < N; ++n) append(all, reference::rmsnorm(row(x, n, C), g.data(), epsilon));
                return all;
            };
            const auto f = [&](const auto& in) {
                return dot(dy, y(in[0], in[1])) + (pad ? dot(base, in[0]) : 0) + dot(before, in[1]);
            };
            check_values("rmsnorm y", out[0], y(doubles(x), doubles(g)));
            check_gradient("rmsnorm dx", f, {x, g}, 0, out[1]);
            check_gradient("rmsnorm dg", f, {x, g}, 1, out[2]);
        }
}

// Angles as the model's table has them.
Floats angles_of(int positions, int D, double theta) {
    Floats table;
    for (int t = 0; t < positions; ++t)
        for (int i = 0; i < D; i += 2) {
            const double angle = t * std::pow(theta, -double(i) / D);
            table.push_back(float(std::cos(angle))), table.push_back(float(std::sin(angle)));
        }
    return table;
}

TEST_CASE("gradient: rotation") {
    const int heads = 3, own = 5, N = 70;
    const double theta = 50;
    for (const int D : {2, 6, 32}) {
        const int stride = own + D, ld = heads * stride + 1;
        Numbers random{uint32_t(D)};
        const Floats x = random.take(N * ld), dy = random.take(N * ld), angles = angles_of(N, D, theta);
        Ints position;
        for (int n = 0; n < N; ++n) position.push_back((n * 7) % N);
        const auto out = on_every_isa("rotation", [&](const Ops& op) {
            Floats y = x, dx = dy;
            op.rope_forward(y.data() + own, ld, position.data(), angles.data(), N, heads, stride, D);
            op.rope_backward(dx.data() + own, ld, position.data(), angles.data(), N, heads, stride, D);
            return std::vector<Floats>{y, dx};
        });
        const auto y = [&](auto x) {
            for (int n = 0; n < N; ++n)
                for (int h = 0; h < heads; ++h) {
                    const size_t at = size_t(n) * ld + h * stride + own;
                    const auto turned = reference::rotate(reference::part(x, at, D), position[n], theta);
                    std::copy(turned.begin(), turned.end(), x.begin() + at);
                }
            return x;
        };
        check_values("rotation y", out[0], y(doubles(x)));
        check_gradient("rotation dx", [&](const auto& in) { return dot(dy, y(in[0])); }, {x}, 0, out[1]);
    }
}

// o of all heads of packed sequences, from q (N, H, D_k), kv (N, H_kv, [own | D_v]) and k_shared (N, shared).
template <class T>
std::vector<T> attention_of(const std::vector<T>& q, const std::vector<T>& kv, const std::vector<T>& k_shared,
                            const Ints& offsets, const Heads& a) {
    std::vector<T> o(size_t(offsets.back()) * a.H * a.D_v);
    for (size_t b = 0; b + 1 < offsets.size(); ++b)
        for (int h = 0; h < a.H; ++h) {
            reference::Rows<T> k, v;
            for (int n = offsets[b]; n < offsets[b + 1]; ++n) {
                const size_t at = size_t(n) * a.kv() + h / (a.H / a.H_kv) * (a.own + a.D_v);
                k.push_back(reference::part(kv, at, a.own)), v.push_back(reference::part(kv, at + a.own, a.D_v));
                append(k.back(), row(k_shared, n, a.shared));
                const auto on = reference::attend(row(q, n * a.H + h, a.D_k()), k, v, n - offsets[b]);
                std::copy(on.begin(), on.end(), o.begin() + (size_t(n) * a.H + h) * a.D_v);
            }
        }
    return o;
}

TEST_CASE("gradient: attention") {
    // H, H_kv, own, shared, D_v: latent attention, D_v no multiple of a vector; grouped queries; one key head; ...
    const int shapes[][5] = {{2, 2, 6, 4, 6}, {4, 2, 8, 0, 16}, {3, 1, 5, 0, 32}, {2, 2, 0, 2, 33}, {1, 1, 1, 0, 1}};
    const std::vector<Ints> batches = {{0, 1}, {0, 1, 3, 20}, {0, 33, 35}, {0, 70}};
    for (const auto& shape : shapes)
        for (const Ints& offsets : batches) {
            const int H = shape[0], own = shape[2], shared = shape[3], D_v = shape[4];
            const Heads heads{H, shape[1], own, shared, D_v, 1.0f / std::sqrt(float(own + shared))};
            const int N = offsets.back(), B = int(offsets.size()) - 1, ld = shared + 3;
            Numbers random{uint32_t(N + H * D_v)};
            Floats q = random.take(N * H * heads.D_k());
            for (float& each : q) each *= 3;  // attention far from even
            const Floats kv = random.take(N * heads.kv()), k_shared = random.take(N * shared);
            const Floats do_ = random.take(N * H * D_v), padded = spread(k_shared, std::max(shared, 1), ld);
            Ints position, block;
            int blocks = 1;  // the first block of the cache belongs to nobody
            for (int b = 0; b < B; ++b) {
                for (int n = offsets[b]; n < offsets[b + 1]; ++n)
                    position.push_back(n - offsets[b]), block.push_back(blocks);
                blocks += (offsets[b + 1] - offsets[b] + KEY_BLOCK - 1) / KEY_BLOCK;
            }
            const auto out = on_every_isa("attention", [&](const Ops& op) {
                Floats k_cache(size_t(blocks) * KEY_BLOCK * heads.keys(), 0.5f);
                Floats v_cache(size_t(blocks) * KEY_BLOCK * heads.values(), 0.5f);
                Floats o = unset(N * H * D_v), stats = unset(N * H * 2), dq = unset(q.size()), dkv = unset(kv.size());
                Floats dk_shared(size_t(N) * ld, 7.0f);
                op.cache_write(k_cache.data(), v_cache.data(), kv.data(), padded.data(), ld, block.data(),
                               position.data(), N, heads);
                op.attention_forward(o.data(), stats.data(), q.data(), k_cache.data(), v_cache.data(), block.data(),
                                     position.data(), N, heads);
                op.attention_backward(dq.data(), dkv.data(), dk_shared.data(), ld, do_.data(), o.data(), stats.data(),
                                      q.data(), kv.data(), padded.data(), ld, offsets.data(), B, heads);
                return std::vector<Floats>{o, dq, dkv, dk_shared, k_cache, v_cache};
            });
            const auto o = [&](const auto& q, const auto& kv, const auto& k_shared) {
                return attention_of(q, kv, k_shared, offsets, heads);
            };
            const auto f = [&](const auto& in) { return dot(do_, o(in[0], in[1], in[2])); };
            check_values("attention o", out[0], o(doubles(q), doubles(kv), doubles(k_shared)));
            const double least = N == 1 ? 1 : 0;
            check_gradient("attention dq", f, {q, kv, k_shared}, 0, out[1], least);
            check_gradient("attention dkv", f, {q, kv, k_shared}, 1, out[2]);
            const Floats dk_shared = shared ? dense(out[3], shared, ld) : Floats();
            check_gradient("attention dk_shared", f, {q, kv, k_shared}, 2, dk_shared, least);
            for (size_t i = 0; i < out[3].size(); ++i)
                if (int(i % ld) >= shared) CHECK(out[3][i] == 7.0f);
        }
}

TEST_CASE("gradient: swiglu") {
    for (const int F : {1, 31, 32, 33})
        for (const int N : {1, 2, 17, 70}) {
            Numbers random{uint32_t(F + 100 * N)};
            Floats gu = random.take(N * 2 * F);
            for (float& each : gu) each *= 4;
            const Floats da = random.take(N * F);
            const auto out = on_every_isa("swiglu", [&](const Ops& op) {
                Floats a = unset(N * F), dgu = unset(N * 2 * F);
                op.swiglu_forward(a.data(), gu.data(), N, F);
                op.swiglu_backward(dgu.data(), da.data(), gu.data(), N, F);
                return std::vector<Floats>{a, dgu};
            });
            const auto a = [&](const auto& gu) {
                auto all = none(gu);
                for (int n = 0; n < N; ++n) append(all, reference::swiglu(row(gu, 2 * n, F), row(gu, 2 * n + 1, F)));
                return all;
            };
            check_values("swiglu a", out[0], a(doubles(gu)));
            check_gradient("swiglu dgu", [&](const auto& in) { return dot(da, a(in[0])); }, {gu}, 0, out[1]);
        }
}

TEST_CASE("gradient: biases of products") {
    for (const int N : {1, 2, 17, 70})
        for (const int C : {1, 31, 33, 64}) {
            Numbers random{uint32_t(N * 100 + C)};
            const Floats x = random.take(N * C), b = random.take(C), dy = random.take(N * C), db0 = random.take(C);
            const auto out = on_every_isa("bias", [&](const Ops& op) {
                Floats y = x, db = db0;
                op.bias_forward(y.data(), C, b.data(), N, C);
                op.bias_backward(db.data(), dy.data(), C, N, C);
                return std::vector<Floats>{y, db};
            });
            const auto y = [&](const auto& b) {
                auto all = none(b);
                for (int i = 0; i < N * C; ++i) all.push_back(double(x[i]) + b[i % C]);
                return all;
            };
            check_values("bias y", out[0], y(doubles(b)));
            const auto f = [&](const auto& in) { return dot(dy, y(in[0])) + dot(db0, in[0]); };  // added to db0
            check_gradient("bias db", f, {b}, 0, out[1]);
        }
}

Config router_config(int E, int K, int groups, int kept, bool normalise, float scaling, Scoring scoring = Scoring::sigmoid) {
    Config c;
    c.n_routed_experts = E, c.num_experts_per_tok = K, c.n_group = groups, c.topk_group = kept;
    c.norm_topk_prob = normalise, c.routed_scaling_factor = scaling, c.scoring = scoring;
    return c;
}

const Config routers[] = {
    router_config(8, 3, 4, 2, true, 2.5f),   router_config(5, 2, 1, 1, false, 1.0f),
    router_config(1, 1, 1, 1, true, 1.0f),   router_config(33, 4, 3, 2, false, 2.5f),
    router_config(32, 8, 8, 4, true, 2.5f),  router_config(6, 2, 6, 3, true, 1.0f),
    router_config(9, 3, 3, 2, false, 16.0f, Scoring::softmax), router_config(33, 4, 1, 1, true, 1.0f, Scoring::softmax)};

TEST_CASE("gradient: router") {
    for (const Config& c : routers)
        for (const int N : {1, 2, 17, 70}) {
            const int E = c.n_routed_experts, K = c.num_experts_per_tok;
            Numbers random{uint32_t(E * 100 + N)};
            Floats logits = random.take(N * E);
            for (float& each : logits) each *= 3;
            const Floats bias = random.take(E), dgate = random.take(N * K), dscore = random.take(N * E);
            const auto out = on_every_isa("router", [&](const Ops& op) {
                Floats score = unset(N * E), gate = unset(N * K), dlogits = unset(N * E);
                Ints expert(N * K, -1);
                op.router_forward(score.data(), expert.data(), gate.data(), logits.data(), bias.data(), N, c.routing());
                op.router_backward(dlogits.data(), dgate.data(), dscore.data(), score.data(), expert.data(), N,
                                   c.routing());
                return std::vector<Floats>{score, gate, dlogits, bits_of(expert)};
            });
            const auto forward = [&](const auto& logits, Ints* expert = nullptr) {
                auto score = none(logits), gate = score;
                for (int n = 0; n < N; ++n) {
                    const auto r = reference::route(row(logits, n, E), doubles(bias), c);
                    append(score, r.score), append(gate, r.gate);
                    if (expert) append(*expert, r.expert);
                }
                return std::pair(score, gate);
            };
            Ints expert;
            const auto [score, gate] = forward(doubles(logits), &expert);
            CHECK(std::memcmp(expert.data(), out[3].data(), expert.size() * sizeof(int)) == 0);
            check_values("router score", out[0], score);
            check_values("router gate", out[1], gate);
            const auto f = [&](const auto& in) {
                const auto [score, gate] = forward(in[0]);
                return dot(dgate, gate) + dot(dscore, score);
            };
            check_gradient("router dlogits", f, {logits}, 0, out[2]);
        }
}

TEST_CASE("gradient: balance loss") {
    const float alpha = 0.5f, weight = 0.25f;
    for (const Config& c : routers)
        for (const Ints& offsets : std::vector<Ints>{{0, 1}, {0, 2, 19, 20}, {0, 33}, {0, 70}}) {
            const int E = c.n_routed_experts, B = int(offsets.size()) - 1, N = offsets[B];
            Numbers random{uint32_t(E * 100 + N)};
            Floats score = random.take(N * E);
            for (float& each : score) each = (each + 1) / 2;
            const auto out = on_every_isa("balance", [&](const Ops& op) {
                Floats loss = unset(B), dscore = unset(N * E);
                op.balance_loss(loss.data(), dscore.data(), score.data(), offsets.data(), B, alpha, weight,
                                c.routing());
                return std::vector<Floats>{loss, dscore};
            });
            const auto loss = [&](const auto& score) {
                auto all = none(score);
                for (int b = 0; b < B; ++b) {
                    std::vector<decltype(all)> tokens;
                    for (int n = offsets[b]; n < offsets[b + 1]; ++n) tokens.push_back(row(score, n, E));
                    all.push_back(double(alpha) * reference::balance(tokens, c));
                }
                return all;
            };
            check_values("balance loss", out[0], loss(doubles(score)));
            check_gradient("balance dscore", [&](const auto& in) { return dot(Floats(B, weight), loss(in[0])); },
                           {score}, 0, out[1], E == 1 ? 1 : 0);
        }
}

TEST_CASE("gradient: dispatch, gather and combine") {
    const int E = 4, C = 33;
    for (const int N : {1, 2, 17, 70})
        for (const int kind : {0, 1, 2}) {  // spread over all but expert 2; all to expert 1; two each
            const int K = kind == 2 ? 2 : 1;
            Numbers random{uint32_t(N + kind)};
            Ints expert;
            for (int n = 0; n < N; ++n) {
                const int e = random.below(3);
                expert.push_back(kind == 1 ? 1 : e == 2 ? 3 : e);
                if (K == 2) expert.push_back((expert.back() + 1) % E);
            }
            const Floats x = random.take(N * C), dxs = random.take(N * K * C), dx0 = random.take(N * C);
            const Floats ys = random.take(N * K * C), gate = random.take(N * K), dy = random.take(N * C);
            const Floats y0 = random.take(N * C);
            Ints source(N * K), place(N * K), offsets(E + 1);
            const auto out = on_every_isa("gather and combine", [&](const Ops& op) {
                Floats xs = unset(N * K * C), dx = dx0, y = y0, dys = unset(N * K * C), dgate = unset(N * K);
                op.dispatch(source.data(), place.data(), offsets.data(), expert.data(), N, E, K);
                op.gather_forward(xs.data(), x.data(), source.data(), N, K, C);
                op.gather_backward(dx.data(), dxs.data(), place.data(), N, K, C);
                op.combine_forward(y.data(), ys.data(), gate.data(), place.data(), N, K, C);
                op.combine_backward(dys.data(), dgate.data(), dy.data(), ys.data(), gate.data(), place.data(), N, K, C);
                return std::vector<Floats>{xs, dx, y, dys, dgate, bits_of(source), bits_of(place), bits_of(offsets)};
            });
            Ints sorted(N * K);  // a stable sort by expert is what dispatch is
            std::iota(sorted.begin(), sorted.end(), 0);
            std::stable_sort(sorted.begin(), sorted.end(), [&](int a, int b) { return expert[a] < expert[b]; });
            CHECK(source == sorted);
            for (int i = 0; i < N * K; ++i) {
                CHECK(source[place[i]] == i);
                CHECK((offsets[expert[i]] <= place[i] && place[i] < offsets[expert[i] + 1]));
            }
            CHECK(offsets[0] == 0);
            CHECK(offsets[E] == N * K);
            const auto xs = [&](const auto& x) {
                auto all = none(x);
                for (const int choice : sorted) append(all, row(x, choice / K, C));
                return all;
            };
            const auto y = [&](auto sum, const auto& ys, const auto& gate) {
                for (int slot = 0; slot < N * K; ++slot)
                    for (int c = 0; c < C; ++c) sum[sorted[slot] / K * C + c] += gate[sorted[slot]] * ys[slot * C + c];
                return sum;
            };
            check_values("gather xs", out[0], xs(doubles(x)));
            check_gradient("gather dx", [&](const auto& in) { return dot(dxs, xs(in[0])) + dot(dx0, in[0]); }, {x}, 0,
                           out[1]);
            check_values("combine y", out[2], y(doubles(y0), doubles(ys), doubles(gate)));
            const auto f = [&](const auto& in) { return dot(dy, y(in[2], in[0], in[1])); };
            check_gradient("combine dys", f, {ys, gate, y0}, 0, out[3]);
            check_gradient("combine dgate", f, {ys, gate, y0}, 1, out[4]);
        }
}

TEST_CASE("gradient: log-probability of targets") {
    for (const int V : {1, 31, 32, 33, 70})
        for (const int N : {1, 2, 17})
            for (const float inverse_temperature : {1.0f, 1.25f}) {
                Numbers random{uint32_t(V * 100 + N)};
                Floats logits = random.take(N * V);
                for (float& each : logits) each *= 6;
                const Floats dlogp = random.take(N);
                Ints target;
                for (int n = 0; n < N; ++n) target.push_back(n == 0 ? V - 1 : random.below(V));
                const auto out = on_every_isa("logprob", [&](const Ops& op) {
                    Floats logp = unset(N), entropy = unset(N), stats = unset(2 * N), dlogits = logits;
                    op.logprob_forward(logp.data(), entropy.data(), stats.data(), logits.data(), target.data(), N, V,
                                       inverse_temperature);
                    op.logprob_backward(dlogits.data(), dlogp.data(), stats.data(), target.data(), N, V,
                                        inverse_temperature);
                    return std::vector<Floats>{logp, entropy, dlogits};
                });
                const auto logp = [&](const auto& logits) {
                    auto all = none(logits);
                    for (int n = 0; n < N; ++n)
                        all.push_back(reference::log_probability(row(logits, n, V), target[n], inverse_temperature));
                    return all;
                };
                Doubles entropy;
                for (int n = 0; n < N; ++n)
                    entropy.push_back(reference::entropy(row(doubles(logits), n, V), inverse_temperature));
                check_values("logprob logp", out[0], logp(doubles(logits)));
                check_values("logprob entropy", out[1], entropy);
                check_gradient("logprob dlogits", [&](const auto& in) { return dot(dlogp, logp(in[0])); }, {logits}, 0,
                               out[2]);
            }
}

TEST_CASE("operations without a gradient: the same bits on every instruction set") {
    for (const int n : {1, 31, 32, 33, 20000}) {
        Numbers random{uint32_t(n)};
        const Floats x = random.take(n), y0 = random.take(n), uniform = {0.0f, 0.25f, 0.5f, 0.999f};
        Floats logits = random.take(4 * n);
        for (float& each : logits) each *= 5;
        const auto out = on_every_isa("add, squares, sample, adamw", [&](const Ops& op) {
            Floats y = y0, partial((n + SQUARES_BLOCK - 1) / SQUARES_BLOCK), logp(4), nucleus_logp(4);
            Floats m(n), v(n), w = y0;
            Ints token(4), nucleus(4);
            op.add(y.data(), x.data(), n);
            op.squares(partial.data(), x.data(), n);
            op.sample(token.data(), logp.data(), logits.data(), n, uniform.data(), 4, n, 0.8f, 1.0f);
            op.sample(nucleus.data(), nucleus_logp.data(), logits.data(), n, uniform.data(), 4, n, 0.8f, 0.7f);
            std::vector<Piece> pieces;
            for (int at = 0; at < n; at += MOST_PIECE) pieces.push_back({at, std::min(MOST_PIECE, n - at), 1});
            op.adamw(w.data(), m.data(), v.data(), x.data(), pieces.data(), int(pieces.size()),
                     {0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f, 0.5f});
            return std::vector<Floats>{y, partial, bits_of(token), logp, bits_of(nucleus), nucleus_logp, w, m, v};
        });
        double squares = 0, partial = 0;
        for (const float each : x) squares += double(each) * each;
        for (const float each : out[1]) partial += each;
        CHECK(partial == doctest::Approx(squares).epsilon(1e-6));
        for (int i = 0; i < n; ++i) CHECK(out[0][i] == x[i] + y0[i]);
    }
}

TEST_CASE("gradient: largest errors found") {
    std::ostringstream table;
    for (const auto& [name, error] : figures()) table << "\n  " << error << "  " << name;
    MESSAGE(table.str());
}

}  // namespace
