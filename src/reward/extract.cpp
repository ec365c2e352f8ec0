#include "reward/extract.h"

#include <algorithm>
#include <array>

#include "reward/mathematics/grade.h"

namespace r1 {

static constexpr size_t none = std::string_view::npos;

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == none) return text.substr(0, 0);
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::string_view> extract_tagged(std::string_view text) {
    constexpr std::string_view opening = "<answer>", closing = "</answer>";
    const size_t end = text.rfind(closing);
    if (end == none) return std::nullopt;
    const std::string_view before = text.substr(0, end);
    const size_t begin = before.rfind(opening);
    if (begin == none) return std::nullopt;
    return trimmed(before.substr(begin + opening.size()));
}

std::optional<std::string_view> extract_answer(std::string_view response, AnswerForm form) {
    constexpr std::string_view thought = "</think>";
    const size_t thought_at = response.rfind(thought);
    if (thought_at == none) {
        if (form == AnswerForm::tags || response.find("<think>") != none) return std::nullopt;
        return form == AnswerForm::boxed ? extract_boxed(response) : trimmed(response);
    }
    const std::string_view text = response.substr(thought_at + thought.size());
    if (form == AnswerForm::boxed) return extract_boxed(text);
    if (form == AnswerForm::summary) return trimmed(text);
    return extract_tagged(text);
}

bool format_ok(std::string_view response, std::string* reason, bool think_opened, AnswerForm form) {
    const auto refuse = [&](const std::string& why) {
        if (reason) *reason = why;
        return false;
    };
    constexpr std::array<std::string_view, 4> tags = {"<think>", "</think>", "<answer>", "</answer>"};
    std::array<size_t, 4> begin{}, end{};  // where each tag stands; an opened <think> stands before the text
    const size_t needed = form == AnswerForm::tags ? 4 : 2;
    for (size_t i = 0; i < needed; ++i) {
        const std::string tag(tags[i]);
        const size_t at = response.find(tags[i]);
        if (i == 0 && think_opened) {
            if (at != none) return refuse("<think> again, though the prompt has opened it");
            continue;
        }
        if (at == none) return refuse(tag + " is missing");
        begin[i] = at, end[i] = at + tag.size();
        if (response.find(tags[i], end[i]) != none) return refuse(tag + " more than once");
    }
    for (size_t i = 1; i < needed; ++i)
        if (begin[i] < end[i - 1]) return refuse("the tags are not in order");
    const auto blank = [&](size_t from, size_t to) { return trimmed(response.substr(from, to - from)).empty(); };
    if (!blank(0, begin[0])) return refuse("text before <think>");
    if (form == AnswerForm::boxed) {
        const auto box = extract_boxed(response.substr(end[1]));
        if (!box) return refuse("no box after </think>");
        return !box->empty() || refuse("the answer is empty");
    }
    if (form == AnswerForm::summary) return !blank(end[1], response.size()) || refuse("the summary is empty");
    if (!blank(end[1], begin[2])) return refuse("text between </think> and <answer>");
    if (!blank(end[3], response.size())) return refuse("text after </answer>");
    if (blank(end[2], begin[3])) return refuse("the answer is empty");
    return true;
}

static int english_reflective_words(std::string_view text) {
    constexpr std::array<std::string_view, 10> list = {"wait",   "mistake", "however", "but",      "retry",
                                                       "error",  "verify",  "wrong",   "evaluate", "check"};
    // ASCII by hand: the locale has no say. Bytes of other scripts' letters belong to the word that they stand in.
    const auto in_word = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
    };
    int count = 0;
    std::string word;
    for (size_t i = 0; i <= text.size(); ++i) {
        unsigned char c = i < text.size() ? static_cast<unsigned char>(text[i]) : ' ';
        if (c >= 'A' && c <= 'Z') c = static_cast<unsigned char>(c - 'A' + 'a');
        if (in_word(c)) {
            if (word.size() < 16) word += static_cast<char>(c);  // longer than any in the list
            continue;
        }
        count += std::find(list.begin(), list.end(), word) != list.end();
        word.clear();
    }
    return count;
}

static bool starts_as_letter(std::string_view text) {
    if (text.empty()) return false;
    const auto c = static_cast<unsigned char>(text[0]);
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    // Of Chinese texts: ideographs are letters, and general, ideographic and full-width punctuation is none.
    return !(c == 0xE2 || text.starts_with("\xE3\x80") || text.starts_with("\xEF\xBC"));
}

static int chinese_reflective_words(std::string_view text) {
    struct Word {
        std::string_view text;
        bool counts;
    };
    constexpr std::array<Word, 14> list = {{{"等一下", true}, {"等等", true}, {"错误", true}, {"但是", true},
                                            {"不过", true},   {"然而", true}, {"重试", true}, {"重新", true},
                                            {"检查", true},   {"验证", true}, {"核对", true}, {"不错", false},
                                            {"没错", false},  {"错", true}}};
    constexpr std::string_view lone = "等";
    int count = 0;
    bool behind_letter = false;
    for (size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        const auto stands_here = [&](const Word& word) { return rest.starts_with(word.text); };
        const auto word = std::find_if(list.begin(), list.end(), stands_here);  // the longer ones come first
        size_t bytes = word != list.end() ? word->text.size() : 1;
        if (word != list.end()) count += word->counts;
        else if (!behind_letter && rest.starts_with(lone)) count += !starts_as_letter(rest.substr(lone.size()));
        if (word == list.end())
            while (at + bytes < text.size() && (static_cast<unsigned char>(text[at + bytes]) & 0xC0) == 0x80) ++bytes;
        behind_letter = starts_as_letter(rest);
        at += bytes;
    }
    return count;
}

int reflective_words(std::string_view text) {
    return english_reflective_words(text) + chinese_reflective_words(text);
}

}  // namespace r1
