// AdamW on the gradient that has been accumulated, and the schedule of its rate.
#pragma once
#include "base/check.h"
#include "train/gradient.h"

namespace r1 {

struct Update {
    float gradient_norm = 0;  // before clipping
    float balance_loss = 0;   // mean over sequences
    float load_max = 0;       // the busiest expert's share of its layer's mean load
};

// The ranges of the weights that AdamW updates: all but the routers' biases, and prediction modules that are not
// trained. Those within the floats [begin, end), counted from there.
std::vector<Piece> pieces_of(Model& model, bool prediction, int64_t begin, int64_t end);

// Numbers of the norm of n floats that the device leaves to the host.
int64_t partial_count(int64_t n);

struct NotFinite : Error {
    using Error::Error;
};

// Joins the shards, clips, updates weights and router biases, and clears the gradients: each rank its slice, and all
// get all weights. An error if the gradient is not finite, before a weight changes.
Update apply(Trainer& trainer, float lr, size_t batch_size);
void clear_gradients(Trainer& trainer);

// Linear warm-up to peak over `warmup` updates, then from peak to final_share * peak over the rest of `total`.
enum class Decay { constant, linear, cosine };
float learning_rate(int64_t step, int64_t total, int64_t warmup, float peak, float final_share, Decay decay);

}  // namespace r1
