// CPU: operations on rows. Embedding, RMSNorm, rotation, SwiGLU, the loss, sampling, AdamW.
// A loop over n is free to be split among threads; a sum over n is a chain and is split over columns instead.
#pragma once
#include <algorithm>

#include "ops/ops.h"
#include "ops/scalar.h"
#include "ops/simd.h"

namespace r1 {
namespace {

void embedding_forward(float* y, const int* token, const float* table, int N, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) memcpy(y + n * C, table + int64_t(token[n]) * C, C * sizeof(float));
    });
}

void embedding_backward(float* dtable, const float* dy, const int* token, int N, int C) {
    for_ranges(C, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = 0; n < N; ++n)
            for (int64_t c = begin; c < end; ++c) dtable[int64_t(token[n]) * C + c] += dy[n * C + c];
    });
}

// ---- RMSNorm ----

void rmsnorm_forward(float* y, int ldy, float* rstd, const float* x, int ldx, const float* g, int N, int C,
                     float epsilon) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            const float* xn = x + n * ldx;
            float* yn = y + n * ldy;
            const float r = 1.0f / exact::sqrt(dot(xn, xn, C) / float(C) + epsilon);
            rstd[n] = r;
            for (int c = 0; c < C; ++c) yn[c] = (xn[c] * r) * g[c];
        }
    });
}

// y = x r g with r = (mean(x^2) + epsilon)^(-1/2), so dr/dx_c = -r^3 x_c / C and
//   dx_c = r (g_c dy_c) - r^3 x_c / C sum_j g_j dy_j x_j
void rmsnorm_backward(float* dx, int lddx, const float* base, int ldbase, float* dg, const float* dy, int lddy,
                      const float* x, int ldx, const float* rstd, const float* g, int N, int C) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        float* gdy = scratch(0, C);
        for (int64_t n = begin; n < end; ++n) {
            const float *xn = x + n * ldx, *dyn = dy + n * lddy;
            for (int c = 0; c < C; ++c) gdy[c] = g[c] * dyn[c];
            const float r = rstd[n], inner = dot(gdy, xn, C) * (r * r) / float(C);
            const float* basen = base ? base + n * ldbase : nullptr;
            float* dxn = dx + n * lddx;
            if (basen)
                for (int c = 0; c < C; ++c) dxn[c] = exact::fma(r, exact::fma(-inner, xn[c], gdy[c]), basen[c]);
            else
                for (int c = 0; c < C; ++c) dxn[c] = r * exact::fma(-inner, xn[c], gdy[c]);
        }
    });
    for_ranges(C, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = 0; n < N; ++n)
            for (int64_t c = begin; c < end; ++c)
                dg[c] = exact::fma(dy[n * lddy + c] * x[n * ldx + c], rstd[n], dg[c]);
    });
}

// ---- Biases of products ----

void bias_forward(float* y, int ldy, const float* b, int N, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n)
            for (int c = 0; c < C; ++c) y[n * ldy + c] += b[c];
    });
}

void bias_backward(float* db, const float* dy, int lddy, int N, int C) {
    for_ranges(C, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = 0; n < N; ++n)
            for (int64_t c = begin; c < end; ++c) db[c] += dy[n * lddy + c];
    });
}

void clip_forward(float* x, int ldx, float limit, int N, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n)
            for (int c = 0; c < C; ++c) x[n * ldx + c] = clipped(x[n * ldx + c], limit);
    });
}

void clip_backward(float* dx, int lddx, const float* x, int ldx, float limit, int N, int C) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n)
            for (int c = 0; c < C; ++c)
                if (is_clipped(x[n * ldx + c], limit)) dx[n * lddx + c] = 0;
    });
}

void copy_rows(float* y, int ldy, const float* x, int ldx, int N, int C) {
    for (int64_t n = 0; n < N; ++n) memcpy(y + n * ldy, x + n * ldx, size_t(C) * sizeof(float));
}

// ---- Rotation ----

