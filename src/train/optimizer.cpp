#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace r1 {

std::vector<Piece> pieces_of(Model& model, bool prediction) {
    std::vector<Piece> pieces;
    const float* base = reinterpret_cast<float*>(model.weights.arena.base());
    const std::vector<PredictionWeights>& modules = model.weights.prediction;
    visit(
        model.config, model.weights,
        [&](float* w, size_t size, TensorKind kind) {
        if (!prediction && !modules.empty() && w >= modules[0].embedding_norm) return;  // the last of the arena
        for (int64_t at = 0; kind != TensorKind::router_bias && at < int64_t(size); at += MOST_PIECE)
            pieces.push_back(
                {w - base + at, int(std::min<int64_t>(MOST_PIECE, int64_t(size) - at)), kind == TensorKind::matrix});
        },
        [](const Tensor&) {});
    return pieces;
}

int64_t partial_count(const Weights& weights) { return (float_count(weights) + SQUARES_BLOCK - 1) / SQUARES_BLOCK; }

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

Update apply(Trainer& t, float lr, size_t batch_size) {
    Model& model = *t.model;
    const Config& c = model.config;
    const Ops& op = *model.ops;
    const Memory& memory = *op.memory;
    const TrainOptions& o = t.options;
    const int64_t n = float_count(t.m);
    const int L = c.all_layers(), E = c.n_routed_experts;
    const auto base = [](Weights& w) { return reinterpret_cast<float*>(w.arena.base()); };
    const auto for_shared = [&](const auto& use) {  // (its sum, the place that it is joined to)
        for (int s = 0; s < o.shards; ++s) {
            const SharedGradients& from = t.shared[s];
            Weights& to = t.gradient[s];
            float* const head = c.tie_word_embeddings ? to.embedding : to.head;
            if (from.head != head) use(from.head, head);
            for (float* each : from.module_head) use(each, head);
            for (float* each : from.module_embedding) use(each, to.embedding);
        }
    };
    const int64_t shared_size = int64_t(c.vocab_size) * c.hidden_size;
    for_shared([&](float* from, float* to) { op.add(to, from, shared_size); });
    for (int stride = 1; stride < o.shards; stride *= 2)
        for (int s = 0; s + stride < o.shards; s += 2 * stride)
            op.add(base(t.gradient[s]), base(t.gradient[s + stride]), n);

    // What the host wants to know; the norm is lanes within blocks, then a chain over blocks, in double.
    op.squares(t.partial, base(t.gradient[0]), n);
    std::vector<float> partial(partial_count(t.m)), balance(size_t(o.shards) * L);
    std::vector<int> load(size_t(o.shards) * L * E);
    memory.download(partial.data(), t.partial, partial.size() * sizeof(float));
    memory.download(balance.data(), t.balance, balance.size() * sizeof(float));
    memory.download(load.data(), t.load, load.size() * sizeof(int));
    double square = 0;
    for (float each : partial) square += each;
    Update update;
    update.gradient_norm = float(exact::sqrt(square));
    // No NaN gets into weights or metrics: its bits differ from processor to processor.
    if (!std::isfinite(update.gradient_norm))
        fail("the gradient is not finite", "update " + std::to_string(t.step + 1),
             "lower --lr; what was last saved stands");
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
    op.adamw(base(model.weights), base(t.m), base(t.v), base(t.gradient[0]), t.pieces, t.piece_count, adamw);
    for (int l = 0; l < L; ++l)
        if (!c.is_dense(l) && c.has_router_bias())
            op.move_bias(model.weights.layer[l].router_bias, t.load + int64_t(l) * E, o.shards, L * E, E, o.bias_speed);

    for (Weights& g : t.gradient) memory.zero(base(g), size_t(n) * sizeof(float));
    for_shared([&](float* from, float*) { memory.zero(from, size_t(shared_size) * sizeof(float)); });
    memory.zero(t.load, load.size() * sizeof(int));
    memory.zero(t.balance, balance.size() * sizeof(float));
    return update;
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
