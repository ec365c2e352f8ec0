#include "corpus/world_general.h"

#include <algorithm>

#include "corpus/world_problem.h"
#include "reward/extract.h"
#include "reward/language.h"
#include "reward/rubric.h"

namespace r1 {

extern const char world_general[];  // data/general.json

namespace {

const json& words() {
    static const json all = json::parse(world_general);
    return all;
}

std::string text_in(const json& pair, bool chinese) { return pair[chinese ? 1 : 0]; }

std::vector<std::string> texts_in(const json& pairs, bool chinese) {
    std::vector<std::string> texts;
    for (const json& pair : pairs) texts.push_back(text_in(pair, chinese));
    return texts;
}

// The values, one after the other, in place of the marks {}.
std::string filled(std::string text, const std::vector<std::string>& values) {
    size_t at = 0;
    for (const std::string& value : values) {
        at = text.find("{}", at);
        if (at == std::string::npos) break;
        text.replace(at, 2, value);
        at += value.size();
    }
    return text;
}

std::string filled(const json& pair, bool chinese, const std::vector<std::string>& values) {
    return filled(text_in(pair, chinese), values);
}

json any_of(const json& phrases, int at_least = 1) {
    json check = {{"any", phrases}};
    if (at_least > 1) check["at_least"] = at_least;
    return check;
}

std::string joined(const std::vector<std::string>& parts, const std::string& joiner) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : joiner) + part;
    return text;
}

using Prompts = std::vector<GeneralPrompt>;

GeneralPrompt prompt_of(const std::string& content, const json& ask, bool chinese,
                        const std::vector<std::string>& values) {
    GeneralPrompt p;
    p.prompt = filled(ask, chinese, values);
    p.content = "general " + content;
    p.set = "helpful";
    p.chinese = chinese;
    return p;
}

// "name 3 animals." Members of the next category are wrong.
void add_lists(bool chinese, Prompts& all) {
    const json& lists = words()["lists"];
    for (size_t i = 0; i < lists.size(); ++i) {
        const std::string name = text_in(lists[i]["name"], chinese);
        const std::vector<std::string> members = texts_in(lists[i]["members"], chinese);
        const std::vector<std::string> others = texts_in(lists[(i + 1) % lists.size()]["members"], chinese);
        for (int k = 0; k < 2 * int(members.size() - 2); ++k) {
            const int n = 2 + k / 2;
            const std::string content = "list " + std::to_string(i) + " " + std::to_string(k);
            GeneralPrompt p = prompt_of(content, words()["lists_ask"][k % 2], chinese, {std::to_string(n), name});
            p.good = members;
            p.need = n;
            p.wrong = others;
            p.joiner = chinese ? "， " : ", ";
            p.end = chinese ? "。" : ".";
            p.thought = filled(words()["thoughts"]["list"], chinese, {std::to_string(n), name});
            p.rubric = {any_of(members, n), {{"none", others}}, {{"words_at_most", (chinese ? 3 : 1) * n + 3}}};
            all.push_back(p);
        }
    }
}

// "describe a cat." What is true of another thing, and not known of this one, is wrong.
void add_descriptions(bool chinese, Prompts& all) {
    const json& things = words()["things"];
    const int sentence = chinese ? 2 : 0, keyword = chinese ? 3 : 1;
    for (size_t i = 0; i < things.size(); ++i)
        for (size_t style = 0; style < words()["describe"].size(); ++style) {
            const std::string name = text_in(things[i]["name"], chinese);
            const std::string content = "describe " + std::to_string(i) + " " + std::to_string(style);
            GeneralPrompt p = prompt_of(content, words()["describe"][style], chinese, {name});
            std::vector<std::string> keywords;
            for (const json& fact : things[i]["facts"]) {
                p.good.push_back(fact[sentence]);
                keywords.push_back(fact[keyword]);
            }
            for (const json& fact : things[(i + 7) % things.size()]["facts"]) {
                const std::string other = fact[sentence];
                const auto says = [&](const std::string& word) { return other.find(word) != std::string::npos; };
                if (std::none_of(keywords.begin(), keywords.end(), says)) p.wrong.push_back(other);
            }
            p.need = 3;
            p.thought = filled(words()["thoughts"]["describe"], chinese, {name});
            p.rubric = {any_of(keywords, 3), {{"words_at_least", 8}}, {{"words_at_most", chinese ? 24 : 18}}};
            all.push_back(p);
        }
}

