#include "corpus/countdown_corpus.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "base/threads.h"
#include "reward/extract.h"
#include "reward/reward.h"

namespace r1 {

namespace {

constexpr int big = 120;  // no target and no step towards one is larger
constexpr int nodes = 9, leaves = 3, expressions = nodes * leaves;
constexpr char operations[] = {'+', '-', '*'};

enum Fault { no_fault, no_think, no_think_end, no_answer, no_answer_end };

int apply(char operation, int x, int y) { return operation == '+' ? x + y : operation == '-' ? x - y : x * y; }

// x operation y, the operands exchanged where a subtraction would go below 0.
struct Operation {
    Operation(int left, char sign, int right) : x(left), y(right), sign(sign) {
        exchanged = sign == '-' && x < y;
        if (exchanged) std::swap(x, y);
    }
    int value() const { return apply(sign, x, y); }
    int x, y;
    char sign;
    bool exchanged;
};

// Leaf k of the 27: node k / 3 is the first operation, k % 3 the sign that joins the third number.
struct Leaf {
    Leaf(const std::vector<int>& n, int k)
        : first(n[k < 18 ? 0 : 1], operations[k / leaves % 3], n[k < 9 ? 1 : 2]), third(n[k < 9    ? 2
                                                                                          : k < 18 ? 1
                                                                                                   : 0]),
          sign(operations[k % leaves]) {}
    // The second operation, for whoever takes m to be the value of the first.
    Operation second(int m) const { return {m, sign, third}; }
    int value() const { return second(first.value()).value(); }

