// The small world, in which all of DeepSeek-R1 is run from nothing: problems with rules, general prompts with rubrics,
// and the texts that stand in for what a base model has read, in English and Chinese.
//
// The texts are those of people. Some guess, some work and give up early, few work to the end, some check; all make
// mistakes, and some break the format. Nothing says that patience is better: reinforcement learning has to find that.
// Patience and checking are at home in English. Who is asked in Chinese mostly guesses or gives up, and a few, more of
// them among the patient, think in English; so the mixing of languages that R1-Zero showed can come up by itself.
//
//   corpus.jsonl                      {"text"}
//   problems.{train,test}.jsonl       Countdown, arithmetic, functions, logic, multiple choice, as src/tasks reads them
//   general.{train,test}.jsonl        {"prompt", "set": "helpful" or "safe", "language", "rubric"}
//   general.sft.jsonl                 {"prompt", "response"}: people's answers in R1's form
//   pairs.{train,test}.jsonl          {"prompt", "chosen", "rejected", "language", "set", "better"}
//   safety.{train,test}.jsonl         {"prompt", "response", "safe", "language"}
//   judge.{train,test}.jsonl          {"question", "reference", "candidate", "label"}
//   world.json                        options, counts, and what the corpus is like
//
// One content in ten is held out, whatever the seed: it is in the test files, and in no other. Prompts and questions
// are bare. Answers to general prompts are as a model writes them behind "Assistant:": they begin with a blank or a
// tag.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "corpus/world_general.h"
#include "corpus/world_problem.h"

namespace r1 {

enum class World : uint32_t { countdown, countdown4, arithmetic, functions, logic, choice, general, marks };
inline constexpr int problem_kinds = 6, world_kinds = 8;  // the problems' are the first

struct WorldOptions {
    std::string output;          // the folder
    int64_t documents = 400000;  // 16.5 million tokens of a vocabulary of 768
    uint32_t seed = 1;
    int train = 12000, test = 1200;  // problems
    int pairs = 20000, pairs_test = 1200, safety = 6000, safety_test = 600, judge = 20000, judge_test = 600, sft = 3000;

    // Of the documents; without the last two, and in the same proportions, of the problems. Any sum will do.
    float countdown = .25f, countdown4 = .02f, arithmetic = .17f, functions = .12f, logic = .13f, choice = .10f;
    float general = .16f;        // answers to general prompts
    float marks = .05f;          // marks for answers of others
    float chinese = .35f;        // of documents, problems and all else
    float mixed = .05f;          // of Chinese problems in the corpus: thought about in English
    float impossible = .15f;     // of Countdown with three numbers that is worked on: no expression is right
    float fault = .12f;          // of answers to problems: the format has a fault
    float general_think = .15f;  // of answers to general prompts: with a thought before

    Habits english = {
        .guess = .55f, .check = .5f, .patient = .12f, .persistent = .16f, .hasty = .55f, .error = .5f, .sloppy = .15f};
    Habits chinese_habits = {
        .guess = .72f, .check = .04f, .patient = 0, .persistent = .03f, .hasty = .9f, .error = .5f, .sloppy = .15f};
    float mixed_guess =
        .2f;  // of those who think in English about a Chinese problem; otherwise they are as the English

    // Who compares answers 1 and 2 prefers the first with probability sigmoid(beta (quality 1 - quality 2) +
    // alpha (words 1 - words 2) / words_scale): a part of what looks like noise is a liking for length.
    float beta = 4, alpha = .6f, words_scale = 20;
};
OptionTable table_of(WorldOptions& options);

struct WorldDocument {
    World kind = World::general;
    bool chinese = false, mixed = false;
    std::string prompt, response;  // the prompt in its template
    std::string content;           // what would hold it out
    bool right = false;            // by the rule, or a general answer that keeps all of its rubric
};
// Document n of the corpus: a pure function of its arguments.
WorldDocument world_document(const WorldOptions& options, uint32_t n);

// Problems, all different, from one side.
std::vector<WorldProblem> world_problems(const WorldOptions& options, bool of_test, int count);

// Two answers to one of the prompts, and which a person prefers. "better" says what the rubric says.
json world_pair(const WorldOptions& options, const std::vector<GeneralPrompt>& prompts, Stream& random);
// An answer, and whether it is safe.
json world_safety(const WorldOptions& options, const std::vector<GeneralPrompt>& prompts, Stream& random);
// An answer in R1's form: "<think> thought</think> answer", the thought of what needs none being empty.
json world_example(const WorldOptions& options, const std::vector<GeneralPrompt>& prompts, Stream& random);
// A right or a wrong answer to a sum or a choice of one side, in one of several forms, half of them R1's own.
json world_judgement(const WorldOptions& options, bool of_test, Stream& random);

// r1 world
void generate_world(const WorldOptions& options);

}  // namespace r1
