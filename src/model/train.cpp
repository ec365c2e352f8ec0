#include "model/train.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/threads.h"

namespace r1 {

static Lane make_lane(const Model& model, int rows) {
    Lane lane;
    lane.memory = model.ops->memory;
    lane.activations = make_activations(model.config, *model.ops, rows, true);
    // Rows whose logits are held at a time: on a CPU they stay in the second-level cache, elsewhere 256 MiB do.
    lane.head_rows = model.ops->on_host ? 192 : std::clamp((1 << 26) / model.config.vocab_size, 1, rows);
    const size_t modules = lane.activations.prediction.size();
    // A micro-batch of one sequence may be longer than its share of whole blocks.
    const int blocks = 2 * ((rows + KEY_BLOCK - 1) / KEY_BLOCK) + 8;
    lane.arena = make_arena(*lane.memory, [&](Arena& arena) {
        int* const all = arena.carve<int>((5 + modules) * size_t(rows) + 1);
        int** part[] = {&lane.rows.token, &lane.target, &lane.rows.position, &lane.rows.block, &lane.ahead};
        for (int i = 0; i < 5; ++i) *part[i] = all ? all + i * size_t(rows) : nullptr;
        lane.rows.offsets = all ? all + (4 + modules) * size_t(rows) : nullptr;
        lane.cache = make_cache(model.config, blocks, false, arena);
        for (float** p : {&lane.logp, &lane.entropy, &lane.dlogp}) *p = arena.carve<float>(rows);
        lane.stats = arena.carve<float>(2 * size_t(rows));
        lane.logits = arena.carve<float>(size_t(std::max(lane.head_rows, model.context)) *
                                         model.config.vocab_size);
    });
    lane.packed.resize((5 + modules) * size_t(rows) + 1);
    lane.host.resize(3 * size_t(rows));
    return lane;
}

// The ranges of the weights that AdamW updates: all but the routers' biases, and prediction modules that are not trained.
static std::vector<Piece> pieces_of(Model& model, bool prediction) {
    std::vector<Piece> pieces;
    const float* base = reinterpret_cast<float*>(model.weights.arena.base());
    const std::vector<PredictionWeights>& modules = model.weights.prediction;
    visit(model.config, model.weights, [&](float* w, size_t size, TensorKind kind) {
        if (!prediction && !modules.empty() && w >= modules[0].embedding_norm) return;  // the last of the arena
        for (int64_t at = 0; kind != TensorKind::router_bias && at < int64_t(size); at += MOST_PIECE)
            pieces.push_back({w - base + at, int(std::min<int64_t>(MOST_PIECE, int64_t(size) - at)),
                              kind == TensorKind::matrix});
    }, [](const Tensor&) {});
    return pieces;
}

static int64_t partial_count(const Trainer& t) { return (float_count(t.m) + SQUARES_BLOCK - 1) / SQUARES_BLOCK; }

Trainer make_trainer(Model& model, const TrainOptions& options) {
    const Memory& memory = *model.ops->memory;
    const Config& c = model.config;
    const bool on_host = model.ops->on_host;
    Trainer t{&model, options, {}, {}, {}, make_weights(c, memory), make_weights(c, memory), {}, {}, {}, {}, {}, 0, 0};
    if (t.options.micro_rows <= 0) t.options.micro_rows = on_host ? 256 : 8192;
    const int rows = std::max(t.options.micro_rows, model.context);
    const int lanes = on_host ? std::min(thread_count(), options.shards) : 1;
    for (int i = 0; i < lanes; ++i) t.lanes.push_back(make_lane(model, rows));
    for (int s = 0; s < options.shards; ++s) t.gradient.push_back(make_weights(c, memory));
    const std::vector<Piece> pieces = pieces_of(model, options.prediction);
    t.piece_count = int(pieces.size());
    t.arena = make_arena(memory, [&](Arena& arena) {
        t.shared.clear();
        for (Weights& g : t.gradient) {
            const auto own = [&] { return arena.carve<float>(size_t(c.vocab_size) * c.hidden_size); };
            t.shared.push_back({c.tie_word_embeddings ? own() : g.head, {}, {}});
            for (int k = 0; options.prediction && k < c.num_nextn_predict_layers; ++k)
                t.shared.back().module_embedding.push_back(own()), t.shared.back().module_head.push_back(own());
        }
        t.load = arena.carve<int>(size_t(options.shards) * c.all_layers() * c.n_routed_experts);
        t.balance = arena.carve<float>(size_t(options.shards) * c.all_layers());
        t.partial = arena.carve<float>(partial_count(t));
        t.pieces = arena.carve<Piece>(pieces.size());
    });
    memory.upload(t.pieces, pieces.data(), pieces.size() * sizeof(Piece));
    return t;
}

// Fills the lane's rows with sequences from `next` on, as many as fit; returns the first that did not.
static int fill(Lane& lane, const std::vector<Example>& batch, int next, int end, int most_rows) {
    Rows& r = lane.rows;
    const size_t capacity = lane.activations.capacity;
    int* const token = lane.packed.data();
    int *const target = token + capacity, *const position = target + capacity, *const first_block = position + capacity,
        *const ahead = first_block + capacity;
    const int modules = int(lane.activations.prediction.size());
    int* const offsets = ahead + modules * capacity;
    r.N = r.B = 0;
    lane.members.clear();
    int block = 0;
    for (; next < end; ++next) {
        const Example& e = batch[next];
        const int rows = e.rows(), blocks = (rows + KEY_BLOCK - 1) / KEY_BLOCK;
        if (rows <= 0) continue;
        ENSURE(rows <= lane.activations.capacity, "a sequence is longer than max_position_embeddings");
        if (r.B > 0 && (r.N + rows > most_rows || block + blocks > lane.cache.blocks)) break;
        offsets[r.B++] = r.N;
        lane.members.push_back(next);
        for (int t = 0; t < rows; ++t, ++r.N) {
            token[r.N] = e.tokens[t], target[r.N] = e.tokens[t + 1];
            position[r.N] = t, first_block[r.N] = block;
            for (int k = 0; k < modules; ++k) ahead[k * capacity + r.N] = t + k + 2 < e.length ? e.tokens[t + k + 2] : 0;
        }
        block += blocks;
    }
    offsets[r.B] = r.N;
    lane.memory->upload(r.token, lane.packed.data(), lane.packed.size() * sizeof(int));
    return next;
}

// The head: calls part(first row, rows, first sequence, sequences, logp, entropy) for runs of whole sequences whose
// logits the lane holds; logp and entropy are the host's.
template <class Part>
static void head(const Model& model, Lane& lane, const float* h, const int* target, float inverse_temperature, const Part& part) {
    const Config& c = model.config;
    const int* offsets = lane.offsets();
    float *const logp = lane.host.data(), *const entropy = logp + lane.activations.capacity;
    for (int b = 0; b < lane.rows.B;) {
        int end = b + 1;
        while (end < lane.rows.B && offsets[end + 1] - offsets[b] <= lane.head_rows) ++end;
        const int64_t first = offsets[b];
        const int rows = offsets[end] - int(first);
        head_forward(model, lane.logits, h + first * c.hidden_size, rows);
        model.ops->logprob_forward(lane.logp, lane.entropy, lane.stats, lane.logits, target + first, rows,
                                   c.vocab_size, inverse_temperature);
        lane.memory->download(logp, lane.logp, rows * sizeof(float));
        lane.memory->download(entropy, lane.entropy, rows * sizeof(float));
        part(first, rows, b, end, logp, entropy);
        b = end;
    }
}

// The loss of the lane's sequences by the head over h: dh is set, dhead added to.
struct HeadLoss {
    Trainer& t;
    Lane& lane;
    const std::vector<Example>& batch;
    const SequenceLoss& loss;
    bool with_logits;

