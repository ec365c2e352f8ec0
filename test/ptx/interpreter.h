// PTX, the code that nvcc makes of the kernels, run on the CPU: what of it a test without a GPU can see is not only what
// g++ makes of the same source (cuda/emulator.h) but what NVIDIA's compiler made of it. Left to a real GPU: the last
// step, from PTX to the machine's own code, and the machine.
//
// Source: PTX ISA 9.0. Of its instructions those that the kernels hold; another one is a Fault, as are an access outside
// all allocations or misaligned, a barrier that not all threads of a block reach, an exchange without all lanes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace r1::ptx {

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Dim {
    unsigned x = 1, y = 1, z = 1;
};

struct Kernel;
using Kernels = std::map<std::string, std::shared_ptr<const Kernel>>;  // by mangled name

// Every kernel of what nvcc wrote; throws Fault for what it does not know.
Kernels parse(std::istream& in);

// Bytes of all parameters of a kernel; its arguments, each where it belongs among these.
size_t parameter_bytes(const Kernel& kernel);
void place_parameters(const Kernel& kernel, void* const* arguments, std::byte* to);

using Allocations = std::map<uintptr_t, size_t>;  // the GPU's memory: address, bytes

// Runs a grid to its end; blocks side by side on the CPU's threads.
void run(const Kernel& kernel, Dim grid, Dim block, const std::byte* parameters, const Allocations& allocations);

// How many instructions a kernel has, and how many of them some run has come to.
struct Coverage {
    size_t instructions, run;
};
Coverage coverage(const Kernel& kernel);

}  // namespace r1::ptx
