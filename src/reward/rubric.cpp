#include "reward/rubric.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/json_stream.h"
#include "reward/extract.h"
#include "reward/language.h"

namespace r1 {

namespace {

constexpr size_t MOST_CHECKS = 100, MOST_PHRASES = 1000;

struct Name {
    const char* key;
    RubricCheck::Kind kind;
};
constexpr std::array<Name, 6> names = {{{"any", RubricCheck::any},
                                        {"none", RubricCheck::none},
                                        {"words_at_most", RubricCheck::words_at_most},
                                        {"words_at_least", RubricCheck::words_at_least},
                                        {"begins", RubricCheck::begins},
                                        {"ends", RubricCheck::ends}}};

std::string in_small_letters(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return result;
}

// ---- reading

void read_phrases(RubricCheck& check, const json& list, const char* key, const std::string& where) {
    const std::string advice = std::string("write it as {\"") + key + "\": [\"cat\", \"dog\"]}";
    if (!list.is_array() || list.empty() || list.size() > MOST_PHRASES)
        fail(std::string("\"") + key + "\" in a rubric is no list of 1 to 1000 phrases", where, advice);
    for (const json& phrase : list) {
        if (!phrase.is_string() || trimmed(phrase.get_ref<const std::string&>()).empty())
            fail("a phrase in a rubric that is no text, or an empty one", where, advice);
        const std::string text = in_small_letters(trimmed(phrase.get_ref<const std::string&>()));
        if (std::find(check.phrases.begin(), check.phrases.end(), text) != check.phrases.end())
            fail("a phrase that stands twice in a rubric's check", where, "leave one out");
        check.phrases.push_back(text);
    }
}

int read_count(const json& value, const char* key, int most, const std::string& where) {
    if (!value.is_number_integer() || value < 1 || value > most)
        fail(std::string("\"") + key + "\" in a rubric is no whole number from 1 to " + std::to_string(most), where,
             "correct it");
    return value.get<int>();
}

RubricCheck read_check(const json& object, const std::string& where) {
    const char* const advice =
        "give each check one of any, none, words_at_most, words_at_least, begins and ends, and \"weight\" or "
        "\"at_least\" if it likes";
    if (!object.is_object()) fail("a check in a rubric that is no object", where, advice);
    RubricCheck check;
    const Name* found = nullptr;
    for (const auto& [key, value] : object.items()) {
        if (key == "weight" || key == "at_least") continue;
        const auto name = std::find_if(names.begin(), names.end(), [&k = key](const Name& n) { return k == n.key; });
        if (name == names.end()) fail("a rubric that checks " + printable(key), where, advice);
        if (found) fail("two checks in one object of a rubric", where, advice);
        found = &*name;
    }
    if (!found) fail("an object in a rubric that checks nothing", where, advice);
    check.kind = found->kind;
    const bool counts_words = check.kind == RubricCheck::words_at_most || check.kind == RubricCheck::words_at_least;
    const json& value = object[found->key];
    if (counts_words) check.count = read_count(value, found->key, 1'000'000, where);
    else read_phrases(check, value, found->key, where);
    if (object.contains("at_least")) {
        if (check.kind != RubricCheck::any) fail("\"at_least\" without \"any\" in a rubric", where, advice);
        check.count = read_count(object["at_least"], "at_least", int(check.phrases.size()), where);
    }
    if (object.contains("weight")) {
        const json& weight = object["weight"];
        if (!weight.is_number() || !(weight > 0) || weight > 1'000'000)
            fail("a \"weight\" in a rubric that is no number above 0", where, "write 1, or leave it out");
        check.weight = weight.get<double>();
    }
    return check;
}

// ---- finding phrases

// Whether the character that begins at `at` belongs to a word: letters, digits and _ of ASCII, and characters of two
// bytes, which are letters of Latin with accents, Greek, Cyrillic, Hebrew and Arabic. Ideographs have three or four.
bool in_word(std::string_view text, size_t at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) return c >= 0xC3 && c <= 0xDF;
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// The beginning of the character that ends before `end`, which is above 0.
size_t character_before(std::string_view text, size_t end) {
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    return at;
}

bool begins_word(std::string_view text, std::string_view phrase, size_t at) {
    return at == 0 || !in_word(phrase, 0) || !in_word(text, character_before(text, at));
}

bool ends_word(std::string_view text, std::string_view phrase, size_t at) {
    const size_t end = at + phrase.size();
    return end == text.size() || !in_word(text, end) || !in_word(phrase, character_before(phrase, phrase.size()));
}

bool stands_in(std::string_view text, std::string_view phrase) {
    for (size_t at = text.find(phrase); at != std::string_view::npos; at = text.find(phrase, at + 1))
        if (begins_word(text, phrase, at) && ends_word(text, phrase, at)) return true;
    return false;
}

double value_of(const RubricCheck& check, std::string_view text, int words) {
    const auto stands = [&](const std::string& phrase) { return stands_in(text, phrase); };
    const auto begins = [&](const std::string& phrase) {
        return text.starts_with(phrase) && ends_word(text, phrase, 0);
    };
    const auto ends = [&](const std::string& phrase) {
        return text.ends_with(phrase) && begins_word(text, phrase, text.size() - phrase.size());
    };
    const auto& all = check.phrases;
    switch (check.kind) {
        case RubricCheck::any:
            return std::min(1.0, double(std::count_if(all.begin(), all.end(), stands)) / check.count);
        case RubricCheck::none: return std::none_of(all.begin(), all.end(), stands);
        case RubricCheck::words_at_most: return words <= check.count;
        case RubricCheck::words_at_least: return words >= check.count;
        case RubricCheck::begins: return std::any_of(all.begin(), all.end(), begins);
        case RubricCheck::ends: return std::any_of(all.begin(), all.end(), ends);
    }
    return 0;
}

}  // namespace

Rubric rubric_of(const json& list, const std::string& where) {
    if (!list.is_array() || list.empty() || list.size() > MOST_CHECKS)
        fail("\"rubric\" is no list of 1 to 100 checks", where,
             "write it as [{\"any\": [\"cat\"]}, {\"words_at_most\": 12}]");
    Rubric rubric;
    for (const json& check : list) rubric.push_back(read_check(check, where));
    return rubric;
}

RubricScore rubric_score(const Rubric& rubric, std::string_view answer) {
    const std::string text = in_small_letters(trimmed(answer));
    const int words = language_share(answer, Language::english).words;
    double sum = 0, weights = 0;
    size_t full = 0;
    for (const RubricCheck& check : rubric) {
        const double value = value_of(check, text, words);
        sum += check.weight * value;
        weights += check.weight;
        full += value == 1;
    }
    RubricScore result;
    if (weights > 0) result.score = full == rubric.size() ? 1 : sum / weights;
    const std::string count = std::to_string(rubric.size()) + " checks";
    result.reason = full == rubric.size() ? "all " + count : std::to_string(full) + " of " + count + " in full";
    return result;
}

}  // namespace r1