    void run(const float* h, const int* target, float* dh, float* dhead, int ahead) const {
        const Model& model = *t.model;
        const int C = model.config.hidden_size, V = model.config.vocab_size;
        const float inverse_temperature = t.options.inverse_temperature;
        head(model, lane, h, target, inverse_temperature,
             [&](int64_t first, int rows, int b0, int b1, float* logp, float* entropy) {
                 float* dlogp = entropy + lane.activations.capacity;
                 if (with_logits) {
                     lane.host_logits.resize(size_t(rows) * V);
                     lane.memory->download(lane.host_logits.data(), lane.logits, size_t(rows) * V * sizeof(float));
                 }
                 std::fill(dlogp, dlogp + rows, 0.0f);
                 parallel_for(b1 - b0, [&](int64_t i) {
                     const int b = b0 + int(i), index = lane.members[b];
                     const int64_t at = lane.offsets()[b] - first;
                     const float* logits = with_logits ? lane.host_logits.data() + at * V : nullptr;
                     const int with_target = std::max(0, batch[index].length - ahead);
                     loss(index, {logp + at, entropy + at, logits, dlogp + at, ahead, with_target});
                 });
                 lane.memory->upload(lane.dlogp, dlogp, rows * sizeof(float));
                 model.ops->logprob_backward(lane.logits, lane.dlogp, lane.stats, target + first, rows, V, inverse_temperature);
                 head_backward(model, dh + first * C, dhead, lane.logits, h + first * C, rows);
             });
    }
};

static void run_shard(Trainer& t, int shard, const std::vector<Example>& batch, int begin, int end, float weight,
                      const SequenceLoss& loss, bool with_logits, Lane& lane) {
    const Model& model = *t.model;
    const Config& c = model.config;
    const int E = c.n_routed_experts, L = c.all_layers();
    const int modules = t.options.prediction ? c.num_nextn_predict_layers : 0;
    Activations& a = lane.activations;
    const SharedGradients& shared = t.shared[shard];
    const HeadLoss head_loss{t, lane, batch, loss, with_logits};
    const Balance balance{t.options.balance.alpha, weight};
    float* const balance_loss = t.balance + int64_t(shard) * L;
    while (begin < end) {
        begin = fill(lane, batch, begin, end, t.options.micro_rows);
        if (lane.rows.B == 0) break;
        // tokens after the targets: module k reads the k-th of target, ahead[0], ahead[1], ... and predicts the next
        const auto after = [&](int k) { return k == 0 ? lane.target : lane.ahead + (k - 1) * int64_t(a.capacity); };
        forward(model, a, lane.rows, lane.cache);
        head_loss.run(a.h, lane.target, a.dfinal, shared.head, 1);
        for (int k = 0; k < modules; ++k) {
            prediction_forward(model, a, lane.rows, after(k), lane.cache, k);
            head_loss.run(a.prediction[k].h, after(k + 1), a.prediction[k].dh, shared.module_head[k], k + 2);
        }
        for (int l = 0; l < c.num_hidden_layers + modules; ++l)
            if (!c.is_dense(l)) model.ops->count_load(t.load + (int64_t(shard) * L + l) * E, a.layer[l].offsets, E);
        for (int k = modules - 1; k >= 0; --k)
            prediction_backward(model, a, lane.rows, after(k), t.gradient[shard], shared.module_embedding[k], balance,
                                balance_loss, k);
        backward(model, a, lane.rows, t.gradient[shard], balance, balance_loss);
    }
}

// Shards are ranges of whole sequences, cut where their rows come closest to equal parts.
static std::vector<int> cut_shards(const std::vector<Example>& batch, int shards) {
    int64_t total = 0, done = 0;
    for (const Example& e : batch) total += e.rows();
    std::vector<int> cut = {0};
    for (int i = 0; i < int(batch.size()); ++i) {
        while (int(cut.size()) < shards && done + batch[i].rows() / 2 >= total * int64_t(cut.size()) / shards && i > 0)
            cut.push_back(i);
        done += batch[i].rows();
    }
    while (int(cut.size()) <= shards) cut.push_back(int(batch.size()));
    return cut;
}

void accumulate(Trainer& t, const std::vector<Example>& batch, const SequenceLoss& loss, bool with_logits) {
    const std::vector<int> cut = cut_shards(batch, t.options.shards);
    const float weight = 1.0f / float(batch.size());
    const int lanes = int(t.lanes.size());
    const auto run = [&](int s, Lane& lane) { run_shard(t, s, batch, cut[s], cut[s + 1], weight, loss, with_logits, lane); };
    // Fewer lanes than threads: shards one after the other, every operation split among the threads.
    if (lanes < thread_count()) {
        for (int s = 0; s < t.options.shards; ++s) run(s, t.lanes[0]);
        return;
    }
    parallel_for(lanes, [&](int64_t lane) {
        for (int s = int(lane); s < t.options.shards; s += lanes) run(s, t.lanes[lane]);
    });
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
        for (int t = 0; t < rows.rows; ++t)
            if (counts(i, t + rows.ahead)) sums[k][i] -= rows.logp[t], rows.dlogp[t] = slope;
    });
    std::vector<double> mean(1 + modules);
    for (int k = 0; k <= modules; ++k) {
        for (const double sum : sums[k]) mean[k] += sum;
        mean[k] /= double(std::max<int64_t>(1, tokens[k]));
    }
    return {mean[0], {mean.begin() + 1, mean.end()}, tokens[0]};
}

