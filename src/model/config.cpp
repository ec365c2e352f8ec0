#include "model/config.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/check.h"
#include "base/options.h"
#include "model/rope.h"

namespace r1 {

bool Config::is_dense(int layer) const {
    if (layer >= num_hidden_layers) return n_routed_experts == 0;  // a prediction module is a layer like the last ones
    if (n_routed_experts == 0 || layer < first_k_dense_replace || (layer + 1) % decoder_sparse_step != 0) return true;
    return std::find(mlp_only_layers.begin(), mlp_only_layers.end(), layer) != mlp_only_layers.end();
}

bool Config::has_experts() const {
    for (int l = 0; l < all_layers(); ++l)
        if (!is_dense(l)) return true;
    return false;
}

Heads Config::heads() const {
    Heads h;
    h.H = num_attention_heads, h.H_kv = latent() ? num_attention_heads : num_key_value_heads;
    h.own = latent() ? qk_nope_head_dim : head_dim, h.shared = latent() ? qk_rope_head_dim : 0;
    h.D_v = latent() ? v_head_dim : head_dim;
    h.scale = 1.0f / exact::sqrt(float(h.D_k())) * float(rope_score_scale(*this));
    return h;
}

namespace {

struct FamilyNames {
    Family family;
    const char *type, *name;  // of the architecture, before "ForCausalLM" or "ForSequenceClassification"
};
constexpr const char* SCORING_SUFFIX = "ForSequenceClassification";
constexpr FamilyNames FAMILIES[] = {{Family::deepseek_v3, "deepseek_v3", "DeepseekV3"},
                                    {Family::deepseek_v2, "deepseek_v2", "DeepseekV2"},
                                    {Family::qwen2, "qwen2", "Qwen2"},
                                    {Family::llama, "llama", "Llama"},
                                    {Family::qwen3, "qwen3", "Qwen3"},
                                    {Family::qwen3_moe, "qwen3_moe", "Qwen3Moe"},
                                    {Family::olmoe, "olmoe", "Olmoe"}};

constexpr int NEEDED = -2;   // a key without a default
bool is_deepseek(const Config& c) { return c.family == Family::deepseek_v3 || c.family == Family::deepseek_v2; }

// Every key of the family's file that is a whole number of the model's shape, once, and what Hugging Face's class takes
// it for if it is not there or null.
template <class Visitor>
void visit_numbers(Config& c, Visitor&& visit) {
    visit("vocab_size", c.vocab_size, NEEDED);
    visit("hidden_size", c.hidden_size, NEEDED);
    visit("num_hidden_layers", c.num_hidden_layers, NEEDED);
    const bool v3 = c.family == Family::deepseek_v3;
    if (is_deepseek(c)) visit("first_k_dense_replace", c.first_k_dense_replace, v3 ? 3 : 0);
    visit("intermediate_size", c.intermediate_size, NEEDED);
    visit("num_attention_heads", c.num_attention_heads, NEEDED);
    if (is_deepseek(c)) {
        visit("q_lora_rank", c.q_lora_rank, 0);
        visit("kv_lora_rank", c.kv_lora_rank, NEEDED);
        visit("qk_nope_head_dim", c.qk_nope_head_dim, NEEDED);
        visit("qk_rope_head_dim", c.qk_rope_head_dim, NEEDED);
        visit("v_head_dim", c.v_head_dim, NEEDED);
        visit("n_routed_experts", c.n_routed_experts, NEEDED);
        visit("n_shared_experts", c.n_shared_experts, v3 ? 1 : 2);
        visit("num_experts_per_tok", c.num_experts_per_tok, NEEDED);
        visit("moe_intermediate_size", c.moe_intermediate_size, NEEDED);
        visit("n_group", c.n_group, v3 ? 8 : 1);
        visit("topk_group", c.topk_group, v3 ? 4 : 1);
    } else {
        const bool qwen = c.family == Family::qwen2 || c.family == Family::qwen3 || c.family == Family::qwen3_moe;
        const int equal = c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : NEEDED;
        visit("num_key_value_heads", c.num_key_value_heads, qwen ? NEEDED : c.num_attention_heads);
        visit("head_dim", c.head_dim, c.family == Family::qwen3 ? 128 : equal);
    }
    if (c.family == Family::qwen3_moe || c.family == Family::olmoe) {
        visit("num_experts", c.n_routed_experts, NEEDED);
        visit("num_experts_per_tok", c.num_experts_per_tok, NEEDED);
    }
    if (c.family == Family::qwen3_moe) {
        visit("moe_intermediate_size", c.moe_intermediate_size, NEEDED);
        visit("decoder_sparse_step", c.decoder_sparse_step, 1);
    }
    visit("max_position_embeddings", c.max_position_embeddings, NEEDED);
    visit("bos_token_id", c.bos_token_id, -1);
    visit("eos_token_id", c.eos_token_id, -1);
    if (v3) visit("num_nextn_predict_layers", c.num_nextn_predict_layers, 0);
}

// What no file says: the choices that make the family.
void set_family(Config& c, Family family) {
    c.family = family;
    if (is_deepseek(c)) {
        c.scoring = family == Family::deepseek_v3 ? Scoring::sigmoid : Scoring::softmax;
        return;
    }
    c.q_lora_rank = c.kv_lora_rank = 0;
    c.first_k_dense_replace = 0, c.n_routed_experts = c.n_shared_experts = 0;
    c.n_group = c.topk_group = c.num_experts_per_tok = c.moe_intermediate_size = 1;
    c.scoring = Scoring::softmax, c.rope_interleave = false;
    c.qkv_bias = family == Family::qwen2;
    if (family == Family::qwen3 || family == Family::qwen3_moe) c.head_norm = HeadNorm::head;
    if (family == Family::olmoe) c.head_norm = HeadNorm::row;
}

// Reads keys of a JSON object; what is there and of the wrong kind is an error that names it.
struct Reader {
    const json& object;
    const std::string& where;

