// Scalar formulas, each once: the CPU's loops and the CUDA kernels both call these, and an auditor reads them here.
#pragma once
#include "base/exact.h"
#include "base/philox.h"
#include "ops/ops.h"

namespace r1 {

// silu(x) = x sigmoid(x);  d silu / dx = sigmoid(x) (1 + x (1 - sigmoid(x)));  s = sigmoid(x)
DEVICE static inline float silu(float x, float s) { return x * s; }
DEVICE static inline float silu_slope(float x, float s) { return s * exact::fma(x, 1.0f - s, 1.0f); }

DEVICE static inline float clipped(float x, float limit) { return x > limit ? limit : x < -limit ? -limit : x; }
DEVICE static inline bool is_clipped(float x, float limit) { return x >= limit || x <= -limit; }

// One weight's update [Loshchilov and Hutter 2019, algorithm 2], g already scaled by the clip:
//   m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
//   w = w - lr (m / correction1 / (sqrt(v / correction2) + epsilon) + decay w)
DEVICE static inline void adamw_update(float& w, float& m, float& v, float g, const AdamW& u) {
    g *= u.gradient_scale;
    m = exact::fma(u.beta1, m, (1.0f - u.beta1) * g);
    v = exact::fma(u.beta2, v, (1.0f - u.beta2) * (g * g));
    const float step = (m / u.correction1) / (exact::sqrt(v / u.correction2) + u.epsilon);
    w = exact::fma(-u.lr, exact::fma(u.decay, w, step), w);
}

// The routed experts' probability that the balance loss works on: s'_i = s_i / sum_j s_j, and its slope.
//   L = alpha sum_i f_i P_i,  P_i = mean_t s'_{i,t}   =>   dL/ds_j = alpha / T (f_j - sum_i f_i s'_i) / sum_j s_j
DEVICE static inline float balance_slope(float f_j, float mean_f, float score_sum, float alpha_over_T) {
    return alpha_over_T * (f_j - mean_f) / score_sum;
}

// The router's bias after an update [V3 section 2.1.2], from an expert's load, that of all, and their number.
DEVICE static inline float moved_bias(float bias, int64_t load, int64_t total, int E, float speed) {
    const int64_t excess = load * E - total;
    return bias + (excess > 0 ? -speed : excess < 0 ? speed : 0.0f);
}

// The uniform number of token number `count` of an answer.
DEVICE static inline float draw(const Draws& d, int prompt, int sample, int count) {
    return uniform(philox(d.seed, d.purpose, d.step, uint32_t(prompt), uint32_t(sample), uint32_t(count)).x[0]);
}

// Of an answer that has just got this token, which is its count-th.
template <class Stops>
DEVICE static inline AnswerState state_after(int token, int count, int limit, const Stops& stop, int stops) {
    for (int i = 0; i < stops; ++i)
        if (stop[i] == token) return ENDED;
    return count < limit ? GROWING : CUT;
}

}  // namespace r1
