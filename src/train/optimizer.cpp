#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "train/shards.h"

namespace r1 {

std::vector<Piece> pieces_of(Model& model, bool prediction, int64_t begin, int64_t end) {
    std::vector<Piece> pieces;
    const float* base = reinterpret_cast<float*>(model.weights.arena.base());
    const std::vector<PredictionWeights>& modules = model.weights.prediction;
    visit(
        model.config, model.weights,
        [&](float* w, size_t size, TensorKind kind) {
        if (!prediction && !modules.empty() && w >= modules[0].embedding_norm) return;  // the last of the arena
        const int64_t first = std::max(begin, w - base), last = std::min(end, w - base + int64_t(size));
        for (int64_t at = first; kind != TensorKind::router_bias && at < last; at += MOST_PIECE)
            pieces.push_back({at - begin, int(std::min<int64_t>(MOST_PIECE, last - at)), kind == TensorKind::matrix});
        },
        [](const Tensor&) {});
    return pieces;
}

int64_t partial_count(int64_t n) { return (n + SQUARES_BLOCK - 1) / SQUARES_BLOCK; }

// Of the experts' loads: the busiest expert's share of its layer's mean.
static float load_max(const Config& c, const std::vector<int>& load, int shards) {
    const int L = c.all_layers(), E = c.n_routed_experts;
    float most = 0;
    for (int l = 0; l < L; ++l) {
        if (c.is_dense(l)) continue;
        std::vector<int64_t> of(E);
        int64_t total = 0;
        for (int s = 0; s < shards; ++s)
            for (int e = 0; e < E; ++e) of[e] += load[(s * L + l) * E + e];
        for (const int64_t each : of) total += each;
        for (int e = 0; e < E; ++e) most = std::max(most, float(double(of[e]) * E / double(total > 0 ? total : 1)));
    }
    return most;
}

static float* base(const Weights& w) { return reinterpret_cast<float*>(w.arena.base()); }

// with(its sum, the place that it is joined to) for each gradient of what is shared.
template <class With>
static void each_shared(Trainer& t, const With& with) {
    const Config& c = t.model->config;
    for (size_t s = 0; s < t.gradient.size(); ++s) {
        const SharedGradients& from = t.shared[s];
        Weights& to = t.gradient[s];
        float* const head = c.tie_word_embeddings ? to.embedding : to.head;
        if (from.head != head) with(from.head, head);
        for (float* each : from.module_head) with(each, head);
        for (float* each : from.module_embedding) with(each, to.embedding);
    }
}

// Of `rows` numbers a shard, those of all shards on the host: a rank has its own from the device.
template <class T>
static std::vector<T> of_all_shards(const Trainer& t, const T* device, int64_t rows) {
    std::vector<T> all(size_t(t.options.shards * rows));
    const int64_t begin = t.shards.begin * rows, size = t.shards.size() * rows;
    t.model->ops->memory->download(all.data() + begin, device + begin, size_t(size) * sizeof(T));
    std::vector<int64_t> cut = {0};
    for (int r = 0; r < ranks().count; ++r)
        cut.push_back(part_of(t.options.shards, r, ranks().count).end * rows * int64_t(sizeof(T)));
    gather_pieces(reinterpret_cast<char*>(all.data()), cut);
    return all;
}

// The gradient's norm: lanes within blocks, then a chain over blocks, in double.
static float norm_of(const Trainer& t, const float* slice, int64_t size) {
    std::vector<float> partial(size_t(partial_count(t.slices.back())));
    const int64_t begin = t.slices[size_t(ranks().rank)] / SQUARES_BLOCK;
    t.model->ops->squares(t.partial, slice, size);
    t.model->ops->memory->download(partial.data() + begin, t.partial, size_t(partial_count(size)) * sizeof(float));
    std::vector<int64_t> cut;
    for (const int64_t each : t.slices) cut.push_back(partial_count(each) * int64_t(sizeof(float)));
    gather_pieces(reinterpret_cast<char*>(partial.data()), cut);
    double square = 0;
    for (float each : partial) square += each;
    return float(exact::sqrt(square));
}

Update apply(Trainer& t, float lr, size_t batch_size) {
    Model& model = *t.model;
    const Config& c = model.config;
    const Ops& op = *model.ops;
    const Memory& memory = *op.memory;
    const TrainOptions& o = t.options;
    const int64_t shared_size = int64_t(c.vocab_size) * c.hidden_size;
    const int64_t begin = t.slices[size_t(ranks().rank)], size = t.slices[size_t(ranks().rank) + 1] - begin;
    const int L = c.all_layers(), E = c.n_routed_experts;
    each_shared(t, [&](float* from, float* to) { op.add(to, from, shared_size); });
    const float* const gradient = join_shards(t);

    Update update;
    update.gradient_norm = norm_of(t, gradient, size);
    const std::vector<float> balance = of_all_shards(t, t.balance, L);
    const std::vector<int> load = of_all_shards(t, t.load, int64_t(L) * E);
    // No NaN gets into weights or metrics: its bits differ from processor to processor.
    if (!std::isfinite(update.gradient_norm)) throw NotFinite("the gradient is not finite");
    for (float each : balance) update.balance_loss += each / float(batch_size);
    update.load_max = load_max(c, load, o.shards);

    ++t.step;
    AdamW adamw{lr, o.beta1, o.beta2, o.epsilon, o.decay, 0, 0, 1.0f};
    double power1 = 1, power2 = 1;
    for (int64_t i = 0; i < t.step && (power1 > 1e-9 || power2 > 1e-9); ++i) {
        power1 *= o.beta1;
        power2 *= o.beta2;
    }
    adamw.correction1 = float(1 - power1);
    adamw.correction2 = float(1 - power2);
    if (o.clip > 0 && update.gradient_norm > o.clip) adamw.gradient_scale = o.clip / update.gradient_norm;
    op.adamw(base(model.weights) + begin, t.m_slice, t.v_slice, gradient, t.pieces, t.piece_count, adamw);
    std::vector<int64_t> cut;
    for (const int64_t each : t.slices) cut.push_back(each * int64_t(sizeof(float)));
    gather_pieces(model.weights.arena.base(), cut, exchange_of_device(op.on_host));
    if (!ranks().alone()) memory.upload(t.load, load.data(), load.size() * sizeof(int));
    for (int l = 0; l < L; ++l)
        if (!c.is_dense(l) && c.has_router_bias())
            op.move_bias(model.weights.layer[l].router_bias, t.load + int64_t(l) * E, o.shards, L * E, E, o.bias_speed);

    clear_gradients(t);
    return update;
}

void clear_gradients(Trainer& t) {
    const Config& c = t.model->config;
    const Memory& memory = *t.model->ops->memory;
    const size_t shared_size = size_t(c.vocab_size) * c.hidden_size, rows = size_t(t.options.shards) * c.all_layers();
    for (Weights& g : t.gradient) memory.zero(base(g), g.arena.used());
    each_shared(t, [&](float* from, float*) { memory.zero(from, shared_size * sizeof(float)); });
    memory.zero(t.load, rows * c.n_routed_experts * sizeof(int));
    memory.zero(t.balance, rows * sizeof(float));
}

float learning_rate(int64_t step, int64_t total, int64_t warmup, float peak, float final_share, Decay decay) {
    if (step < warmup) return peak * float(double(step + 1) / double(warmup));
    const double done = total > warmup ? double(step - warmup) / double(total - warmup) : 1.0;
    double share = 1;
    if (decay == Decay::linear) share = 1 - done;
    if (decay == Decay::cosine) {
        double sine, cosine;
        exact::sincos(done * 3.14159265358979323846, sine, cosine);
        share = 0.5 * (1 + cosine);
    }
    return float(peak * (final_share + (1 - final_share) * share));
}

}  // namespace r1
