// Pretraining: next-token prediction on a corpus of documents, from random weights or a model's.
//
//   loss = -1/N sum_n log p(token_{n+1} | tokens before it) + balance loss         cross-entropy; [V3 eq 17-20]
//          + lambda / D sum_k CE_k, if the shape has D prediction modules           [V3 eq 24, 25]
//
// over all N tokens of a batch of documents, each between the begin and end tokens. AdamW, linear warm-up, then
// cosine decay. V3's recipe at our size [V3 section 4.2], with these choices of ours:
//   1  Whole documents in a batch, row after row without padding, until it has enough tokens. Each is a sequence of its
//      own, so no document sees another (V3 packs without a mask). One that is longer than the model reads is cut into
//      pieces, or left out.
//   2  Peak rate 2.5e-3 and weight decay 0.05 (V3: 2.2e-4 and 0.1, at 5 million times the computation).
#include "stages/pretrain.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "model/disk/folder.h"
#include "train/needs.h"

namespace r1 {

OptionTable table_of(PretrainOptions& o) {
    OptionTable table;
    table.inputs("--corpus", o.corpus, CORPUS_HELP).needed = true;
    table.input("--tokenizer", o.tokenizer, "tokenizer.json; default: that of --model");
    table.input("--config", o.config, "config.json with the model's shape; default: the demo's, or that of --model");
    table.input("--model", o.model, "folder of a model to go on from, in place of random weights");
    table.number("--tokens", o.tokens, at_least(1), "tokens to learn from");
    table.number("--batch-tokens", o.batch_tokens, between(1, 1e9), "tokens per update");
    table.choice("--long-documents", o.long_documents, {{"split", LongDocuments::split}, {"skip", LongDocuments::skip}},
                 "documents longer than the model reads are cut into pieces or left out");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    table.number("--balance-alpha", o.balance_alpha, at_least(0), "weight of the sequence balance loss");
    table.number("--bias-speed", o.bias_speed, at_least(0), "step of the routers' balancing bias");
    table.number("--prediction-weight", o.prediction_weight, at_least(0),
                 "lambda of multi-token prediction, if the shape has such modules");
    return table;
}

static void check(const PretrainOptions& o) {
    if (o.model.empty() && o.tokenizer.empty())
        throw UsageError("no tokenizer, --tokenizer, give a tokenizer.json, or a --model that has one");
    if (!o.model.empty() && !(o.config.empty() && o.tokenizer.empty()))
        throw UsageError("a model has its own shape and tokenizer, --model, leave --config and --tokenizer out");
}

static Config shape_of(const PretrainOptions& o, const Tokenizer& tokenizer) {
    Config c = o.config.empty() ? Config() : read_config(o.config);
    c.vocab_size = (tokenizer.size() + 31) / 32 * 32;
    c.bos_token_id = tokenizer.bos;
    c.eos_token_id = tokenizer.eos;
    check_config(c, o.config.empty() ? "the model's shape" : o.config);
    return c;
}

static Model make_first_model(const Config& config, const Ops& ops, int context, uint32_t seed) {
    Model model = make_model(config, ops, context);
    Weights initial = make_weights(config);
    initialise(config, initial, seed);
    upload(model.weights, initial);
    return model;
}

namespace {

// What is begun from: the folder of a model, or a tokenizer and a shape.
struct Beginning {
    std::optional<ModelFolder> folder;
    Tokenizer tokenizer;
    Config config;

    explicit Beginning(const PretrainOptions& o) {
        if (!o.model.empty()) folder.emplace(open_model(o.model));
        tokenizer = folder ? folder->tokenizer : Tokenizer::load(o.tokenizer);
        if (tokenizer.bos < 0 || tokenizer.eos < 0)
            fail("a tokenizer without tokens for begin and end", folder ? o.model : o.tokenizer,
                 "name them in a tokenizer_config.json beside it");
        config = folder ? folder->config : shape_of(o, tokenizer);
    }
    Model model(const Ops& ops, int context, uint32_t seed) const {
        return folder ? load_model(*folder, ops, context) : make_first_model(config, ops, context, seed);
    }
};

}  // namespace

static TokenBatch batch_of(const Documents& documents, const std::vector<int64_t>& chosen) {
    TokenBatch batch;
    for (const int64_t i : chosen) batch.examples.push_back({documents.text(i), documents.length(i)});
    return batch;
}

static TokenBatch all_of(const Documents& documents) {
    std::vector<int64_t> all(size_t(documents.size()));
    std::iota(all.begin(), all.end(), 0);
    return batch_of(documents, all);
}

void pretrain(PretrainOptions o, const Device& device) {
    check(o);
    const Ops& ops = open_device(device);
    const Beginning beginning(o);
    const Config& config = beginning.config;
    Run run(o, "pretrain", table_of(o));
    const int most = config.max_position_embeddings;
    const Documents documents = read_documents(o.corpus, beginning.tokenizer, most, o.long_documents);
    Documents held_out;
    if (!o.held_out.empty())
        held_out = read_documents(std::vector<std::string>(1, o.held_out), beginning.tokenizer, most, o.long_documents);
    const int context = std::max(documents.longest(), held_out.longest());
    check_need(config, ops, {context, o.shards, o.micro_rows}, &MemoryNeeds::sft, "the model's shape");
    Model model = beginning.model(ops, context, o.seed);
    Trainer trainer = make_token_trainer(model, o, run);

    DocumentReader reader(documents, o.seed);
    for (int64_t i = 0; i < run.done(); ++i) reader.read(o.batch_tokens);  // the batches already learned from
    const auto next = [&](int64_t) { return batch_of(documents, reader.read(o.batch_tokens)); };
    const auto more = [](json& line, const TokenLoss&, const Update& update) {
        line["balance_loss"] = rounded(update.balance_loss);
        line["load_max"] = rounded(update.load_max);
    };
    const int64_t steps = (o.tokens + o.batch_tokens - 1) / o.batch_tokens;
    std::printf("pretrain: %s parameters (%s used by a token)\n%s\n%s tokens to learn from are %.2f epochs\n",
                short_count(double(parameter_count(config, false))).c_str(),
                short_count(double(parameter_count(config, true))).c_str(),
                in_words(documents, o.long_documents).c_str(), short_count(double(o.tokens)).c_str(),
                double(o.tokens) / double(int64_t(documents.tokens.size()) - documents.size()));
    Stage stage = token_stage("pretrain", trainer, o, steps, next, more);
    if (!o.held_out.empty()) stage.evaluate = [&](int64_t) { return held_out_loss(trainer, all_of(held_out)); };
    stage.write_model = [&](const std::string& path) {
        if (beginning.folder) return save_model(path, model, beginning.tokenizer, o.model);
        make_folder(path);
        write_file_atomically(path + "/tokenizer.json", read_file(o.tokenizer));
        save_model(path, model, beginning.tokenizer, path);
    };
    train(run, trainer, stage);
}

}  // namespace r1
