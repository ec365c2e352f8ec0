// The two blocks of a layer, which the transformer and its prediction modules are made of. m: the model; w, g: weights
// of the layer and their gradient; a, l: its activations; all: those that layers share.
#pragma once
#include "model/transformer.h"

namespace r1 {

// a.x_mid = a.x + o_proj(attention(rmsnorm(a.x))), its keys and values cached as those of layer `layer`.
void attention_block_forward(const Model& m, const LayerWeights& w, const Activations& all, LayerActivations& a,
                             const Rows& r, const Cache& cache, int layer);
// a.dx is the gradient of x_mid on entry, of x on return.
void attention_block_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l,
                              Activations& a, const Rows& r);

// x = a.x_mid + ffn(rmsnorm(a.x_mid)), with the routed experts' part added unless the layer is dense.
void feed_forward_forward(const Model& m, const LayerWeights& w, LayerActivations& a, float* x, int N, bool dense);
// a.dx is the gradient of x on entry, of x_mid on return. Sequences' balance losses are added to *balance_loss.
void feed_forward_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l, Activations& a,
                           const Rows& r, bool dense, Balance balance, float* balance_loss);

// a.q from a.q_raw, and keys in a.kv, normalised by head or by row, then cut at clip_qkv; nothing without such norms.
void head_norms_forward(const Model& m, const LayerWeights& w, const Activations& all, LayerActivations& a, int N);
void head_norms_backward(const Model& m, const LayerWeights& w, LayerWeights& g, LayerActivations& l, Activations& a,
                         int N);

}  // namespace r1
