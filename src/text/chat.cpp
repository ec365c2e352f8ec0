// The three published families follow their templates line by line. What they leave to their caller is settled here:
// Llama's date is the one that its template has where no clock is (26 Jul 2024), so that a run does not depend on the
// day; tools are not rendered; of Qwen3's switch, thinking is on.
#include "text/chat.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace r1 {

namespace {

constexpr size_t none = std::string_view::npos;

const char* const plain_jinja =
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] }}"
    "{% else %}{{ ' Assistant:' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}";

// The tokens that templates are made of. Some tokenizers have them as tags (special: false).
constexpr std::array<const char*, 9> structure = {
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<|im_start|>", "<|im_end|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};

bool has(std::string_view text, std::string_view part) { return text.find(part) != none; }

// Python's strip: of line feeds alone, or of white space.
std::string stripped(const std::string& text, const char* what, bool left, bool right) {
    const size_t begin = left ? text.find_first_not_of(what) : 0, end = right ? text.find_last_not_of(what) : text.size() - 1;
    return text.empty() || begin == none || end == none ? "" : text.substr(begin, end + 1 - begin);
}
std::string trimmed_content(const std::string& text) { return stripped(text, " \t\n\v\f\r\x1c\x1d\x1e\x1f", true, true); }

std::string after_thinking(const std::string& content) {
    const size_t at = content.rfind("</think>");
    return at == none ? content : content.substr(at + 8);
}

// content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
std::string thinking_of(const std::string& content) {
    const size_t end = content.find("</think>");
    if (end == none) return "";
    const std::string before = stripped(content.substr(0, end), "\n", false, true);
    const size_t begin = before.rfind("<think>");
    return stripped(begin == none ? before : before.substr(begin + 7), "\n", true, false);
}

// Neighbours of one part are joined: they are encoded as one text, as a library does that sees all of it.
struct Rendered {
    std::vector<Segment> segments;

    void add(Segment::Part part, const std::string& content) {
        if (content.empty()) return;
        if (part != Segment::control && !segments.empty() && segments.back().part == part) segments.back().content += content;
        else segments.push_back({part, content});
    }
    void control(const std::string& name) { add(Segment::control, name); }
    void text(const std::string& content) { add(Segment::text, content); }
    void tagged(const std::string& content) { add(Segment::tagged, content); }
};

void render_plain(Rendered& r, const ChatTemplate& chat, std::span<const Message> messages, bool prompt) {
    r.control(chat.bos);
    for (const auto& [role, content] : messages) {
        if (role == "system") r.tagged(content), r.text(" ");
        else if (role == "user") r.text("User: " + content);
        else r.text(" Assistant:"), r.tagged(content), r.control(chat.end);
    }
    if (prompt) r.text(" Assistant:");
}

void render_deepseek(Rendered& r, const ChatTemplate& chat, std::span<const Message> messages, bool prompt) {
    r.control(chat.bos);
    for (const auto& [role, content] : messages) {
        if (role == "system") r.tagged(content);
        else if (role == "user") r.control("<｜User｜>"), r.text(content);
        else {
            r.control("<｜Assistant｜>");
            r.tagged(chat.thinking == Thinking::goes ? after_thinking(content) : content);
            r.control(chat.end);
        }
    }
    if (prompt) r.control("<｜Assistant｜>");
}

void render_chatml(Rendered& r, const ChatTemplate& chat, std::span<const Message> messages, bool prompt) {
    const auto turn = [&](const std::string& role, const std::string& content) {
        r.control("<|im_start|>");
        r.add(role == "user" ? Segment::text : Segment::tagged, role + "\n" + content);
        r.control(chat.end), r.text("\n");
    };
    if (!chat.system.empty() && (messages.empty() || messages[0].role != "system")) turn("system", chat.system);
    for (size_t i = 0; i < messages.size(); ++i) {
        const auto& [role, content] = messages[i];
        if (role != "assistant" || chat.thinking == Thinking::stays) turn(role, content);
        else if (i + 1 == messages.size() && !prompt) turn(role, learned_answer(chat, content));
        else turn(role, has(content, "</think>") ? stripped(after_thinking(content), "\n", true, false) : content);
    }
    if (prompt) r.control("<|im_start|>"), r.text("assistant\n");
}

void render_llama3(Rendered& r, const ChatTemplate& chat, std::span<const Message> messages, bool prompt) {
    const auto header = [&](const std::string& role) {
        r.control("<|start_header_id|>"), r.text(role), r.control("<|end_header_id|>");
    };
    r.control(chat.bos);
    const bool has_system = !messages.empty() && messages[0].role == "system";
    if (chat.dated) {
        header("system");
        r.tagged("\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" +
                 (has_system ? trimmed_content(messages[0].content) : ""));
        r.control(chat.end);
    }
    for (const auto& [role, content] : messages.subspan(chat.dated && has_system ? 1 : 0)) {
        header(role);
        r.add(role == "user" ? Segment::text : Segment::tagged, "\n\n" + trimmed_content(content)), r.control(chat.end);
    }
    if (prompt) header("assistant"), r.text("\n\n");
}

