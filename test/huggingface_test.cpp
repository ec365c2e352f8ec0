// Models of Hugging Face's families, against what transformers computed in float64: logits, and ten steps of training.
// reference/make_golden_hf.py has the format of the golden files and the function that makes the weights.
#include <cmath>
#include <fstream>

#include "base/check.h"
#include "gradient.h"
#include "model/disk/folder.h"
#include "model/disk/safetensors.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

namespace {

std::vector<json> cases_of(const char* file) {
    std::ifstream in(std::string(R1_SOURCE "/reference/golden/") + file);
    REQUIRE(in.good());
    const json golden = json::parse(in);
    return golden["cases"].get<std::vector<json>>();
}

std::vector<float> weights_of(const std::string& name, const std::vector<int64_t>& shape, float router_bias_shift) {
    uint32_t h = 2166136261u;
    for (const char byte : name) h = (h ^ uint32_t(static_cast<unsigned char>(byte))) * 16777619u;
    int64_t n = 1;
    for (const int64_t each : shape) n *= each;
    float scale = 1;
    while (shape.size() == 2 && scale * scale * float(shape[1]) > 4) scale /= 2;
    const auto ends = [&](const char* end) { return name.ends_with(end); };
    std::vector<float> values;
    for (int64_t i = 0; i < n; ++i) {
        uint32_t x = h + uint32_t(i) * 0x9E3779B9u;
        x = (x ^ (x >> 16)) * 0x85EBCA6Bu, x = (x ^ (x >> 13)) * 0xC2B2AE35u, x ^= x >> 16;
        const float v = (float(x >> 16) - 32768) / 32768;
        values.push_back(ends("norm.weight") ? 1 + v / 4 : ends("e_score_correction_bias") ? v / 8 + router_bias_shift
                         : ends(".bias") ? v / 4 : ends("embed_tokens.weight") ? v : v * scale);
    }
    return values;
}

// The folder that save_pretrained would have written.
void write_model(const json& object, const json& config, const std::string& folder) {
    make_folder(folder);
    std::vector<TensorSource> tensors;
    for (const auto& [name, each] : object["tensors"].items()) {
        const auto shape = each.get<std::vector<int64_t>>();
        tensors.push_back({name, shape, [values = weights_of(name, shape, object["router_bias_shift"])](int64_t first, int64_t n, float* to) {
            std::copy_n(values.begin() + first, n, to);
        }});
    }
    write_safetensors(folder + "/model.safetensors", tensors);
    write_file_atomically(folder + "/config.json", config.dump());
}

// All logits of a sequence, its log-probabilities and the gap to the golden ones.
struct Scored {
    std::vector<float> logits, logp;
};
Scored score(Model& model, const std::vector<int>& tokens) {
    const int N = int(tokens.size()), V = model.config.vocab_size;
    Scored s{std::vector<float>(size_t(N) * V), {}};
    std::vector<int> padded = tokens;
    padded.push_back(0);
    TrainOptions options;
    options.shards = 1, options.micro_rows = 32;
    Trainer trainer = make_trainer(model, options);
    const auto look = [&](int, const SequenceRows& rows) {
        std::copy(rows.logits, rows.logits + s.logits.size(), s.logits.begin());
        s.logp.assign(rows.logp, rows.logp + N - 1);
        std::fill(rows.dlogp, rows.dlogp + N, 0.0f);
    };
    accumulate(trainer, {{padded.data(), N + 1}}, look, [](int) { return true; });
    return s;
}

void check_logits(const json& object, const json& config, const std::string& folder) {
    write_model(object, config, folder);
    Model model = load_model(open_model(folder, WithoutTokenizer::allowed), cpu_ops(), 64);
    const std::vector<int> tokens = object["tokens"].get<std::vector<int>>();
    const Scored s = score(model, tokens);
    Gap logits, logp;
    double squares = 0;
    for (const float each : s.logits) squares += double(each) * each;
    for (const auto& [position, row] : object["logits"].items())
        for (int v = 0; v < model.config.vocab_size; ++v)
            logits.add(s.logits[std::stoul(position) * model.config.vocab_size + v], row[v].get<double>());
    for (size_t t = 0; t < s.logp.size(); ++t) logp.add(s.logp[t], object["logprobs"][t].get<double>());
    logits.check("logits, against transformers", FLOAT_ERROR);
    logp.check("log-probabilities, against transformers", FLOAT_ERROR);
    CHECK(std::sqrt(squares) == doctest::Approx(object["norm"].get<double>()).epsilon(1e-5));
}

}  // namespace

TEST_CASE("Hugging Face's families: logits as transformers computes them") {
    const Folder folder;
    for (const json& object : cases_of("huggingface.json")) {
        CAPTURE(object["name"].get<std::string>());
        if (object.value("sliding_window", false)) {  // not built: the sequence is longer than the model may read
            write_model(object, object["config"], folder.path);
            CHECK(load_model(open_model(folder.path, WithoutTokenizer::allowed), cpu_ops()).context < int(object["tokens"].size()));
            continue;
        }
        check_logits(object, object["config"], folder.path);
        check_logits(object, object["config_old"], folder.path);
    }
}

