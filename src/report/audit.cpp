// r1 audit: explains GRPO on the numbers of a file or of a run's step. What is computed stands in loss/grpo_batch.h,
// what is read in audit_read.cpp; here it is put into words.
#include "report/audit.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include "base/check.h"
#include "report/page.h"
#include "report/words.h"

namespace r1 {

namespace {

// A part of a larger batch becomes a batch by itself.
void detach(GrpoBatch<double>& batch) {
    batch.updates = 1;
    batch.deviation = -1;
    for (auto& group : batch.groups)
        for (auto& a : group.answers) a.N = a.L = 0;
}

// The first answer without logp_ref; "" where all have it.
std::string without_reference(const AuditInput& input) {
    for (size_t g = 0; g < input.labels.size(); ++g)
        for (size_t i = 0; i < input.labels[g].answers.size(); ++i) {
            const GrpoAnswer<double>& a = input.batch.groups[g].answers[i];
            if (a.logp_ref.empty() && !a.logp.empty())
                return input.labels[g].name + " " + input.labels[g].answers[i].name;
        }
    return "";
}

// ---- texts and formulas

std::string text_of(const AnswerLabel& label, int t) {
    return std::to_string(t + 1) + (label.tokens.empty() ? "" : " " + printable(label.tokens[t]));
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

void print_settings(const GrpoMath& m) {
    std::printf("A      = %s; 0 where all rewards of a group are equal\n", advantage_formula(m).c_str());
    std::printf("ratio  s = %s\n", m.ratio == Ratio::token      ? "exp(logp - logp_old)"
                                   : m.ratio == Ratio::sequence ? "exp(mean of logp - logp_old over the answer)"
                                                                : "exp(sum of logp - logp_old over the answer)");
    std::printf("policy = %s%s\n", policy_formula(m).c_str(), m.mismatch == Mismatch::none ? "" : ", times w");
    if (m.mismatch != Mismatch::none) std::printf("w      = %s; 1 without logp_sampler\n", mismatch_formula(m).c_str());
    std::printf("KL     = %s\n", kl_formula(m).c_str());
    if (m.kl_in == KlIn::reward || m.kl == Kl::none)
        std::printf("loss   = - sum of weight x policy, weight of a token = %s\n", weight_formula(m));
    else
        std::printf("loss   = - sum of weight (policy - beta KL), weight of a token = %s, beta = %g\n",
                    weight_formula(m), m.beta);
    if (m.overlong_limit > 0)
        std::printf("reward -= 0 up to %d tokens, then rising to 1 at %d\n", m.overlong_limit - m.overlong_cache,
                    m.overlong_limit);
    std::printf(
        "columns: `of the loss` is a token's own part of it; dloss/dlogp its slope: below 0, a step of descent raises "
        "the token\n");
    GrpoMath set = m, defaults;
    const OptionTable table = table_of(set), plain = table_of(defaults);
    std::string others;
    for (size_t i = 0; i < table.all.size(); ++i)
        if (const std::string value = table.all[i].read(); value != plain.all[i].read())
            others += " " + table.all[i].name + " " + value;
    if (!others.empty()) std::printf("options:%s\n", others.c_str());
    std::printf("\n");
}

// ---- groups, totals

double share_of_loss(const GrpoAnswerResult<double>& a, int t, const GrpoMath& math) {
    if (!a.counts) return 0;
    return 0.0 - a.weight * (a.terms[t].policy - (math.kl_in == KlIn::loss ? math.beta : 0) * a.terms[t].kl);
}

void print_tokens(const GrpoAnswer<double>& answer, const AnswerLabel& label, const GrpoAnswerResult<double>& a,
                  const GrpoMath& math) {
    size_t width = 5;
    for (int t = 0; t < answer.length(); ++t) width = std::max(width, code_points(text_of(label, t)));
    const bool weighs = math.mismatch != Mismatch::none && !answer.logp_sampler.empty();
    std::printf("    %s %10s %10s %10s %9s %10s%s %11s %10s %11s %11s  %s\n", padded("token", width).c_str(), "logp",
                "logp_old", "logp_ref", "A", "ratio", weighs ? "         w" : "", "policy", "KL", "of the loss",
                "dloss/dlogp", "clipped");
    for (int t = 0; t < answer.length(); ++t) {
        const TokenTerm<double>& term = a.terms[t];
        const std::string old = label.has_old ? format("%10.5f", answer.logp_old[t]) : "         -";
        const std::string ref = answer.logp_ref.empty() ? "         -" : format("%10.5f", answer.logp_ref[t]);
        const std::string ratio = format(term.ratio < 1000 ? "%10.5f" : "%10.3e", term.ratio),
                          w = weighs ? format("%10.5f", term.mismatch) : "";
        std::printf("    %s %10.5f %s %s %+9.4f %s%s %+11.6f %10.6f %+11.3e %+11.3e  %s\n",
                    padded(text_of(label, t), width).c_str(), answer.logp[t], old.c_str(), ref.c_str(), a.A[t],
                    ratio.c_str(), w.c_str(), term.policy, term.kl, share_of_loss(a, t, math), a.dlogp[t],
                    why_clipped(term, a.A[t], math).c_str());
    }
}

void print_answer(const GrpoGroup<double>& group, const GrpoGroupResult<double>& audited, const AnswerLabel& label,
                  size_t i, const GrpoMath& math) {
    const GrpoAnswer<double>& answer = group.answers[i];
    const GrpoAnswerResult<double>& a = audited.answers[i];
    std::printf("\n  %s: ", label.name.c_str());
    if (group.by_steps()) {
        std::printf("%zu steps, each token gets those that end with it or after it", answer.steps.size());
    } else {
        std::printf("reward %.6g", answer.reward);
        if (a.reward != answer.reward) std::printf(", with penalties %.6g", a.reward);
        std::printf(", minus mean %+.6g, advantage A = %+.6f", a.reward - audited.mean, a.advantage);
    }
    std::printf(", %d tokens%s%s", answer.length(), answer.truncated ? ", cut off" : "",
                label.has_old ? "" : ", on policy (no logp_old)");
    if (!a.counts)
        std::printf("; NOT in the loss (%s)\n", audited.flat && math.flat_groups != FlatGroups::keep
                                                    ? "its group has no spread"
                                                    : "truncated answers are masked");
    else if (a.terms.empty()) std::printf("; empty: it has no token to learn from, and counts as an answer\n");
    else std::printf(", weight of a token %.6g\n", a.weight);
    if (a.counts && !a.terms.empty()) print_tokens(answer, label, a, math);
}

void print_group(const GrpoGroup<double>& group, const GroupLabel& label, const GrpoGroupResult<double>& audited,
                 const GrpoMath& math) {
    std::printf("%s\n", printable(label.name).c_str());
    std::printf("  %s: mean %.6g", group.by_steps() ? "rewards of all steps" : "rewards", audited.mean);
    if (group.answers.size() == 1 && !group.by_steps())
        std::printf("; one answer has no other to be compared with: its advantage is 0 by definition\n");
    else if (audited.flat)
        std::printf("; all equal: every advantage is 0 by definition, and the policy term of the group is nothing\n");
    else if (math.spread == Spread::none) std::printf("\n");
    else
        std::printf(", divided by %.6g%s\n", audited.deviation,
                    math.spread_over == SpreadOver::batch ? ", of the batch" : "");
    for (size_t i = 0; i < group.answers.size(); ++i) print_answer(group, audited, label.answers[i], i, math);
    std::printf("\n");
}

// Calls visit(group, answer, token) for every token.
template <class Visit>
void each_token(const GrpoResult<double>& a, const Visit& visit) {
    for (size_t g = 0; g < a.groups.size(); ++g)
        for (size_t i = 0; i < a.groups[g].answers.size(); ++i)
            for (size_t t = 0; t < a.groups[g].answers[i].terms.size(); ++t) visit(g, i, t);
}

double gradient_norm(const GrpoResult<double>& a) {
    double sum = 0;
    each_token(a, [&](size_t g, size_t i, size_t t) {
        const double dlogp = a.groups[g].answers[i].dlogp[t];
        sum += dlogp * dlogp;
    });
    return std::sqrt(sum);
}

// The largest difference from what training computes, relative where numbers are above 1: the same functions in float.
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
                ratio += r, ref += d;
            }
            if ((math.ratio == Ratio::whole && std::fabs(ratio) > EXP_CUT) ||
                (math.kl_over == KlOver::answer && std::fabs(ref) > EXP_CUT))
                return true;
        }
    return false;
}

