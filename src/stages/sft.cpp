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
#include "stages/sft_data.h"

namespace r1 {

namespace {

void check(const SftStageOptions& o) {
    if (o.batch < 1 || o.epochs < 1 || o.steps < 0)
        throw UsageError("nothing to learn, --batch, --epochs and --steps, give 1 or more");
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

LearnBatch batch_of(const SftData& data, const std::vector<int>& list) {
    LearnBatch batch;
    for (const int i : list) {
        const SftExample& e = data.examples[i];
        batch.examples.push_back({e.tokens.data(), int(e.tokens.size())}), batch.learned.push_back(e.mask.data());
    }
    return batch;
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
    const auto longest = [&](const Tokenizer& tokenizer, const Config& config) {
        return longest_of(data = read(o, tokenizer, config));
    };
    Loaded loaded = load(o.model, ops, longest, WithoutTokenizer::allowed);
    make_folder(o.output);
    Trainer trainer = make_learner(loaded.model, o);
    const int64_t examples = int64_t(data.examples.size());
    const int64_t steps = o.steps > 0 ? o.steps : (examples * o.epochs + o.batch - 1) / o.batch;
    std::printf("sft: %s\n%lld updates of %d examples, %s parameters\n", in_words(data).c_str(), static_cast<long long>(steps),
                o.batch, short_count(double(parameter_count(loaded.model.config, false))).c_str());
    const bool done = learn("sft", trainer, o, steps, [&](int64_t step) { return batch_of(data, chosen(data, o, step)); },
                            [](json& line, const TokenLoss& loss, const Update&) { line["loss"] = rounded(loss.loss, 9); });
    if (done) save(o.output, loaded.model, loaded.tokenizer, o.model, o.dtype);
}

}  // namespace r1
