#include "model/transformer.h"

#include <algorithm>

namespace r1 {

Model make_model(const Config& config, const Ops& ops) {
    Model m{config, &ops, make_weights(config, *ops.memory), {}};
    // angle(position, i) = position theta^(-2i / D)  [V3 section 4.2; Su et al. 2021, eq 15]
    const int D = config.qk_rope_head_dim;
    std::vector<float> angles(size_t(config.max_position_embeddings) * D);
    for (int i = 0; i < D; i += 2) {
        const double frequency = exact::pow(config.rope_theta, -double(i) / D);
        for (int t = 0; t < config.max_position_embeddings; ++t) {
            double sine, cosine;
            exact::sincos(t * frequency, sine, cosine);
            angles[size_t(t) * D + i] = float(cosine), angles[size_t(t) * D + i + 1] = float(sine);
        }
    }
    m.tables = make_arena(*ops.memory, [&](Arena& arena) { m.angles = arena.carve<float>(angles.size()); });
    ops.memory->upload(m.angles, angles.data(), angles.size() * sizeof(float));
    return m;
}

static void place_layer(const Config& c, LayerActivations& a, bool dense, size_t N, Arena& arena) {
    const Heads heads = c.heads();
    const size_t C = c.hidden_size, E = c.n_routed_experts, K = c.num_experts_per_tok;
    const auto floats = [&](size_t n) { return arena.carve<float>(n); };
    a.x = floats(N * C), a.rstd = floats(N), a.h = floats(N * C);
    a.down = floats(N * c.down_width());
    a.c_q = floats(N * c.q_width()), a.rstd_q = floats(N);
    a.c_kv = floats(N * c.kv_lora_rank), a.rstd_kv = floats(N);
    a.q = floats(N * heads.H * heads.D_k()), a.kv = floats(N * heads.kv());
    a.o = floats(N * heads.H * heads.D_v), a.stats = floats(N * heads.H * 2);
    a.x_mid = floats(N * C), a.rstd_mid = floats(N), a.h_mid = floats(N * C);
    const size_t F = dense ? c.intermediate_size : c.shared_size(), F_expert = c.moe_intermediate_size;
    a.gate_up = floats(N * 2 * F), a.hidden = floats(N * F);
    if (dense) return;
    a.score = floats(N * E), a.gate = floats(N * K);
    a.expert = arena.carve<int>(N * K), a.source = arena.carve<int>(N * K), a.place = arena.carve<int>(N * K);
    a.offsets = arena.carve<int>(E + 1);
    a.xs = floats(N * K * C), a.expert_gate_up = floats(N * K * 2 * F_expert);
    a.expert_hidden = floats(N * K * F_expert), a.ys = floats(N * K * C);
}

static void place(const Config& c, Activations& a, Arena& arena) {
    const Heads heads = c.heads();
    const size_t N = a.capacity, C = c.hidden_size, K = c.num_experts_per_tok, E = c.n_routed_experts;
    const size_t F = std::max(c.intermediate_size, c.shared_size()), F_expert = c.moe_intermediate_size;
    const auto floats = [&](size_t n) { return arena.carve<float>(n); };
    a.layer.resize(c.num_hidden_layers);
    if (a.training) {
        for (int l = 0; l < c.num_hidden_layers; ++l) place_layer(c, a.layer[l], c.is_dense(l), N, arena);
    } else {  // all layers share one dense and one sparse set
        LayerActivations dense{}, sparse{};
        place_layer(c, dense, true, N, arena), place_layer(c, sparse, false, N, arena);
        for (int l = 0; l < c.num_hidden_layers; ++l) a.layer[l] = c.is_dense(l) ? dense : sparse;
    }
    a.x = floats(N * C), a.rstd = floats(N), a.h = floats(N * C);
    if (!a.training) {  // ... and after the first, a layer's output takes the place of its input
        for (int l = 1; l < c.num_hidden_layers; ++l) a.layer[l].x = a.x;
        return;
    }
    a.dx = floats(N * C), a.dh = floats(N * C), a.ddown = floats(N * c.down_width());
    a.dc_q = floats(N * c.q_width()), a.dc_kv = floats(N * c.kv_lora_rank);
    a.dq = floats(N * heads.H * heads.D_k()), a.dkv = floats(N * heads.kv()), a.do_ = floats(N * heads.H * heads.D_v);
    a.dgate_up = floats(N * 2 * F), a.dhidden = floats(N * F);
    a.dgate = floats(N * K), a.dscore = floats(N * E), a.dlogits = floats(N * E);
    a.dxs = floats(N * K * C), a.dexpert_gate_up = floats(N * K * 2 * F_expert);
    a.dexpert_hidden = floats(N * K * F_expert), a.dys = floats(N * K * C), a.balance = floats(N);
}

Activations make_activations(const Config& config, const Ops& ops, int rows, bool training) {
    Activations a{};
    a.capacity = rows, a.training = training;
    a.arena = make_arena(*ops.memory, [&](Arena& arena) { place(config, a, arena); });
    return a;
}

Cache make_cache(const Config& config, int64_t blocks, bool every_layer, Arena& arena) {
    const Heads heads = config.heads();
    const size_t tokens = size_t(blocks) * KEY_BLOCK * (every_layer ? config.num_hidden_layers : 1);
    Cache cache;
    cache.k = arena.carve<float>(tokens * heads.keys());
    cache.v = arena.carve<float>(tokens * heads.values());
    cache.blocks = blocks, cache.layer_blocks = every_layer ? blocks : 0;
    return cache;
}

// ---- Attention: x_mid = x + o_proj(attention(rmsnorm(x))) ----

static void attention_block_forward(const Model& m, const LayerWeights& w, LayerActivations& a, const Rows& r,
                                    const Cache& cache, int layer) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const Heads heads = c.heads();
    const int N = r.N, C = c.hidden_size, ld = c.down_width(), q_width = c.q_width(), H = heads.H, D_k = heads.D_k();
    float *c_kv = a.down + q_width, *k_rope = c_kv + c.kv_lora_rank;
    op.rmsnorm_forward(a.h, C, a.rstd, a.x, C, w.input_norm, N, C, c.rms_norm_eps);
    op.matmul_forward(a.down, ld, nullptr, 0, a.h, C, w.down, N, C, ld);
    if (c.q_lora_rank) {
        op.rmsnorm_forward(a.c_q, q_width, a.rstd_q, a.down, ld, w.q_norm, N, q_width, c.rms_norm_eps);
        op.matmul_forward(a.q, H * D_k, nullptr, 0, a.c_q, q_width, w.q_up, N, q_width, H * D_k);
    } else {
        op.copy_rows(a.q, q_width, a.down, ld, N, q_width);
    }
    op.rmsnorm_forward(a.c_kv, c.kv_lora_rank, a.rstd_kv, c_kv, ld, w.kv_norm, N, c.kv_lora_rank, c.rms_norm_eps);
    op.matmul_forward(a.kv, heads.kv(), nullptr, 0, a.c_kv, c.kv_lora_rank, w.kv_up, N, c.kv_lora_rank, heads.kv());
    op.rope_forward(a.q + heads.own, H * D_k, r.position, m.angles, N, H, D_k, heads.shared);
    op.rope_forward(k_rope, ld, r.position, m.angles, N, 1, 0, heads.shared);

