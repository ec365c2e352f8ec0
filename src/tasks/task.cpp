#include "tasks/task.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/check.h"

namespace r1 {

// ---- options

static std::vector<double> numbers_of(const char* name, const std::string& text, size_t count) {
    std::vector<double> numbers;
    std::istringstream words(text);
    for (std::string word; words >> word;)  // the first is a count
        numbers.push_back(number_of(name, word, between(-1e6, 1e6), numbers.empty()));
    if (numbers.size() != count)
        throw UsageError(std::to_string(numbers.size()) + " numbers, " + name + ", give " + std::to_string(count));
    return numbers;
}

static std::string text_of_numbers(std::initializer_list<double> numbers) {
    std::string text;
    for (const double number : numbers) text += (text.empty() ? "" : " ") + number_text(number);
    return text;
}

static Option repetition_option(std::optional<Repetition>& repetition) {
    const char* const name = "--repetition";
    const auto write = [&repetition, name](const std::string& text) {
        const std::vector<double> v = numbers_of(name, text, 2);
        repetition = Repetition{int(v[0]), v[1]};
    };
    const auto read = [&repetition] {
        return repetition ? text_of_numbers({double(repetition->n), repetition->most}) : std::string();
    };
    Option option{name, "N MOST: added to the reward: -MOST times the share of repeated N-grams of tokens", write,
                  read};
    option.values = 2;
    return option;
}

static Option cosine_option(std::optional<CosineReward>& cosine) {
    const char* const name = "--cosine";
    const auto write = [&cosine, name](const std::string& text) {
        const std::vector<double> v = numbers_of(name, text, 6);
        cosine = CosineReward{int(v[0]), v[1], v[2], v[3], v[4], v[5]};
    };
    const auto read = [&cosine] {
        if (!cosine) return std::string();
        const CosineReward& c = *cosine;
        return text_of_numbers({double(c.limit), c.right_short, c.right_long, c.wrong_short, c.wrong_long, c.exceeded});
    };
    Option option{name,
                  "LIMIT RIGHT_SHORT RIGHT_LONG WRONG_SHORT WRONG_LONG EXCEEDED: a reward by length, in place of "
                  "--accuracy-weight",
                  write, read};
    option.values = 6;
    return option;
}

OptionTable table_of(TaskOptions& o) {
    OptionTable table;
    std::vector<std::string> tasks = kind_names();
    tasks.insert(tasks.begin(), "auto");
    table.word("--task", o.problems.task, tasks,
               "the kind that every problem must be of; auto: told by each line's keys");
    table.flag("--refuse-ungradable", o.problems.refuse_ungradable,
               "stop at a problem whose reference cannot be graded; default: leave it out, and say so");
    table.choice("--template", o.prompt_template, TEMPLATE_NAMES, "r1-zero is the paper's, chat the model's own");
    table.flag("--empty-think", o.empty_think, "control: the prompt ends in <think></think>, which leaves guessing");
    table.choice(
        "--answer-form", o.answer_form,
        {{"auto", AnswerFormOption::automatic}, {"tags", AnswerFormOption::tags}, {"boxed", AnswerFormOption::boxed}},
        "where answers are looked for: in <answer> tags, or in a \\boxed{} after the thinking; auto: in the box in "
        "a chat about mathematics or choices, else in the tags");
    table.number("--accuracy-weight", o.weights.accuracy_weight, between(-1e6, 1e6), "reward of a right answer");
    table.number("--format-weight", o.weights.format_weight, between(-1e6, 1e6), "reward of the format");
    table.flag("--accuracy-needs-format", o.weights.accuracy_needs_format, "a right answer counts only in good form");
    table.number("--language-weight", o.language_weight, between(-1e6, 1e6),
                 "added to the reward: this times the share of the reasoning in --reward-language");
    table.word("--reward-language", o.language, {"en", "zh", "ja", "ko", "ru", "ar", "el", "he", "th", "hi"},
               "the language that --language-weight rewards where a prompt has no \"language\"");
    table.add(repetition_option(o.repetition));
    table.add(cosine_option(o.cosine));
    table.add(table_of(o.preference));
    return table;
}

void check(const TaskOptions& o) {
    if (o.repetition) check(*o.repetition);
    if (o.cosine) check(*o.cosine);
}

// ---- prompts

Task make_task(const TaskOptions& options, const std::string& folder, const Tokenizer& tokenizer) {
    Task task{options, &tokenizer, plain_template(tokenizer), tokenizer.stop};
    if (options.prompt_template == PromptTemplate::chat) {
        task.chat = load_chat_template(folder, tokenizer);
        const int end = tokenizer.id_of(task.chat.end);
        if (end >= 0 && std::find(task.stop.begin(), task.stop.end(), end) == task.stop.end()) task.stop.push_back(end);
    }
    if (task.stop.empty())
        fail("a tokenizer without a token for the end of an answer", folder,
             "name it in tokenizer_config.json or generation_config.json");
    return task;
}

AnswerForm form_of(const Task& task, const Problem& problem) {
    if (problem.kind->chat_form == AnswerForm::summary) return AnswerForm::summary;
    if (task.options.answer_form == AnswerFormOption::tags) return AnswerForm::tags;
    if (task.options.answer_form == AnswerFormOption::boxed) return AnswerForm::boxed;
    return task.options.prompt_template == PromptTemplate::chat ? problem.kind->chat_form : AnswerForm::tags;
}

std::string language_of(const Task& task, const Problem& problem) {
    return problem.language.empty() ? task.options.language : problem.language;
}

// A chat's models know the empty thought with line feeds.
std::string opening(const Task& task) {
    const bool empty = task.options.empty_think;
    if (task.options.prompt_template != PromptTemplate::chat || task.chat.family == ChatFamily::plain)
        return empty ? "<think></think>" : "";
    return empty ? "<think>\n\n</think>\n\n" : task.chat.opening;
}

std::vector<int> question_tokens(const Task& task, const std::string& question) {
    const std::vector<Message> messages = conversation(task.options.prompt_template, question);
    std::vector<int> tokens = encode(*task.tokenizer, render_prompt(task.chat, messages));
    for (int id : task.tokenizer->encode(opening(task), Tags::parse)) tokens.push_back(id);
    return tokens;
}

std::vector<int> prompt_tokens(const Task& task, const Problem& problem) {
    const PromptTemplate prompt_template = task.options.prompt_template;
    std::string question = problem.question(prompt_template);
    const bool chinese = problem.language == "zh";
    const std::string instruction = answer_instruction(
        form_of(task, problem), chinese ? problem.kind->chinese_result : problem.kind->result, chinese);
    if (prompt_template == PromptTemplate::chat && !instruction.empty()) question += "\n" + instruction;
    return question_tokens(task, question);
}

std::vector<Question> read_questions(const Task& task, const std::string& path, int context) {
    std::vector<Question> questions;
    std::vector<Problem> problems = read_problems(path, task.options.problems);
    for (Problem& problem : problems) {
        std::vector<int> prompt = prompt_tokens(task, problem);
        if (int(prompt.size()) < context) questions.push_back({std::move(problem), std::move(prompt)});
    }
    if (questions.empty())
        fail("no prompt that leaves room for an answer", path,
             "the model's context is " + std::to_string(context) + " tokens: use a longer one");
    if (questions.size() < problems.size())
        std::printf("%s: %zu of %zu problems left out: their prompts leave no room for an answer in %d tokens\n",
                    path.c_str(), problems.size() - questions.size(), problems.size(), context);
    return questions;
}

int longest_prompt(const std::vector<Question>& questions) {
    size_t longest = 0;
    for (const Question& q : questions) longest = std::max(longest, q.prompt.size());
    return int(longest);
}

}  // namespace r1