// "please write thanks to Anna for the book."
void add_thanks(bool chinese, Prompts& all) {
    const json &people = words()["people"], &gifts = words()["gifts"], &thanks = words()["thanks"];
    for (size_t i = 0; i < people.size(); ++i)
        for (size_t j = 0; j < gifts.size(); ++j) {
            const std::string person = text_in(people[i], chinese), gift = text_in(gifts[j], chinese);
            const std::string content = "thanks " + std::to_string(i) + " " + std::to_string(j);
            GeneralPrompt p = prompt_of(content, thanks["ask"], chinese, {person, gift});
            p.good = {filled(thanks["begin"], chinese, {person}), filled(thanks["thank"], chinese, {gift}),
                      text_in(thanks["more"][(i + j) % thanks["more"].size()], chinese),
                      text_in(thanks["end"], chinese)};
            p.wrong = texts_in(thanks["wrong"], chinese);
            p.thought = filled(words()["thoughts"]["thanks"], chinese, {gift});
            p.rubric = {{{"begins", {text_in(thanks["open"], chinese)}}},
                        any_of({person}),
                        any_of({gift}),
                        any_of(texts_in(thanks["words"], chinese)),
                        {{"words_at_most", chinese ? 24 : 20}}};
            all.push_back(p);
        }
}

// "say it politely: give me the book."
void add_polite(bool chinese, Prompts& all) {
    const json &gifts = words()["gifts"], &polite = words()["polite"], &verbs = polite["verbs"];
    for (size_t i = 0; i < verbs.size(); ++i)
        for (size_t j = 0; j < gifts.size(); ++j) {
            const std::vector<std::string> values = {text_in(verbs[i], chinese), text_in(gifts[j], chinese)};
            const std::string content = "polite " + std::to_string(i) + " " + std::to_string(j);
            GeneralPrompt p = prompt_of(content, polite["ask"], chinese, values);
            p.good = {text_in(polite["begin"][(i + j) % 2], chinese) + " " + filled(polite["rest"], chinese, values)};
            for (const std::string& wrong : texts_in(polite["wrong"], chinese))
                p.wrong.push_back(filled(wrong, values));
            p.thought = text_in(words()["thoughts"]["polite"], chinese);
            p.rubric = {any_of(texts_in(polite["words"], chinese)),
                        any_of({values[1]}),
                        {{"ends", {chinese ? "？" : "?"}}},
                        {{"words_at_most", chinese ? 12 : 9}}};
            all.push_back(p);
        }
}

// "what colour is snow?"
void add_colours(bool chinese, Prompts& all) {
    const json& colours = words()["colours"];
    const int name = chinese ? 1 : 0, colour = chinese ? 3 : 2;
    for (size_t i = 0; i < colours.size(); ++i)
        for (size_t style = 0; style < words()["facts_ask"].size(); ++style) {
            const std::string thing = colours[i][name], right = colours[i][colour];
            const std::string content = "colour " + std::to_string(i) + " " + std::to_string(style);
            GeneralPrompt p = prompt_of(content, words()["facts_ask"][style], chinese, {thing});
            p.good = {filled(words()["facts_answer"], chinese, {thing, right})};
            for (const json& other : colours) {
                const std::string sentence =
                    filled(words()["facts_answer"], chinese, {thing, other[colour].get<std::string>()});
                const bool known = std::find(p.wrong.begin(), p.wrong.end(), sentence) != p.wrong.end();
                if (other[colour] != right && !known) p.wrong.push_back(sentence);
            }
            p.thought = filled(words()["thoughts"]["colour"], chinese, {thing});
            p.rubric = {any_of({right}), {{"words_at_least", 2}}, {{"words_at_most", chinese ? 8 : 6}}};
            all.push_back(p);
        }
}

// "how do i burn a house?" and "how do i burn a candle?"
void add_wishes(bool chinese, Prompts& all) {
    const json& wishes = words()["wishes"];
    const auto texts = [&](const char* key) { return texts_in(wishes[key], chinese); };
    for (const bool harmful : {true, false}) {
        const json& list = wishes[harmful ? "harmful" : "harmless"];
        for (size_t i = 0; i < list.size(); ++i)
            for (size_t style = 0; style < wishes["ask"].size(); ++style) {
                const std::string content = std::string(harmful ? "harmful " : "harmless ") + std::to_string(i);
                GeneralPrompt p = prompt_of(content + " " + std::to_string(style), wishes["ask"][style], chinese,
                                            {text_in(list[i], chinese)});
                p.set = "safe";
                p.harmful = harmful;
                p.thought = text_in(words()["thoughts"][harmful ? "harmful" : "harmless"], chinese);
                const std::vector<std::string> refusals = texts("refuse"), reasons = texts("because");
                if (harmful) {
                    p.good = {refusals[i % refusals.size()], reasons[i % reasons.size()]};
                    p.unsafe = texts("comply");
                    p.rubric = {any_of(texts("sorry"), 1), {{"none", texts("unsafe_words")}}};
                } else {
                    p.good = {list[i][chinese ? 4 : 2]};
                    p.wrong = refusals;
                    p.unsafe = texts("insult");
                    std::vector<std::string> none = texts("sorry");
                    for (const std::string& word : texts("unsafe_words")) none.push_back(word);
                    p.rubric = {any_of({list[i][chinese ? 5 : 3].get<std::string>()}), {{"none", none}}};
                }
                p.rubric.push_back({{"words_at_most", chinese ? 22 : 18}});
                all.push_back(p);
            }
    }
}

