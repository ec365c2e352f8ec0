#include "train/state.h"

#include "base/check.h"
#include "model/disk/weights_file.h"

namespace r1 {

void save_training(const std::string& path, Trainer& t, const json& progress, Weights* reference) {
    const Config& config = t.model->config;
    std::vector<TensorSource> tensors;
    store_weights(config, t.model->weights, "weights.", tensors);
    store_weights(config, t.m, "m.", tensors);
    store_weights(config, t.v, "v.", tensors);
    if (reference) store_weights(config, *reference, "reference.", tensors);
    json state = {{"updates", t.step}, {"progress", progress}};
    write_safetensors(path, tensors, {{"state", state.dump()}});
}

static json state_of(const TensorFiles& files, const std::string& path) {
    const json state = json_of(files.metadata("state").value_or(""));
    if (!state.is_object() || !state.contains("updates") || !state["updates"].is_number_integer() ||
        !state.contains("progress"))
        fail("no training state in the file", path, "start the stage anew, without --resume");
    return state;
}

json load_training(const std::string& path, Trainer& t, Weights* reference) {
    const Config& config = t.model->config;
    const TensorFiles files = TensorFiles::of_file(path);
    std::vector<std::string> prefixes = {"weights.", "m.", "v."};
    if (reference) prefixes.push_back("reference.");
    check_tensors(config, files, prefixes, path);
    const json state = state_of(files, path);
    restore_weights(config, t.model->weights, "weights.", files);
    restore_weights(config, t.m, "m.", files);
    restore_weights(config, t.v, "v.", files);
    if (reference) restore_weights(config, *reference, "reference.", files);
    t.step = state["updates"].get<int64_t>();
    return state["progress"];
}

json read_progress(const std::string& path) {
    if (!exists(path)) return {};
    return state_of(TensorFiles::of_file(path), path)["progress"];
}

}  // namespace r1
