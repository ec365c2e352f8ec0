// Which table of operations this machine runs: the widest vectors that processor and build have in common.
#include <cstring>
#include <string>

#include "base/check.h"
#include "ops/ops.h"

namespace r1 {

extern const Ops ops_generic;
#ifdef R1_X86
extern const Ops ops_avx2, ops_avx512;
#endif

void repeat_on_host(int times, const std::function<void()>& work) {
    for (int i = 0; i < times; ++i) work();
}

#ifndef R1_CUDA
const Ops* cuda_ops(std::string& about) {
    about = "this build has no CUDA: nvcc was not found when it was configured";
    return nullptr;
}
#endif

const Ops& cpu_ops(const char* isa) {
    const auto wanted = [&](const char* name) { return !isa || !*isa || std::strcmp(isa, name) == 0; };
#ifdef R1_X86
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (wanted("avx512") && avx512) return ops_avx512;
    if (wanted("avx2") && avx2) return ops_avx2;
#endif
    if (wanted("generic")) return ops_generic;
    throw UsageError("the instruction set " + std::string(isa) +
                     ", --isa, this machine or build does not have it: use avx512, avx2 or generic");
}

}  // namespace r1
