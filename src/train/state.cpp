#include "train/state.h"

#include "base/check.h"
#include "model/disk/weights_file.h"

namespace r1 {

static size_t slice_bytes(const Trainer& t, int r) {
    return size_t(t.slices[size_t(r) + 1] - t.slices[size_t(r)]) * sizeof(float);
}

// Slice by slice into the weights of rank 0.
static Weights gather_slices(const Trainer& t, const float* slice) {
    const Memory& memory = *t.model->ops->memory;
    Weights whole = ranks().first() ? make_weights(t.model->config) : Weights{};
    std::string mine(slice_bytes(t, ranks().rank), '\0');
    memory.download(mine.data(), slice, mine.size());
    Ranks::Out out(t.slices.size() - 1);
    Ranks::In in(t.slices.size() - 1);
    out[0] = mine;
    for (int r = 0; ranks().first() && r < ranks().count; ++r)
        in[size_t(r)] = {whole.arena.base() + t.slices[size_t(r)] * int64_t(sizeof(float)), slice_bytes(t, r)};
    ranks().exchange(out, in);
    return whole;
}

Moments gather_moments(Trainer& t) {
    if (ranks().alone()) return {};
    return {gather_slices(t, t.m_slice), gather_slices(t, t.v_slice)};
}

void save_training(const std::string& path, Trainer& t, Moments& moments, const json& progress, Weights* reference) {
    const Config& config = t.model->config;
    std::vector<TensorSource> tensors;
    store_weights(config, t.model->weights, "weights.", tensors);
    store_weights(config, ranks().alone() ? t.m : moments.m, "m.", tensors);
    store_weights(config, ranks().alone() ? t.v : moments.v, "v.", tensors);
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

static void restore_moments(const Trainer& t, Weights& own, float* slice, const char* prefix,
                            const TensorFiles& files) {
    if (ranks().alone()) return restore_weights(t.model->config, own, prefix, files);
    Weights whole = make_weights(t.model->config);
    restore_weights(t.model->config, whole, prefix, files);
    const char* from = whole.arena.base() + t.slices[size_t(ranks().rank)] * int64_t(sizeof(float));
    t.model->ops->memory->upload(slice, from, slice_bytes(t, ranks().rank));
}

json load_training(const std::string& path, Trainer& t, Weights* reference) {
    const Config& config = t.model->config;
    const TensorFiles files = TensorFiles::of_file(path);
    std::vector<std::string> prefixes = {"weights.", "m.", "v."};
    if (reference) prefixes.push_back("reference.");
    check_tensors(config, files, prefixes, path);
    const json state = state_of(files, path);
    restore_weights(config, t.model->weights, "weights.", files);
    restore_moments(t, t.m, t.m_slice, "m.", files);
    restore_moments(t, t.v, t.v_slice, "v.", files);
    if (reference) restore_weights(config, *reference, "reference.", files);
    t.step = state["updates"].get<int64_t>();
    return state["progress"];
}

json read_progress(const std::string& path) {
    if (!exists(path)) return {};
    return state_of(TensorFiles::of_file(path), path)["progress"];
}

}  // namespace r1
