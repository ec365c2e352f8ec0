// Multiple choice: a question with 2 to 26 options, of which one is right.
//
//   {"question": "...", "choices": ["Rome", "Paris"], "answer": 1}          [MMLU]      counted from 0, or "B"
//   {"question": "...", "options": ["Rome", "Paris"], "answer": "B"}        [MMLU-Pro]
//
// What is asked is the question and, on the same line, " A) Rome B) Paris".
//
// An answer is right if it is the letter or exactly the option's text. The letter of an option is never taken for the
// text of another:
//
//   B   b   B)   (B)   B.   (b).   Paris       right
//   A   (A)   Rome   paris   B) Paris   C      wrong
#include <memory>
#include <optional>

#include "tasks/problem.h"

namespace r1 {

namespace {

bool is_choice(const json& line) {
    return line.contains("question") && (line.contains("choices") || line.contains("options"));
}

// Which letter of the alphabet an answer is, from 0; none if it is something else.
std::optional<int> letter_of(std::string_view text) {
    text = trimmed(text);
    if (text.ends_with('.')) text.remove_suffix(1);
    const bool opened = text.starts_with('('), closed = text.ends_with(')');
    if (opened) text.remove_prefix(1);
    if (closed && !text.empty()) text.remove_suffix(1);
    if (text.size() != 1 || (opened && !closed)) return std::nullopt;
    if (text[0] >= 'A' && text[0] <= 'Z') return text[0] - 'A';
    if (text[0] >= 'a' && text[0] <= 'z') return text[0] - 'a';
    return std::nullopt;
}

char letter(int option) { return char('A' + option); }

struct Choice {
    std::vector<std::string> options;
    int right = 0;
};

Accuracy accuracy_of(const Choice& choice, std::string_view answer) {
    const int count = int(choice.options.size());
    int chosen = -1;
    const auto by_letter = letter_of(answer);
    if (by_letter && *by_letter < count) chosen = *by_letter;
    if (chosen < 0 && choice.options[size_t(choice.right)] == trimmed(answer)) chosen = choice.right;
    for (int i = 0; i < count && chosen < 0; ++i)
        if (choice.options[size_t(i)] == trimmed(answer)) chosen = i;
    if (chosen < 0)
        return {0, std::string("neither a letter from A to ") + letter(count - 1) + " nor an option's text"};
    const std::string said = std::string("chooses ") + letter(chosen);
    if (chosen == choice.right) return {1, said};
    return {0, said + ", not " + letter(choice.right)};
}

std::vector<std::string> read_options(const json& line, const std::string& where) {
    const char* key = line.contains("choices") ? "choices" : "options";
    const json& list = line[key];
    if (!list.is_array() || list.size() < 2 || list.size() > 26)
        fail(std::string("\"") + key + "\" is not a list of 2 to 26 options", where,
             "write it as [\"Rome\", \"Paris\"]");
    std::vector<std::string> options;
    for (const json& option : list) {
        if (!option.is_string() || trimmed(option.get_ref<const std::string&>()).empty())
            fail("an option that is no text, or an empty one", where, "write the option there");
        options.emplace_back(trimmed(option.get_ref<const std::string&>()));
    }
    return options;
}

int read_right(const json& line, int count, const std::string& where) {
    if (!line.contains("answer")) fail("no key \"answer\"", where, std::string("write ") + choice_kind.example);
    const json& answer = line["answer"];
    if (!answer.is_string() && !answer.is_number_integer())
        fail("\"answer\" is neither a letter nor a whole number", where, "write \"B\", or 1 for it");
    int64_t right = -1;
    if (answer.is_number_integer()) right = answer.get<int64_t>();
    else if (const auto by_letter = letter_of(answer.get_ref<const std::string&>())) right = *by_letter;
    if (right < 0 || right >= count)
        throw UngradableReference("an answer that is none of the " + std::to_string(count) + " options, " + where +
                                  ", correct it or leave the row out");
    return int(right);
}

Problem read_choice(const json& line, const std::string& where) {
    std::string question = question_text(line, "question", where);
    const auto choice = std::make_shared<Choice>();
    choice->options = read_options(line, where);
    const int count = int(choice->options.size());
    choice->right = read_right(line, count, where);
    for (int i = 0; i < count; ++i) question += std::string(" ") + letter(i) + ") " + choice->options[size_t(i)];
    return {&choice_kind,
            [question](PromptTemplate) { return question; },
            [choice](std::string_view answer) { return accuracy_of(*choice, answer); },
            {{"options", count}, {"reference", std::string(1, letter(choice->right))}}};
}

// The same letter, or the same text. A letter and its option's text are two votes: the options are not known here.
std::function<bool(std::string_view)> same_choice(std::string_view answer) {
    const auto by_letter = letter_of(answer);
    return [by_letter, text = std::string(trimmed(answer))](std::string_view other) {
        return by_letter ? letter_of(other) == by_letter : trimmed(other) == text;
    };
}

}  // namespace

const ProblemKind choice_kind = {
    .name = "choice",
    .example = "{\"question\": \"...\", \"choices\": [\"Rome\", \"Paris\"], \"answer\": \"B\"}",
    .recognises = is_choice,
    .read = read_choice,
    .result = "the letter of the right option",
    .chinese_result = "正确选项的字母",
    .chat_form = AnswerForm::boxed,
    .same_as = same_choice};

}  // namespace r1
