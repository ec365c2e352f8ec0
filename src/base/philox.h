// Philox4x32-10, a counter-based random number generator [Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011]. A draw is a pure function of where it is used: key (seed, purpose), counter (step, prompt,
// sample, position). No state, so nothing to save, and no order of threads that could change a draw.
#pragma once
#include <cstdint>
#include <vector>

#include "base/exact.h"

namespace r1 {

// What a draw is for: the second word of the key, so that no two uses share a stream.
enum class Purpose : uint32_t { weights = 1, sampling, shuffle, problems, corpus, evaluation, minibatch, selection };

struct Philox4 {
    uint32_t x[4];
};

DEVICE static inline Philox4 philox(uint32_t key0, uint32_t key1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
        const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ key0, n2 = uint32_t(p0 >> 32) ^ c3 ^ key1;
        c0 = n0, c1 = uint32_t(p1), c2 = n2, c3 = uint32_t(p0);
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

DEVICE static inline Philox4 philox(uint32_t seed, Purpose purpose, uint32_t step, uint32_t prompt, uint32_t sample,
                             uint32_t position) {
    return philox(seed, uint32_t(purpose), step, prompt, sample, position);
}

// 24 bits to a float in [0, 1): every value is exact.
DEVICE static inline float uniform(uint32_t bits) { return float(bits >> 8) * 0x1p-24f; }

// A sequence of draws for code that simply wants "the next number": document n of a corpus, a shuffle.
class Stream {
public:
    Stream(uint32_t seed, Purpose purpose, uint32_t step, uint32_t index = 0)
        : seed_(seed), purpose_(purpose), step_(step), index_(index) {}

    uint32_t bits() {
        if (used_ == 4) block_ = philox(seed_, purpose_, step_, index_, 0, position_++), used_ = 0;
        return block_.x[used_++];
    }
    float uniform() { return r1::uniform(bits()); }
    bool chance(float p) { return uniform() < p; }
    // An integer in [0, n), by the high half of a product: bias below n / 2^32.
    uint32_t below(uint32_t n) { return uint32_t((uint64_t(bits()) * n) >> 32); }

private:
    uint32_t seed_;
    Purpose purpose_;
    uint32_t step_, index_, position_ = 0;
    Philox4 block_{};
    int used_ = 4;
};

// Fisher and Yates' shuffle of [first, first + n).
template <class T>
void shuffle(T* first, uint32_t n, Stream& random) {
    for (uint32_t i = n; i > 1; --i) {
        const uint32_t j = random.below(i);
        const T t = first[i - 1];
        first[i - 1] = first[j], first[j] = t;
    }
}

// 0 .. n - 1 in random order: an epoch's order of documents or problems.
inline std::vector<uint32_t> permutation(uint32_t n, Stream random) {
    std::vector<uint32_t> order(n);
    for (uint32_t i = 0; i < n; ++i) order[i] = i;
    shuffle(order.data(), n, random);
    return order;
}

}  // namespace r1
