#include "stages/grpo_options.h"

#include <charconv>

#include "base/check.h"

namespace r1 {

namespace {

template <class E>
MathOption choice(const char* name, E GrpoMath::*member, std::vector<std::string> names, const char* help) {
    const auto set = [=](GrpoMath& math, const std::string& value) {
        for (size_t i = 0; i < names.size(); ++i)
            if (names[i] == value) {
                math.*member = E(i);
                return;
            }
        std::string all;
        for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
        throw UsageError(std::string(name) + " has no choice \"" + value + "\", command line, give one of " + all);
    };
    return {name, help, set, [=](const GrpoMath& math) { return names[size_t(math.*member)]; }};
}

template <class Number>
MathOption number(const char* name, Number GrpoMath::*member, const char* help) {
    const auto set = [=](GrpoMath& math, const std::string& value) {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), math.*member);
        if (error != std::errc() || end != value.data() + value.size() ||
            !(double(math.*member) >= -1e6 && double(math.*member) <= 1e6))
            throw UsageError(std::string(name) + " needs a number, command line, -1000000 to 1000000, not \"" + value +
                             "\"");
    };
    const auto get = [=](const GrpoMath& math) {
        char text[32];
        return std::string(text, std::to_chars(text, text + sizeof text, math.*member).ptr);
    };
    return {name, help, set, get};
}

GrpoMath with(const std::function<void(GrpoMath&)>& change) {
    GrpoMath math;
    change(math);
    return math;
}

} // namespace

const std::vector<MathOption>& math_options() {
    using M = GrpoMath;
    static const std::vector<MathOption> options = {
        choice("--baseline", &M::baseline, {"mean", "leave-one-out"},
               "what a reward is compared with: mean, leave-one-out"),
        choice("--spread", &M::spread, {"sample", "population", "none"},
               "advantage / deviation: sample, population, none"),
        choice("--spread-over", &M::spread_over, {"group", "batch"}, "deviation of the group, or of the batch"),
        number("--spread-epsilon", &M::spread_epsilon, "added to the deviation"),
        choice("--spread-epsilon-place", &M::spread_epsilon_place, {"outside", "inside"},
               "std + epsilon: outside; sqrt(var + epsilon): inside"),
        choice("--ratio", &M::ratio, {"token", "sequence", "whole"},
               "of the token, of the sequence (GSPO), or the whole answer's"),
        choice("--objective", &M::objective, {"clip", "two-sided", "dual-clip", "cispo", "sapo", "policy-gradient"},
               "clip, two-sided, dual-clip, cispo, sapo, policy-gradient"),
        number("--epsilon-low", &M::epsilon_low, "the ratio is clipped below 1 - this"),
        number("--epsilon-high", &M::epsilon_high, "the ratio is clipped above 1 + this"),
        number("--delta", &M::delta, "cap of the ratio where A < 0, for two-sided"),
        number("--dual-clip", &M::dual_clip, "c, for dual-clip"),
        number("--tau-positive", &M::tau_positive, "tau where A > 0, for sapo"),
        number("--tau-negative", &M::tau_negative, "tau where A < 0, for sapo"),
        choice("--aggregation", &M::aggregation, {"sequence-mean", "token-mean", "constant", "sequence-sum"},
               "weight of a token: sequence-mean, token-mean, constant, sequence-sum"),
        number("--budget", &M::budget, "tokens, for --aggregation constant"),
        choice("--kl", &M::kl, {"none", "k1", "k2", "k3", "k3-corrected"}, "estimator: none, k1, k2, k3, k3-corrected"),
        choice("--kl-in", &M::kl_in, {"loss", "reward"}, "KL in the loss, or off the reward"),
        choice("--kl-over", &M::kl_over, {"token", "answer"}, "KL of each token, or of the whole answer"),
        number("--beta", &M::beta, "weight of KL to the reference"),
        choice("--flat-groups", &M::flat_groups, {"keep", "skip", "resample"},
               "groups of equal rewards: keep, skip, resample"),
        choice("--truncated", &M::truncated, {"keep", "mask"}, "answers cut off: in the loss, or out of it"),
        number("--overlong-limit", &M::overlong_limit, "tokens at which the soft penalty reaches -1; 0: none"),
        number("--overlong-cache", &M::overlong_cache, "tokens before the limit at which it begins"),
        choice("--mismatch", &M::mismatch,
               {"none", "token-truncate", "token-mask", "sequence-truncate", "sequence-mask"},
               "weight for a sampler that is not the trainer"),
        number("--mismatch-floor", &M::mismatch_floor, "smallest weight that counts, for the masks"),
        number("--mismatch-cap", &M::mismatch_cap, "largest weight"),
    };
    return options;
}

