// The weights of the transformer: one arena, and one visitor that is the only list of tensors. To place, initialise,
// count, save, load and update are all visits.
//
// Matrices stand as (in, out), so that y = x w reads rows of w; files hold (out, in), as Hugging Face does. Products
// that share their input stand side by side in one matrix: a tensor of the file is a range of columns of it.
#pragma once
#include <string>
#include <vector>

#include "base/arena.h"
#include "model/config.h"

namespace r1 {

// What a layer's configuration does not have is null.
struct LayerWeights {
    float *input_norm, *post_attention_norm;  // (C)
    float *down, *down_bias;                  // latent attention: (C, down_width): [W_DQ | W_DKV | W_KR]  [V3 eq 1, 3, 6]
    float *q_norm, *kv_norm;                  // of its latents: (q_lora), (kv_lora)
    float *q_up, *q_bias;                     // (q_lora or C, H D_k): [W_UQ | W_QR] per head  [V3 eq 7, 8]
    float *kv_up, *kv_bias;                   // (kv_lora or C, H_kv (own + D_v)): [W_UK | W_UV] per head  [V3 eq 2, 5]
    float *q_head_norm, *k_head_norm;         // of rotated queries and keys: a head's channels, or all heads'
    float *o, *o_bias;                        // (H D_v, C)  [V3 eq 11]
    float *gate_up, *ffn_down;                // dense or shared expert: (C, 2F), (F, C)
    float *gate_up_bias, *ffn_down_bias;
    float *router, *router_bias;              // (C, E), (E)
    float *expert_gate_up, *expert_down;      // (E, C, 2F), (E, F, C)
};

// A module that predicts one token further [V3 section 2.2]; its block is a layer behind the others.
struct PredictionWeights {
    float *embedding_norm, *hidden_norm;      // (C)
    float* join;                              // (2C, C), of [embedding | hidden]
    float* norm;                              // (C) before the shared head
};

struct Weights {
    float *embedding, *norm, *head;           // (V, C), (C), (C, V); no head where the embedding is it
    float* score;                             // (C, 1) of a reward model, which has no head
    std::vector<LayerWeights> layer;
    std::vector<PredictionWeights> prediction;
    Arena arena;
};

// A router's bias has no gradient. A tensor of the kind `again` stands in the file a second time under this name.
enum class TensorKind { matrix, gain, bias, router_bias, again };

// A tensor as the file names it: element (o, i) of the file is at(o, i); a vector has in = 0.
struct Tensor {
    std::string name;
    float* data;
    int out, in, ld;                          // ld 0: it stands as in the file
    TensorKind kind;
    double std;                               // of its initial values, if a matrix
    // If its rows belong to heads: `width` rows a head, whose columns are `stride` apart. The file's rotated channels,
    // from `halves` on, stand as two halves of pairs; here the two of a pair are neighbours.
    int width = 0, stride = 0, halves = -1;

    int64_t column(int64_t o) const {
        if (width == 0) return o;
        const int64_t head = o / width, d = o % width, size = width - halves, j = d - halves;
        if (halves < 0 || j < 0) return head * stride + d;
        return head * stride + halves + (j < size / 2 ? 2 * j : 2 * (j - size / 2) + 1);
    }
    float& at(int64_t o, int64_t i) const { return ld ? data[i * ld + column(o)] : data[in ? o * in + i : column(o)]; }
};

inline constexpr const char* SCORE_NAME = "score.weight";

// block(pointer, floats, kind) for each contiguous part of the arena, in its order; then tensor(Tensor) for what the
// file holds of it. Both may look at, set or fill what they are given.
template <class Block, class TensorVisitor>
struct Visit {
    const Config& c;
    Weights& w;
    Block& block;
    TensorVisitor& tensor;
    const int C = c.hidden_size;
    const Heads heads = c.heads();
    const double into_residual = 1.0 / exact::sqrt(2.0 * c.num_hidden_layers);

    static double fan(int in) { return 1.0 / exact::sqrt(double(in)); }
    static float* offset(float* p, size_t n) { return p ? p + n : nullptr; }

    void matrix(const std::string& name, float*& p, int in, int out, double std) {
        block(p, size_t(in) * out, TensorKind::matrix);
        tensor(Tensor{name, p, out, in, out, TensorKind::matrix, std});
    }
    void gain(const std::string& name, float*& p, int n) {
        block(p, size_t(n), TensorKind::gain);
        tensor(Tensor{name, p, n, 0, 0, TensorKind::gain, 0});
    }
    void bias(const std::string& name, float*& p, int n) {
        block(p, size_t(n), TensorKind::bias);
        tensor(Tensor{name, p, n, 0, 0, TensorKind::bias, 0});
    }

