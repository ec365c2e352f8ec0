#include "report/audit_json.h"

#include <algorithm>

#include "report/audit_figures.h"
#include "report/page.h"

namespace r1 {

namespace {

json theirs_to_json(const TheirsCompared& compared, const AuditInput& input) {
    return {{"framework", input.framework},
            {"loss", compared.theirs},
            {"difference", compared.difference},
            {"slopes", compared.slopes},
            {"slope_difference", compared.slope_difference},
            {"equal", compared.first.empty()},
            {"first_difference", compared.first}};
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

}  // namespace

json audit_to_json(const AuditInput& input, const GrpoResult<double>& a, const GrpoMath& math,
                   const std::optional<TheirsCompared>& theirs) {
    const GrpoBatch<double>& batch = input.batch;
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
    json all = {{"options", math_to_json(math)},
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
    if (theirs) all["theirs"] = theirs_to_json(*theirs, input);
    return all;
}

std::string audit_page(const std::string& title, const AuditInput& input, const GrpoResult<double>& audited,
                       const GrpoMath& math, const std::optional<TheirsCompared>& theirs) {
    json page = audit_to_json(input, audited, math, theirs);
    for (const char* unread : {"advantages", "gradient"}) page.erase(unread);  // stand in the answers, too
    page["title"] = title;
    page["unlike_defaults"] = unlike_defaults(math);
    for (const Formula& f : formulas_of(math)) page["formulas"].push_back({f.name, f.text});
    for (const PresetFigures& p : presets_on(input)) {
        json figures;  // null: it needs logp_ref
        if (p.computed) figures = {p.loss, p.policy_loss, p.kl_loss, p.clipped, p.gradient_norm};
        page["presets"].push_back({{"name", p.preset->name}, {"source", p.preset->source}, {"figures", figures}});
    }
    for (size_t g = 0; g < input.labels.size(); ++g) {
        json& group = page["groups"][g];
        group["name"] = input.labels[g].name;
        for (size_t i = 0; i < input.labels[g].answers.size(); ++i) {
            const GrpoAnswer<double>& in = input.batch.groups[g].answers[i];
            const GrpoAnswerResult<double>& a = audited.groups[g].answers[i];
            const AnswerLabel& label = input.labels[g].answers[i];
            json& answer = group["answers"][i];
            json clipped = json::array();
            for (size_t t = 0; t < a.terms.size(); ++t) clipped.push_back(why_clipped(a.terms[t], a.A[t], math));
            answer.update({{"name", label.name},
                           {"given_reward", in.reward},
                           {"A", a.A},
                           {"logp", in.logp},
                           {"logp_ref", in.logp_ref},
                           {"tokens", label.tokens},
                           {"truncated", in.truncated},
                           {"not_counted", why_not_counted(audited.groups[g], i, math)},
                           {"share", share_of_loss(a, math)},
                           {"gradient", gradient_norm(a)},
                           {"clipped", clipped}});
            answer["logp_old"] = label.has_old ? json(in.logp_old) : json::array();
        }
    }
    return page_of_parts(audit_html, {{"page.js", page_js},
                                      {"report.css", report_css},
                                      {"audit.css", audit_css},
                                      {"data", json_for_script(page)},
                                      {"audit.js", audit_js}});
}

}  // namespace r1
