#include "model/checkpoint.h"

#include <memory>

#include "model/safetensors.h"

namespace r1 {

// ---- Weights <-> tensors ----

// The file's element (o, i) of a tensor; vectors have i = 0, and the embedding (ld = 0) stands as in the file.
static float& element(const Tensor& t, int64_t o, int64_t i) {
    if (t.in == 0) return t.data[o];
    return t.ld ? t.data[i * t.ld + o] : t.data[o * t.in + i];
}

static void store(const Config& config, const Weights& w, const std::string& prefix, std::vector<TensorSource>& into) {
    const auto host = std::make_shared<Weights>(download(config, w));    // goes with the last of its sources
    visit(config, *host, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        TensorSource s{prefix + t.name, {t.out}, [host, t](int64_t first, int64_t n, float* to) {
            const int64_t in = t.in ? t.in : 1;
            for (int64_t k = first; k < first + n; ++k) *to++ = element(t, k / in, k % in);
        }};
        if (t.in) s.shape.push_back(t.in);
        into.push_back(std::move(s));
    });
}

// used[i]: entry i of the file was read.
static void restore(const Config& config, Weights& w, const std::string& prefix, const TensorFiles& from, const std::string& path,
                    std::vector<bool>& used) {
    Weights host = make_weights(config);
    std::vector<float> values;
    visit(config, host, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        const auto found = from.find(prefix + t.name);
        if (!found)
            fail("a tensor is missing", path + " tensor " + prefix + t.name, "config.json and model.safetensors must belong together");
        std::vector<int64_t> shape = {t.out};
        if (t.in) shape.push_back(t.in);
        if (found->shape != shape) {
            const auto text = [](const std::vector<int64_t>& n) { return json(n).dump(); };
            fail("a tensor of shape " + text(found->shape) + " instead of " + text(shape), from.where(*found),
                 "config.json and model.safetensors must belong together");
        }
        values.resize(size_t(found->count));
        from.read(*found, values.data());
        const int64_t in = t.in ? t.in : 1;
        for (int64_t k = 0; k < found->count; ++k) element(t, k / in, k % in) = values[size_t(k)];
        used[found->index] = true;
    });
    upload(w, host);
}

static void expect_all_used(const TensorFiles& files, const std::vector<bool>& used) {
    for (size_t i = 0; i < files.size(); ++i)
        if (!used[i])
            fail("a tensor that the model does not have", files.where(files.entry(i)),
                 "config.json and model.safetensors must belong together");
}

// ---- Models ----

void save_model(const std::string& folder, const Config& config, Weights& weights, const std::string& tokenizer_path) {
    make_folder(folder);
    std::vector<TensorSource> tensors;
    store(config, weights, "", tensors);
    write_model_tensors(folder, tensors);
    write_file_atomically(folder + "/config.json", config_to_json(config).dump(2) + "\n");
    const json generation = {{"bos_token_id", config.bos_token_id}, {"eos_token_id", config.eos_token_id},
                             {"do_sample", true}, {"temperature", 1.0}, {"top_p", 1.0}};
    write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n");
    if (tokenizer_path != folder + "/tokenizer.json")
        write_file_atomically(folder + "/tokenizer.json", read_file(tokenizer_path));
}

Model load_model(const std::string& folder, const Ops& ops) {
    if (!exists(folder + "/config.json"))
        fail("no model here", folder, "name a folder with config.json, model.safetensors and tokenizer.json");
    Model model = make_model(config_from_json(read_json(folder + "/config.json"), folder + "/config.json"), ops);
    const TensorFiles files = TensorFiles::of_model(folder);
    std::vector<bool> used(files.size());
    restore(model.config, model.weights, "", files, folder, used);
    expect_all_used(files, used);
    return model;
}

// ---- Training state ----

void save_training(const std::string& path, Trainer& t, const json& progress, Weights* reference) {
    const Config& config = t.model->config;
    std::vector<TensorSource> tensors;
    store(config, t.model->weights, "weights.", tensors);
    store(config, t.m, "m.", tensors);
    store(config, t.v, "v.", tensors);
    if (reference) store(config, *reference, "reference.", tensors);
    json state = {{"updates", t.step}, {"progress", progress}};
    write_safetensors(path, tensors, {{"state", state.dump()}});
}

json load_training(const std::string& path, Trainer& t, Weights* reference) {
    const Config& config = t.model->config;
    const TensorFiles files = TensorFiles::of_file(path);
    std::vector<bool> used(files.size());
    restore(config, t.model->weights, "weights.", files, path, used);
    restore(config, t.m, "m.", files, path, used);
    restore(config, t.v, "v.", files, path, used);
    if (reference) restore(config, *reference, "reference.", files, path, used);
    expect_all_used(files, used);
    const json state = json::parse(files.metadata("state").value_or(""), nullptr, false);
    if (!state.is_object() || !state.contains("updates") || !state["updates"].is_number_integer() || !state.contains("progress"))
        fail("no training state in the file", path, "start the stage anew, without --resume");
    t.step = state["updates"].get<int64_t>();
    return state["progress"];
}

}  // namespace r1
