// Norms of queries and keys, which some families have between the product and the rotation (Qwen3, OLMoE).
#include "model/blocks.h"

namespace r1 {

// Norms of queries and keys: of each head alone, or of all heads of a row together; after them the cut of clip_qkv.
struct HeadNorms {
    int q_rows, q_size, k_rows, k_size;
    HeadNorms(const Config& c, const Heads& heads, int N)
        : HeadNorms(c.head_norm == HeadNorm::head ? heads.H : 1, c.head_norm == HeadNorm::head ? heads.H_kv : 1, heads,
                    N) {}
    HeadNorms(int q_parts, int k_parts, const Heads& heads, int N)
        : q_rows(N * q_parts), q_size(heads.H * heads.own / q_parts), k_rows(N * k_parts),
          k_size(heads.H_kv * heads.own / k_parts) {}
};

void head_norms_forward(const Model& m, const LayerWeights& w, const Activations& all, LayerActivations& a, int N) {
    const Heads heads = m.config.heads();
    const Ops& op = *m.ops;
    const float epsilon = m.config.rms_norm_eps;
    const int D = heads.own, ldkv = D + heads.D_v;
    const HeadNorms n(m.config, heads, N);
    op.rmsnorm_forward(a.q, n.q_size, a.rstd_q_head, a.q_raw, n.q_size, w.q_head_norm, n.q_rows, n.q_size, epsilon);
    op.copy_rows(a.k_raw, D, a.kv, ldkv, N * heads.H_kv, D);
    op.rmsnorm_forward(all.k_head, n.k_size, a.rstd_k_head, a.k_raw, n.k_size, w.k_head_norm, n.k_rows, n.k_size,
                       epsilon);
    op.copy_rows(a.kv, ldkv, all.k_head, D, N * heads.H_kv, D);
    if (m.config.clip_qkv > 0) op.clip_forward(a.q, heads.H * D, m.config.clip_qkv, N, heads.H * D);
    if (m.config.clip_qkv > 0) op.clip_forward(a.kv, heads.kv(), m.config.clip_qkv, N, heads.kv());
}

// Queries and keys were rotated after they had been cut: their norms are computed again. a.do_ is free.
static void clip_norms_backward(const Model& m, const LayerWeights& w, LayerActivations& l, Activations& a, int N) {
    const Heads heads = m.config.heads();
    const Ops& op = *m.ops;
    const float epsilon = m.config.rms_norm_eps, limit = m.config.clip_qkv;
    const int D = heads.own, ldkv = D + heads.D_v;
    const HeadNorms n(m.config, heads, N);
    op.rmsnorm_forward(a.do_, n.q_size, l.rstd_q_head, l.q_raw, n.q_size, w.q_head_norm, n.q_rows, n.q_size, epsilon);
    op.rmsnorm_forward(a.k_head, n.k_size, l.rstd_k_head, l.k_raw, n.k_size, w.k_head_norm, n.k_rows, n.k_size,
                       epsilon);
    op.clip_backward(a.dq, heads.H * D, a.do_, heads.H * D, limit, N, heads.H * D);
    op.clip_backward(a.dkv, ldkv, a.k_head, D, limit, N * heads.H_kv, D);
    op.clip_backward(a.dkv + D, ldkv, l.kv + D, ldkv, limit, N * heads.H_kv, heads.D_v);
}

// a.dq becomes a.dq_raw; the keys' part of a.dkv is replaced.
void head_norms_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l, Activations& a,
                         int N) {
    const Heads heads = m.config.heads();
    const Ops& op = *m.ops;
    const int D = heads.own, ldkv = D + heads.D_v;
    const HeadNorms n(m.config, heads, N);
    if (m.config.clip_qkv > 0) clip_norms_backward(m, w, l, a, N);
    op.rmsnorm_backward(a.dq_raw, n.q_size, nullptr, 0, g.q_head_norm, a.dq, n.q_size, l.q_raw, n.q_size, l.rstd_q_head,
                        w.q_head_norm, n.q_rows, n.q_size);
    op.copy_rows(a.k_head, D, a.dkv, ldkv, N * heads.H_kv, D);
    op.rmsnorm_backward(a.dk_raw, n.k_size, nullptr, 0, g.k_head_norm, a.k_head, n.k_size, l.k_raw, n.k_size,
                        l.rstd_k_head, w.k_head_norm, n.k_rows, n.k_size);
    op.copy_rows(a.dkv, ldkv, a.dk_raw, D, N * heads.H_kv, D);
}

}  // namespace r1
