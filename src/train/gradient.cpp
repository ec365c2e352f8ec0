#include "train/gradient.h"

#include <algorithm>

#include "base/check.h"
#include "base/threads.h"
#include "train/optimizer.h"
#include "train/seen_rows.h"
#include "train/shards.h"

namespace r1 {

Trainer make_trainer(Model& model, const TrainOptions& options) {
    const Memory& memory = *model.ops->memory;
    const Config& c = model.config;
    const bool on_host = model.ops->on_host, alone = ranks().alone();
    Trainer t{};
    t.model = &model;
    t.options = options;
    t.shards = my_part(options.shards);
    t.slices = slices_of(float_count(model.weights), ranks().count);
    if (t.options.micro_rows <= 0) t.options.micro_rows = on_host ? 256 : 8192;
    const int rows = std::max(t.options.micro_rows, model.context);
    const int64_t lanes = on_host ? std::clamp<int64_t>(t.shards.size(), 1, thread_count()) : 1;
    for (int64_t i = 0; i < lanes; ++i) t.lanes.push_back(make_lane(model, rows, true));
    for (int64_t s = 0; s < t.shards.size(); ++s) t.gradient.push_back(make_weights(c, memory));
    if (alone) {
        t.m = make_weights(c, memory);
        t.v = make_weights(c, memory);
    }
    const size_t begin = size_t(t.slices[size_t(ranks().rank)]), end = size_t(t.slices[size_t(ranks().rank) + 1]);
    const std::vector<Piece> pieces = pieces_of(model, options.prediction, int64_t(begin), int64_t(end));
    t.piece_count = int(pieces.size());
    t.arena = make_arena(memory, [&](Arena& arena) {
        t.shared.clear();
        for (Weights& g : t.gradient) {
            const auto own = [&] { return arena.carve<float>(size_t(c.vocab_size) * c.hidden_size); };
            t.shared.push_back({c.tie_word_embeddings ? own() : g.head, {}, {}});
            for (int k = 0; options.prediction && k < c.num_nextn_predict_layers; ++k) {
                t.shared.back().module_embedding.push_back(own());
                t.shared.back().module_head.push_back(own());
            }
        }
        t.load = arena.carve<int>(size_t(options.shards) * c.all_layers() * c.n_routed_experts);
        t.balance = arena.carve<float>(size_t(options.shards) * c.all_layers());
        t.partial = arena.carve<float>(partial_count(int64_t(end - begin)));
        t.pieces = arena.carve<Piece>(pieces.size());
        t.m_slice = alone ? reinterpret_cast<float*>(t.m.arena.base()) : arena.carve<float>(end - begin);
        t.v_slice = alone ? reinterpret_cast<float*>(t.v.arena.base()) : arena.carve<float>(end - begin);
        t.received.clear();
        for (const int s : partials_of(options.shards, ranks().count))
            t.received.push_back(t.shards.has(s) ? nullptr : arena.carve<float>(end - begin));
    });
    memory.upload(t.pieces, pieces.data(), pieces.size() * sizeof(Piece));
    return t;
}

namespace {

// What the shards of a batch have in common.
struct BatchGradient {
    Trainer& t;
    const std::vector<Example>& batch;
    const SequenceLoss& loss;
    const WantsLogits& wants_logits;
    const std::vector<float>* dscore = nullptr;  // of each sequence, in place of `loss`

    // The loss of the lane's sequences by the head over h: dh is set, dhead added to.
    void head(Lane& lane, const float* h, const int* target, float* dh, float* dhead, int ahead) const {
        const Model& model = *t.model;
        const int C = model.config.hidden_size, V = model.config.vocab_size;
        const float inverse_temperature = t.options.inverse_temperature;
        each_chunk(model, lane, h, target, inverse_temperature, [&](const HeadChunk& chunk) {
            each_sequence(model, lane, batch, chunk, ahead, true, wants_logits, loss);
            const int64_t at = chunk.first * C;
            lane.memory->upload(lane.dlogp, chunk.dlogp, chunk.rows * sizeof(float));
            model.ops->logprob_backward(lane.logits, lane.dlogp, lane.stats, target + chunk.first, chunk.rows, V,
                                        inverse_temperature);
            head_backward(model, dh + at, dhead, lane.logits, h + at, chunk.rows);
        });
    }

    // The same by a reward model's score of each sequence's last row.
    void score_head(Lane& lane, float* dweight) const {
        const Activations& a = lane.pass.activations;
        const PackedRows& packed = lane.pass.packed;
        const int N = packed.rows.N;
        std::fill(lane.host.begin(), lane.host.begin() + N, 0.0f);
        for (size_t b = 0; b < lane.members.size(); ++b)
            lane.host[size_t(packed.offsets()[b + 1] - 1)] = (*dscore)[size_t(lane.members[b])];
        lane.memory->upload(lane.dlogp, lane.host.data(), size_t(N) * sizeof(float));
        score_backward(*t.model, a.dfinal, dweight, lane.dlogp, a.h, N);
    }

