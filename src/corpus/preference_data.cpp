#include "corpus/preference_data.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace r1 {

namespace {

struct Reader {
    const RewardReading& reading;
    RewardData data = {};
    std::string where = {};

    const char* format() const {
        return reading.kind == RewardKind::helpful
                   ? "write {\"prompt\": \"...\", \"chosen\": \"...\", \"rejected\": \"...\"}"
                   : "write {\"prompt\": \"...\", \"response\": \"...\", \"safe\": true}";
    }

    std::vector<Message> messages_of(const json& list, const char* key) const {
        std::vector<Message> messages;
        for (const json& each : list) {
            const auto text = [&](const char* name) {
                if (!each.is_object() || !each.contains(name) || !each[name].is_string())
                    fail(std::string("a message without \"") + name + "\" in \"" + key + "\"", where, format());
                return each[name].get<std::string>();
            };
            refuse_unrendered(each, where);
            messages.push_back({text("role"), text("content")});
        }
        return messages;
    }

    // The last message of a list, or the text.
    std::string response_of(const json& line, const char* key) const {
        if (!line.contains(key)) fail(std::string("no \"") + key + "\"", where, format());
        const json& value = line[key];
        if (value.is_string()) return value.get<std::string>();
        if (!value.is_array() || value.empty())
            fail(std::string("\"") + key + "\" is neither a text nor a list of messages", where, format());
        const std::vector<Message> messages = messages_of(value, key);
        if (messages.back().role != "assistant")
            fail(std::string("\"") + key + "\" does not end with an answer", where, format());
        return messages.back().content;
    }

    std::vector<Message> prompt_of(const json& line) const {
        if (line.contains("prompt") && line["prompt"].is_string())
            return conversation(reading.prompt_template, line["prompt"].get<std::string>());
        const bool own = line.contains("prompt");
        const char* const key = own ? "prompt" : "chosen";
        if (!line.contains(key) || !line[key].is_array() || line[key].empty()) fail("no \"prompt\"", where, format());
        std::vector<Message> messages = messages_of(line[key], key);
        if (!own) messages.pop_back();
        if (messages.empty() || messages.back().role != "user")
            fail("a prompt that does not end with what the user says", where, format());
        check_turns(messages, where);
        return messages;
    }

    std::optional<double> truth_of(const json& line) const {
        if (!line.contains("better") || line["better"].is_null()) return {};
        const json& better = line["better"];
        if (better == "chosen") return 1;
        if (better == "rejected") return 0;
        if (better == "equal") return 0.5;
        fail("\"better\" is none of chosen, rejected and equal", where, "correct it or leave it out");
    }

    std::optional<double> probability_of(const json& line) const {
        if (!line.contains("probability") || line["probability"].is_null()) return {};
        const json& probability = line["probability"];
        if (!probability.is_number() || !(probability >= 0 && probability <= 1))
            fail("\"probability\" is no number from 0 to 1", where, "correct it or leave it out");
        return probability.get<double>();
    }

    void read(const json& line) {
        ++data.lines;
        const bool pairs = reading.kind == RewardKind::helpful;
        if (pairs ? line.contains("safe") : line.contains("chosen"))
            fail(std::string("a line of the kind ") + (pairs ? "safe" : "helpful"), where, format());
        RewardExample e;
        const std::vector<Message> prompt = prompt_of(line);
        e.prompt = text_of(render_prompt(reading.chat, prompt));
        const std::string first = response_of(line, pairs ? "chosen" : "response");
        e.tokens = reading.tokens(prompt, first);
        e.length = reading.length_of(first);
        if (e.tokens.empty()) {
            ++data.no_room;
            return;
        }
        if (pairs) {
            const std::string second = response_of(line, "rejected");
            e.other = reading.tokens(prompt, second);
            e.other_length = reading.length_of(second);
            e.truth = truth_of(line);
            e.probability = probability_of(line);
        } else {
            if (!line.contains("safe") || !line["safe"].is_boolean())
                fail("\"safe\" is neither true nor false", where, format());
            e.safe = line["safe"].get<bool>();
        }
        if (e.tokens == e.other) {
            ++data.equal;
            return;
        }
        data.longest = std::max({data.longest, int(e.tokens.size()), int(e.other.size())});
        data.examples.push_back(std::move(e));
    }
};

}  // namespace

RewardData read_reward_data(const std::string& path, const RewardReading& reading) {
    Reader reader{reading};
    read_json_lines(path, [&](const json& line, int64_t number) {
        reader.where = path + " line " + std::to_string(number);
        reader.read(line);
    });
    if (reader.data.examples.empty()) fail("nothing to learn from", path, reader.format());
    return std::move(reader.data);
}

void check_split(const RewardData& train, const RewardData& held_out, const std::string& path) {
    std::set<std::string> prompts;
    for (const RewardExample& e : train.examples) prompts.insert(e.prompt);
    int64_t shared = 0;
    std::string first;
    for (const RewardExample& e : held_out.examples) {
        if (!prompts.contains(e.prompt)) continue;
        if (shared++ == 0) first = e.prompt;
    }
    if (shared > 0)
        fail(std::to_string(shared) + " examples held out whose prompts are learned from, the first " +
                 json(first).dump(),
             path, "split the data by prompts");
}

std::string in_words(const RewardData& data) {
    const bool pairs = data.examples[0].is_pair();
    std::string text = std::to_string(data.examples.size()) + (pairs ? " pairs" : " labelled responses") + " of " +
                       std::to_string(data.lines) + " lines, the longest " + std::to_string(data.longest) + " tokens";
    if (data.equal > 0) text += "; " + std::to_string(data.equal) + " left out: their two sides are equal";
    if (data.no_room > 0) text += "; " + std::to_string(data.no_room) + " left out: their prompts leave no room";
    return text;
}

}  // namespace r1
