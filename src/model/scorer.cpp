#include "model/scorer.h"

#include <algorithm>

#include "base/check.h"
#include "base/ranks.h"
#include "base/threads.h"

namespace r1 {

Scorer make_scorer(const Model& model, int rows) {
    ENSURE(model.config.labels == 1, "a model without a score");
    const bool on_host = model.ops->on_host;
    if (rows <= 0) rows = on_host ? 256 : 8192;
    rows = std::max(rows, model.context);
    Scorer scorer;
    scorer.workers.resize(size_t(on_host ? thread_count() : 1));
    for (Scorer::Worker& w : scorer.workers) {
        w.pass = make_forward_pass(model, {rows, 2 * int64_t(blocks_of(rows)) + 8, false, false});
        w.arena = make_arena(*model.ops->memory, [&](Arena& arena) { w.score = arena.carve<float>(size_t(rows)); });
        w.host.resize(size_t(rows));
    }
    return scorer;
}

// Runs sequences from `next` on, as many as fit, and sets their scores; returns the first that did not fit.
static size_t score_some(Scorer::Worker& w, const Model& model, const std::vector<std::vector<int>>& sequences,
                         size_t next, size_t end, std::vector<float>& scores) {
    PackedRows& packed = w.pass.packed;
    packed.clear();
    const size_t first = next;
    for (int block = 0; next < end; ++next) {
        const int length = int(sequences[next].size()), blocks = blocks_of(length);
        ENSURE(length > 0 && length <= model.context, "a sequence of no length, or longer than the context");
        const bool full = packed.rows.N + length > packed.capacity() || block + blocks > w.pass.cache.blocks;
        if (packed.rows.B > 0 && full) break;
        packed.add(sequences[next].data(), length, length, 0, block);
        block += blocks;
    }
    run(model, w.pass);
    score_forward(model, w.score, w.pass.activations.h, packed.rows.N);
    model.ops->memory->download(w.host.data(), w.score, size_t(packed.rows.N) * sizeof(float));
    for (size_t i = first; i < next; ++i) scores[i] = w.host[size_t(packed.offsets()[i - first + 1] - 1)];
    return next;
}

std::vector<float> scores_of(Scorer& scorer, const Model& model, const std::vector<std::vector<int>>& sequences) {
    std::vector<float> scores(sequences.size());
    const size_t workers = scorer.workers.size();
    const Part mine = my_part(int64_t(sequences.size()));
    const auto score_part = [&](int64_t i) {
        const Part part = part_of(mine.size(), int(i), int(workers));
        for (size_t next = size_t(mine.begin + part.begin), end = size_t(mine.begin + part.end); next < end;)
            next = score_some(scorer.workers[size_t(i)], model, sequences, next, end, scores);
    };
    // One worker is another device's, or the only thread's.
    if (workers == 1) score_part(0);
    else parallel_for(int64_t(workers), score_part);
    std::vector<int64_t> cut = {0};
    for (int r = 0; r < ranks().count; ++r)
        cut.push_back(part_of(int64_t(sequences.size()), r, ranks().count).end * int64_t(sizeof(float)));
    gather_pieces(reinterpret_cast<char*>(scores.data()), cut);
    return scores;
}

}  // namespace r1
