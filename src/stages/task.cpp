#include "stages/task.h"

#include <exception>
#include <map>

#include "base/check.h"
#include "base/threads.h"
#include "reward/countdown.h"
#include "reward/extract.h"

namespace r1 {

static const char* EMPTY_THINK = "<think></think>";

void check(const Task& task) {
    if (!language_named(task.language)) throw UsageError("no language named " + task.language + ", --reward-language, give en, zh, ja, ko, ru, ar, el, he, th or hi");
    if (task.repetition) check(*task.repetition);
    if (task.cosine) check(*task.cosine);
}

std::vector<int> prompt_tokens(const Task& task, const Problem& problem, const Tokenizer& tokenizer) {
    std::vector<int> tokens;
    if (tokenizer.bos >= 0) tokens.push_back(tokenizer.bos);
    const std::string prompt = problem.code ? problem.prompt : countdown_prompt(problem.numbers, problem.target, task.prompt_template);
    // The paper's template holds the tags as part of its text; a problem's own text never becomes one.
    const Tags tags = !problem.code && task.prompt_template == PromptTemplate::r1_zero ? Tags::parse : Tags::as_text;
    for (int id : tokenizer.encode(prompt, tags)) tokens.push_back(id);
    if (task.empty_think)
        for (int id : tokenizer.encode(EMPTY_THINK, Tags::parse)) tokens.push_back(id);
    return tokens;
}

// Made on the main thread, with a slot for each of the program's threads.
static Sandbox& sandbox() {
    static Sandbox one(thread_count());
    return one;
}

// An answer's program, judged once for all answers that have the same.
using Judged = std::map<std::string, CodeVerdict, std::less<>>;
static CodeVerdict judge(Judged& judged, std::string_view answer, const CodeTask& code) {
    const auto known = judged.find(answer);
    if (known != judged.end()) return known->second;
    return judged[std::string(answer)] = grade_code(sandbox(), answer, code);
}

static Graded grade(const Task& task, const Problem& problem, const Completion& completion, const Tokenizer& tokenizer, Judged& judged) {
    Graded graded;
    graded.text = (task.empty_think ? EMPTY_THINK : "") + tokenizer.decode(completion.tokens);
    const std::string& text = graded.text;
    graded.reward = rule_reward(text, completion.finished, task.weights, [&](std::string_view answer) -> Accuracy {
        if (!problem.code) {
            const Verdict v = grade_countdown(answer, problem.numbers, problem.target);
            return {v.correct ? 1.0f : 0.0f, v.reason};
        }
        const CodeVerdict v = judge(judged, answer, *problem.code);
        return {v.share, v.reason};
    });
    float& total = graded.reward.total;
    if (task.language_weight != 0) total += task.language_weight * float(language_consistency(text, *language_named(task.language)).share);
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
        if (problem->code) sandbox();         // before there are other threads
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