    const int64_t first = layer * cache.layer_blocks * KEY_BLOCK;
    float *k_cache = cache.k + first * heads.keys(), *v_cache = cache.v + first * heads.values();
    op.cache_write(k_cache, v_cache, a.kv, k_rope, ld, r.block, r.position, N, heads);
    op.attention_forward(a.o, a.stats, a.q, k_cache, v_cache, r.block, r.position, N, heads);
    op.matmul_forward(a.x_mid, C, a.x, C, a.o, H * heads.D_v, w.o, N, H * heads.D_v, C);
}

// a.dx is the gradient of x_mid on entry, of x on return.
static void attention_block_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l,
                                     Activations& a, const Rows& r) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const Heads heads = c.heads();
    const int N = r.N, C = c.hidden_size, ld = c.down_width(), q_width = c.q_width(), H = heads.H, D_k = heads.D_k();
    const int kv_lora = c.kv_lora_rank, O = H * heads.D_v;
    float *dc_kv = a.ddown + q_width, *dk_rope = dc_kv + kv_lora;
    const float *c_kv = l.down + q_width, *k_rope = c_kv + kv_lora;
    // x_mid = x + o w_o
    op.matmul_backward_x(a.do_, O, nullptr, 0, a.dx, C, w.o, N, O, C);
    op.matmul_backward_w(g.o, l.o, O, a.dx, C, N, O, C);
    op.attention_backward(a.dq, a.dkv, dk_rope, ld, a.do_, l.o, l.stats, l.q, l.kv, k_rope, ld, r.offsets, r.B, heads);
    op.rope_backward(a.dq + heads.own, H * D_k, r.position, m.angles, N, H, D_k, heads.shared);
    op.rope_backward(dk_rope, ld, r.position, m.angles, N, 1, 0, heads.shared);
    // q = rmsnorm(c_q) w_q_up,  kv = rmsnorm(c_kv) w_kv_up
    if (c.q_lora_rank) {
        op.matmul_backward_x(a.dc_q, q_width, nullptr, 0, a.dq, H * D_k, w.q_up, N, q_width, H * D_k);
        op.matmul_backward_w(g.q_up, l.c_q, q_width, a.dq, H * D_k, N, q_width, H * D_k);
        op.rmsnorm_backward(a.ddown, ld, nullptr, 0, g.q_norm, a.dc_q, q_width, l.down, ld, l.rstd_q, w.q_norm, N,
                            q_width);
    } else {
        op.copy_rows(a.ddown, ld, a.dq, q_width, N, q_width);
    }
    op.matmul_backward_x(a.dc_kv, kv_lora, nullptr, 0, a.dkv, heads.kv(), w.kv_up, N, kv_lora, heads.kv());
    op.matmul_backward_w(g.kv_up, l.c_kv, kv_lora, a.dkv, heads.kv(), N, kv_lora, heads.kv());
    op.rmsnorm_backward(dc_kv, ld, nullptr, 0, g.kv_norm, a.dc_kv, kv_lora, c_kv, ld, l.rstd_kv, w.kv_norm, N, kv_lora);
    // down = h w_down,  h = rmsnorm(x)
    op.matmul_backward_x(a.dh, C, nullptr, 0, a.ddown, ld, w.down, N, C, ld);
    op.matmul_backward_w(g.down, l.h, C, a.ddown, ld, N, C, ld);
    op.rmsnorm_backward(a.dx, C, a.dx, C, g.input_norm, a.dh, C, l.x, C, l.rstd, w.input_norm, N, C);
}

