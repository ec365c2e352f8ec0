// The shape of a model, with the names of Hugging Face's config.json for DeepseekV3ForCausalLM.
#pragma once
#include <string>

#include "base/files.h"
#include "base/exact.h"
#include "ops/ops.h"

namespace r1 {

struct Config {
    int vocab_size = 0;
    int hidden_size = 128;
    int num_hidden_layers = 4;
    int first_k_dense_replace = 1;       // layers before this one have a dense feed-forward network
    int intermediate_size = 256;         // its hidden size
    int num_attention_heads = 4;
    int q_lora_rank = 64;                // 0: queries without a low-rank step (null in the file)
    int kv_lora_rank = 48;
    int qk_nope_head_dim = 16;
    int qk_rope_head_dim = 16;
    int v_head_dim = 32;
    int n_routed_experts = 8;
    int n_shared_experts = 1;
    int num_experts_per_tok = 2;
    int moe_intermediate_size = 64;      // hidden size of one expert
    int n_group = 2;
    int topk_group = 1;
    float routed_scaling_factor = 1.0f;
    bool norm_topk_prob = true;
    float rms_norm_eps = 1e-6f;
    double rope_theta = 10000;
    int max_position_embeddings = 512;
    int bos_token_id = 0, eos_token_id = 1;

    bool is_dense(int layer) const { return layer < first_k_dense_replace; }
    int q_width() const { return q_lora_rank ? q_lora_rank : num_attention_heads * heads().D_k(); }
    int down_width() const { return q_width() + kv_lora_rank + qk_rope_head_dim; }  // [c_q | c_kv | k^R]
    int shared_size() const { return n_shared_experts * moe_intermediate_size; }

    Heads heads() const {
        Heads h;
        h.H = h.H_kv = num_attention_heads;
        h.own = qk_nope_head_dim, h.shared = qk_rope_head_dim, h.D_v = v_head_dim;
        h.scale = 1.0f / exact::sqrt(float(h.D_k()));
        return h;
    }
    Routing routing() const {
        return {n_routed_experts, num_experts_per_tok, n_group, topk_group, norm_topk_prob, routed_scaling_factor};
    }
};

// Refuses shapes that the blocks cannot have, in one line that names the key.
void check_config(const Config& config, const std::string& where);
json config_to_json(const Config& config);
Config config_from_json(const json& object, const std::string& where);

}  // namespace r1
