// Weights as tensors of files: of models, and of the states of runs.
#pragma once
#include <string>
#include <vector>

#include "model/disk/safetensors.h"
#include "model/weights.h"

namespace r1 {

// Appends the tensors of the weights, each under prefix + its name, to be written as dtype. The weights must stay as
// they are until the tensors are written. That is an error where a number is not finite or too large for dtype: what is
// no number never becomes a model.
void store_weights(const Config& config, Weights& weights, const std::string& prefix, std::vector<TensorSource>& into,
                   Dtype dtype = Dtype::F32);

// Error unless every tensor is there in its shape under each prefix, and no other. Nothing is allocated by what a
// configuration claims. path: of the file or folder, for errors.
void check_tensors(const Config& config, const TensorFiles& files, const std::vector<std::string>& prefixes,
                   const std::string& path);

// Numbers of any type that safetensors.h reads become float32. After check_tensors. Where a reward model is made from a
// language model's files, the weights of the score stay as they are.
void restore_weights(const Config& config, Weights& weights, const std::string& prefix, const TensorFiles& files);

}  // namespace r1
