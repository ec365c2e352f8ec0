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
