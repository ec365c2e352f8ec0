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
#include "ops/table.inc"
    };
}

}  // namespace
}  // namespace r1
