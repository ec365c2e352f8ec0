// Where the activations and the caches of the transformer stand in memory.
#include <algorithm>

#include "model/transformer.h"

namespace r1 {

static void place_layer(const Config& c, LayerActivations& a, bool dense, size_t N, Arena& arena) {
    const Heads heads = c.heads();
    const size_t C = c.hidden_size, E = c.n_routed_experts, K = c.num_experts_per_tok;
    const auto floats = [&](size_t n) { return arena.carve<float>(n); };
    a.x = floats(N * C), a.rstd = floats(N), a.h = floats(N * C);
    a.down = floats(N * c.down_width());
    a.c_q = floats(N * c.q_lora_rank), a.rstd_q = floats(N);
    a.c_kv = floats(N * c.kv_lora_rank), a.rstd_kv = floats(N);
    if (c.head_norm != HeadNorm::none) {
        a.q_raw = floats(N * heads.H * heads.own), a.k_raw = floats(N * heads.H_kv * heads.own);
        a.rstd_q_head = floats(N * heads.H), a.rstd_k_head = floats(N * heads.H_kv);
    }
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
    a.layer.resize(a.training ? c.all_layers() : c.num_hidden_layers);
    if (a.training) {
        for (int l = 0; l < c.all_layers(); ++l) place_layer(c, a.layer[l], c.is_dense(l), N, arena);
    } else {  // all layers share one dense and one sparse set
        LayerActivations dense{}, sparse{};
        place_layer(c, dense, true, N, arena);
        if (c.has_experts()) place_layer(c, sparse, false, N, arena);
        for (int l = 0; l < c.num_hidden_layers; ++l) a.layer[l] = c.is_dense(l) ? dense : sparse;
    }
    a.x = floats(N * C), a.rstd = floats(N), a.h = floats(N * C);
    if (c.head_norm != HeadNorm::none) a.k_head = floats(N * heads.H_kv * heads.own);
    if (!a.training) {  // ... and after the first, a layer's output takes the place of its input
        for (int l = 1; l < c.num_hidden_layers; ++l) a.layer[l].x = a.x;
        return;
    }
    a.prediction.resize(c.num_nextn_predict_layers);
    for (PredictionActivations& p : a.prediction) {
        for (float** each : {&p.embedding, &p.x, &p.h, &p.dh, &p.dx}) *each = floats(N * C);
        for (float** each : {&p.rstd_embedding, &p.rstd_hidden, &p.rstd}) *each = floats(N);
        p.joined = floats(N * 2 * C);
    }
    if (!a.prediction.empty()) a.djoined = floats(N * 2 * C);
    a.dfinal = floats(N * C), a.dx = floats(N * C), a.dh = floats(N * C), a.ddown = floats(N * c.down_width());
    a.dc_q = floats(N * c.q_lora_rank), a.dc_kv = floats(N * c.kv_lora_rank);
    a.dq = floats(N * heads.H * heads.D_k()), a.dkv = floats(N * heads.kv()), a.do_ = floats(N * heads.H * heads.D_v);
    a.dgate_up = floats(N * 2 * F), a.dhidden = floats(N * F);
    if (c.head_norm != HeadNorm::none)
        a.dq_raw = floats(N * heads.H * heads.own), a.dk_raw = floats(N * heads.H_kv * heads.own);
    if (!c.has_experts()) return;
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

}  // namespace r1
