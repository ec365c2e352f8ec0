#include "model/config.h"

#include "base/check.h"

namespace r1 {

// Every key of the file that is a number of the model's shape, once.
template <class Visitor>
static void visit_numbers(Config& c, Visitor&& visit) {
    visit("vocab_size", c.vocab_size);
    visit("hidden_size", c.hidden_size);
    visit("num_hidden_layers", c.num_hidden_layers);
    visit("first_k_dense_replace", c.first_k_dense_replace);
    visit("intermediate_size", c.intermediate_size);
    visit("num_attention_heads", c.num_attention_heads);
    visit("q_lora_rank", c.q_lora_rank);
    visit("kv_lora_rank", c.kv_lora_rank);
    visit("qk_nope_head_dim", c.qk_nope_head_dim);
    visit("qk_rope_head_dim", c.qk_rope_head_dim);
    visit("v_head_dim", c.v_head_dim);
    visit("n_routed_experts", c.n_routed_experts);
    visit("n_shared_experts", c.n_shared_experts);
    visit("num_experts_per_tok", c.num_experts_per_tok);
    visit("moe_intermediate_size", c.moe_intermediate_size);
    visit("n_group", c.n_group);
    visit("topk_group", c.topk_group);
    visit("max_position_embeddings", c.max_position_embeddings);
    visit("bos_token_id", c.bos_token_id);
    visit("eos_token_id", c.eos_token_id);
}

void check_config(const Config& c, const std::string& where) {
    const auto require = [&](bool ok, const char* what, const char* what_to_do) {
        if (!ok) fail(what, where, what_to_do);
    };
    const auto within = [&](int value, int low, int high, const char* key) {
        if (value < low || value > high)
            fail(std::string(key) + " is " + std::to_string(value), where,
                 "give a value from " + std::to_string(low) + " to " + std::to_string(high));
    };
    Config copy = c;
    visit_numbers(copy, [&](const char* key, int& value) {
        const std::string name = key;
        const bool may_be_zero = name == "first_k_dense_replace" || name == "q_lora_rank" ||
                                 name == "bos_token_id" || name == "eos_token_id" || name == "qk_nope_head_dim";
        within(value, may_be_zero ? 0 : 1, 1 << 24, key);
    });
    within(c.n_routed_experts, 1, 1024, "n_routed_experts");
    require(c.qk_rope_head_dim % 2 == 0, "qk_rope_head_dim is odd", "give an even one: channels rotate in pairs");
    require(c.n_routed_experts % c.n_group == 0, "n_routed_experts is not a multiple of n_group", "change one of them");
    require(c.topk_group <= c.n_group, "topk_group exceeds n_group", "lower it");
    require(c.num_experts_per_tok <= c.topk_group * (c.n_routed_experts / c.n_group),
            "num_experts_per_tok exceeds the experts of the kept groups", "lower it or raise topk_group");
    require(c.bos_token_id < c.vocab_size && c.eos_token_id < c.vocab_size, "a control token beyond vocab_size",
            "correct bos_token_id and eos_token_id");
    require(c.rms_norm_eps > 0 && c.rope_theta > 1, "rms_norm_eps or rope_theta out of range",
            "use 1e-6 and 10000 if in doubt");
}

json config_to_json(const Config& config) {
    Config c = config;
    json object = {{"architectures", {"DeepseekV3ForCausalLM"}}, {"model_type", "deepseek_v3"}};
    visit_numbers(c, [&](const char* key, int& value) { object[key] = value; });
    if (c.q_lora_rank == 0) object["q_lora_rank"] = nullptr;
    object["num_key_value_heads"] = c.num_attention_heads;
    object["routed_scaling_factor"] = rounded(c.routed_scaling_factor);
    object["norm_topk_prob"] = c.norm_topk_prob;
    object["scoring_func"] = "sigmoid";
    object["topk_method"] = "noaux_tc";
    object["moe_layer_freq"] = 1;
    object["rms_norm_eps"] = rounded(c.rms_norm_eps);
    object["rope_theta"] = c.rope_theta;
    object["rope_scaling"] = nullptr;
    object["rope_interleave"] = true;
    object["hidden_act"] = "silu";
    object["attention_bias"] = false;
    object["attention_dropout"] = 0.0;
    object["tie_word_embeddings"] = false;
    object["num_nextn_predict_layers"] = 0;
    object["torch_dtype"] = "float32";
    return object;
}

Config config_from_json(const json& object, const std::string& where) {
    if (!object.is_object()) fail("not a JSON object", where, "give a model's config.json");
    if (!object.contains("model_type") || object["model_type"] != "deepseek_v3")
        fail("model_type is not deepseek_v3", where, "give a model of that architecture");
    Config c;
    visit_numbers(c, [&](const char* key, int& value) {
        const auto found = object.find(key);
        if (found == object.end()) fail(std::string("the key ") + key + " is missing", where, "add it");
        if (found->is_null() && std::string(key) == "q_lora_rank") {
            value = 0;
            return;
        }
        if (!found->is_number_integer() || found->get<double>() < 0 || found->get<double>() > 1e8)
            fail(std::string("the key ") + key + " is not a whole number in range", where, "correct it");
        value = found->get<int>();
    });
    const auto number = [&](const char* key, double otherwise) {
        const auto found = object.find(key);
        if (found == object.end()) return otherwise;
        if (!found->is_number()) fail(std::string("the key ") + key + " is not a number", where, "correct it");
        return found->get<double>();
    };
    c.routed_scaling_factor = float(number("routed_scaling_factor", 1));
    c.rms_norm_eps = float(number("rms_norm_eps", 1e-6));
    c.rope_theta = number("rope_theta", 10000);
    if (object.contains("norm_topk_prob") && object["norm_topk_prob"].is_boolean())
        c.norm_topk_prob = object["norm_topk_prob"].get<bool>();
    check_config(c, where);
    return c;
}

}  // namespace r1
