#include "stages/run.h"

#include <cstdio>

#include "base/threads.h"
#include "text/chat.h"

namespace r1 {

const Ops& open_device(const Device& device, std::FILE* say_to) {
    if (device.threads < 0) throw UsageError("a negative number of threads, --threads, give 1 or more (0: all cores)");
    if (device.threads > 0) thread_count() = device.threads;
    std::string why = device.name == "cpu" ? "as --device asks" : "as --isa asks";
    const Ops* gpu = device.name == "cpu" || (device.name == "auto" && !device.isa.empty()) ? nullptr : cuda_ops(why);
    if (device.name == "cuda" && !gpu) fail("no GPU to run on, --device cuda", why, "use --device cpu or auto");
    const Ops& ops = gpu ? *gpu : cpu_ops(device.isa.c_str());
    if (gpu) std::fprintf(say_to, "device: cuda, %s\n", why.c_str());
    else std::fprintf(say_to, "device: cpu, %s, %d threads: %s\n", ops.name, thread_count(), why.c_str());
    std::fflush(say_to);  // before whatever goes wrong next
    return ops;
}

Loaded load(const std::string& folder, const Ops& ops, const std::function<int(const Tokenizer&, const Config&)>& context,
            WithoutTokenizer without) {
    const Config config = load_config(folder);
    const bool lacks = without == WithoutTokenizer::allowed && !exists(folder + "/tokenizer.json");
    Tokenizer tokenizer = lacks ? Tokenizer() : Tokenizer::load(folder + "/tokenizer.json");
    if (tokenizer.size() > config.vocab_size)
        fail("a tokenizer with more tokens than the model's vocabulary", folder,
             "tokenizer.json and config.json must belong together");
    return {load_model(folder, ops, context ? context(tokenizer, config) : 0), std::move(tokenizer)};
}

void save(const std::string& folder, Model& model, const Tokenizer& tokenizer, const std::string& source, Dtype dtype) {
    save_model(folder, model.config, model.weights, dtype);
    const auto there = [&](const char* name) { return exists(folder + "/" + name); };
    if (source != folder)
        for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
                                 "generation_config.json"})
            if (exists(source + "/" + name)) write_file_atomically(folder + "/" + name, read_file(source + "/" + name));
    if (tokenizer.size() > 0 && !there("tokenizer.json")) tokenizer.save(folder + "/tokenizer.json");
    if (tokenizer.size() > 0 && !there("tokenizer_config.json"))
        write_file_atomically(folder + "/tokenizer_config.json",
                              tokenizer_config(tokenizer, model.config.max_position_embeddings).dump(2) + "\n");
    if (there("generation_config.json")) return;
    const Config& c = model.config;
    const json generation = {{"bos_token_id", c.bos_token_id}, {"eos_token_id", c.eos_token_id},
                             {"do_sample", true}, {"temperature", 1.0}, {"top_p", 1.0}};
    write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n");
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
