// Chat templates: how a conversation becomes what a model reads. Four families are rendered, each by a short function
// that gives what the published Jinja template gives, to the token (reference/check_chat.py compares them):
//
//   plain      User: 3 7 12 make 33. Assistant:             models trained here, and models without a template
//   deepseek   <｜User｜>2+2?<｜Assistant｜><think>\n           DeepSeek-V3, R1 and its distillations
//   chatml     <|im_start|>user\n2+2?<|im_end|>\n...         Qwen2.5, Qwen3
//   llama3     <|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|>...   Llama 3 to 3.3
//
// A rendered conversation is a list of segments that say what may become of their text. Only the template puts control
// tokens; a user's "<|im_end|>" stays letters and signs, where a library that encodes the rendered text makes it the token.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "text/tokenizer.h"

namespace r1 {

struct Message {
    std::string role, content;            // system, user or assistant
};

// Error if a message, as JSON, has what is not rendered here (reasoning_content, tool_calls), and so would be lost.
void refuse_unrendered(const json& message, const std::string& where);

// Throws Error unless there is at most one system message, at the beginning, and then user and assistant by turns.
void check_turns(std::span<const Message> messages, const std::string& where);

struct Segment {
    enum Part { control, text, tagged };  // one token by its name; bytes alone; bytes with <think> and its like as tags
    Part part;
    std::string content;
};

enum class ChatFamily { plain, deepseek, chatml, llama3 };

// What becomes of the thinking in answers that are already given: it stays, it goes with all up to </think>, or, as
// Qwen3 has it, it goes from answers before the last question.
enum class Thinking { stays, goes, qwen3 };

struct ChatTemplate {
    ChatFamily family = ChatFamily::plain;
    std::string bos, end;                 // names of the tokens before a conversation and after an answer; bos may be ""
    std::string opening;                  // of an answer, as the prompt begins it: "<think>\n", or nothing
    std::string system;                   // chatml: what the system says if the conversation does not
    bool dated = false;                   // llama3: the system message tells the date, always 26 Jul 2024 (see chat.cpp)
    Thinking thinking = Thinking::stays;
};

ChatTemplate plain_template(const Tokenizer& tokenizer);

// The template of a model's folder: chat_template.jinja, else "chat_template" in tokenizer_config.json (a text, or a
// list of named ones, of which "default" is taken), else plain. A template of no family above, or one whose tokens the
// tokenizer does not have, is an Error that says what was found.
ChatTemplate load_chat_template(const std::string& folder, const Tokenizer& tokenizer);
ChatTemplate recognised(const std::string& jinja, const Tokenizer& tokenizer, const std::string& where);

// The conversation as it stands, and up to where the next answer begins; `opening` is not in it.
std::vector<Segment> render(const ChatTemplate& chat, std::span<const Message> messages);
std::vector<Segment> render_prompt(const ChatTemplate& chat, std::span<const Message> messages);

// An answer as it is learned, in the way in which the template's model is to write it: with its thinking. Under Qwen3's
// rules one without any begins with an empty block; llama3 trims.
std::string learned_answer(const ChatTemplate& chat, const std::string& content);

std::string text_of(std::span<const Segment> segments);  // control tokens by their names
std::vector<int> encode(const Tokenizer& tokenizer, std::span<const Segment> segments);

// tokenizer_config.json of a model trained here: the tokens' names, and the plain template in Jinja. With it,
// AutoTokenizer.from_pretrained and apply_chat_template work on the folder. Where a model came with a template of its
// own, its tokenizer_config.json and chat_template.jinja are to be copied instead. `context`: the longest sequence.
json tokenizer_config(const Tokenizer& tokenizer, int context);

}  // namespace r1
