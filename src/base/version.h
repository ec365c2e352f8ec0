// Which program this is.
#pragma once
#include <string>

namespace r1 {

struct Version {
    std::string number;    // "0.1.0"
    std::string commit;    // that it was configured at; "unknown" without a repository
    std::string compiler;  // "gcc 12.2.0"
};
Version version();

}  // namespace r1
