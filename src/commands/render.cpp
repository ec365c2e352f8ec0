#include "commands/render.h"

#include <cstdio>
#include <iostream>

#include "base/check.h"
#include "base/files.h"
#include "text/chat.h"

namespace r1 {

OptionTable table_of(RenderOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder with tokenizer.json and, if the model has one, its chat template").needed =
        true;
    table.flag("--prompt", o.prompt, "up to where the next answer begins");
    return table;
}

void render_command(const RenderOptions& o) {
    const Tokenizer tokenizer = Tokenizer::load(o.model + "/tokenizer.json");
    const ChatTemplate chat = load_chat_template(o.model, tokenizer);
    std::string line;
    for (int64_t number = 1; std::getline(std::cin, line); ++number) {
        const std::string where = "standard input line " + std::to_string(number);
        const json list = json_of(line);
        std::vector<Message> messages;
        for (const json& each : list) {
            if (!list.is_array() || !each.is_object() || !each.value("role", json()).is_string() ||
                !each.value("content", json()).is_string())
                fail("a line that is no conversation", where,
                     "write it as [{\"role\": \"user\", \"content\": \"...\"}]");
            refuse_unrendered(each, where);
            messages.push_back({each["role"], each["content"]});
        }
        check_turns(messages, where);
        std::vector<Segment> segments = o.prompt ? render_prompt(chat, messages) : render(chat, messages);
        if (o.prompt && !chat.opening.empty()) segments.push_back({Segment::tagged, chat.opening});
        std::printf("%s\n",
                    json({{"text", text_of(segments)}, {"tokens", encode(tokenizer, segments)}}).dump().c_str());
    }
}

}  // namespace r1
