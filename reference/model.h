// The whole model once more, forward only, in the most direct way: the papers' equations as loops over tokens.
//
// It is slow, and it shares no arithmetic with src/. T is double, or complex for the complex step: f is analytic, so
// f(x + i h) = f(x) + i h f'(x) + O(h^2), and Im f(x + i h) / h is the derivative, exact to rounding, as nothing is
// subtracted and h may be 1e-30 [Squire and Trapp 1998]. Only forward functions are needed to prove every gradient.
// Whatever chooses (the router, a clip, a maximum) chooses by real parts.
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "model/weights.h"

namespace r1::reference {

template <class T>
using Row = std::vector<T>;              // the channels of one token
template <class T>
using Rows = std::vector<Row<T>>;        // the tokens of one sequence

template <class T>
Row<T> part(const Row<T>& x, size_t begin, size_t size) {
    return Row<T>(x.begin() + begin, x.begin() + begin + size);
}

template <class T>
T dot(const Row<T>& x, const Row<T>& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), T(0));
}

// y_o = sum_i w_oi x_i, w (out, in) as files hold it.
template <class T>
Row<T> linear(const T* w, int out, const Row<T>& x) {
    Row<T> y(out, T(0));
    for (int o = 0; o < out; ++o)
        for (size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    return y;
}

// y = x / sqrt(mean(x^2) + epsilon) g                                             [Zhang and Sennrich 2019, eq 4]
template <class T>
Row<T> rmsnorm(const Row<T>& x, const T* g, double epsilon) {
    const T rms = std::sqrt(dot(x, x) / double(x.size()) + epsilon);
    Row<T> y = x;
    for (size_t c = 0; c < x.size(); ++c) y[c] = x[c] / rms * g[c];
    return y;
}

// Pair (2i, 2i + 1) turned by the angle position theta^(-2i / D)                   [Su et al. 2021, eq 15]
template <class T>
Row<T> rotate(const Row<T>& x, int position, double theta) {
    Row<T> y = x;
    for (size_t i = 0; i < x.size(); i += 2) {
        const double angle = position * std::pow(theta, -double(i) / double(x.size()));
        y[i] = x[i] * std::cos(angle) - x[i + 1] * std::sin(angle);
        y[i + 1] = x[i] * std::sin(angle) + x[i + 1] * std::cos(angle);
    }
    return y;
}

// p_i = exp(factor z_i) / sum_j exp(factor z_j)
template <class T>
Row<T> softmax(const Row<T>& z, double factor) {
    double max = -INFINITY;
    for (const T& each : z) max = std::max(max, factor * std::real(each));
    Row<T> p;
    for (const T& each : z) p.push_back(std::exp(factor * each - max));
    const T sum = std::accumulate(p.begin(), p.end(), T(0));
    for (T& each : p) each /= sum;
    return p;
}

// One head of token t: o_t = sum_{j <= t} softmax_j(q_t . k_j / sqrt(D_k)) v_j     [V3 eq 10]
template <class T>
Row<T> attend(const Row<T>& q, const Rows<T>& k, const Rows<T>& v, int t) {
    Row<T> score;
    for (int j = 0; j <= t; ++j) score.push_back(dot(q, k[j]));
    const Row<T> p = softmax(score, 1 / std::sqrt(double(q.size())));
    Row<T> o(v[0].size(), T(0));
    for (int j = 0; j <= t; ++j)
        for (size_t d = 0; d < o.size(); ++d) o[d] += p[j] * v[j][d];
    return o;
}

template <class T>
T sigmoid(const T& x) {
    return 1.0 / (1.0 + std::exp(-x));
}

// silu(g) u,  silu(g) = g sigmoid(g)                                               [Shazeer 2020, eq 6]
template <class T>
Row<T> swiglu(const Row<T>& g, const Row<T>& u) {
    Row<T> a = g;
    for (size_t f = 0; f < g.size(); ++f) a[f] = g[f] * sigmoid(g[f]) * u[f];
    return a;
}

// The k largest, best first; among equals the lower index first.
inline std::vector<int> best(const Row<double>& value, int k) {
    std::vector<int> order(value.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return value[a] > value[b]; });
    order.resize(k);
    return order;
}

template <class T>
struct Choice {
    Row<T> score;                        // s of every expert
    std::vector<int> expert;             // the chosen
    Row<T> gate;                         // and their g
};