void print_totals(const GrpoBatch<double>& batch, const GrpoResult<double>& a, const GrpoMath& math, bool of_run) {
    bool on_policy = true;
    for (const auto& group : batch.groups)
        for (const auto& answer : group.answers) on_policy &= answer.logp == answer.logp_old;
    const double tokens = std::max(1, a.sums.tokens);
    if (of_run) std::printf("totals of the recorded answers, mean over the step's updates as in metrics.jsonl\n");
    else std::printf("totals: N = %g answers, L = %g tokens\n", a.N, a.L);
    std::printf("  loss %.9g = policy %.9g + KL %.9g\n", a.loss, a.policy_loss, a.kl_loss);
    std::printf(
        "  clipped below %.4g %%, above %.4g %%; mean ratio %.6g; mean KL %.6g\n  "
        "sqrt of the sum over tokens of (dloss/dlogp)^2: %.6g\n",
        100 * a.sums.clipped_low / tokens, 100 * a.sums.clipped_high / tokens, a.sums.ratio / tokens,
        a.sums.kl / tokens, gradient_norm(a));
    if (on_policy && !of_run && a.L > 0 && std::fabs(a.policy_loss) < 1e-12)
        std::printf(
            "  On policy every ratio is 1, and the advantages of a group sum to 0: the policy loss says nothing, its "
            "gradient does.\n");
    if (is_cut(batch, math))
        std::printf("  Somewhere a difference of log-probabilities is beyond %d: exp of it is cut there.\n", EXP_CUT);
    std::printf("  In float, as training computes it, the largest difference is %.2e (relative above 1).\n\n",
                float_difference(batch, a, math));
}

