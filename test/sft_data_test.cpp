// Examples to imitate: the tokens and the mask of each form, and refusals.
#include "corpus/sft_data.h"

#include "base/check.h"
#include "shell.h"

using namespace r1;

namespace {

const Tokenizer& tokenizer() {
    static const Tokenizer one = [] {
        const Folder folder;
        folder.write("tokenizer.json", read_json(std::string(R1_SOURCE) + "/reference/golden/chat.json")["tokenizer"].dump());
        return Tokenizer::load(folder / "tokenizer.json");
    }();
    return one;
}

SftData data_of(const std::string& lines, SftDataOptions options = {}) {
    const Folder folder;
    options.vocab_size = tokenizer().size();
    folder.write("sft.jsonl", lines);
    return read_sft_data(folder / "sft.jsonl", tokenizer(), options);
}

std::string error_of(const std::string& lines, const SftDataOptions& options = {}) {
    try {
        data_of(lines, options);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The text with what is learned in [ ]. Checks that the tags are tokens where they are learned.
std::string marked(const SftExample& e) {
    std::string text;
    REQUIRE(e.tokens.size() == e.mask.size());
    for (size_t t = 0; t < e.tokens.size(); ++t) {
        const bool before = t > 0 && e.mask[t - 1];
        if (e.mask[t] != before) text += e.mask[t] ? "[" : "]";
        text += tokenizer().tokens[e.tokens[t]].bytes;
    }
    return text + (e.mask.back() ? "]" : "");
}

std::string only(const SftData& data) {
    REQUIRE(data.examples.size() == 1);
    return marked(data.examples[0]);
}

const std::string BOS = "<｜begin▁of▁sentence｜>", EOS = "<｜end▁of▁sentence｜>";

ChatTemplate r1_template() {
    ChatTemplate chat;
    chat.family = ChatFamily::deepseek, chat.bos = BOS, chat.end = EOS, chat.opening = "<think>\n", chat.thinking = Thinking::goes;
    return chat;
}
ChatTemplate qwen3_template() {
    ChatTemplate chat;
    chat.family = ChatFamily::chatml, chat.end = "<|im_end|>", chat.thinking = Thinking::qwen3;
    return chat;
}

}  // namespace

TEST_CASE("prompt and response") {
    const std::string line = R"({"prompt": "2 + 2? <think>", "response": "<think>hm</think> 4"})";
    const SftData data = data_of(line);
    CHECK(only(data) == BOS + "2 + 2? <think>[<think>hm</think> 4" + EOS + "]");
    const auto count = [&](const char* tag) { return std::count(data.examples[0].tokens.begin(), data.examples[0].tokens.end(), tokenizer().id_of(tag)); };
    CHECK((count("<think>") == 1 && count("</think>") == 1));  // the prompt's is letters
    CHECK((data.tokens == int64_t(data.examples[0].tokens.size()) && data.longest == data.tokens));
    SftDataOptions o;
    o.prompt_template = PromptTemplate::plain;
    CHECK(only(data_of(line, o)) == BOS + "User: 2 + 2? <think> Assistant:[<think>hm</think> 4" + EOS + "]");
    o.prompt_template = PromptTemplate::chat, o.chat_template = r1_template();
    CHECK(only(data_of(line, o)) == BOS + "<｜User｜>2 + 2? <think><｜Assistant｜>[<think>hm</think> 4" + EOS + "]");
    CHECK(only(data_of(R"({"prompt": "2?", "response": "<think>\nhm</think> 4"})", o)) ==
          BOS + "<｜User｜>2?<｜Assistant｜><think>\n[hm</think> 4" + EOS + "]");  // the prompt opens the thought
    CHECK(only(data_of(R"({"prompt": "", "response": "a<｜User｜><｜end▁of▁sentence｜>"})")) == BOS + "[a<｜User｜>" + EOS + EOS + "]");
    const SftData tricky = data_of(R"({"prompt": "", "response": "a<｜User｜><｜end▁of▁sentence｜>"})");
    CHECK(std::count(tricky.examples[0].tokens.begin(), tricky.examples[0].tokens.end(), tokenizer().eos) == 1);
}

TEST_CASE("conversations") {
    SftDataOptions o;
    o.chat_template = qwen3_template();
    const std::string ask = R"({"role": "user", "content": "2?"},)", again = R"({"role": "user", "content": "3?"},)";
    const std::string start = "<|im_start|>", end = "<|im_end|>";
    // Qwen3 gives an answer without thinking an empty block, which is no more there one question later: two examples.
    SftData data = data_of("{\"messages\": [" + ask + R"({"role": "assistant", "content": "2"},)" + again + R"({"role": "assistant", "content": "<think>a</think>3"}]})", o);
    REQUIRE(data.examples.size() == 2);
    CHECK(marked(data.examples[0]) == start + "user\n2?" + end + "\n" + start + "assistant\n[<think>\n\n</think>\n\n2" + end + "]");
    CHECK(marked(data.examples[1]) == start + "user\n2?" + end + "\n" + start + "assistant\n2" + end + "\n" + start + "user\n3?" + end + "\n" + start +
                                          "assistant\n[<think>\na\n</think>\n\n3" + end + "]");
    // Where earlier answers stay as they were learned, one example learns all of them.
    o.chat_template.thinking = Thinking::stays;
    CHECK(only(data_of("{\"messages\": [" + ask + R"({"role": "assistant", "content": "2"},)" + again + R"({"role": "assistant", "content": "3"}]})", o)) ==
          start + "user\n2?" + end + "\n" + start + "assistant\n[2" + end + "]\n" + start + "user\n3?" + end + "\n" + start + "assistant\n[3" + end + "]");
    o.chat_template = r1_template();
    data = data_of(R"({"system": "Hi.", "conversations": [{"from": "human", "value": "2?"}, {"from": "gpt", "value": "<think>\na</think>2"}, )"
                   R"({"from": "user", "value": "3?"}, {"from": "assistant", "value": "3"}]})", o);
    REQUIRE(data.examples.size() == 2);
    CHECK(marked(data.examples[0]) == BOS + "Hi.<｜User｜>2?<｜Assistant｜><think>\n[a</think>2" + EOS + "]");
    CHECK(marked(data.examples[1]) == BOS + "Hi.<｜User｜>2?<｜Assistant｜>2" + EOS + "<｜User｜>3?<｜Assistant｜>[3" + EOS + "]");
    CHECK(data.lines == 1);
}

TEST_CASE("tokens and mask") {
    const SftData data = data_of("{\"tokens\": [0, 20, 21, 1], \"mask\": [1, 0, 1, 1]}");
    CHECK(data.examples[0].tokens == std::vector<int>{0, 20, 21, 1});
    CHECK(data.examples[0].mask == std::vector<uint8_t>{0, 0, 1, 1});  // the first has nothing before it
    CHECK(data.learned == 2);
    const std::string last = std::to_string(tokenizer().size());
    for (const std::string bad : {"{\"tokens\": []}", "{\"tokens\": [1], \"mask\": []}", "{\"tokens\": [1, 2]}", "{\"tokens\": [1, -1], \"mask\": [0, 1]}",
                                  "{\"tokens\": [1, 1.5], \"mask\": [0, 1]}", "{\"tokens\": [1, 2], \"mask\": [0, 2]}", "{\"tokens\": [1, 2], \"mask\": [1, 0]}",
                                  "{\"tokens\": 3, \"mask\": 3}"})
        CHECK(has(error_of("{\"tokens\": [0, 1], \"mask\": [0, 1]}\n" + bad), "sft.jsonl line 2, "));
    CHECK(has(error_of("{\"tokens\": [0, " + last + "], \"mask\": [0, 1]}"), "no id"));
}

TEST_CASE("examples that are too long are left out and counted; malformed ones are refused") {
    SftDataOptions o;
    o.context = 20;
    const std::string line = R"({"prompt": "a", "response": "b"})", longer = "{\"prompt\": \"a\", \"response\": \"" + std::string(60, '7') + "\"}";
    const SftData data = data_of(line + "\n" + longer + "\n\n" + line + "\n", o);
    CHECK((data.examples.size() == 2 && data.lines == 3 && data.too_long == 1 && data.longest > 20));
    CHECK(has(in_words(data), "1 left out"));
    CHECK(has(error_of(longer, o), "no example of at most 20 tokens"));
    CHECK(has(error_of("\n"), "no examples"));
    CHECK(has(error_of(R"({"messages": [{"role": "user", "content": "a"}, )"
                       R"({"role": "assistant", "content": "b", "reasoning_content": "so"}]})"),
              "reasoning_content"));
    for (const std::string bad :
         {"x", "[]", "{}", "{\"prompt\": \"a\"}", "{\"prompt\": \"a\", \"response\": \"\"}", "{\"prompt\": 1, \"response\": \"b\"}", "{\"messages\": []}",
          "{\"messages\": 1}", "{\"messages\": [1]}", "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}",
          "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}", "{\"messages\": [{\"role\": \"user\", \"content\": null}]}",
          "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"\"}]}", "{\"conversations\": [{\"from\": \"x\", \"value\": \"\"}]}"}) {
        CAPTURE(bad);
        CHECK(has(error_of(line + "\n" + bad), "sft.jsonl line 2, "));
    }
}
