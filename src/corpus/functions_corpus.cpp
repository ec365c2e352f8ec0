#include "corpus/functions_corpus.h"

#include "base/files.h"
#include "tasks/prompt.h"

namespace r1 {

namespace {

constexpr int most = 6;                  // a and b of the examples: 1 to 6
constexpr const char* symbols = "ab12";  // what z may be

// By the shown inputs alone, whatever the seed: one pair in ten is held out.
bool held_out(const FunctionPuzzle& p) {
    const auto number = [](const FunctionPuzzle::Example& e) { return uint32_t(e.a * 8 + e.b); };
    return philox(0, Purpose::problems, number(p.example[0]), number(p.example[1]), 1, 0).x[0] % 10 == 0;
}

void write_problems(const std::string& path, int count, bool of_test, uint32_t seed) {
    AtomicWriter writer(path);
    Stream random(seed, Purpose::problems, 3, of_test);
    for (int n = 0; n < count;) {
        const FunctionPuzzle p = draw_function_puzzle(random);
        if (held_out(p) != of_test) continue;
        writer.write_line(function_problem(p));
        ++n;
    }
    writer.commit();
}

std::string equation(int x, char operation, int y, int result) {
    return " " + std::to_string(x) + " " + operation + " " + std::to_string(y) + " = " + std::to_string(result);
}

// The computation of f at an example, the node's part if it is new.
std::string computed(const PuzzleFunction& f, const FunctionPuzzle::Example& e, bool with_node) {
    const int node = f.node(e.a, e.b);
    return (with_node ? equation(e.a, f.inner, e.b, node) : "") +
           equation(node, f.outer, f.of_z(e.a, e.b), f.value(e.a, e.b));
}

struct Search {
    std::string thought;
    PuzzleFunction answer;
};

Search search(const FunctionsConfig& config, const FunctionPuzzle& p, Stream& random) {
    const std::vector<PuzzleFunction>& all = puzzle_functions();
    Search w{"", all[random.below(uint32_t(all.size()))]};
    const bool checks = random.chance(config.p_check);
    char inner = 0;
    for (const PuzzleFunction& f : all) {
        const bool new_node = f.inner != inner;
        if (new_node) {
            if (inner && random.chance(config.p_wait)) w.thought += " wait";
            w.thought += std::string(" try a ") + f.inner + " b";
        }
        inner = f.inner;
        w.thought += computed(f, p.example[0], new_node);
        if (p.fits(f, 0)) {
            w.thought += " yes", w.answer = f;
            if (!checks) return w;
            w.thought += " check" + computed(f, p.example[1], true);
            if (p.fits(f, 1)) {
                w.thought += " ok";
                return w;
            }
        }
        w.thought += " no";
        if (random.chance(config.p_give_up)) break;
    }
    w.thought += " give up";
    return w;
}

std::string document(const FunctionsConfig& config, uint32_t seed, uint32_t n) {
    Stream random(seed, Purpose::corpus, 1, n);
    FunctionPuzzle p = draw_function_puzzle(random);
    while (held_out(p)) p = draw_function_puzzle(random);
    const Writing w = function_writing(config, p, random.chance(config.p_guess), random);
    const bool fault = random.chance(config.p_fault), no_think_end = random.chance(0.5f);
    std::string text =
        text_of(render_prompt({}, conversation(PromptTemplate::plain, p.question()))) + "<think>" + w.thought;
    if (!fault || !no_think_end) text += "</think>";
    if (!fault || no_think_end) text += "<answer>" + w.answer + "</answer>";
    return text;
}

}  // namespace

const std::vector<PuzzleFunction>& puzzle_functions() {
    static const std::vector<PuzzleFunction> functions = [] {
        std::vector<PuzzleFunction> all;
        for (const char inner : {'+', '*'})
            for (const char outer : {'+', '-', '*'})
                for (int z = 0; z < 4; ++z) all.push_back({inner, outer, symbols[z]});
        return all;
    }();
    return functions;
}

std::string FunctionPuzzle::question() const {
    const auto shown = [&](const Example& e) {
        return std::to_string(e.a) + " " + std::to_string(e.b) + " gives " + std::to_string(function.value(e.a, e.b));
    };
    return shown(example[0]) + " and " + shown(example[1]) + ".";
}

FunctionPuzzle draw_function_puzzle(Stream& random) {
    const std::vector<PuzzleFunction>& all = puzzle_functions();
    FunctionPuzzle p;
    do {
        p.function = all[random.below(uint32_t(all.size()))];
        for (int i = 0; i < 5; ++i) {
            const uint32_t range = i < 2 ? most : 40;
            p.example[i] = {1 + int(random.below(range)), 1 + int(random.below(range))};
        }
    } while (p.example[0].a == p.example[0].b || p.example[1].a == p.example[1].b ||
             (p.example[0].a == p.example[1].a && p.example[0].b == p.example[1].b));
    return p;
}

json function_problem(const FunctionPuzzle& p) {
    json tests = json::array();
    for (const FunctionPuzzle::Example& e : p.example)
        tests.push_back({{"input", std::to_string(e.a) + " " + std::to_string(e.b) + "\n"},
                         {"output", std::to_string(p.function.value(e.a, e.b)) + "\n"}});
    return {{"prompt", p.question()},
            {"program", "a, b = map(int, input().split())\nprint({answer})\n"},
            {"tests", tests},
            {"cpu_seconds", 0.5},
            {"memory_mb", 128}};
}

Writing function_writing(const FunctionsConfig& config, const FunctionPuzzle& p, bool guesses, Stream& random) {
    const std::vector<PuzzleFunction>& all = puzzle_functions();
    if (guesses) return {" guess", " " + all[random.below(uint32_t(all.size()))].text()};
    const Search found = search(config, p, random);
    return {found.thought, " " + found.answer.text()};
}

OptionTable table_of(FunctionsCorpusOptions& o) {
    FunctionsConfig& c = o.corpus;
    OptionTable table;
    table.output_folder("--output", o.output, "folder for problems.train.jsonl, problems.test.jsonl, corpus.jsonl")
        .needed = true;
    table.number("--documents", o.documents, between(0, UINT32_MAX), "documents of the corpus");
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.number("--train", c.train, between(1, 1e6), "problems to learn from");
    table.number("--test", c.test, between(1, 1e6), "problems held out");
    table.number("--p-guess", c.p_guess, between(0, 1), "share of documents that guess");
    table.number("--p-check", c.p_check, between(0, 1), "share of searchers that check");
    table.number("--p-give-up", c.p_give_up, between(0, 1), "a searcher gives up after a `no`");
    return table;
}

void generate_functions(const FunctionsCorpusOptions& o) {
    make_folder(o.output);
    write_problems(o.output + "/problems.train.jsonl", o.corpus.train, false, o.seed);
    write_problems(o.output + "/problems.test.jsonl", o.corpus.test, true, o.seed);
    AtomicWriter writer(o.output + "/corpus.jsonl");
    for (int64_t n = 0; n < o.documents; ++n) writer.write_line({{"text", document(o.corpus, o.seed, uint32_t(n))}});
    writer.commit();
}

}  // namespace r1
