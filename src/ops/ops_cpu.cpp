// The CPU device: its table of operations. Compiled once for each instruction set (CMakeLists.txt defines ISA).
#include "ops/cpu_attention.h"
#include "ops/cpu_moe.h"
#include "ops/cpu_product.h"
#include "ops/cpu_rows.h"
#include "ops/cpu_sampling.h"

#define TABLE_OF(isa) ops_##isa
#define TABLE(isa) TABLE_OF(isa)
#define NAME_OF(isa) #isa
#define NAME(isa) NAME_OF(isa)

namespace r1 {

void repeat_on_host(int times, const std::function<void()>& work);  // device.cpp

extern const Ops TABLE(ISA);
const Ops TABLE(ISA) = {
    NAME(ISA),
    &host_memory,
    true,
    repeat_on_host,
#include "ops/table.inc"
};

}  // namespace r1