// A preset sets everything; only a clip range that its source does not state is the file's.
GrpoMath with_epsilon(const Preset& preset, const AuditInput& input) {
    GrpoMath math = preset.math;
    if (!preset.states_epsilon && input.epsilon >= 0) math.epsilon_low = math.epsilon_high = input.epsilon;
    return math;
}

void print_presets(const AuditInput& input) {
    std::printf("the presets on the same numbers\n  %-10s %13s %13s %13s %9s %13s\n", "preset", "loss", "policy", "KL",
                "clipped", "gradient");
    for (const Preset& p : presets()) {
        const GrpoMath math = with_epsilon(p, input);
        if (needs_reference(math) && !without_reference(input).empty()) {
            std::printf("  %-10s needs logp_ref\n", p.name);
            continue;
        }
        const GrpoResult<double> a = grpo_batch(input.batch, math);
        std::printf("  %-10s %13.6g %13.6g %13.6g %7.2f %% %13.6g\n", p.name, a.loss, a.policy_loss, a.kl_loss,
                    100.0 * (a.sums.clipped_low + a.sums.clipped_high) / std::max(1, a.sums.tokens), gradient_norm(a));
    }
    std::printf("  gradient: sqrt of the sum over tokens of (dloss/dlogp)^2\n");
    for (const Preset& p : presets()) std::printf("  %-10s %s\n", p.name, p.source);
}

// An answer's numbers: what went in is not repeated.
json answer_to_json(const GrpoAnswerResult<double>& a, const GrpoMath& math) {
    json of = {{"reward", a.reward},           {"advantage", a.advantage}, {"counts", a.counts},
               {"weight", a.weight},           {"ratio", json::array()},   {"clipped", json::array()},
               {"mismatch", json::array()},    {"policy", json::array()},  {"kl", json::array()},
               {"of_the_loss", json::array()}, {"dlogp", a.dlogp}};
    for (size_t t = 0; t < a.terms.size(); ++t) {
        const TokenTerm<double>& term = a.terms[t];
        of["ratio"].push_back(term.ratio);
        of["clipped"].push_back(term.clipped);
        of["mismatch"].push_back(term.mismatch);
        of["policy"].push_back(term.policy);
        of["kl"].push_back(term.kl);
        of["of_the_loss"].push_back(share_of_loss(a, int(t), math));
    }
    return of;
}

