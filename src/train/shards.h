// The sum of the shards' gradients over all ranks, by one fixed binary tree: 0 + 1, 2 + 3, ..., then 0 + 2, 4 + 6,
// ... A rank adds what is its own, and what is left of the tree is done by the rank whose slice of the weights it is:
// to that rank the others send their sums of the slice.
#pragma once
#include <cstdint>
#include <vector>

#include "train/gradient.h"

namespace r1 {

// Of n floats the slices of `count` ranks, cut[0] = 0 to cut[count] = n, each of whole blocks of the gradient's norm.
std::vector<int64_t> slices_of(int64_t n, int count);

// The shards that are left when each rank has added what is its own: each stands for itself and those after it.
std::vector<int> partials_of(int shards, int count);

// Adds up, and returns the sum over this rank's slice, on the device. The gradients are then used up.
float* join_shards(Trainer& trainer);

}  // namespace r1
