#include "model/disk/folder.h"

#include "base/check.h"
#include "base/manifest.h"
#include "base/options.h"
#include "model/disk/weights_file.h"
#include "text/chat.h"

namespace r1 {

static Config read_configuration(const std::string& path) {
    if (!exists(path + "/config.json"))
        fail("no model here", path, "name a folder with config.json, model.safetensors and tokenizer.json");
    return read_config(path + "/config.json");
}

// Hugging Face's configuration asks for one prediction module where the file has none: then there is none.
static void without_missing_prediction(Config& c, const TensorFiles& files) {
    if (!files.find("model.layers." + std::to_string(c.num_hidden_layers) + ".enorm.weight"))
        c.num_nextn_predict_layers = 0;
}

ModelFolder open_model(const std::string& path, WithoutTokenizer without, RewardModels reward_models) {
    check_whole(path, belongs_to_model);
    Config config = read_configuration(path);
    if (config.labels && reward_models == RewardModels::refused)
        fail("a reward model, which writes no text", path, "give a language model");
    const bool lacks = without == WithoutTokenizer::allowed && !exists(path + "/tokenizer.json");
    Tokenizer tokenizer = lacks ? Tokenizer() : Tokenizer::load(path + "/tokenizer.json", {}, config.source.dump());
    if (tokenizer.size() > config.vocab_size)
        fail("a tokenizer with more tokens than the model's vocabulary", path,
             "tokenizer.json and config.json must belong together");
    TensorFiles files = TensorFiles::of_model(path);
    without_missing_prediction(config, files);
    check_tensors(config, files, {""}, path);
    return {path, config, std::move(tokenizer), std::move(files)};
}

Config load_config(const std::string& path) {
    check_whole(path, [](const std::string& name) { return name == "config.json"; });
    Config config = read_configuration(path);
    const bool weights = exists(path + "/model.safetensors") || exists(path + "/model.safetensors.index.json");
    if (config.num_nextn_predict_layers > 0 && weights) without_missing_prediction(config, TensorFiles::of_model(path));
    return config;
}

Model load_model(const ModelFolder& folder, const Ops& ops, int context) {
    Model model = make_model(folder.config, ops, context);
    restore_weights(folder.config, model.weights, "", folder.files);
    return model;
}

Model load_reward_base(const ModelFolder& folder, const Ops& ops, int context, uint32_t seed) {
    const Config config = folder.config.labels ? folder.config : reward_config(folder.config);
    Model model = make_model(config, ops, context);
    Weights initial = make_weights(config);
    initialise(config, initial, seed);
    upload(model.weights, initial);
    restore_weights(config, model.weights, "", folder.files);
    return model;
}

void save_weights(const std::string& folder, const Config& config, Weights& weights, Dtype dtype) {
    make_folder(folder);
    std::vector<TensorSource> tensors;
    store_weights(config, weights, "", tensors, dtype);
    write_model_tensors(folder, tensors, dtype);
    json object = config_to_json(config);
    object[object.contains("dtype") ? "dtype" : "torch_dtype"] = hugging_face_name(dtype);
    object.erase("quantization_config");  // of an 8-bit checkpoint that it was read from
    write_file_atomically(folder + "/config.json", object.dump(2) + "\n");
}

void save_model(const std::string& folder, Model& model, const Tokenizer& tokenizer, const std::string& source,
                Dtype dtype) {
    save_weights(folder, model.config, model.weights, dtype);
    const auto there = [&](const char* name) { return exists(folder + "/" + name); };
    if (source != folder)
        for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                 "special_tokens_map.json", "generation_config.json"})
            if (exists(source + "/" + name)) write_file_atomically(folder + "/" + name, read_file(source + "/" + name));
    if (tokenizer.size() > 0 && !there("tokenizer.json")) tokenizer.save(folder + "/tokenizer.json");
    if (tokenizer.size() > 0 && !there("tokenizer_config.json"))
        write_file_atomically(folder + "/tokenizer_config.json",
                              tokenizer_config(tokenizer, model.config.max_position_embeddings).dump(2) + "\n");
    if (there("generation_config.json")) return;
    const Config& c = model.config;
    const json generation = {{"bos_token_id", c.bos_token_id},
                             {"eos_token_id", c.eos_token_id},
                             {"do_sample", true},
                             {"temperature", 1.0},
                             {"top_p", 1.0}};
    write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n");
}

}  // namespace r1