std::vector<Segment> rendered(const ChatTemplate& chat, std::span<const Message> messages, bool prompt) {
    Rendered r;
    switch (chat.family) {
        case ChatFamily::plain: render_plain(r, chat, messages, prompt); break;
        case ChatFamily::deepseek: render_deepseek(r, chat, messages, prompt); break;
        case ChatFamily::chatml: render_chatml(r, chat, messages, prompt); break;
        case ChatFamily::llama3: render_llama3(r, chat, messages, prompt); break;
    }
    return r.segments;
}

// Answering text: tags become tags, a template's own tokens stay letters.
void append_tagged(std::vector<int>& ids, const Tokenizer& tokenizer, std::string_view text) {
    const auto append = [&](std::string_view part, Tags tags) {
        for (const int id : tokenizer.encode(part, tags)) ids.push_back(id);
    };
    while (!text.empty()) {
        size_t at = none;
        std::string_view name;
        for (const std::string_view each : structure)
            if (const size_t found = text.find(each); found < at) at = found, name = each;
        append(text.substr(0, at), Tags::parse);
        if (at == none) return;
        append(name, Tags::as_text);
        text.remove_prefix(at + name.size());
    }
}

// ---------------------------------------------------------------------------------------- whose template is it?

// A Jinja string's \n and \\ as what they mean.
std::string unescaped(const std::string& jinja) {
    std::string text;
    for (size_t i = 0; i < jinja.size(); ++i) {
        const char next = jinja[i] == '\\' && i + 1 < jinja.size() ? jinja[i + 1] : 0;
        if (next == 'n' || next == '\\') text += next == 'n' ? '\n' : '\\', ++i;
        else text += jinja[i];
    }
    return text;
}

bool is_deepseek(const std::string& jinja, ChatTemplate& chat) {
    if (!has(jinja, "{{'<｜User｜>' + message['content']}}") &&
        !has(jinja, "{{'<｜User｜>' + content + '<｜Assistant｜>'}}"))
        return false;
    if (has(jinja, "'</think>'}}")) return false;  // V3.1 and later: the prompt itself says whether to think
    chat.family = ChatFamily::deepseek, chat.bos = "<｜begin▁of▁sentence｜>", chat.end = "<｜end▁of▁sentence｜>";
    if (has(jinja, "{{'<｜Assistant｜><think>\n'}}")) chat.opening = "<think>\n";
    if (has(jinja, "content.split('</think>')[-1]")) chat.thinking = Thinking::goes;
    return true;
}

bool is_chatml(const std::string& jinja, ChatTemplate& chat) {
    const auto turn = [&](const char* role, const char* content) {
        return has(jinja, std::string("'<|im_start|>' + ") + role + " + '\n' + " + content + " + '<|im_end|>' + '\n'");
    };
    if (!turn("message.role", "message.content") && !turn("message['role']", "message['content']") &&
        !turn("message.role", "content"))
        return false;
    const bool opens = has(jinja, "'<|im_start|>assistant\n<think>\n'");
    if (!opens && !has(jinja, "'<|im_start|>assistant\n'")) return false;
    if (has(jinja, "loop.index0 > ns.last_query_index") &&
        has(jinja, "'\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n')"))
        chat.thinking = Thinking::qwen3;
    else if (has(jinja, "</think>") || has(jinja, "strftime_now")) return false;
    chat.family = ChatFamily::chatml, chat.end = "<|im_end|>";
    if (opens) chat.opening = "<think>\n";
    const std::string before = "'<|im_start|>system\n";
    for (size_t at = jinja.find(before); at != none; at = jinja.find(before, at + 1)) {
        const size_t begin = at + before.size(), end = jinja.find("<|im_end|>", begin);
        if (end != none && jinja[begin] != '\'') chat.system = jinja.substr(begin, end - begin);
    }
    return true;
}

bool is_llama3(const std::string& jinja, ChatTemplate& chat) {
    if (!has(jinja,
             "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>'"))
        return false;
    chat.family = ChatFamily::llama3, chat.bos = "<|begin_of_text|>", chat.end = "<|eot_id|>";
    chat.dated = has(jinja, "Cutting Knowledge Date: December 2023\n") && has(jinja, "26 Jul 2024");
    return chat.dated == has(jinja, "date_string");
}

}  // namespace

ChatTemplate recognised(const std::string& jinja, const Tokenizer& tokenizer, const std::string& where) {
    const ChatTemplate plain = plain_template(tokenizer);
    if (jinja == plain_jinja) return plain;
    ChatTemplate chat;
    const std::string text = unescaped(jinja);
    if (!is_deepseek(text, chat) && !is_chatml(text, chat) && !is_llama3(text, chat)) {
        std::string shown = json(jinja.substr(0, 60)).dump(-1, ' ', true, json::error_handler_t::replace);
        fail("a chat template of no known family (DeepSeek-R1, ChatML as Qwen2.5 and Qwen3 have it, Llama 3): " + shown, where,
             "use --template plain, or one of those templates");
    }
    std::vector<std::string> needed = {chat.end};
    if (!chat.bos.empty()) needed.push_back(chat.bos);
    if (chat.family == ChatFamily::deepseek) needed.insert(needed.end(), {"<｜User｜>", "<｜Assistant｜>"});
    if (chat.family == ChatFamily::chatml) needed.push_back("<|im_start|>");
    if (chat.family == ChatFamily::llama3) needed.insert(needed.end(), {"<|start_header_id|>", "<|end_header_id|>"});
    for (const std::string& name : needed) {
        const int id = tokenizer.id_of(name);
        if (id < 0 || tokenizer.tokens[id].kind == Kind::bytes)
            fail("a chat template whose token " + name + " the tokenizer does not have", where,
                 "use the tokenizer.json that belongs to it, or --template plain");
    }
    return chat;
}

