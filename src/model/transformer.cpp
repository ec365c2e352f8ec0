#include "model/transformer.h"

#include "model/blocks.h"
#include "model/rope.h"

namespace r1 {

Model make_model(const Config& config, const Ops& ops, int context) {
    if (context <= 0 || context > config.max_position_embeddings) context = config.max_position_embeddings;
    Model m{config, context, &ops, make_weights(config, *ops.memory), {}};
    const std::vector<float> angles = rope_angles(config, context);
    m.tables = make_arena(*ops.memory, [&](Arena& arena) { m.angles = arena.carve<float>(angles.size()); });
    ops.memory->upload(m.angles, angles.data(), angles.size() * sizeof(float));
    return m;
}

// ---- Attention: x_mid = x + o_proj(attention(rmsnorm(x))) ----

// The rotation turns k^R, one for all heads, or the keys of all heads.
static void rotate_keys(void (*rotate)(float*, int, const int*, const float*, int, int, int, int), const Model& m,
                        float* kv, float* k_rope, const Rows& r) {
    const Config& c = m.config;
    const Heads heads = c.heads();
    if (c.latent()) rotate(k_rope, c.down_width(), r.position, m.angles, r.N, 1, 0, heads.shared);
    else rotate(kv, heads.kv(), r.position, m.angles, r.N, heads.H_kv, heads.own + heads.D_v, heads.own);
}

void attention_block_forward(const Model& m, const LayerWeights& w, const Activations& all, LayerActivations& a,
                             const Rows& r, const Cache& cache, int layer) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const Heads heads = c.heads();
    const int N = r.N, C = c.hidden_size, ld = c.down_width(), q_lora = c.q_lora_rank, kv_lora = c.kv_lora_rank;
    const int H = heads.H, D_k = heads.D_k(), q_in = q_lora ? q_lora : C, kv_in = kv_lora ? kv_lora : C;
    float *c_kv = a.down + q_lora, *k_rope = c.latent() ? c_kv + kv_lora : a.kv;
    op.rmsnorm_forward(a.h, C, a.rstd, a.x, C, w.input_norm, N, C, c.rms_norm_eps);
    if (ld) op.matmul_forward(a.down, ld, nullptr, 0, a.h, C, w.down, N, C, ld);
    if (w.down_bias) op.bias_forward(a.down, ld, w.down_bias, N, ld);
    if (q_lora) op.rmsnorm_forward(a.c_q, q_lora, a.rstd_q, a.down, ld, w.q_norm, N, q_lora, c.latent_norm_eps());
    if (kv_lora) op.rmsnorm_forward(a.c_kv, kv_lora, a.rstd_kv, c_kv, ld, w.kv_norm, N, kv_lora, c.latent_norm_eps());
    float* const q = w.q_head_norm ? a.q_raw : a.q;
    op.matmul_forward(q, H * D_k, nullptr, 0, q_lora ? a.c_q : a.h, q_in, w.q_up, N, q_in, H * D_k);
    op.matmul_forward(a.kv, heads.kv(), nullptr, 0, kv_lora ? a.c_kv : a.h, kv_in, w.kv_up, N, kv_in, heads.kv());
    if (w.q_bias) op.bias_forward(q, H * D_k, w.q_bias, N, H * D_k);
    if (w.kv_bias) op.bias_forward(a.kv, heads.kv(), w.kv_bias, N, heads.kv());
    if (w.q_head_norm) head_norms_forward(m, w, all, a, N);
    op.rope_forward(a.q + D_k - c.rope_size(), H * D_k, r.position, m.angles, N, H, D_k, c.rope_size());
    rotate_keys(op.rope_forward, m, a.kv, k_rope, r);

    const int64_t first = layer * cache.layer_blocks * KEY_BLOCK;
    float *k_cache = cache.k + first * heads.keys(), *v_cache = cache.v + first * heads.values();
    op.cache_write(k_cache, v_cache, a.kv, k_rope, ld, r.block, r.position, N, heads);
    op.attention_forward(a.o, a.stats, a.q, k_cache, v_cache, r.block, r.position, N, heads);
    op.matmul_forward(a.x_mid, C, a.x, C, a.o, H * heads.D_v, w.o, N, H * heads.D_v, C);
    if (w.o_bias) op.bias_forward(a.x_mid, C, w.o_bias, N, C);
}

