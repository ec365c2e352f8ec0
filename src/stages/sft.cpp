// Supervised fine-tuning: next-token prediction on the answers of examples, from a model's weights.
//
//   loss = -1/N sum_{i, t learned} log p(token_{i,t} | tokens before it)            N learned tokens of the batch
//          + lambda / D sum_k CE_k for D prediction modules, if asked for           [V3 eq 24, 25]
//
// Every learned token of a batch weighs the same, as in pretraining; the papers print no formula. AdamW; R1's rate
// falls along a cosine from 5e-5 to a tenth, over two to three epochs [R1v2 B.4.2]; its students begin at 1e-4 (1.5B)
// or 8e-5 (7B) [R1v2 B.4.3]. Choices of ours:
//   1  A batch is whole examples, drawn without replacement in an order that the seed fixes, epoch after epoch. A
//      line's "weight" says how often an epoch has it (train/epochs.h).
//   2  Examples are packed row after row, without padding; each is a sequence of its own, and none sees another.
//   3  Experts: no balance loss unless asked for, and the routers' biases stay as they are.
#include "stages/sft.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "corpus/sft_data.h"
#include "model/disk/folder.h"
#include "train/epochs.h"
#include "train/needs.h"

namespace r1 {

OptionTable table_of(SftOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model to start from").needed = true;
    table
        .input("--data", o.data,
               "JSON lines {\"prompt\", \"response\"}, {\"messages\": [...]} or {\"tokens\": [...], "
               "\"mask\": [...]}")
        .needed = true;
    table.word("--template", o.prompt_template, {"none", "plain", "r1-zero", "chat"},
               "put around a \"prompt\"; chat: the model's own");
    table.number("--steps", o.steps, at_least(0), "updates; 0: as --epochs says");
    table.number("--epochs", o.epochs, at_least(1), "times that the data is seen");
    table.number("--batch", o.batch, at_least(1), "examples an update");
    table.number("--context", o.context, at_least(0),
                 "longest example in tokens, longer ones are left out; 0: what the "
                 "model reads");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    table.number("--balance-alpha", o.balance_alpha, at_least(0), "weight of the experts' balance loss");
    table.number("--prediction-weight", o.prediction_weight, at_least(0),
                 "lambda of multi-token prediction; 0: its modules stay as they are");
    table.choice("--dtype", o.dtype, {{"float32", Dtype::F32}, {"bfloat16", Dtype::BF16}, {"float16", Dtype::F16}},
                 "numbers of the model that is written");
    return table;
}

namespace {

std::vector<double> weights_of(const SftData& data) {
    std::vector<double> weights;
    for (const SftExample& example : data.examples) weights.push_back(example.weight);
    return weights;
}

TokenBatch batch_of(const SftData& data, const std::vector<int>& list) {
    TokenBatch batch;
    for (const int i : list) {
        const SftExample& e = data.examples[i];
        batch.examples.push_back({e.tokens.data(), int(e.tokens.size())});
        batch.learned.push_back(e.mask.data());
    }
    return batch;
}

TokenBatch all_of(const SftData& data) {
    std::vector<int> all(data.examples.size());
    std::iota(all.begin(), all.end(), 0);
    return batch_of(data, all);
}

// A folder without a tokenizer can learn from lines that are tokens.
SftData read(const SftOptions& o, const std::string& path, const ModelFolder& folder) {
    const int most = folder.config.max_position_embeddings;
    SftDataOptions options;
    options.vocab_size = folder.config.vocab_size;
    options.context = o.context > 0 ? std::min(o.context, most) : most;
    if (folder.tokenizer.size() > 0) options.chat_template = load_chat_template(o.model, folder.tokenizer);
    for (const auto& [name, prompt_template] : TEMPLATE_NAMES)
        if (o.prompt_template == name) options.prompt_template = prompt_template;
    return read_sft_data(path, folder.tokenizer, options);
}

int longest_of(const SftData& data) {
    size_t longest = 1;
    for (const SftExample& e : data.examples) longest = std::max(longest, e.tokens.size());
    return int(longest);
}

}  // namespace

void sft(SftOptions o, const Device& device) {
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model, WithoutTokenizer::allowed);
    Run run(o, "sft", table_of(o));
    const SftData data = read(o, o.data, folder);
    const SftData held_out = o.held_out.empty() ? SftData() : read(o, o.held_out, folder);
    const int context = std::max(longest_of(data), longest_of(held_out));
    check_need(folder.config, ops, {context, o.shards, o.micro_rows}, &MemoryNeeds::sft, o.model);
    Model model = load_model(folder, ops, context);
    Trainer trainer = make_token_trainer(model, o, run);
    const std::vector<double> weights = weights_of(data);
    const EpochSeed seed{o.seed};
    const int64_t all = length_of_epochs(weights, seed, o.epochs);
    const int64_t steps = o.steps > 0 ? o.steps : std::max<int64_t>(1, (all + o.batch - 1) / o.batch);
    std::printf("sft: %s\n%lld updates of %d examples, %s parameters\n", in_words(data).c_str(),
                static_cast<long long>(steps), o.batch,
                short_count(double(parameter_count(model.config, false))).c_str());
    const auto next = [&](int64_t step) {
        return batch_of(data, items_of_epochs(weights, seed, (step - 1) * o.batch, step * o.batch));
    };
    const auto more = [](json& line, const TokenLoss& loss, const Update&) { line["loss"] = rounded(loss.loss, 9); };
    Stage stage = token_stage("sft", trainer, o, steps, next, more);
    if (!o.held_out.empty()) stage.evaluate = [&](int64_t) { return held_out_loss(trainer, all_of(held_out)); };
    stage.write_model = [&](const std::string& path) { save_model(path, model, folder.tokenizer, o.model, o.dtype); };
    train(run, trainer, stage);
}

}  // namespace r1