ChatTemplate load_chat_template(const std::string& folder, const Tokenizer& tokenizer) {
    const std::string file = folder + "/chat_template.jinja", config = folder + "/tokenizer_config.json";
    if (exists(file)) return recognised(read_file(file), tokenizer, file);
    const json object = exists(config) ? read_json(config, 4 << 20) : json::object();
    if (!object.is_object()) fail("not a JSON object", config, "copy the file again");
    json found = object.value("chat_template", json());
    if (found.is_array()) {
        const json list = found;
        found = json();
        for (const json& each : list)
            if (each.is_object() && each.value("name", json()) == "default") found = each.value("template", json());
        if (!found.is_string()) fail("a list of chat templates without one named default", config, "use --template plain");
    }
    if (found.is_null()) return plain_template(tokenizer);
    if (!found.is_string()) fail("a \"chat_template\" that is no text", config, "copy the file again, or use --template plain");
    return recognised(found.get<std::string>(), tokenizer, config);
}

ChatTemplate plain_template(const Tokenizer& tokenizer) {
    ChatTemplate chat;
    if (tokenizer.bos >= 0) chat.bos = tokenizer.tokens[tokenizer.bos].bytes;
    if (tokenizer.eos >= 0) chat.end = tokenizer.tokens[tokenizer.eos].bytes;
    return chat;
}

void refuse_unrendered(const json& message, const std::string& where) {
    const char* const tools = "tools are not rendered: leave the conversation out";
    for (const auto& [key, advice] : {std::pair("reasoning_content", "put it into \"content\" as <think>...</think>"),
                                      std::pair("tool_calls", tools), std::pair("tool_call_id", tools)}) {
        if (!message.is_object() || !message.contains(key)) continue;
        const json& value = message[key];
        if (value.is_null() || value.empty() || value == "") continue;
        fail(std::string("a message with \"") + key + "\", which would be lost", where, advice);
    }
}

void check_turns(std::span<const Message> messages, const std::string& where) {
    const bool has_system = !messages.empty() && messages[0].role == "system";
    for (size_t i = has_system; i < messages.size(); ++i) {
        const std::string expected = (i - has_system) % 2 == 0 ? "user" : "assistant";
        if (messages[i].role != expected)
            fail("message " + std::to_string(i + 1) + " is of " + json(messages[i].role).dump() + ", not of " + expected, where,
                 "write a system message first, if any, then user and assistant by turns");
    }
    if (messages.size() == has_system) fail("a conversation in which nobody asks", where, "write at least one message of a user");
}

std::vector<Segment> render(const ChatTemplate& chat, std::span<const Message> messages) {
    return rendered(chat, messages, false);
}
std::vector<Segment> render_prompt(const ChatTemplate& chat, std::span<const Message> messages) {
    return rendered(chat, messages, true);
}

std::string learned_answer(const ChatTemplate& chat, const std::string& content) {
    if (chat.family == ChatFamily::llama3) return trimmed_content(content);
    if (chat.thinking != Thinking::qwen3) return content;
    const std::string said = has(content, "</think>") ? after_thinking(content) : content;
    return "<think>\n" + stripped(thinking_of(content), "\n", true, true) + "\n</think>\n\n" + stripped(said, "\n", true, false);
}

std::string text_of(std::span<const Segment> segments) {
    std::string text;
    for (const Segment& segment : segments) text += segment.content;
    return text;
}

std::vector<int> encode(const Tokenizer& tokenizer, std::span<const Segment> segments) {
    std::vector<int> ids;
    for (const auto& [part, content] : segments) {
        if (part == Segment::control) {
            ids.push_back(tokenizer.id_of(content));
            ENSURE(ids.back() >= 0, "a template's tokens are looked up when it is recognised");
        }
        if (part == Segment::tagged) append_tagged(ids, tokenizer, content);
        if (part == Segment::text)
            for (const int id : tokenizer.encode(content, Tags::as_text)) ids.push_back(id);
    }
    return ids;
}

json tokenizer_config(const Tokenizer& tokenizer, int context) {
    json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"model_max_length", context},
                   {"clean_up_tokenization_spaces", false}};
    const auto name = [&](const char* key, int id) {
        config[key] = id >= 0 ? json(tokenizer.tokens[id].bytes) : json();
    };
    name("bos_token", tokenizer.bos), name("eos_token", tokenizer.eos), name("pad_token", tokenizer.pad);
    config["chat_template"] = plain_jinja;
    return config;
}

}  // namespace r1
