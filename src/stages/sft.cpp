// Supervised fine-tuning: next-token prediction on the answers of examples, from a model's weights.
//
//   loss = -1/N sum_{i, t learned} log p(token_{i,t} | tokens before it)            N learned tokens of the batch
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

// One update: the mean loss over the batch's learned tokens, and their number.
double accumulate_batch(Trainer& trainer, const SftData& data, const std::vector<int>& list, int64_t& learned) {
    std::vector<Example> batch;
    learned = 0;
    for (const int i : list) {
        const SftExample& e = data.examples[i];
        batch.push_back({e.tokens.data(), int(e.tokens.size())});
        for (const uint8_t m : e.mask) learned += m;
    }
    const float slope = -1.0f / float(learned);
    std::vector<double> sums(batch.size());
    accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
        const std::vector<uint8_t>& mask = data.examples[list[i]].mask;
        for (int t = 0; t < batch[i].rows(); ++t) {
            rows.dlogp[t] = mask[t + 1] ? slope : 0.0f;
            if (mask[t + 1]) sums[i] -= rows.logp[t];
        }
    });
    double loss = 0;
    for (const double each : sums) loss += each;
    return loss / double(learned);
}

// A folder without a tokenizer can learn from lines that are tokens.
SftData read(const SftStageOptions& o, const Tokenizer& tokenizer) {
    const Config config = load_config(o.model);
    const int most = config.max_position_embeddings;
    SftOptions options{{}, {}, o.context > 0 ? std::min(o.context, most) : most};
    if (tokenizer.size() > 0) options.chat_template = load_chat_template(o.model, tokenizer);
    else read_json_lines(o.data, [&](const json& line, int64_t number) {
        if (!line.contains("tokens"))
            fail("text, and a model without a tokenizer", o.data + " line " + std::to_string(number),
                 "put tokenizer.json into " + o.model + " or give {\"tokens\": [...], \"mask\": [...]}");
    });
    if (!o.bare) options.prompt_template = o.prompt_template;
    SftData data = read_sft_data(o.data, tokenizer, options);
    for (const SftExample& e : data.examples)
        for (const int token : e.tokens)
            if (token < 0 || token >= config.vocab_size)
                fail("the token " + std::to_string(token), o.data, "give tokens of the model's vocabulary, below " +
                                                                       std::to_string(config.vocab_size));
    return data;
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
    Loaded loaded = load(o.model, ops, [&](const Tokenizer& tokenizer) { return longest_of(data = read(o, tokenizer)); },
                         WithoutTokenizer::allowed);
    make_folder(o.output);
    TrainOptions train;
    train.shards = o.shards, train.micro_rows = o.micro_rows, train.decay = o.decay, train.clip = o.clip;
    train.beta1 = o.beta1, train.beta2 = o.beta2, train.balance.alpha = o.balance_alpha;
    Trainer trainer = make_trainer(loaded.model, train);

    const int64_t examples = int64_t(data.examples.size());
    const int64_t steps = o.steps > 0 ? o.steps : (examples * o.epochs + o.batch - 1) / o.batch;
    const std::string state = o.output + "/training.safetensors", metrics_path = o.output + "/metrics.jsonl";
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
        int64_t learned = 0;
        const double loss = accumulate_batch(trainer, data, list, learned);
        if (!(loss < 1e4)) fail("the loss is " + std::to_string(loss), "step " + std::to_string(trainer.step + 1),
                                "lower --lr; the last saved state is in " + o.output);
        const float lr = learning_rate(trainer.step, steps, o.warmup, o.lr, o.final_lr_share, o.schedule);
        const Update update = apply(trainer, lr, list.size());
        metrics.write({{"step", trainer.step}, {"tokens", learned}, {"loss", rounded(loss, 9)}, {"learning_rate", rounded(lr)},
                       {"gradient_norm", rounded(update.gradient_norm)}}), metrics.flush();
        tokens_here += learned;
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