// What published folders have beside what a model needs: heads of tied models, rotary tables, odd keys and tokens.
TEST_CASE("Hugging Face's families: odd but harmless files open, harmful ones say what is wrong") {
    const Folder folder;
    json object;
    for (const json& each : cases_of("huggingface.json"))
        if (each["config"].value("tie_word_embeddings", false)) object = each;
    REQUIRE(object.is_object());
    const json config = object["config"];
    const auto write = [&](const json& file, const std::vector<std::pair<std::string, float>>& more) {
        write_model(object, file, folder.path);
        const TensorFiles before = TensorFiles::of_model(folder.path);
        std::vector<TensorSource> tensors;
        for (size_t i = 0; i < before.size(); ++i) {
            const TensorEntry entry = before.entry(i);
            std::vector<float> values(size_t(entry.count));
            before.read(entry, values.data());
            const auto fill = [values](int64_t first, int64_t n, float* to) {
                std::copy_n(values.begin() + first, n, to);
            };
            tensors.push_back({entry.name, entry.shape, fill});
            if (entry.name != "model.embed_tokens.weight") continue;
            for (const auto& [name, change] : more) {
                if (name != "lm_head.weight") {
                    tensors.push_back({name, {4}, [](int64_t, int64_t n, float* to) { std::fill_n(to, n, 1.0f); }});
                    continue;
                }
                std::vector<float> head = values;
                head.back() += change;
                tensors.push_back({name, entry.shape, [head](int64_t first, int64_t n, float* to) {
                                       std::copy_n(head.begin() + first, n, to);
                                   }});
            }
        }
        write_safetensors(folder / "second.safetensors", tensors);
        rename_file(folder / "second.safetensors", folder / "model.safetensors");
    };
    const std::string info = binary + " info --model " + folder.path;
    const auto opened = [&] {
        const Result r = shell(binary + " score --tokens '1 2 3' --model " + folder.path);
        CAPTURE(r.text);
        CHECK(r.status == 0);
        return r.text;
    };
    write(config, {});
    const std::string plain = opened();
    CHECK(plain.find("warning") == std::string::npos);
    write(config, {{"lm_head.weight", 0.0f}, {"model.layers.0.self_attn.rotary_emb.inv_freq", 0.0f}});
    CHECK(opened() == plain);
    write(config, {{"lm_head.weight", 1.0f}});
    refuses(binary + " score --tokens '1 2 3' --model " + folder.path, 1, "not the embedding", "lm_head.weight");
    json odd = config;
    odd["rope_tehta"] = 10000;
    odd["eos_token_id"] = 151645;
    write(odd, {});
    const std::string warned = opened();
    CHECK(warned.find("rope_tehta, did you mean rope_theta") != std::string::npos);
    CHECK(warned.find("eos_token_id 151645") != std::string::npos);
    json quantized = config;
    quantized["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
    write(quantized, {});
    refuses(binary + " score --tokens '1 2 3' --model " + folder.path, 1, "gptq", "config.json");
    write(config, {});
    const std::string pointer =
        "version https://git-lfs.example/spec/v1\noid sha256:" + std::string(64, '0') + "\nsize 123\n";
    for (const char* name : {"/model.safetensors", "/config.json"}) {
        write(config, {});
        folder.write(name + 1, pointer);
        refuses(binary + " score --tokens '1 2 3' --model " + folder.path, 1, "Git LFS pointer", name + 1);
    }
}

TEST_CASE("Hugging Face's families: ten steps of AdamW as PyTorch takes them") {
    const Folder folder;
    for (const json& object : cases_of("huggingface_sft.json")) {
        CAPTURE(object["name"].get<std::string>());
        write_model(object, object["config"], folder.path);
        Model model = load_model(open_model(folder.path, WithoutTokenizer::allowed), cpu_ops(), 64);
        std::vector<std::vector<int>> tokens, mask;
        std::vector<Example> batch;
        int counted = 0;
        for (const json& s : object["sequences"]) {
            tokens.push_back(s["tokens"].get<std::vector<int>>()), mask.push_back(s["mask"].get<std::vector<int>>());
            for (const int m : mask.back()) counted += m;
        }
        for (const auto& t : tokens) batch.push_back({t.data(), int(t.size())});
        TrainOptions options;
        options.micro_rows = 16, options.decay = 0.1f;
        Trainer trainer = make_trainer(model, options);
        Gap losses, norms;
        for (int step = 0; step < 10; ++step) {
            std::vector<double> sum(batch.size());
            accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
                for (int t = 0; t < batch[i].rows(); ++t) {
                    const int m = mask[i][t + 1];
                    sum[i] -= m * double(rows.logp[t]), rows.dlogp[t] = -float(m) / float(counted);
                }
            });
            double loss = 0;
            for (const double each : sum) loss += each;
            losses.add(loss / counted, object["losses"][step].get<double>());
            norms.add(apply(trainer, 1e-3f, batch.size()).gradient_norm, object["gradient_norms"][step].get<double>());
        }
        losses.check("losses of ten steps, against PyTorch", 1e-6);
        norms.check("gradient norms of ten steps, against PyTorch", FLOAT_ERROR);
        size_t seen = 0;
        visit(model.config, model.weights, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
            const json& want = object["final"].at(t.name);
            const int64_t in = t.in ? t.in : 1, n = t.out * in;
            double squares = 0;
            for (int64_t i = 0; i < n; ++i) squares += double(t.at(i / in, i % in)) * t.at(i / in, i % in);
            Gap gap;
            for (int64_t j = 0; j < 4; ++j) {
                const int64_t i = j * (n - 1) / 3;
                gap.add(t.at(i / in, i % in), want["values"][j].get<double>());
            }
            gap.check("weights after ten steps, against PyTorch", FLOAT_ERROR);
            CHECK(std::sqrt(squares) == doctest::Approx(want["norm"].get<double>()).epsilon(1e-5));
            ++seen;
        });
        CHECK(seen == object["final"].size());
    }
}

