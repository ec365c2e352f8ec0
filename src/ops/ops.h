// The operations: everything that the model, the optimizer and the sampler ask of a device.
//
// One table of plain functions on plain pointers, which point into the device's memory (base/arena.h). The CPU's table
// (ops_cpu.cpp) is the definition: another device is right when it gives the same bits. A device other than the CPU is
// used by one thread, and does what it is asked in that order while the thread goes on. Outputs come first, then inputs,
// then sizes. Forward stands beside backward.
//
//   B  sequences            C  channels of a row          E  routed experts
//   T  positions            H  attention heads            K  experts chosen for a token
//   N  rows = tokens        D  size of a head             F  hidden size of a feed-forward network
//   V  vocabulary           O  output channels, I input channels of a product
//
// Rows are tokens of any number of sequences, packed without padding. `ld` is the distance between rows in floats.
// Three orders of summation, and no others, decide every bit:
//   chain     one fused multiply-add after another, k = 0, 1, 2, ..., from zero or from the value added to
//   lanes     32 chains by index mod 32, joined by the tree 16, 8, 4, 2, 1 (Lanes in simd.h; a warp on a GPU)
//   tokens    gradients of weights: a chain over the rows of a shard in order; shards are joined by the caller
// Gradients of weights are added to. Gradients of activations are set, except where the comment says +=.
#pragma once
#include <cstdint>
#include <functional>

#include "base/arena.h"

namespace r1 {

// What attention needs to know of its heads. A head's query and key are [own | shared]: with MLA the key's own part is
// k^C and its shared part k^R, one for all heads [V3 eq 4, 9]; grouped-query attention has own parts only.
struct Heads {
    int H;               // query heads
    int H_kv;            // key and value heads; query head h reads head h / (H / H_kv)
    int own, shared;     // D_k = own + shared
    int D_v;
    float scale;         // of the scores, 1 / sqrt(D_k)
    constexpr int D_k() const { return own + shared; }
    constexpr int keys() const { return H_kv * own + shared; }  // floats of all keys of one token
    constexpr int values() const { return H_kv * D_v; }
    constexpr int kv() const { return H_kv * (own + D_v); }     // columns of a row of kv: per head [k^C | v]
};

// Keys and values of past tokens. A sequence owns whole blocks of KEY_BLOCK tokens; in a block keys stand transposed,
// k[block][channel][token], so that the scores of neighbouring tokens are one vector; values stand v[token][channel].
constexpr int KEY_BLOCK = 16;

struct Routing {         // the shape of a router [V3 eq 12-16]
    int E, K, groups, groups_kept;
    bool normalise;      // gates divided by their sum
    float scaling;       // gates multiplied by this afterwards
    bool softmax;        // scores are the softmax of the logits, not their sigmoids, and the best expert ranks a group,
                         // not the two best [DeepSeek-V2 section 2.2.2]
};

struct AdamW {           // one update of [Loshchilov and Hutter 2019, algorithm 2]
    float lr, beta1, beta2, epsilon, decay;
    float correction1, correction2;  // 1 - beta1^t, 1 - beta2^t
    float gradient_scale;            // clipping by the global norm
};

struct Piece {                       // a range of the weights that the optimizer updates
    int64_t begin;
    int size, decays;                // at most MOST_PIECE; 1 if weight decay is for it
};
constexpr int MOST_PIECE = 4096;

// Answers in the making, one a slot. The draws of slot s are those of (prompt[s], sample[s]); its prompt has begin[s]
// tokens, its answer count[s] so far, limit[s] at most; token and logp are (slots, most).
struct Answers {
    const int *prompt, *sample, *begin, *limit;
    int *count, *state, *token;
    float* logp;
    int most;
};
enum AnswerState : int { GROWING, ENDED, CUT };      // ENDED: by a stop token

struct Draws {                       // with prompt, sample and the number of the token: the key and counter of philox.h
    uint32_t seed, purpose, step;
};

struct Ops {
    const char* name;
    const Memory* memory;
    bool on_host;                    // this table is the CPU's: any thread may use it, and its memory is the host's

    // Calls work() so many times. A device may record what the first call asks for and repeat that, so work() must ask
    // for the same every time: the same operations, pointers and sizes.
    void (*repeat)(int times, const std::function<void()>& work);

    // y[n] = table[token[n]]                                dtable[token[n]] += dx[n], tokens
    void (*embedding_forward)(float* y, const int* token, const float* table, int N, int C);
    void (*embedding_backward)(float* dtable, const float* dy, const int* token, int N, int C);

