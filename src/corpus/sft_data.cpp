#include "corpus/sft_data.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/files.h"
#include "tasks/problem.h"

namespace r1 {

namespace {

const char* const format =
    "write {\"prompt\": \"...\", \"response\": \"...\"}, {\"messages\": [...]} or {\"tokens\": [...], \"mask\": [...]}";

struct Reader {
    const Tokenizer& tokenizer;
    const SftDataOptions& o;
    SftData data = {};
    std::string where = {};
    double weight = 1;  // of the line

    std::string text(const json& object, const char* key, bool may_be_empty) const {
        if (!object.is_object() || !object.contains(key) || !object[key].is_string())
            fail(std::string("no text in \"") + key + "\"", where, format);
        std::string value = object[key].get<std::string>();
        if (!may_be_empty && value.empty())
            fail(std::string("an empty \"") + key + "\"", where, "fill it or remove the line");
        return value;
    }

    static void append(SftExample& example, const std::vector<int>& tokens, bool learned) {
        example.tokens.insert(example.tokens.end(), tokens.begin(), tokens.end());
        example.mask.resize(example.tokens.size(), learned);
    }

    void keep(SftExample example) {
        example.mask[0] = 0;  // nothing stands before it
        const int64_t learned = std::count(example.mask.begin(), example.mask.end(), 1);
        if (learned == 0)
            fail("an example of which nothing is learned", where,
                 "give it an answer, or a mask with a 1 after the first token");
        data.longest = std::max(data.longest, int(example.tokens.size()));
        if (o.context > 0 && int(example.tokens.size()) > o.context) {
            ++data.too_long;
            return;
        }
        example.weight = weight;
        data.tokens += int64_t(example.tokens.size()), data.learned += learned;
        data.examples.push_back(std::move(example));
    }

    // The prompt's end and the answer, in the way in which sampling meets them: what the prompt opens comes first.
    void append_answer(SftExample& example, const ChatTemplate& chat, std::string answer) const {
        if (!chat.opening.empty() && answer.starts_with(chat.opening)) {
            append(example, tokenizer.encode(chat.opening, Tags::parse), false);
            answer.erase(0, chat.opening.size());
        }
        const std::vector<Segment> segments = {{Segment::tagged, answer}, {Segment::control, chat.end}};
        if (chat.end.empty()) fail("a tokenizer without a token that ends a text", where, "use one that has it");
        append(example, encode(tokenizer, segments), true);
    }

    void conversation_of(const ChatTemplate& chat, const std::vector<Message>& messages) {
        check_turns(messages, where);
        if (messages.back().role != "assistant")
            fail("a conversation that does not end with an answer", where, "remove the last question");
        SftExample example;
        for (size_t i = 0; i < messages.size(); ++i) {
            if (messages[i].role != "assistant") continue;
            const std::vector<int> prompt = encode(tokenizer, render_prompt(chat, std::span(messages).first(i)));
            const bool goes_on = prompt.size() >= example.tokens.size() &&
                                 std::equal(example.tokens.begin(), example.tokens.end(), prompt.begin());
            if (!goes_on) keep(std::exchange(example, {}));
            append(example, {prompt.begin() + example.tokens.size(), prompt.end()}, false);
            append_answer(example, chat, learned_answer(chat, messages[i].content));
        }
        keep(std::move(example));
    }

    std::vector<Message> messages_of(const json& line) const {
        const bool shared = !line.contains("messages");
        const json& list = line[shared ? "conversations" : "messages"];
        if (!list.is_array() || list.empty()) fail("an empty conversation, or none", where, format);
        std::vector<Message> messages;
        if (shared && line.contains("system") && !line["system"].is_null())
            messages.push_back({"system", text(line, "system", true)});
        if (!messages.empty() && messages[0].content.empty()) messages.clear();
        for (const json& each : list) {
            std::string role = text(each, shared ? "from" : "role", false);
            refuse_unrendered(each, where);
            if (shared) role = role == "human" ? "user" : role == "gpt" ? "assistant" : role;
            messages.push_back({role, text(each, shared ? "value" : "content", role != "assistant")});
        }
        return messages;
    }

    void response_of(const json& line) {
        const std::string prompt = text(line, "prompt", true), response = text(line, "response", false);
        const ChatTemplate plain = plain_template(tokenizer);
        if (o.prompt_template) {
            const bool chat = *o.prompt_template == PromptTemplate::chat;
            std::vector<Message> messages = conversation(*o.prompt_template, prompt);
            messages.push_back({"assistant", response});
            return conversation_of(chat ? o.chat_template : plain, messages);
        }
        SftExample example;
        const std::vector<Segment> before = {{Segment::text, prompt}};
        if (tokenizer.bos >= 0) append(example, {tokenizer.bos}, false);
        append(example, encode(tokenizer, before), false);
        append_answer(example, plain, response);
        keep(std::move(example));
    }

    void tokens_of(const json& line) {
        const json none = json::array();
        const json& tokens = line["tokens"];
        const json& mask = line.contains("mask") ? line["mask"] : none;
        if (!tokens.is_array() || tokens.empty()) fail("\"tokens\" that are no list, or an empty one", where, format);
        if (!mask.is_array() || mask.size() != tokens.size())
            fail("a \"mask\" that is not as long as \"tokens\"", where, "give each token a 0 or a 1");
        SftExample example;
        for (size_t i = 0; i < tokens.size(); ++i) {
            const auto number = [](const json& value) { return value.is_number_integer() ? value.get<int64_t>() : -1; };
            const int64_t id = number(tokens[i]), bit = number(mask[i]);
            if (id < 0 || id >= o.vocab_size)
                fail("token " + std::to_string(i + 1) + " is no id of the vocabulary", where,
                     "use ids from 0 to " + std::to_string(o.vocab_size - 1));
            if (bit != 0 && bit != 1)
                fail("the mask of token " + std::to_string(i + 1) + " is neither 0 nor 1", where,
                     "1 is what is learned");
            append(example, {int(id)}, bit == 1);
        }
        keep(std::move(example));
    }

    void read(const json& line) {
        ++data.lines;
        weight = weight_of(line, where);
        if (line.contains("tokens")) return tokens_of(line);
        if (tokenizer.size() == 0)
            fail("text, and a model without tokenizer.json", where, "give {\"tokens\": [...], \"mask\": [...]}");
        if (line.contains("messages") || line.contains("conversations"))
            conversation_of(o.chat_template, messages_of(line));
        else if (line.contains("prompt") && line.contains("response")) response_of(line);
        else fail("a line that is no example", where, format);
    }
};

}  // namespace

SftData read_sft_data(const std::string& path, const Tokenizer& tokenizer, const SftDataOptions& o) {
    Reader reader{tokenizer, o};
    read_json_lines(path, [&](const json& line, int64_t number) {
        reader.where = path + " line " + std::to_string(number);
        reader.read(line);
    });
    SftData& data = reader.data;
    if (data.lines == 0) fail("no examples", path, format);
    if (data.examples.empty())
        fail("no example of at most " + std::to_string(o.context) + " tokens", path,
             "the longest has " + std::to_string(data.longest) + ": use a longer context");
    return std::move(data);
}

std::string in_words(const SftData& data) {
    std::string text = std::to_string(data.examples.size()) + " examples of " + std::to_string(data.lines) +
                       " lines, " + std::to_string(data.tokens) + " tokens, " + std::to_string(data.learned) +
                       " of them learned, the longest " + std::to_string(data.longest);
    if (data.too_long > 0) text += "; " + std::to_string(data.too_long) + " left out: longer than the context";
    return text;
}

}  // namespace r1
