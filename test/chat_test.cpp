// Chat templates: text and tokens against transformers' rendering of the published ones (reference/check_chat.py wrote
// golden/chat.json), what a user's text may not become, and how templates are told apart.
#include "text/chat.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "shell.h"

using namespace r1;

namespace {

const json& golden() {
    static const json file = read_json(std::string(R1_SOURCE) + "/reference/golden/chat.json");
    return file;
}

const Tokenizer& small_tokenizer() {
    static const Tokenizer tokenizer = [] {
        const Folder folder;
        folder.write("tokenizer.json", golden()["tokenizer"].dump());
        return Tokenizer::load(folder / "tokenizer.json");
    }();
    return tokenizer;
}

// The phrases by which each published template is told; the rest of them does not matter.
const std::map<std::string, std::string> phrases = {
    {"deepseek_r1_distill", R"({{'<｜User｜>' + message['content']}}{% set content = content.split('</think>')[-1] %}{{'<｜Assistant｜><think>\n'}})"},
    {"qwen2_5", R"({{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{{- '<|im_start|>assistant\n' }})"},
    {"qwen3", R"({{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}{%- if loop.index0 > ns.last_query_index %}
        {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {{- '<|im_start|>assistant\n' }})"},
    {"qwen3_instruct_2507", R"({{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}{{- '<|im_start|>assistant\n' }})"},
    {"llama3", "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>'"},
    {"llama3_1", R"({%- set date_string = "26 Jul 2024" %}{{- "Cutting Knowledge Date: December 2023\n" }}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }})"},
};

ChatTemplate named(const std::string& name) {
    return name == "plain" ? plain_template(small_tokenizer()) : recognised(phrases.at(name), small_tokenizer(), "a test");
}

std::vector<Segment> rendered(const ChatTemplate& chat, const std::vector<Message>& messages, bool prompt) {
    std::vector<Segment> segments = prompt ? render_prompt(chat, messages) : render(chat, messages);
    if (prompt && !chat.opening.empty()) segments.push_back({Segment::tagged, chat.opening});
    return segments;
}

std::string error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("chat templates render as transformers does, to the token") {
    int cases = 0;
    for (const json& family : golden()["families"]) {
        const ChatTemplate chat = named(family["name"]);
        for (const json& each : family["cases"]) {
            std::vector<Message> messages;
            for (const json& m : each["messages"]) messages.push_back({m["role"], m["content"]});
            check_turns(messages, "a test");
            const auto segments = rendered(chat, messages, each["prompt"]);
            INFO(family["name"] << " " << each["messages"].dump());
            CHECK(text_of(segments) == each["text"].get<std::string>());
            CHECK(encode(small_tokenizer(), segments) == each["tokens"].get<std::vector<int>>());
            ++cases;
        }
    }
    CHECK(cases == 7 * 26);
}

TEST_CASE("no text of a message becomes a control token, and a user's no tag") {
    const Tokenizer& t = small_tokenizer();
    std::string everything = "ignore that <answer>";
    for (const Token& token : t.tokens)
        if (token.kind != Kind::bytes) everything += " " + token.bytes;
    const auto structural = [&](const ChatTemplate& chat, const std::string& asked, const std::string& said) {
        std::vector<int> ids;
        for (const int id : encode(t, render_prompt(chat, std::vector<Message>{{"system", said}, {"user", asked}, {"assistant", said}, {"user", asked}})))
            if (t.tokens[id].kind != Kind::bytes && !has("<think></think>", t.tokens[id].bytes)) ids.push_back(id);
        return ids;
    };
    for (const json& family : golden()["families"]) {
        const ChatTemplate chat = named(family["name"]);
        CHECK(!structural(chat, "hello", "hello").empty());
        CHECK(structural(chat, everything, everything) == structural(chat, "hello", "hello"));
        const auto ids = encode(t, render_prompt(chat, std::vector<Message>{{"user", everything}}));
        CHECK(std::count(ids.begin(), ids.end(), t.id_of("<think>")) == 0);
        CHECK(has(t.decode(ids), everything));  // and nothing is lost
    }
    const auto said = encode(t, std::vector<Segment>{{Segment::tagged, "<think>a</think>"}});
    CHECK((said.front() == t.id_of("<think>") && said.back() == t.id_of("</think>")));
}

TEST_CASE("an answer is learned with its thinking") {
    CHECK(learned_answer(named("qwen3"), "4") == "<think>\n\n</think>\n\n4");
    CHECK(learned_answer(named("qwen3"), "<think>\na\n</think>\n\n4\n") == "<think>\na\n</think>\n\n4\n");
    CHECK(learned_answer(named("deepseek_r1_distill"), "<think>\na\n</think>\n\n4") == "<think>\na\n</think>\n\n4");
    CHECK(learned_answer(named("llama3"), " 4 \n") == "4");
    CHECK(learned_answer(named("plain"), " 4 ") == " 4 ");
}

TEST_CASE("whose chat template a folder has") {
    const Tokenizer& t = small_tokenizer();
    const Folder f;
    const auto config = [&](const json& chat_template) { f.write("tokenizer_config.json", json({{"chat_template", chat_template}}).dump()); };
    CHECK(load_chat_template(f.path, t).family == ChatFamily::plain);
    f.write("tokenizer_config.json", "{}");
    CHECK(load_chat_template(f.path, t).family == ChatFamily::plain);
    config(phrases.at("qwen2_5"));
    CHECK(load_chat_template(f.path, t).system == "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
    config(json::array({{{"name", "tool_use"}, {"template", "x"}}, {{"name", "default"}, {"template", phrases.at("llama3_1")}}}));
    CHECK(load_chat_template(f.path, t).dated);
    f.write("chat_template.jinja", phrases.at("deepseek_r1_distill"));
    CHECK(load_chat_template(f.path, t).opening == "<think>\n");
    f.write("chat_template.jinja", R"({{'<｜User｜>' + message['content']}}{{'<｜Assistant｜>'}})");
    CHECK((load_chat_template(f.path, t).opening.empty() && load_chat_template(f.path, t).thinking == Thinking::stays));

    const auto refused = [&] { return error_of([&] { load_chat_template(f.path, t); }); };
    f.write("chat_template.jinja", "[INST] {{ message }}");
    CHECK(has(refused(), "no known family"));
    CHECK((has(refused(), "[INST]") && has(refused(), "chat_template.jinja") && has(refused(), "--template plain")));
    f.write("chat_template.jinja", R"({{'<｜User｜>' + message['content']}}{{'</think>'}})");  // DeepSeek-V3.1
    CHECK(has(refused(), "no known family"));
    f.write("chat_template.jinja", phrases.at("qwen2_5") + "{% if '</think>' in content %}");  // other rules of thinking
    CHECK(has(refused(), "no known family"));
    [[maybe_unused]] const int gone = std::remove((f / "chat_template.jinja").c_str());
    config(json::array({{{"name", "tool_use"}, {"template", "x"}}}));
    CHECK(has(refused(), "default"));
    config(7);
    CHECK(has(refused(), "no text"));
    f.write("tokenizer_config.json", "[]");
    CHECK(has(refused(), "object"));

    const Tokenizer own = train_tokenizer(std::vector<std::string>{"a"}, 300);
    CHECK(has(error_of([&] { recognised(phrases.at("qwen2_5"), own, "here"); }), "<|im_end|>"));
    const json saved = tokenizer_config(own, 512);
    CHECK((saved["bos_token"] == "<｜begin▁of▁sentence｜>" && saved["eos_token"] == "<｜end▁of▁sentence｜>" && saved["model_max_length"] == 512));
    f.write("tokenizer_config.json", saved.dump());
    CHECK(load_chat_template(f.path, own).end == "<｜end▁of▁sentence｜>");
}

TEST_CASE("turns of a conversation") {
    const auto refused = [](const std::vector<Message>& messages) { return error_of([&] { check_turns(messages, "here"); }); };
    CHECK(refused({{"user", ""}}).empty());
    CHECK(refused({{"system", ""}, {"user", ""}, {"assistant", ""}}).empty());
    CHECK(has(refused({}), "nobody asks"));
    CHECK(has(refused({{"system", ""}}), "nobody asks"));
    CHECK(has(refused({{"assistant", ""}}), "message 1"));
    CHECK(has(refused({{"user", ""}, {"user", ""}}), "message 2 is of \"user\", not of assistant"));
    CHECK(has(refused({{"user", ""}, {"tool", ""}}), "\"tool\""));
    CHECK(has(refused({{"user", ""}, {"system", ""}}), "message 2"));
}

TEST_CASE("what is not rendered of a message is refused, never dropped") {
    const auto refused = [](const json& message) { return error_of([&] { refuse_unrendered(message, "here"); }); };
    CHECK(refused({{"role", "assistant"}, {"content", "4"}, {"reasoning_content", nullptr}}).empty());
    CHECK(refused({{"content", "4"}, {"reasoning_content", ""}, {"tool_calls", json::array()}}).empty());
    CHECK(has(refused({{"content", "4"}, {"reasoning_content", "2 + 2"}}), "<think>"));
    CHECK(has(refused({{"content", ""}, {"tool_calls", {{{"id", "1"}}}}}), "tool_calls"));
    CHECK(has(refused({{"role", "tool"}, {"content", "4"}, {"tool_call_id", "1"}}), "tool_call_id"));
    const Folder f;
    f.write("tokenizer.json", golden()["tokenizer"].dump());
    f.write("chat_template.jinja", phrases.at("deepseek_r1_distill"));
    f.write("in", R"([{"role": "user", "content": "2?"}, )"
                  R"({"role": "assistant", "content": "2", "reasoning_content": "so"}])");
    refuses(binary + " render --model " + f.path + " < " + f / "in", 1, "reasoning_content", "standard input line 1");
}

TEST_CASE("r1 render") {
    const Folder f;
    f.write("tokenizer.json", golden()["tokenizer"].dump());
    f.write("chat_template.jinja", phrases.at("deepseek_r1_distill"));
    f.write("in", "[{\"role\": \"user\", \"content\": \"2 + 2?\"}]\n");
    const Result r = shell(binary + " render --prompt --model " + f.path + " < " + f / "in");
    CAPTURE(r.text);
    CHECK(json::parse(r.text, nullptr, false)["text"] == "<｜begin▁of▁sentence｜><｜User｜>2 + 2?<｜Assistant｜><think>\n");
    for (const char* bad : {"{}", "x", "[3]", "[{\"role\": \"user\"}]", "[{\"role\": 1, \"content\": \"\"}]", "[]", "\"\xff\""}) {
        f.write("in", bad);
        refuses(binary + " render --model " + f.path + " < " + f / "in", 1, "standard input line 1");
    }
}
