// What several tests share: the tables of this machine, a tiny model, a batch, hashes.
#pragma once
#include <vector>

#include "base/files.h"
#include "base/philox.h"
#include "base/threads.h"
#include "model/sampler.h"
#include "train/optimizer.h"

namespace r1 {

inline std::vector<const Ops*> all_cpu_ops() {
    std::vector<const Ops*> all;
    for (const char* isa : {"generic", "avx2", "avx512"}) {
        try {
            all.push_back(&cpu_ops(isa));
        } catch (const UsageError&) {
        }
    }
    return all;
}

inline Config tiny_config() {
    Config c;
    c.vocab_size = 50, c.hidden_size = 40, c.num_hidden_layers = 3, c.intermediate_size = 48;
    c.q_lora_rank = 24, c.kv_lora_rank = 16, c.qk_nope_head_dim = 8, c.qk_rope_head_dim = 4, c.v_head_dim = 16;
    c.n_routed_experts = 6, c.n_group = 3, c.topk_group = 2, c.num_experts_per_tok = 2, c.moe_intermediate_size = 20;
    c.max_position_embeddings = 160;
    return c;
}

// Everything that a family other than DeepSeek's has: grouped queries, biases, norms of heads, experts by softmax and none
// shared, a layer without experts, and an embedding that is the head.
inline Config grouped_config() {
    Config c = tiny_config();
    c.family = Family::qwen3_moe, c.scoring = Scoring::softmax, c.rope_interleave = false, c.tie_word_embeddings = true;
    c.q_lora_rank = c.kv_lora_rank = 0, c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 10;
    c.head_norm = HeadNorm::head, c.qkv_bias = c.o_bias = c.mlp_bias = true;
    c.first_k_dense_replace = c.n_shared_experts = 0, c.mlp_only_layers = {1}, c.n_group = c.topk_group = 1;
    return c;
}

inline std::vector<std::vector<int>> tiny_sequences(int count, int longest, uint32_t seed) {
    Stream random(seed, Purpose::corpus, 9);
    std::vector<std::vector<int>> sequences;
    for (int i = 0; i < count; ++i) {
        std::vector<int> tokens(2 + random.below(uint32_t(longest - 1)));
        for (int& t : tokens) t = int(random.below(50));
        sequences.push_back(std::move(tokens));
    }
    return sequences;
}

struct ThreadsForNow {                    // sets the number of threads, and puts it back
    int before = thread_count();
    explicit ThreadsForNow(int n) { thread_count() = n; }
    ~ThreadsForNow() { thread_count() = before; }
};

inline std::string hash_of(const Arena& arena) { return sha256({arena.base(), arena.used()}); }
inline std::string hash_of(const Config& config, const Weights& weights) { return hash_of(download(config, weights).arena); }

// Four updates: one hash over weights, moments and everything that a log line would hold.
inline std::string hash_of_updates(Trainer& trainer, const std::vector<std::vector<int>>& sequences) {
    std::vector<Example> batch;
    for (const auto& s : sequences) batch.push_back({s.data(), int(s.size())});
    std::string log;
    for (int step = 0; step < 4; ++step) {
        std::vector<double> loss(batch.size());
        accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
            for (int t = 0; t < batch[i].rows(); ++t) loss[i] += rows.logp[t] + rows.entropy[t], rows.dlogp[t] = -0.01f;
        });
        const Update u = apply(trainer, 1e-2f, batch.size());
        log.append(reinterpret_cast<const char*>(&u), sizeof u);
        log.append(reinterpret_cast<const char*>(loss.data()), loss.size() * sizeof(double));
    }
    const Config& c = trainer.model->config;
    return sha256(log + hash_of(c, trainer.model->weights) + hash_of(c, trainer.m) + hash_of(c, trainer.v));
}

}  // namespace r1
