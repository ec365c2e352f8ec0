// The audit for machines, and its page.
#pragma once
#include <optional>
#include <string>

#include "report/audit.h"
#include "report/audit_theirs.h"

namespace r1 {

// All that the words say.
json audit_to_json(const AuditInput& input, const GrpoResult<double>& audited, const GrpoMath& math,
                   const std::optional<TheirsCompared>& theirs);

// audit.html with its data: the whole, then one answer at a time.
std::string audit_page(const std::string& title, const AuditInput& input, const GrpoResult<double>& audited,
                       const GrpoMath& math, const std::optional<TheirsCompared>& theirs);

}  // namespace r1