// s_i = sigmoid(u . e_i); the K best of s + b inside the best groups, a group ranked by its two best; g from s alone
// [V3 eq 12-16]. Or s = softmax(u . e), and a group is ranked by its best.
template <class T>
Choice<T> route(const Row<T>& logits, const Row<double>& bias, const Config& c) {
    Choice<T> r;
    Row<double> biased;
    const bool softmax_scores = c.scoring == Scoring::softmax;
    if (softmax_scores) r.score = softmax(logits, 1);
    else for (const T& logit : logits) r.score.push_back(sigmoid(logit));
    for (size_t e = 0; e < logits.size(); ++e) biased.push_back(std::real(r.score[e]) + bias[e]);
    const int size = c.n_routed_experts / c.n_group;
    Row<double> group_value, inside(biased.size(), -INFINITY);
    for (int g = 0; g < c.n_group; ++g) {
        const Row<double> group = part(biased, size_t(g) * size, size);
        group_value.push_back(0);
        for (int e : best(group, softmax_scores ? 1 : std::min(2, size))) group_value[g] += group[e];
    }
    for (int g : best(group_value, c.topk_group))
        for (int e = g * size; e < (g + 1) * size; ++e) inside[e] = biased[e];
    r.expert = best(inside, c.num_experts_per_tok);
    T total = 0;
    for (int e : r.expert) total += r.score[e];
    for (int e : r.expert)
        r.gate.push_back((c.norm_topk_prob ? r.score[e] / total : r.score[e]) * double(c.routed_scaling_factor));
    return r;
}

// sum_i f_i P_i of one sequence, from s of its T tokens                            [V3 eq 17-20]
//   f_i = E / (K T) sum_t [s_it is among the K best of s_t],  P_i = 1/T sum_t s_it / sum_j s_jt
template <class T>
T balance(const Rows<T>& score, const Config& c) {
    const double E = c.n_routed_experts, K = c.num_experts_per_tok, tokens = double(score.size());
    Row<double> f(c.n_routed_experts, 0);
    Row<T> P(c.n_routed_experts, T(0));
    for (const Row<T>& s : score) {
        Row<double> value;
        for (const T& each : s) value.push_back(std::real(each));
        for (int e : best(value, c.num_experts_per_tok)) f[e] += E / (K * tokens);
        const T total = std::accumulate(s.begin(), s.end(), T(0));
        for (size_t e = 0; e < s.size(); ++e) P[e] += s[e] / total / tokens;
    }
    T sum = 0;
    for (size_t e = 0; e < P.size(); ++e) sum += f[e] * P[e];
    return sum;
}

// log softmax(logits / temperature)[target], and the entropy of that softmax. Cross-entropy is -log_probability.
template <class T>
T log_probability(const Row<T>& logits, int target, double inverse_temperature) {
    return std::log(softmax(logits, inverse_temperature)[target]);
}

template <class T>
T entropy(const Row<T>& logits, double inverse_temperature) {
    T sum = 0;
    for (const T& p : softmax(logits, inverse_temperature)) sum -= p * std::log(p);
    return sum;
}

// ---- The model ----

struct Slice {                           // where a tensor lies among the weights; a vector has in = 0
    size_t begin;
    int out, in;
    TensorKind kind;
    size_t size() const { return size_t(out) * (in ? in : 1); }
};

template <class T>
struct Model {
    Config config;
    std::vector<T> weight;               // all tensors in the order of visit(), elements in the order of the file
    std::vector<std::string> names;
    std::map<std::string, Slice> slice;

    const T* at(const std::string& name) const { return weight.data() + slice.at(name).begin; }
    Row<T> apply(const std::string& name, const Row<T>& x) const { return linear(at(name), slice.at(name).out, x); }
    Row<T> norm(const std::string& name, const Row<T>& x) const { return rmsnorm(x, at(name), config.rms_norm_eps); }
};

// Calls use(element of the product's tensor, element of the reference's) for all of them.
template <class Use>
void pair_up(Weights& product, Model<double>& m, const Use& use) {
    visit(m.config, product, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        const auto [at, added] = m.slice.try_emplace(t.name, Slice{m.weight.size(), t.out, t.in, t.kind});
        if (added) m.names.push_back(t.name), m.weight.resize(m.weight.size() + at->second.size());
        double* w = m.weight.data() + at->second.begin;
        for (int o = 0; o < t.out; ++o)
            for (int i = 0; i < std::max(t.in, 1); ++i)
                use(t.at(o, i), *w++);
    });
}

// The product's weights, or gradients, or moments, by the tensors' Hugging Face names.
inline Model<double> read(const Config& config, Weights& product) {
    Model<double> m{config, {}, {}, {}};
    pair_up(product, m, [](float from, double& to) { to = from; });
    return m;
}