// ---- Feed-forward: x = x_mid + ffn(rmsnorm(x_mid)), with the routed experts' part added ----

static void feed_forward_forward(const Model& m, const LayerWeights& w, LayerActivations& a, float* x, int N,
                                 bool dense) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int C = c.hidden_size, F = dense ? c.intermediate_size : c.shared_size();
    op.rmsnorm_forward(a.h_mid, C, a.rstd_mid, a.x_mid, C, w.post_attention_norm, N, C, c.rms_norm_eps);
    op.matmul_forward(a.gate_up, 2 * F, nullptr, 0, a.h_mid, C, w.gate_up, N, C, 2 * F);
    op.swiglu_forward(a.hidden, a.gate_up, N, F);
    op.matmul_forward(x, C, a.x_mid, C, a.hidden, F, w.ffn_down, N, F, C);
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
static void feed_forward_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l,
                                   Activations& a, const Rows& r, bool dense, Balance balance, float* balance_loss) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int N = r.N, C = c.hidden_size, F = dense ? c.intermediate_size : c.shared_size();
    // x = x_mid + swiglu(h w_gate_up) w_down
    op.matmul_backward_x(a.dhidden, F, nullptr, 0, a.dx, C, w.ffn_down, N, F, C);
    op.matmul_backward_w(g.ffn_down, l.hidden, F, a.dx, C, N, F, C);
    op.swiglu_backward(a.dgate_up, a.dhidden, l.gate_up, N, F);
    op.matmul_backward_x(a.dh, C, nullptr, 0, a.dgate_up, 2 * F, w.gate_up, N, C, 2 * F);
    op.matmul_backward_w(g.gate_up, l.h_mid, C, a.dgate_up, 2 * F, N, C, 2 * F);
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
        // gate = router(sigmoid(h w_router))
        op.balance_loss(a.balance, a.dscore, l.score, r.offsets, r.B, balance.alpha, balance.weight, routing);
        op.add_up(balance_loss, a.balance, r.B);
        op.router_backward(a.dlogits, a.dgate, a.dscore, l.score, l.expert, N, routing);
        op.matmul_backward_x(a.dh, C, a.dh, C, a.dlogits, E, w.router, N, C, E);
        op.matmul_backward_w(g.router, l.h_mid, C, a.dlogits, E, N, C, E);
    }
    op.rmsnorm_backward(a.dx, C, a.dx, C, g.post_attention_norm, a.dh, C, l.x_mid, C, l.rstd_mid,
                        w.post_attention_norm, N, C);
}

// ---- The whole ----

void forward(const Model& m, Activations& a, const Rows& r, const Cache& cache) {
    ENSURE(r.N <= a.capacity, "more rows than the activations were made for");
    const Config& c = m.config;
    const int C = c.hidden_size, L = c.num_hidden_layers;
    m.ops->embedding_forward(a.layer[0].x, r.token, m.weights.embedding, r.N, C);
    for (int l = 0; l < L; ++l) {
        float* out = a.training && l + 1 < L ? a.layer[l + 1].x : a.x;
        attention_block_forward(m, m.weights.layer[l], a.layer[l], r, cache, l);
        feed_forward_forward(m, m.weights.layer[l], a.layer[l], out, r.N, c.is_dense(l));
    }
    m.ops->rmsnorm_forward(a.h, C, a.rstd, a.x, C, m.weights.norm, r.N, C, c.rms_norm_eps);
}

void backward(const Model& m, Activations& a, const Rows& r, Weights& gradient, Balance balance, float* balance_loss) {
    const Config& c = m.config;
    const int C = c.hidden_size;
    m.ops->rmsnorm_backward(a.dx, C, nullptr, 0, gradient.norm, a.dh, C, a.x, C, a.rstd, m.weights.norm, r.N, C);
    for (int l = c.num_hidden_layers - 1; l >= 0; --l) {
        const LayerWeights& w = m.weights.layer[l];
        LayerWeights& g = gradient.layer[l];
        feed_forward_backward(m, w, g, a.layer[l], a, r, c.is_dense(l), balance, balance_loss + l);
        attention_block_backward(m, w, g, a.layer[l], a, r);
    }
    m.ops->embedding_backward(gradient.embedding, a.dx, r.token, r.N, C);
}

}  // namespace r1
