#include "model/checkpoint.h"

#include <memory>

#include "model/safetensors.h"

namespace r1 {

static const char* const BELONG = "config.json and the tensors must belong together";

// ---- Weights <-> tensors ----

static std::vector<int64_t> shape_of(const Tensor& t) {
    return t.in ? std::vector<int64_t>{t.out, t.in} : std::vector<int64_t>{t.out};
}
static bool on_host(const Weights& w) { return &w.arena.memory() == &host_memory; }

// The weights must stay as they are until the tensors are written.
static void store(const Config& config, Weights& w, const std::string& prefix, std::vector<TensorSource>& into) {
    // A device's are copied first; the copy goes with the last of its sources.
    const std::shared_ptr<Weights> copy = on_host(w) ? nullptr : std::make_shared<Weights>(download(config, w));
    visit(config, copy ? *copy : w, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        if (t.kind == TensorKind::again && !prefix.empty()) return;
        into.push_back({prefix + t.name, shape_of(t), [copy, t](int64_t first, int64_t n, float* to) {
            const int64_t in = t.in ? t.in : 1;
            for (int64_t k = first; k < first + n; ++k) *to++ = t.at(k / in, k % in);
        }});
    });
}

// Every tensor is there in its shape, and no other. Nothing is allocated by what a configuration claims.
static void check_tensors(const Config& config, const TensorFiles& files, const std::vector<std::string>& prefixes,
                          const std::string& path) {
    std::vector<bool> known(files.size());
    for (const std::string& prefix : prefixes) {
        Weights none{};
        visit(config, none, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
            const auto found = files.find(prefix + t.name);
            if (!found && t.kind == TensorKind::again) return;
            if (!found) fail("a tensor is missing", path + " tensor " + prefix + t.name, BELONG);
            if (found->shape != shape_of(t))
                fail("a tensor of shape " + json(found->shape).dump() + " instead of " + json(shape_of(t)).dump(),
                     files.where(*found), BELONG);
            known[found->index] = true;
        });
    }
    for (size_t i = 0; i < files.size(); ++i)
        if (!known[i]) fail("a tensor that the model does not have", files.where(files.entry(i)), BELONG);
}

static void restore(const Config& config, Weights& w, const std::string& prefix, const TensorFiles& files) {
    Weights staging{};
    if (!on_host(w)) staging = make_weights(config);
    std::vector<float> values;
    visit(config, on_host(w) ? w : staging, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        if (t.kind == TensorKind::again) return;
        const TensorEntry entry = *files.find(prefix + t.name);
        values.resize(size_t(entry.count));
        files.read(entry, values.data());
        const int64_t in = t.in ? t.in : 1;
        for (int64_t k = 0; k < entry.count; ++k) t.at(k / in, k % in) = values[size_t(k)];
    });
    if (!on_host(w)) upload(w, staging);
}

// ---- Models ----

void save_model(const std::string& folder, const Config& config, Weights& weights, Dtype dtype) {
    make_folder(folder);
    std::vector<TensorSource> tensors;
    store(config, weights, "", tensors);
    write_model_tensors(folder, tensors, dtype);
    json object = config_to_json(config);
    object[object.contains("dtype") ? "dtype" : "torch_dtype"] = hugging_face_name(dtype);
    object.erase("quantization_config");     // of an 8-bit checkpoint that it was read from
    write_file_atomically(folder + "/config.json", object.dump(2) + "\n");
}

// Hugging Face's configuration asks for one prediction module where the file has none: then there is none.
static bool has_prediction(const Config& c, const TensorFiles& files) {
    return files.find("model.layers." + std::to_string(c.num_hidden_layers) + ".enorm.weight").has_value();
}

Config load_config(const std::string& folder) {
    if (!exists(folder + "/config.json"))
        fail("no model here", folder, "name a folder with config.json, model.safetensors and tokenizer.json");
    Config config = read_config(folder + "/config.json");
    const bool weights = exists(folder + "/model.safetensors") || exists(folder + "/model.safetensors.index.json");
    if (config.num_nextn_predict_layers > 0 && weights && !has_prediction(config, TensorFiles::of_model(folder)))
        config.num_nextn_predict_layers = 0;
    return config;
}

Model load_model(const std::string& folder, const Ops& ops, int context) {
    const Config config = load_config(folder);
    const TensorFiles files = TensorFiles::of_model(folder);
    check_tensors(config, files, {""}, folder);
    Model model = make_model(config, ops, context);
    restore(config, model.weights, "", files);
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
    std::vector<std::string> prefixes = {"weights.", "m.", "v."};
    if (reference) prefixes.push_back("reference.");
    check_tensors(config, files, prefixes, path);
    const json state = json::parse(files.metadata("state").value_or(""), nullptr, false);
    if (!state.is_object() || !state.contains("updates") || !state["updates"].is_number_integer() || !state.contains("progress"))
        fail("no training state in the file", path, "start the stage anew, without --resume");
    restore(config, t.model->weights, "weights.", files);
    restore(config, t.m, "m.", files);
    restore(config, t.v, "v.", files);
    if (reference) restore(config, *reference, "reference.", files);
    t.step = state["updates"].get<int64_t>();
    return state["progress"];
}

}  // namespace r1
