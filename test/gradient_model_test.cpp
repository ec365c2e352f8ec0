// The proofs of the gradients, the whole: the reference against PyTorch in float64 (reference/golden/model.json), the
// model through accumulate() against the reference's complex step, GRPO from rewards to weights, AdamW through apply().
#include "gradient.h"

#include <fstream>

#include "base/threads.h"
#include "model/train.h"
#include "reference/training.h"
#include "loss/grpo_batch.h"

using namespace r1;

namespace {

const json& golden() {
    static const json file = [] {
        std::ifstream in(R1_SOURCE "/reference/golden/model.json");
        REQUIRE_MESSAGE(in.good(), "reference/golden/model.json is not there");
        return json::parse(in);
    }();
    return file;
}

// One of the two models of reference/make_golden_model.py.
struct Case {
    const json& golden;
    Config config;
    std::vector<Ints> tokens;
    float inverse_temperature, alpha;

    explicit Case(const json& object)
        : golden(object), config(config_from_json(object["config"], "golden/model.json")),
          tokens(object["tokens"].get<std::vector<Ints>>()), inverse_temperature(object["inverse_temperature"]),
          alpha(object["alpha"]) {}

    r1::Model model(const Ops& ops = cpu_ops()) const {
        r1::Model m = make_model(config, ops);
        reference::Model<double> order = reference::read(config, m.weights);
        Numbers stream{golden["seed"].get<uint32_t>()};
        for (const std::string& name : order.names) {
            const reference::Slice& s = order.slice[name];
            const float one = s.kind == TensorKind::gain ? 1.0f : 0.0f;
            const float scale = s.kind == TensorKind::gain ? 0.25f : s.kind == TensorKind::router_bias ? 0.125f : 0.5f;
            for (size_t i = 0; i < s.size(); ++i) order.weight[s.begin + i] = one + scale * stream.next();
        }
        reference::pair_up(m.weights, order, [](float& to, double from) { to = float(from); });
        return m;
    }
};

double row_weight(int t) { return -double(1 + t % 3) / 8; }

template <class T>
T batch_loss(const reference::Model<T>& m, const Case& c) {
    T loss = 0;
    for (const Ints& tokens : c.tokens) {
        const auto s = reference::evaluate(m, tokens, c.inverse_temperature);
        for (size_t t = 0; t < s.logp.size(); ++t) loss += row_weight(int(t)) * s.logp[t];
        loss += double(c.alpha) * s.balance;
    }
    return loss / double(c.tokens.size());
}

// The derivative of the batch's loss with respect to the given weights.
Doubles complex_step(const reference::Model<double>& m, const Case& c, const std::vector<size_t>& elements) {
    const reference::Model<Complex> complex{m.config, {m.weight.begin(), m.weight.end()}, m.names, m.slice};
    Doubles slope(elements.size());
    parallel_for(thread_count(), [&](int64_t thread) {
        reference::Model<Complex> mine = complex;
        for (size_t i = thread; i < elements.size(); i += thread_count()) {
            const Complex value = mine.weight[elements[i]];
            mine.weight[elements[i]] += Complex(0, STEP);
            slope[i] = batch_loss(mine, c).imag() / STEP;
            mine.weight[elements[i]] = value;
        }
    });
    return slope;
}

// The elements of a tensor that the golden file keeps.
std::vector<size_t> kept(const reference::Slice& s) {
    std::vector<size_t> elements;
    const size_t n = s.size();
    for (size_t k = 0; k < (n <= 20 ? n : 10); ++k) elements.push_back(s.begin + (n <= 20 ? k : k * (n - 1) / 9));
    return elements;
}

Gap compare(const Doubles& got, const json& want) {
    REQUIRE(got.size() == want.size());
    Gap gap;
    for (size_t i = 0; i < got.size(); ++i) gap.add(got[i], want[i].get<double>());
    return gap;
}

TEST_CASE("the reference agrees with PyTorch in float64") {
    for (const json& object : golden()["cases"]) {
        const Case c(object);
        r1::Model model = c.model();
        const reference::Model<double> m = reference::read(c.config, model.weights);
        CAPTURE(c.golden["name"].get<std::string>());
        Doubles balance;
        for (size_t b = 0; b < c.tokens.size(); ++b) {
            const auto s = reference::evaluate(m, c.tokens[b], c.inverse_temperature);
            compare(s.logp, c.golden["logp"][b]).check("reference logp", DOUBLE_ERROR);
            balance.push_back(c.alpha * s.balance);
        }
        compare(balance, c.golden["balance"]).check("reference balance", DOUBLE_ERROR);
        compare({batch_loss(m, c)}, json::array({c.golden["loss"]})).check("reference loss", DOUBLE_ERROR);
        size_t with_gradient = 0;
        for (const std::string& name : m.names) {
            if (m.slice.at(name).kind == TensorKind::router_bias) continue;
            CAPTURE(name);
            compare(complex_step(m, c, kept(m.slice.at(name))), c.golden["gradient"].at(name)["entries"])
                .check("reference gradient", DOUBLE_ERROR);
            ++with_gradient;
        }
        CHECK(with_gradient == c.golden["gradient"].size());
    }
}

struct Computed {
    std::vector<Floats> logp, entropy;
    float balance = 0;
    Floats arena;                        // the gradient, as it lies
    reference::Model<double> gradient;   // and by names
};

// The product: all sequences through accumulate(), two shards, several micro-batches.
Computed compute(const Case& c, const Ops& ops) {
    r1::Model model = c.model(ops);
    TrainOptions options;
    options.shards = 2, options.micro_rows = 16, options.balance.alpha = c.alpha;
    options.inverse_temperature = c.inverse_temperature;
    Trainer trainer = make_trainer(model, options);
    std::vector<Example> batch;
    for (const Ints& tokens : c.tokens) batch.push_back({tokens.data(), int(tokens.size())});
    Computed r;
    r.logp.resize(batch.size()), r.entropy.resize(batch.size());
    accumulate(trainer, batch, [&](int b, const SequenceRows& rows) {
        const int n = batch[b].rows();
        r.logp[b].assign(rows.logp, rows.logp + n), r.entropy[b].assign(rows.entropy, rows.entropy + n);
        for (int t = 0; t < n; ++t) rows.dlogp[t] = float(row_weight(t) / double(batch.size()));
    });
    const int64_t n = float_count(trainer.m);
    float* sum = reinterpret_cast<float*>(trainer.gradient[0].arena.base());
    ops.add(sum, reinterpret_cast<float*>(trainer.gradient[1].arena.base()), n);
    r.arena.assign(sum, sum + n);
    r.gradient = reference::read(c.config, trainer.gradient[0]);
    for (int i = 0; i < options.shards * c.config.num_hidden_layers; ++i) r.balance += trainer.balance[i];
    return r;
}

TEST_CASE("gradient: the whole model") {
    for (const json& object : golden()["cases"]) {
        const Case c(object);
        r1::Model model = c.model();
        const reference::Model<double> m = reference::read(c.config, model.weights);
        const std::string name = c.golden["name"];
        CAPTURE(name);
        Computed got;
        on_every_isa("model " + name, [&](const Ops& ops) {
            got = compute(c, ops);
            return std::vector<Floats>{got.arena, got.logp[0], got.logp[2], got.entropy[0]};
        });
        double balance = 0;
        for (size_t b = 0; b < c.tokens.size(); ++b) {
            const auto s = reference::evaluate(m, c.tokens[b], c.inverse_temperature);
            check_values("model logp", got.logp[b], s.logp);
            check_values("model entropy", got.entropy[b], s.entropy);
            balance += c.alpha * s.balance;
        }
        CHECK(got.balance == doctest::Approx(balance).epsilon(1e-5));

        Numbers random{11};
        for (const std::string& tensor : m.names) {
            const reference::Slice& s = m.slice.at(tensor);
            const auto g = got.gradient.weight.begin() + s.begin;
            CAPTURE(tensor);
            if (s.kind == TensorKind::router_bias) {  // which has no gradient
                CHECK(std::all_of(g, g + s.size(), [](double each) { return each == 0; }));
                continue;
            }
            std::vector<size_t> elements;      // every one, or a random 40
            for (size_t i = 0; i < std::min<size_t>(s.size(), 40); ++i)
                elements.push_back(s.begin + (s.size() <= 40 ? i : size_t(random.below(int(s.size())))));
            const Doubles want = complex_step(m, c, elements);
            Gap gap;
            for (size_t i = 0; i < elements.size(); ++i) gap.add(got.gradient.weight[elements[i]], want[i]);
            gap.check("model gradient", FLOAT_ERROR);
            Gap norm;                        // of all elements, from PyTorch
            norm.add(std::sqrt(std::inner_product(g, g + s.size(), g, 0.0)), c.golden["gradient"][tensor]["norm"]);
            norm.check("model gradient's norms", FLOAT_ERROR);
        }
    }
}

// ---- GRPO, from rewards to weights ----

// The last tokens of the sequences, at most `longest`, as answers to one question; what precedes them is not learned.
template <class T>
GrpoBatch<T> as_answers(const Case& c, const std::vector<std::vector<T>>& logp, const Doubles& reward, size_t longest) {
    GrpoBatch<T> batch;
    Numbers random{5};
    GrpoGroup<T>& group = batch.groups.emplace_back();
    for (size_t b = 0; b < c.tokens.size(); ++b) {
        GrpoAnswer<T>& a = group.answers.emplace_back();
        a.reward = reward[b];
        for (size_t t = logp[b].size() > longest ? logp[b].size() - longest : 1; t < logp[b].size(); ++t) {
            a.logp.push_back(logp[b][t]);
            // Fixed numbers near the model's own, on both sides of the clip range.
            const double there = c.golden["logp"][b][t].get<double>();
            a.logp_old.push_back(T(float(there + 0.4 * random.next()))), a.logp_ref.push_back(T(float(there + 0.5 * random.next())));
        }
    }
    return batch;
}

TEST_CASE("GRPO: the gradient of the weights, against the complex step through the whole path") {
    const Case c(golden()["cases"][0]);
    const Doubles reward = {1, 0, 0.5, 0, 1, 0.25, 1, 0};
    REQUIRE(c.tokens.size() <= reward.size());
    std::vector<GrpoMath> settings(6);
    settings[1].spread = Spread::none, settings[1].aggregation = Aggregation::token_mean, settings[1].kl = Kl::k3_corrected;
    settings[2].ratio = Ratio::sequence, settings[2].spread_over = SpreadOver::batch, settings[2].kl = Kl::k2;
    settings[3].ratio = Ratio::whole, settings[3].kl_over = KlOver::answer, settings[3].aggregation = Aggregation::sequence_sum;
    settings[4].objective = Objective::cispo, settings[4].kl = Kl::k1, settings[4].aggregation = Aggregation::constant;
    settings[5].objective = Objective::sapo, settings[5].kl_in = KlIn::reward, settings[5].baseline = Baseline::leave_one_out;
    for (size_t k = 0; k < settings.size(); ++k) {
        CAPTURE(k);
        GrpoMath& math = settings[k];
        math.beta = 0.1, math.budget = 20;
        // A product of ratios has the sum of their errors: in float it is exact to 1e-5 for a few tokens only.
        const size_t longest = math.ratio == Ratio::whole ? 3 : 100;
        r1::Model model = c.model();
        const reference::Model<double> m = reference::read(c.config, model.weights);
        const auto loss_of = [&](const auto& weights) {
            using T = std::decay_t<decltype(weights.weight[0])>;
            std::vector<std::vector<T>> logp;
            for (const Ints& tokens : c.tokens) {
                const auto row = reference::evaluate(weights, tokens, c.inverse_temperature).logp;
                logp.emplace_back(row.begin(), row.end());
            }
            return grpo_batch(as_answers(c, logp, reward, longest), math).loss;
        };

        TrainOptions options;
        options.shards = 2, options.micro_rows = 16, options.balance.alpha = 0, options.inverse_temperature = c.inverse_temperature;
        Trainer trainer = make_trainer(model, options);
        std::vector<Example> batch;
        for (const Ints& tokens : c.tokens) batch.push_back({tokens.data(), int(tokens.size())});
        std::vector<Floats> zeros;
        for (const Example& e : batch) zeros.emplace_back(e.rows());
        GrpoBatch<float> given = as_answers<float>(c, zeros, reward, longest);
        GrpoResult<float> result = grpo_advantages(given, math);
        std::vector<AnswerIndex> all;
        for (int b = 0; b < int(batch.size()); ++b) all.push_back({0, b});
        grpo_count(result, given, all, math);
        accumulate(trainer, batch, [&](int b, const SequenceRows& rows) {
            GrpoAnswer<float>& a = given.groups[0].answers[b];
            GrpoAnswerResult<float>& out = result.groups[0].answers[b];
            const int first = batch[b].rows() - a.length();
            a.logp.assign(rows.logp + first, rows.logp + first + a.length());
            grpo_terms(out, a, math);
            std::fill(rows.dlogp, rows.dlogp + first, 0.0f);
            std::copy(out.dlogp.begin(), out.dlogp.end(), rows.dlogp + first);
        });
        r1::reference::Model<double> got = reference::read(c.config, trainer.gradient[0]);
        const reference::Model<double> other = reference::read(c.config, trainer.gradient[1]);

        Numbers random{23};
        const reference::Model<Complex> complex{m.config, {m.weight.begin(), m.weight.end()}, m.names, m.slice};
        for (const std::string& tensor : m.names) {
            const reference::Slice& s = m.slice.at(tensor);
            if (s.kind == TensorKind::router_bias) continue;
            constexpr int ELEMENTS = 4;
            size_t at[ELEMENTS];
            Doubles want(ELEMENTS);
            for (size_t& each : at) each = s.begin + size_t(random.below(int(s.size())));
            parallel_for(ELEMENTS, [&](int64_t i) {
                reference::Model<Complex> mine = complex;
                mine.weight[at[i]] += Complex(0, STEP);
                want[i] = loss_of(mine).imag() / STEP;
            });
            CAPTURE(tensor);
            Gap gap;
            for (int i = 0; i < ELEMENTS; ++i) gap.add(got.weight[at[i]] + other.weight[at[i]], want[i]);
            double largest = 0;              // of the tensor: the measure, of which four elements know little
            for (size_t i = s.begin; i < s.begin + s.size(); ++i)
                largest = std::max(largest, std::abs(got.weight[i] + other.weight[i]));
            gap.check("GRPO, gradient of the weights", FLOAT_ERROR, largest);
        }
    }
}

// ---- AdamW ----

// Five steps with clipping, decay of matrices alone, and a changing learning rate; want: w, m and v from PyTorch.
TEST_CASE("AdamW agrees with PyTorch") {
    const Case c(golden()["cases"][0]);
    const json& o = golden()["adamw"];
    r1::Model model = c.model();
    TrainOptions options;
    options.shards = 2, options.beta1 = o["beta1"], options.beta2 = o["beta2"], options.epsilon = o["epsilon"];
    options.decay = o["decay"], options.clip = o["clip"];
    Trainer trainer = make_trainer(model, options);

    using reference::read;
    reference::Model<double> w = read(c.config, model.weights), m = read(c.config, trainer.m), v = m, g = m;
    const Doubles initial = w.weight;
    Numbers stream{o["seed"].get<uint32_t>()};
    for (int step = 0; step < 5; ++step) {
        double square = 0;
        for (const std::string& name : g.names) {
            const reference::Slice& s = g.slice[name];
            for (size_t i = s.begin; i < s.begin + s.size() && s.kind != TensorKind::router_bias; ++i) {
                g.weight[i] = stream.next() * o["scale"][step].get<double>();
                square += g.weight[i] * g.weight[i];
            }
        }
        for (Weights& shard : trainer.gradient)  // each holds half
            reference::pair_up(shard, g, [](float& to, double from) { to = float(from / 2); });
        const Update update = apply(trainer, o["lr"][step], 1);
        Gap norm;
        norm.add(std::sqrt(square), o["norm"][step]);
        norm.check("AdamW reference's norm", DOUBLE_ERROR);
        CHECK(update.gradient_norm == doctest::Approx(o["norm"][step].get<double>()).epsilon(1e-6));
        const double scale = std::min(1.0, o["clip"].get<double>() / std::sqrt(square));
        for (const std::string& name : g.names) {
            const reference::Slice& s = g.slice[name];
            const double decay = s.kind == TensorKind::matrix ? o["decay"].get<double>() : 0;
            for (size_t i = s.begin; i < s.begin + s.size() && s.kind != TensorKind::router_bias; ++i)
                reference::adamw(w.weight[i], m.weight[i], v.weight[i], g.weight[i] * scale, step + 1,
                                 o["lr"][step].get<double>(), o["beta1"].get<double>(), o["beta2"].get<double>(),
                                 o["epsilon"].get<double>(), decay);
        }
    }
    const auto product_w = read(c.config, model.weights), product_m = read(c.config, trainer.m);
    const auto product_v = read(c.config, trainer.v);
    for (const auto& item : o["tensor"].items()) {
        const std::string name = item.key();
        const json& want = item.value();
        CAPTURE(name);
        const std::vector<size_t> elements = kept(w.slice.at(name));
        const auto pick = [&](const Doubles& all) {
            Doubles some;
            for (const size_t i : elements) some.push_back(all[i]);
            return some;
        };
        compare(pick(w.weight), want["w"]).check("AdamW reference's w, m, v", DOUBLE_ERROR);
        compare(pick(m.weight), want["m"]).check("AdamW reference's w, m, v", DOUBLE_ERROR);
        compare(pick(v.weight), want["v"]).check("AdamW reference's w, m, v", DOUBLE_ERROR);
        compare(pick(product_w.weight), want["w"]).check("AdamW w", 1e-6);
        compare(pick(product_m.weight), want["m"]).check("AdamW m", 1e-6);
        compare(pick(product_v.weight), want["v"]).check("AdamW v", 1e-6);
        Gap moved;
        for (size_t i = 0; i < elements.size(); ++i) {
            const double from = initial[elements[i]];
            moved.add(product_w.weight[elements[i]] - from, want["w"][i].get<double>() - from);
        }
        moved.check("AdamW w - initial w", FLOAT_ERROR);
    }
    for (const auto& [name, s] : w.slice)  // biases stand still
        for (size_t i = s.begin; i < s.begin + s.size() && s.kind == TensorKind::router_bias; ++i)
            CHECK(product_w.weight[i] == initial[i]);
}

}  // namespace
