// The order in which stages take what they learn from: epoch after epoch, each a shuffled list. Item i stands in it
// floor(w_i) times, and once more with probability w_i - floor(w_i), so that over many epochs it is seen w_i times as
// often as an item of weight 1. Where all weights are 1, an epoch is a permutation of all items.
//
//   weights 1 1 1      0 1 2 in some order             weights 2 1 0.5      0 0 1, and in half of the epochs 2
#pragma once
#include <cstdint>
#include <vector>

#include "base/philox.h"

namespace r1 {

// Which endless sequence of epochs: a stage may draw from several.
struct EpochSeed {
    uint32_t seed = 1, sequence = 0;
};

// The items of one epoch, in its order. weights: [items], each above 0. A pure function of its arguments.
std::vector<uint32_t> epoch_of(const std::vector<double>& weights, EpochSeed seed, uint32_t epoch);

// How many items the first `epochs` epochs have together.
int64_t length_of_epochs(const std::vector<double>& weights, EpochSeed seed, int64_t epochs);

// The items at places begin, ..., end - 1 of epoch 0, 1, 2, ... one behind the other. Where a weight is no whole number
// epochs differ in length, and the time grows with the number of epochs before `begin`.
std::vector<int> items_of_epochs(const std::vector<double>& weights, EpochSeed seed, int64_t begin, int64_t end);

}  // namespace r1
