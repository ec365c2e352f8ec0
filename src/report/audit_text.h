// The audit in words and aligned numbers, on the standard output.
#pragma once
#include <string>

#include "report/audit.h"
#include "report/audit_theirs.h"

namespace r1 {

// Which answers' tokens are printed, counted from 1; 0: those of every group, of every answer.
struct AuditPlace {
    int group = 0, answer = 0;
    bool all = false;  // else, with neither, only where they are at most SHOWN_TOKENS
};
constexpr int SHOWN_TOKENS = 200;

void print_settings(const GrpoMath& math);
// What of a run's step is known, and how far the audit in double is from what training did in float.
void print_run(const RunStep& run, const GrpoResult<double>& audited);
// The groups and a line for each answer.
void print_summary(const AuditInput& input, const GrpoResult<double>& audited, const GrpoMath& math);
// The tokens of the answers at that place.
void print_answers(const AuditInput& input, const GrpoResult<double>& audited, const GrpoMath& math, AuditPlace place);
void print_totals(const GrpoBatch<double>& batch, const GrpoResult<double>& audited, const GrpoMath& math, bool of_run);
void print_presets(const AuditInput& input);
void print_theirs(const TheirsCompared& compared, const std::string& trainer);

// Why a token's log-probability is pushed: dloss/dlogit_v = dloss/dlogp (1[v = token] - p_v) / temperature.
void print_logits(const RunStep& run, const GrpoResult<double>& audited, AuditPlace place, int token);

}  // namespace r1
