// The proofs of the gradients, the whole: the reference against PyTorch in float64 (reference/golden/model.json), the
// model through accumulate() against the reference's complex step, GRPO's formulas, AdamW through apply().
#include "gradient.h"

#include <fstream>

#include "base/threads.h"
#include "model/train.h"
#include "reference/training.h"
#include "stages/grpo_math.h"

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
            const float scale = s.kind == TensorKind::gain ? 0.25f : s.kind == TensorKind::bias ? 0.125f : 0.5f;
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
            if (m.slice.at(name).kind == TensorKind::bias) continue;
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
    accumulate(trainer, batch, [&](int b, const float* logp, const float* entropy, float* dlogp) {
        r.logp[b].assign(logp, logp + batch[b].rows()), r.entropy[b].assign(entropy, entropy + batch[b].rows());
        for (int t = 0; t < batch[b].rows(); ++t) dlogp[t] = float(row_weight(t) / double(batch.size()));
    });
    const int64_t n = float_count(trainer.m);
    float* sum = reinterpret_cast<float*>(trainer.gradient[0].arena.base());
    ops.add(sum, reinterpret_cast<float*>(trainer.gradient[1].arena.base()), n);
    r.arena.assign(sum, sum + n);
    r.gradient = reference::read(c.config, trainer.gradient[0]);
    for (const auto& shard : trainer.balance)
        for (float loss : shard) r.balance += loss;
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
            if (s.kind == TensorKind::bias) {  // which has no gradient
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

// ---- GRPO ----

TEST_CASE("GRPO: advantages") {
    const auto of = [](std::vector<double> reward, Spread spread) {
        GrpoMath math;
        math.spread = spread;
        advantages(reward.data(), std::vector<double>(reward).data(), int(reward.size()), math);
        return reward;
    };
    const auto same = [](const Doubles& got, const Doubles& want) {
        for (size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-12));
    };
    const double epsilon = 1e-4f;
    // One of four right: mean 1/4, squares sum to 3/4: deviation 1/2 of the sample, sqrt(3)/4 of the population.
    const double sample = 0.5 + epsilon, population = std::sqrt(3.0) / 4 + epsilon;
    same(of({1, 0, 0, 0}, Spread::sample), {0.75 / sample, -0.25 / sample, -0.25 / sample, -0.25 / sample});
    same(of({1, 0, 0, 0}, Spread::population), {0.75 / population, -0.25 / population, -0.25 / population});
    same(of({1, 0, 0, 0}, Spread::none), {0.75, -0.25, -0.25, -0.25});
    same(of({0, 3}, Spread::sample), {-1.5 / (std::sqrt(4.5) + epsilon), 1.5 / (std::sqrt(4.5) + epsilon)});
    for (const Spread spread : {Spread::sample, Spread::population, Spread::none}) {
        GrpoMath math;
        math.spread = spread;
        for (const int G : {1, 2, 3, 7}) {  // equal rewards say nothing, exactly, though 7 * 0.1f / 7 is not 0.1f
            const Floats reward(G, 0.1f);
            Floats A(G, NAN);
            advantages(A.data(), reward.data(), G, math);
            for (const float each : A) CHECK(each == 0.0f);
        }
    }
}

TEST_CASE("GRPO: the term of a token and its slope") {
    Gap value, slope;
    const float settings[][3] = {{0.2f, 0.2f, 0.04f}, {0.2f, 0.28f, 0.0f}, {10.0f, 10.0f, 0.001f}};
    for (const auto& [low, high, beta] : settings) {
        GrpoMath math;
        math.epsilon_low = low, math.epsilon_high = high, math.beta = beta;
        // The logarithms of the clip's edges; with epsilon 10 there is no lower one.
        const double bottom = low < 1 ? std::log1p(-double(low)) : -99.0, top = std::log1p(double(high));
        for (const double log_ratio : {-2.0, bottom - 1e-9, bottom + 1e-9, -0.1, 0.0, 0.1, top - 1e-9, top + 1e-9, 2.5})
            for (const double A : {1.5, -0.5, 0.0})
                for (const double d : {-1.0, 0.0, 0.3}) {
                    if (log_ratio < -29) continue;  // where the product cuts
                    const double logp = -1.25, logp_old = logp - log_ratio, logp_ref = logp + d;
                    const auto term = token_term<double>(logp, logp_old, logp_ref, A, math);
                    const Complex want = reference::grpo_objective(Complex(logp, STEP), logp_old, logp_ref, A, low,
                                                                   high, beta);
                    value.add(term.policy - double(beta) * term.kl, want.real());
                    slope.add(term.slope, want.imag() / STEP);
                    const int side = A > 0 && log_ratio > top ? 1 : A < 0 && log_ratio < bottom ? -1 : 0;
                    CHECK(term.clipped == side);
                    if (side) CHECK(term.slope == double(beta) * (std::exp(logp_ref - logp) - 1));
                }
    }
    value.check("GRPO term", DOUBLE_ERROR);
    slope.check("GRPO slope", DOUBLE_ERROR);

    // By hand: r = e^0.1 = 1.10517, d = 0.3: k3 = e^0.3 - 0.3 - 1 = 0.0498588.
    // r A = 2.21034, slope = r A + 0.1 (e^0.3 - 1) = 2.24533.
    GrpoMath math;
    math.beta = 0.1f;
    const auto term = token_term<double>(-1.0, -1.1, -0.7, 2.0, math);
    CHECK(term.policy == doctest::Approx(2.2103418361512953));
    CHECK(term.kl == doctest::Approx(0.0498588075760032));
    CHECK(term.slope == doctest::Approx(2.2453277169088956));
    CHECK(token_term<double>(-1.0, -1.5, -1.0, 2.0, math).policy == doctest::Approx(2.4));   // held at 1.2
    CHECK(token_term<double>(-1.5, -1.0, -1.5, -2.0, math).policy == doctest::Approx(-1.6));  // held at 0.8
}

TEST_CASE("GRPO: exact on policy, finite far from it") {
    const GrpoMath math;
    for (const float logp : {-0.0f, -1e-7f, -0.7f, -13.25f, -88.0f}) {
        const auto term = token_term<float>(logp, logp, logp, 0.7f, math);
        CHECK(term.ratio == 1.0f);
        CHECK(term.kl == 0.0f);
        CHECK(term.policy == 0.7f);
        CHECK(term.slope == 0.7f);  // [DSM eq 21]: A + beta (1 - 1)
        CHECK(term.clipped == 0);
    }
    for (const float far : {-100.0f, 100.0f})
        for (const float A : {-1.0f, 1.0f}) {
            const auto term = token_term<float>(-1.0f, -1.0f + far, -1.0f + far, A, math);
            CHECK(std::isfinite(term.ratio));
            CHECK(std::isfinite(term.policy));
            CHECK(std::isfinite(term.kl));
            CHECK(std::isfinite(term.slope));
            CHECK(term.kl > 0);
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
            for (size_t i = s.begin; i < s.begin + s.size() && s.kind != TensorKind::bias; ++i) {
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
            for (size_t i = s.begin; i < s.begin + s.size() && s.kind != TensorKind::bias; ++i)
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
        for (size_t i = s.begin; i < s.begin + s.size() && s.kind == TensorKind::bias; ++i)
            CHECK(product_w.weight[i] == initial[i]);
}

}  // namespace
