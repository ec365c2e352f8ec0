// The report of a run: one self-contained HTML page, summary.json, and a table for the terminal.
#pragma once
#include <string>

#include "base/options.h"

namespace r1 {

struct ReportOptions {
    std::string run;     // the run's folder, see report.cpp
    std::string golden;  // JSON {"weights": SHA-256, "metrics": SHA-256}; "": none
};
OptionTable table_of(ReportOptions& options);

void report(const ReportOptions& options);

}  // namespace r1
