// The proofs of what GRPO computes: worked values, the formulas against the complex step, every variant against an
// independent implementation in another language (reference/make_golden.py) and against TRL and verl
// (reference/check_peers.py), and the estimator itself, on a policy small enough to enumerate.
#include "gradient.h"

#include <cmath>

#include "base/files.h"
#include "base/philox.h"
#include "reference/training.h"
#include "loss/grpo_batch.h"
#include "loss/grpo_options.h"

using namespace r1;

namespace {

template <class T>
TokenTerm<T> token_term(T logp, T logp_old, T logp_ref, T A, const GrpoMath& math) {
    TokenTerm<T> term;
    answer_terms(&term, {&logp, &logp_old, &logp_ref, nullptr, &A, 1}, math);
    return term;
}

GrpoMath math_of(const json& options) {
    GrpoMath math;
    for (const auto& [name, value] : options.items()) {
        bool known = false;
        for (const MathOption& option : math_options())
            if (option.name == "--" + name) option.set(math, value.get<std::string>()), known = true;
        const std::string option_name = name;
        REQUIRE_MESSAGE(known, option_name);
    }
    return math;
}

GrpoBatch<double> batch_of(const json& object) {
    GrpoBatch<double> batch;
    for (const json& group : object["groups"]) {
        GrpoGroup<double>& g = batch.groups.emplace_back();
        for (const json& answer : group["answers"]) {
            GrpoAnswer<double>& a = g.answers.emplace_back();
            a.reward = answer.value("reward", 0.0), a.truncated = answer.value("truncated", false);
            a.logp = answer["logp"].get<Doubles>(), a.logp_old = answer["logp_old"].get<Doubles>();
            a.logp_ref = answer["logp_ref"].get<Doubles>();
            if (answer.contains("logp_sampler")) a.logp_sampler = answer["logp_sampler"].get<Doubles>();
            if (answer.contains("steps"))
                for (const json& step : answer["steps"]) a.steps.push_back({step[0].get<int>(), step[1].get<double>()});
        }
    }
    return batch;
}

// |got - want| relative to the larger of 1 and |want|.
double apart(double got, double want) { return std::abs(got - want) / std::max(1.0, std::abs(want)); }

}  // namespace

