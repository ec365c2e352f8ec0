#include "report/audit_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/check.h"
#include "report/audit_figures.h"
#include "report/words.h"

namespace r1 {

namespace {

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
    std::printf("  %s: ", label.name.c_str());
    if (group.by_steps()) {
        std::printf("%zu steps, each token gets those that end with it or after it", answer.steps.size());
    } else {
        std::printf("reward %.6g", answer.reward);
        if (a.reward != answer.reward) std::printf(", with penalties %.6g", a.reward);
        std::printf(", minus mean %+.6g, advantage A = %+.6f", a.reward - audited.mean, a.advantage);
    }
    std::printf(", %d tokens%s%s", answer.length(), answer.truncated ? ", cut off" : "",
                label.has_old ? "" : ", on policy (no logp_old)");
    if (!a.counts) std::printf("; NOT in the loss (%s)\n", why_not_counted(audited, i, math).c_str());
    else if (a.terms.empty()) std::printf("; empty: it has no token to learn from, and counts as an answer\n");
    else std::printf(", weight of a token %.6g\n", a.weight);
    if (a.counts && !a.terms.empty()) print_tokens(answer, label, a, math);
    std::printf("\n");
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
    std::printf("  %-10s %10s %10s %7s %12s %12s\n", "", "reward", "A", "tokens", "of the loss", "gradient");
    for (size_t i = 0; i < group.answers.size(); ++i) {
        const GrpoAnswer<double>& answer = group.answers[i];
        const GrpoAnswerResult<double>& a = audited.answers[i];
        const std::string out = why_not_counted(audited, i, math);
        std::string note = answer.truncated ? "  cut off" : "";
        if (!out.empty()) note += "  NOT in the loss: " + out;
        const bool by_steps = group.by_steps();
        std::printf("  %s %10s %10s %7d %+12.3e %12.3e%s\n", padded(label.answers[i].name, 10).c_str(),
                    by_steps ? format("%zu steps", answer.steps.size()).c_str() : format("%.6g", a.reward).c_str(),
                    by_steps ? "" : format("%+.4f", a.advantage).c_str(), answer.length(), share_of_loss(a, math) + 0.0,
                    a.counts ? gradient_norm(a) : 0.0, note.c_str());
    }
    std::printf("\n");
}

bool is_shown(const AuditInput& input, AuditPlace place, size_t group, size_t answer) {
    if (place.group > 0) return int(group) == place.group - 1 && (place.answer == 0 || int(answer) == place.answer - 1);
    int tokens = 0;
    for (const auto& each : input.batch.groups)
        for (const auto& of : each.answers) tokens += of.length();
    return place.all || tokens <= SHOWN_TOKENS;
}

}  // namespace

void print_settings(const GrpoMath& math) {
    for (const Formula& f : formulas_of(math)) std::printf("%-7s = %s\n", f.name.c_str(), f.text.c_str());
    std::printf(
        "`of the loss`: a token's or an answer's own part of it; dloss/dlogp: its slope, below 0 where a step of "
        "descent raises the token; gradient: sqrt of the sum over an answer's tokens of (dloss/dlogp)^2\n");
    if (const std::string others = unlike_defaults(math); !others.empty()) std::printf("options:%s\n", others.c_str());
    std::printf("\n");
}

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

void print_summary(const AuditInput& input, const GrpoResult<double>& audited, const GrpoMath& math) {
    size_t answers = 0, in_loss = 0;
    for (const auto& group : audited.groups)
        for (const auto& answer : group.answers) {
            ++answers;
            in_loss += answer.counts;
        }
    std::printf("%s in %s, %zu of them in the loss\n\n", counted(answers, "answer").c_str(),
                counted(audited.groups.size(), "group").c_str(), in_loss);
    for (size_t g = 0; g < input.labels.size(); ++g)
        print_group(input.batch.groups[g], input.labels[g], audited.groups[g], math);
}

void print_answers(const AuditInput& input, const GrpoResult<double>& audited, const GrpoMath& math, AuditPlace place) {
    bool any = false;
    for (size_t g = 0; g < input.labels.size(); ++g) {
        bool first = true;
        for (size_t i = 0; i < input.labels[g].answers.size(); ++i) {
            if (!is_shown(input, place, g, i)) continue;
            if (first) std::printf("%s\n\n", printable(input.labels[g].name).c_str());
            first = false;
            any = true;
            print_answer(input.batch.groups[g], audited.groups[g], input.labels[g].answers[i], i, math);
        }
    }
    if (!any)
        std::printf("the tokens of an answer: --group 1 --answer 1, or of all: --all (they are more than %d)\n\n",
                    SHOWN_TOKENS);
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

void print_presets(const AuditInput& input) {
    std::printf("the presets on the same answers, as a batch by themselves\n  %-10s %13s %13s %13s %9s %13s\n",
                "preset", "loss", "policy", "KL", "clipped", "gradient");
    const std::vector<PresetFigures> all = presets_on(input);
    for (const PresetFigures& p : all)
        if (p.computed)
            std::printf("  %-10s %13.6g %13.6g %13.6g %7.2f %% %13.6g\n", p.preset->name, p.loss, p.policy_loss,
                        p.kl_loss, 100 * p.clipped, p.gradient_norm);
        else std::printf("  %-10s needs logp_ref\n", p.preset->name);
    std::printf("  gradient: sqrt of the sum over tokens of (dloss/dlogp)^2\n");
    for (const PresetFigures& p : all) std::printf("  %-10s %s\n", p.preset->name, p.preset->source);
}

void print_theirs(const TheirsCompared& compared, const std::string& trainer) {
    std::printf("\n%s says\n  loss %.9g, here %.9g: a difference of %.1e\n", trainer.c_str(), compared.theirs,
                compared.ours, compared.difference);
    if (compared.slopes > 0)
        std::printf("  dloss/dlogp of %d tokens: a difference of %.1e at most, relative to the largest\n",
                    compared.slopes, compared.slope_difference);
    else
        std::printf(
            "  no \"dlogp\" is in the file: a loss alone can agree by chance, as on policy, where it may be 0\n");
    if (compared.first.empty()) std::printf("  %s computes what these settings say.\n", trainer.c_str());
}

void print_logits(const RunStep& run, const GrpoResult<double>& audited, AuditPlace place, int token) {
    const size_t g = size_t(place.group - 1), i = size_t(place.answer - 1);
    const GrpoAnswer<double>& o = run.input.batch.groups[g].answers[i];
    const AnswerLabel& label = run.input.labels[g].answers[i];
    const RecordedAnswer& recorded = run.recorded[g][i];
    if (token > o.length())
        throw UsageError("the answer has " + std::to_string(o.length()) + " tokens, --token, give 1 to that");
    const int t = token - 1;
    const double slope = audited.groups[g].answers[i].dlogp[t];
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
        rest -= p;
        sum += d;
        among |= own;
    };
    for (const auto& c : recorded.candidates[t]) row(c.text, c.p, c.id == recorded.ids[t]);
    if (!among) row(label.tokens[t], std::exp(o.logp[t]), true);
    std::printf("    %s %12.6g %+14.6e   together: each loses or gains by its own p(v)\n",
                padded("all others", 14).c_str(), std::max(0.0, rest),
                0.0 - slope * std::max(0.0, rest) / run.temperature);
    std::printf("    %s %12s %+14.1e   0 but for the rounding of p\n", padded("sum", 14).c_str(), "",
                sum - slope * std::max(0.0, rest) / run.temperature);
}

}  // namespace r1
