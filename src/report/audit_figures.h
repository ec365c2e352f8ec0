// What r1 audit says of a batch beyond grpo_batch()'s results: its settings as formulas, and figures of the whole.
#pragma once
#include <string>
#include <vector>

#include "report/audit.h"

namespace r1 {

// ---- settings, in words

struct Formula {
    std::string name, text;  // "ratio s", "exp(logp - logp_old)"
};
std::vector<Formula> formulas_of(const GrpoMath& math);
std::string unlike_defaults(const GrpoMath& math);  // " --beta 0.1 --kl k2", or ""

// Why a token's ratio is held or its weight is 0; "" where neither is.
std::string why_clipped(const TokenTerm<double>& term, double A, const GrpoMath& math);
// Why an answer is not in the loss; "" where it is.
std::string why_not_counted(const GrpoGroupResult<double>& group, size_t answer, const GrpoMath& math);
std::string text_of(const AnswerLabel& label, int t);  // "3 wait": a token's number, from 1, and its text

// ---- figures

// Calls visit(group, answer, token) for every token that is in the loss.
template <class Visit>
void each_token(const GrpoResult<double>& a, const Visit& visit) {
    for (size_t g = 0; g < a.groups.size(); ++g)
        for (size_t i = 0; i < a.groups[g].answers.size(); ++i)
            for (size_t t = 0; t < a.groups[g].answers[i].terms.size(); ++t) visit(g, i, t);
}

double share_of_loss(const GrpoAnswerResult<double>& a, int t, const GrpoMath& math);  // a token's own part
double share_of_loss(const GrpoAnswerResult<double>& a, const GrpoMath& math);         // an answer's
double gradient_norm(const GrpoAnswerResult<double>& a);  // sqrt of the sum over tokens of (dloss/dlogp)^2
double gradient_norm(const GrpoResult<double>& a);

// The largest difference from what training computes, relative where numbers are above 1: the same functions in float.
double float_difference(const GrpoBatch<double>& batch, const GrpoResult<double>& exact, const GrpoMath& math);

// Whether a difference of log-probabilities is beyond EXP_CUT somewhere, where exp of it is cut.
bool is_cut(const GrpoBatch<double>& batch, const GrpoMath& math);

// ---- presets

std::string without_reference(const AuditInput& input);  // the first answer without logp_ref; "" where all have it

// A preset sets everything; only a clip range that its source does not state is the file's.
GrpoMath with_epsilon(const Preset& preset, const AuditInput& input);

struct PresetFigures {
    const Preset* preset = nullptr;
    bool computed = false;  // false: it needs logp_ref, which the input lacks
    double loss = 0, policy_loss = 0, kl_loss = 0, clipped = 0, gradient_norm = 0;  // clipped: a share
};
std::vector<PresetFigures> presets_on(AuditInput input);  // the answers as a batch by themselves

// A part of a larger batch becomes a batch by itself.
void detach(GrpoBatch<double>& batch);

}  // namespace r1
