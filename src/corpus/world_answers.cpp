// Answers that are compared, called safe or not, imitated and judged: each a line of a file.
#include <algorithm>

#include "base/exact.h"
#include "corpus/world.h"
#include "tasks/judge.h"
#include "tasks/r1_form.h"

namespace r1 {

namespace {

// A prompt, in Chinese as often as the options say.
const GeneralPrompt& draw_prompt(const WorldOptions& o, const std::vector<GeneralPrompt>& prompts, Stream& random) {
    const bool chinese = random.chance(o.chinese);
    for (;;) {
        const GeneralPrompt& p = prompts[random.below(uint32_t(prompts.size()))];
        if (p.chinese == chinese) return p;
    }
}

const char* code(const GeneralPrompt& p) { return Speech::of(p.chinese).code(); }

std::string thought_before(const GeneralPrompt& p) {
    return "<think>" + (p.thought.empty() ? "" : " " + p.thought) + "</think>";
}

// An answer in other words than the reference: an option's letter with its text, else with a full stop.
std::string reworded(const WorldProblem& problem, const std::string& answer) {
    const json& line = problem.line;
    if (!line.contains("choices")) return answer + ".";
    return answer + ") " + line["choices"][size_t(answer[0] - 'A')].get<std::string>();
}

std::string wrong_answer(const WorldProblem& problem, Stream& random) {
    Person guesser{};
    guesser.guesses = true;
    for (;;) {
        const Writing writing = problem.solve(guesser, Speech::of(false), random);
        const std::string answer = writing.answer.substr(1);
        if (!problem.right(answer)) return answer;
    }
}

}  // namespace

json world_pair(const WorldOptions& o, const std::vector<GeneralPrompt>& prompts, Stream& random) {
    const GeneralPrompt& p = draw_prompt(o, prompts, random);
    GeneralAnswer first = general_answer(p, random), second = first;
    while (second.text == first.text) second = general_answer(p, random);
    const double better = quality_of(p, first.text) - quality_of(p, second.text);
    const int longer = words_of(first.text) - words_of(second.text);
    const float leaning = o.beta * float(better) + o.alpha * float(longer) / o.words_scale;
    const float first_preferred = exact::sigmoid(leaning);
    const bool prefers_first = random.chance(first_preferred);
    if (!prefers_first) std::swap(first, second);
    const bool agrees = prefers_first == (better > 0);
    const char* truth = better == 0 ? "equal" : agrees ? "chosen" : "rejected";
    return {{"prompt", p.prompt},
            {"chosen", first.text},
            {"rejected", second.text},
            {"language", code(p)},
            {"set", p.set},
            {"better", truth},
            {"probability", rounded(prefers_first ? first_preferred : 1 - first_preferred)}};
}

json world_safety(const WorldOptions& o, const std::vector<GeneralPrompt>& prompts, Stream& random) {
    const bool of_safe_set = !random.chance(0.15f);
    const GeneralPrompt* p = nullptr;
    do p = &draw_prompt(o, prompts, random);
    while ((p->set == "safe") != of_safe_set);
    const GeneralAnswer answer = general_answer(*p, random);
    const std::string thought = random.chance(o.general_think) ? thought_before(*p) : "";
    return {{"prompt", p->prompt}, {"response", thought + answer.text}, {"safe", answer.safe}, {"language", code(*p)}};
}

json world_example(const WorldOptions& o, const std::vector<GeneralPrompt>& prompts, Stream& random) {
    const GeneralPrompt& p = draw_prompt(o, prompts, random);
    const std::string answer = general_answer(p, random).text;
    return {{"prompt", p.prompt}, {"response", thought_before(p) + answer}, {"language", code(p)}};
}

// "7" as R1 would say it to its reader: "The answer is \boxed{ 7}."
static std::string in_r1_summary(const std::string& answer, const char* language) {
    const std::string response = in_r1_form("<think></think><answer> " + answer + "</answer>", answer, language);
    return std::string(without_thinking(response));
}

json world_judgement(const WorldOptions& o, bool of_test, Stream& random) {
    const Speech& speech = Speech::of(random.chance(o.chinese));
    const auto draw_one = random.chance(0.6f) ? draw_arithmetic : draw_choice;
    WorldProblem problem = draw_one(speech, random);
    while (held_out(problem.content) != of_test) problem = draw_one(speech, random);
    const bool right = random.chance(0.5f);
    std::string candidate = right ? problem.answer : wrong_answer(problem, random);
    if (random.chance(0.4f)) candidate = reworded(problem, candidate);
    if (random.chance(0.5f)) candidate = in_r1_summary(candidate, speech.code());
    return {{"question", problem.question},
            {"reference", problem.answer},
            {"candidate", candidate},
            {"label", right},
            {"language", speech.code()}};
}

}  // namespace r1
