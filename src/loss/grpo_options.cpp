#include "loss/grpo_options.h"

#include "base/check.h"

namespace r1 {

// ---- options

// Rewards become advantages.
static OptionTable advantage_options(GrpoMath& m) {
    OptionTable table;
    table.choice("--baseline", m.baseline, {{"mean", Baseline::mean}, {"leave-one-out", Baseline::leave_one_out}},
                 "what a reward is compared with");
    table.choice("--spread", m.spread,
                 {{"sample", Spread::sample}, {"population", Spread::population}, {"none", Spread::none}},
                 "the standard deviation that an advantage is divided by");
    table
        .choice("--spread-over", m.spread_over, {{"group", SpreadOver::group}, {"batch", SpreadOver::batch}},
                "the rewards whose standard deviation it is")
        .only("--spread sample or population", [&m] { return m.spread != Spread::none; });
    table.number("--spread-epsilon", m.spread_epsilon, between(0, 1e6), "added to the standard deviation")
        .only("--spread sample or population", [&m] { return m.spread != Spread::none; });
    table
        .choice("--spread-epsilon-place", m.spread_epsilon_place,
                {{"outside", SpreadEpsilon::outside}, {"inside", SpreadEpsilon::inside}},
                "std + epsilon: outside; sqrt(var + epsilon): inside")
        .only("--spread sample or population", [&m] { return m.spread != Spread::none; });
    return table;
}

// Ratios, and what of them is maximised.
static OptionTable objective_options(GrpoMath& m) {
    OptionTable table;
    table.choice("--ratio", m.ratio, {{"token", Ratio::token}, {"sequence", Ratio::sequence}, {"whole", Ratio::whole}},
                 "of the token, of the sequence (GSPO), or of the whole answer");
    table.choice("--objective", m.objective,
                 {{"clip", Objective::clip},
                  {"two-sided", Objective::two_sided},
                  {"dual-clip", Objective::dual_clip},
                  {"cispo", Objective::cispo},
                  {"sapo", Objective::sapo},
                  {"policy-gradient", Objective::policy_gradient}},
                 "the policy term of a token");
    table.number("--epsilon-low", m.epsilon_low, between(0, 1e6), "the ratio is clipped below 1 - this");
    table.number("--epsilon-high", m.epsilon_high, between(0, 1e6), "the ratio is clipped above 1 + this");
    table.number("--delta", m.delta, between(0, 1e6), "cap of the ratio where A < 0, for two-sided")
        .only("--objective two-sided", [&m] { return m.objective == Objective::two_sided; });
    table.number("--dual-clip", m.dual_clip, between(0, 1e6), "c, for dual-clip").only("--objective dual-clip", [&m] {
        return m.objective == Objective::dual_clip;
    });
    table.number("--tau-positive", m.tau_positive, between(1e-3, 1e6), "tau where A > 0, for sapo")
        .only("--objective sapo", [&m] { return m.objective == Objective::sapo; });
    table.number("--tau-negative", m.tau_negative, between(1e-3, 1e6), "tau where A < 0, for sapo")
        .only("--objective sapo", [&m] { return m.objective == Objective::sapo; });
    return table;
}

// What a token weighs, KL, and which answers count.
static OptionTable loss_options(GrpoMath& m) {
    OptionTable table;
    table.choice("--aggregation", m.aggregation,
                 {{"sequence-mean", Aggregation::sequence_mean},
                  {"token-mean", Aggregation::token_mean},
                  {"constant", Aggregation::constant},
                  {"sequence-sum", Aggregation::sequence_sum}},
                 "the weight of a token");
    table.number("--budget", m.budget, between(1, 1e6), "tokens, for --aggregation constant")
        .only("--aggregation constant", [&m] { return m.aggregation == Aggregation::constant; });
    table.choice(
        "--kl", m.kl,
        {{"none", Kl::none}, {"k1", Kl::k1}, {"k2", Kl::k2}, {"k3", Kl::k3}, {"k3-corrected", Kl::k3_corrected}},
        "the estimator of KL to the reference");
    table
        .choice("--kl-in", m.kl_in, {{"loss", KlIn::loss}, {"reward", KlIn::reward}},
                "KL in the loss, or off the reward")
        .only("a --kl", [&m] { return m.kl != Kl::none; });
    table
        .choice("--kl-over", m.kl_over, {{"token", KlOver::token}, {"answer", KlOver::answer}},
                "KL of each token, or of the whole answer")
        .only("a --kl", [&m] { return m.kl != Kl::none; });
    table.number("--beta", m.beta, between(0, 1e6), "weight of KL to the reference").only("a --kl", [&m] {
        return m.kl != Kl::none;
    });
    table.choice("--flat-groups", m.flat_groups,
                 {{"keep", FlatGroups::keep}, {"skip", FlatGroups::skip}, {"resample", FlatGroups::resample}},
                 "what becomes of groups of equal rewards");
    table.choice("--truncated", m.truncated, {{"keep", Truncated::keep}, {"mask", Truncated::mask}},
                 "answers cut off: in the loss, or out of it");
    table.number("--overlong-limit", m.overlong_limit, between(0, 1e6),
                 "tokens at which the soft penalty reaches -1; 0: none");
    table.number("--overlong-cache", m.overlong_cache, between(0, 1e6), "tokens before the limit at which it begins")
        .only("--overlong-limit", [&m] { return m.overlong_limit > 0; });
    table.choice("--mismatch", m.mismatch,
                 {{"none", Mismatch::none},
                  {"token-truncate", Mismatch::token_truncate},
                  {"token-mask", Mismatch::token_mask},
                  {"sequence-truncate", Mismatch::sequence_truncate},
                  {"sequence-mask", Mismatch::sequence_mask}},
                 "weight of the policy term where the sampler is not the trainer");
    table.number("--mismatch-floor", m.mismatch_floor, between(0, 1e6), "smallest weight that counts, for the masks")
        .only("a --mismatch that masks",
              [&m] { return m.mismatch == Mismatch::token_mask || m.mismatch == Mismatch::sequence_mask; });
    table.number("--mismatch-cap", m.mismatch_cap, between(0, 1e6), "largest weight").only("a --mismatch", [&m] {
        return m.mismatch != Mismatch::none;
    });
    return table;
}

OptionTable table_of(GrpoMath& m) {
    OptionTable table = advantage_options(m);
    table.add(objective_options(m));
    table.add(loss_options(m));
    for (Option& option : table.all) option.group = "What is computed (src/loss/grpo.h)";
    return table;
}

void check(const GrpoMath& m) {
    const auto refuse = [](const char* text) { throw UsageError(text); };
    if (m.objective == Objective::dual_clip && m.dual_clip < 1 + m.epsilon_high)
        refuse("a cap inside the clip range, --dual-clip, give at least 1 + epsilon-high");
    if (m.overlong_cache > m.overlong_limit)
        refuse("a penalty that begins before the first token, --overlong-cache, give 0 to --overlong-limit");
    if (m.mismatch_cap < m.mismatch_floor)
        refuse("a cap below the floor, --mismatch-cap, give at least --mismatch-floor");
}

json math_to_json(const GrpoMath& math) {
    GrpoMath copy = math;
    json object;
    for (const Option& option : table_of(copy).all) object[option.name.substr(2)] = option.read();
    return object;
}

GrpoMath math_from_json(const json& object, const std::string& where) {
    GrpoMath math;
    for (const Option& option : table_of(math).all) {
        const std::string key = option.name.substr(2);
        if (!object.is_object() || !object.contains(key) || object[key].is_structured())
            fail("no \"" + key + "\"", where, "let r1 grpo write it");
        try {
            option.write(object[key].is_string() ? object[key].get<std::string>() : object[key].dump());
        } catch (const UsageError& e) {
            fail(e.what(), where, "let r1 grpo write it");
        }
    }
    return math;
}

// ---- presets

namespace {

GrpoMath deepseek_math() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.beta = 0.04;
    return m;
}

GrpoMath r1_as_printed() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.ratio = Ratio::whole;
    m.kl_over = KlOver::answer;
    return m;
}