    // gate_proj and up_proj of `count` networks side by side, then down_proj; name(i) is the prefix of network i.
    template <class Name>
    void swiglu(float*& gate_up, float*& down, int count, int F, const Name& name) {
        block(gate_up, size_t(count) * C * 2 * F, TensorKind::matrix);
        block(down, size_t(count) * F * C, TensorKind::matrix);
        for (int i = 0; i < count; ++i) {
            float *gu = offset(gate_up, size_t(i) * C * 2 * F), *d = offset(down, size_t(i) * F * C);
            tensor(Tensor{name(i) + "gate_proj.weight", gu, F, C, 2 * F, TensorKind::matrix, fan(C)});
            tensor(Tensor{name(i) + "up_proj.weight", offset(gu, F), F, C, 2 * F, TensorKind::matrix, fan(C)});
            tensor(Tensor{name(i) + "down_proj.weight", d, C, F, C, TensorKind::matrix, fan(F) * into_residual});
        }
    }
    void swiglu_biases(const std::string& mlp, LayerWeights& a, int F) {
        block(a.gate_up_bias, size_t(2 * F), TensorKind::bias);
        tensor(Tensor{mlp + "gate_proj.bias", a.gate_up_bias, F, 0, 0, TensorKind::bias, 0});
        tensor(Tensor{mlp + "up_proj.bias", offset(a.gate_up_bias, F), F, 0, 0, TensorKind::bias, 0});
        bias(mlp + "down_proj.bias", a.ffn_down_bias, C);
    }

    void latent_attention(const std::string& at, LayerWeights& a) {
        const int q = c.q_lora_rank, kv = c.kv_lora_rank, rope = c.qk_rope_head_dim, nope = c.qk_nope_head_dim;
        const int ld = c.down_width(), H = heads.H, D_k = heads.D_k();
        const int q_halves = c.rope_interleave ? -1 : nope, kv_halves = c.rope_interleave ? -1 : kv;
        block(a.down, size_t(C) * ld, TensorKind::matrix);
        if (q) tensor(Tensor{at + "q_a_proj.weight", a.down, q, C, ld, TensorKind::matrix, fan(C)});
        else queries(at + "q_proj", a, C, D_k, q_halves, false);
        tensor(Tensor{at + "kv_a_proj_with_mqa.weight", offset(a.down, q), kv + rope, C, ld, TensorKind::matrix, fan(C),
                      kv + rope, kv + rope, kv_halves});
        if (c.qkv_bias) {
            block(a.down_bias, size_t(ld), TensorKind::bias);
            if (q) tensor(Tensor{at + "q_a_proj.bias", a.down_bias, q, 0, 0, TensorKind::bias, 0});
            tensor(Tensor{at + "kv_a_proj_with_mqa.bias", offset(a.down_bias, q), kv + rope, 0, 0, TensorKind::bias, 0,
                          kv + rope, kv + rope, kv_halves});
        }
        if (q) {
            gain(at + "q_a_layernorm.weight", a.q_norm, q);
            queries(at + "q_b_proj", a, q, D_k, q_halves, false);
        }
        gain(at + "kv_a_layernorm.weight", a.kv_norm, kv);
        matrix(at + "kv_b_proj.weight", a.kv_up, kv, H * (nope + c.v_head_dim), fan(kv));
    }

    void queries(const std::string& name, LayerWeights& a, int in, int D, int halves, bool biased) {
        block(a.q_up, size_t(in) * heads.H * D, TensorKind::matrix);
        tensor(Tensor{name + ".weight", a.q_up, heads.H * D, in, heads.H * D, TensorKind::matrix, fan(in), D, D, halves});
        if (!biased) return;
        block(a.q_bias, size_t(heads.H) * D, TensorKind::bias);
        tensor(Tensor{name + ".bias", a.q_bias, heads.H * D, 0, 0, TensorKind::bias, 0, D, D, halves});
    }

    // Keys and values of a head are neighbours: [k | v].
    void grouped_attention(const std::string& at, LayerWeights& a) {
        const int D = c.head_dim, ld = heads.kv(), out = heads.H_kv * D, stride = 2 * D;
        queries(at + "q_proj", a, C, D, 0, c.qkv_bias);
        block(a.kv_up, size_t(C) * ld, TensorKind::matrix);
        tensor(Tensor{at + "k_proj.weight", a.kv_up, out, C, ld, TensorKind::matrix, fan(C), D, stride, 0});
        tensor(Tensor{at + "v_proj.weight", offset(a.kv_up, D), out, C, ld, TensorKind::matrix, fan(C), D, stride});
        if (c.qkv_bias) {
            block(a.kv_bias, size_t(ld), TensorKind::bias);
            tensor(Tensor{at + "k_proj.bias", a.kv_bias, out, 0, 0, TensorKind::bias, 0, D, stride, 0});
            tensor(Tensor{at + "v_proj.bias", offset(a.kv_bias, D), out, 0, 0, TensorKind::bias, 0, D, stride});
        }
        if (c.head_norm == HeadNorm::none) return;
        const bool row = c.head_norm == HeadNorm::row;
        const auto head_gain = [&](const char* name, float*& p, int n) {
            block(p, size_t(n), TensorKind::gain);
            tensor(Tensor{at + name, p, n, 0, 0, TensorKind::gain, 0, D, D, 0});
        };
        head_gain("q_norm.weight", a.q_head_norm, row ? heads.H * D : D);
        head_gain("k_norm.weight", a.k_head_norm, row ? out : D);
    }