json audit_to_json(const GrpoBatch<double>& batch, const GrpoResult<double>& a, const GrpoMath& math) {
    json advantages_out = json::array(), gradient = json::array(), groups = json::array();
    for (size_t g = 0; g < a.groups.size(); ++g) {
        json of_group = json::array(), gradient_of_group = json::array(), answers = json::array();
        for (const auto& answer : a.groups[g].answers) {
            if (batch.groups[g].by_steps()) of_group.push_back(answer.A);  // of each token
            else of_group.push_back(answer.advantage);
            gradient_of_group.push_back(answer.dlogp);
            answers.push_back(answer_to_json(answer, math));
        }
        advantages_out.push_back(of_group);
        gradient.push_back(gradient_of_group);
        groups.push_back({{"mean", a.groups[g].mean},
                          {"deviation", a.groups[g].deviation},
                          {"flat", a.groups[g].flat},
                          {"answers", answers}});
    }
    const double tokens = std::max(1, a.sums.tokens);
    return {{"options", math_to_json(math)},
            {"N", a.N},
            {"L", a.L},
            {"loss", a.loss},
            {"policy_loss", a.policy_loss},
            {"kl_loss", a.kl_loss},
            {"clip_low", a.sums.clipped_low / tokens},
            {"clip_high", a.sums.clipped_high / tokens},
            {"kl_mean", a.sums.kl / tokens},
            {"ratio_mean", a.sums.ratio / tokens},
            {"gradient_norm", gradient_norm(a)},
            {"float_difference", float_difference(batch, a, math)},
            {"cut", is_cut(batch, math)},
            {"advantages", advantages_out},
            {"gradient", gradient},
            {"groups", groups}};
}

// What audit.js draws.
json page_data(const std::string& title, const AuditInput& input, const GrpoResult<double>& audited,
               const GrpoMath& math) {
    json page = audit_to_json(input.batch, audited, math);
    page["title"] = title;
    page["math"] = math_to_json(math);
    page["groups"] = json::array();
    for (size_t g = 0; g < input.labels.size(); ++g) {
        const GrpoGroupResult<double>& of = audited.groups[g];
        json group = {{"name", input.labels[g].name},
                      {"mean", of.mean},
                      {"deviation", of.deviation},
                      {"flat", of.flat},
                      {"answers", json::array()}};
        for (size_t i = 0; i < of.answers.size(); ++i) {
            const auto& in = input.batch.groups[g].answers[i];
            const auto& label = input.labels[g].answers[i];
            const auto& a = of.answers[i];
            json tokens = json::array();
            for (int t = 0; t < in.length(); ++t)
                tokens.push_back({text_of(label, t), in.logp[t], in.logp_old[t],
                                  in.logp_ref.empty() ? in.logp[t] : in.logp_ref[t], a.A[t], a.terms[t].ratio,
                                  a.terms[t].policy, a.terms[t].kl, share_of_loss(a, t, math), a.dlogp[t],
                                  why_clipped(a.terms[t], a.A[t], math)});
            group["answers"].push_back({{"name", label.name},
                                        {"reward", a.reward},
                                        {"counts", a.counts},
                                        {"weight", a.weight},
                                        {"tokens", tokens}});
        }
        page["groups"].push_back(group);
    }
    return page;
}

std::string page_of(const json& data) {
    return page_of_parts(audit_html,
                         {{"audit.css", audit_css}, {"data", json_for_script(data)}, {"audit.js", audit_js}});
}

// ---- runs

// What of the step is known, and how far the audit in double is from what training did in float.
void print_run(const RunStep& run, const GrpoResult<double>& a) {
    double worst = 0;
    int answers = 0;
    for (size_t g = 0; g < run.recorded.size(); ++g)
        for (size_t i = 0; i < run.recorded[g].size(); ++i, ++answers)
            worst = std::max(worst, std::fabs(a.groups[g].answers[i].advantage - run.recorded[g][i].advantage));
    std::printf(
        "step %lld: %zu groups were recorded, %d answers; each is weighed with the N and L of the minibatch that it "
        "went into\n",
        (long long)run.step, run.recorded.size(), answers);
    std::map<int, const GrpoAnswer<double>*> one_of;  // each update
    for (size_t g = 0; g < run.recorded.size(); ++g)
        for (size_t i = 0; i < run.recorded[g].size(); ++i)
            one_of[run.recorded[g][i].update] = &run.input.batch.groups[g].answers[i];
    for (const auto& [update, one] : one_of) std::printf("  update %d: N = %g, L = %g\n", update + 1, one->N, one->L);
    std::printf("Advantages computed anew differ from those that training used, in float, by at most %.1e.\n", worst);
    const json& m = run.metrics;
    const auto value = [&](const char* key) {
        return m.contains(key) && m[key].is_number() ? m[key].get<double>() : std::nan("");
    };
    if (m.is_object())
        std::printf(
            "The whole step: reward %.4f, policy loss %+.6f, KL loss %.6f, KL %.5f a token, mean ratio %.5f, clipped "
            "%.2f %%.\n",
            value("reward"), value("policy_loss"), value("kl_loss"), value("kl"), value("ratio"),
            100 * (value("clip_low") + value("clip_high")));
    std::printf("\n");
}

