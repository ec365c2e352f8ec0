// Models on disk, in Hugging Face's layout: config.json, model.safetensors (or shards), tokenizer.json. Every file
// is written atomically; what is read is checked name by name and shape by shape before a number is used.
#pragma once
#include <string>

#include "model/train.h"

namespace r1 {

// The folder also gets a copy of the tokenizer, and the files that Hugging Face's tools look for.
void save_model(const std::string& folder, const Config& config, Weights& weights, const std::string& tokenizer_path);
Model load_model(const std::string& folder, const Ops& ops);

// What a run needs to go on as if it had never stopped, in one file: weights, moments, updates done, and `progress`,
// whatever the stage adds. Random numbers need nothing: they are functions of the step.
void save_training(const std::string& path, Trainer& trainer, const json& progress, Weights* reference = nullptr);
json load_training(const std::string& path, Trainer& trainer, Weights* reference = nullptr);

}  // namespace r1