// Multi-head latent attention of the tokens' h                                     [V3 eq 1-11]
template <class T>
Rows<T> attention(const Model<T>& m, const std::string& prefix, const Rows<T>& h) {
    const Config& c = m.config;
    const int H = c.num_attention_heads, nope = c.qk_nope_head_dim, rope = c.qk_rope_head_dim, D_v = c.v_head_dim;
    std::vector<Rows<T>> q(H), k(H), v(H);
    for (size_t t = 0; t < h.size(); ++t) {
        Row<T> queries;
        if (c.q_lora_rank) {
            const Row<T> c_q = m.norm(prefix + "q_a_layernorm.weight", m.apply(prefix + "q_a_proj.weight", h[t]));
            queries = m.apply(prefix + "q_b_proj.weight", c_q);
        } else {
            queries = m.apply(prefix + "q_proj.weight", h[t]);
        }
        const Row<T> down = m.apply(prefix + "kv_a_proj_with_mqa.weight", h[t]);
        const Row<T> c_kv = m.norm(prefix + "kv_a_layernorm.weight", part(down, 0, c.kv_lora_rank));
        const Row<T> kv = m.apply(prefix + "kv_b_proj.weight", c_kv);
        const Row<T> k_rope = rotate(part(down, c.kv_lora_rank, rope), int(t), c.rope_theta);
        for (int i = 0; i < H; ++i) {
            q[i].push_back(part(queries, size_t(i) * (nope + rope), nope));
            const Row<T> q_rope = part(queries, size_t(i) * (nope + rope) + nope, rope);
            for (const T& each : rotate(q_rope, int(t), c.rope_theta)) q[i][t].push_back(each);
            k[i].push_back(part(kv, size_t(i) * (nope + D_v), nope));
            for (const T& each : k_rope) k[i][t].push_back(each);
            v[i].push_back(part(kv, size_t(i) * (nope + D_v) + nope, D_v));
        }
    }
    Rows<T> out;
    for (size_t t = 0; t < h.size(); ++t) {
        Row<T> o;
        for (int i = 0; i < H; ++i)
            for (const T& each : attend(q[i][t], k[i], v[i], int(t))) o.push_back(each);
        out.push_back(m.apply(prefix + "o_proj.weight", o));
    }
    return out;
}

template <class T>
Row<T> network(const Model<T>& m, const std::string& prefix, const Row<T>& x) {
    const Row<T> a = swiglu(m.apply(prefix + "gate_proj.weight", x), m.apply(prefix + "up_proj.weight", x));
    return m.apply(prefix + "down_proj.weight", a);
}

template <class T>
void add(Row<T>& x, const Row<T>& y, const T& factor = T(1)) {
    for (size_t c = 0; c < x.size(); ++c) x[c] += factor * y[c];
}

template <class T>
struct Sequence {
    Row<T> logp;                         // of token t + 1 after tokens 0 .. t
    Row<T> entropy;
    T balance = 0;                       // sum of f_i P_i of the layers
};

// The final states, normalised, of the first `count` tokens; the layers' balance losses are added to `balance_sum`.
template <class T>
Rows<T> final_states(const Model<T>& m, const std::vector<int>& tokens, size_t count, T& balance_sum) {
    const Config& c = m.config;
    Rows<T> x;
    for (size_t t = 0; t < count; ++t) {
        const T* row = m.at("model.embed_tokens.weight") + size_t(tokens[t]) * c.hidden_size;
        x.emplace_back(row, row + c.hidden_size);
    }
    for (int l = 0; l < c.num_hidden_layers; ++l) {
        const std::string prefix = "model.layers." + std::to_string(l) + ".", mlp = prefix + "mlp.";
        Rows<T> h, score;
        for (const Row<T>& row : x) h.push_back(m.norm(prefix + "input_layernorm.weight", row));
        const Rows<T> attended = attention(m, prefix + "self_attn.", h);
        for (size_t t = 0; t < x.size(); ++t) {
            add(x[t], attended[t]);
            const Row<T> u = m.norm(prefix + "post_attention_layernorm.weight", x[t]);
            add(x[t], network(m, c.is_dense(l) ? mlp : mlp + "shared_experts.", u));
            if (c.is_dense(l)) continue;
            Row<double> bias;
            for (int e = 0; e < c.n_routed_experts; ++e)
                bias.push_back(std::real(m.at(mlp + "gate.e_score_correction_bias")[e]));
            const Choice<T> r = route(m.apply(mlp + "gate.weight", u), bias, c);
            for (size_t j = 0; j < r.expert.size(); ++j)
                add(x[t], network(m, mlp + "experts." + std::to_string(r.expert[j]) + ".", u), r.gate[j]);
            score.push_back(r.score);
        }
        if (!c.is_dense(l)) balance_sum += balance(score, c);
    }
    for (Row<T>& row : x) row = m.norm("model.norm.weight", row);
    return x;
}

template <class T>
Sequence<T> evaluate(const Model<T>& m, const std::vector<int>& tokens, double inverse_temperature) {
    Sequence<T> result;
    const Rows<T> x = final_states(m, tokens, tokens.size() - 1, result.balance);
    for (size_t t = 0; t < x.size(); ++t) {
        const Row<T> logits = m.apply("lm_head.weight", x[t]);
        result.logp.push_back(log_probability(logits, tokens[t + 1], inverse_temperature));
        result.entropy.push_back(entropy(logits, inverse_temperature));
    }
    return result;
}

// What a reward model says of the tokens: a score, read at the last of them.
template <class T>
T score(const Model<T>& m, const std::vector<int>& tokens) {
    T balance_sum = 0;
    return m.apply("score.weight", final_states(m, tokens, tokens.size(), balance_sum).back())[0];
}

}  // namespace r1::reference
