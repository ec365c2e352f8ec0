#include "stages/generate.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/check.h"
#include "model/sampler.h"
#include "stages/task.h"

namespace r1 {

static void check(const GenerateOptions& o) {
    if (o.count < 1 || o.max_tokens < 1) throw UsageError("nothing to write, --count and --max-tokens, give 1 or more");
    if (o.temperature < 0 || o.top_p < 0 || o.top_p > 1)
        throw UsageError("out of range, --temperature or --top-p, give 0 or more, and 0 to 1");
}

// ---- sample ----

static std::string read_prompt(const std::string& prompt) {
    if (prompt != "-") return prompt;
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

void sample_command(const GenerateOptions& o, const Device& device) {
    check(o);
    const std::string prompt = read_prompt(o.prompt);
    Request request;
    std::string opening;
    std::vector<int> stop;
    const Loaded loaded = load(o.model, open_device(device, stderr), [&](const Tokenizer& tokenizer, const Config&) {
        Task task;
        task.prompt_template = o.prompt_template;
        use_chat_template(task, o.model, tokenizer);
        stop = stop_tokens(task, tokenizer);
        if (o.bare) {
            if (tokenizer.bos >= 0) request.prompt.push_back(tokenizer.bos);
            for (const int id : tokenizer.encode(prompt, Tags::parse)) request.prompt.push_back(id);
        } else {
            const ChatTemplate chat = o.prompt_template == PromptTemplate::chat ? task.chat_template : plain_template(tokenizer);
            const std::vector<Message> messages = conversation(o.prompt_template, prompt);
            std::vector<Segment> segments = render_prompt(chat, messages);
            if (!chat.opening.empty()) segments.push_back({Segment::tagged, opening = chat.opening});
            request.prompt = encode(tokenizer, segments);
        }
        if (request.prompt.empty()) throw UsageError("nothing to go on from, --prompt, give a text");
        return int(request.prompt.size()) + o.max_tokens;
    });
    if (int(request.prompt.size()) >= loaded.model.context)
        fail("a prompt of " + std::to_string(request.prompt.size()) + " tokens", o.model,
             "the model reads at most " + std::to_string(loaded.model.context) + " with its answer");
    request.samples = o.count;
    SampleOptions options;
    options.temperature = o.temperature, options.top_p = o.top_p, options.max_tokens = o.max_tokens;
    options.seed = o.seed, options.stop = stop;
    Sampler sampler = make_sampler(loaded.model, std::min(o.count, 96));
    const auto completions = sample(sampler, loaded.model, {request}, options);
    for (const Completion& c : completions[0]) {
        const std::string text = opening + loaded.tokenizer.decode(c.tokens);
        if (o.as_json) {
            json logprobs = json::array();
            for (const float each : c.logp) logprobs.push_back(rounded(each, 9));
            const json line = {{"text", text}, {"tokens", c.tokens}, {"logprobs", logprobs}, {"finished", c.finished}};
            std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
        } else {
            std::printf("%s\n", text.c_str());
        }
    }
}

// ---- chat ----

namespace {

// One sequence that grows, by what is said to the model and by what it says.
struct Conversation {
    const Model& model;
    const Ops& op = *model.ops;
    Activations activations;
    Arena arena;
    Cache cache;
    Rows rows;
    float *logits, *uniform, *logp;
    int* drawn;
    int length = 0;                      // tokens whose keys and values are cached
    static constexpr int MOST_ROWS = 256;

    explicit Conversation(const Model& m)
        : model(m), activations(make_activations(m.config, *m.ops, std::min(MOST_ROWS, m.context), false)) {
        arena = make_arena(*op.memory, [&](Arena& a) {
            cache = make_cache(m.config, (m.context + KEY_BLOCK - 1) / KEY_BLOCK, true, a);
            for (int** p : {&rows.token, &rows.position, &rows.block}) *p = a.carve<int>(MOST_ROWS);
            logits = a.carve<float>(m.config.vocab_size), uniform = a.carve<float>(1), logp = a.carve<float>(1);
            drawn = a.carve<int>(1);
        });
    }

    // Runs the tokens through the model; `logits` are those after the last of them.
    void read(std::span<const int> tokens) {
        for (size_t first = 0; first < tokens.size(); first += rows.N) {
            rows.N = int(std::min<size_t>(activations.capacity, tokens.size() - first));
            std::vector<int> position(rows.N);
            for (int& p : position) p = length++;
            op.memory->upload(rows.token, tokens.data() + first, rows.N * sizeof(int));
            op.memory->upload(rows.position, position.data(), rows.N * sizeof(int));
            forward(model, activations, rows, cache);
        }
        head_forward(model, logits, activations.h + int64_t(rows.N - 1) * model.config.hidden_size, 1);
    }
    int draw(const GenerateOptions& o) {
        const float u = draw_uniform(o.seed, length);
        op.memory->upload(uniform, &u, sizeof u);
        op.sample(drawn, logp, logits, model.config.vocab_size, uniform, 1, model.config.vocab_size,
                  o.temperature > 0 ? 1 / o.temperature : 0.0f, o.top_p);
        int token;
        op.memory->download(&token, drawn, sizeof token);
        return token;
    }
    static float draw_uniform(uint32_t seed, int position) {
        return r1::uniform(philox(seed, Purpose::sampling, 0, 0, 0, uint32_t(position)).x[0]);
    }
};

// Writes an answer as its tokens come: whole characters only, the thinking dimmed on a terminal.
class Printer {
public:
    explicit Printer(bool dims) : dims_(dims) {}
    void add(const std::string& bytes) {
        text_ += bytes, pending_ += bytes;
        size_t whole = pending_.size();
        while (whole > 0 && pending_.size() - whole < 4 && !valid_utf8(std::string_view(pending_).substr(0, whole))) --whole;
        if (pending_.size() - whole >= 4) whole = pending_.size();  // no character at all
        write(pending_.substr(0, whole));
        pending_.erase(0, whole);
    }
    void end() {
        write(pending_);
        if (dimmed_) std::printf("\033[0m");
        std::printf("\n\n");
        std::fflush(stdout);
    }
    const std::string& text() const { return text_; }

private:
    void write(const std::string& part) {
        const size_t open = text_.rfind("<think>"), close = text_.rfind("</think>");
        const bool thinks = dims_ && open != std::string::npos && (close == std::string::npos || close < open);
        if (thinks && !dimmed_) std::printf("\033[2m"), dimmed_ = true;
        std::fputs(part.c_str(), stdout);
        if (!thinks && dimmed_) std::printf("\033[0m"), dimmed_ = false;
        std::fflush(stdout);
    }
    bool dims_, dimmed_ = false;
    std::string text_, pending_;
};

}  // namespace

void chat_command(const GenerateOptions& o, const Device& device) {
    check(o);
    Task task;
    task.prompt_template = PromptTemplate::chat;
    const Loaded loaded = load(o.model, open_device(device, stderr), [&](const Tokenizer& tokenizer, const Config&) {
        use_chat_template(task, o.model, tokenizer);
        return o.context;
    });
    const Tokenizer& tokenizer = loaded.tokenizer;
    const ChatTemplate& chat = task.chat_template;
    const std::vector<int> stop = stop_tokens(task, tokenizer);
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    Conversation model(loaded.model);
    std::vector<Message> messages;
    std::vector<int> cached;             // the tokens that the model has read
    const auto begin = [&] {
        messages.clear();
        if (!o.system.empty()) messages.push_back({"system", o.system});
    };
    begin();
    if (terminal) std::printf("A question a line; /new begins anew, /exit ends.\n");
    for (std::string line; !stop_requested();) {
        if (terminal) std::printf("\033[1m> \033[0m"), std::fflush(stdout);
        if (!std::getline(std::cin, line) || line == "/exit") break;
        if (line == "/new") begin();
        if (line.empty() || line == "/new") continue;
        messages.push_back({"user", line});
        std::vector<Segment> segments = render_prompt(chat, messages);
        if (!chat.opening.empty()) segments.push_back({Segment::tagged, chat.opening});
        const std::vector<int> prompt = encode(tokenizer, segments);
        if (int(prompt.size()) >= loaded.model.context) {
            std::printf("[the conversation is full: %d tokens; /new begins anew]\n", loaded.model.context);
            messages.pop_back();
            continue;
        }
        // What both have in common is cached; templates may take the thinking out of earlier answers.
        size_t same = 0;
        while (same < cached.size() && same + 1 < prompt.size() && cached[same] == prompt[same]) ++same;
        model.length = int(same), cached = prompt;
        model.read(std::span(prompt).subspan(same));
        Printer printer(terminal);
        printer.add(chat.opening);
        for (int n = 0; n < o.max_tokens && !stop_requested(); ++n) {
            const int token = model.draw(o);
            if (std::find(stop.begin(), stop.end(), token) != stop.end() || model.length >= loaded.model.context) break;
            printer.add(tokenizer.decode({{token}}));
            cached.push_back(token);
            model.read({&token, 1});
        }
        printer.end();
        messages.push_back({"assistant", printer.text()});
    }
}

}  // namespace r1
