// What every stage needs: the device, the threads, and the folder of a run.
#pragma once
#include <string>

#include "base/progress.h"
#include "model/checkpoint.h"
#include "text/tokenizer.h"

namespace r1 {

struct Device {                           // options of every command; none of them changes a result
    std::string name = "auto";            // cpu, cuda, or auto: cuda if a usable GPU is there
    int threads = 0;                      // 0: all cores
    std::string isa;                      // of the CPU; "": the widest this machine has
};

// Sets the threads, chooses the device, says in one line which and why, and gives its operations.
const Ops& open_device(const Device& device);

// A model's folder with its tokenizer.
struct Loaded {
    Model model;
    Tokenizer tokenizer;
};
Loaded load(const std::string& folder, const Ops& ops);

// Begins or, with resume, goes on in a run's folder: metrics.jsonl is cut to the lines of the `steps` already done.
void keep_lines(const std::string& path, int64_t steps);

// What a stopped run prints: how to go on.
std::string how_to_resume(const std::string& command, const std::string& folder, int64_t step);

}  // namespace r1
