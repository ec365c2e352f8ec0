// The transformer of DeepSeek-V3: forward, and the backward pass by hand.
//
//   x = embedding[token]
//   per layer:  x += o_proj(attention(rmsnorm(x)))               multi-head latent attention  [V3 section 2.1.1]
//               x += feed_forward(rmsnorm(x))                     dense in the first layers, then
//                                                                 shared + routed experts      [V3 section 2.1.2]
//   h = rmsnorm(x);  logits = h head
//
// Other families are the same blocks with parts left out (config.h): without latents, queries and keys and values come
// straight from h, which is attention of grouped queries; without experts every layer is dense.
//
// One forward serves training, prefill and decoding. It works on rows: tokens of any sequences, in any number. A row
// never sees how many rows are beside it, so its result cannot depend on the batch.
#pragma once
#include <cstdint>

#include "base/arena.h"
#include "model/weights.h"
#include "ops/ops.h"

namespace r1 {

// N tokens. Row n is token position[n] of the sequence whose cache begins at block[n]. For the backward pass the rows
// are whole sequences: sequence b is rows offsets[b] .. offsets[b + 1].
struct Rows {
    int N = 0, B = 0;
    int *token = nullptr, *position = nullptr, *block = nullptr, *offsets = nullptr;
};

// Keys and values of past tokens, for every layer or, in training, for the layer at hand (layer_blocks = 0).
struct Cache {
    float *k = nullptr, *v = nullptr;
    int64_t blocks = 0, layer_blocks = 0;
};

// What one layer's forward leaves for its backward. Names are those of the equations above and in [V3].
struct LayerActivations {
    float *x, *rstd, *h;                      // (N, C) the layer's input; (N); (N, C) normalised
    float* down;                              // (N, down_width): [c_q | c_kv | k^R] before their norms, k^R rotated
    float *c_q, *rstd_q, *c_kv, *rstd_kv;     // normalised latents
    float *q_raw, *k_raw;                     // queries and keys before the norm of heads: (N, H, D), (N, H_kv, D)
    float *rstd_q_head, *rstd_k_head;         // of each head, or of each row
    float *q, *kv;                            // (N, H, D_k), (N, H_kv, [own | D_v])
    float *o, *stats;                         // (N, H, D_v), (N, H, 2)
    float *x_mid, *rstd_mid, *h_mid;          // after attention
    float *gate_up, *hidden;                  // (N, 2F), (N, F) of the dense network or the shared expert
    float *score, *gate;                      // (N, E), (N, K)
    int *expert, *source, *place, *offsets;   // (N, K), (N K), (N K), (E + 1)
    float *xs, *expert_gate_up, *expert_hidden, *ys;  // rows sorted by expert: (N K, C), (N K, 2F), (N K, F), (N K, C)
};

// Of a module that predicts one token further; its block is a layer behind the others.
struct PredictionActivations {
    float *embedding, *rstd_embedding, *rstd_hidden;  // (N, C) of the token ahead; of both norms
    float *joined, *x, *rstd, *h;             // (N, 2C) [embedding | hidden] normalised; (N, C) the block's output; normalised
    float *dh, *dx;                           // gradients of h, and of x from the next module
};

struct Activations {
    int capacity = 0;                         // rows
    bool training = false;                    // every layer keeps its own, and there are gradients
    std::vector<LayerActivations> layer;
    std::vector<PredictionActivations> prediction;  // in training
    float *x, *rstd, *h;                      // after the last layer; h is what the head reads
    // gradients, in training
    float *dfinal, *djoined;                  // of h; of the modules' joined
    float *dx, *dh, *ddown, *dc_q, *dc_kv, *dq, *dkv, *do_, *dgate_up, *dhidden;
    float *k_head, *dq_raw, *dk_raw;          // keys of all heads side by side; and what norms of heads need
    float *dgate, *dscore, *dlogits, *dxs, *dexpert_gate_up, *dexpert_hidden, *dys, *balance;
    Arena arena;
};

// The model on a device.
struct Model {
    Config config;
    int context = 0;                          // longest sequence: at most max_position_embeddings
    const Ops* ops = nullptr;
    Weights weights;
    Arena tables;
    float* angles = nullptr;                  // (context, rope / 2, {cos, sin})
};

// context: of the sequences to come, which costs memory and does not change a result; 0: max_position_embeddings.
Model make_model(const Config& config, const Ops& ops, int context = 0);
Activations make_activations(const Config& config, const Ops& ops, int rows, bool training);
Cache make_cache(const Config& config, int64_t blocks, bool every_layer, Arena& arena);

// Runs the rows through the model; a.h holds their final states.
void forward(const Model& model, Activations& a, const Rows& rows, const Cache& cache);

// logits (N, V) = h head; and from dlogits: dh is set, dhead += h^T dlogits, tokens. dhead is (C, V), or (V, C) where the
// embedding is the head.
void head_forward(const Model& model, float* logits, const float* h, int N);
void head_backward(const Model& model, float* dh, float* dhead, const float* dlogits, const float* h, int N);

// A reward model's score of each row (N) = h w; and from dscore: dh is set, dw += h^T dscore, tokens.
void score_forward(const Model& model, float* score, const float* h, int N);
void score_backward(const Model& model, float* dh, float* dw, const float* dscore, const float* h, int N);

struct Balance {                              // the sequence-wise balance loss [V3 eq 17]: alpha, and the weight of a
    float alpha = 0, weight = 0;              // sequence in the batch's loss
};

// From a.dfinal, the gradient of the final states: adds the gradients of all weights to `gradient`, and the balance loss
// of every sequence, in order, to balance_loss[layer], which is the device's.
void backward(const Model& model, Activations& a, const Rows& rows, Weights& gradient, Balance balance,
              float* balance_loss);

// Multi-token prediction [V3 eq 21-25]: module k, from 0, reads the states of the one before it (the first: the final
// states) and the embedding of token i + k + 1, which is ahead[i], and a.prediction[k].h is what the head reads to predict
// token i + k + 2. Run after forward, and backward before `backward`, the last module first: from the gradients dh it
// adds those of the module's weights, and to a.dfinal; the embedding's, which is shared, go to dembedding.
//
//   h'_i^k = M_k [RMSNorm(Emb(t_{i+k})) ; RMSNorm(h_i^{k-1})],  h^k = TRM_k(h'^k)         [V3 eq 21, 22], in vLLM's order
void prediction_forward(const Model& model, Activations& a, const Rows& rows, const int* ahead, const Cache& cache, int k);
void prediction_backward(const Model& model, Activations& a, const Rows& rows, const int* ahead, Weights& gradient,
                         float* dembedding, Balance balance, float* balance_loss, int k);

}  // namespace r1