const std::vector<Preset>& presets() {
    static const std::vector<Preset> all = {
        {"dsm", "DeepSeekMath eq 3; epsilon 0.2 is not stated there, nor which deviation", false,
         with([](GrpoMath& m) { m.spread_epsilon = 0, m.beta = 0.04; })},
        {"r1", "R1 eq 1 to 3 as printed: ratio and KL of whole answers; epsilon 0.2 is not stated there", false,
         with([](GrpoMath& m) { m.spread_epsilon = 0, m.ratio = Ratio::whole, m.kl_over = KlOver::answer; })},
        {"r1-nature",
         "R1's hyper-parameters (epsilon 10, beta 0.001, a new reference every 400 updates) in DeepSeekMath's token "
         "form",
         true, with([](GrpoMath& m) { m.spread_epsilon = 0, m.epsilon_low = m.epsilon_high = 10; }), 400},
        {"dr-grpo", "no deviation, no 1/|o|, no KL; the budget of its code, 3000 tokens", true, with([](GrpoMath& m) {
             m.spread = Spread::none, m.aggregation = Aggregation::constant, m.budget = 3000, m.kl = Kl::none,
             m.beta = 0;
         })},
        {"dapo", "eq 8 to 13: clip-higher, mean over tokens, no KL, no flat groups, soft penalty of length", true,
         with([](GrpoMath& m) {
             m.spread_epsilon = 0, m.epsilon_high = 0.28, m.aggregation = Aggregation::token_mean, m.kl = Kl::none,
             m.beta = 0;
             m.flat_groups = FlatGroups::resample, m.overlong_limit = 20480, m.overlong_cache = 4096;
         })},
        {"gspo", "length-normalised ratio of the sequence; clip 3e-4 and 4e-4", true, with([](GrpoMath& m) {
             m.spread_epsilon = 0, m.ratio = Ratio::sequence, m.epsilon_low = 3e-4, m.epsilon_high = 4e-4,
             m.kl = Kl::none, m.beta = 0;
         })},
        {"cispo", "MiniMax-M1 with the cap 5 on the ratio and no floor, as TRL's example", true, with([](GrpoMath& m) {
             m.spread_epsilon = 0, m.objective = Objective::cispo, m.epsilon_low = 1, m.epsilon_high = 4;
             m.aggregation = Aggregation::token_mean, m.kl = Kl::none, m.beta = 0;
         })},
        {"trl",
         "TRL 1.16's defaults: mean over tokens, std + 1e-4, beta 0 (above 0: k3 corrected), sequences off by more "
         "than 3 masked",
         true, with([](GrpoMath& m) {
             m.aggregation = Aggregation::token_mean, m.kl = Kl::k3_corrected, m.beta = 0;
             m.mismatch = Mismatch::sequence_mask, m.mismatch_cap = 3;
         })},
        {"verl", "verl 0.9's defaults: mean over tokens, std + 1e-6, dual clip at 3, no KL (beta above 0: k3)", true,
         with([](GrpoMath& m) {
             m.spread_epsilon = 1e-6, m.objective = Objective::dual_clip, m.aggregation = Aggregation::token_mean,
             m.beta = 0;
         })},
    };
    return all;
}

const Preset& preset(const std::string& name) {
    std::string all;
    for (const Preset& p : presets()) {
        if (p.name == name) return p;
        all += (all.empty() ? "" : ", ") + std::string(p.name);
    }
    throw UsageError("no preset \"" + name + "\", --preset, give one of " + all);
}

void check(const GrpoMath& m) {
    const auto refuse = [](const char* text) { throw UsageError(text); };
    if (!(m.epsilon_low >= 0 && m.epsilon_high >= 0))
        refuse("a clip range below 0, --epsilon-low and --epsilon-high, give 0 or more");
    if (!(m.beta >= 0)) refuse("a negative weight of KL, --beta, give 0 or more");
    if (!(m.spread_epsilon >= 0)) refuse("a negative epsilon, --spread-epsilon, give 0 or more");
    if (m.budget < 1) refuse("no tokens in the budget, --budget, give at least 1");
    if (m.objective == Objective::dual_clip && m.dual_clip < 1 + m.epsilon_high)
        refuse("a cap inside the clip range, --dual-clip, give at least 1 + epsilon-high");
    if (!(m.tau_positive >= 1e-3 && m.tau_negative >= 1e-3))
        refuse("a gate without width, --tau-positive and --tau-negative, give 0.001 or more");
    if (!(m.delta >= 0)) refuse("a cap below 0, --delta, give 0 or more");
    if (m.overlong_limit < 0 || m.overlong_cache < 0 || m.overlong_cache > m.overlong_limit)
        refuse("a penalty that begins before the first token, --overlong-cache, give 0 to --overlong-limit");
    if (!(m.mismatch_floor >= 0 && m.mismatch_cap >= m.mismatch_floor))
        refuse("a cap below the floor, --mismatch-cap, give at least --mismatch-floor");
}

json math_to_json(const GrpoMath& math) {
    json object;
    for (const MathOption& option : math_options()) object[option.name + 2] = option.get(math);
    return object;
}

GrpoMath math_from_json(const json& object, const std::string& where) {
    GrpoMath math;
    for (const MathOption& option : math_options()) {
        const std::string key = option.name + 2;
        if (!object.is_object() || !object.contains(key) || !object[key].is_string())
            fail("no text \"" + key + "\"", where, "let r1 grpo write it");
        try {
            option.set(math, object[key].get<std::string>());
        } catch (const UsageError& e) {
            fail(e.what(), where, "let r1 grpo write it");
        }
    }
    return math;
}

} // namespace r1
