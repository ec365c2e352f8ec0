#include "train/shards.h"

#include <algorithm>

#include "base/check.h"

namespace r1 {

std::vector<int64_t> slices_of(int64_t n, int count) {
    const int64_t blocks = (n + SQUARES_BLOCK - 1) / SQUARES_BLOCK;
    std::vector<int64_t> cut;
    for (int r = 0; r <= count; ++r) cut.push_back(std::min(n, blocks * r / count * SQUARES_BLOCK));
    return cut;
}

// The tree's sums, add(to, from) one after the other, from the leaves up.
template <class Add>
static void each_sum(int shards, const Add& add) {
    for (int stride = 1; stride < shards; stride *= 2)
        for (int s = 0; s + stride < shards; s += 2 * stride) add(s, s + stride, std::min(shards, s + 2 * stride));
}

// Whether the shards [begin, end) are of one rank.
static bool of_one_rank(int begin, int end, int shards, int count) {
    for (int r = 0; r < count; ++r) {
        const Part part = part_of(shards, r, count);
        if (part.has(begin)) return end <= part.end;
    }
    return false;
}

std::vector<int> partials_of(int shards, int count) {
    std::vector<bool> left(size_t(shards), true);
    each_sum(shards, [&](int to, int from, int end) {
        if (of_one_rank(to, end, shards, count)) left[size_t(from)] = false;
    });
    std::vector<int> partials;
    for (int s = 0; s < shards; ++s)
        if (left[size_t(s)]) partials.push_back(s);
    return partials;
}

float* join_shards(Trainer& t) {
    const Ops& op = *t.model->ops;
    const int V = t.options.shards, count = ranks().count, me = ranks().rank;
    const auto gradient = [&](int s) {
        return reinterpret_cast<float*>(t.gradient[size_t(s - t.shards.begin)].arena.base());
    };
    const int64_t n = float_count(t.model->weights), begin = t.slices[size_t(me)],
                  size = t.slices[size_t(me) + 1] - begin;
    each_sum(V, [&](int to, int from, int end) {
        if (t.shards.has(to) && of_one_rank(to, end, V, count)) op.add(gradient(to), gradient(from), n);
    });
    if (ranks().alone()) return gradient(0);

    // The slice of each partial: this rank's own, or what comes from its owner.
    std::vector<float*> slice(size_t(V), nullptr);
    const std::vector<int> partials = partials_of(V, count);
    const auto bytes = [&](float* p, int r) {
        const int64_t floats = t.slices[size_t(r) + 1] - t.slices[size_t(r)];
        return std::span<char>(reinterpret_cast<char*>(p), size_t(floats) * sizeof(float));
    };
    for (size_t i = 0; i < partials.size(); ++i) {
        const int s = partials[i];
        const bool mine = t.shards.has(s);
        slice[size_t(s)] = mine ? gradient(s) + begin : t.received[i];
        Ranks::Out out(t.slices.size() - 1);
        Ranks::In in(t.slices.size() - 1);
        for (int r = 0; r < count; ++r) {
            if (r == me) continue;
            if (mine) out[size_t(r)] = bytes(gradient(s) + t.slices[size_t(r)], r);
            else if (part_of(V, r, count).has(s)) in[size_t(r)] = bytes(t.received[i], me);
        }
        exchange_of_device(t.model->ops->on_host)(out, in);
    }
    each_sum(V, [&](int to, int from, int end) {
        if (!of_one_rank(to, end, V, count)) op.add(slice[size_t(to)], slice[size_t(from)], size);
    });
    return slice[0];
}

}  // namespace r1