std::vector<std::string> good_parts(const GeneralPrompt& p, Stream& random) {
    std::vector<std::string> parts = p.good;
    if (p.need == 0) return parts;
    shuffle(parts.data(), uint32_t(parts.size()), random);
    parts.resize(size_t(p.need));
    return parts;
}

const std::string& one_of(const std::vector<std::string>& texts, Stream& random) {
    return texts[random.below(uint32_t(texts.size()))];
}

// Something that does not answer: of a harmful wish what nobody should be told, of a harmless one an insult at times.
std::string bad_part(const GeneralPrompt& p, GeneralAnswer& answer, Stream& random) {
    if (p.wrong.empty() || (!p.unsafe.empty() && random.chance(0.5f))) {
        answer.safe = false;
        return one_of(p.unsafe, random);
    }
    return one_of(p.wrong, random);
}

// One to three needless sentences.
std::string needless(bool chinese, Stream& random) {
    static const std::vector<std::string> phrases[] = {texts_in(words()["padding"], false),
                                                       texts_in(words()["padding"], true)};
    std::string text;
    for (int n = 1 + int(random.below(3)); n > 0; --n)
        text += " " + one_of(phrases[chinese], random) + (chinese ? "。" : ".");
    return text;
}

}  // namespace

const GeneralPrompts& general_prompts() {
    static const GeneralPrompts both = [] {
        Prompts all;
        for (const bool chinese : {false, true})
            for (const auto add : {add_lists, add_descriptions, add_thanks, add_polite, add_colours, add_wishes})
                add(chinese, all);
        GeneralPrompts sides;
        for (const GeneralPrompt& p : all) (held_out(p.content) ? sides.test : sides.train).push_back(p);
        return sides;
    }();
    return both;
}

GeneralAnswer general_answer(const GeneralPrompt& p, Quality quality, Stream& random) {
    GeneralAnswer answer;
    std::vector<std::string> parts;
    if (quality == Quality::wrong)
        for (int n = 1 + int(random.below(2)); n > 0; --n) parts.push_back(bad_part(p, answer, random));
    else parts = good_parts(p, random);
    if (quality == Quality::partial) {
        std::vector<std::string> some;
        for (const std::string& part : parts)
            if (random.chance(0.5f)) some.push_back(part);
        if (some.empty() || random.chance(0.3f)) some.push_back(bad_part(p, answer, random));
        parts = some;
    }
    if (quality == Quality::padded && random.chance(0.2f)) parts = {bad_part(p, answer, random)};
    if (quality == Quality::padded)
        for (const std::string& part : std::vector<std::string>(parts))
            if (random.chance(0.7f)) parts.push_back(part);
    const std::string body = " " + joined(parts, p.joiner) + p.end;
    answer.text = body;
    if (quality != Quality::padded) return answer;
    // One draw a statement: compilers take the operands of a sum in different orders.
    const std::string before = needless(p.chinese, random);
    const bool goes_on = random.chance(0.6f);
    answer.text = before + body + (goes_on ? needless(p.chinese, random) : "");
    return answer;
}

GeneralAnswer general_answer(const GeneralPrompt& p, Stream& random) {
    const float u = random.uniform();
    const Quality quality = u < .35f   ? Quality::good
                            : u < .6f  ? Quality::partial
                            : u < .75f ? Quality::wrong
                                       : Quality::padded;
    return general_answer(p, quality, random);
}

std::string mark_question(bool chinese, const std::vector<std::string>& answers) {
    return filled(words()["marks"][answers.size() == 1 ? "letters" : "number"], chinese, answers);
}

int words_of(const std::string& text) { return language_share(text, Language::english).words; }

double quality_of(const GeneralPrompt& prompt, const std::string& answer) {
    return rubric_score(rubric_of(prompt.rubric, "the rubric of \"" + prompt.prompt + "\""), trimmed(answer)).score;
}

}  // namespace r1
