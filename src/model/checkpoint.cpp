#include "model/checkpoint.h"

#include <cstring>
#include <map>

namespace r1 {

// ---- The format: 8 bytes of header size, a JSON header, the tensors' bytes one after the other ----

void write_safetensors(const std::string& path, const std::vector<StoredTensor>& tensors, const json& metadata) {
    json header = json::object();
    if (!metadata.is_null()) header["__metadata__"] = metadata;
    int64_t at = 0;
    for (const StoredTensor& t : tensors) {
        const int64_t end = at + int64_t(t.values.size() * sizeof(float));
        header[t.name] = {{"dtype", "F32"}, {"shape", t.shape}, {"data_offsets", {at, end}}};
        at = end;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const uint64_t size = text.size();
    std::string content(reinterpret_cast<const char*>(&size), sizeof size);
    content.reserve(content.size() + text.size() + size_t(at));
    content += text;
    for (const StoredTensor& t : tensors)
        content.append(reinterpret_cast<const char*>(t.values.data()), t.values.size() * sizeof(float));
    write_file_atomically(path, content);
}

std::vector<StoredTensor> read_safetensors(const std::string& path, json* metadata) {
    const std::string content = read_file(path);
    const char* advice = "the file is damaged or of another kind: write it anew";
    uint64_t size = 0;
    if (content.size() < sizeof size) fail("too short for a safetensors file", path, advice);
    std::memcpy(&size, content.data(), sizeof size);
    if (size > 100000000 || size > content.size() - sizeof size || size < 2 || content[8] != '{')
        fail("no safetensors header", path, advice);
    const json header = json::parse(content.substr(8, size), nullptr, false);
    if (!header.is_object()) fail("the safetensors header is not JSON", path, advice);
    const uint64_t data = sizeof size + size, data_size = content.size() - data;
    std::vector<StoredTensor> tensors;
    uint64_t covered = 0;
    for (const auto& [name, entry] : header.items()) {
        if (name == "__metadata__") {
            if (metadata) *metadata = entry;
            continue;
        }
        const std::string where = path + " tensor " + name;
        if (!entry.is_object() || !entry.contains("shape") || !entry["shape"].is_array() ||
            !entry.contains("data_offsets") || !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2)
            fail("a broken entry in the header", where, advice);
        if (entry.value("dtype", json()) != json("F32")) fail("a number type other than F32", where, "convert it to F32");
        StoredTensor t{name, {}, {}};
        uint64_t count = 1;
        for (const json& n : entry["shape"]) {
            if (!n.is_number_unsigned() || n.get<uint64_t>() > (uint64_t(1) << 40)) fail("a broken shape", where, advice);
            t.shape.push_back(n.get<int64_t>());
            if (__builtin_mul_overflow(count, n.get<uint64_t>(), &count)) fail("a shape too large", where, advice);
        }
        const json &first = entry["data_offsets"][0], &last = entry["data_offsets"][1];
        if (!first.is_number_unsigned() || !last.is_number_unsigned()) fail("broken offsets", where, advice);
        const uint64_t begin = first.get<uint64_t>(), end = last.get<uint64_t>();
        if (begin > end || end > data_size || count > data_size || (end - begin) != count * sizeof(float))
            fail("offsets that do not fit the shape or the file", where, advice);
        t.values.resize(count);
        std::memcpy(t.values.data(), content.data() + data + begin, end - begin);
        covered += end - begin;
        tensors.push_back(std::move(t));
    }
    if (covered != data_size) fail("bytes that belong to no tensor", path, advice);
    return tensors;
}

// ---- Weights <-> tensors ----

static void store(const Config& config, const Weights& w, const std::string& prefix, std::vector<StoredTensor>& into) {
    Weights host = download(config, w);
    visit(config, host, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        StoredTensor s{prefix + t.name, {t.out}, {}};
        if (t.in) s.shape.push_back(t.in);
        const int64_t in = t.in ? t.in : 1;
        s.values.reserve(size_t(t.out * in));
        for (int64_t o = 0; o < t.out; ++o)
            for (int64_t i = 0; i < in; ++i) s.values.push_back(t.at(o, i));
        into.push_back(std::move(s));
    });
}

static void restore(const Config& config, Weights& w, const std::string& prefix,
                    std::map<std::string, const StoredTensor*>& from, const std::string& path) {
    Weights host = make_weights(config);
    visit(config, host, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        const std::string where = path + " tensor " + prefix + t.name;
        const auto found = from.find(prefix + t.name);
        if (t.kind == TensorKind::again) {
            if (found != from.end()) from.erase(found);
            return;
        }
        if (found == from.end()) fail("a tensor is missing", where, "config.json and model.safetensors must belong together");
        const StoredTensor& s = *found->second;
        std::vector<int64_t> shape = {t.out};
        if (t.in) shape.push_back(t.in);
        if (s.shape != shape) {
            const auto text = [](const std::vector<int64_t>& n) { return json(n).dump(); };
            fail("a tensor of shape " + text(s.shape) + " instead of " + text(shape), where,
                 "config.json and model.safetensors must belong together");
        }
        const int64_t in = t.in ? t.in : 1;
        for (int64_t o = 0; o < t.out; ++o)
            for (int64_t i = 0; i < in; ++i) t.at(o, i) = s.values[size_t(o * in + i)];
        from.erase(found);
    });
    upload(w, host);
}

