// A lane: what one worker needs to run whole sequences through the model and its head. The gradient of a batch and the
// scoring of answers both go through lanes.
#pragma once
#include <functional>
#include <vector>

#include "model/forward_pass.h"

namespace r1 {

// A sequence to learn from or to score: row t predicts tokens[t + 1], for t in [0, length - 1). One that a reward model
// reads is whole: its last token is a row too, the one that the score is read from.
struct Example {
    const int* tokens;
    int length;
    bool whole = false;
    int rows() const { return whole ? length : length - 1; }
};

// What the model says of a sequence: of each row the log-probability of its target, the entropy, and, if they were
// asked for, the logits (vocabulary-sized rows, before the temperature).
struct SequenceRows {
    const float *logp, *entropy, *logits;
    float* dlogp;   // nullptr where nothing is learned
    int ahead = 1;  // row t predicts tokens[t + ahead]; more than 1: by a prediction module
    int rows = 0;   // those that have such a target
};

// Which sequences' logits are brought back to the host; empty: none.
using WantsLogits = std::function<bool(int index)>;

// One worker's memory. The head runs in chunks of rows: for each, log-probabilities are downloaded and dlogp uploaded.
struct Lane {
    const Memory* memory;
    ForwardPass pass;
    Arena arena;
    float *logp, *entropy, *dlogp, *stats, *logits;  // the device's
    int head_rows;                                   // whose logits are held at a time
    std::vector<float> host;                         // (3 capacity): logp, entropy, dlogp
    std::vector<float> host_logits;                  // of one sequence after another
    std::vector<int> members;                        // the sequences of the micro-batch
};

// rows: the most at a time; training: for a backward pass too.
Lane make_lane(const Model& model, int rows, bool training);

// Fills the lane with the sequences from `next` on, as many as fit; returns the first that did not.
int fill(Lane& lane, const std::vector<Example>& batch, int next, int end, int most_rows);

// Ranges of whole sequences, cut where their rows come closest to equal parts: part i is [cut[i], cut[i + 1]).
std::vector<int> cut_parts(const std::vector<Example>& batch, int parts);

// What `with` is told of a run of whole sequences whose logits the lane holds.
struct HeadChunk {
    int64_t first;  // row of the lane
    int rows;
    int begin, end;                 // places in lane.members
    float *logp, *entropy, *dlogp;  // (rows) the host's
};
// The head over states h (rows, C): calls with(chunk) for one chunk after the other.
void each_chunk(const Model& model, Lane& lane, const float* h, const int* target, float inverse_temperature,
                const std::function<void(const HeadChunk&)>& with);
// Calls with(index, rows) for each sequence of a chunk, on several threads; what it writes must belong to that
// sequence. learns: dlogp is set to 0 and may be written.
void each_sequence(const Model& model, Lane& lane, const std::vector<Example>& batch, const HeadChunk& chunk, int ahead,
                   bool learns, const WantsLogits& wants_logits,
                   const std::function<void(int index, const SequenceRows& rows)>& with);

// The log-probabilities (and entropies) of every row of every sequence under the model, without gradients, under
// softmax(logits inverse_temperature).
void score(std::vector<Lane>& lanes, const Model& model, const std::vector<Example>& batch, float inverse_temperature,
           int most_rows, const std::function<void(int index, const SequenceRows& rows)>& into,
           const WantsLogits& wants_logits = {});

}  // namespace r1