TEST_CASE("GRPO: advantages") {
    const auto of = [](std::vector<double> reward, Spread spread, const auto& change) {
        GrpoMath math;
        math.spread = spread;
        change(math);
        advantages(reward.data(), std::vector<double>(reward).data(), int(reward.size()), math);
        return reward;
    };
    const auto as_is = [](GrpoMath&) {};
    const auto same = [](const Doubles& got, const Doubles& want) {
        for (size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-12));
    };
    const double epsilon = 1e-4;
    // One of four right: mean 1/4, squares sum to 3/4: deviation 1/2 of the sample, sqrt(3)/4 of the population.
    const double sample = 0.5 + epsilon, population = std::sqrt(3.0) / 4 + epsilon;
    same(of({1, 0, 0, 0}, Spread::sample, as_is), {0.75 / sample, -0.25 / sample, -0.25 / sample, -0.25 / sample});
    same(of({1, 0, 0, 0}, Spread::population, as_is), {0.75 / population, -0.25 / population, -0.25 / population});
    same(of({1, 0, 0, 0}, Spread::none, as_is), {0.75, -0.25, -0.25, -0.25});
    same(of({0, 3}, Spread::sample, as_is), {-1.5 / (std::sqrt(4.5) + epsilon), 1.5 / (std::sqrt(4.5) + epsilon)});
    same(of({1, 0, 0, 0}, Spread::none, [](GrpoMath& m) { m.baseline = Baseline::leave_one_out; }), {1, -1.0 / 3, -1.0 / 3, -1.0 / 3});
    same(of({1, 0, 0, 0}, Spread::sample, [](GrpoMath& m) { m.spread_epsilon_place = SpreadEpsilon::inside; }), {0.75 / std::sqrt(0.25 + epsilon)});
    // k of G right, deviation of the population: sqrt((1 - p) / p) and -sqrt(p / (1 - p)) [facts: derived].
    const double p = 3.0 / 8;
    same(of({1, 1, 1, 0, 0, 0, 0, 0}, Spread::population, [](GrpoMath& m) { m.spread_epsilon = 0; }),
         {std::sqrt((1 - p) / p), std::sqrt((1 - p) / p), std::sqrt((1 - p) / p), -std::sqrt(p / (1 - p))});
    for (const Spread spread : {Spread::sample, Spread::population, Spread::none}) {
        GrpoMath math;
        math.spread = spread, math.spread_epsilon = 0;
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
    const double settings[][3] = {{0.2, 0.2, 0.04}, {0.2, 0.28, 0.0}, {10.0, 10.0, 0.001}};
    for (const auto& [low, high, beta] : settings) {
        GrpoMath math;
        math.epsilon_low = low, math.epsilon_high = high, math.beta = beta;
        // The logarithms of the clip's edges; with epsilon 10 there is no lower one.
        const double bottom = low < 1 ? std::log1p(-low) : -99.0, top = std::log1p(high);
        for (const double log_ratio : {-2.0, bottom - 1e-9, bottom + 1e-9, -0.1, 0.0, 0.1, top - 1e-9, top + 1e-9, 2.5})
            for (const double A : {1.5, -0.5, 0.0})
                for (const double d : {-1.0, 0.0, 0.3}) {
                    if (log_ratio < -29) continue;  // where the product cuts
                    const double logp = -1.25, logp_old = logp - log_ratio, logp_ref = logp + d;
                    const auto term = token_term<double>(logp, logp_old, logp_ref, A, math);
                    const Complex want = reference::grpo_objective(Complex(logp, STEP), logp_old, logp_ref, A, low,
                                                                   high, beta);
                    value.add(term.policy - beta * term.kl, want.real());
                    slope.add(term.slope, want.imag() / STEP);
                    const int side = A > 0 && log_ratio > top ? 1 : A < 0 && log_ratio < bottom ? -1 : 0;
                    CHECK(term.clipped == side);
                    if (side) CHECK(term.slope == -beta * (1 - std::exp(logp_ref - logp)));  // nothing of the policy term
                }
    }
    value.check("GRPO term", DOUBLE_ERROR);
    slope.check("GRPO slope", DOUBLE_ERROR);

    // By hand: r = e^0.1 = 1.10517, d = 0.3: k3 = e^0.3 - 0.3 - 1 = 0.0498588.
    // r A = 2.21034, slope = r A + 0.1 (e^0.3 - 1) = 2.24533.
    GrpoMath math;
    math.beta = 0.1;
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
    for (const MathOption& option : math_options()) {
        if (std::string(option.name) != "--objective" && std::string(option.name) != "--kl") continue;
        for (const char* choice : {"clip", "two-sided", "dual-clip", "cispo", "sapo", "policy-gradient", "none", "k1", "k2", "k3", "k3-corrected"}) {
            GrpoMath variant;
            try {
                option.set(variant, choice);
            } catch (const UsageError&) {
                continue;
            }
            for (const float far : {-100.0f, 100.0f})
                for (const float A : {-1.0f, 1.0f}) {
                    const auto term = token_term<float>(-1.0f, -1.0f + far, -1.0f + far, A, variant);
                    CAPTURE(choice);
                    for (const float x : {term.ratio, term.policy, term.kl, term.slope}) CHECK(std::isfinite(x));
                    if (variant.kl == Kl::k3) CHECK(term.kl > 0);
                }
        }
    }
}