static std::map<std::string, const StoredTensor*> by_name(const std::vector<StoredTensor>& tensors) {
    std::map<std::string, const StoredTensor*> map;
    for (const StoredTensor& t : tensors) map[t.name] = &t;
    return map;
}

static void expect_none_left(const std::map<std::string, const StoredTensor*>& left, const std::string& path) {
    if (!left.empty())
        fail("a tensor that the model does not have", path + " tensor " + left.begin()->first,
             "config.json and model.safetensors must belong together");
}

// ---- Models ----

void save_model(const std::string& folder, const Config& config, Weights& weights, const std::string& tokenizer_path) {
    make_folder(folder);
    std::vector<StoredTensor> tensors;
    store(config, weights, "", tensors);
    write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
    write_file_atomically(folder + "/config.json", config_to_json(config).dump(2) + "\n");
    const json generation = {{"bos_token_id", config.bos_token_id}, {"eos_token_id", config.eos_token_id},
                             {"do_sample", true}, {"temperature", 1.0}, {"top_p", 1.0}};
    write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n");
    if (tokenizer_path != folder + "/tokenizer.json")
        write_file_atomically(folder + "/tokenizer.json", read_file(tokenizer_path));
}

// Hugging Face's configuration asks for one prediction module where the file has none: then there is none.
static bool has_prediction(const Config& c, const std::vector<StoredTensor>& tensors) {
    const std::string prefix = "model.layers." + std::to_string(c.num_hidden_layers) + ".";
    for (const StoredTensor& t : tensors)
        if (t.name.starts_with(prefix)) return true;
    return false;
}

Model load_model(const std::string& folder, const Ops& ops, int context) {
    if (!exists(folder + "/config.json"))
        fail("no model here", folder, "name a folder with config.json, model.safetensors and tokenizer.json");
    Config config = config_from_json(read_json(folder + "/config.json"), folder + "/config.json");
    const std::string path = folder + "/model.safetensors";
    const std::vector<StoredTensor> tensors = read_safetensors(path);
    if (!has_prediction(config, tensors)) config.num_nextn_predict_layers = 0;
    Model model = make_model(config, ops, context);
    auto left = by_name(tensors);
    restore(model.config, model.weights, "", left, path);
    expect_none_left(left, path);
    return model;
}

// ---- Training state ----

void save_training(const std::string& path, Trainer& t, const json& progress, Weights* reference) {
    const Config& config = t.model->config;
    std::vector<StoredTensor> tensors;
    store(config, t.model->weights, "weights.", tensors);
    store(config, t.m, "m.", tensors);
    store(config, t.v, "v.", tensors);
    if (reference) store(config, *reference, "reference.", tensors);
    json state = {{"updates", t.step}, {"progress", progress}};
    write_safetensors(path, tensors, {{"state", state.dump()}});
}

json load_training(const std::string& path, Trainer& t, Weights* reference) {
    const Config& config = t.model->config;
    json metadata;
    const std::vector<StoredTensor> tensors = read_safetensors(path, &metadata);
    auto left = by_name(tensors);
    restore(config, t.model->weights, "weights.", left, path);
    restore(config, t.m, "m.", left, path);
    restore(config, t.v, "v.", left, path);
    if (reference) restore(config, *reference, "reference.", left, path);
    expect_none_left(left, path);
    const json state = json::parse(metadata.value("state", std::string()), nullptr, false);
    if (!state.is_object() || !state.contains("updates") || !state["updates"].is_number_integer() || !state.contains("progress"))
        fail("no training state in the file", path, "start the stage anew, without --resume");
    t.step = state["updates"].get<int64_t>();
    return state["progress"];
}

}  // namespace r1
