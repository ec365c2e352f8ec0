// Countdown: the problems and their split, the prompts, and the base corpus held against its prototype's statistics.
#include "corpus/countdown_corpus.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "base/threads.h"
#include "reward/extract.h"
#include "reward/reward.h"

#include <doctest/doctest.h>

using namespace r1;

namespace {

std::vector<Document> documents(const CorpusConfig& config, const CountdownProblems& problems, int n, uint32_t seed = 1) {
    std::vector<Document> result(n);
    parallel_for(n, [&](int64_t i) { result[i] = countdown_document(config, problems.train, seed, uint32_t(i)); });
    return result;
}

struct Folder {  // removed at the end of a test
    Folder() { make_folder(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path = (std::filesystem::temp_directory_path() / ("r1_countdown_" + std::to_string(getpid()))).string();
};

std::string error_of(const std::string& content) {
    const Folder folder;
    const std::string path = folder.path + "/p.jsonl";
    std::ofstream(path) << content;
    try {
        read_problems(path);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

Reward reward_of(const Document& document, const CountdownProblem& problem) {
    return rule_reward(document.response, true, {}, [&](std::string_view answer) { return countdown_accuracy(problem, answer); });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

// An independent count: every value of (a . b) . c in every order, without the program's notion of nodes and leaves.
std::set<int> reachable(std::vector<int> n) {
    std::set<int> values;
    std::sort(n.begin(), n.end());
    const auto join = [](int operation, int x, int y) {
        return operation == 0 ? x + y : operation == 1 ? x * y : std::abs(x - y);
    };
    do {
        for (int k = 0; k < 9; ++k) values.insert(join(k % 3, join(k / 3, n[0], n[1]), n[2]));
    } while (std::next_permutation(n.begin(), n.end()));
    return values;
}

TEST_CASE("the problems") {
    const CountdownProblems problems = countdown_problems(1), other = countdown_problems(2);
    CHECK(problems.train.size() == 9704);
    CHECK(problems.test.size() == 1158);
    std::set<std::vector<int>> sets[2];
    std::set<std::pair<std::vector<int>, int>> distinct;
    int sorted = 0;
    for (const bool test : {false, true})
        for (const CountdownProblem& problem : test ? problems.test : problems.train) {
            std::vector<int> numbers = problem.numbers;
            if (std::is_sorted(numbers.begin(), numbers.end())) ++sorted;
            std::sort(numbers.begin(), numbers.end());
            if (numbers.size() != 3 || numbers[0] < 1 || numbers[2] > 20 || numbers[0] == numbers[2]) FAIL("numbers");
            if (problem.target < 10 || problem.target > 100) FAIL("target");
            if (!reachable(numbers).count(problem.target)) FAIL("a problem without a solution");
            sets[test].insert(numbers);
            distinct.insert({numbers, problem.target});
        }
    CHECK(distinct.size() == 10'862);
    CHECK((sorted > 10'862 / 6 && sorted < 10'862 / 3));  // one order in six, one in three where two are equal
    for (const auto& numbers : sets[1]) CHECK(sets[0].count(numbers) == 0);
    // 1540 multisets, 20 of them with three equal numbers, 5 (such as 1 1 2) that reach nothing in 10..100.
    CHECK(sets[0].size() + sets[1].size() == 1515);

    size_t all = 0;
    for (int a = 1; a <= 20; ++a)
        for (int b = a; b <= 20; ++b)
            for (int c = b; c <= 20; ++c)
                if (a != c)
                    for (const int value : reachable({a, b, c})) all += value >= 10 && value <= 100;
    CHECK(all == 10'862);

    // Another seed: another order, the same split.
    std::set<std::vector<int>> other_test;
    for (CountdownProblem problem : other.test) {
        std::sort(problem.numbers.begin(), problem.numbers.end());
        other_test.insert(problem.numbers);
    }
    CHECK(other_test == sets[1]);
    CHECK((other.test[0].numbers != problems.test[0].numbers || other.test[1].numbers != problems.test[1].numbers));
    // The first 200 held-out problems look like all of them.
    double sum[2] = {};
    for (size_t i = 0; i < problems.test.size(); ++i) sum[i < 200] += problems.test[i].target;
    CHECK(std::abs(sum[1] / 200 - sum[0] / double(problems.test.size() - 200)) < 6);
}

TEST_CASE("the prompts") {
    CHECK(countdown_prompt({{3, 7, 12}, 33}, PromptTemplate::plain) == "User: 3 7 12 make 33. Assistant:");
    const std::string text = countdown_prompt({{3, 7, 12}, 33}, PromptTemplate::r1_zero);
    CHECK(text ==  // [R1v1 Table 1]
          "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
          "assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
          "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
          "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: Using "
          "the numbers 3, 7, 12, make 33. Use each number exactly once, with + - *. Assistant:");
}

TEST_CASE("reading problems") {
    CHECK(error_of("{\"numbers\": [3, 7, 12], \"target\": 33}\n") == "");
    struct Case { const char* line; const char* error; };
    for (const Case& c : {Case{"{\"target\": 33}", "no key \"numbers\""},
                          Case{"{\"numbers\": [3]}", "no key \"target\""},
                          Case{"{\"numbers\": [], \"target\": 33}", "empty list"},
                          Case{"{\"numbers\": 3, \"target\": 33}", "not a list"},
                          Case{"{\"numbers\": {\"a\": 1}, \"target\": 33}", "not a list"},
                          Case{"{\"numbers\": [3.0], \"target\": 33}", "a number that is not an integer"},
                          Case{"{\"numbers\": [\"3\"], \"target\": 33}", "a number that is not an integer"},
                          Case{"{\"numbers\": [null], \"target\": 33}", "a number that is not an integer"},
                          Case{"{\"numbers\": [true], \"target\": 33}", "a number that is not an integer"},
                          Case{"{\"numbers\": [3], \"target\": \"33\"}", "a target that is not an integer"},
                          Case{"{\"numbers\": [-3], \"target\": 33}", "a number out of range"},
                          Case{"{\"numbers\": [18446744073709551615], \"target\": 33}", "a number out of range"},
                          Case{"{\"numbers\": [3], \"target\": 1000000001}", "a target out of range"},
                          Case{"{\"numbers\": [3], \"target\": 1e99}", "a target that is not an integer"},
                          Case{"{\"numbers\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1], \"target\": 9}", "more than 16"},
                          Case{"[3, 7, 12]", "not a JSON object"},
                          Case{"{\"numbers\": [3", "not JSON"}}) {
        CAPTURE(c.line);
        const std::string error = error_of("{\"numbers\": [3, 7, 12], \"target\": 33}\n" + std::string(c.line) + "\n");
        CHECK(has(error, c.error));
        CHECK(has(error, "p.jsonl line 2"));
        CHECK(!has(error, "\n"));
    }
    CHECK(has(error_of("\n\n"), "no problems"));
}

TEST_CASE("the corpus: documents are what the grammar says") {
    const CountdownProblems problems = countdown_problems(1);
    const std::set<std::string> vocabulary = {
        "try", "no", "yes", "wait", "check", "ok", "guess", "give",    "up",       "so",       "big",
        "=",   "+",  "-",   "*",    "(",     ")",  "<think>", "</think>", "<answer>", "</answer>"};
    std::set<std::vector<int>> train;
    for (CountdownProblem problem : problems.train) {
        std::sort(problem.numbers.begin(), problem.numbers.end());
        train.insert(problem.numbers);
    }
    std::set<std::string> met, faults;
    int kept = 0;
    for (const Document& document : documents({}, problems, 20'000)) {
        CAPTURE(document.response);
        std::vector<int> numbers = document.problem.numbers;
        const int target = document.problem.target;
        if (document.prompt != countdown_prompt({numbers, target}, PromptTemplate::plain)) FAIL("prompt");
        std::sort(numbers.begin(), numbers.end());
        if (!train.count(numbers)) FAIL("held-out numbers in the corpus");

        // Between two tags: each word has exactly one space before it and nothing after the last.
        std::string spaced;
        for (const char c : document.response) spaced += c == '<' ? "\n<" : c == '>' ? ">\n" : std::string(1, c);
        std::istringstream pieces(spaced);
        for (std::string piece; std::getline(pieces, piece);) {
            if (piece.empty()) continue;
            if (piece[0] == '<') {
                if (!vocabulary.count(piece)) FAIL("an unknown tag");
                met.insert(piece);
                continue;
            }
            std::istringstream words(piece);
            std::string joined;
            for (std::string word; words >> word;) {
                joined += " " + word;
                if (vocabulary.count(word)) {
                    met.insert(word);
                } else if (word.find_first_not_of("0123456789") != std::string::npos || std::atoi(word.c_str()) > 120) {
                    FAIL("an unknown word: " << word);
                }
            }
            if (joined != piece) FAIL("spaces");
        }
        std::string fault;
        if (format_ok(document.response, &fault)) {
            ++kept;
            // The answer is an expression in which each number stands once, whether or not it gives the target.
            const Reward reward = reward_of(document, {numbers, target});
            if (reward.reason.rfind("gives ", 0) != 0) FAIL(reward.reason);
        } else {
            faults.insert(fault);
        }
    }
    CHECK(met == vocabulary);
    CHECK(kept < 20'000);
    CHECK(faults == std::set<std::string>{"<think> is missing", "</think> is missing", "<answer> is missing",
                                          "</answer> is missing"});
}

TEST_CASE("the corpus: worked documents") {
    const std::vector<CountdownProblem> one = {{{3, 7, 12}, 33}};
    CorpusConfig config;
    config.p_guess = config.p_fault = config.p_wait = config.p_check = config.p_sloppy = config.p_impossible = 0;
    config.p_canonical = 1;
    config.hazard = config.error = {{0, 1}};
    // The order of the numbers is drawn; take the first document that has them as they stand in the comment.
    const auto text = [&](const CorpusConfig& c) {
        for (uint32_t n = 0;; ++n) {
            const Document document = countdown_document(c, one, 1, n);
            if (document.problem.numbers == std::vector<int>{3, 7, 12}) return document.prompt + document.response;
        }
    };
    const std::string until =
        "User: 3 7 12 make 33. Assistant:<think> try 3 + 7 = 10 10 + 12 = 22 no 12 - 10 = 2 no 10 * 12 = 120 no "
        "try 7 - 3 = 4 4 + 12 = 16 no 12 - 4 = 8 no 4 * 12 = 48 no try 3 * 7 = 21 21 + 12 = 33 yes";
    CHECK(text(config) == until + "</think><answer> ( 3 * 7 ) + 12</answer>");
    config.p_check = 1;
    CHECK(text(config) == until + " check 3 * 7 = 21 21 + 12 = 33 ok</think><answer> ( 3 * 7 ) + 12</answer>");
    config.p_wait = 1;
    CHECK(has(text(config), "= 120 no wait try 7 - 3 = 4"));
    CHECK(!has(text(config), "<think> wait"));
    config.hazard = {{1, 1}}, config.p_last_tried = 1;
    CHECK(has(text(config), "<think> try 3 + 7 = 10 10 + 12 = 22 no give up</think><answer> ( 3 + 7 ) + 12</answer>"));
    config.error = {{1, 1}}, config.p_wish = 1;
    CHECK(has(text(config), " = 33 yes check 3 + 7 = 10 10 + 12 = 22 no wait"));
    config.p_guess = 1, config.p_so = 0;
    CHECK(has(text(config), "<think> guess</think><answer> "));
    config.p_so = config.p_so_wrong = config.p_so_wish = 1;
    CHECK(has(text(config), "<think> so "));
}

TEST_CASE("the corpus: a problem without a solution is searched to the end, by the patient") {
    const CountdownProblems problems = countdown_problems(1);
    const auto key = [](CountdownProblem problem) {
        std::sort(problem.numbers.begin(), problem.numbers.end());
        return countdown_prompt(problem, {});
    };
    std::set<std::string> possible;
    for (const auto* side : {&problems.train, &problems.test})
        for (const CountdownProblem& problem : *side) possible.insert(key(problem));
    CorpusConfig config;
    config.p_guess = config.p_fault = 0, config.p_impossible = 1, config.hazard = config.error = {{0, 1}};
    for (const Document& document : documents(config, problems, 2000)) {
        const CountdownProblem& problem = document.problem;
        CHECK((problem.target >= 10 && problem.target <= 100));
        CHECK(!possible.count(key(problem)));
        CHECK(has(document.response, " give up</think><answer> "));
        CHECK(!has(document.response, " yes"));
        size_t tries = 0;
        for (size_t at = 0; (at = document.response.find(" try ", at)) != std::string::npos; ++at) ++tries;
        CHECK(tries == 9);
    }
    config.p_guess = 1;  // nobody guesses at one
    for (const Document& document : documents(config, problems, 200))
        CHECK(possible.count(key(document.problem)));
}

TEST_CASE("the corpus: statistics near the prototype's") {
    const CountdownProblems problems = countdown_problems(1);
    const auto statistics = [&](const CorpusConfig& config, int n = 20'000) {
        return corpus_statistics(documents(config, problems, n));
    };
    const auto near = [](double value, double middle, double width) { return std::abs(value - middle) < width; };

    // Who checks and is not sloppy answers rightly after `ok`, however many errors came before.
    CorpusConfig checker;
    checker.p_guess = checker.p_fault = checker.p_impossible = 0, checker.p_check = checker.p_sloppy = 1;
    checker.error = {{.25f, 1}};
    // With the target 2, a sum 2 + 5 taken for 10 makes the first try 10 - 9 and its check 9 - 7.
    for (const CountdownProblems& some : {problems, CountdownProblems{{{{2, 5, 9}, 2}}, {}}}) {
        int confirmed = 0, wrong = 0;
        for (const Document& document : documents(checker, some, 10'000)) {
            if (!has(document.response, " ok<")) continue;
            ++confirmed;
            const CountdownProblem& problem = document.problem;
            wrong += reward_of(document, problem).accuracy == 0;
        }
        CHECK(confirmed > 1'000);
        CHECK(wrong == 0);
    }
    checker.hazard = checker.error = {{0, 1}};
    CHECK(statistics(checker, 5'000).accuracy == 1);
    checker.checkers_are_sloppy = true;
    CHECK(statistics(checker, 5'000).accuracy < 0.2);

    const CorpusStatistics standard = statistics({});
    MESSAGE("default: accuracy " << standard.accuracy << ", format " << standard.format << ", words " << standard.words
            << ", searching " << standard.searching << ", checking " << standard.checking << ", reflecting "
            << standard.reflecting << ", doubting " << standard.doubting << ", equations " << standard.equations);
    CHECK(standard.documents == 20'000);
    const CorpusConfig defaults;
    CHECK(near(standard.searching, 1 - defaults.p_guess, 0.012));
    CHECK(near(standard.format, 1 - defaults.p_fault, 0.01));
    CHECK((standard.accuracy > 0.13 && standard.accuracy < 0.19));
    CHECK((standard.equations > 0.91 && standard.equations < 0.94));

    // The prototype's second corpus, as it advises to go on from it.
    CorpusConfig second;
    second.p_guess = .47f, second.p_canonical = .85f, second.p_impossible = 0;
    second.hazard = {{.5f, .42f}, {.25f, .34f}, {.1f, .16f}, {0, .08f}};
    second.error = {{0, .2f}, {.08f, .4f}, {.25f, .4f}};
    const CorpusStatistics advised = statistics(second);
    CHECK(near(advised.accuracy, 0.167, 0.012));
    CHECK(near(advised.format, 0.88, 0.01));
    CHECK(near(advised.words, 32.2, 1.0));
    CHECK(near(advised.checking, 0.112, 0.01));
    CHECK(near(advised.reflecting, 0.156, 0.012));
    CHECK(near(advised.doubting, 0.485, 0.012));
    CHECK(near(advised.equations, 0.89, 0.01));

    // The prototype's first corpus: accuracy 17.7 % (without </think>, 4 % of the documents, it took the answer that
    // we do not), format 87.5 %, 32.3 tokens of which one is the end of text, equations 90 to 93 %.
    CorpusConfig first;
    first.p_guess = .45f, first.p_wish = .4f, first.p_check = .25f, first.p_canonical = .5f, first.p_sloppy = .1f;
    first.p_impossible = 0;
    first.hazard = {{.5f, .40f}, {.25f, .35f}, {.1f, .18f}, {0, .07f}};
    first.error = {{0, .4f}, {.08f, .3f}, {.25f, .3f}};
    first.checkers_are_sloppy = true;
    const CorpusStatistics old = statistics(first);
    CHECK(near(old.accuracy, 0.177 - 0.042 * 0.177, 0.012));
    CHECK(near(old.format, 0.875, 0.012));
    CHECK(near(old.words, 32.3 - 1, 1.0));
    CHECK((old.equations > 0.90 && old.equations < 0.93));

    // Its single personas: patience alone, then errors alone.
    CorpusConfig persona = first;
    persona.p_guess = persona.p_sloppy = persona.p_fault = 0;
    struct Row { float hazard, error; double accuracy, tokens; };
    for (const Row& row : {Row{.5f, 0, .21, 32}, Row{.25f, 0, .32, 42}, Row{.1f, 0, .53, 62}, Row{0, 0, 1, 97},
                           Row{0, .08f, .77, 0}, Row{0, .25f, .48, 0}}) {
        persona.hazard = {{row.hazard, 1}}, persona.error = {{row.error, 1}};
        const CorpusStatistics s = statistics(persona, 10'000);
        CAPTURE(row.hazard);
        CAPTURE(row.error);
        CHECK(near(s.accuracy, row.accuracy, row.accuracy == 1 ? 1e-9 : 0.03));
        if (row.tokens > 0) CHECK(near(s.words + 1, row.tokens, 1.5));
        if (row.error == 0) CHECK(s.equations == 1);
        CHECK(s.format == 1);
    }
}

TEST_CASE("the corpus: the same bytes for any number of threads; another seed, another corpus") {
    const Folder folder;
    const auto hash = [&](int threads, uint32_t seed, int64_t n = 70'000) {  // more than one round of 64 blocks
        const int before = thread_count();
        thread_count() = threads;
        generate_countdown({folder.path, n, seed, {}});
        thread_count() = before;
        std::string all;
        for (const char* name : {"/problems.train.jsonl", "/problems.test.jsonl", "/corpus.jsonl"})
            all += sha256_of_file(folder.path + name);
        return all;
    };
    const std::string one = hash(1, 1);
    CHECK(hash(2, 1) == one);
    const std::string path = folder.path + "/corpus.jsonl";
    const CountdownProblems problems = countdown_problems(1);
    int64_t lines = 0;
    read_json_lines(path, [&](const json& object, int64_t line) {
        lines = line;
        if (line % 1000 != 1 && line != 70'000) return;
        const Document document = countdown_document({}, problems.train, 1, uint32_t(line - 1));
        CHECK(object["text"] == document.prompt + document.response);
    });
    CHECK(lines == 70'000);
    const std::vector<Problem> test = read_problems(folder.path + "/problems.test.jsonl");
    CHECK(test.size() == problems.test.size());
    CHECK(test[7].question(PromptTemplate::plain) == countdown_question(problems.test[7], PromptTemplate::plain));
    CHECK(hash(2, 2, 1000) != hash(2, 1, 1000));

    CorpusConfig wrong;
    wrong.hazard = {{.5f, .5f}};
    CHECK_THROWS_AS(generate_countdown({folder.path, 1, 1, wrong}), Error);
    wrong = {}, wrong.p_wait = 1.5f;
    CHECK_THROWS_AS(generate_countdown({folder.path, 1, 1, wrong}), Error);
}
