// The report of one run or several: one self-contained HTML page, summary.json, and tables for the terminal.
#pragma once
#include <string>
#include <vector>

#include "base/options.h"

namespace r1 {

struct ReportOptions {
    std::vector<std::string> runs;  // folders, see report_read.h
    std::string golden;             // JSON {"weights": SHA-256, "metrics": SHA-256}; "": none
};
OptionTable table_of(ReportOptions& options);

void report(const ReportOptions& options);

}  // namespace r1