// Why a token's log-probability is pushed: dloss/dlogit_v = dloss/dlogp (1[v = token] - p_v) / temperature.
void print_logits(const RunStep& run, const GrpoResult<double>& a, int answer, int token) {
    int seen = 0;
    for (size_t g = 0; g < run.recorded.size(); ++g) {
        const int here = answer - 1 - seen, count = int(run.recorded[g].size());
        seen += count;
        if (here >= count) continue;
        const GrpoAnswer<double>& o = run.input.batch.groups[g].answers[here];
        const AnswerLabel& label = run.input.labels[g].answers[here];
        const RecordedAnswer& recorded = run.recorded[g][here];
        if (token > o.length())
            throw UsageError("the answer has " + std::to_string(o.length()) + " tokens, --token, give 1 to that");
        const int t = token - 1;
        const double slope = a.groups[g].answers[here].dlogp[t];
        std::printf("%s, %s, token %s\n", printable(run.input.labels[g].name).c_str(), label.name.c_str(),
                    text_of(label, t).c_str());
        std::printf("  dloss/dlogp = %+.6e: a step against it %s this token\n", slope,
                    slope < 0   ? "raises"
                    : slope > 0 ? "lowers"
                                : "leaves");
        std::printf("  dloss/dlogit of v = dloss/dlogp (1[v is the token] - p(v)) / temperature %g\n", run.temperature);
        std::printf("    %s %12s %14s\n", padded("v", 14).c_str(), "p(v)", "dloss/dlogit");
        double rest = 1, sum = 0;
        bool among = false;
        const auto row = [&](const std::string& text, double p, bool own) {
            const double d = slope * ((own ? 1 : 0) - p) / run.temperature + 0.0;  // and no -0
            std::printf("    %s %12.6g %+14.6e%s\n", padded(printable(text), 14).c_str(), p, d,
                        own ? "   the sampled token" : "");
            rest -= p, sum += d, among |= own;
        };
        for (const auto& c : recorded.candidates[t]) row(c.text, c.p, c.id == recorded.ids[t]);
        if (!among) row(label.tokens[t], std::exp(o.logp[t]), true);
        std::printf("    %s %12.6g %+14.6e   together: each loses or gains by its own p(v)\n",
                    padded("all others", 14).c_str(), std::max(0.0, rest),
                    0.0 - slope * std::max(0.0, rest) / run.temperature);
        std::printf("    %s %12s %+14.1e   0 but for the rounding of p\n", padded("sum", 14).c_str(), "",
                    sum - slope * std::max(0.0, rest) / run.temperature);
        return;
    }
    throw UsageError("there are " + std::to_string(seen) + " recorded answers, --answer, give 1 to that");
}

// The run's own settings or the defaults, then the file's, a preset, single options.
GrpoMath settings_of(const AuditOptions& o, const RunStep& run) {
    GrpoMath math = run.math;
    const AuditInput& input = run.input;
    if (input.epsilon >= 0) math.epsilon_low = math.epsilon_high = input.epsilon;
    if (input.beta >= 0) math.beta = input.beta;
    if (!o.preset.empty()) math = with_epsilon(preset(o.preset), input);
    const OptionTable table = table_of(math);
    for (const auto& [name, value] : o.math) table.find(name)->write(value);
    check(math);
    if (const std::string name = without_reference(input); needs_reference(math) && !name.empty())
        fail("no \"logp_ref\"", (o.run.empty() ? o.file : o.run) + " " + name, "give it, or --kl none, or --beta 0");
    for (size_t g = 0; g < input.labels.size(); ++g) {
        const GrpoGroup<double>& group = input.batch.groups[g];
        const std::string& name = input.labels[g].name;
        if (!group.by_steps()) continue;
        if (math.kl_in == KlIn::reward && needs_reference(math))
            throw UsageError("KL is taken off an answer's reward, and " + name +
                             " has rewards of steps, --kl-in, give loss");
        for (const auto& a : group.answers)
            if (overlong_penalty<double>(a.length(), math) != 0)
                throw UsageError("the penalty of length is taken off an answer's reward, and " + name +
                                 " has rewards of steps, --overlong-limit, give 0");
    }
    return math;
}

