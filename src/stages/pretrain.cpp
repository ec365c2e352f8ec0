// Pretraining: next-token prediction on a corpus of documents, from random weights.
//
//   loss = -1/N sum_n log p(token_{n+1} | tokens before it) + balance loss         cross-entropy; [V3 eq 17-20]
//          + lambda / D sum_k CE_k, if the shape has D prediction modules           [V3 eq 24, 25]
//
// over all N tokens of a batch of whole documents, each between the begin and end tokens. AdamW, linear warm-up, then
// cosine decay. V3's recipe at our size [V3 section 4.2], with these choices of ours:
//   1  Whole documents in a batch, cut at a number of tokens; no packing of several documents into one sequence, so
//      no document sees another (V3 packs without a mask).
//   2  Peak rate 3.5e-3 and weight decay 0.05 (V3: 2.2e-4 and 0.1, at 5 million times the computation).
#include "stages/pretrain.h"

#include "base/check.h"
#include "corpus/documents.h"
#include "model/disk/folder.h"

namespace r1 {

OptionTable table_of(PretrainOptions& o) {
    OptionTable table;
    table.input("--corpus", o.corpus, "JSON lines {\"text\": ...}").needed = true;
    table.input("--tokenizer", o.tokenizer, "tokenizer.json").needed = true;
    table.input("--config", o.config, "config.json with the model's shape; default: the demo's");
    table.number("--tokens", o.tokens, at_least(1), "tokens to learn from");
    table.number("--batch-tokens", o.batch_tokens, between(1, 1e9), "tokens per update");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    table.number("--balance-alpha", o.balance_alpha, at_least(0), "weight of the sequence balance loss");
    table.number("--bias-speed", o.bias_speed, at_least(0), "step of the routers' balancing bias");
    table.number("--prediction-weight", o.prediction_weight, at_least(0),
                 "lambda of multi-token prediction, if the shape has such modules");
    return table;
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

void pretrain(PretrainOptions o, const Device& device) {
    const Ops& ops = open_device(device);
    const Tokenizer tokenizer = Tokenizer::load(o.tokenizer);
    if (tokenizer.bos < 0 || tokenizer.eos < 0)
        fail("a tokenizer without tokens for begin and end", o.tokenizer,
             "name them in a tokenizer_config.json beside it");
    const Config config = shape_of(o, tokenizer);
    Run run(o, "pretrain", table_of(o));
    const Documents documents = read_documents(o.corpus, tokenizer, config.max_position_embeddings);
    Model model = make_first_model(config, ops, documents.longest(), o.seed);
    Trainer trainer = make_token_trainer(model, o, run);

    DocumentReader reader(documents, o.seed);
    for (int64_t i = 0; i < run.done(); ++i) reader.read(o.batch_tokens);  // the batches already learned from
    const auto next = [&](int64_t) {
        TokenBatch batch;
        for (const int64_t i : reader.read(o.batch_tokens))
            batch.examples.push_back({documents.text(i), documents.length(i)});
        return batch;
    };
    const auto more = [](json& line, const TokenLoss&, const Update& update) {
        line["balance_loss"] = rounded(update.balance_loss);
        line["load_max"] = rounded(update.load_max);
    };
    const int64_t steps = (o.tokens + o.batch_tokens - 1) / o.batch_tokens;
    std::printf("pretrain: %s parameters (%s used by a token), %lld documents, %s tokens\n",
                short_count(double(parameter_count(config, false))).c_str(),
                short_count(double(parameter_count(config, true))).c_str(), static_cast<long long>(documents.size()),
                short_count(double(documents.tokens.size())).c_str());
    if (!train(run, trainer, token_stage("pretrain", trainer, o, steps, next, more))) return;
    write_file_atomically(o.output + "/tokenizer.json", read_file(o.tokenizer));
    save_model(o.output, model, tokenizer, o.output);
}

}  // namespace r1