    Operation first;
    int third;
    char sign;
};

// " ( 7 - 3 ) * 12", or " 12 - ( 7 - 3 )" for whoever takes m = 7 - 3 to be less than 12.
std::string expression(const Leaf& leaf, int m) {
    const Operation& f = leaf.first;
    const std::string inner = " ( " + std::to_string(f.x) + " " + f.sign + " " + std::to_string(f.y) + " )";
    const std::string third = " " + std::to_string(leaf.third), sign = std::string(" ") + leaf.sign;
    return leaf.second(m).exchanged ? third + sign + inner : inner + sign + third;
}

std::string expression(const Leaf& leaf) { return expression(leaf, leaf.first.value()); }

// " 7 - 3 = 4"
std::string equation(const Operation& operation, int value) {
    return " " + std::to_string(operation.x) + " " + operation.sign + " " + std::to_string(operation.y) + " = " +
           (value > big ? "big" : std::to_string(value));
}

Writing guess(const CorpusConfig& config, const CountdownProblem& problem, Stream& random) {
    const Leaf leaf(problem.numbers, int(random.below(expressions)));
    if (!random.chance(config.p_so)) return {" guess", expression(leaf)};
    const int m = leaf.first.value();
    Writing writing = {" so" + equation(leaf.first, m), expression(leaf)};
    if (m > big) return writing;
    int v = leaf.value();
    if (v <= big && random.chance(config.p_so_wrong))
        v = random.chance(config.p_so_wish) && v != problem.target ? problem.target : wrong_value(v, random);
    writing.thought += equation(leaf.second(m), v);
    return writing;
}

// Takes `leaf` for right; calculates it anew without error and writes that down.
bool check(const Leaf& leaf, int target, std::string& thought) {
    const int m = leaf.first.value(), v = leaf.value();
    thought += " check" + equation(leaf.first, m) + equation(leaf.second(m), v);
    thought += v == target ? " ok" : " no wait";
    return v == target;
}

// `big` is never a mistake, and no other value is mistaken for it. Nobody gives up after a check that failed.
Writing search(const CorpusConfig& config, const CountdownProblem& problem, bool checks, Stream& random) {
    const float hazard = draw(config.hazard, random), error = draw(config.error, random);
    int order[nodes];
    std::iota(order, order + nodes, 0);
    if (!random.chance(config.p_canonical)) shuffle(order, nodes, random);

    Writing writing;
    std::string& thought = writing.thought;
    for (int i = 0; i < nodes; ++i) {
        if (i > 0 && random.chance(config.p_wait) && !thought.ends_with(" wait")) thought += " wait";
        const Leaf node(problem.numbers, order[i] * leaves);
        int m = node.first.value();
        if (m <= big && random.chance(error)) m = wrong_value(m, random);
        thought += " try" + equation(node.first, m);
        if (m > big) {
            thought += " no";
            continue;
        }
        for (int k = 0; k < leaves; ++k) {
            const Leaf leaf(problem.numbers, order[i] * leaves + k);
            const Operation second = leaf.second(m);
            int v = second.value();
            if (v <= big && random.chance(error))
                v = random.chance(config.p_wish) && v != problem.target ? problem.target : wrong_value(v, random);
            thought += equation(second, v);
            writing.answer = expression(leaf, m);
            if (v == problem.target) {
                thought += " yes";
                if (!checks) return writing;
                if (!check(leaf, problem.target, thought)) continue;
                writing.answer = expression(leaf);  // as it was checked, should a wrong m have exchanged a subtraction
                return writing;
            }
            thought += " no";
            if (random.chance(hazard)) {
                thought += " give up";
                if (!random.chance(config.p_last_tried))
                    writing.answer = expression(Leaf(problem.numbers, int(random.below(expressions))));
                return writing;
            }
        }
    }
    thought += " give up";
    writing.answer = expression(Leaf(problem.numbers, int(random.below(expressions))));
    return writing;
}

bool held_out(int a, int b, int c) {  // a <= b <= c; the key has no seed in it
    return philox(0, Purpose::problems, uint32_t(a), uint32_t(b), uint32_t(c), 0).x[0] % 10 == 0;
}

void write_problems(const std::string& path, const std::vector<CountdownProblem>& problems) {
    AtomicWriter writer(path);
    for (const CountdownProblem& problem : problems)
        writer.write_line({{"numbers", problem.numbers}, {"target", problem.target}});
    writer.commit();
}

// What a response leaves out, and how often.
std::vector<Share> faults(const CorpusConfig& config) {
    return {{no_think, config.fault_no_think},
            {no_think_end, config.fault_no_think_end},
            {no_answer, config.fault_no_answer},
            {no_answer_end, config.fault_no_answer_end}};
}

void check_config(const CorpusConfig& c) {
    const auto refuse = [](const char* what) { fail(what, "the corpus", "give 0 to 1, and shares with sum 1"); };
    for (const float p : {c.p_guess, c.p_impossible, c.p_so, c.p_so_wrong, c.p_so_wish, c.p_wish, c.p_check,
                          c.p_canonical, c.p_wait, c.p_last_tried, c.p_sloppy, c.p_fault})
        if (!(p >= 0 && p <= 1)) refuse("a probability out of 0..1");
    for (const std::vector<Share>& shares : {c.hazard, c.error, faults(c)}) {
        float sum = 0;
        for (const Share& s : shares) {
            if (!(s.share >= 0 && s.value >= 0)) refuse("a share or its value out of range");
            sum += s.share;
        }
        if (!(sum > 0.999f && sum < 1.001f)) refuse("shares that do not add up to 1");
    }
}

}  // namespace

bool can_be_made(const CountdownProblem& problem) {
    for (int k = 0; k < expressions; ++k)
        if (Leaf(problem.numbers, k).value() == problem.target) return true;
    return false;
}

int wrong_value(int value, Stream& random) {
    constexpr int distances[] = {1, 2, 3, 10};
    const int distance = distances[random.below(4)];
    const bool up = random.chance(0.5f);
    if (value + distance > big || (!up && value - distance >= 0)) return value - distance;
    return value + distance;
}

float draw(const std::vector<Share>& shares, Stream& random) {
    float u = random.uniform();
    for (const Share& s : shares) {
        if (u < s.share) return s.value;
        u -= s.share;
    }
    return shares.back().value;
}

CountdownProblems countdown_problems(uint32_t seed) {
    CountdownProblems problems;
    uint32_t index = 0;
    for (int a = 1; a <= 20; ++a)
        for (int b = a; b <= 20; ++b)
            for (int c = b; c <= 20; ++c) {
                if (a == c) continue;
                std::set<int> targets;
                for (int k = 0; k < expressions; ++k) targets.insert(Leaf({a, b, c}, k).value());
                for (const int target : targets) {
                    if (target < 10 || target > 100) continue;
                    CountdownProblem problem = {{a, b, c}, target};
                    Stream random(seed, Purpose::problems, 2, index++);
                    shuffle(problem.numbers.data(), 3, random);
                    (held_out(a, b, c) ? problems.test : problems.train).push_back(problem);
                }
            }
    Stream train_order(seed, Purpose::problems, 1, 0), test_order(seed, Purpose::problems, 1, 1);
    shuffle(problems.train.data(), uint32_t(problems.train.size()), train_order);
    shuffle(problems.test.data(), uint32_t(problems.test.size()), test_order);
    return problems;
}

std::string countdown_prompt(const CountdownProblem& problem, PromptTemplate prompt_template) {
    return text_of(render_prompt({}, conversation(prompt_template, countdown_question(problem, prompt_template))));
}

Writing countdown_writing(const CorpusConfig& config, const CountdownProblem& problem, bool guesses, Stream& random) {
    if (guesses) return guess(config, problem, random);
    const bool checks = random.chance(config.p_check);
    Writing writing = search(config, problem, checks, random);
    if ((!checks || config.checkers_are_sloppy) && random.chance(config.p_sloppy))
        writing.answer = expression(Leaf(problem.numbers, int(random.below(expressions))));
    return writing;
}

std::string response_of(const CorpusConfig& config, const Writing& writing, Stream& random) {
    const int fault = random.chance(config.p_fault) ? int(draw(faults(config), random)) : no_fault;
    std::string text;
    if (fault != no_think) text += "<think>";
    text += writing.thought;
    if (fault != no_think_end) text += "</think>";
    if (fault != no_answer) text += "<answer>" + writing.answer;
    if (fault != no_answer && fault != no_answer_end) text += "</answer>";
    return text;
}

Document countdown_document(const CorpusConfig& config, const std::vector<CountdownProblem>& problems, uint32_t seed,
                            uint32_t n) {
    Stream random(seed, Purpose::corpus, 0, n);
    Document document;
    ENSURE(!problems.empty(), "a corpus needs problems");
    document.problem = problems[random.below(uint32_t(problems.size()))];
    CountdownProblem& problem = document.problem;
    ENSURE(problem.numbers.size() == 3, "the grammar is that of three numbers");
    shuffle(problem.numbers.data(), uint32_t(problem.numbers.size()), random);
    const bool guesses = random.chance(config.p_guess);
    if (!guesses && random.chance(config.p_impossible)) do
            problem.target = 10 + int(random.below(91));
        while (can_be_made(problem));
    document.prompt = countdown_prompt(problem, config.prompt_template);

    document.response = response_of(config, countdown_writing(config, problem, guesses, random), random);
    return document;
}

OptionTable table_of(CountdownCorpusOptions& o) {
    CorpusConfig& c = o.corpus;
    OptionTable table;
    table.output_folder("--output", o.output, "folder for problems.train.jsonl, problems.test.jsonl, corpus.jsonl")
        .needed = true;
    table.number("--documents", o.documents, between(0, UINT32_MAX), "documents of the corpus");
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.number("--p-guess", c.p_guess, between(0, 1), "share of documents that guess");
    table.number("--p-canonical", c.p_canonical, between(0, 1), "share of searches in canonical order");
    table.number("--p-check", c.p_check, between(0, 1), "share of searchers that check");
    table.number("--p-sloppy", c.p_sloppy, between(0, 1), "share of searches that answer something else");
    table.number("--p-wait", c.p_wait, between(0, 1), "`wait` before another try");
    table.number("--p-fault", c.p_fault, between(0, 1), "share of documents that break the format");
    return table;
}

void generate_countdown(const CountdownCorpusOptions& o) {
    const CorpusConfig& config = o.corpus;
    const std::string& folder = o.output;
    const int64_t documents = o.documents;
    const uint32_t seed = o.seed;
    check_config(config);
    make_folder(folder);
    const CountdownProblems problems = countdown_problems(seed);
    write_problems(folder + "/problems.train.jsonl", problems.train);
    write_problems(folder + "/problems.test.jsonl", problems.test);

    // Blocks are written by any thread and put into the file in order.
    constexpr int64_t block = 1024, blocks_at_once = 64;
    AtomicWriter writer(folder + "/corpus.jsonl");
    for (int64_t start = 0; start < documents; start += block * blocks_at_once) {
        std::vector<std::string> lines(blocks_at_once);
        parallel_for(blocks_at_once, [&](int64_t b) {
            const int64_t begin = start + b * block, end = std::min(documents, begin + block);
            for (int64_t n = begin; n < end; ++n) {
                const Document document = countdown_document(config, problems.train, seed, uint32_t(n));
                lines[b] += json{{"text", document.prompt + document.response}}.dump() + "\n";
            }
        });
        for (const std::string& text : lines) writer.write(text);
    }
    writer.commit();
}

CorpusStatistics corpus_statistics(const std::vector<Document>& documents) {
    CorpusStatistics sum;
    double equations = 0;
    const auto is_number = [](const std::string& word) {
        return word.size() <= 4 && word.find_first_not_of("0123456789") == std::string::npos;
    };
    for (const Document& document : documents) {
        const CountdownProblem& problem = document.problem;
        const Reward reward = rule_reward(document.response, true, {},
                                          [&](std::string_view answer) { return countdown_accuracy(problem, answer); });
        sum.documents += 1, sum.accuracy += reward.accuracy, sum.format += reward.format;
        sum.reflecting += reflective_words(document.response) > 0;

        std::string spaced;  // tags become words of their own
        for (const char c : document.response) spaced += c == '<' ? " <" : c == '>' ? "> " : std::string(1, c);
        std::istringstream stream(spaced);
        std::vector<std::string> words;
        for (std::string word; stream >> word;) words.push_back(word);
        const auto says = [&](const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); };
        sum.words += double(words.size());
        sum.searching += says("try"), sum.checking += says("check");
        sum.doubting += says("no") || says("wait") || says("check");
        for (size_t i = 3; i + 1 < words.size(); ++i) {
            if (words[i] != "=" || !is_number(words[i - 3]) || !is_number(words[i - 1])) continue;
            if (words[i - 2] != "+" && words[i - 2] != "-" && words[i - 2] != "*") continue;
            const int right = apply(words[i - 2][0], std::stoi(words[i - 3]), std::stoi(words[i - 1]));
            equations += 1, sum.equations += words[i + 1] == (right > big ? "big" : std::to_string(right));
        }
    }
    const double n = double(std::max<int64_t>(sum.documents, 1));
    for (double* mean :
         {&sum.accuracy, &sum.format, &sum.words, &sum.searching, &sum.checking, &sum.reflecting, &sum.doubting})
        *mean /= n;
    sum.equations /= std::max(equations, 1.0);
    return sum;
}

}  // namespace r1
