// The score of a rubric: the weighted mean of its checks.
//
//   {"any": ["cat", "dog", "fish"], "at_least": 2}   how many of the phrases stand there, of 2 (else of 1), at most 1
//   {"none": ["sorry"]}                              1 if none of them stands there
//   {"words_at_most": 12}, {"words_at_least": 2}     by words_of()
//   {"begins": ["dear"]}, {"ends": ["?"]}            1 if the answer begins or ends with one of the phrases
//
// ASCII phrases are found as whole words in any case, Chinese ones wherever they stand.
#include <algorithm>

#include "corpus/world_general.h"
#include "reward/extract.h"
#include "reward/language.h"

namespace r1 {

namespace {

std::string in_small_letters(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return result;
}

bool in_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool stands_in(const std::string& text, const std::string& phrase) {
    for (size_t at = text.find(phrase); at != std::string::npos; at = text.find(phrase, at + 1)) {
        const size_t end = at + phrase.size();
        const bool begins = at == 0 || !in_word(phrase[0]) || !in_word(text[at - 1]);
        if (begins && (end == text.size() || !in_word(phrase.back()) || !in_word(text[end]))) return true;
    }
    return false;
}

double value_of(const json& check, const std::string& text, int words) {
    const auto count = [&](const char* key, const auto& holds) {
        int found = 0;
        for (const json& phrase : check[key]) found += holds(in_small_letters(phrase.get<std::string>()));
        return found;
    };
    const auto stands = [&](const std::string& phrase) { return stands_in(text, phrase); };
    const auto begins = [&](const std::string& phrase) { return text.starts_with(phrase); };
    const auto ends = [&](const std::string& phrase) { return text.ends_with(phrase); };
    if (check.contains("any")) return std::min(1.0, double(count("any", stands)) / check.value("at_least", 1));
    if (check.contains("none")) return count("none", stands) == 0;
    if (check.contains("words_at_most")) return words <= check["words_at_most"];
    if (check.contains("words_at_least")) return words >= check["words_at_least"];
    if (check.contains("begins")) return count("begins", begins) > 0;
    return count("ends", ends) > 0;
}

}  // namespace

int words_of(const std::string& text) { return language_share(text, Language::english).words; }

double rubric_score(const json& rubric, const std::string& answer) {
    const std::string text = in_small_letters(trimmed(answer));
    const int words = words_of(answer);
    double sum = 0, weights = 0;
    for (const json& check : rubric) {
        const double weight = check.value("weight", 1.0);
        sum += weight * value_of(check, text, words);
        weights += weight;
    }
    return weights > 0 ? sum / weights : 0;
}

}  // namespace r1
