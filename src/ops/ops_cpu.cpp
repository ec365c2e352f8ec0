// The CPU device: its table of operations. Compiled once for each instruction set (CMakeLists.txt defines ISA).
#include "ops/cpu_attention.h"
#include "ops/cpu_moe.h"
#include "ops/cpu_rows.h"

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
    embedding_forward,
    embedding_backward,
    matmul_forward,
    matmul_backward_x,
    matmul_backward_w,
    grouped_forward,
    grouped_backward_x,
    grouped_backward_w,
    rmsnorm_forward,
    rmsnorm_backward,
    rope_forward,
    rope_backward,
    copy_rows,
    cache_write,
    cache_copy,
    attention_forward,
    attention_backward,
    swiglu_forward,
    swiglu_backward,
    router_forward,
    router_backward,
    balance_loss,
    add_up,
    count_load,
    move_bias,
    dispatch,
    gather_forward,
    gather_backward,
    combine_forward,
    combine_backward,
    logprob_forward,
    logprob_backward,
    sample,
    answer_rows,
    append,
    add,
    squares,
    adamw,
};

}  // namespace r1