TEST_CASE("GRPO: every variant against an independent implementation") {
    const json golden = read_json(R1_SOURCE "/reference/golden/grpo.json");
    Gap A, weight, term, loss, gradient;
    double worst_float = 0;
    int cases = 0;
    for (const json& each : golden["cases"]) {
        CAPTURE(each["name"].get<std::string>());
        const GrpoMath math = math_of(each["options"]);
        const GrpoBatch<double> batch = batch_of(golden["batches"][each["batch"].get<size_t>()]);
        const GrpoResult<double> got = grpo_batch(batch, math);
        const GrpoResult<float> single = grpo_batch(converted<float>(batch), math);
        double worst = 0;
        const auto compare = [&](Gap& gap, double x, double want) {
            gap.worst = std::max(gap.worst, apart(x, want)), worst = std::max(worst, apart(x, want));
        };
        compare(loss, got.loss, each["loss"]), compare(loss, got.policy_loss, each["policy_loss"]), compare(loss, got.kl_loss, each["kl_loss"]);
        for (size_t g = 0; g < got.groups.size(); ++g)
            for (size_t i = 0; i < got.groups[g].answers.size(); ++i) {
                const auto& a = got.groups[g].answers[i];
                for (size_t t = 0; t < a.terms.size(); ++t) {
                    const json& want = each["terms"][g][i][t];
                    compare(A, a.A[t], each["advantages"][g][i][t]), compare(weight, a.counts ? a.weight : 0, each["weights"][g][i][t]);
                    compare(term, a.terms[t].ratio, want["ratio"]), compare(term, a.terms[t].policy, want["policy"]);
                    if (math.kl_in == KlIn::loss) compare(term, a.terms[t].kl, want["kl"]);  // else it is no term
                    compare(gradient, a.dlogp[t], each["gradient"][g][i][t]);
                    worst_float = std::max(worst_float, apart(single.groups[g].answers[i].dlogp[t], each["gradient"][g][i][t]));
                }
            }
        CHECK(worst < DOUBLE_ERROR);
        ++cases;
    }
    CHECK(cases > 100);
    MESSAGE(cases << " cases, largest difference: advantages " << A.worst << ", weights " << weight.worst << ", terms " << term.worst
            << ", loss " << loss.worst << ", gradient " << gradient.worst << ", gradient in float " << worst_float);
}

TEST_CASE("GRPO: TRL's and verl's own numbers") {
    const json golden = read_json(R1_SOURCE "/reference/golden/grpo_peers.json");
    const GrpoBatch<double> batch = batch_of(golden["batch"]);
    double worst = 0;
    for (const json& each : golden["cases"]) {
        CAPTURE(each["peer"].get<std::string>());
        CAPTURE(each["what"].get<std::string>());
        const GrpoMath math = math_of(each["options"]);
        if (each.contains("preset")) {               // the preset is those options, but for what is named
            GrpoMath other = preset(each["preset"].get<std::string>()).math;
            for (const auto& [name, value] : each["unlike_preset"].items())
                for (const MathOption& option : math_options())
                    if (option.name == "--" + name) option.set(other, value.get<std::string>());
            CHECK(grpo_batch(batch, other).loss == doctest::Approx(grpo_batch(batch, math).loss).epsilon(1e-14));
        }
        const GrpoResult<double> got = grpo_batch(batch, math);
        double here = each.contains("loss") ? apart(got.loss, each["loss"]) : 0;
        for (size_t g = 0; g < got.groups.size(); ++g)
            for (size_t i = 0; i < got.groups[g].answers.size(); ++i) {
                const auto& a = got.groups[g].answers[i];
                if (each.contains("advantages")) here = std::max(here, apart(a.advantage, each["advantages"][g][i]));
                for (size_t t = 0; t < a.terms.size() && each.contains("gradient"); ++t)
                    here = std::max(here, apart(a.dlogp[t], each["gradient"][g][i][t]));
            }
        CHECK(here < 1e-6);
        worst = std::max(worst, here);
    }
    CHECK(golden["cases"].size() >= 10);
    MESSAGE(golden["cases"].size() << " cases of TRL and verl, largest difference " << worst);
}

