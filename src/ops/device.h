// The device that a command runs on, as its user chose it.
#pragma once
#include <cstdio>
#include <string>

#include "base/options.h"
#include "ops/ops.h"

namespace r1 {

struct Device {                 // options of every command; none of them changes a result
    std::string name = "auto";  // cpu, cuda, or auto: cuda if a usable GPU is there
    int threads = 0;            // 0: all cores
    std::string isa;            // of the CPU; "": the widest this machine has
};

// Sets the threads, chooses the device, says in one line which and why, and gives its operations.
const Ops& open_device(const Device& device, std::FILE* say_to = stdout);

OptionTable table_of(Device& device);

}  // namespace r1
