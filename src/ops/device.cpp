// Which table of operations this machine runs: the widest vectors that processor and build have in common.
#include "ops/device.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/ranks.h"
#include "base/threads.h"

namespace r1 {

extern const Ops ops_generic;
#ifdef R1_X86
extern const Ops ops_avx2, ops_avx512;
#endif

void repeat_on_host(int times, const std::function<void()>& work) {
    for (int i = 0; i < times; ++i) work();
}

#ifdef R1_NCCL
void exchange_on_gpus(const Ranks::Out& out, const Ranks::In& in);  // cuda/nccl.cpp
#endif
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

OptionTable table_of(Device& device) {
    OptionTable table;
    table
        .word("--device", device.name, {"auto", "cpu", "cuda"},
              "auto: cuda if a usable GPU is there. Never changes a result")
        .effect = Effect::nothing;
    table.number("--threads", device.threads, between(0, 4096), "threads; 0: all cores. Never changes a result")
        .effect = Effect::nothing;
    table
        .number("--rank-seconds", rank_seconds(), more_than(0),
                "of several ranks (mpirun): how long one waits for another before it ends")
        .effect = Effect::nothing;
    table.text("--isa", device.isa, "avx512, avx2 or generic; default: the widest there is. Never changes a result")
        .effect = Effect::nothing;
    return table;
}

const Ops& open_device(const Device& device, std::FILE* say_to) {
    if (device.threads > 0) thread_count() = device.threads;
    else thread_count() = std::clamp(int(sysconf(_SC_NPROCESSORS_ONLN)) / ranks().on_this_machine, 1, thread_count());
    std::string why = device.name == "cpu" ? "as --device asks" : "as --isa asks";
    const Ops* gpu = device.name == "cpu" || (device.name == "auto" && !device.isa.empty()) ? nullptr : cuda_ops(why);
    if (device.name == "cuda" && !gpu) fail("no GPU to run on, --device cuda", why, "use --device cpu or auto");
    const Ops& ops = gpu ? *gpu : cpu_ops(device.isa.c_str());
    if (gpu && !ranks().alone()) {
#ifdef R1_NCCL
        gpu_exchange() = exchange_on_gpus;
#else
        fail("several ranks on GPUs, and a build without NCCL", "--device cuda", "use --device cpu, or one rank");
#endif
    }
    if (!ranks().alone()) std::fprintf(say_to, "%d ranks, each: ", ranks().count);
    if (gpu) std::fprintf(say_to, "device: cuda, %s\n", why.c_str());
    else std::fprintf(say_to, "device: cpu, %s, %d threads: %s\n", ops.name, thread_count(), why.c_str());
    std::fflush(say_to);  // before whatever goes wrong next
    return ops;
}

}  // namespace r1
