// What the model runs on: rows of tokens as the host packs them and the device reads them, with the activations and the
// cache of keys and values beside them. Training, sampling, scoring and conversations all go through it.
#pragma once
#include <vector>

#include "model/transformer.h"

namespace r1 {

// Rows for the device: one buffer and one upload. This is the one description of what is in it.
class PackedRows {
public:
    Rows rows;              // the device's; N and B are right from add() on
    int* target = nullptr;  // (capacity) the device's: the token after each row's
    int* ahead = nullptr;   // (modules, capacity) the device's: the tokens after the target

    // capacity: the most rows; modules: the tokens after the target that are kept for each row.
    void place(Arena& arena, int capacity, int modules = 0);
    int capacity() const { return capacity_; }

    void clear() { rows.N = rows.B = 0; }
    // The first `count` of `length` tokens of a sequence: the first at `position`, with keys and values from `block`
    // on. A token that is not there is 0 as a target.
    void add(const int* tokens, int length, int count, int position, int block);
    void upload(const Memory& memory);

    const int* offsets() const {
        return offset_;
    }  // (B + 1) the host's: sequence b is rows offsets[b] .. offsets[b + 1]

private:
    int capacity_ = 0, modules_ = 0;
    std::vector<int> host_;  // token, target, position, block: (capacity) each; ahead (modules, capacity); offsets
    int *token_ = nullptr, *target_ = nullptr, *position_ = nullptr, *block_ = nullptr, *ahead_ = nullptr,
        *offset_ = nullptr;
    int* device_ = nullptr;
};

struct ForwardPass {
    PackedRows packed;
    Activations activations;
    Cache cache;
    Arena arena;
};

struct PassOptions {
    int rows = 0;              // the most at a time
    int64_t blocks = 0;        // of keys and values
    bool training = false;     // every layer keeps its activations, for a backward pass
    bool every_layer = false;  // the cache keeps all layers' keys and values, so that sequences can go on
};
ForwardPass make_forward_pass(const Model& model, const PassOptions& options);

// Uploads the packed rows and runs them through the model: pass.activations.h holds their final states.
void run(const Model& model, ForwardPass& pass);

// The same for tokens of one sequence. The row of its last token is the last.
void read_tokens(const Model& model, ForwardPass& pass, const int* tokens, int count, int position, int block);

// The logits (V) after the last row.
void last_logits(const Model& model, const ForwardPass& pass, float* logits);

inline int blocks_of(int tokens) { return (tokens + KEY_BLOCK - 1) / KEY_BLOCK; }

}  // namespace r1
