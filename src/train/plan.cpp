#include "train/plan.h"

#include <cmath>

#include "base/check.h"
#include "model/weights.h"

namespace r1 {

Rates rates_from_json(const json& object, const std::string& where) {
    Rates rates;
    const auto take = [&](const char* name, double& rate) {
        const json value = object.is_object() ? object.value(name, json()) : json();
        if (!value.is_number() || !(value.get<double>() > 0) || !std::isfinite(value.get<double>()))
            fail(std::string("no rate \"") + name + "\" above 0", where, "measure one with r1 plan --measure FILE");
        rate = value.get<double>();
    };
    take("decode", rates.decode);
    take("score", rates.score);
    take("train", rates.train);
    take("optimizer", rates.optimizer);
    if (object.contains("link")) take("link", rates.link);
    return rates;
}

json rates_to_json(const Rates& rates) {
    json object = {{"decode", rounded(rates.decode)},
                   {"score", rounded(rates.score)},
                   {"train", rounded(rates.train)},
                   {"optimizer", rounded(rates.optimizer)}};
    if (rates.link > 0) object["link"] = rounded(rates.link);
    return object;
}

double forward_flop(const Config& config, double context) {
    const Heads h = config.heads();
    const double attention = 2.0 * config.num_hidden_layers * h.H * (h.D_k() + h.D_v) * context;
    return 2.0 * double(parameter_count(config, true)) + attention;
}

int64_t cache_bytes(const Config& config) {
    const Heads h = config.heads();
    return int64_t(config.num_hidden_layers) * (h.keys() + h.values()) * int64_t(sizeof(float));
}

int64_t latent_cache_bytes(const Config& config, int bytes_a_number) {
    if (!config.latent()) return cache_bytes(config) / int64_t(sizeof(float)) * bytes_a_number;
    return int64_t(config.num_hidden_layers) * (config.kv_lora_rank + config.qk_rope_head_dim) * bytes_a_number;
}

StepPlan plan_step(const Config& config, const StepWork& w, const Rates& rates, int ranks) {
    StepPlan p;
    const double answers = double(w.prompts * w.group), before = double(w.prompt_tokens);
    const double length = before + double(w.answer_tokens), tokens = answers * length;
    // A group's prompt is run once; an answer's token has its prompt and half of the answer before it.
    p.prefill_flop = double(w.prompts) * before * forward_flop(config, before / 2);
    p.decode_flop = answers * double(w.answer_tokens) * forward_flop(config, before + double(w.answer_tokens) / 2);
    // The trainer reads every answer with its prompt. A backward pass is two forward ones.
    const double forward = tokens * forward_flop(config, length / 2);
    p.reference_flop = w.reference ? forward : 0;
    p.update_flop = 3 * forward;
    const double weights = double(parameter_count(config, false)), others = double(ranks - 1) / ranks;
    p.exchange_bytes = 2 * double(w.updates) * weights * sizeof(float) * others;  // gradients there, weights back
    p.rollout_seconds = (p.prefill_flop / rates.score + p.decode_flop / rates.decode) / ranks;
    p.reference_seconds = p.reference_flop / rates.score / ranks;
    p.update_seconds = p.update_flop / rates.train / ranks + double(w.updates) * weights / rates.optimizer / ranks;
    p.exchange_seconds = ranks > 1 && rates.link > 0 ? p.exchange_bytes / rates.link : 0;
    return p;
}

}  // namespace r1
