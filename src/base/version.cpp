#include "base/version.h"

namespace r1 {

#ifdef __clang__
constexpr const char* COMPILER = "clang " __clang_version__;
#else
constexpr const char* COMPILER = "gcc " __VERSION__;
#endif

Version version() { return {R1_VERSION, R1_COMMIT, COMPILER}; }

}  // namespace r1