    // y = base + x w: (N, O) = (N, O) + (N, I) (I, O), chain over I; base may be y itself or null (zero).
    void (*matmul_forward)(float* y, int ldy, const float* base, int ldbase, const float* x, int ldx, const float* w,
                           int N, int I, int O);
    // dx = base + dy w^T, chain over O.                     dw += x^T dy, tokens.
    void (*matmul_backward_x)(float* dx, int lddx, const float* base, int ldbase, const float* dy, int lddy,
                              const float* w, int N, int I, int O);
    void (*matmul_backward_w)(float* dw, const float* x, int ldx, const float* dy, int lddy, int N, int I, int O);

    // The same for E experts: rows offsets[e] .. offsets[e + 1] belong to expert e, whose weights are w + e I O; R in all.
    void (*grouped_forward)(float* y, const float* x, const float* w, const int* offsets, int R, int E, int I, int O);
    void (*grouped_backward_x)(float* dx, const float* dy, const float* w, const int* offsets, int R, int E, int I, int O);
    void (*grouped_backward_w)(float* dw, const float* x, const float* dy, const int* offsets, int R, int E, int I, int O);

    // y = x rstd g,  rstd = 1 / sqrt(mean(x^2) + epsilon), lanes over C          [Zhang and Sennrich 2019, eq 4]
    void (*rmsnorm_forward)(float* y, int ldy, float* rstd, const float* x, int ldx, const float* g, int N, int C,
                            float epsilon);
    // dx = base + rstd (g dy - x rstd^2 mean(g dy x)), lanes over C.  dg += dy x rstd, tokens.
    void (*rmsnorm_backward)(float* dx, int lddx, const float* base, int ldbase, float* dg, const float* dy, int lddy,
                             const float* x, int ldx, const float* rstd, const float* g, int N, int C);

    // Rotates pairs (2i, 2i + 1) of `heads` slices of D channels, `stride` apart, by position x frequency i. In place.
    // angles: (positions, D / 2, {cos, sin}).  Backward is the rotation of the gradient by the opposite angle.
    void (*rope_forward)(float* x, int ldx, const int* position, const float* angles, int N, int heads, int stride,
                         int D);
    void (*rope_backward)(float* dx, int lddx, const int* position, const float* angles, int N, int heads, int stride,
                          int D);

    // y[n] += b                                             db += dy[n], tokens
    void (*bias_forward)(float* y, int ldy, const float* b, int N, int C);
    void (*bias_backward)(float* db, const float* dy, int lddy, int N, int C);

    // x = min(max(x, -limit), limit), in place              dx = 0 where |x| >= limit, of x before or after
    void (*clip_forward)(float* x, int ldx, float limit, int N, int C);
    void (*clip_backward)(float* dx, int lddx, const float* x, int ldx, float limit, int N, int C);

    // y[n] = x[n]
    void (*copy_rows)(float* y, int ldy, const float* x, int ldx, int N, int C);

    // Puts the keys and values of N rows into the cache: row n is token position[n] of the sequence whose first block
    // is block[n].  kv (N, H_kv, [own | D_v]), k_shared (N, shared).
    void (*cache_write)(float* k_cache, float* v_cache, const float* kv, const float* k_shared, int ld_shared,
                        const int* block, const int* position, int N, Heads heads);
    // Copies `blocks` blocks of every layer from block `from` on to those from to[0], to[1], .. to[n - 1] on.
    // layer_blocks: blocks from one layer's part of the cache to the next's
    void (*cache_copy)(float* k_cache, float* v_cache, const int* to, int n, int from, int blocks, int layers,
                       int64_t layer_blocks, Heads heads);
    // o[n, h] = sum_t p_t v_t,  p = softmax over tokens 0 .. position[n] of scale q k_t [V3 eq 10].  Scores: chain over
    // D_k; softmax: lanes over t; o: chain over t of e_t v_t, then / sum.  stats[n, h] = {max, sum}.
    void (*attention_forward)(float* o, float* stats, const float* q, const float* k_cache, const float* v_cache,
                              const int* block, const int* position, int N, Heads heads);
    // Sequences are rows offsets[b] .. offsets[b + 1], whole. dk_shared is a sum over heads, then tokens.
    void (*attention_backward)(float* dq, float* dkv, float* dk_shared, int ldd_shared, const float* do_, const float* o,
                               const float* stats, const float* q, const float* kv, const float* k_shared,
                               int ld_shared, const int* offsets, int B, Heads heads);

    // a = silu(g) u,  gu = [g | u]: (N, 2F)                                       [Shazeer 2020, eq 6]
    void (*swiglu_forward)(float* a, const float* gu, int N, int F);
    void (*swiglu_backward)(float* dgu, const float* da, const float* gu, int N, int F);

