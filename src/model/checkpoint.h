// Models on disk, in Hugging Face's layout: config.json, model.safetensors (or shards), tokenizer.json. Every file
// is written atomically; what is read is checked name by name and shape by shape before a number is used.
#pragma once
#include <string>

#include "model/dtype.h"
#include "model/train.h"

namespace r1 {

// Weights (rounded to dtype: F32, BF16 or F16) and config.json; a stage adds the tokenizer's files (stages/run.h).
void save_model(const std::string& folder, const Config& config, Weights& weights, Dtype dtype = Dtype::F32);
// Of a folder that may lack the weights.
Config load_config(const std::string& folder);
// context: as in make_model. Numbers of any type that safetensors.h reads become float32.
Model load_model(const std::string& folder, const Ops& ops, int context = 0);

// What a run needs to go on as if it had never stopped, in one file: weights, moments, updates done, and `progress`,
// whatever the stage adds. Random numbers need nothing: they are functions of the step.
void save_training(const std::string& path, Trainer& trainer, const json& progress, Weights* reference = nullptr);
json load_training(const std::string& path, Trainer& trainer, Weights* reference = nullptr);

}  // namespace r1