GrpoMath r1_nature() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.epsilon_low = m.epsilon_high = 10;
    return m;
}

GrpoMath dr_grpo() {
    GrpoMath m;
    m.spread = Spread::none;
    m.aggregation = Aggregation::constant;
    m.budget = 3000;
    m.kl = Kl::none;
    m.beta = 0;
    return m;
}

GrpoMath dapo() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.epsilon_high = 0.28;
    m.aggregation = Aggregation::token_mean;
    m.kl = Kl::none;
    m.beta = 0;
    m.flat_groups = FlatGroups::resample;
    m.overlong_limit = 20480;
    m.overlong_cache = 4096;
    return m;
}

GrpoMath gspo() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.ratio = Ratio::sequence;
    m.epsilon_low = 3e-4;
    m.epsilon_high = 4e-4;
    m.kl = Kl::none;
    m.beta = 0;
    return m;
}

GrpoMath cispo() {
    GrpoMath m;
    m.spread_epsilon = 0;
    m.objective = Objective::cispo;
    m.epsilon_low = 1;
    m.epsilon_high = 4;
    m.aggregation = Aggregation::token_mean;
    m.kl = Kl::none;
    m.beta = 0;
    return m;
}

GrpoMath trl() {
    GrpoMath m;
    m.aggregation = Aggregation::token_mean;
    m.kl = Kl::k3_corrected;
    m.beta = 0;
    m.mismatch = Mismatch::sequence_mask;
    m.mismatch_cap = 3;
    return m;
}

