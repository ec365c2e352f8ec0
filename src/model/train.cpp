#include "model/train.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"

namespace r1 {

static Lane make_lane(const Config& config, int rows) {
    Lane lane;
    lane.activations = make_activations(config, rows, true);
    const int blocks = 2 * ((rows + KEY_BLOCK - 1) / KEY_BLOCK) + 8;
    const auto place = [&](Arena& arena) {
        lane.cache = make_cache(config, blocks, false, arena);
        for (int** p : {&lane.rows.token, &lane.rows.position, &lane.rows.block, &lane.target}) *p = arena.carve<int>(rows);
        lane.rows.offsets = arena.carve<int>(rows + 1);
        for (float** p : {&lane.logp, &lane.entropy, &lane.dlogp}) *p = arena.carve<float>(rows);
        lane.stats = arena.carve<float>(2 * rows);
        lane.logits = arena.carve<float>(size_t(rows) * config.vocab_size);
    };
    Arena count;
    place(count);
    lane.memory = Arena(count.used());
    place(lane.memory);
    return lane;
}

Trainer make_trainer(Model& model, const TrainOptions& options) {
    Trainer t{&model, options, {}, {}, make_weights(model.config), make_weights(model.config), {}, {}, {}, {}, 0};
    const int rows = std::max(options.micro_rows, model.config.max_position_embeddings);
    for (int i = 0; i < std::min(thread_count(), options.shards); ++i) t.lanes.push_back(make_lane(model.config, rows));
    for (int s = 0; s < options.shards; ++s) t.gradient.push_back(make_weights(model.config));
    t.load.assign(options.shards, std::vector<int64_t>(model.config.num_hidden_layers * model.config.n_routed_experts));
    t.balance.assign(options.shards, std::vector<float>(model.config.num_hidden_layers));
    t.partial.resize(float_count(t.m) / SQUARES_BLOCK + 1);
    const float* base = reinterpret_cast<float*>(model.weights.arena.base());
    visit(model.config, model.weights, [&](float* w, size_t size, TensorKind kind) {
        constexpr int64_t MOST = 1 << 15;
        for (int64_t at = 0; kind != TensorKind::bias && at < int64_t(size); at += MOST)
            t.pieces.push_back({w - base + at, std::min<int64_t>(MOST, int64_t(size) - at), kind == TensorKind::matrix});
    }, [](const Tensor&) {});
    return t;
}

// Fills the lane's rows with sequences from `next` on, as many as fit; returns the first that did not.
static int fill(Lane& lane, const std::vector<Example>& batch, int next, int end, int most_rows) {
    Rows& r = lane.rows;
    r.N = r.B = 0;
    lane.members.clear();
    int block = 0;
    for (; next < end; ++next) {
        const Example& e = batch[next];
        const int rows = e.rows(), blocks = (rows + KEY_BLOCK - 1) / KEY_BLOCK;
        if (rows <= 0) continue;
        ENSURE(rows <= lane.activations.capacity, "a sequence is longer than max_position_embeddings");
        if (r.B > 0 && (r.N + rows > most_rows || block + blocks > lane.cache.blocks)) break;
        r.offsets[r.B++] = r.N;
        lane.members.push_back(next);
        for (int t = 0; t < rows; ++t, ++r.N) {
            r.token[r.N] = e.tokens[t], lane.target[r.N] = e.tokens[t + 1];
            r.position[r.N] = t, r.block[r.N] = block;
        }
        block += blocks;
    }
    r.offsets[r.B] = r.N;
    return next;
}

constexpr int HEAD_ROWS = 192;  // rows whose logits are held at a time: they stay in the second-level cache

// The head: calls part(first row, rows, first sequence, sequences) for runs of whole sequences, logits computed.
template <class Part>
static void head(const Model& model, Lane& lane, const Part& part) {
    const Config& c = model.config;
    const Rows& r = lane.rows;
    for (int b = 0; b < r.B;) {
        int end = b + 1;
        while (end < r.B && r.offsets[end + 1] - r.offsets[b] <= HEAD_ROWS) ++end;
        const int64_t first = r.offsets[b];
        const int rows = r.offsets[end] - int(first);
        model.ops->matmul_forward(lane.logits, c.vocab_size, nullptr, 0, lane.activations.h + first * c.hidden_size,
                                  c.hidden_size, model.weights.head, rows, c.hidden_size, c.vocab_size);
        part(first, rows, b, end);
        b = end;
    }
}

static void run_shard(Trainer& t, int shard, const std::vector<Example>& batch, int begin, int end, float weight,
                      const SequenceLoss& loss, Lane& lane) {
    const Model& model = *t.model;
    const Config& c = model.config;
    const Ops& op = *model.ops;
    const int C = c.hidden_size, V = c.vocab_size;
    Weights& g = t.gradient[shard];
    const float inverse_temperature = t.options.inverse_temperature;
    while (begin < end) {
        begin = fill(lane, batch, begin, end, t.options.micro_rows);
        if (lane.rows.B == 0) break;
        forward(model, lane.activations, lane.rows, lane.cache);
        for (int l = 0; l < c.num_hidden_layers; ++l)
            for (int e = 0; e < c.n_routed_experts && !c.is_dense(l); ++e)
                t.load[shard][l * c.n_routed_experts + e] +=
                    lane.activations.layer[l].offsets[e + 1] - lane.activations.layer[l].offsets[e];
        head(model, lane, [&](int64_t first, int rows, int b0, int b1) {
            const int* target = lane.target + first;
            op.logprob_forward(lane.logp, lane.entropy, lane.stats, lane.logits, target, rows, V, inverse_temperature);
            for (int b = b0; b < b1; ++b) {
                const int64_t at = lane.rows.offsets[b] - first;
                loss(lane.members[b], {lane.logp + at, lane.entropy + at, lane.logits + at * V, lane.dlogp + at});
            }
            op.logprob_backward(lane.logits, lane.dlogp, lane.stats, target, rows, V, inverse_temperature);
            const float* h = lane.activations.h + first * C;
            op.matmul_backward_w(g.head, h, C, lane.logits, V, rows, C, V);
            op.matmul_backward_x(lane.activations.dh + first * C, C, nullptr, 0, lane.logits, V, model.weights.head,
                                 rows, C, V);
        });
        backward(model, lane.activations, lane.rows, g, {t.options.balance.alpha, weight}, t.balance[shard].data());
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

void accumulate(Trainer& t, const std::vector<Example>& batch, const SequenceLoss& loss) {
    const std::vector<int> cut = cut_shards(batch, t.options.shards);
    const float weight = 1.0f / float(batch.size());
    const int lanes = int(t.lanes.size());
    // Fewer lanes than threads: shards one after the other, every operation split among the threads.
    if (lanes < thread_count()) {
        for (int s = 0; s < t.options.shards; ++s) run_shard(t, s, batch, cut[s], cut[s + 1], weight, loss, t.lanes[0]);
        return;
    }
    parallel_for(lanes, [&](int64_t lane) {
        for (int s = int(lane); s < t.options.shards; s += lanes)
            run_shard(t, s, batch, cut[s], cut[s + 1], weight, loss, t.lanes[lane]);
    });
}

Update apply(Trainer& t, float lr, size_t batch_size) {
    Model& model = *t.model;
    const Ops& op = *model.ops;
    const int64_t n = float_count(t.m);
    const auto base = [](Weights& w) { return reinterpret_cast<float*>(w.arena.base()); };
    for (int stride = 1; stride < t.options.shards; stride *= 2)
        for (int s = 0; s + stride < t.options.shards; s += 2 * stride)
            op.add(base(t.gradient[s]), base(t.gradient[s + stride]), n);

    // The norm: lanes within blocks, then a chain over blocks, in double.
    op.squares(t.partial.data(), base(t.gradient[0]), n);
    double square = 0;
    for (int64_t i = 0; i < (n + SQUARES_BLOCK - 1) / SQUARES_BLOCK; ++i) square += t.partial[i];
    Update update;
    update.gradient_norm = float(exact::sqrt(square));

    ++t.step;
    const TrainOptions& o = t.options;
    AdamW adamw{lr, o.beta1, o.beta2, o.epsilon, 0, 0, 0, 1.0f};
    double power1 = 1, power2 = 1;
    for (int64_t i = 0; i < t.step && (power1 > 1e-9 || power2 > 1e-9); ++i) power1 *= o.beta1, power2 *= o.beta2;
    adamw.correction1 = float(1 - power1), adamw.correction2 = float(1 - power2);
    if (o.clip > 0 && update.gradient_norm > o.clip) adamw.gradient_scale = o.clip / update.gradient_norm;
    parallel_for(int64_t(t.pieces.size()), [&](int64_t i) {
        const Piece& p = t.pieces[i];
        AdamW mine = adamw;
        mine.decay = p.decays ? o.decay : 0.0f;
        op.adamw(base(model.weights) + p.begin, base(t.m) + p.begin, base(t.v) + p.begin,
                 base(t.gradient[0]) + p.begin, p.size, mine);
    });

    // b_i -= gamma where expert i's load is above the mean, += gamma where below  [V3 section 2.1.2]
    const int E = model.config.n_routed_experts;
    for (int l = model.config.first_k_dense_replace; l < model.config.num_hidden_layers; ++l) {
        std::vector<int64_t> load(E);
        int64_t total = 0;
        for (int e = 0; e < E; ++e) {
            for (int s = 0; s < o.shards; ++s) load[e] += t.load[s][l * E + e];
            total += load[e];
        }
        for (int e = 0; e < E; ++e) {
            const int64_t excess = load[e] * E - total;
            model.weights.layer[l].router_bias[e] += excess > 0 ? -o.bias_speed : excess < 0 ? o.bias_speed : 0.0f;
            update.load_max = std::max(update.load_max, float(double(load[e]) * E / double(total > 0 ? total : 1)));
        }
    }
    for (int s = 0; s < o.shards; ++s) {
        for (float& loss : t.balance[s]) update.balance_loss += loss / float(batch_size), loss = 0;
        std::fill(t.load[s].begin(), t.load[s].end(), 0);
    }
    parallel_for(o.shards, [&](int64_t s) { std::memset(base(t.gradient[s]), 0, size_t(n) * sizeof(float)); });
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
            head(model, lane, [&](int64_t first, int rows, int b0, int b1) {
                model.ops->logprob_forward(lane.logp, lane.entropy, lane.stats, lane.logits, lane.target + first, rows,
                                           model.config.vocab_size, t.options.inverse_temperature);
                for (int b = b0; b < b1; ++b) {
                    const int64_t at = lane.rows.offsets[b] - first;
                    into(lane.members[b], lane.logp + at, lane.entropy + at);
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
