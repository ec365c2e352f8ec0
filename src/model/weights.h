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

struct LayerWeights {
    float *input_norm, *post_attention_norm;  // (C)
    float* down;                              // (C, down_width): [W_DQ | W_DKV | W_KR]  [V3 eq 1, 3, 6]
    float *q_norm, *kv_norm;                  // (q_lora), (kv_lora)
    float* q_up;                              // (q_lora, H D_k): [W_UQ | W_QR] per head  [V3 eq 7, 8]
    float* kv_up;                             // (kv_lora, H (nope + D_v)): [W_UK | W_UV] per head  [V3 eq 2, 5]
    float* o;                                 // (H D_v, C)  [V3 eq 11]
    float *gate_up, *ffn_down;                // dense or shared expert: (C, 2F), (F, C)
    float *router, *router_bias;              // (C, E), (E)
    float *expert_gate_up, *expert_down;      // (E, C, 2F), (E, F, C)
};

struct Weights {
    float *embedding, *norm, *head;           // (V, C), (C), (C, V)
    std::vector<LayerWeights> layer;
    Arena arena;
};

enum class TensorKind { matrix, gain, bias };       // a bias (of the router) has no gradient

// A tensor as the file names it: element (o, i) of the file is data[i * ld + o]; a vector has in = 0.
struct Tensor {
    std::string name;
    float* data;
    int out, in, ld;
    TensorKind kind;
    double std;                               // of its initial values, if a matrix
};

// block(pointer, floats, kind) for each contiguous part of the arena, in its order; then tensor(Tensor) for what the
// file holds of it. Both may look at, set or fill what they are given.
template <class Block, class TensorVisitor>
void visit(const Config& c, Weights& w, Block&& block, TensorVisitor&& tensor) {
    const auto fan = [](int in) { return 1.0 / exact::sqrt(double(in)); };
    const double into_residual = 1.0 / exact::sqrt(2.0 * c.num_hidden_layers);
    const int C = c.hidden_size, H = c.num_attention_heads, nope_v = c.qk_nope_head_dim + c.v_head_dim;
    const auto matrix = [&](const std::string& name, float*& p, int in, int out, double std) {
        block(p, size_t(in) * out, TensorKind::matrix);
        tensor(Tensor{name, p, out, in, out, TensorKind::matrix, std});
    };
    const auto gain = [&](const std::string& name, float*& p, int n) {
        block(p, size_t(n), TensorKind::gain);
        tensor(Tensor{name, p, n, 0, 1, TensorKind::gain, 0});
    };
    // gate_proj and up_proj of `count` networks side by side, then down_proj; name(i) is the prefix of network i.
    const auto swiglu = [&](float*& gate_up, float*& down, int count, int F, const auto& name) {
        block(gate_up, size_t(count) * C * 2 * F, TensorKind::matrix);
        block(down, size_t(count) * F * C, TensorKind::matrix);
        for (int i = 0; i < count; ++i) {
            float *gu = gate_up ? gate_up + size_t(i) * C * 2 * F : nullptr, *d = down ? down + size_t(i) * F * C : nullptr;
            tensor(Tensor{name(i) + "gate_proj.weight", gu, F, C, 2 * F, TensorKind::matrix, fan(C)});
            tensor(Tensor{name(i) + "up_proj.weight", gu ? gu + F : gu, F, C, 2 * F, TensorKind::matrix, fan(C)});
            tensor(Tensor{name(i) + "down_proj.weight", d, C, F, C, TensorKind::matrix, fan(F) * into_residual});
        }
    };

    block(w.embedding, size_t(c.vocab_size) * C, TensorKind::matrix);
    tensor(Tensor{"model.embed_tokens.weight", w.embedding, c.vocab_size, C, 0, TensorKind::matrix, 0.06});
    w.layer.resize(c.num_hidden_layers);
    for (int l = 0; l < c.num_hidden_layers; ++l) {
        LayerWeights& a = w.layer[l];
        const std::string prefix = "model.layers." + std::to_string(l) + ".", attention = prefix + "self_attn.";
        gain(prefix + "input_layernorm.weight", a.input_norm, C);

        const int ld = c.down_width();
        block(a.down, size_t(C) * ld, TensorKind::matrix);
        tensor(Tensor{attention + (c.q_lora_rank ? "q_a_proj.weight" : "q_proj.weight"), a.down, c.q_width(), C, ld,
                      TensorKind::matrix, fan(C)});
        tensor(Tensor{attention + "kv_a_proj_with_mqa.weight", a.down ? a.down + c.q_width() : nullptr,
                      c.kv_lora_rank + c.qk_rope_head_dim, C, ld, TensorKind::matrix, fan(C)});
        if (c.q_lora_rank) {
            gain(attention + "q_a_layernorm.weight", a.q_norm, c.q_lora_rank);
            matrix(attention + "q_b_proj.weight", a.q_up, c.q_lora_rank, H * c.heads().D_k(), fan(c.q_lora_rank));
        }
        gain(attention + "kv_a_layernorm.weight", a.kv_norm, c.kv_lora_rank);
        matrix(attention + "kv_b_proj.weight", a.kv_up, c.kv_lora_rank, H * nope_v, fan(c.kv_lora_rank));
        matrix(attention + "o_proj.weight", a.o, H * c.v_head_dim, C, fan(H * c.v_head_dim) * into_residual);

        gain(prefix + "post_attention_layernorm.weight", a.post_attention_norm, C);
        const std::string mlp = prefix + "mlp.";
        if (c.is_dense(l)) {
            swiglu(a.gate_up, a.ffn_down, 1, c.intermediate_size, [&](int) { return mlp; });
            continue;
        }
        matrix(mlp + "gate.weight", a.router, C, c.n_routed_experts, fan(C));
        block(a.router_bias, size_t(c.n_routed_experts), TensorKind::bias);
        tensor(Tensor{mlp + "gate.e_score_correction_bias", a.router_bias, c.n_routed_experts, 0, 1, TensorKind::bias, 0});
        swiglu(a.gate_up, a.ffn_down, 1, c.shared_size(), [&](int) { return mlp + "shared_experts."; });
        swiglu(a.expert_gate_up, a.expert_down, c.n_routed_experts, c.moe_intermediate_size,
               [&](int i) { return mlp + "experts." + std::to_string(i) + "."; });
    }
    gain("model.norm.weight", w.norm, C);
    matrix("lm_head.weight", w.head, C, c.vocab_size, fan(C) * 0.25);
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