GrpoMath verl() {
    GrpoMath m;
    m.spread_epsilon = 1e-6;
    m.objective = Objective::dual_clip;
    m.aggregation = Aggregation::token_mean;
    m.beta = 0;
    return m;
}

}  // namespace

const std::vector<Preset>& presets() {
    static const std::vector<Preset> all = {
        {"dsm", "DeepSeekMath eq 3; epsilon 0.2 is not stated there, nor which deviation", false, deepseek_math()},
        {"r1", "R1 eq 1 to 3 as printed: ratio and KL of whole answers; epsilon 0.2 is not stated there", false,
         r1_as_printed()},
        {"r1-nature",
         "R1's hyper-parameters (epsilon 10, beta 0.001, a new reference every 400 updates) in DeepSeekMath's token "
         "form",
         true, r1_nature(), 400},
        {"dr-grpo", "no deviation, no 1/|o|, no KL; the budget of its code, 3000 tokens", true, dr_grpo()},
        {"dapo", "eq 8 to 13: clip-higher, mean over tokens, no KL, no flat groups, soft penalty of length", true,
         dapo()},
        {"gspo", "length-normalised ratio of the sequence; clip 3e-4 and 4e-4", true, gspo()},
        {"cispo", "MiniMax-M1 with the cap 5 on the ratio and no floor, as TRL's example", true, cispo()},
        {"trl",
         "TRL 1.16's defaults: mean over tokens, std + 1e-4, beta 0 (above 0: k3 corrected), sequences off by more "
         "than 3 masked",
         true, trl()},
        {"verl", "verl 0.9's defaults: mean over tokens, std + 1e-6, dual clip at 3, no KL (beta above 0: k3)", true,
         verl()},
    };
    return all;
}

static std::string preset_names() {
    std::string names;
    for (const Preset& p : presets()) names += (names.empty() ? "" : ", ") + std::string(p.name);
    return names;
}

const Preset& preset(const std::string& name) {
    for (const Preset& p : presets())
        if (p.name == name) return p;
    throw UsageError("no preset \"" + name + "\", --preset, give one of " + preset_names());
}

Option preset_option(std::string& name, GrpoMath& math, int* reference_every) {
    const auto write = [&name, &math, reference_every](const std::string& text) {
        const Preset& chosen = preset(text);
        name = text;
        math = chosen.math;
        if (reference_every) *reference_every = chosen.reference_every;
    };
    Option option{"--preset", "start from the settings of a paper or a codebase; single options override them", write,
                  [&name] { return name; }};
    option.effect = Effect::nothing;  // what it sets has names of its own
    option.allowed = preset_names();
    option.group = "What is computed (src/loss/grpo.h)";
    return option;
}

}  // namespace r1