    const json* find(const char* key) const {
        const auto found = object.find(key);
        return found == object.end() || found->is_null() ? nullptr : &*found;
    }
    [[noreturn]] void refuse(const char* key, const char* what) const {
        fail(std::string("the key ") + key + " is " + what, where, "correct it");
    }
    void read(const char* key, int& value, int otherwise) const {
        const std::string name = key;
        const json* found = find(key);
        if (name == "num_experts" && find("num_local_experts")) found = find("num_local_experts");  // a newer name
        if (name == "q_lora_rank" && !object.contains(key)) refuse(key, "missing");                 // null has a meaning
        if (found && found->is_array() && name == "eos_token_id" && !found->empty()) found = &(*found)[0];
        if (!found && otherwise == NEEDED) refuse(key, "missing");
        if (found && (!found->is_number_integer() || found->get<double>() < -1 || found->get<double>() > 1e8))
            refuse(key, "not a whole number in range");
        value = found ? found->get<int>() : otherwise;
    }
    double number(const char* key, double otherwise) const {
        const json* found = find(key);
        if (found && (!found->is_number() || !(found->get<double>() > -1e18 && found->get<double>() < 1e18)))
            refuse(key, "not a number in range");
        return found ? found->get<double>() : otherwise;
    }
    bool flag(const char* key, bool otherwise) const {
        const json* found = find(key);
        if (found && !found->is_boolean()) refuse(key, "neither true nor false");
        return found ? found->get<bool>() : otherwise;
    }
    std::string text(const char* key, const char* otherwise) const {
        const json* found = find(key);
        if (found && !found->is_string()) refuse(key, "not a text");
        return found ? found->get<std::string>() : otherwise;
    }
};

// rope_scaling beside rope_theta, or both in rope_parameters, as newer files have it; the precedence is Hugging Face's.
void read_rope(Config& c, const Reader& file) {
    static const json nothing = json::object();
    const json *scaling = file.find("rope_scaling"), *parameters = file.find("rope_parameters");
    if (!scaling || scaling->empty()) scaling = parameters;
    if (scaling && !scaling->is_object())
        file.refuse(scaling == parameters ? "rope_parameters" : "rope_scaling", "not an object");
    const Reader r{scaling ? *scaling : nothing, file.where};
    c.rope_theta = r.number("rope_theta", file.number("rope_theta", 10000));
    if (r.number("partial_rotary_factor", file.number("partial_rotary_factor", 1)) != 1)
        fail("partial rotation of heads", file.where, "give another model");
    const std::string kind = r.text("rope_type", r.text("type", "default").c_str());
    RopeScaling& s = c.rope;
    if (kind == "default") return;
    if (kind == "linear") s.kind = RopeScaling::linear;
    else if (kind == "llama3") s.kind = RopeScaling::llama3;
    else if (kind == "yarn") s.kind = RopeScaling::yarn;
    else fail("rotary positions of the kind " + kind, file.where, "give default, linear, llama3 or yarn");
    const auto or_if_zero = [](double value, double otherwise) { return value == 0 ? otherwise : value; };
    s.original_positions = file.number("original_max_position_embeddings",
                                       r.number("original_max_position_embeddings", c.max_position_embeddings));
    s.factor = r.number("factor", c.max_position_embeddings / std::max(1.0, s.original_positions));
    s.low_frequency = r.number("low_freq_factor", 1), s.high_frequency = r.number("high_freq_factor", 4);
    s.beta_fast = or_if_zero(r.number("beta_fast", 32), 32), s.beta_slow = or_if_zero(r.number("beta_slow", 1), 1);
    s.mscale = r.number("mscale", 0), s.mscale_all_dim = r.number("mscale_all_dim", 0);
    s.attention_factor = r.number("attention_factor", 0), s.truncate = r.flag("truncate", true);
    if (!(s.factor > 0 && s.original_positions > 0 && s.beta_fast > 0 && s.beta_slow > 0 && s.high_frequency > s.low_frequency))
        fail("rotary positions out of range", file.where, "correct rope_scaling");
}

// A window is not built: where a layer has one, sequences are at most so long, and see all of themselves.
void read_window(Config& c, const Reader& file) {
    if (!file.flag("use_sliding_window", false) || !file.find("sliding_window")) return;
    int window = 0;
    file.read("sliding_window", window, NEEDED);
    if (window < 1) file.refuse("sliding_window", "not positive");
    c.max_position_embeddings = std::min(c.max_position_embeddings, window);
}

// Hugging Face counts a classifier's scores by the names of its labels.
void read_labels(Config& c, const Reader& file) {
    const json* architectures = file.find("architectures");
    if (!architectures || !architectures->is_array() || architectures->empty() || !(*architectures)[0].is_string())
        return;
    if (!(*architectures)[0].get_ref<const std::string&>().ends_with(SCORING_SUFFIX)) return;
    file.read("num_labels", c.labels, 2);
    if (const json* names = file.find("id2label"); names && names->is_object()) c.labels = int(names->size());
    if (c.labels != 1)
        fail("a classifier of " + std::to_string(c.labels) + " labels", file.where, "give a model with one score");
    c.tie_word_embeddings = false;
    c.num_nextn_predict_layers = 0;
}

void read_choices(Config& c, const Reader& file) {
    if (file.text("hidden_act", "silu") != "silu") fail("an activation other than silu", file.where, "give a model with silu");
    c.rms_norm_eps = float(file.number("rms_norm_eps", c.family == Family::olmoe ? 1e-5 : 1e-6));
    c.tie_word_embeddings = file.flag("tie_word_embeddings", false);
    const bool attention_bias = file.flag("attention_bias", false);
    if (c.family != Family::qwen2) c.qkv_bias = c.o_bias = attention_bias;
    if (c.family == Family::llama || c.family == Family::deepseek_v2) c.mlp_bias = file.flag("mlp_bias", false);
    read_window(c, file);
    if (c.family == Family::olmoe) c.clip_qkv = float(file.number("clip_qkv", 0));
    if (c.clip_qkv < 0) file.refuse("clip_qkv", "negative");
    if (c.family == Family::deepseek_v3) {
        c.norm_topk_prob = file.flag("norm_topk_prob", true);
        c.rope_interleave = file.flag("rope_interleave", true);
        if (file.text("topk_method", "noaux_tc") != "noaux_tc" || file.text("scoring_func", "sigmoid") != "sigmoid")
            fail("a router other than sigmoid scores with a bias", file.where, "give scoring_func sigmoid, topk_method noaux_tc");
    }
    if (c.family == Family::deepseek_v2) {
        c.norm_topk_prob = false;  // Hugging Face's class does not read the key
        const std::string method = file.text("topk_method", "greedy");
        if (method == "greedy") c.n_group = c.topk_group = 1;
        else if (method != "group_limited_greedy")
            fail("topk_method " + method, file.where, "give greedy or group_limited_greedy");
        if (file.text("scoring_func", "softmax") != "softmax")
            fail("a router other than softmax", file.where, "correct scoring_func");
    }
    if (is_deepseek(c)) {
        c.routed_scaling_factor = float(file.number("routed_scaling_factor", c.family == Family::deepseek_v3 ? 2.5 : 1));
        int key_heads = 0;
        file.read("num_key_value_heads", key_heads, c.num_attention_heads);
        if (key_heads != c.num_attention_heads) file.refuse("num_key_value_heads", "not num_attention_heads");
    }
    if (is_deepseek(c) && file.number("moe_layer_freq", 1) != 1)
        fail("moe_layer_freq other than 1", file.where, "give another model");
    if (c.family == Family::qwen3_moe || c.family == Family::olmoe) c.norm_topk_prob = file.flag("norm_topk_prob", false);
    if (c.family == Family::olmoe) c.moe_intermediate_size = c.intermediate_size;
    if (const json* layers = file.find("mlp_only_layers"); layers && c.family == Family::qwen3_moe) {
        if (!layers->is_array()) file.refuse("mlp_only_layers", "not a list");
        for (const json& l : *layers) {
            if (!l.is_number_unsigned() || l.get<uint64_t>() > 1u << 20) file.refuse("mlp_only_layers", "not a list of layers");
            c.mlp_only_layers.push_back(l.get<int>());
        }
    }
}

}  // namespace

std::string architecture_of(const Config& c) {
    for (const FamilyNames& f : FAMILIES)
        if (f.family == c.family) return std::string(f.name) + (c.labels ? SCORING_SUFFIX : "ForCausalLM");
    return "";
}

Config reward_config(const Config& language_model) {
    Config c = language_model;
    if (c.family == Family::olmoe)
        fail("OLMoE as a reward model, which Hugging Face has no class for", "config.json", "give another family");
    c.source = config_to_json(c);
    c.labels = 1;
    c.num_nextn_predict_layers = 0;
    c.tie_word_embeddings = false;  // there is no head that could be the embedding
    json& file = c.source;
    file["architectures"] = {architecture_of(c)};
    file["id2label"] = {{"0", "score"}};
    file["label2id"] = {{"score", 0}};
    if (!file.contains("pad_token_id") || file["pad_token_id"].is_null()) file["pad_token_id"] = c.eos_token_id;
    if (file.contains("num_nextn_predict_layers")) file["num_nextn_predict_layers"] = 0;
    return c;
}

void check_config(const Config& c, const std::string& where) {
    const auto require = [&](bool ok, const char* what, const char* what_to_do) {
        if (!ok) fail(what, where, what_to_do);
    };
    const auto within = [&](int value, int low, int high, const char* key) {
        if (value < low || value > high)
            fail(std::string(key) + " is " + std::to_string(value), where,
                 "give a value from " + std::to_string(low) + " to " + std::to_string(high));
    };
    Config copy = c;
    visit_numbers(copy, [&](const char* key, int& value, int) {
        const std::string name = key;
        const bool token = name == "bos_token_id" || name == "eos_token_id";
        const bool may_be_zero = name == "first_k_dense_replace" || name == "q_lora_rank" || name == "qk_nope_head_dim" ||
                                 name == "n_shared_experts" || name == "num_nextn_predict_layers";
        within(value, token ? -1 : may_be_zero ? 0 : 1, 1 << 24, key);
    });
    within(c.all_layers(), 1, 4096, "num_hidden_layers");
    within(c.n_routed_experts, 0, 1024, "the number of experts");
    require(c.rope_size() % 2 == 0, "an odd number of channels to rotate", "give an even one: they rotate in pairs");
    if (!c.latent())
        require(c.num_attention_heads % c.num_key_value_heads == 0,
                "num_attention_heads is not a multiple of num_key_value_heads", "change one of them");
    if (c.n_routed_experts > 0) {
        require(c.n_routed_experts % c.n_group == 0, "n_routed_experts is not a multiple of n_group", "change one of them");
        require(c.topk_group <= c.n_group, "topk_group exceeds n_group", "lower it");
        require(c.num_experts_per_tok <= c.topk_group * (c.n_routed_experts / c.n_group),
                "num_experts_per_tok exceeds the experts of the kept groups", "lower it or raise topk_group");
    }
    require(c.rms_norm_eps > 0 && c.rope_theta > 1, "rms_norm_eps or rope_theta out of range",
            "use 1e-6 and 10000 if in doubt");
}

json config_to_json(const Config& config) {
    Config c = config;
    if (!c.source.is_null()) {  // as it was read, but for what has changed since
        json object = c.source;
        Config before = config_from_json(c.source, "the model's config.json");
        std::vector<int> values;
        visit_numbers(before, [&](const char*, int& value, int) { values.push_back(value); });
        size_t i = 0;
        visit_numbers(c, [&](const char* key, int& value, int) {
            if (values[i++] != value) object[key] = value;
        });
        return object;
    }
    ENSURE(c.family == Family::deepseek_v3, "shapes of other families come from a file");
    json object = {{"architectures", {architecture_of(c)}}, {"model_type", "deepseek_v3"}};
    visit_numbers(c, [&](const char* key, int& value, int) {
        if (std::string(key) != "num_nextn_predict_layers") object[key] = value;
    });
    if (c.q_lora_rank == 0) object["q_lora_rank"] = nullptr;
    object["num_key_value_heads"] = c.num_attention_heads;
    object["routed_scaling_factor"] = rounded(c.routed_scaling_factor);
    object["norm_topk_prob"] = c.norm_topk_prob;
    object["scoring_func"] = "sigmoid";
    object["topk_method"] = "noaux_tc";
    object["moe_layer_freq"] = 1;
    object["rms_norm_eps"] = rounded(c.rms_norm_eps);
    object["rope_theta"] = c.rope_theta;
    object["rope_scaling"] = nullptr;
    object["rope_interleave"] = true;
    object["hidden_act"] = "silu";
    object["attention_bias"] = false;
    object["attention_dropout"] = 0.0;
    object["tie_word_embeddings"] = c.tie_word_embeddings;
    object["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
    object["torch_dtype"] = "float32";
    return object;
}

// ---- what is odd about a file

// Keys that Hugging Face writes and that change nothing here.
static const std::set<std::string>& keys_without_effect() {
    static const std::set<std::string> keys = {
        "_attn_implementation", "_name_or_path", "add_cross_attention", "architectures", "attention_dropout",
        "attn_implementation", "auto_map", "aux_loss_alpha", "bad_words_ids", "begin_suppress_tokens",
        "classifier_dropout", "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id",
        "dtype", "early_stopping", "ep_size", "finetuning_task", "hidden_dropout", "id2label", "initializer_range",
        "is_decoder", "is_encoder_decoder", "label2id", "layer_types", "length_penalty", "max_length",
        "max_window_layers", "min_length", "model_type", "num_labels", "output_attentions", "output_hidden_states",
        "output_router_logits", "pad_token_id", "prefix", "pretraining_tp", "problem_type", "quantization_config",
        "return_dict", "router_aux_loss_coef", "router_jitter_noise", "routed_scaling_factor", "scoring_func",
        "sep_token_id", "seq_aux", "shared_expert_intermediate_size", "sliding_window", "task_specific_params",
        "tf_legacy_loss", "tokenizer_class", "top_k", "top_p", "temperature", "torch_dtype", "torchscript",
        "transformers_version", "use_bfloat16", "use_cache", "use_sliding_window", "unk_token_id",
        // read by the family that has them, and written by others as well
        "attention_bias", "clip_qkv", "decoder_sparse_step", "first_k_dense_replace", "head_dim", "hidden_act",
        "mlp_bias", "mlp_only_layers", "moe_intermediate_size", "moe_layer_freq", "n_group", "n_routed_experts",
        "n_shared_experts", "norm_topk_prob", "num_experts", "num_experts_per_tok", "num_key_value_heads",
        "num_local_experts", "num_nextn_predict_layers", "original_max_position_embeddings", "partial_rotary_factor",
        "q_lora_rank", "rms_norm_eps", "rope_interleave", "rope_parameters", "rope_scaling", "rope_theta",
        "tie_word_embeddings", "topk_group", "topk_method"};
    return keys;
}

// Keys that nothing reads, perhaps misspelt; "" if there are none.
static std::string unread_keys(Config c, const json& object) {
    std::vector<std::string> names(keys_without_effect().begin(), keys_without_effect().end());
    visit_numbers(c, [&](const char* key, int&, int) { names.push_back(key); });
    std::string unread;
    for (const auto& [key, value] : object.items())
        if (std::find(names.begin(), names.end(), key) == names.end())
            unread += (unread.empty() ? "" : ", ") + key + did_you_mean(key, names);
    return unread;
}

// Files of tiny random models have control tokens of the large ones. Such a token can never be met.
static std::string missing_tokens(const Config& c, const json& object) {
    std::string missing;
    for (const char* key : {"bos_token_id", "eos_token_id"}) {
        const json* token = object.contains(key) ? &object[key] : nullptr;
        if (token && token->is_array() && !token->empty()) token = &(*token)[0];
        if (!token || !token->is_number_integer() || token->get<int64_t>() < c.vocab_size) continue;
        missing += (missing.empty() ? "" : ", ") + std::string(key) + " " + token->dump();
    }
    return missing;
}

Config config_from_json(const json& object, const std::string& where) {
    if (!object.is_object()) fail("not a JSON object", where, "give a model's config.json");
    const Reader file{object, where};
    Config c;
    const std::string type = file.text("model_type", "");
    const FamilyNames* family = nullptr;
    for (const FamilyNames& f : FAMILIES)
        if (type == f.type) family = &f;
    if (!family)
        fail("a model of the type \"" + type + "\"", where,
             "give deepseek_v3, deepseek_v2, qwen2, qwen3, llama, qwen3_moe or olmoe");
    set_family(c, family->family);
    visit_numbers(c, [&](const char* key, int& value, int otherwise) { file.read(key, value, otherwise); });
    read_choices(c, file);
    read_labels(c, file);
    read_rope(c, file);
    if (const json* q = file.find("quantization_config"); q && q->is_object()) {
        const json method = q->value("quant_method", json("of no name"));
        if (method != "fp8")
            fail("weights quantized by " + (method.is_string() ? method.get<std::string>() : method.dump()), where,
                 "give the model in float32, bfloat16, float16 or DeepSeek's fp8");
    }
    for (int* token : {&c.bos_token_id, &c.eos_token_id})
        if (*token >= c.vocab_size) *token = -1;  // read_config() says so
    check_config(c, where);
    c.source = object;
    return c;
}

Config read_config(const std::string& path) {
    const json object = read_json(path, 1 << 20);
    const Config c = config_from_json(object, path);
    static std::set<std::string> said;  // each file's oddities once
    if (!said.insert(path).second) return c;
    const auto warn = [&](const std::string& what) {
        std::fprintf(stderr, "r1: warning: %s, %s\n", what.c_str(), path.c_str());
    };
    if (const std::string unread = unread_keys(c, object); !unread.empty()) warn("keys that are not read: " + unread);
    if (const std::string missing = missing_tokens(c, object); !missing.empty())
        warn("control tokens beyond the vocabulary of " + std::to_string(c.vocab_size) +
             ", which are never met: " + missing);
    return c;
}

}  // namespace r1
