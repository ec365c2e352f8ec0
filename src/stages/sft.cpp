// Supervised fine-tuning: next-token prediction on the answers of examples, from a model's weights.
//
//   loss = -1/N sum_{i, t learned} log p(token_{i,t} | tokens before it)            N learned tokens of the batch
//          + lambda / D sum_k CE_k for D prediction modules, if asked for           [V3 eq 24, 25]
//
// Every learned token of a batch weighs the same, as in pretraining; the papers print no formula. AdamW; R1's rate falls
// along a cosine from 5e-5 to a tenth, over two to three epochs [R1v2 B.4.2]; its students begin at 1e-4 (1.5B) or 8e-5
// (7B) [R1v2 B.4.3]. Choices of ours:
//   1  A batch is whole examples, drawn without replacement in an order that the seed fixes, epoch after epoch.
//   2  Nothing is packed: an example is a sequence of its own.
//   3  Experts: no balance loss unless asked for, and the routers' biases stay as they are.
#include "stages/sft.h"

#include <algorithm>

#include "base/check.h"
#include "base/philox.h"
#include "base/threads.h"
#include "stages/sft_data.h"

namespace r1 {

namespace {

void check(const SftStageOptions& o) {
    if (o.batch < 1 || o.epochs < 1 || o.steps < 0) throw UsageError("nothing to learn, --batch, --epochs and --steps, give 1 or more");
    if (o.lr < 0 || o.decay < 0 || o.clip < 0) throw UsageError("a negative number, --lr, --decay or --clip, give 0 or more");
    if (o.shards < 1) throw UsageError("no shards, --shards, give 1 or more");
    if (o.output == o.model) throw UsageError("the model's own folder, --output, choose another, so that nothing is lost");
}

// The examples of update number `step`, from 0.
std::vector<int> chosen(const SftData& data, const SftStageOptions& o, int64_t step) {
    std::vector<int> list;
    const int64_t n = int64_t(data.examples.size());
    std::vector<uint32_t> order;
    for (int64_t i = step * o.batch, epoch = -1; i < (step + 1) * o.batch; ++i) {
        if (i / n != epoch) epoch = i / n, order = permutation(uint32_t(n), Stream(o.seed, Purpose::shuffle, uint32_t(epoch)));
        list.push_back(int(order[i % n]));
    }
    return list;
}

TokenLoss learn(Trainer& trainer, const SftData& data, const std::vector<int>& list, float lambda) {
    std::vector<Example> batch;
    std::vector<const uint8_t*> learned;
    for (const int i : list) {
        const SftExample& e = data.examples[i];
        batch.push_back({e.tokens.data(), int(e.tokens.size())}), learned.push_back(e.mask.data());
    }
    return accumulate_tokens(trainer, batch, lambda, learned);
}

// A folder without a tokenizer can learn from lines that are tokens.
SftData read(const SftStageOptions& o, const Tokenizer& tokenizer, const Config& config) {
    const int most = config.max_position_embeddings;
    SftOptions options;
    options.vocab_size = config.vocab_size, options.context = o.context > 0 ? std::min(o.context, most) : most;
    if (tokenizer.size() > 0) options.chat_template = load_chat_template(o.model, tokenizer);
    if (!o.bare) options.prompt_template = o.prompt_template;
    return read_sft_data(o.data, tokenizer, options);
}

int longest_of(const SftData& data) {
    size_t longest = 1;
    for (const SftExample& e : data.examples) longest = std::max(longest, e.tokens.size());
    return int(longest);
}

}  // namespace

void sft(const SftStageOptions& o, const Device& device) {
    check(o);
    const Ops& ops = open_device(device);
    SftData data;
    Loaded loaded = load(o.model, ops, [&](const Tokenizer& tokenizer, const Config& config) {
        return longest_of(data = read(o, tokenizer, config));
    },
                         WithoutTokenizer::allowed);
    make_folder(o.output);
    TrainOptions train;
    train.shards = o.shards, train.micro_rows = o.micro_rows, train.decay = o.decay, train.clip = o.clip;
    train.beta1 = o.beta1, train.beta2 = o.beta2, train.balance.alpha = o.balance_alpha;
    train.prediction = o.prediction_weight > 0;
    Trainer trainer = make_trainer(loaded.model, train);

    const int64_t examples = int64_t(data.examples.size());
    const int64_t steps = o.steps > 0 ? o.steps : (examples * o.epochs + o.batch - 1) / o.batch;
    const std::string state = o.output + "/training.state", metrics_path = o.output + "/metrics.jsonl";
    if (o.resume) load_training(state, trainer);
    keep_lines(metrics_path, trainer.step);
    LineWriter metrics(metrics_path, true), timings(o.output + "/timings.jsonl", o.resume);
    std::printf("sft: %s\n%lld updates of %d examples, %s parameters\n", in_words(data).c_str(), static_cast<long long>(steps),
                o.batch, short_count(double(parameter_count(loaded.model.config, false))).c_str());
    Progress progress("sft", steps);
    const double begin = seconds_now();
    int64_t tokens_here = 0;
    while (trainer.step < steps && !stop_requested()) {
        const std::vector<int> list = chosen(data, o, trainer.step);
        const TokenLoss done = learn(trainer, data, list, o.prediction_weight);
        const double loss = done.loss;
        if (!(loss < 1e4)) fail("the loss is " + std::to_string(loss), "step " + std::to_string(trainer.step + 1),
                                "lower --lr; the last saved state is in " + o.output);
        const float lr = learning_rate(trainer.step, steps, o.warmup, o.lr, o.final_lr_share, o.schedule);
        const Update update = apply(trainer, lr, list.size());
        json line = {{"step", trainer.step}, {"tokens", done.tokens}, {"loss", rounded(loss, 9)}, {"learning_rate", rounded(lr)},
                     {"gradient_norm", rounded(update.gradient_norm)}};
        for (const double each : done.modules) line["prediction_loss"].push_back(rounded(each));
        metrics.write(line), metrics.flush();
        tokens_here += done.tokens;
        char text[96];
        std::snprintf(text, sizeof text, "loss %.3f  %s learned tokens/s", loss,
                      short_count(double(tokens_here) / (seconds_now() - begin)).c_str());
        if (trainer.step < steps) progress.update(trainer.step, text);
        else progress.finish(text);
        if (o.save_every > 0 && trainer.step % o.save_every == 0 && trainer.step < steps)
            save_training(state, trainer, json::object());
    }
    save_training(state, trainer, json::object());
    timings.write({{"seconds", rounded(seconds_now() - begin)}, {"tokens", tokens_here}, {"threads", thread_count()}});
    if (trainer.step < steps) {
        progress.note(how_to_resume("sft", o.output, trainer.step));
        return;
    }
    save(o.output, loaded.model, loaded.tokenizer, o.model, o.dtype);
}

}  // namespace r1