// (a, b) -> (a cos - b sin, a sin + b cos)
void rotate(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride, int D,
            float sign) {
    for_ranges(N, 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            const float* angle = angles + int64_t(position[n]) * D;
            for (int h = 0; h < heads; ++h) {
                float* p = x + n * ldx + h * stride;
                for (int i = 0; i < D; i += 2) {
                    const float cosine = angle[i], sine = sign * angle[i + 1], a = p[i], b = p[i + 1];
                    p[i] = exact::fma(a, cosine, -(b * sine));
                    p[i + 1] = exact::fma(a, sine, b * cosine);
                }
            }
        }
    });
}

void rope_forward(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    rotate(x, ldx, position, angles, N, heads, stride, D, 1.0f);
}

void rope_backward(float* dx, int lddx, const int* position, const float* angles, int N, int heads, int stride, int D) {
    rotate(dx, lddx, position, angles, N, heads, stride, D, -1.0f);
}

// ---- SwiGLU ----

void swiglu_forward(float* a, const float* gu, int N, int F) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            const float *g = gu + n * 2 * F, *u = g + F;
            float* an = a + n * F;
            for (int f = 0; f < F; ++f) an[f] = silu(g[f], exact::sigmoid(g[f])) * u[f];
        }
    });
}

// a = silu(g) u:  dg = da u silu'(g),  du = da silu(g)
void swiglu_backward(float* dgu, const float* da, const float* gu, int N, int F) {
    for_ranges(N, 32, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            const float *g = gu + n * 2 * F, *u = g + F, *dan = da + n * F;
            float *dg = dgu + n * 2 * F, *du = dg + F;
            for (int f = 0; f < F; ++f) {
                const float s = exact::sigmoid(g[f]);
                dg[f] = dan[f] * u[f] * silu_slope(g[f], s);
                du[f] = dan[f] * silu(g[f], s);
            }
        }
    });
}

// ---- The loss: log-probabilities of the targets ----

// z = logits / temperature; e = exp(z - max z) into e; returns {max, sum}.
struct Softmax {
    float max, sum;
};
Softmax softmax(float* e, const float* logits, int V, float inverse_temperature, float* lane_sums = nullptr) {
    for (int v = 0; v < V; ++v) e[v] = logits[v] * inverse_temperature;
    const float max = maximum(e, V);
    for (int v = 0; v < V; ++v) e[v] = exact::exp(e[v] - max);
    return {max, sum(e, V, lane_sums)};
}

float log_probability(float logit, float inverse_temperature, Softmax s) {
    return (logit * inverse_temperature - s.max) - exact::log(s.sum);
}

// entropy = -sum_v p_v log p_v = log(sum) - sum_v e_v (z_v - max) / sum
void logprob_forward(float* logp, float* entropy, float* stats, const float* logits, const int* target, int N, int V,
                     float inverse_temperature) {
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        float *e = scratch(0, V), *z = scratch(1, V);
        for (int64_t n = begin; n < end; ++n) {
            const float* l = logits + n * V;
            const Softmax s = softmax(e, l, V, inverse_temperature);
            const float inverse = inverse_temperature, max = s.max;
            for (int v = 0; v < V; ++v) z[v] = l[v] * inverse - max;
            logp[n] = log_probability(l[target[n]], inverse_temperature, s);
            entropy[n] = exact::log(s.sum) - dot(e, z, V) / s.sum;
            stats[2 * n] = s.max, stats[2 * n + 1] = s.sum;
        }
    });
}

void logprob_backward(float* logits, const float* dlogp, const float* stats, const int* target, int N, int V,
                      float inverse_temperature) {
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            float* l = logits + n * V;
            const float inverse = inverse_temperature, max = stats[2 * n], d = dlogp[n] * inverse;
            const float factor = -d / stats[2 * n + 1];
            for (int v = 0; v < V; ++v) l[v] = factor * exact::exp(l[v] * inverse - max);
            l[target[n]] += d;
        }
    });
}

// ---- Sampling ----

