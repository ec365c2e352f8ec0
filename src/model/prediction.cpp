// Multi-token prediction [V3 section 2.2].
#include "model/blocks.h"

namespace r1 {

void prediction_forward(const Model& m, Activations& a, const Rows& r, const int* ahead, const Cache& cache, int k) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int N = r.N, C = c.hidden_size, l = c.num_hidden_layers + k;
    const PredictionWeights& w = m.weights.prediction[k];
    PredictionActivations& p = a.prediction[k];
    const float* const before = k == 0 ? a.h : a.prediction[k - 1].x;
    op.embedding_forward(p.embedding, ahead, m.weights.embedding, N, C);
    op.rmsnorm_forward(p.joined, 2 * C, p.rstd_embedding, p.embedding, C, w.embedding_norm, N, C, c.rms_norm_eps);
    op.rmsnorm_forward(p.joined + C, 2 * C, p.rstd_hidden, before, C, w.hidden_norm, N, C, c.rms_norm_eps);
    op.matmul_forward(a.layer[l].x, C, nullptr, 0, p.joined, 2 * C, w.join, N, 2 * C, C);
    attention_block_forward(m, m.weights.layer[l], a, a.layer[l], r, cache, l);
    feed_forward_forward(m, m.weights.layer[l], a.layer[l], p.x, N, c.is_dense(l));
    op.rmsnorm_forward(p.h, C, p.rstd, p.x, C, w.norm, N, C, c.rms_norm_eps);
}

void prediction_backward(const Model& m, Activations& a, const Rows& r, const int* ahead, Weights& gradient,
                         float* dembedding, Balance balance, float* balance_loss, int k) {
    const Config& c = m.config;
    const Ops& op = *m.ops;
    const int N = r.N, C = c.hidden_size, l = c.num_hidden_layers + k;
    const bool last = k + 1 == c.num_nextn_predict_layers;
    const PredictionWeights& w = m.weights.prediction[k];
    PredictionWeights& g = gradient.prediction[k];
    PredictionActivations& p = a.prediction[k];
    op.rmsnorm_backward(a.dx, C, last ? nullptr : p.dx, C, g.norm, p.dh, C, p.x, C, p.rstd, w.norm, N, C);
    feed_forward_backward(m, m.weights.layer[l], gradient.layer[l], a.layer[l], a, r, c.is_dense(l), balance,
                          balance_loss + l);
    attention_block_backward(m, m.weights.layer[l], gradient.layer[l], a.layer[l], a, r);
    op.matmul_backward_x(a.djoined, 2 * C, nullptr, 0, a.dx, C, w.join, N, 2 * C, C);
    op.matmul_backward_w(g.join, p.joined, 2 * C, a.dx, C, N, 2 * C, C);
    op.rmsnorm_backward(a.dx, C, nullptr, 0, g.embedding_norm, a.djoined, 2 * C, p.embedding, C, p.rstd_embedding,
                        w.embedding_norm, N, C);
    op.embedding_backward(dembedding, a.dx, ahead, N, C);
    float* const dbefore = k == 0 ? a.dfinal : a.prediction[k - 1].dx;
    op.rmsnorm_backward(dbefore, C, k == 0 ? a.dfinal : nullptr, C, g.hidden_norm, a.djoined + C, 2 * C,
                        k == 0 ? a.h : a.prediction[k - 1].x, C, p.rstd_hidden, w.hidden_norm, N, C);
}

}  // namespace r1
