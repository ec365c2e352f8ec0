// Models on disk, in Hugging Face's layout: config.json, model.safetensors, tokenizer.json. Every file is written
// atomically; what is read is checked name by name and shape by shape before a number is used.
#pragma once
#include <string>
#include <vector>

#include "model/train.h"

namespace r1 {

// A float32 tensor in memory, row-major, as a safetensors file holds it.
struct StoredTensor {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<float> values;
};

void write_safetensors(const std::string& path, const std::vector<StoredTensor>& tensors, const json& metadata = {});
// Reads all tensors; refuses a file that breaks a rule of the format in one line that names file and tensor.
std::vector<StoredTensor> read_safetensors(const std::string& path, json* metadata = nullptr);

// The folder also gets a copy of the tokenizer, and the files that Hugging Face's tools look for.
void save_model(const std::string& folder, const Config& config, Weights& weights, const std::string& tokenizer_path);
// context: as in make_model.
Model load_model(const std::string& folder, const Ops& ops, int context = 0);

// What a run needs to go on as if it had never stopped, in one file: weights, moments, updates done, and `progress`,
// whatever the stage adds. Random numbers need nothing: they are functions of the step.
void save_training(const std::string& path, Trainer& trainer, const json& progress, Weights* reference = nullptr);
json load_training(const std::string& path, Trainer& trainer, Weights* reference = nullptr);

}  // namespace r1
