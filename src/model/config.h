// The shape of a model: one set of blocks, and the choices among them that make the families of Hugging Face's
// config.json. Names are DeepSeek-V3's where it has the thing.
//
//   family                      attention                      feed-forward
//   DeepseekV3ForCausalLM       latent (MLA)                   experts by sigmoid + bias, in groups; shared experts
//   DeepseekV2ForCausalLM       latent                         experts by softmax, in groups; shared experts
//   Qwen2ForCausalLM            grouped queries, q k v biased  dense
//   LlamaForCausalLM            grouped queries                dense
//   Qwen3ForCausalLM            grouped queries, heads normed  dense
//   Qwen3MoeForCausalLM         the same                       experts by softmax
//   OlmoeForCausalLM            grouped queries, rows normed   experts by softmax
//
// ...ForSequenceClassification of each family has the same blocks and, in place of the head over the vocabulary, one
// score of the sequence: a reward model.
#pragma once
#include <string>
#include <vector>

#include "base/exact.h"
#include "base/files.h"
#include "ops/ops.h"

namespace r1 {

enum class Family { deepseek_v3, deepseek_v2, qwen2, llama, qwen3, qwen3_moe, olmoe };
enum class Scoring { sigmoid, softmax };     // of experts
enum class HeadNorm { none, head, row };     // RMSNorm of queries and keys before their rotation: of each head, of all

// How the angles of the rotation differ from position theta^(-2i / D); equations in rope.h.
struct RopeScaling {
    enum Kind { none, linear, llama3, yarn } kind = none;
    double factor = 1;
    double original_positions = 0;           // original_max_position_embeddings
    double low_frequency = 1, high_frequency = 4;                  // llama3
    double beta_fast = 32, beta_slow = 1;                          // yarn
    double mscale = 0, mscale_all_dim = 0, attention_factor = 0;   // yarn; 0: not given
    bool truncate = true;                                          // yarn
};

struct Config {
    Family family = Family::deepseek_v3;
    int vocab_size = 0;
    int hidden_size = 128;
    int num_hidden_layers = 4;
    int intermediate_size = 256;             // hidden size of a dense feed-forward network

    int num_attention_heads = 4;
    int q_lora_rank = 64;                    // latent attention; 0: queries without a low-rank step (null in the file)
    int kv_lora_rank = 48;                   // 0: attention is not latent, but of grouped queries
    int qk_nope_head_dim = 16;
    int qk_rope_head_dim = 16;
    int v_head_dim = 32;
    bool rope_interleave = true;             // the file's rotated channels stand in pairs, not in halves
    int num_key_value_heads = 4;             // grouped queries
    int head_dim = 32;
    HeadNorm head_norm = HeadNorm::none;
    float clip_qkv = 0;                      // queries, keys and values are cut to [-it, it]; 0: they are not
    bool qkv_bias = false, o_bias = false;   // with latents: biases of what leads down to them
    bool mlp_bias = false;

    int first_k_dense_replace = 1;           // layers before this one have a dense feed-forward network
    int decoder_sparse_step = 1;             // and of the others those that this divides, counted from 1, have experts
    std::vector<int> mlp_only_layers = {};   // but not these
    int n_routed_experts = 8;                // 0: no layer has experts
    int n_shared_experts = 1;
    int num_experts_per_tok = 2;
    int moe_intermediate_size = 64;          // hidden size of one expert
    int n_group = 2;
    int topk_group = 1;
    Scoring scoring = Scoring::sigmoid;
    float routed_scaling_factor = 1.0f;
    bool norm_topk_prob = true;

    float rms_norm_eps = 1e-6f;
    double rope_theta = 10000;
    RopeScaling rope;
    int max_position_embeddings = 512;
    bool tie_word_embeddings = false;        // the head is the embedding
    int num_nextn_predict_layers = 0;        // modules that predict further tokens [V3 section 2.2]
    int labels = 0;                          // scores of a whole sequence in place of the head; 0: a language model
    int bos_token_id = 0, eos_token_id = 1;  // -1: none
    json source;                             // the file that it was read from; what is not ours there is kept

    bool latent() const { return kv_lora_rank > 0; }
    bool is_dense(int layer) const;
    bool has_experts() const;
    bool has_router_bias() const { return scoring == Scoring::sigmoid; }
    int all_layers() const { return num_hidden_layers + num_nextn_predict_layers; }
    int down_width() const { return latent() ? q_lora_rank + kv_lora_rank + qk_rope_head_dim : 0; }  // [c_q | c_kv | k^R]
    int shared_size() const { return n_shared_experts * moe_intermediate_size; }
    int rope_size() const { return latent() ? qk_rope_head_dim : head_dim; }                         // rotated channels
    float latent_norm_eps() const { return 1e-6f; }                   // whatever rms_norm_eps is, as in Hugging Face's

    Heads heads() const;
    Routing routing() const {
        return {n_routed_experts, num_experts_per_tok, n_group, topk_group, norm_topk_prob, routed_scaling_factor,
                scoring == Scoring::softmax};
    }
};

// Refuses shapes that the blocks cannot have, in one line that names the key.
void check_config(const Config& config, const std::string& where);
json config_to_json(const Config& config);
Config config_from_json(const json& object, const std::string& where);
Config read_config(const std::string& path);   // a file of at most a megabyte
std::string architecture_of(const Config& config);
// A reward model on the blocks of a language model: one score, no head, no prediction modules.
Config reward_config(const Config& language_model);

}  // namespace r1
