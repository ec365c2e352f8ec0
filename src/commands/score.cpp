#include "commands/score.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "model/disk/folder.h"
#include "model/scorer.h"
#include "train/lane.h"

namespace r1 {

static std::vector<int> read_tokens(const std::string& text, int vocab_size) {
    std::vector<int> tokens;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const bool digits =
            word.size() < 10 && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits || std::stoi(word) >= vocab_size)
            throw UsageError("the token " + word + ", --tokens, give whole numbers below " +
                             std::to_string(vocab_size));
        tokens.push_back(std::stoi(word));
    }
    if (tokens.empty()) throw UsageError("no tokens, --tokens, give them as \"1 2 3\"");
    return tokens;
}

OptionTable table_of(ScoreOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model").needed = true;
    table.text("--tokens", o.tokens, "ids, as \"1 2 3\"").needed = true;
    table.output("--logits", o.logits, "safetensors file to write: `logits`, (tokens, vocabulary), float32");
    return table;
}

static void score_sequence(const Model& model, const std::vector<int>& tokens, const ScoreOptions& o) {
    if (!o.logits.empty())
        throw UsageError("a reward model has no logits, --logits, leave it out to see the score of the tokens");
    Scorer scorer = make_scorer(model);
    std::printf("%s\n", json({{"score", rounded(scores_of(scorer, model, {tokens})[0], 9)}}).dump().c_str());
}

void score_command(const ScoreOptions& o, const Device& device) {
    const ModelFolder folder = open_model(o.model, WithoutTokenizer::allowed, RewardModels::allowed);
    const Config& config = folder.config;
    std::vector<int> tokens = read_tokens(o.tokens, config.vocab_size);
    const int N = int(tokens.size()), V = config.vocab_size;
    if (N > config.max_position_embeddings)
        fail(std::to_string(N) + " tokens", "--tokens",
             "the model reads at most " + std::to_string(config.max_position_embeddings));
    const Ops& op = open_device(device, stderr);
    const Model model = load_model(folder, op, N);
    if (config.labels) return score_sequence(model, tokens, o);
    tokens.push_back(0);  // a target for the last token, whose logits are wanted too
    std::vector<Lane> lanes;
    lanes.push_back(make_lane(model, N, false));
    std::vector<float> logp(N), logits(o.logits.empty() ? 0 : size_t(N) * V);
    const auto take = [&](int, const SequenceRows& rows) {
        std::copy_n(rows.logp, N, logp.begin());
        if (rows.logits) std::copy_n(rows.logits, logits.size(), logits.begin());
    };
    score(lanes, model, {{tokens.data(), N + 1}}, 1.0f, N, take, [&](int) { return !o.logits.empty(); });
    if (!o.logits.empty())
        write_safetensors(o.logits, {{"logits", {N, V}, [&](int64_t first, int64_t n, float* into) {
                                          std::copy_n(logits.begin() + first, n, into);
                                      }}});
    json list = json::array();
    for (int n = 0; n + 1 < N; ++n) list.push_back(rounded(logp[n], 9));
    std::printf("%s\n", json({{"logprobs", list}}).dump().c_str());
}

}  // namespace r1
