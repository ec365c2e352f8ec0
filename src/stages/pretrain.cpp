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

#include <algorithm>

#include "base/philox.h"
#include "base/threads.h"

namespace r1 {

// All documents' tokens, one after the other; document i is tokens[begin[i]] .. tokens[begin[i + 1]].
struct Documents {
    std::vector<int> tokens;
    std::vector<int64_t> begin = {0};
    int64_t size() const { return int64_t(begin.size()) - 1; }
    int longest() const {
        int64_t longest = 1;
        for (int64_t i = 0; i < size(); ++i) longest = std::max(longest, begin[i + 1] - begin[i]);
        return int(longest);
    }
    Example example(int64_t i) const { return {tokens.data() + begin[i], int(begin[i + 1] - begin[i])}; }
};

static Documents read_documents(const std::string& path, const Tokenizer& tokenizer, int longest) {
    std::vector<std::string> texts;
    read_json_lines(path, [&](const json& line, int64_t number) {
        const auto text = line.find("text");
        if (text == line.end() || !text->is_string())
            fail("a line without \"text\"", path + " line " + std::to_string(number), "write it as {\"text\": \"...\"}");
        texts.push_back(text->get<std::string>());
    });
    if (texts.empty()) fail("a corpus without documents", path, "give JSON lines {\"text\": \"...\"}");
    std::vector<std::vector<int>> ids(texts.size());
    constexpr int64_t BLOCK = 256;
    parallel_for((int64_t(texts.size()) + BLOCK - 1) / BLOCK, [&](int64_t b) {
        for (int64_t i = b * BLOCK; i < std::min<int64_t>(texts.size(), (b + 1) * BLOCK); ++i)
            ids[i] = tokenizer.encode(texts[i], Tags::parse);
    });
    Documents documents;
    for (const std::vector<int>& document : ids) {
        documents.tokens.push_back(tokenizer.bos);
        documents.tokens.insert(documents.tokens.end(), document.begin(),
                                document.begin() + std::min<int64_t>(document.size(), longest - 1));
        documents.tokens.push_back(tokenizer.eos);
        documents.begin.push_back(int64_t(documents.tokens.size()));
    }
    return documents;
}

// Batch after batch, epoch after epoch.
struct BatchReader {
    const Documents& documents;
    uint32_t seed, epoch = 0;
    std::vector<uint32_t> order = shuffled(0);
    size_t next = 0;

    std::vector<uint32_t> shuffled(uint32_t e) const {
        return permutation(uint32_t(documents.size()), Stream(seed, Purpose::shuffle, e));
    }
    std::vector<Example> read(int batch_tokens) {
        std::vector<Example> batch;
        for (int tokens = 0; tokens < batch_tokens;) {
            if (next == order.size()) order = shuffled(++epoch), next = 0;
            batch.push_back(documents.example(order[next++]));
            tokens += batch.back().rows();
        }
        return batch;
    }
};

static Config demo_config(const PretrainOptions& o, const Tokenizer& tokenizer) {
    Config c = o.config.empty() ? Config() : read_config(o.config);
    c.vocab_size = (tokenizer.size() + 31) / 32 * 32;
    c.bos_token_id = tokenizer.bos, c.eos_token_id = tokenizer.eos;
    check_config(c, o.config.empty() ? "the model's shape" : o.config);
    return c;
}

void pretrain(const PretrainOptions& o, const Device& device) {
    const Ops& ops = open_device(device);
    const Tokenizer tokenizer = Tokenizer::load(o.tokenizer);
    if (tokenizer.bos < 0 || tokenizer.eos < 0)
        fail("a tokenizer without tokens for begin and end", o.tokenizer, "name them in a tokenizer_config.json beside it");
    const Config config = demo_config(o, tokenizer);
    const Documents documents = read_documents(o.corpus, tokenizer, config.max_position_embeddings);
    make_folder(o.output);

    Model model = make_model(config, ops, documents.longest());
    if (!o.resume) {
        Weights initial = make_weights(config);
        initialise(config, initial, o.seed);
        upload(model.weights, initial);
    }
    Trainer trainer = make_learner(model, o);
    const int64_t steps = (o.tokens + o.batch_tokens - 1) / o.batch_tokens;
    BatchReader reader{documents, o.seed};
    for (int64_t i = 0; i < trainer.step; ++i) reader.read(o.batch_tokens);  // the batches already learned from

    std::printf("pretrain: %s parameters (%s used by a token), %lld documents, %s tokens\n",
                short_count(double(parameter_count(config, false))).c_str(),
                short_count(double(parameter_count(config, true))).c_str(), static_cast<long long>(documents.size()),
                short_count(double(documents.tokens.size())).c_str());
    const bool done = learn("pretrain", trainer, o, steps, [&](int64_t) { return LearnBatch{reader.read(o.batch_tokens)}; },
                            [](json& line, const TokenLoss&, const Update& update) {
                                line["balance_loss"] = rounded(update.balance_loss), line["load_max"] = rounded(update.load_max);
                            });
    if (!done) return;
    write_file_atomically(o.output + "/tokenizer.json", read_file(o.tokenizer));
    save(o.output, model, tokenizer, o.output);
}

}  // namespace r1