    // Adds the gradient of a shard, the sequences [begin, end), a micro-batch after the other. weight: of a sequence's
    // balance loss.
    void shard(int s, int begin, int end, float weight, Lane& lane) const {
        const Model& model = *t.model;
        const Config& c = model.config;
        const int E = c.n_routed_experts, L = c.all_layers();
        const int modules = t.options.prediction ? c.num_nextn_predict_layers : 0;
        Activations& a = lane.pass.activations;
        const PackedRows& packed = lane.pass.packed;
        const Rows& rows = packed.rows;
        const SharedGradients& shared = t.shared[size_t(s - t.shards.begin)];
        Weights& gradient = t.gradient[size_t(s - t.shards.begin)];
        const Balance balance{t.options.balance.alpha, weight};
        float* const balance_loss = t.balance + int64_t(s) * L;
        // tokens after the targets: module k reads the k-th of target, ahead[0], ahead[1], ... and predicts the next
        const auto after = [&](int k) { return k == 0 ? packed.target : packed.ahead + (k - 1) * int64_t(a.capacity); };
        while (begin < end) {
            begin = fill(lane, batch, begin, end, t.options.micro_rows);
            if (lane.members.empty()) break;
            run(model, lane.pass);
            if (dscore) score_head(lane, gradient.score);
            else head(lane, a.h, packed.target, a.dfinal, shared.head, 1);
            for (int k = 0; k < modules; ++k) {
                prediction_forward(model, a, rows, after(k), lane.pass.cache, k);
                head(lane, a.prediction[k].h, after(k + 1), a.prediction[k].dh, shared.module_head[k], k + 2);
            }
            for (int l = 0; l < c.num_hidden_layers + modules; ++l)
                if (!c.is_dense(l)) model.ops->count_load(t.load + (int64_t(s) * L + l) * E, a.layer[l].offsets, E);
            for (int k = modules - 1; k >= 0; --k)
                prediction_backward(model, a, rows, after(k), gradient, shared.module_embedding[k], balance,
                                    balance_loss, k);
            backward(model, a, rows, gradient, balance, balance_loss);
        }
    }
};

}  // namespace

static void accumulate(const BatchGradient& gradient) {
    Trainer& t = gradient.t;
    const std::vector<Example>& batch = gradient.batch;
    const std::vector<int> cut = cut_parts(batch, t.options.shards);
    const float weight = 1.0f / float(batch.size());
    const int64_t lanes = int64_t(t.lanes.size());
    const auto run_shard = [&](int64_t s, Lane& lane) {
        gradient.shard(int(s), cut[size_t(s)], cut[size_t(s) + 1], weight, lane);
    };
    // Fewer lanes than threads: shards one after the other, every operation split among the threads.
    if (lanes < thread_count()) {
        for (int64_t s = t.shards.begin; s < t.shards.end; ++s) run_shard(s, t.lanes[0]);
        return;
    }
    parallel_for(lanes, [&](int64_t lane) {
        for (int64_t s = t.shards.begin + lane; s < t.shards.end; s += lanes) run_shard(s, t.lanes[size_t(lane)]);
    });
}

void accumulate(Trainer& t, const std::vector<Example>& batch, const SequenceLoss& loss,
                const WantsLogits& wants_logits) {
    SeenRows seen(batch, cut_parts(batch, t.options.shards), t.options.shards);
    accumulate(BatchGradient{t, batch, seen.watching(loss), wants_logits});
    seen.share(loss);
}

void accumulate_scores(Trainer& t, const std::vector<Example>& batch, const std::vector<float>& dscore) {
    const SequenceLoss no_loss;
    const WantsLogits no_logits;
    accumulate(BatchGradient{t, batch, no_loss, no_logits, &dscore});
}

TokenLoss accumulate_tokens(Trainer& trainer, const std::vector<Example>& batch, float lambda,
                            const std::vector<const uint8_t*>& learned) {
    const int modules = trainer.options.prediction ? trainer.model->config.num_nextn_predict_layers : 0;
    const auto counts = [&](size_t i, int t) { return learned.empty() || learned[i][t]; };
    std::vector<int64_t> tokens(1 + modules);
    for (size_t i = 0; i < batch.size(); ++i)
        for (int k = 0; k <= modules; ++k)
            for (int t = 1 + k; t < batch[i].length; ++t) tokens[k] += counts(i, t);
    std::vector<std::vector<double>> sums(1 + modules, std::vector<double>(batch.size()));
    accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
        const int k = rows.ahead - 1;
        const float slope = -(k == 0 ? 1.0f : lambda / float(modules)) / float(tokens[k]);
        for (int t = 0; t < rows.rows; ++t) {
            if (!counts(i, t + rows.ahead)) continue;
            sums[k][i] -= rows.logp[t];
            rows.dlogp[t] = slope;
        }
    });
    std::vector<double> mean(1 + modules);
    for (int k = 0; k <= modules; ++k) {
        for (const double sum : sums[k]) mean[k] += sum;
        mean[k] /= double(std::max<int64_t>(1, tokens[k]));
    }
    return {mean[0], {mean.begin() + 1, mean.end()}, tokens[0]};
}

void score(Trainer& t, const Model& model, const std::vector<Example>& batch,
           const std::function<void(int index, const SequenceRows& rows)>& into) {
    const std::vector<int> cut = cut_parts(batch, ranks().count);
    const int begin = cut[size_t(ranks().rank)], end = cut[size_t(ranks().rank) + 1];
    SeenRows seen(batch, cut, ranks().count);
    const SequenceLoss watched = seen.watching(into);
    score(t.lanes, model, {batch.begin() + begin, batch.begin() + end}, t.options.inverse_temperature,
          t.options.micro_rows, [&](int i, const SequenceRows& rows) { watched(begin + i, rows); });
    seen.share(into);
}

}  // namespace r1