// a.dx is the gradient of x_mid on entry, of x on return.
void attention_block_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l,
                              Activations& a, const Rows& r) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const Heads heads = c.heads();
    const int N = r.N, C = c.hidden_size, ld = c.down_width(), q_lora = c.q_lora_rank, kv_lora = c.kv_lora_rank;
    const int H = heads.H, D_k = heads.D_k(), O = H * heads.D_v;
    float *dc_kv = a.ddown + q_lora, *dk_rope = c.latent() ? dc_kv + kv_lora : a.dkv;
    const float *c_kv = l.down + q_lora, *k_rope = c.latent() ? c_kv + kv_lora : l.kv;
    // x_mid = x + o w_o
    op.matmul_backward_x(a.do_, O, nullptr, 0, a.dx, C, w.o, N, O, C);
    op.matmul_backward_w(g.o, l.o, O, a.dx, C, N, O, C);
    if (w.o_bias) op.bias_backward(g.o_bias, a.dx, C, N, C);
    op.attention_backward(a.dq, a.dkv, dk_rope, ld, a.do_, l.o, l.stats, l.q, l.kv, k_rope, ld, r.offsets, r.B, heads);
    op.rope_backward(a.dq + D_k - c.rope_size(), H * D_k, r.position, m.angles, N, H, D_k, c.rope_size());
    rotate_keys(op.rope_backward, m, a.dkv, dk_rope, r);
    if (w.q_head_norm) head_norms_backward(m, w, g, l, a, N);
    const float* const dq = w.q_head_norm ? a.dq_raw : a.dq;
    if (w.q_bias) op.bias_backward(g.q_bias, dq, H * D_k, N, H * D_k);
    if (w.kv_bias) op.bias_backward(g.kv_bias, a.dkv, heads.kv(), N, heads.kv());
    // q = rmsnorm(c_q) w_q_up,  kv = rmsnorm(c_kv) w_kv_up; without a latent, q or kv = h w_up
    const float* base = nullptr;  // what dh has so far
    if (q_lora) {
        op.matmul_backward_x(a.dc_q, q_lora, nullptr, 0, dq, H * D_k, w.q_up, N, q_lora, H * D_k);
        op.matmul_backward_w(g.q_up, l.c_q, q_lora, dq, H * D_k, N, q_lora, H * D_k);
        op.rmsnorm_backward(a.ddown, ld, nullptr, 0, g.q_norm, a.dc_q, q_lora, l.down, ld, l.rstd_q, w.q_norm, N,
                            q_lora);
    } else {
        op.matmul_backward_x(a.dh, C, base, C, dq, H * D_k, w.q_up, N, C, H * D_k);
        op.matmul_backward_w(g.q_up, l.h, C, dq, H * D_k, N, C, H * D_k);
        base = a.dh;
    }
    if (kv_lora) {
        op.matmul_backward_x(a.dc_kv, kv_lora, nullptr, 0, a.dkv, heads.kv(), w.kv_up, N, kv_lora, heads.kv());
        op.matmul_backward_w(g.kv_up, l.c_kv, kv_lora, a.dkv, heads.kv(), N, kv_lora, heads.kv());
        op.rmsnorm_backward(dc_kv, ld, nullptr, 0, g.kv_norm, a.dc_kv, kv_lora, c_kv, ld, l.rstd_kv, w.kv_norm, N,
                            kv_lora);
    } else {
        op.matmul_backward_x(a.dh, C, base, C, a.dkv, heads.kv(), w.kv_up, N, C, heads.kv());
        op.matmul_backward_w(g.kv_up, l.h, C, a.dkv, heads.kv(), N, C, heads.kv());
    }
    // down = h w_down,  h = rmsnorm(x)
    if (ld) {
        op.matmul_backward_x(a.dh, C, base, C, a.ddown, ld, w.down, N, C, ld);
        op.matmul_backward_w(g.down, l.h, C, a.ddown, ld, N, C, ld);
    }
    if (w.down_bias) op.bias_backward(g.down_bias, a.ddown, ld, N, ld);
    op.rmsnorm_backward(a.dx, C, a.dx, C, g.input_norm, a.dh, C, l.x, C, l.rstd, w.input_norm, N, C);
}

// ---- Feed-forward: x = x_mid + ffn(rmsnorm(x_mid)), with the routed experts' part added ----