TEST_CASE("GRPO: identities") {
    Stream random(3, Purpose::problems, 9, 9);
    const auto answer = [&](int n, double reward, bool on_policy) {
        GrpoAnswer<double> a;
        a.reward = reward;
        for (int t = 0; t < n; ++t) {
            a.logp.push_back(-3 * double(random.uniform()));
            a.logp_old.push_back(on_policy ? a.logp.back() : a.logp.back() + double(random.uniform()) - 0.5);
            a.logp_ref.push_back(a.logp.back() + double(random.uniform()) - 0.5);
        }
        return a;
    };
    // On policy with beta 0 the loss is 0 and the gradient is not; exactly 0 where the numbers allow it.
    GrpoBatch<double> on;
    on.groups.push_back({{answer(4, 1, true), answer(4, 0, true), answer(4, 0, true), answer(4, 1, true)}});
    GrpoMath math;
    math.beta = 0;
    GrpoResult<double> a = grpo_batch(on, math);
    CHECK(a.loss == 0);
    CHECK(a.groups[0].answers[0].dlogp[0] < 0);
    CHECK(a.groups[0].answers[1].dlogp[0] > 0);
    CHECK(a.sums.ratio == a.sums.tokens);

    // A group without spread contributes nothing to the policy term, and with beta 0 nothing at all.
    GrpoBatch<double> off;
    off.groups.push_back({{answer(3, 0.1, false), answer(5, 0.1, false), answer(2, 0.1, false)}});
    a = grpo_batch(off, math);
    CHECK(a.loss == 0);
    for (int i = 0; i < 3; ++i)
        for (int t = 0; t < off.groups[0].answers[i].length(); ++t) CHECK(a.groups[0].answers[i].dlogp[t] == 0);

    // With the same A and equal lengths, GRPO = DAPO's mean = Dr. GRPO's x budget / |o|.
    off.groups = {{{answer(4, 1, false), answer(4, 0, false), answer(4, 0.5, false)}}};
    GrpoMath token_mean = math, constant = math;
    token_mean.aggregation = Aggregation::token_mean, constant.aggregation = Aggregation::constant, constant.budget = 12;
    CHECK(grpo_batch(off, token_mean).loss == doctest::Approx(grpo_batch(off, math).loss).epsilon(1e-14));
    CHECK(3 * grpo_batch(off, constant).loss == doctest::Approx(grpo_batch(off, math).loss).epsilon(1e-14));

    // The order and the split of a batch change nothing: a group's numbers are its own.
    GrpoMath plain;
    GrpoBatch<double> both = off, swapped;
    both.groups.push_back({{answer(2, 0, false), answer(6, 1, false)}});
    swapped.groups = {both.groups[1], both.groups[0]};
    const GrpoResult<double> x = grpo_batch(both, plain), y = grpo_batch(swapped, plain);
    for (int i = 0; i < 3; ++i)
        for (int t = 0; t < 4; ++t) CHECK(x.groups[0].answers[i].dlogp[t] == y.groups[1].answers[i].dlogp[t]);

    // An empty answer is handled; one answer alone has no baseline and A = 0.
    both.groups.push_back({{answer(0, 1, false), answer(3, 0, false)}});
    both.groups.push_back({{answer(2, 1, false)}});
    for (const Preset& p : presets()) {
        const GrpoResult<double> all = grpo_batch(both, p.math);
        CAPTURE(p.name);
        CHECK(std::isfinite(all.loss));
        for (int t = 0; t < 2; ++t) CHECK(all.groups[3].answers[0].A[t] == 0);
    }
}

// ---- the estimator, enumerated ----

namespace {

// A policy over {a, b, end} and at most 3 tokens: one softmax for each of the 7 prefixes, so 21 logits; 15 outputs.
struct Toy {
    static constexpr int V = 3, END = 2, LONGEST = 3;
    struct Output {
        std::vector<int> token, state;           // the prefix that each token was drawn in
        double reward;
    };
    std::vector<Output> outputs;
    std::vector<std::array<double, V>> logit;    // by state
    std::map<std::vector<int>, int> states;

