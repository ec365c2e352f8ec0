// The CPU device: its table of operations. Compiled once for each instruction set (CMakeLists.txt defines ISA).
#include "ops/cpu_attention.h"
#include "ops/cpu_moe.h"
#include "ops/cpu_rows.h"

#define TABLE_OF(isa) ops_##isa
#define TABLE(isa) TABLE_OF(isa)
#define NAME_OF(isa) #isa
#define NAME(isa) NAME_OF(isa)

namespace r1 {

extern const Ops TABLE(ISA);
const Ops TABLE(ISA) = {
    NAME(ISA),          embedding_forward,  embedding_backward, matmul_forward,    matmul_backward_x,
    matmul_backward_w,  grouped_forward,    grouped_backward_x, grouped_backward_w, rmsnorm_forward,
    rmsnorm_backward,   rope_forward,       rope_backward,      cache_write,       attention_forward,
    attention_backward, swiglu_forward,     swiglu_backward,    router_forward,    router_backward,
    balance_loss,       dispatch,           gather_forward,     gather_backward,   combine_forward,
    combine_backward,   logprob_forward,    logprob_backward,   sample,            add,
    squares,            adamw,
};

}  // namespace r1
