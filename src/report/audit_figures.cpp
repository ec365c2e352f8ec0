#include "report/audit_figures.h"

#include <algorithm>
#include <cmath>

#include "report/words.h"

namespace r1 {

namespace {

const char* weight_formula(const GrpoMath& math) {
    return math.aggregation == Aggregation::sequence_mean ? "1 / (N |o|)"
           : math.aggregation == Aggregation::token_mean  ? "1 / L"
           : math.aggregation == Aggregation::constant    ? "1 / (N budget)"
                                                          : "1 / N";
}

std::string policy_formula(const GrpoMath& m) {
    const std::string clip = format("clip(s, %g, %g)", 1 - m.epsilon_low, 1 + m.epsilon_high);
    switch (m.objective) {
        case Objective::clip: return "min(s A, " + clip + " A)";
        case Objective::two_sided: return format("min(min(s, %g) A, ", m.delta) + clip + " A)";
        case Objective::dual_clip: return "min(s A, " + clip + format(" A), at least %g A where A < 0", m.dual_clip);
        case Objective::cispo: return clip + " A logp, the clipped ratio held constant";
        case Objective::sapo:
            return format("4 / tau sigmoid(tau (s - 1)) A, tau = %g where A > 0, else %g", m.tau_positive,
                          m.tau_negative);
        case Objective::policy_gradient: return "A logp";
    }
    return {};
}

std::string advantage_formula(const GrpoMath& m) {
    const std::string top = m.baseline == Baseline::mean ? "reward - mean" : "reward - mean of the others";
    if (m.spread == Spread::none) return top;
    const std::string bottom = m.spread_epsilon_place == SpreadEpsilon::inside
                                   ? format("sqrt(std^2 + %g)", m.spread_epsilon)
                               : m.spread_epsilon > 0 ? format("(std + %g)", m.spread_epsilon)
                                                      : "std";
    return "(" + top + ") / " + bottom + (m.spread == Spread::sample ? ", std with n - 1" : ", std with n") +
           (m.spread_over == SpreadOver::batch ? ", of the batch" : ", of the group");
}

std::string kl_formula(const GrpoMath& m) {
    const char* const of[] = {"0", "-d", "d^2 / 2", "e^d - d - 1", "ratio (e^d - d - 1)"};
    if (m.kl == Kl::none) return "none";
    if (m.kl_in == KlIn::reward)
        return std::string(of[int(m.kl)]) +
               format(" of the policy that sampled, d = logp_ref - logp_old; reward -= %g sum of it", m.beta);
    return std::string(of[int(m.kl)]) +
           (m.kl_over == KlOver::token ? ", d = logp_ref - logp" : ", d = sum of logp_ref - logp over the answer");
}

std::string mismatch_formula(const GrpoMath& m) {
    const bool tokens = m.mismatch == Mismatch::token_truncate || m.mismatch == Mismatch::token_mask;
    const std::string w =
        tokens ? "exp(logp_old - logp_sampler)" : "exp(sum of logp_old - logp_sampler over the answer)";
    return m.mismatch == Mismatch::token_truncate || m.mismatch == Mismatch::sequence_truncate
               ? "min(" + w + format(", %g)", m.mismatch_cap)
               : w + format(", and 0 outside [%g, %g]", m.mismatch_floor, m.mismatch_cap);
}

std::string ratio_formula(const GrpoMath& m) {
    return m.ratio == Ratio::token      ? "exp(logp - logp_old)"
           : m.ratio == Ratio::sequence ? "exp(mean of logp - logp_old over the answer)"
                                        : "exp(sum of logp - logp_old over the answer)";
}

std::string loss_formula(const GrpoMath& m) {
    const std::string weight = std::string("weight of a token = ") + weight_formula(m);
    if (m.kl_in == KlIn::reward || m.kl == Kl::none) return "- sum of weight x policy, " + weight;
    return "- sum of weight (policy - beta KL), " + weight + format(", beta = %g", m.beta);
}

}  // namespace

std::vector<Formula> formulas_of(const GrpoMath& m) {
    std::vector<Formula> formulas = {
        {"A", advantage_formula(m) + "; 0 where all rewards of a group are equal"},
        {"ratio s", ratio_formula(m)},
        {"policy", policy_formula(m) + (m.mismatch == Mismatch::none ? "" : ", times w")},
    };
    if (m.mismatch != Mismatch::none) formulas.push_back({"w", mismatch_formula(m) + "; 1 without logp_sampler"});
    formulas.push_back({"KL", kl_formula(m)});
    formulas.push_back({"loss", loss_formula(m)});
    if (m.overlong_limit > 0)
        formulas.push_back({"reward", format("less 0 up to %d tokens, then rising to 1 at %d",
                                             m.overlong_limit - m.overlong_cache, m.overlong_limit)});
    return formulas;
}

std::string unlike_defaults(const GrpoMath& math) {
    GrpoMath set = math, defaults;
    const OptionTable table = table_of(set), plain = table_of(defaults);
    std::string others;
    for (size_t i = 0; i < table.all.size(); ++i)
        if (const std::string value = table.all[i].read(); value != plain.all[i].read())
            others += " " + table.all[i].name + " " + value;
    return others;
}

std::string why_clipped(const TokenTerm<double>& term, double A, const GrpoMath& m) {
    if (term.mismatch == 0) return "weight 0: the sampler's mismatch is out of range";
    if (term.clipped == 0) return "";
    const double low = 1 - m.epsilon_low, high = 1 + m.epsilon_high;
    if (m.objective == Objective::cispo) return format("ratio held at %g, slope kept", term.clipped > 0 ? high : low);
    if (term.clipped < 0) return format("A < 0, ratio < %g: held, slope 0", low);
    const bool two_sided = m.objective == Objective::two_sided;
    if (A > 0) return format("A > 0, ratio > %g: held, slope 0", two_sided ? std::min(m.delta, high) : high);
    return format("A < 0, ratio > %g: held, slope 0", two_sided ? std::max(m.delta, high) : m.dual_clip);
}

std::string why_not_counted(const GrpoGroupResult<double>& group, size_t answer, const GrpoMath& math) {
    if (group.answers[answer].counts) return "";
    return group.flat && math.flat_groups != FlatGroups::keep ? "its group has no spread"
                                                              : "truncated answers are masked";
}

std::string text_of(const AnswerLabel& label, int t) {
    return std::to_string(t + 1) + (label.tokens.empty() ? "" : " " + printable(label.tokens[t]));
}

double share_of_loss(const GrpoAnswerResult<double>& a, int t, const GrpoMath& math) {
    if (!a.counts) return 0;
    return 0.0 - a.weight * (a.terms[t].policy - (math.kl_in == KlIn::loss ? math.beta : 0) * a.terms[t].kl);
}

double share_of_loss(const GrpoAnswerResult<double>& a, const GrpoMath& math) {
    double sum = 0;
    for (size_t t = 0; t < a.terms.size(); ++t) sum += share_of_loss(a, int(t), math);
    return sum;
}

double gradient_norm(const GrpoAnswerResult<double>& a) {
    double sum = 0;
    for (double dlogp : a.dlogp) sum += dlogp * dlogp;
    return std::sqrt(sum);
}

double gradient_norm(const GrpoResult<double>& a) {
    double sum = 0;
    each_token(a, [&](size_t g, size_t i, size_t t) {
        const double dlogp = a.groups[g].answers[i].dlogp[t];
        sum += dlogp * dlogp;
    });
    return std::sqrt(sum);
}

double float_difference(const GrpoBatch<double>& batch, const GrpoResult<double>& exact, const GrpoMath& math) {
    const GrpoResult<float> single = grpo_batch(converted<float>(batch), math);
    double worst = 0;
    each_token(exact, [&](size_t g, size_t i, size_t t) {
        const auto& a = exact.groups[g].answers[i];
        const auto& b = single.groups[g].answers[i];
        for (const auto& [x, y] : {std::pair<double, double>{a.A[t], b.A[t]},
                                   {a.terms[t].ratio, b.terms[t].ratio},
                                   {a.terms[t].policy, b.terms[t].policy},
                                   {a.terms[t].kl, b.terms[t].kl},
                                   {a.terms[t].slope, b.terms[t].slope}})
            worst = std::max(worst, std::fabs(x - y) / std::max(1.0, std::fabs(x)));
    });
    return worst;
}

bool is_cut(const GrpoBatch<double>& batch, const GrpoMath& math) {
    for (const auto& group : batch.groups)
        for (const auto& a : group.answers) {
            double ratio = 0, ref = 0;
            for (int t = 0; t < a.length(); ++t) {
                const double r = a.logp[t] - a.logp_old[t];
                const double d = a.logp_ref.empty() ? 0 : a.logp_ref[t] - a.logp[t];
                if (std::fabs(r) > EXP_CUT || std::fabs(d) > EXP_CUT) return true;
                ratio += r;
                ref += d;
            }
            if ((math.ratio == Ratio::whole && std::fabs(ratio) > EXP_CUT) ||
                (math.kl_over == KlOver::answer && std::fabs(ref) > EXP_CUT))
                return true;
        }
    return false;
}

std::string without_reference(const AuditInput& input) {
    for (size_t g = 0; g < input.labels.size(); ++g)
        for (size_t i = 0; i < input.labels[g].answers.size(); ++i) {
            const GrpoAnswer<double>& a = input.batch.groups[g].answers[i];
            if (a.logp_ref.empty() && !a.logp.empty())
                return input.labels[g].name + " " + input.labels[g].answers[i].name;
        }
    return "";
}

GrpoMath with_epsilon(const Preset& preset, const AuditInput& input) {
    GrpoMath math = preset.math;
    if (!preset.states_epsilon && input.epsilon >= 0) math.epsilon_low = math.epsilon_high = input.epsilon;
    return math;
}

void detach(GrpoBatch<double>& batch) {
    batch.updates = 1;
    batch.deviation = -1;
    for (auto& group : batch.groups)
        for (auto& a : group.answers) a.N = a.L = 0;
}

std::vector<PresetFigures> presets_on(AuditInput input) {
    detach(input.batch);
    const bool with_reference = without_reference(input).empty();
    std::vector<PresetFigures> all;
    for (const Preset& p : presets()) {
        PresetFigures& of = all.emplace_back();
        of.preset = &p;
        const GrpoMath math = with_epsilon(p, input);
        of.computed = with_reference || !needs_reference(math);
        if (!of.computed) continue;
        const GrpoResult<double> a = grpo_batch(input.batch, math);
        of.loss = a.loss;
        of.policy_loss = a.policy_loss;
        of.kl_loss = a.kl_loss;
        of.clipped = double(a.sums.clipped_low + a.sums.clipped_high) / std::max(1, a.sums.tokens);
        of.gradient_norm = gradient_norm(a);
    }
    return all;
}

}  // namespace r1