void feed_forward_forward(const Model& m, const LayerWeights& w, LayerActivations& a, float* x, int N, bool dense) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int C = c.hidden_size, F = dense ? c.intermediate_size : c.shared_size();
    op.rmsnorm_forward(a.h_mid, C, a.rstd_mid, a.x_mid, C, w.post_attention_norm, N, C, c.rms_norm_eps);
    if (F) op.matmul_forward(a.gate_up, 2 * F, nullptr, 0, a.h_mid, C, w.gate_up, N, C, 2 * F);
    if (w.gate_up_bias) op.bias_forward(a.gate_up, 2 * F, w.gate_up_bias, N, 2 * F);
    if (F) op.swiglu_forward(a.hidden, a.gate_up, N, F);
    op.matmul_forward(x, C, a.x_mid, C, a.hidden, F, w.ffn_down, N, F, C);  // F 0, no shared expert: x = x_mid
    if (w.ffn_down_bias) op.bias_forward(x, C, w.ffn_down_bias, N, C);
    if (dense) return;

    const Routing routing = c.routing();
    const int E = routing.E, K = routing.K, F_expert = c.moe_intermediate_size;
    op.matmul_forward(a.score, E, nullptr, 0, a.h_mid, C, w.router, N, C, E);
    op.router_forward(a.score, a.expert, a.gate, a.score, w.router_bias, N, routing);
    op.dispatch(a.source, a.place, a.offsets, a.expert, N, E, K);
    op.gather_forward(a.xs, a.h_mid, a.source, N, K, C);
    op.grouped_forward(a.expert_gate_up, a.xs, w.expert_gate_up, a.offsets, N * K, E, C, 2 * F_expert);
    op.swiglu_forward(a.expert_hidden, a.expert_gate_up, N * K, F_expert);
    op.grouped_forward(a.ys, a.expert_hidden, w.expert_down, a.offsets, N * K, E, F_expert, C);
    op.combine_forward(x, a.ys, a.gate, a.place, N, K, C);
}

// a.dx is the gradient of x on entry, of x_mid on return. Sequences' balance losses are added to *balance_loss.
void feed_forward_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l, Activations& a,
                           const Rows& r, bool dense, Balance balance, float* balance_loss) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int N = r.N, C = c.hidden_size, F = dense ? c.intermediate_size : c.shared_size();
    // x = x_mid + swiglu(h w_gate_up) w_down
    if (F) {
        op.matmul_backward_x(a.dhidden, F, nullptr, 0, a.dx, C, w.ffn_down, N, F, C);
        op.matmul_backward_w(g.ffn_down, l.hidden, F, a.dx, C, N, F, C);
        op.swiglu_backward(a.dgate_up, a.dhidden, l.gate_up, N, F);
        op.matmul_backward_w(g.gate_up, l.h_mid, C, a.dgate_up, 2 * F, N, C, 2 * F);
    }
    if (w.ffn_down_bias) op.bias_backward(g.ffn_down_bias, a.dx, C, N, C);
    if (w.gate_up_bias) op.bias_backward(g.gate_up_bias, a.dgate_up, 2 * F, N, 2 * F);
    op.matmul_backward_x(a.dh, C, nullptr, 0, a.dgate_up, 2 * F, w.gate_up, N, C, 2 * F);  // F 0: dh = 0
    if (!dense) {
        const Routing routing = c.routing();
        const int E = routing.E, K = routing.K, F_expert = c.moe_intermediate_size;
        // x += sum_j gate_j ys_j,  ys = swiglu(xs w_gate_up) w_down of each expert
        op.combine_backward(a.dys, a.dgate, a.dx, l.ys, l.gate, l.place, N, K, C);
        op.grouped_backward_x(a.dexpert_hidden, a.dys, w.expert_down, l.offsets, N * K, E, F_expert, C);
        op.grouped_backward_w(g.expert_down, l.expert_hidden, a.dys, l.offsets, N * K, E, F_expert, C);
        op.swiglu_backward(a.dexpert_gate_up, a.dexpert_hidden, l.expert_gate_up, N * K, F_expert);
        op.grouped_backward_x(a.dxs, a.dexpert_gate_up, w.expert_gate_up, l.offsets, N * K, E, C, 2 * F_expert);
        op.grouped_backward_w(g.expert_gate_up, l.xs, a.dexpert_gate_up, l.offsets, N * K, E, C, 2 * F_expert);
        op.gather_backward(a.dh, a.dxs, l.place, N, K, C);
        // gate = router(h w_router)
        op.balance_loss(a.balance, a.dscore, l.score, r.offsets, r.B, balance.alpha, balance.weight, routing);
        op.add_up(balance_loss, a.balance, r.B);
        op.router_backward(a.dlogits, a.dgate, a.dscore, l.score, l.expert, N, routing);
        op.matmul_backward_x(a.dh, C, a.dh, C, a.dlogits, E, w.router, N, C, E);
        op.matmul_backward_w(g.router, l.h_mid, C, a.dlogits, E, N, C, E);
    }
    op.rmsnorm_backward(a.dx, C, a.dx, C, g.post_attention_norm, a.dh, C, l.x_mid, C, l.rstd_mid, w.post_attention_norm,
                        N, C);
}