    Toy() {
        Stream random(11, Purpose::problems, 1, 2);
        extend({}, {});
        for (size_t s = 0; s < states.size(); ++s) {
            logit.emplace_back();
            for (double& z : logit.back()) z = 2 * double(random.uniform()) - 1;
        }
        for (Output& o : outputs) o.reward = int(random.below(3));  // nothing, the format, a right answer in good form
    }
    void extend(std::vector<int> token, std::vector<int> state) {
        if (int(token.size()) == LONGEST || (!token.empty() && token.back() == END)) {
            outputs.push_back({token, state, 0});
            return;
        }
        const int s = states.emplace(token, int(states.size())).first->second;
        state.push_back(s);
        for (int v = 0; v < V; ++v) {
            token.push_back(v);
            extend(token, state);
            token.pop_back();
        }
    }
    std::array<double, V> probability(int s) const {
        std::array<double, V> p;
        double sum = 0;
        for (int v = 0; v < V; ++v) sum += p[v] = std::exp(logit[s][v]);
        for (double& each : p) each /= sum;
        return p;
    }
    Doubles logps(const Output& o) const {
        Doubles list;
        for (size_t t = 0; t < o.token.size(); ++t) list.push_back(std::log(probability(o.state[t])[o.token[t]]));
        return list;
    }
    double chance(const Output& o) const {
        double log = 0;
        for (double each : logps(o)) log += each;
        return std::exp(log);
    }
    // Adds factor x d logp(token t of o) / d logits.
    void add_slope(Doubles& gradient, const Output& o, size_t t, double factor) const {
        const auto p = probability(o.state[t]);
        for (int v = 0; v < V; ++v) gradient[o.state[t] * V + v] += factor * ((v == o.token[t]) - p[v]);
    }
    // d E[reward - beta log(pi / pi_ref)] / d logits, exactly.
    Doubles exact(const Toy* reference = nullptr, double beta = 0) const {
        Doubles gradient(logit.size() * V);
        for (const Output& o : outputs) {
            double value = o.reward;
            if (reference) value -= beta * (std::log(chance(o)) - std::log(reference->chance(o)));
            for (size_t t = 0; t < o.token.size(); ++t) add_slope(gradient, o, t, chance(o) * value);
        }
        return gradient;
    }
    // The mean over all groups of G outputs of the step that GRPO takes, on policy: - dloss / d logits.
    Doubles expected(const GrpoMath& math, int G, const Toy* reference = nullptr) const {
        Doubles gradient(logit.size() * V);
        std::vector<int> pick(G, 0);
        for (;;) {
            GrpoBatch<double> batch;
            GrpoGroup<double>& group = batch.groups.emplace_back();
            double chance_of_group = 1;
            for (const int k : pick) {
                GrpoAnswer<double>& a = group.answers.emplace_back();
                a.reward = outputs[k].reward, a.logp = a.logp_old = logps(outputs[k]);
                a.logp_ref = reference ? reference->logps(outputs[k]) : a.logp;
                chance_of_group *= chance(outputs[k]);
            }
            const GrpoResult<double> audited = grpo_batch(batch, math);
            for (int i = 0; i < G; ++i)
                for (size_t t = 0; t < outputs[pick[i]].token.size(); ++t)
                    add_slope(gradient, outputs[pick[i]], t, -chance_of_group * audited.groups[0].answers[i].dlogp[t]);
            int i = 0;
            while (i < G && ++pick[i] == int(outputs.size())) pick[i++] = 0;
            if (i == G) return gradient;
        }
    }
};

double dot(const Doubles& x, const Doubles& y) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
    return sum;
}

}  // namespace

