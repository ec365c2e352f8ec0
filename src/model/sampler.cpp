#include "model/sampler.h"

#include <algorithm>
#include <atomic>

#include "base/progress.h"
#include "base/ranks.h"
#include "base/threads.h"

namespace r1 {

Sampler make_sampler(const Model& model, int slots) {
    const Config& c = model.config;
    const bool on_host = model.ops->on_host;
    Sampler s;
    s.slots = slots > 0 ? slots : on_host ? 96 : 512;
    s.blocks = blocks_of(model.context);
    s.steps = on_host ? 1 : 16;
    const size_t n = size_t(s.slots), most = size_t(model.context);
    for (int i = 0; i < (on_host ? thread_count() : 1); ++i) {
        Sampler::Worker w;
        const size_t rows = std::max(n, most);  // a decoding step, or a prompt
        w.pass = make_forward_pass(model, {int(rows), int64_t(n + 1) * s.blocks, false, true});
        w.arena = make_arena(*model.ops->memory, [&](Arena& arena) {
            w.token = arena.carve<int>(rows);
            w.slot = arena.carve<int>(rows);
            w.fields = arena.carve<int>(6 * n);
            const auto field = [&](size_t i) { return w.fields ? w.fields + i * n : nullptr; };
            w.answers = {field(0),
                         field(1),
                         field(2),
                         field(3),
                         field(4),
                         field(5),
                         arena.carve<int>(n * most),
                         arena.carve<float>(n * most),
                         int(most)};
            w.stop = arena.carve<int>(MOST_STOPS);
            w.logits = arena.carve<float>(n * c.vocab_size);
            w.prefix_logits = arena.carve<float>(c.vocab_size);
            w.uniform = arena.carve<float>(n), w.logp = arena.carve<float>(n);
        });
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
    const std::vector<int>& mine;  // those of this rank
    std::vector<std::vector<Completion>>& completions;
    std::atomic<int>& next_request;
    int slots, blocks, steps;

    const Ops& op = *model.ops;
    const Memory& memory = *op.memory;
    const Config& c = model.config;
    std::vector<int> fields = std::vector<int>(6 * size_t(slots));  // what the device's were at the last look
    std::vector<int> request = std::vector<int>(slots, -1);         // whose answer is in a slot; -1: none
    int open = -1, next_sample = 0;                                 // the request whose samples are being given out
    int cached = -1;                                                // the request whose prompt is in the prefix's cache
    int64_t tokens = 0, answers = 0;

    enum Field { PROMPT, SAMPLE, BEGIN, LIMIT, COUNT, STATE };
    int& field(Field which, int slot) { return fields[size_t(which) * slots + slot]; }

    void prefill() {
        const std::vector<int>& prompt = requests[cached].prompt;
        read_tokens(model, w.pass, prompt.data(), int(prompt.size()), 0, slots * blocks);
        last_logits(model, w.pass, w.prefix_logits);
    }

    // Draws the next tokens of the answers in N slots from their logits; ld 0: one row of logits for all.
    void draw(int N, const float* logits, int ld) const {
        op.sample(w.token, w.logp, logits, ld, w.uniform, N, c.vocab_size,
                  options.temperature > 0 ? 1.0f / options.temperature : 0.0f, options.top_p);
        op.append(w.answers, w.slot, w.token, w.logp, w.stop, int(options.stop.size()), N);
    }
    void answer_rows(int N) const {
        const Rows& rows = w.pass.packed.rows;
        op.answer_rows(rows.token, rows.position, rows.block, w.uniform, w.slot, w.answers, blocks,
                       {options.seed, uint32_t(options.purpose), options.step}, N);
    }

    // The next answer that nobody has begun goes into this slot; false if there is none.
    bool take(int slot) {
        while (open < 0 || next_sample == requests[open].samples) {
            const int next = next_request.fetch_add(1);
            if (next >= int(mine.size())) return false;
            open = mine[next];
            next_sample = 0;
        }
        const Request& r = requests[open];
        request[slot] = open;
        field(PROMPT, slot) = int(r.index), field(SAMPLE, slot) = next_sample++;
        field(BEGIN, slot) = int(r.prompt.size()), field(COUNT, slot) = 0, field(STATE, slot) = GROWING;
        field(LIMIT, slot) = std::min(options.max_tokens, model.context - int(r.prompt.size()));
        return true;
    }

    // The prompt's keys and values into these slots, and the first token of their answers.
    void begin(int prompt, const std::vector<int>& chosen) {
        if (prompt != cached) cached = prompt, prefill();
        const int n = int(chosen.size());
        std::vector<int> first(n);
        for (int i = 0; i < n; ++i) first[i] = chosen[i] * blocks;
        memory.upload(w.slot, first.data(), n * sizeof(int));
        const Cache& cache = w.pass.cache;
        op.cache_copy(cache.k, cache.v, w.slot, n, slots * blocks, blocks_of(int(requests[prompt].prompt.size())),
                      c.num_hidden_layers, cache.layer_blocks, c.heads());
        memory.upload(w.slot, chosen.data(), n * sizeof(int));
        answer_rows(n);
        draw(n, w.prefix_logits, 0);
    }

    // Fills the free slots, and adds them to `active`.
    void refill(std::vector<int>& active) {
        const size_t before = active.size();
        for (int slot = 0; slot < slots; ++slot)
            if (request[slot] < 0 && take(slot)) active.push_back(slot);
        if (active.size() == before) return;
        memory.upload(w.fields, fields.data(), fields.size() * sizeof(int));
        for (size_t i = before; i < active.size();) {
            const int prompt = request[active[i]];
            std::vector<int> chosen;
            for (; i < active.size() && request[active[i]] == prompt; ++i) chosen.push_back(active[i]);
            begin(prompt, chosen);
        }
    }

    // Takes the answers that are complete out of their slots; the others' slots go into `active`.
    void harvest(std::vector<int>& active) {
        memory.download(fields.data(), w.fields, fields.size() * sizeof(int));
        active.clear();
        for (int slot = 0; slot < slots; ++slot) {
            if (request[slot] < 0) continue;
            if (field(STATE, slot) == GROWING) {
                active.push_back(slot);
                continue;
            }
            Completion& done = completions[request[slot]][field(SAMPLE, slot)];
            const size_t n = size_t(field(COUNT, slot)), at = size_t(slot) * w.answers.most;
            done.tokens.resize(n), done.logp.resize(n);
            memory.download(done.tokens.data(), w.answers.token + at, n * sizeof(int));
            memory.download(done.logp.data(), w.answers.logp + at, n * sizeof(float));
            done.finished = field(STATE, slot) == ENDED;
            tokens += int64_t(n);
            ++answers;
            request[slot] = -1;
        }
    }

    void decode(const std::vector<int>& active) {
        const int N = int(active.size());
        w.pass.packed.rows.N = N;
        memory.upload(w.slot, active.data(), active.size() * sizeof(int));
        op.repeat(steps, [&] {
            answer_rows(N);
            forward(model, w.pass.activations, w.pass.packed.rows, w.pass.cache);
            head_forward(model, w.logits, w.pass.activations.h, N);
            draw(N, w.logits, c.vocab_size);
        });
    }

    void tell(const SampleProgress& progress) {
        if (progress) progress(tokens, answers);
        tokens = answers = 0;
    }

    void run(const SampleProgress& progress) {
        memory.upload(w.stop, options.stop.data(), options.stop.size() * sizeof(int));
        std::vector<int> active;
        while (true) {
            harvest(active), refill(active);
            if (active.empty() || (!options.to_the_end && stop_requested())) break;
            decode(active);
            if (tokens >= 4096) tell(progress);
        }
        tell(progress);
    }
};

}  // namespace

// Each rank samples its share. A request that is not complete has an answer without tokens.
static void sample_share(Sampler& sampler, const Model& model, const std::vector<Request>& requests,
                         const SampleOptions& options, const SampleProgress& progress,
                         std::vector<std::vector<Completion>>& completions) {
    std::vector<int> mine;
    for (size_t i = 0; i < requests.size(); ++i)
        if (owner_by_turns(i) == ranks().rank) mine.push_back(int(i));
    std::atomic<int> next_request{0};
    const SampleProgress report = [&](int64_t tokens, int64_t answers) {
#pragma omp critical(sampler_progress)
        progress(tokens, answers);
    };
    parallel_for(int64_t(sampler.workers.size()), [&](int64_t i) {
        Run{sampler.workers[i], model,        options,       requests,       mine,
            completions,        next_request, sampler.slots, sampler.blocks, sampler.steps}
            .run(progress ? report : SampleProgress{});
    });
}

std::vector<std::vector<Completion>> sample(Sampler& sampler, const Model& model, const std::vector<Request>& requests,
                                            const SampleOptions& options, const SampleProgress& progress) {
    std::vector<std::vector<Completion>> completions(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
        completions[i].resize(requests[i].samples);
        ENSURE(!requests[i].prompt.empty() && int(requests[i].prompt.size()) < model.context,
               "a prompt must leave room for an answer");
    }
    ENSURE(options.stop.size() <= size_t(MOST_STOPS), "more stop tokens than there is room for");
    sample_share(sampler, model, requests, options, progress, completions);
    share_items(
        requests.size(), owner_by_turns,
        [&](size_t i, Packer& packer) {
        for (const Completion& c : completions[i]) packer.add(c.tokens, c.logp, c.finished);
        },
        [&](size_t i, Unpacker& from) {
        for (Completion& c : completions[i]) from.take(c.tokens, c.logp, c.finished);
    });
    const auto is_there = [](const Completion& c) { return !c.tokens.empty(); };
    const auto is_whole = [&](const auto& samples) { return std::all_of(samples.begin(), samples.end(), is_there); };
    completions.erase(std::find_if_not(completions.begin(), completions.end(), is_whole), completions.end());
    return completions;
}

}  // namespace r1