    void layer(const std::string& prefix, LayerWeights& a, bool dense) {
        const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
        gain(prefix + "input_layernorm.weight", a.input_norm, C);
        if (c.latent()) latent_attention(attention, a);
        else grouped_attention(attention, a);
        matrix(attention + "o_proj.weight", a.o, heads.H * heads.D_v, C, fan(heads.H * heads.D_v) * into_residual);
        if (c.o_bias) bias(attention + "o_proj.bias", a.o_bias, C);

        gain(prefix + "post_attention_layernorm.weight", a.post_attention_norm, C);
        if (dense) {
            swiglu(a.gate_up, a.ffn_down, 1, c.intermediate_size, [&](int) { return mlp; });
            if (c.mlp_bias) swiglu_biases(mlp, a, c.intermediate_size);
            return;
        }
        matrix(mlp + "gate.weight", a.router, C, c.n_routed_experts, fan(C));
        block(a.router_bias, size_t(c.n_routed_experts), TensorKind::router_bias);  // zero where the family has none
        if (c.has_router_bias())
            tensor(Tensor{mlp + "gate.e_score_correction_bias", a.router_bias, c.n_routed_experts, 0, 0,
                          TensorKind::router_bias, 0});
        if (c.n_shared_experts) {
            const std::string shared = mlp + "shared_experts.";
            swiglu(a.gate_up, a.ffn_down, 1, c.shared_size(), [&](int) { return shared; });
            if (c.mlp_bias) swiglu_biases(shared, a, c.shared_size());
        }
        swiglu(a.expert_gate_up, a.expert_down, c.n_routed_experts, c.moe_intermediate_size,
               [&](int i) { return mlp + "experts." + std::to_string(i) + "."; });
    }

    void prediction(const std::string& prefix, PredictionWeights& p, LayerWeights& a) {
        gain(prefix + "enorm.weight", p.embedding_norm, C);
        gain(prefix + "hnorm.weight", p.hidden_norm, C);
        matrix(prefix + "eh_proj.weight", p.join, 2 * C, C, fan(2 * C));
        layer(prefix, a, c.is_dense(c.num_hidden_layers));
        gain(prefix + "shared_head.norm.weight", p.norm, C);
        tensor(Tensor{prefix + "embed_tokens.weight", w.embedding, c.vocab_size, C, 0, TensorKind::again, 0});
        tensor(Tensor{prefix + "shared_head.head.weight", c.tie_word_embeddings ? w.embedding : w.head, c.vocab_size, C,
                      c.tie_word_embeddings ? 0 : c.vocab_size, TensorKind::again, 0});
    }

    void all() {
        block(w.embedding, size_t(c.vocab_size) * C, TensorKind::matrix);
        tensor(Tensor{"model.embed_tokens.weight", w.embedding, c.vocab_size, C, 0, TensorKind::matrix, 0.06});
        w.layer.resize(c.all_layers()), w.prediction.resize(c.num_nextn_predict_layers);
        for (int l = 0; l < c.num_hidden_layers; ++l) layer(prefix_of(l), w.layer[l], c.is_dense(l));
        gain("model.norm.weight", w.norm, C);
        if (c.labels) matrix(SCORE_NAME, w.score, C, c.labels, fan(C) * 0.25);
        else if (!c.tie_word_embeddings) matrix("lm_head.weight", w.head, C, c.vocab_size, fan(C) * 0.25);
        for (int k = 0; k < c.num_nextn_predict_layers; ++k)
            prediction(prefix_of(c.num_hidden_layers + k), w.prediction[k], w.layer[c.num_hidden_layers + k]);
    }
    static std::string prefix_of(int l) { return "model.layers." + std::to_string(l) + "."; }
};

template <class Block, class TensorVisitor>
void visit(const Config& c, Weights& w, Block&& block, TensorVisitor&& tensor) {
    Visit<Block, TensorVisitor>{c, w, block, tensor}.all();
}

// Placed and zero; gradients and moments have the same shape. Weights on a device are filled from, and read into,
// weights of the host: whatever looks at a tensor (initial values, files) does so there.
Weights make_weights(const Config& config, const Memory& memory = host_memory);
void upload(Weights& to, const Weights& host);
Weights download(const Config& config, const Weights& from);
void initialise(const Config& config, Weights& host, uint32_t seed);
int64_t parameter_count(const Config& config, bool active);  // all, or those that one token uses
inline int64_t float_count(const Weights& w) { return int64_t(w.arena.used() / sizeof(float)); }

}  // namespace r1