// ---- The head ----

void head_forward(const Model& m, float* logits, const float* h, int N) {
    const int C = m.config.hidden_size, V = m.config.vocab_size;
    if (m.config.tie_word_embeddings)
        m.ops->matmul_backward_x(logits, V, nullptr, 0, h, C, m.weights.embedding, N, V, C);
    else m.ops->matmul_forward(logits, V, nullptr, 0, h, C, m.weights.head, N, C, V);
}

void head_backward(const Model& m, float* dh, float* dhead, const float* dlogits, const float* h, int N) {
    const int C = m.config.hidden_size, V = m.config.vocab_size;
    if (m.config.tie_word_embeddings) {
        m.ops->matmul_backward_w(dhead, dlogits, V, h, C, N, V, C);
        m.ops->matmul_forward(dh, C, nullptr, 0, dlogits, V, m.weights.embedding, N, V, C);
    } else {
        m.ops->matmul_backward_w(dhead, h, C, dlogits, V, N, C, V);
        m.ops->matmul_backward_x(dh, C, nullptr, 0, dlogits, V, m.weights.head, N, C, V);
    }
}

void score_forward(const Model& m, float* score, const float* h, int N) {
    const int C = m.config.hidden_size;
    m.ops->matmul_forward(score, 1, nullptr, 0, h, C, m.weights.score, N, C, 1);
}

void score_backward(const Model& m, float* dh, float* dw, const float* dscore, const float* h, int N) {
    const int C = m.config.hidden_size;
    m.ops->matmul_backward_w(dw, h, C, dscore, 1, N, C, 1);
    m.ops->matmul_backward_x(dh, C, nullptr, 0, dscore, 1, m.weights.score, N, C, 1);
}

// ---- The whole ----

void forward(const Model& m, Activations& a, const Rows& r, const Cache& cache) {
    ENSURE(r.N <= a.capacity, "more rows than the activations were made for");
    const Config& c = m.config;
    const int C = c.hidden_size, L = c.num_hidden_layers;
    m.ops->embedding_forward(a.layer[0].x, r.token, m.weights.embedding, r.N, C);
    for (int l = 0; l < L; ++l) {
        float* out = a.training && l + 1 < L ? a.layer[l + 1].x : a.x;
        attention_block_forward(m, m.weights.layer[l], a, a.layer[l], r, cache, l);
        feed_forward_forward(m, m.weights.layer[l], a.layer[l], out, r.N, c.is_dense(l));
    }
    m.ops->rmsnorm_forward(a.h, C, a.rstd, a.x, C, m.weights.norm, r.N, C, c.rms_norm_eps);
}

void backward(const Model& m, Activations& a, const Rows& r, Weights& gradient, Balance balance, float* balance_loss) {
    const Config& c = m.config;
    const int C = c.hidden_size;
    m.ops->rmsnorm_backward(a.dx, C, nullptr, 0, gradient.norm, a.dfinal, C, a.x, C, a.rstd, m.weights.norm, r.N, C);
    for (int l = c.num_hidden_layers - 1; l >= 0; --l) {
        const LayerWeights& w = m.weights.layer[l];
        LayerWeights& g = gradient.layer[l];
        feed_forward_backward(m, w, g, a.layer[l], a, r, c.is_dense(l), balance, balance_loss + l);
        attention_block_backward(m, w, g, a.layer[l], a, r);
    }
    m.ops->embedding_backward(gradient.embedding, a.dx, r.token, r.N, C);
}

}  // namespace r1