TEST_CASE("GRPO: the estimator, over all groups of a small policy") {
    const Toy toy;
    CHECK(toy.outputs.size() == 15);
    double total = 0;
    for (const auto& o : toy.outputs) total += toy.chance(o);
    CHECK(total == doctest::Approx(1).epsilon(1e-14));
    const Doubles exact = toy.exact();

    GrpoMath base;
    base.kl = Kl::none, base.beta = 0, base.spread = Spread::none, base.aggregation = Aggregation::sequence_sum;
    const auto with = [&](const auto& change) {
        GrpoMath math = base;
        change(math);
        return math;
    };
    struct Row { const char* what; GrpoMath math; double scale; };  // scale: expected = scale x exact; 0: biased
    for (const int G : {2, 3, 4}) {
        const double shrink = double(G - 1) / G;     // a baseline that holds the answer itself
        const Row rows[] = {
            {"leave-one-out, sum over tokens", with([](GrpoMath& m) { m.baseline = Baseline::leave_one_out; }), 1},
            {"mean, sum over tokens", base, shrink},
            {"mean, constant budget (Dr. GRPO)", with([](GrpoMath& m) { m.aggregation = Aggregation::constant, m.budget = 3; }), shrink / 3},
            {"mean, 1/|o|", with([](GrpoMath& m) { m.aggregation = Aggregation::sequence_mean; }), 0},
            {"mean, 1/L of the batch (DAPO's mean)", with([](GrpoMath& m) { m.aggregation = Aggregation::token_mean; }), 0},
            {"std, sum over tokens", with([](GrpoMath& m) { m.spread = Spread::sample; }), 0},
            {"std, 1/|o| (DeepSeekMath)", with([](GrpoMath& m) { m.spread = Spread::sample, m.aggregation = Aggregation::sequence_mean; }), 0},
            {"std, 1/L (TRL, verl)", with([](GrpoMath& m) { m.spread = Spread::sample, m.aggregation = Aggregation::token_mean; }), 0},
            {"std, whole ratio (R1 as printed)", with([](GrpoMath& m) { m.spread = Spread::sample, m.aggregation = Aggregation::sequence_mean, m.ratio = Ratio::whole; }), 0},
            {"none, whole ratio", with([](GrpoMath& m) { m.aggregation = Aggregation::sequence_mean, m.ratio = Ratio::whole; }), shrink},
        };
        std::string table = "G = " + std::to_string(G) + ": expected step, as a multiple of the exact gradient and what is left of it\n";
        for (const Row& row : rows) {
            const Doubles step = toy.expected(row.math, G);
            const double multiple = dot(step, exact) / dot(exact, exact);
            Doubles rest = step;
            for (size_t i = 0; i < rest.size(); ++i) rest[i] -= multiple * exact[i];
            const double bias = std::sqrt(dot(rest, rest) / dot(step, step));
            char line[128];
            std::snprintf(line, sizeof line, "  %-40s x %.4f   bias %6.2f %%\n", row.what, multiple, 100 * bias);
            table += line;
            CAPTURE(row.what);
            if (row.scale > 0) {
                for (size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(step[i] - row.scale * exact[i]) < 1e-12);
            } else {
                CHECK(bias > 1e-3);                  // the table's news: not even the direction is the gradient's
            }
        }
        MESSAGE(table);
    }

    // KL: in the reward it is the exact gradient of E[reward - beta KL].
    Toy reference;
    for (auto& row : reference.logit)
        for (double& z : row) z = 0.3 * z + 0.1;
    const double beta = 0.25;
    GrpoMath in_reward = with([&](GrpoMath& m) { m.baseline = Baseline::leave_one_out, m.kl = Kl::k1, m.kl_in = KlIn::reward, m.beta = beta; });
    const Doubles want = toy.exact(&reference, beta), step = toy.expected(in_reward, 2, &reference);
    for (size_t i = 0; i < want.size(); ++i) CHECK(std::abs(step[i] - want[i]) < 1e-12);

    // In the loss, for a single token: k1 has no expected gradient, k2 and the corrected k3 have that of KL(pi || ref),
    // plain k3 that of KL(ref || pi).
    const auto p = toy.probability(0), q = reference.probability(0);
    for (const Kl kind : {Kl::k1, Kl::k2, Kl::k3, Kl::k3_corrected}) {
        GrpoMath math;
        math.kl = kind;
        Doubles got(3), reverse(3), forward(3);
        double kl = 0;
        for (int v = 0; v < 3; ++v) kl += p[v] * std::log(p[v] / q[v]);
        for (int v = 0; v < 3; ++v) {
            reverse[v] = p[v] * (std::log(p[v] / q[v]) - kl), forward[v] = p[v] - q[v];
            const KlTerm<double> term = kl_term(std::log(q[v] / p[v]), 1.0, math);
            const double slope = term.by_d + term.by_ratio;
            for (int z = 0; z < 3; ++z) got[z] += p[v] * slope * ((z == v) - p[z]);
        }
        for (int z = 0; z < 3; ++z) {
            const double expected = kind == Kl::k1 ? 0 : kind == Kl::k3 ? forward[z] : reverse[z];
            CHECK(std::abs(got[z] - expected) < 1e-14);
        }
    }
}
