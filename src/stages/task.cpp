#include "stages/task.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>

#include "base/check.h"
#include "base/threads.h"
#include "reward/extract.h"

namespace r1 {

void check(const Task& task) {
    if (!language_named(task.language))
        throw UsageError("no language named " + task.language +
                         ", --reward-language, give en, zh, ja, ko, ru, ar, el, he, th or hi");
    if (task.repetition) check(*task.repetition);
    if (task.cosine) check(*task.cosine);
}

void use_chat_template(Task& task, const std::string& folder, const Tokenizer& tokenizer) {
    if (task.prompt_template == PromptTemplate::chat) task.chat_template = load_chat_template(folder, tokenizer);
}

// What the prompt already writes of the answer. A chat's models know the empty thought with line feeds.
static std::string opening(const Task& task) {
    if (task.prompt_template != PromptTemplate::chat || task.chat_template.family == ChatFamily::plain)
        return task.empty_think ? "<think></think>" : "";
    return task.empty_think ? "<think>\n\n</think>\n\n" : task.chat_template.opening;
}

static AnswerForm form_of(const Task& task, const Problem& problem) {
    return task.prompt_template == PromptTemplate::chat ? problem.kind->chat_form : AnswerForm::tags;
}

std::vector<int> prompt_tokens(const Task& task, const Problem& problem, const Tokenizer& tokenizer) {
    const bool chat = task.prompt_template == PromptTemplate::chat;
    std::string question = problem.kind->question(problem, task.prompt_template);
    if (chat) question += std::string("\n") + problem.kind->instruction;
    std::vector<int> tokens = encode(tokenizer, render_prompt(chat ? task.chat_template : plain_template(tokenizer),
                                                              conversation(task.prompt_template, question)));
    for (int id : tokenizer.encode(opening(task), Tags::parse)) tokens.push_back(id);
    return tokens;
}

int longest_prompt(const Task& task, const std::vector<Problem>& problems, const Tokenizer& tokenizer) {
    size_t longest = 0;
    for (const Problem& p : problems) longest = std::max(longest, prompt_tokens(task, p, tokenizer).size());
    return int(longest);
}

std::vector<Problem> load_problems(const Task& task, const std::string& path, const Tokenizer& tokenizer, int context) {
    if (stop_tokens(task, tokenizer).empty())
        fail("a tokenizer without a token for the end of an answer", "the model",
             "name it in tokenizer_config.json or generation_config.json");
    std::vector<Problem> problems = read_problems(path, task.problems);
    const size_t all = problems.size();
    std::erase_if(problems, [&](const Problem& p) { return int(prompt_tokens(task, p, tokenizer).size()) >= context; });
    if (problems.empty())
        fail("no prompt that leaves room for an answer", path,
             "the model's context is " + std::to_string(context) + " tokens: use a longer one");
    if (problems.size() < all)
        std::printf("%s: %zu of %zu problems left out: their prompts leave no room for an answer in %d tokens\n",
                    path.c_str(), all - problems.size(), all, context);
    return problems;
}

std::vector<int> stop_tokens(const Task& task, const Tokenizer& tokenizer) {
    std::vector<int> stop = tokenizer.stop;
    const int end = task.prompt_template == PromptTemplate::chat ? tokenizer.id_of(task.chat_template.end) : -1;
    if (end >= 0 && std::find(stop.begin(), stop.end(), end) == stop.end()) stop.push_back(end);
    return stop;
}

// An answer, judged once for all responses that give the same.
using Judged = std::map<std::string, Accuracy, std::less<>>;
static Accuracy judge(Judged& judged, std::string_view answer, const Problem& problem) {
    const auto known = judged.find(answer);
    if (known != judged.end()) return known->second;
    return judged[std::string(answer)] = problem.kind->grade(problem, answer);
}

static Graded grade(const Task& task, const Problem& problem, const Completion& completion, const Tokenizer& tokenizer,
                    Judged& judged) {
    Graded graded;
    graded.text = opening(task) + tokenizer.decode(completion.tokens);
    const std::string& text = graded.text;
    graded.reward = rule_reward(text, completion.finished, task.weights, [&](std::string_view answer) {
        graded.answer = std::string(answer);
        return judge(judged, answer, problem);
    }, false, form_of(task, problem));
    float& total = graded.reward.total;
    if (task.language_weight != 0)
        total += task.language_weight * float(language_consistency(text, *language_named(task.language)).share);
    if (task.repetition) total += float(repetition_reward(completion.tokens, *task.repetition));
    if (task.cosine) {
        const float right = task.weights.accuracy_weight * graded.reward.accuracy;
        total += float(cosine_reward(graded.reward.accuracy == 1, int(completion.tokens.size()), *task.cosine)) - right;
    }
    graded.reflective = reflective_words(text);
    return graded;
}

std::vector<std::vector<Graded>> grade(const Task& task, const std::vector<const Problem*>& problems,
                                       const std::vector<std::vector<Completion>>& completions, const Tokenizer& tokenizer) {
    std::vector<std::vector<Graded>> graded(completions.size());
    for (const Problem* problem : problems)
        if (problem->kind->prepare) problem->kind->prepare();
    std::exception_ptr failure;
    parallel_for(int64_t(completions.size()), [&](int64_t i) {
        try {
            Judged judged;
            for (const Completion& c : completions[i]) graded[i].push_back(grade(task, *problems[i], c, tokenizer, judged));
        } catch (...) {
#pragma omp critical(grade_failure)
            failure = std::current_exception();
        }
    });
    if (failure) std::rethrow_exception(failure);
    return graded;
}

}  // namespace r1