// reference/make_golden_mtp.py; the last case chains modules after their norm, as transformers does and the paper does not.
TEST_CASE("multi-token prediction: losses and gradients as PyTorch has them") {
    const Folder folder;
    int compared = 0;
    for (json object : cases_of("mtp.json")) {
        if (object["chain"] != "before_norm") continue;
        CAPTURE(object["name"].get<std::string>());
        object["router_bias_shift"] = 0;
        write_model(object, object["config"], folder.path);
        Model model = load_model(open_model(folder.path, WithoutTokenizer::allowed), cpu_ops());
        const auto tokens = object["sequences"].get<std::vector<std::vector<int>>>();
        std::vector<Example> batch;
        for (const auto& t : tokens) batch.push_back({t.data(), int(t.size())});
        TrainOptions options;
        options.micro_rows = 16, options.prediction = true, options.clip = 0;
        Trainer trainer = make_trainer(model, options);
        const TokenLoss loss = accumulate_tokens(trainer, batch, object["lambda"]);
        Gap losses;
        losses.add(loss.loss, object["main"].get<double>());
        REQUIRE(loss.modules.size() == object["ce"].size());
        for (size_t k = 0; k < loss.modules.size(); ++k) losses.add(loss.modules[k], object["ce"][k].get<double>());
        losses.check("multi-token prediction, losses", 1e-6);
        apply(trainer, 0, batch.size());              // m = (1 - beta1) g
        size_t seen = 0;
        visit(model.config, trainer.m, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
            if (t.kind == TensorKind::again || t.kind == TensorKind::router_bias) return;
            const json& want = object["gradients"].at(t.name);
            const int64_t in = t.in ? t.in : 1, n = t.out * in;
            const double factor = 1 / double(1.0f - options.beta1), norm = want["norm"].get<double>();
            double squares = 0;
            for (int64_t i = 0; i < n; ++i) squares += std::pow(factor * t.at(i / in, i % in), 2);
            CHECK(std::sqrt(squares) == doctest::Approx(norm).epsilon(1e-5));
            for (int64_t j = 0; j < 4; ++j) {         // relative to the tensor's typical gradient
                const int64_t i = j * (n - 1) / 3;
                const double gap = factor * t.at(i / in, i % in) - want["values"][j].get<double>();
                CHECK(std::abs(gap) <= 1e-5 * norm);
            }
            ++seen;
        });
        CHECK(seen == object["gradients"].size());
        ++compared;
    }
    CHECK(compared >= 3);
}

TEST_CASE("multi-token prediction: how a batch is cut and who computes change no bit; without it the modules stay") {
    Config c = tiny_config();
    c.num_nextn_predict_layers = 2;
    const auto sequences = tiny_sequences(9, 30, 4);
    std::vector<Example> batch;
    for (const auto& s : sequences) batch.push_back({s.data(), int(s.size())});
    const auto trained = [&](int micro_rows, int threads, bool prediction) {
        const ThreadsForNow now(threads);
        Model model = make_model(c, cpu_ops());
        initialise(c, model.weights, 5);
        TrainOptions options;
        options.micro_rows = micro_rows, options.prediction = prediction, options.decay = 0.1f, options.bias_speed = 0.01f;
        Trainer trainer = make_trainer(model, options);
        for (int step = 0; step < 3; ++step) accumulate_tokens(trainer, batch, 0.3f), apply(trainer, 1e-2f, batch.size());
        return model;
    };
    const Model whole = trained(1000, 1, true), cut = trained(1, 2, true), without = trained(64, 2, false);
    CHECK(hash_of(c, whole.weights) == hash_of(c, cut.weights));
    CHECK(hash_of(c, whole.weights) != hash_of(c, without.weights));
    Weights initial = make_weights(c);
    initialise(c, initial, 5);
    const auto modules_of = [&](const Weights& w) {
        const char* begin = reinterpret_cast<const char*>(w.prediction[0].embedding_norm);
        return std::string(begin, size_t(w.arena.base() + w.arena.used() - begin));
    };
    CHECK(modules_of(without.weights) == modules_of(initial));
    CHECK(modules_of(whole.weights) != modules_of(initial));
}
