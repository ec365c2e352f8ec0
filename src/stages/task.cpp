#include "stages/task.h"

#include "reward/extract.h"

namespace r1 {

static const char* EMPTY_THINK = "<think></think>";

std::vector<int> prompt_tokens(const Task& task, const Problem& problem, const Tokenizer& tokenizer) {
    std::vector<int> tokens = {tokenizer.bos};
    const std::string prompt = countdown_prompt(problem.numbers, problem.target, task.prompt_template);
    // The paper's template holds the tags as part of its text; a problem's own text never becomes one.
    const Tags tags = task.prompt_template == PromptTemplate::r1_zero ? Tags::parse : Tags::as_text;
    for (int id : tokenizer.encode(prompt, tags)) tokens.push_back(id);
    if (task.empty_think)
        for (int id : tokenizer.encode(EMPTY_THINK, Tags::parse)) tokens.push_back(id);
    return tokens;
}

Graded grade(const Task& task, const Problem& problem, const Completion& completion, const Tokenizer& tokenizer) {
    Graded graded;
    graded.text = (task.empty_think ? EMPTY_THINK : "") + tokenizer.decode(completion.tokens);
    graded.reward = countdown_reward(graded.text, completion.finished, problem.numbers, problem.target, task.weights);
    graded.reflective = reflective_words(graded.text);
    return graded;
}

}  // namespace r1