    // s = sigmoid(logits) or softmax(logits), a chain over E; the K best of s + bias, inside the groups_kept best groups;
    // gates from s  [V3 eq 12-16]
    void (*router_forward)(float* score, int* expert, float* gate, const float* logits, const float* bias, int N,
                           Routing routing);
    // dlogits from dgate and from dscore, the balance loss's part.
    void (*router_backward)(float* dlogits, const float* dgate, const float* dscore, const float* score,
                            const int* expert, int N, Routing routing);
    // loss[b] = alpha sum_i f_i P_i of each sequence; dscore = its gradient times weight     [V3 eq 17-20]
    void (*balance_loss)(float* loss, float* dscore, const float* score, const int* offsets, int B, float alpha,
                         float weight, Routing routing);
    // *total += x[0] + x[1] + ..., chain from *total
    void (*add_up)(float* total, const float* x, int n);
    // load[e] += tokens that went to expert e, by the offsets that dispatch sets
    void (*count_load)(int* load, const int* offsets, int E);
    // b_e -= speed where expert e's load is above the mean, += speed where below [V3 section 2.1.2]; an expert's load is
    // the sum over shards, whose loads are `stride` apart
    void (*move_bias)(float* bias, const int* load, int shards, int stride, int E, float speed);
    // Sorts the N K choices by expert, stable in the token: slot r of the sorted list is choice source[r] = n K + j,
    // choice i went to slot place[i], expert e has slots offsets[e] .. offsets[e + 1].
    void (*dispatch)(int* source, int* place, int* offsets, const int* expert, int N, int E, int K);
    // xs[r] = x[source[r] / K]                              dx[n] += sum_j dxs[place[n K + j]], j = 0, 1, ...
    void (*gather_forward)(float* xs, const float* x, const int* source, int N, int K, int C);
    void (*gather_backward)(float* dx, const float* dxs, const int* place, int N, int K, int C);
    // y[n] += sum_j gate[n, j] ys[place[n K + j]], chain    dys = gate dy, dgate[n, j] = dy[n] . ys, lanes
    void (*combine_forward)(float* y, const float* ys, const float* gate, const int* place, int N, int K, int C);
    void (*combine_backward)(float* dys, float* dgate, const float* dy, const float* ys, const float* gate,
                             const int* place, int N, int K, int C);

    // logp[n] = log softmax(logits[n] / temperature)[target[n]], entropy of that softmax, stats[n] = {max, sum}
    void (*logprob_forward)(float* logp, float* entropy, float* stats, const float* logits, const int* target, int N,
                            int V, float inverse_temperature);
    // logits become dlogits = dlogp (1[v = target] - p_v) / temperature. In place.
    void (*logprob_backward)(float* logits, const float* dlogp, const float* stats, const int* target, int N, int V,
                             float inverse_temperature);
    // token[n] drawn from softmax(logits / temperature), cut to its nucleus of mass top_p, by inversion at uniform[n]
    // in [0, 1); temperature 0 (inverse 0) takes the best.  logp as in logprob_forward, of the uncut softmax.
    // ld 0: one row of logits for all
    void (*sample)(int* token, float* logp, const float* logits, int ld, const float* uniform, int N, int V,
                   float inverse_temperature, float top_p);
    // Row n is the next step of the answer in slot[n]: its last token, that token's position, its first block (slot[n]
    // times blocks), and uniform[n] for the draw of the token after it.
    void (*answer_rows)(int* token, int* position, int* block, float* uniform, const int* slot, Answers answers,
                        int blocks, Draws draws, int N);
    // Appends token[n] and logp[n] to the answer in slot[n] if that is GROWING; one of the stop tokens ends it, its
    // limit cuts it.
    void (*append)(Answers answers, const int* slot, const int* token, const float* logp, const int* stop, int stops,
                   int N);

    // y += x, element by element: the tree that joins shards.
    void (*add)(float* y, const float* x, int64_t n);
    // partial[i] = sum of squares of elements i BLOCK .. (i + 1) BLOCK of x, lanes
    void (*squares)(float* partial, const float* x, int64_t n);
    // Updates `count` pieces; update.decay where a piece decays.
    void (*adamw)(float* w, float* m, float* v, const float* g, const Piece* pieces, int count, AdamW update);
};

constexpr int64_t SQUARES_BLOCK = 8192;

// The table for this machine: the widest vectors that it has, or those named by isa: "avx512", "avx2", "generic".
const Ops& cpu_ops(const char* isa = nullptr);

// The table of the first NVIDIA GPU that can run the kernels, or null, and why: no driver, no GPU, too old, or a build
// without CUDA. `about` is the GPU's name and memory, or the reason.
const Ops* cuda_ops(std::string& about);

}  // namespace r1
