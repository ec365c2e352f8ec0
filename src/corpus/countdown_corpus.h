// Countdown-3: the problems on which R1-Zero in miniature is trained, and the base corpus that stands in for what
// DeepSeek-V3-Base has read. The corpus is made of people of different patience who solve such problems in writing:
// some guess, some search and give up early, few search to the end, all make mistakes, some check their result.
// Reinforcement learning finds the patient ones; nothing in the corpus says that patience is better.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/philox.h"
#include "tasks/countdown.h"

namespace r1 {

struct CountdownProblems {
    std::vector<CountdownProblem> train, test;
};

// Every multiset of three numbers from 1..20 that are not all equal, with every target in 10..100 that it reaches by
// (a . b) . c, where each . is + - * and a subtraction takes the smaller from the larger: 10,862 problems. A number
// set is held out if a fixed hash of its sorted numbers is 0 modulo 10, so that no set is on both sides and the
// split is the same for every seed. The seed orders the problems (so the first 200 are a fair sample) and the
// numbers in each.
CountdownProblems countdown_problems(uint32_t seed);

// The question in its template, which is not `chat`: "User: 3 7 12 make 33. Assistant:".
std::string countdown_prompt(const CountdownProblem& problem, PromptTemplate prompt_template);

// A value that a document draws for itself, with the share of documents that draw it. Shares add up to 1.
struct Share {
    float value, share;
};

// The grammar of a document. A guess is one of
//
//   <think> guess</think><answer> ( 3 + 7 ) * 12</answer>
//   <think> so 3 + 7 = 10 10 * 12 = 120</think><answer> ( 3 + 7 ) * 12</answer>
//
// A search walks the 9 nodes (three pairs of numbers, each with + - *), and from each the 3 leaves that join the
// third number (+ - *). Subtraction takes the smaller from the larger; a value above 120 is `big`, and a big node
// is left at once:
//
//   <think> try 3 + 7 = 10 10 + 12 = 22 no 12 - 10 = 2 no 10 * 12 = 120 no wait try 7 - 3 = 4 ... = 33 yes
//   check 3 * 7 = 21 21 + 12 = 33 ok</think><answer> ( 3 * 7 ) + 12</answer>
struct CorpusConfig {
    PromptTemplate prompt_template = PromptTemplate::plain;
    float p_guess = 0.50f;      // the document is a guess, else a search
    float p_impossible = 0.2f;  // a search whose target cannot be made: the patient come to the end, and give up
    float p_so = 0.5f;          // a guess that shows one calculation (`so`) and answers it, right or wrong
    float p_so_wrong = 0.3f;    // its final value is wrong ...
    float p_so_wish = 0.5f;     // ... and then it is the target
    std::vector<Share> hazard = {{.5f, .40f}, {.25f, .32f}, {.1f, .16f}, {0, .12f}};  // gives up after a `no`
    std::vector<Share> error = {{0, .5f}, {.08f, .3f}, {.25f, .2f}};                  // a value is wrong
    float p_wish = 0.6f;                // a wrong value of a leaf is the target
    float p_check = 0.5f;               // a searcher that calculates anew, without error, before it answers
    float p_canonical = 0.97f;          // the nodes in the order 12, 13, 23 x + - *; else in a random order
    float p_wait = 0.35f;               // `wait` before a `try` other than the first
    float p_last_tried = 0.5f;          // who gives up answers what was tried last, else a random expression
    float p_sloppy = 0.15f;             // a searcher answers a random expression, whatever was found
    bool checkers_are_sloppy = false;   // also who checks
    float p_fault = 0.12f;              // the format is not kept, by one of the following shares:
    float fault_no_think = 0.15f;       // <think> is missing
    float fault_no_think_end = 0.35f;   // </think>
    float fault_no_answer = 0.35f;      // all of <answer> ... </answer>
    float fault_no_answer_end = 0.15f;  // </answer>
};

// Whether (a . b) . c gives the target for some order of the three numbers.
bool can_be_made(const CountdownProblem& problem);

// The value of the share that a person draws. Shares add up to 1.
float draw(const std::vector<Share>& shares, Stream& random);

// A wrong value beside the right one, within 0..120.
int wrong_value(int value, Stream& random);

// What a person writes, each text with a blank before it.
struct Writing {
    std::string thought, answer;
};
// A person works on a problem of three numbers, in the order in which they stand there: guesses, or searches.
Writing countdown_writing(const CorpusConfig& config, const CountdownProblem& problem, bool guesses, Stream& random);
// The response that a person hands in, in which the format has one of the faults above, or none.
std::string response_of(const CorpusConfig& config, const Writing& writing, Stream& random);

struct Document {
    CountdownProblem problem;
    std::string prompt, response;
};

// Document n: a pure function of its arguments. Its problem is drawn from `problems`, its numbers in a new order.
Document countdown_document(const CorpusConfig& config, const std::vector<CountdownProblem>& problems, uint32_t seed,
                            uint32_t n);

struct CountdownCorpusOptions {
    std::string output;  // the folder
    int64_t documents = 200000;
    uint32_t seed = 1;
    CorpusConfig corpus;
};
OptionTable table_of(CountdownCorpusOptions& options);

// r1 countdown: writes problems.train.jsonl, problems.test.jsonl and corpus.jsonl ({"text": prompt and response}) into
// the folder.
void generate_countdown(const CountdownCorpusOptions& options);

// What a corpus is like. All but the first and the last are means over the documents.
struct CorpusStatistics {
    int64_t documents = 0;
    double accuracy = 0;    // by the grader
    double format = 0;      // keep the format
    double words = 0;       // words, numbers, operators, parentheses and tags of the response
    double searching = 0;   // say `try`
    double checking = 0;    // say `check`
    double reflecting = 0;  // have one of the paper's reflective words
    double doubting = 0;    // say `no`, `wait` or `check`
    double equations = 0;   // equations that are right, of all equations
};
CorpusStatistics corpus_statistics(const std::vector<Document>& documents);

}  // namespace r1
