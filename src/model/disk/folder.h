// A model's folder, in Hugging Face's layout: config.json, model.safetensors (or shards), tokenizer.json and what
// belongs to it. Every file is written atomically; what is read is checked name by name and shape by shape before a
// number is used.
#pragma once
#include <string>

#include "model/disk/dtype.h"
#include "model/disk/safetensors.h"
#include "model/transformer.h"
#include "text/tokenizer.h"

namespace r1 {

// A folder as it was opened: its configuration, its tokenizer and the headers of its tensor files are read once.
struct ModelFolder {
    std::string path;
    Config config;
    Tokenizer tokenizer;  // empty where there is none and that is allowed
    TensorFiles files;
};

// A folder without tokenizer.json is refused, or its tokenizer is empty. A reward model, which writes no text, is
// refused unless it is what is wanted.
enum class WithoutTokenizer { refused, allowed };
enum class RewardModels { refused, allowed };
ModelFolder open_model(const std::string& path, WithoutTokenizer without = WithoutTokenizer::refused,
                       RewardModels reward_models = RewardModels::refused);

// The configuration of a folder that may lack the weights.
Config load_config(const std::string& path);

// The folder's model on a device. context: as in make_model.
Model load_model(const ModelFolder& folder, const Ops& ops, int context = 0);

// A reward model to train, from a folder's blocks: of a language model's folder the weights of the score are drawn from
// the seed; a reward model's are its own.
Model load_reward_base(const ModelFolder& folder, const Ops& ops, int context, uint32_t seed);

// Weights (rounded to dtype: F32, BF16 or F16) and config.json.
void save_weights(const std::string& folder, const Config& config, Weights& weights, Dtype dtype = Dtype::F32);

// The whole folder, as Hugging Face's tools want it. The tokenizer and what belongs to it are copied from the folder
// `source`; what it lacks (a chat template, the names of control tokens) is written.
void save_model(const std::string& folder, Model& model, const Tokenizer& tokenizer, const std::string& source,
                Dtype dtype = Dtype::F32);

}  // namespace r1
