// The table of ops.h, filled with the kernels' operations; included after all of them.
#pragma once

namespace r1 {
namespace {

Ops kernel_table(const char* name) {
    return {name, embedding_forward, embedding_backward, matmul_forward, matmul_backward_x, matmul_backward_w, grouped_forward,
            grouped_backward_x, grouped_backward_w, rmsnorm_forward, rmsnorm_backward, rope_forward, rope_backward, cache_write,
            attention_forward, attention_backward, swiglu_forward, swiglu_backward, router_forward, router_backward, balance_loss,
            dispatch, gather_forward, gather_backward, combine_forward, combine_backward, logprob_forward, logprob_backward, sample,
            add, squares, adamw};
}

}  // namespace
}  // namespace r1