// Sets e to zero outside the nucleus: the fewest tokens, at least one, best first and lower index first among equals,
// whose probabilities (chain, in that order) reach top_p.
void keep_nucleus(float* e, int V, float total, float top_p) {
    int* order = reinterpret_cast<int*>(scratch(2, V));
    for (int v = 0; v < V; ++v) order[v] = v;
    std::sort(order, order + V, [e](int a, int b) { return e[a] != e[b] ? e[a] > e[b] : a < b; });
    float mass = 0;
    for (int i = 0; i < V; ++i) {
        if (i > 0 && mass >= top_p * total) e[order[i]] = 0;
        mass += e[order[i]];
    }
}

// The token at which the running sum of e passes u * sum. Tokens are walked lane by lane (0, 32, 64, ..., 1, 33, ...),
// so that the lane sums of the softmax, which are there already, skip most of them.
int invert(const float* e, const float* lane_sums, int V, float threshold) {
    float before = 0;
    int lane = -1;
    for (int l = 0; l < Lanes::COUNT && l < V; ++l) {
        if (lane_sums[l] <= 0) continue;
        if (lane >= 0) before += lane_sums[lane];
        lane = l;
        if (before + lane_sums[l] > threshold) break;
    }
    int token = lane;
    for (int v = lane; v < V; v += Lanes::COUNT) {
        if (e[v] <= 0) continue;
        token = v;
        before += e[v];
        if (before > threshold) break;
    }
    return token;
}

void sample(int* token, float* logp, const float* logits, int ld, const float* uniform, int N, int V,
            float inverse_temperature, float top_p) {
    const float inverse = inverse_temperature > 0 ? inverse_temperature : 1.0f;
    for_ranges(N, 4, [&](int64_t begin, int64_t end) {
        float *e = scratch(0, V), lane_sums[Lanes::COUNT];
        for (int64_t n = begin; n < end; ++n) {
            const float* l = logits + n * ld;
            Softmax s = softmax(e, l, V, inverse, lane_sums);
            if (inverse_temperature <= 0) {
                token[n] = int(std::max_element(e, e + V) - e);
            } else {
                float total = s.sum;
                if (top_p < 1) {
                    keep_nucleus(e, V, total, top_p);
                    total = sum(e, V, lane_sums);
                }
                token[n] = invert(e, lane_sums, V, uniform[n] * total);
            }
            logp[n] = log_probability(l[token[n]], inverse, s);
        }
    });
}

void answer_rows(int* token, int* position, int* block, float* uniform, const int* slot, Answers a, int blocks,
                 Draws draws, int N) {
    for (int n = 0; n < N; ++n) {
        const int s = slot[n], count = a.count[s];
        token[n] = count > 0 ? a.token[int64_t(s) * a.most + count - 1] : 0;
        position[n] = a.begin[s] + count - 1, block[n] = s * blocks;
        uniform[n] = draw(draws, a.prompt[s], a.sample[s], count);
    }
}

void append(Answers a, const int* slot, const int* token, const float* logp, const int* stop, int stops, int N) {
    for (int n = 0; n < N; ++n) {
        const int s = slot[n];
        if (a.state[s] != GROWING) continue;
        const int count = a.count[s]++;
        a.token[int64_t(s) * a.most + count] = token[n], a.logp[int64_t(s) * a.most + count] = logp[n];
        a.state[s] = state_after(token[n], count + 1, a.limit[s], stop, stops);
    }
}

// ---- The optimizer ----

void add(float* y, const float* x, int64_t n) {
    for_ranges(n, 1 << 14, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] += x[i];
    });
}

void squares(float* partial, const float* x, int64_t n) {
    for_ranges((n + SQUARES_BLOCK - 1) / SQUARES_BLOCK, 4, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const float* block = x + i * SQUARES_BLOCK;
            partial[i] = dot(block, block, int(std::min(SQUARES_BLOCK, n - i * SQUARES_BLOCK)));
        }
    });
}

void adamw(float* w, float* m, float* v, const float* g, const Piece* pieces, int count, AdamW update) {
    for_ranges(count, 4, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            AdamW mine = update;
            if (!pieces[i].decays) mine.decay = 0;
            const int64_t last = pieces[i].begin + pieces[i].size;
            for (int64_t at = pieces[i].begin; at < last; ++at) adamw_update(w[at], m[at], v[at], g[at], mine);
        }
    });
}

}  // namespace
}  // namespace r1
