#include "commands/info.h"

#include <cinttypes>

#include "base/check.h"
#include "base/progress.h"
#include "model/disk/folder.h"

namespace r1 {

OptionTable table_of(InfoOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model, or a config.json").needed = true;
    table.number("--context", o.context, at_least(0),
                 "longest sequence in tokens; 0: 2048, or less if the model reads less");
    table.number("--slots", o.slots, between(0, 1e6), "answers sampled side by side; 0: 96 a thread, or 512 on a GPU");
    table.number("--shards", o.shards, between(1, 4096), "virtual shards of the batch: each has a gradient");
    table.number("--micro-rows", o.micro_rows, between(0, 1e7), "tokens computed at a time; 0: 256, or 8192 on a GPU");
    table.flag("--json", o.as_json, "print JSON, in bytes");
    return table;
}

static std::string size_text(int64_t bytes) {
    char text[32];
    const double mib = double(bytes) / (1 << 20);
    if (mib >= 10240) std::snprintf(text, sizeof text, "%.1f GiB", mib / 1024);
    else std::snprintf(text, sizeof text, mib < 10 ? "%.1f MiB" : "%.0f MiB", mib);
    return bytes == 0 ? "-" : text;
}

static json need_to_json(const MemoryNeed& n) {
    return {{"weights", n.weights}, {"reference", n.reference},     {"gradients", n.gradients},
            {"moments", n.moments}, {"activations", n.activations}, {"answers", n.answers},
            {"total", n.total()}};
}

static void print(const Config& c, const MemoryNeeds& needs, const InfoOptions& o) {
    int experts = 0;
    for (int l = 0; l < c.num_hidden_layers; ++l) experts += !c.is_dense(l);
    const Heads h = c.heads();
    std::printf("%s: %d layers, %d channels, %d tokens, %d positions%s\n", architecture_of(c).c_str(),
                c.num_hidden_layers, c.hidden_size, c.vocab_size, c.max_position_embeddings,
                c.tie_word_embeddings ? ", the embedding is the head" : "");
    if (c.latent())
        std::printf("  attention: latent, %d heads of %d + %d and %d channels, latents of %d (queries: %d)\n", h.H,
                    h.own, h.shared, h.D_v, c.kv_lora_rank, c.q_lora_rank);
    else std::printf("  attention: %d heads of %d channels, %d of keys and values\n", h.H, h.own, h.H_kv);
    if (experts)
        std::printf("  experts: in %d layers, %d of %d chosen, %d shared\n", experts, c.num_experts_per_tok,
                    c.n_routed_experts, c.n_shared_experts);
    const int64_t all = parameter_count(c, false), active = parameter_count(c, true);
    std::printf("  parameters: %s, of which a token uses %s\n\n", short_count(double(all)).c_str(),
                short_count(double(active)).c_str());
    std::printf("memory, sequences of %d tokens    sampling         SFT        GRPO\n", o.context);
    const auto row = [&](const char* name, int64_t MemoryNeed::*part) {
        std::printf("  %-28s %10s %11s %11s\n", name, size_text(needs.sampling.*part).c_str(),
                    size_text(needs.sft.*part).c_str(), size_text(needs.grpo.*part).c_str());
    };
    row("weights", &MemoryNeed::weights);
    row("reference", &MemoryNeed::reference);
    row("gradients", &MemoryNeed::gradients);
    row("Adam's moments", &MemoryNeed::moments);
    row("activations and logits", &MemoryNeed::activations);
    row("answers in the making", &MemoryNeed::answers);
    std::printf("  %-28s %10s %11s %11s\n", "total", size_text(needs.sampling.total()).c_str(),
                size_text(needs.sft.total()).c_str(), size_text(needs.grpo.total()).c_str());
}

void info_command(const InfoOptions& options, const Device& device) {
    InfoOptions o = options;
    const Config c = o.model.ends_with(".json") ? read_config(o.model) : load_config(o.model);
    o.context = std::min(o.context > 0 ? o.context : 2048, c.max_position_embeddings);
    const MemoryNeeds needs =
        memory_needs(c, open_device(device, stderr), {o.context, o.shards, o.micro_rows, o.slots});
    if (!o.as_json) return print(c, needs, o);
    const json object = {{"architecture", architecture_of(c)},
                         {"parameters", parameter_count(c, false)},
                         {"active_parameters", parameter_count(c, true)},
                         {"context", o.context},
                         {"bytes",
                          {{"sampling", need_to_json(needs.sampling)},
                           {"sft", need_to_json(needs.sft)},
                           {"grpo", need_to_json(needs.grpo)}}}};
    std::printf("%s\n", object.dump().c_str());
}

}  // namespace r1