void check_options(const AuditOptions& o) {
    const bool run = !o.run.empty();
    if (o.file.empty() != run) throw UsageError("nothing to audit, or two things, r1 audit, give FILE or --run DIR");
    if (!run && (o.step || o.answer || o.token))
        throw UsageError("a file has no steps and no logits, --step, --answer and --token, give --run DIR");
    if ((o.answer > 0) != (o.token > 0))
        throw UsageError("half a place, --answer and --token, give both, counted from 1");
    if (o.explain && !run) throw UsageError("a file has no metrics, --explain, give --run DIR");
    if ((o.explain || o.token) && (o.as_json || !o.html.empty()))
        throw UsageError("words only, --explain and --token, leave --json and --html out");
}

}  // namespace

OptionTable table_of(AuditOptions& o) {
    OptionTable table;
    table.input("FILE", o.file,
                "JSON {\"epsilon\": 0.2, \"beta\": 0.04, \"groups\": [{\"answers\": [{\"reward\": 1, \"logp\": "
                "[...], \"logp_old\": [...], \"logp_ref\": [...]}]}]}");
    table.input("--run", o.run, "instead: folder of a run of r1 grpo");
    table.number("--step", o.step, at_least(0), "recorded step of the run; 0: the last");
    table.number("--answer", o.answer, at_least(0), "with --token: the gradient of its logits; both from 1");
    table.number("--token", o.token, at_least(0), "see --answer");
    table.flag("--explain", o.explain, "the run's newest metrics in words: what is expected, and what is not");
    table.flag("--json", o.as_json, "print JSON: all that the words say");
    table.output("--html", o.html, "file to draw it in");
    const auto tried = std::make_shared<GrpoMath>();  // a scratch copy: writing to it checks a value
    OptionTable math = table_of(*tried);
    math.all.insert(math.all.begin(), preset_option(o.preset, *tried, nullptr));
    for (Option& option : math.all) {
        const bool is_preset = option.name == "--preset";
        const auto write = [&o, tried, name = option.name, set = option.write, is_preset](const std::string& text) {
            set(text);
            if (!is_preset) o.math.push_back({name, text});
        };
        option.write = write;
        option.read = [] { return std::string(); };  // the file's or the run's own
    }
    table.add(std::move(math));
    return table;
}

void audit_command(const AuditOptions& o) {
    check_options(o);
    if (o.explain) return explain(o.run);
    RunStep run;
    if (o.run.empty()) run.input = read_audit(o.file);
    else run = read_run(o.run, o.step);
    // With settings of the asker's own a run's groups are a batch by themselves: nobody knows what else would count.
    const bool as_trained = !o.run.empty() && o.preset.empty() && o.math.empty();
    if (!as_trained) detach(run.input.batch);
    const GrpoBatch<double>& batch = run.input.batch;
    const GrpoMath math = settings_of(o, run);
    const GrpoResult<double> audited = grpo_batch(batch, math);
    const std::string title = o.run.empty() ? o.file : o.run + ", step " + std::to_string(run.step);
    bool finite = std::isfinite(audited.loss);
    each_token(audited,
               [&](size_t g, size_t i, size_t t) { finite &= std::isfinite(audited.groups[g].answers[i].dlogp[t]); });
    if (!finite) fail("the loss or a slope is not finite", title, "these numbers are too large for these settings");

    if (!o.html.empty()) write_file_atomically(o.html, page_of(page_data(title, run.input, audited, math)));
    if (o.as_json) {
        std::printf("%s\n", audit_to_json(batch, audited, math).dump().c_str());
        return;
    }
    if (o.token > 0) return print_logits(run, audited, o.answer, o.token);
    if (as_trained) print_run(run, audited);
    else if (!o.run.empty())
        std::printf("step %lld with settings of your own: its recorded groups as a batch by themselves\n\n",
                    (long long)run.step);
    print_settings(math);
    for (size_t g = 0; g < batch.groups.size(); ++g)
        print_group(batch.groups[g], run.input.labels[g], audited.groups[g], math);
    print_totals(batch, audited, math, as_trained);
    if (!as_trained) print_presets(run.input);
    if (!o.html.empty()) std::printf("\ndrawn in %s\n", o.html.c_str());
}

}  // namespace r1
