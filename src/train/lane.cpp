#include "train/lane.h"

#include <algorithm>

#include "base/check.h"
#include "base/threads.h"

namespace r1 {

Lane make_lane(const Model& model, int rows, bool training) {
    Lane lane;
    lane.memory = model.ops->memory;
    // A micro-batch of one sequence may be longer than its share of whole blocks.
    lane.pass = make_forward_pass(model, {rows, 2 * blocks_of(rows) + 8, training, false});
    // Rows whose logits are held at a time: on a CPU they stay in the second-level cache, elsewhere 256 MiB do.
    lane.head_rows = model.ops->on_host ? 192 : std::clamp((1 << 26) / model.config.vocab_size, 1, rows);
    const size_t held = size_t(std::max(lane.head_rows, model.context));
    lane.arena = make_arena(*lane.memory, [&](Arena& arena) {
        for (float** p : {&lane.logp, &lane.entropy, &lane.dlogp}) *p = arena.carve<float>(rows);
        lane.stats = arena.carve<float>(2 * size_t(rows));
        lane.logits = arena.carve<float>(held * model.config.vocab_size);
    });
    lane.host.resize(3 * size_t(rows));
    return lane;
}

int fill(Lane& lane, const std::vector<Example>& batch, int next, int end, int most_rows) {
    PackedRows& packed = lane.pass.packed;
    packed.clear();
    lane.members.clear();
    int block = 0;
    for (; next < end; ++next) {
        const Example& e = batch[next];
        const int rows = e.rows(), blocks = blocks_of(rows);
        if (rows <= 0) continue;
        ENSURE(rows <= packed.capacity(), "a sequence is longer than max_position_embeddings");
        const bool full = packed.rows.N + rows > most_rows || block + blocks > lane.pass.cache.blocks;
        if (packed.rows.B > 0 && full) break;
        packed.add(e.tokens, e.length, rows, 0, block);
        lane.members.push_back(next);
        block += blocks;
    }
    return next;
}

std::vector<int> cut_parts(const std::vector<Example>& batch, int parts) {
    int64_t total = 0, done = 0;
    for (const Example& e : batch) total += e.rows();
    std::vector<int> cut = {0};
    for (int i = 0; i < int(batch.size()); ++i) {
        while (int(cut.size()) < parts && done + batch[i].rows() / 2 >= total * int64_t(cut.size()) / parts && i > 0)
            cut.push_back(i);
        done += batch[i].rows();
    }
    while (int(cut.size()) <= parts) cut.push_back(int(batch.size()));
    return cut;
}

void each_chunk(const Model& model, Lane& lane, const float* h, const int* target, float inverse_temperature,
                const std::function<void(const HeadChunk&)>& with) {
    const Config& c = model.config;
    const int* const offsets = lane.pass.packed.offsets();
    const int capacity = lane.pass.packed.capacity(), B = lane.pass.packed.rows.B;
    float *const logp = lane.host.data(), *const entropy = logp + capacity, *const dlogp = entropy + capacity;
    for (int b = 0; b < B;) {
        int end = b + 1;
        while (end < B && offsets[end + 1] - offsets[b] <= lane.head_rows) ++end;
        const int64_t first = offsets[b];
        const int rows = offsets[end] - int(first);
        head_forward(model, lane.logits, h + first * c.hidden_size, rows);
        model.ops->logprob_forward(lane.logp, lane.entropy, lane.stats, lane.logits, target + first, rows, c.vocab_size,
                                   inverse_temperature);
        lane.memory->download(logp, lane.logp, rows * sizeof(float));
        lane.memory->download(entropy, lane.entropy, rows * sizeof(float));
        with({first, rows, b, end, logp, entropy, dlogp});
        b = end;
    }
}

void each_sequence(const Model& model, Lane& lane, const std::vector<Example>& batch, const HeadChunk& chunk, int ahead,
                   bool learns, const WantsLogits& wants_logits,
                   const std::function<void(int index, const SequenceRows& rows)>& with) {
    const int64_t V = model.config.vocab_size;
    if (learns) std::fill(chunk.dlogp, chunk.dlogp + chunk.rows, 0.0f);
    const auto call = [&](int b, const float* logits) {
        const int index = lane.members[b];
        const int64_t at = lane.pass.packed.offsets()[b] - chunk.first;
        const int with_target = std::max(0, batch[index].length - ahead);
        with(index,
             {chunk.logp + at, chunk.entropy + at, logits, learns ? chunk.dlogp + at : nullptr, ahead, with_target});
    };
    const auto wanted = [&](int b) { return wants_logits && wants_logits(lane.members[b]); };
    parallel_for(chunk.end - chunk.begin, [&](int64_t i) {
        const int b = chunk.begin + int(i);
        if (!wanted(b)) call(b, nullptr);
    });
    for (int b = chunk.begin; b < chunk.end; ++b) {
        if (!wanted(b)) continue;
        const int* const offsets = lane.pass.packed.offsets();
        const size_t count = size_t(offsets[b + 1] - offsets[b]) * size_t(V);
        lane.host_logits.resize(count);
        lane.memory->download(lane.host_logits.data(), lane.logits + (offsets[b] - chunk.first) * V,
                              count * sizeof(float));
        call(b, lane.host_logits.data());
    }
}

void score(std::vector<Lane>& lanes, const Model& model, const std::vector<Example>& batch, float inverse_temperature,
           int most_rows, const std::function<void(int index, const SequenceRows& rows)>& into,
           const WantsLogits& wants_logits) {
    const int count = int(lanes.size());
    const std::vector<int> cut = cut_parts(batch, count);
    const auto score_part = [&](int64_t i) {
        Lane& lane = lanes[i];
        for (int begin = cut[i]; begin < cut[i + 1];) {
            begin = fill(lane, batch, begin, cut[i + 1], most_rows);
            if (lane.members.empty()) break;
            run(model, lane.pass);
            each_chunk(model, lane, lane.pass.activations.h, lane.pass.packed.target, inverse_temperature,
                       [&](const HeadChunk& chunk) {
                each_sequence(model, lane, batch, chunk, 1, false, wants_logits, into);
            });
        }
    };
    // Fewer lanes than threads: one part after the other, every operation split among the threads.
    if (count >= thread_count()) return parallel_for(count, score_part);
    for (int i = 0; i < count; ++i) score_part(i);
}

}  // namespace r1
