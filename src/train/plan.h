// A step of GRPO on paper: its operations, the bytes that ranks exchange, and the time of each phase, from a machine's
// rates. A rank's share of the tokens is its part of all; what waits, and what the host does meanwhile, is not counted.
#pragma once
#include <cstdint>

#include "base/files.h"
#include "model/config.h"

namespace r1 {

// What a step does.
struct StepWork {
    int64_t prompts = 24, group = 16, prompt_tokens = 32, answer_tokens = 200;  // tokens: means
    int64_t updates = 2;
    bool reference = true;
};

// Of one rank, on this model or one like it. FLOP: a multiplication or an addition.
struct Rates {
    double decode = 0;     // FLOP/s while answers are sampled, slots full
    double score = 0;      // FLOP/s of a forward pass over many rows
    double train = 0;      // FLOP/s of forward and backward
    double optimizer = 0;  // weights/s of an update
    double link = 0;       // bytes/s that a rank sends, and receives meanwhile
};
Rates rates_from_json(const json& object, const std::string& where);
json rates_to_json(const Rates& rates);

// FLOP of a token's forward pass with so many tokens before it: two for each weight that it uses, and attention's.
double forward_flop(const Config& config, double context);

// What a token of the cache takes: as this program keeps keys and values, and as latents alone [V3 section 2.1.1].
int64_t cache_bytes(const Config& config);
int64_t latent_cache_bytes(const Config& config, int bytes_a_number);

struct StepPlan {
    double prefill_flop = 0, decode_flop = 0, reference_flop = 0, update_flop = 0;  // of all ranks
    double exchange_bytes = 0;                                                      // that a rank sends in a step
    double rollout_seconds = 0, reference_seconds = 0, update_seconds = 0, exchange_seconds = 0;
    double seconds() const { return rollout_seconds + reference_seconds + update_seconds + exchange_seconds; }
};
StepPlan plan_step(const Config& config, const StepWork& work, const Rates& rates, int ranks);

}  // namespace r1
