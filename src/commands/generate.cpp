#include "commands/generate.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/check.h"
#include "base/progress.h"
#include "model/disk/folder.h"
#include "model/forward_pass.h"
#include "model/sampler.h"
#include "tasks/task.h"

namespace r1 {

static OptionTable writing_table(GenerateOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model").needed = true;
    table.number("--temperature", o.temperature, between(0, 100), "of sampling; 0: the best token");
    table.number("--top-p", o.top_p, between(0, 1), "mass of the nucleus");
    table.number("--max-tokens", o.max_tokens, between(1, 1e7), "longest answer");
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    return table;
}

OptionTable table_of(SampleCommandOptions& o) {
    OptionTable table = writing_table(o);
    table.text("--prompt", o.prompt, "the text; -: read it from standard input").needed = true;
    table.word("--template", o.prompt_template, {"none", "plain", "r1-zero", "chat"},
               "put around the prompt; chat: the model's own");
    table.number("--count", o.count, between(1, 1e6), "answers");
    table.flag("--json", o.as_json, "a line {\"text\", \"tokens\", \"logprobs\", \"finished\"} for each answer");
    return table;
}

OptionTable table_of(ChatOptions& o) {
    OptionTable table = writing_table(o);
    table.text("--system", o.system, "what the system says");
    table.number("--context", o.context, between(1, 1e7), "tokens of a conversation, at most what the model reads");
    return table;
}

// ---- sample ----

static std::string read_prompt(const std::string& prompt) {
    if (prompt != "-") return prompt;
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

// What a model is asked to go on from.
struct Beginning {
    std::vector<int> tokens;
    std::string opening;  // of the answer, which the tokens end with
};

static Beginning beginning_of(const SampleCommandOptions& o, const Task& task) {
    const Tokenizer& tokenizer = *task.tokenizer;
    const std::string prompt = read_prompt(o.prompt);
    Beginning begin;
    if (o.prompt_template == "none") {
        if (tokenizer.bos >= 0) begin.tokens.push_back(tokenizer.bos);
        for (const int id : tokenizer.encode(prompt, Tags::parse)) begin.tokens.push_back(id);
    } else {
        begin.opening = task.chat.opening;
        std::vector<Segment> segments = render_prompt(task.chat, conversation(task.options.prompt_template, prompt));
        if (!begin.opening.empty()) segments.push_back({Segment::tagged, begin.opening});
        begin.tokens = encode(tokenizer, segments);
    }
    if (begin.tokens.empty()) throw UsageError("nothing to go on from, --prompt, give a text");
    return begin;
}

void sample_command(const SampleCommandOptions& o, const Device& device) {
    const Ops& ops = open_device(device, stderr);
    const ModelFolder folder = open_model(o.model);
    TaskOptions task_options;
    for (const auto& [name, prompt_template] : TEMPLATE_NAMES)
        if (o.prompt_template == name) task_options.prompt_template = prompt_template;
    const Task task = make_task(task_options, o.model, folder.tokenizer);
    const Beginning begin = beginning_of(o, task);
    const int length = int(begin.tokens.size());
    const Model model = load_model(folder, ops, length + o.max_tokens);
    if (length >= model.context)
        fail("a prompt of " + std::to_string(length) + " tokens", o.model,
             "the model reads at most " + std::to_string(model.context) + " with its answer");
    SampleOptions options;
    options.temperature = o.temperature;
    options.top_p = o.top_p;
    options.max_tokens = o.max_tokens;
    options.seed = o.seed;
    options.stop = task.stop;
    Sampler sampler = make_sampler(model, std::min(o.count, 96));
    const auto completions = sample(sampler, model, {{begin.tokens, o.count, 0}}, options);
    for (const Completion& c : completions[0]) {
        const std::string text = begin.opening + folder.tokenizer.decode(c.tokens);
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
    ForwardPass pass;
    Arena arena;
    float *logits, *uniform, *logp;
    int* drawn;
    int length = 0;  // tokens whose keys and values are cached

    explicit Conversation(const Model& m)
        : model(m), pass(make_forward_pass(m, {std::min(256, m.context), blocks_of(m.context), false, true})) {
        arena = make_arena(*op.memory, [&](Arena& a) {
            logits = a.carve<float>(m.config.vocab_size);
            uniform = a.carve<float>(1);
            logp = a.carve<float>(1);
            drawn = a.carve<int>(1);
        });
    }

    // Runs the tokens through the model; `logits` are those after the last of them.
    void read(std::span<const int> tokens) {
        while (!tokens.empty()) {
            const size_t n = std::min<size_t>(size_t(pass.packed.capacity()), tokens.size());
            read_tokens(model, pass, tokens.data(), int(n), length, 0);
            length += int(n);
            tokens = tokens.subspan(n);
        }
        last_logits(model, pass, logits);
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
        text_ += bytes;
        pending_ += bytes;
        size_t whole = pending_.size();
        while (whole > 0 && pending_.size() - whole < 4 && !valid_utf8(std::string_view(pending_).substr(0, whole)))
            --whole;
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
        if (thinks && !dimmed_) std::printf("\033[2m");
        std::fputs(part.c_str(), stdout);
        if (!thinks && dimmed_) std::printf("\033[0m");
        dimmed_ = thinks;
        std::fflush(stdout);
    }
    bool dims_, dimmed_ = false;
    std::string text_, pending_;
};

}  // namespace

void chat_command(const ChatOptions& o, const Device& device) {
    catch_signals();
    const Ops& ops = open_device(device, stderr);
    const ModelFolder folder = open_model(o.model);
    const Tokenizer& tokenizer = folder.tokenizer;
    TaskOptions task_options;
    task_options.prompt_template = PromptTemplate::chat;
    const Task task = make_task(task_options, o.model, tokenizer);
    const ChatTemplate& chat = task.chat;
    const std::vector<int>& stop = task.stop;
    const Model loaded = load_model(folder, ops, o.context);
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    Conversation model(loaded);
    std::vector<Message> messages;
    std::vector<int> cached;  // the tokens that the model has read
    const auto begin = [&] {
        messages.clear();
        if (!o.system.empty()) messages.push_back({"system", o.system});
    };
    begin();
    if (terminal) std::printf("A question a line; /new begins anew, /exit ends.\n");
    for (std::string line; !stop_requested();) {
        if (terminal) std::printf("\033[1m> \033[0m");
        std::fflush(stdout);
        if (!std::getline(std::cin, line) || line == "/exit") break;
        if (line == "/new") begin();
        if (line.empty() || line == "/new") continue;
        messages.push_back({"user", line});
        std::vector<Segment> segments = render_prompt(chat, messages);
        if (!chat.opening.empty()) segments.push_back({Segment::tagged, chat.opening});
        const std::vector<int> prompt = encode(tokenizer, segments);
        if (int(prompt.size()) >= loaded.context) {
            std::printf("[the conversation is full: %d tokens; /new begins anew]\n", loaded.context);
            messages.pop_back();
            continue;
        }
        // What both have in common is cached; templates may take the thinking out of earlier answers.
        size_t same = 0;
        while (same < cached.size() && same + 1 < prompt.size() && cached[same] == prompt[same]) ++same;
        model.length = int(same);
        cached = prompt;
        model.read(std::span(prompt).subspan(same));
        Printer printer(terminal);
        printer.add(chat.opening);
        for (int n = 0; n < o.max_tokens && !stop_requested(); ++n) {
            const int token = model.draw(o);
            if (std::find(stop.begin(), stop.end(), token) != stop.end() || model.length >= loaded.context) break;
            printer.add(tokenizer.decode({{token}}));
            cached.push_back(token);
            model.read({&token, 1});
        }
        printer.end();
        messages.push_back({"assistant", printer.text()});
    }
}

}  // namespace r1
