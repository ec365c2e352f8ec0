#include "stages/score.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "model/safetensors.h"

namespace r1 {

static std::vector<int> read_tokens(const std::string& text, int vocab_size) {
    std::vector<int> tokens;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const bool digits =
            word.size() < 10 && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits || std::stoi(word) >= vocab_size)
            throw UsageError("the token " + word + ", --tokens, give whole numbers below " + std::to_string(vocab_size));
        tokens.push_back(std::stoi(word));
    }
    if (tokens.empty()) throw UsageError("no tokens, --tokens, give them as \"1 2 3\"");
    return tokens;
}

void score_command(const ScoreOptions& o, const Device& device) {
    const Config config = load_config(o.model);
    const std::vector<int> tokens = read_tokens(o.tokens, config.vocab_size);
    const int N = int(tokens.size()), V = config.vocab_size;
    if (N > config.max_position_embeddings)
        fail(std::to_string(N) + " tokens", "--tokens",
             "the model reads at most " + std::to_string(config.max_position_embeddings));
    const Ops& op = open_device(device, stderr);
    const Memory& memory = *op.memory;
    const Model model = load_model(o.model, op, N);

    std::vector<int> position(N), target(tokens.begin() + 1, tokens.end());
    for (int n = 0; n < N; ++n) position[n] = n;
    target.push_back(0);
    Activations a = make_activations(model.config, op, N, false);
    Rows rows;
    Cache cache;
    float *logits, *logp, *entropy, *stats;
    int* next;
    const int part = std::clamp((1 << 26) / V, 1, N);      // rows whose logits are held at a time
    const Arena arena = make_arena(memory, [&](Arena& arena) {
        for (int** p : {&rows.token, &rows.position, &rows.block, &next}) *p = arena.carve<int>(N);
        cache = make_cache(model.config, (N + KEY_BLOCK - 1) / KEY_BLOCK, false, arena);
        logits = arena.carve<float>(size_t(part) * V);
        logp = arena.carve<float>(part), entropy = arena.carve<float>(part), stats = arena.carve<float>(2 * size_t(part));
    });
    rows.N = N;
    memory.upload(rows.token, tokens.data(), N * sizeof(int));
    memory.upload(rows.position, position.data(), N * sizeof(int));
    memory.upload(next, target.data(), N * sizeof(int));
    forward(model, a, rows, cache);

    std::vector<float> all_logp(N), all_logits(o.logits.empty() ? 0 : size_t(N) * V);
    for (int first = 0; first < N; first += part) {
        const int n = std::min(part, N - first);
        head_forward(model, logits, a.h + int64_t(first) * config.hidden_size, n);
        op.logprob_forward(logp, entropy, stats, logits, next + first, n, V, 1.0f);
        memory.download(all_logp.data() + first, logp, n * sizeof(float));
        if (!o.logits.empty()) memory.download(all_logits.data() + size_t(first) * V, logits, size_t(n) * V * sizeof(float));
    }
    if (!o.logits.empty())
        write_safetensors(o.logits, {{"logits", {N, V}, [&](int64_t first, int64_t n, float* into) {
                                          std::copy_n(all_logits.begin() + first, n, into);
                                      }}});
    json list = json::array();
    for (int n = 0; n + 1 < N; ++n) list.push_back(rounded(all_logp[n], 9));
    std::printf("%s\n", json({{"logprobs", list}}).dump().c_str());
}

}  // namespace r1
