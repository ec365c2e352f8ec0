// What every stage needs: the device, the threads, and the folder of a run.
#pragma once
#include <cstdio>
#include <functional>
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
const Ops& open_device(const Device& device, std::FILE* say_to = stdout);

// A model's folder with its tokenizer.
struct Loaded {
    Model model;
    Tokenizer tokenizer;
};
// context(tokenizer, config): the longest sequence to come; without it, what the model was made for. A folder without
// tokenizer.json is refused, or its tokenizer is empty.
enum class WithoutTokenizer { refused, allowed };
Loaded load(const std::string& folder, const Ops& ops, const std::function<int(const Tokenizer&, const Config&)>& context = {},
            WithoutTokenizer without = WithoutTokenizer::refused);

// Writes a model's folder as Hugging Face's tools want it. The tokenizer and what belongs to it are copied from the
// folder `source`; what it lacks (a chat template, the names of control tokens) is written.
void save(const std::string& folder, Model& model, const Tokenizer& tokenizer, const std::string& source,
          Dtype dtype = Dtype::F32);

// Begins or, with resume, goes on in a run's folder: metrics.jsonl is cut to the lines of the `steps` already done.
void keep_lines(const std::string& path, int64_t steps);

// What a stopped run prints: how to go on.
std::string how_to_resume(const std::string& command, const std::string& folder, int64_t step);

}  // namespace r1
