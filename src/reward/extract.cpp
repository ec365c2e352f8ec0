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

std::optional<std::string_view> extract_answer(std::string_view response, AnswerForm form) {
    constexpr std::string_view thought = "</think>", opening = "<answer>", closing = "</answer>";
    const size_t thought_at = response.rfind(thought);
    if (thought_at == none) {
        if (form == AnswerForm::tags || response.find("<think>") != none) return std::nullopt;
        return extract_boxed(response);
    }
    const std::string_view text = response.substr(thought_at + thought.size());
    if (form == AnswerForm::boxed) return extract_boxed(text);
    const size_t end = text.rfind(closing);
    if (end == none) return std::nullopt;
    const std::string_view before = text.substr(0, end);
    const size_t begin = before.rfind(opening);
    if (begin == none) return std::nullopt;
    return trimmed(before.substr(begin + opening.size()));
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
    if (!blank(end[1], begin[2])) return refuse("text between </think> and <answer>");
    if (!blank(end[3], response.size())) return refuse("text after </answer>");
    if (blank(end[2], begin[3])) return refuse("the answer is empty");
    return true;
}

int reflective_words(std::string_view text) {
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

}  // namespace r1
