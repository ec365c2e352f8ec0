#include "train/epochs.h"

#include <algorithm>
#include <cmath>

namespace r1 {

// How often item i stands in an epoch. The shuffle's own draws have sample 0, this one has sample 1.
static int64_t times(const std::vector<double>& weights, EpochSeed seed, uint32_t epoch, size_t i) {
    const double whole = std::floor(weights[i]), fraction = weights[i] - whole;
    if (fraction == 0) return int64_t(whole);
    const Philox4 draw = philox(seed.seed, Purpose::shuffle, epoch, seed.sequence, 1, uint32_t(i));
    return int64_t(whole) + (uniform(draw.x[0]) < fraction);
}

static int64_t length_of(const std::vector<double>& weights, EpochSeed seed, uint32_t epoch) {
    int64_t length = 0;
    for (size_t i = 0; i < weights.size(); ++i) length += times(weights, seed, epoch, i);
    return length;
}

static bool all_whole(const std::vector<double>& weights) {
    return std::all_of(weights.begin(), weights.end(), [](double w) { return w == std::floor(w); });
}

std::vector<uint32_t> epoch_of(const std::vector<double>& weights, EpochSeed seed, uint32_t epoch) {
    std::vector<uint32_t> list;
    for (size_t i = 0; i < weights.size(); ++i)
        list.insert(list.end(), size_t(times(weights, seed, epoch, i)), uint32_t(i));
    Stream random(seed.seed, Purpose::shuffle, epoch, seed.sequence);
    shuffle(list.data(), uint32_t(list.size()), random);
    return list;
}

int64_t length_of_epochs(const std::vector<double>& weights, EpochSeed seed, int64_t epochs) {
    if (all_whole(weights)) return epochs * length_of(weights, seed, 0);
    int64_t length = 0;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) length += length_of(weights, seed, uint32_t(epoch));
    return length;
}

std::vector<int> items_of_epochs(const std::vector<double>& weights, EpochSeed seed, int64_t begin, int64_t end) {
    int64_t epoch = 0, first = 0;  // the place at which the epoch begins
    if (all_whole(weights)) {
        const int64_t length = length_of(weights, seed, 0);
        epoch = begin / length;
        first = epoch * length;
    }
    std::vector<int> items;
    for (; first < end; ++epoch) {
        const int64_t length = length_of(weights, seed, uint32_t(epoch));
        if (first + length > begin) {
            const std::vector<uint32_t> list = epoch_of(weights, seed, uint32_t(epoch));
            for (int64_t i = std::max(begin, first); i < std::min(end, first + length); ++i)
                items.push_back(int(list[size_t(i - first)]));
        }
        first += length;
    }
    return items;
}

}  // namespace r1
