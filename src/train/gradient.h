// The gradient of a batch, and the optimizer's step.
//
// A batch's gradient is a sum over tokens, and the order of that sum is fixed here, once: the batch is cut into V
// virtual shards; within a shard the sum is one chain over its tokens in order; shards are joined by a binary tree. V
// belongs to the configuration. Ranks take shards, and so do their threads, and neither can be seen in the result.
// How many sequences go through the model at a time (the micro-batch) only cuts the chain, which goes on where it
// stopped.
//
// Each rank has the weights and a slice of Adam's moments, and updates that slice of the weights: optimizer.h.
#pragma once
#include <functional>
#include <vector>

#include "base/ranks.h"
#include "train/lane.h"

namespace r1 {

// The loss of one sequence: sets dlogp = d loss / d logp of its rows. Called once for each sequence, and if modules
// are trained once more for each of them, on any thread; what it writes must belong to that sequence. Every rank
// calls it for every sequence, so that all know of all; for those of other ranks, without logits.
using SequenceLoss = std::function<void(int index, const SequenceRows& rows)>;

struct TrainOptions {
    int shards = 2;      // V
    int micro_rows = 0;  // rows that go through the model at a time: memory and speed, not results;
                         // 0: 256 on a CPU, whose cache they fit, and 8192 on another device
    float beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f, decay = 0.0f;
    float clip = 1.0f;                 // of the gradient's norm; 0: none
    float bias_speed = 0.0f;           // gamma of the routers' biases [V3 section 2.1.2]
    Balance balance;                   // alpha; the weight is set by the batch
    float inverse_temperature = 1.0f;  // of the policy whose log-probabilities are computed
    bool prediction = false;           // the prediction modules are run and trained; otherwise they stay as they are
};

// Gradients of what is shared are sums from several places, each with the order of the tokens: they are joined in
// apply.
struct SharedGradients {
    float* head;  // that of the weights, or its own (V, C) where the embedding is the head
    std::vector<float*> module_embedding, module_head;
};

struct Trainer {
    Model* model;
    TrainOptions options;
    std::vector<Lane> lanes;        // on a CPU min(threads, shards here), otherwise 1
    Part shards;                    // of V, those of this rank
    std::vector<Weights> gradient;  // one for each of them
    std::vector<SharedGradients> shared;
    std::vector<int64_t> slices;   // rank r updates the floats [slices[r], slices[r + 1]) of the weights
    Weights m, v;                  // Adam's moments; among several ranks empty, and of the slice ...
    float *m_slice, *v_slice;      // ... here
    std::vector<float*> received;  // partials (shards.h) of other ranks, of the slice
    Arena arena;
    int* load;       // (V, all layers, E) tokens that went to each expert
    float* balance;  // (V, all layers) balance loss, a chain over sequences
    float* partial;  // of the gradient's norm
    Piece* pieces;   // of the slice, that the optimizer updates; they begin where the slice does
    int piece_count = 0;
    int64_t step = 0;  // updates done
};

Trainer make_trainer(Model& model, const TrainOptions& options);

// Adds the gradient of the batch's loss, one call per update.
void accumulate(Trainer& trainer, const std::vector<Example>& batch, const SequenceLoss& loss,
                const WantsLogits& wants_logits = {});

// Adds the gradient of a loss of the batch's scores: dscore[i] = d loss / d score of batch[i], which is whole. For a
// reward model.
void accumulate_scores(Trainer& trainer, const std::vector<Example>& batch, const std::vector<float>& dscore);

// Next-token prediction on a batch, for pretraining and SFT; its gradient is accumulated, one call per update:
//
//   loss = CE + lambda / D sum_k CE_k,   CE = -1/N sum log p(tokens[t + 1])           [V3 eq 24, 25]
//
// over the N learned tokens of the batch: all but the first of a sequence, or those where learned[i][t + 1] is 1. CE_k
// is the same for module k, over the learned tokens[t + 1 + k]; with lambda 0 the modules are not trained.
struct TokenLoss {
    double loss = 0;              // CE
    std::vector<double> modules;  // CE_k
    int64_t tokens = 0;           // N
};
TokenLoss accumulate_tokens(Trainer& trainer, const std::vector<Example>& batch, float lambda,
                            const std::vector<const uint8_t*>& learned = {});

// score() of lane.h on the trainer's lanes, at its temperature. Each rank scores a part, and each is told of all.
void score(Trainer& trainer, const Model& model, const std::vector<Example>& batch,
           const std::function<void(int index, const SequenceRows& rows)>& into);

}  // namespace r1