// Of the experts' loads: the busiest expert's share of its layer's mean.
static float load_max(const Config& c, const std::vector<int>& load, int shards) {
    const int L = c.all_layers(), E = c.n_routed_experts;
    float most = 0;
    for (int l = 0; l < L; ++l) {
        if (c.is_dense(l)) continue;
        std::vector<int64_t> of(E);
        int64_t total = 0;
        for (int s = 0; s < shards; ++s)
            for (int e = 0; e < E; ++e) of[e] += load[(s * L + l) * E + e], total += load[(s * L + l) * E + e];
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
    std::vector<float> partial(partial_count(t)), balance(size_t(o.shards) * L);
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
        fail("the gradient is not finite", "update " + std::to_string(t.step + 1), "lower --lr; what was last saved stands");
    for (float each : balance) update.balance_loss += each / float(batch_size);
    update.load_max = load_max(c, load, o.shards);

    ++t.step;
    AdamW adamw{lr, o.beta1, o.beta2, o.epsilon, o.decay, 0, 0, 1.0f};
    double power1 = 1, power2 = 1;
    for (int64_t i = 0; i < t.step && (power1 > 1e-9 || power2 > 1e-9); ++i) power1 *= o.beta1, power2 *= o.beta2;
    adamw.correction1 = float(1 - power1), adamw.correction2 = float(1 - power2);
    if (o.clip > 0 && update.gradient_norm > o.clip) adamw.gradient_scale = o.clip / update.gradient_norm;
    op.adamw(base(model.weights), base(t.m), base(t.v), base(t.gradient[0]), t.pieces, t.piece_count, adamw);
    for (int l = 0; l < L; ++l)
        if (!c.is_dense(l) && c.has_router_bias())
            op.move_bias(model.weights.layer[l].router_bias, t.load + int64_t(l) * E, o.shards, L * E, E, o.bias_speed);

    for (Weights& g : t.gradient) memory.zero(base(g), size_t(n) * sizeof(float));
    for_shared([&](float* from, float*) { memory.zero(from, size_t(shared_size) * sizeof(float)); });
    memory.zero(t.load, load.size() * sizeof(int)), memory.zero(t.balance, balance.size() * sizeof(float));
    return update;
}

void score(Trainer& t, const Model& model, const std::vector<Example>& batch,
           const std::function<void(int, const float*, const float*)>& into) {
    const int lanes = int(t.lanes.size());
    const std::vector<int> cut = cut_shards(batch, lanes);
    const auto run = [&](int64_t i) {
        Lane& lane = t.lanes[i];
        for (int begin = cut[i]; begin < cut[i + 1];) {
            begin = fill(lane, batch, begin, cut[i + 1], t.options.micro_rows);
            if (lane.rows.B == 0) break;
            forward(model, lane.activations, lane.rows, lane.cache);
            head(model, lane, lane.activations.h, lane.target, t.options.inverse_temperature,
                 [&](int64_t first, int, int b0, int b1, const float* logp, const float* entropy) {
                     for (int b = b0; b < b1; ++b) {
                         const int64_t at = lane.offsets()[b] - first;
                         into(lane.members[b], logp + at, entropy + at);
                     }
                 });
        }
    };
    if (lanes < thread_count()) for (int i = 0; i < lanes; ++i) run(i);
    else parallel_for(lanes, run);
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
