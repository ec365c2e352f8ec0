// The report of a run: one self-contained HTML page, summary.json, and a table for the terminal.
#pragma once
#include <string>

namespace r1 {

struct ReportOptions {
    std::string run;                          // the run's folder, see report.cpp
    std::string golden;                       // JSON {"weights": SHA-256, "metrics": SHA-256}; "": none
};

void report(const ReportOptions& options);

}  // namespace r1
