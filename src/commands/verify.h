// r1 verify: whether the files of runs and models are those that were written.
#pragma once
#include <string>

#include "base/options.h"

namespace r1 {

struct VerifyOptions {
    std::string folder;
};
OptionTable table_of(VerifyOptions& options);

void verify_command(const VerifyOptions& options);

}  // namespace r1
