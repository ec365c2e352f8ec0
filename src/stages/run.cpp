#include "stages/run.h"

#include <cstdio>

#include "base/threads.h"

namespace r1 {

const Ops& open_device(const Device& device) {
    if (device.threads < 0) throw UsageError("a negative number of threads, --threads, give 1 or more (0: all cores)");
    if (device.threads > 0) thread_count() = device.threads;
    std::string why = device.name == "cpu" ? "as --device asks" : "as --isa asks";
    const Ops* gpu = device.name == "cpu" || (device.name == "auto" && !device.isa.empty()) ? nullptr : cuda_ops(why);
    if (device.name == "cuda" && !gpu) fail("no GPU to run on, --device cuda", why, "use --device cpu or auto");
    const Ops& ops = gpu ? *gpu : cpu_ops(device.isa.c_str());
    if (gpu) std::printf("device: cuda, %s\n", why.c_str());
    else std::printf("device: cpu, %s, %d threads: %s\n", ops.name, thread_count(), why.c_str());
    std::fflush(stdout);  // before whatever goes wrong next
    return ops;
}

Loaded load(const std::string& folder, const Ops& ops) {
    Loaded loaded{load_model(folder, ops), Tokenizer::load(folder + "/tokenizer.json")};
    if (loaded.tokenizer.size() > loaded.model.config.vocab_size)
        fail("a tokenizer with more tokens than the model's vocabulary", folder,
             "tokenizer.json and config.json must belong together");
    if (loaded.tokenizer.eos < 0)
        fail("a tokenizer without a token for the end", folder, "name it in tokenizer_config.json or generation_config.json");
    return loaded;
}

void keep_lines(const std::string& path, int64_t steps) {
    if (!exists(path)) return;
    const std::string content = read_file(path);
    std::string kept;
    size_t begin = 0;
    while (begin < content.size()) {
        const size_t end = content.find('\n', begin);
        if (end == std::string::npos) break;  // a line that was being written
        const json line = json::parse(content.substr(begin, end - begin), nullptr, false);
        if (!line.is_object() || line.value("step", int64_t(1) << 60) > steps) break;
        kept.append(content, begin, end + 1 - begin);
        begin = end + 1;
    }
    write_file_atomically(path, kept);
}

std::string how_to_resume(const std::string& command, const std::string& folder, int64_t step) {
    return "stopped after step " + std::to_string(step) + "; everything is saved in " + folder +
           ". To go on: the same r1 " + command + " command with --resume";
}

}  // namespace r1
