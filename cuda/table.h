// The table of ops.h, filled with the kernels' operations; included after all of them.
#pragma once

namespace r1 {
namespace {

Ops kernel_table(const char* name, const Memory& memory, void (*repeat)(int, const std::function<void()>&)) {
    return {
        name,
        &memory,
        false,
        repeat,
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
}

}  // namespace
}  // namespace r1
