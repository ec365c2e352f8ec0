#include "model/sampler.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/threads.h"

namespace r1 {

Sampler make_sampler(const Model& model, int slots) {
    const Config& c = model.config;
    Sampler s;
    s.slots = slots;
    s.blocks = (c.max_position_embeddings + KEY_BLOCK - 1) / KEY_BLOCK;
    for (int i = 0; i < thread_count(); ++i) {
        Sampler::Worker w;
        const int rows = std::max(slots, c.max_position_embeddings);  // a decoding step, or a prompt
        w.activations = make_activations(c, rows, false);
        const auto place = [&](Arena& arena) {
            w.cache = make_cache(c, int64_t(slots + 1) * s.blocks, true, arena);  // the last one is the prompt's
            for (int** p : {&w.rows.token, &w.rows.position, &w.rows.block, &w.token}) *p = arena.carve<int>(rows);
            w.logits = arena.carve<float>(size_t(slots) * c.vocab_size);
            w.prefix_logits = arena.carve<float>(c.vocab_size);
            w.uniform = arena.carve<float>(slots), w.logp = arena.carve<float>(slots);
        };
        Arena count;
        place(count);
        w.memory = Arena(count.used());
        place(w.memory);
        s.workers.push_back(std::move(w));
    }
    return s;
}

namespace {

// One worker's loop over decoding steps.
struct Run {
    Sampler::Worker& w;
    const Model& model;
    const SampleOptions& options;
    const std::vector<Request>& requests;
    std::vector<std::vector<Completion>>& completions;
    std::atomic<int>& next_request;
    int slots, blocks;

    struct Slot {
        int request = -1, sample = 0, position = 0;  // position of the next token to be fed
    };
    std::vector<Slot> slot = std::vector<Slot>(slots);
    std::vector<int> active = {};        // slots at work, in the order of the rows
    int open = -1, next_sample = 0;      // the request whose prompt is in the prefix cache
    int64_t tokens = 0;

    float draw(int request, int sample, size_t position) const {
        return uniform(philox(options.seed, options.purpose, options.step, requests[request].index, uint32_t(sample),
                              uint32_t(position)).x[0]);
    }

    void logits_of(float* logits, const float* h, int rows) const {
        const Config& c = model.config;
        model.ops->matmul_forward(logits, c.vocab_size, nullptr, 0, h, c.hidden_size, model.weights.head, rows,
                                  c.hidden_size, c.vocab_size);
    }

    void prefill() {
        const std::vector<int>& prompt = requests[open].prompt;
        const int N = int(prompt.size());
        for (int n = 0; n < N; ++n)
            w.rows.token[n] = prompt[n], w.rows.position[n] = n, w.rows.block[n] = slots * blocks;
        w.rows.N = N;
        forward(model, w.activations, w.rows, w.cache);
        logits_of(w.prefix_logits, w.activations.h + int64_t(N - 1) * model.config.hidden_size, 1);
    }

    // The prompt's keys and values into a slot's blocks, in every layer.
    void copy_prefix(int to) const {
        const Heads heads = model.config.heads();
        const int64_t used = (int64_t(requests[open].prompt.size()) + KEY_BLOCK - 1) / KEY_BLOCK;
        const auto copy = [&](float* cache, int64_t width, int layer) {
            const int64_t block = KEY_BLOCK * width, first = layer * w.cache.layer_blocks;
            std::memcpy(cache + (first + int64_t(to) * blocks) * block,
                        cache + (first + int64_t(slots) * blocks) * block, size_t(used * block) * sizeof(float));
        };
        for (int l = 0; l < model.config.num_hidden_layers; ++l)
            copy(w.cache.k, heads.keys(), l), copy(w.cache.v, heads.values(), l);
    }

    // Appends a token to the slot's answer; false if the answer is complete.
    bool append(Slot& s, int token, float logp) {
        Completion& c = completions[s.request][s.sample];
        c.tokens.push_back(token), c.logp.push_back(logp);
        ++tokens;
        c.finished = std::find(options.stop.begin(), options.stop.end(), token) != options.stop.end();
        const int limit = std::min(options.max_tokens,
                                   model.config.max_position_embeddings - int(requests[s.request].prompt.size()));
        return !c.finished && int(c.tokens.size()) < limit;
    }

    bool start_one(int index) {
        while (open < 0 || next_sample == requests[open].samples) {
            open = next_request.fetch_add(1);
            next_sample = 0;
            if (open >= int(requests.size())) {
                open = -1;
                return false;
            }
            if (requests[open].samples > 0) prefill();
        }
        Slot& s = slot[index];
        s = {open, next_sample++, int(requests[open].prompt.size())};
        int token;
        float logp;
        const float u = draw(s.request, s.sample, 0);
        model.ops->sample(&token, &logp, w.prefix_logits, &u, 1, model.config.vocab_size,
                          options.temperature > 0 ? 1.0f / options.temperature : 0.0f, options.top_p);
        if (append(s, token, logp)) copy_prefix(index), active.push_back(index);
        else s.request = -1;
        return true;
    }

    void decode() {
        const int N = int(active.size());
        for (int n = 0; n < N; ++n) {
            const Slot& s = slot[active[n]];
            const Completion& c = completions[s.request][s.sample];
            w.rows.token[n] = c.tokens.back(), w.rows.position[n] = s.position, w.rows.block[n] = active[n] * blocks;
            w.uniform[n] = draw(s.request, s.sample, c.tokens.size());
        }
        w.rows.N = N;
        forward(model, w.activations, w.rows, w.cache);
        logits_of(w.logits, w.activations.h, N);
        model.ops->sample(w.token, w.logp, w.logits, w.uniform, N, model.config.vocab_size,
                          options.temperature > 0 ? 1.0f / options.temperature : 0.0f, options.top_p);
        int kept = 0;
        for (int n = 0; n < N; ++n) {
            Slot& s = slot[active[n]];
            ++s.position;
            if (append(s, w.token[n], w.logp[n])) active[kept++] = active[n];
            else s.request = -1;
        }
        active.resize(kept);
    }

    void run(const std::function<void(int64_t)>& progress) {
        bool more = true;
        while (true) {
            for (int i = 0; i < slots && more; ++i)
                while (more && slot[i].request < 0) more = start_one(i);
            if (active.empty()) break;
            decode();
            if (progress && tokens >= 4096) progress(tokens), tokens = 0;
        }
        if (progress) progress(tokens);
    }
};

}  // namespace

std::vector<std::vector<Completion>> sample(Sampler& sampler, const Model& model, const std::vector<Request>& requests,
                                            const SampleOptions& options,
                                            const std::function<void(int64_t)>& progress) {
    std::vector<std::vector<Completion>> completions(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
        completions[i].resize(requests[i].samples);
        ENSURE(!requests[i].prompt.empty() && int(requests[i].prompt.size()) < model.config.max_position_embeddings,
              "a prompt must leave room for an answer");
    }
    std::atomic<int> next_request{0};
    const std::function<void(int64_t)> report = [&](int64_t tokens) {
#pragma omp critical(sampler_progress)
        progress(tokens);
    };
    parallel_for(int64_t(sampler.workers.size()), [&](int64_t i) {
        Run{sampler.workers[i], model, options, requests, completions, next_request, sampler.slots, sampler.blocks}.run(
            progress ? report : std::function<void(int64_t)>{});
    });
    return completions;
}

}  // namespace r1
