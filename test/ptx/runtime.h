// The kernels of the GPU that runtime.cpp stands for: those of the file R1_PTX, or else of the build.
#pragma once
#include "ptx/interpreter.h"

namespace r1::ptx {

const Kernels& kernels();

}  // namespace r1::ptx
