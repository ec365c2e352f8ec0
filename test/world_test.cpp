// The small world: the same bytes, nothing held out in what is learned from, references that are right by computations
// of the test's own, people who are what the options say.
#include "corpus/world.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/check.h"
#include "base/threads.h"
#include "reward/extract.h"
#include "reward/language.h"

#include <doctest/doctest.h>

using namespace r1;

namespace {

struct Folder {  // removed at the end of a test
    Folder() { make_folder(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path = (std::filesystem::temp_directory_path() / ("r1_world_" + std::to_string(getpid()))).string();
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::vector<std::string> words_in(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

// All runs of digits.
std::vector<int> numbers_in(const std::string& text) {
    std::vector<int> numbers;
    std::string digits;
    for (const char c : text + " ") {
        if (c >= '0' && c <= '9') {
            digits += c;
        } else if (!digits.empty()) {
            numbers.push_back(std::stoi(digits));
            digits.clear();
        }
    }
    return numbers;
}

std::string key_of_numbers(const std::string& kind, std::vector<int> numbers) {
    std::sort(numbers.begin(), numbers.end());
    std::string key = kind;
    for (const int n : numbers) key += " " + std::to_string(n);
    return key;
}

// A puzzle's text in English with P1, P2 and P3 for the people, in the order in which they speak.
std::string logic_in_english(const std::string& question) {
    std::string text = question;
    for (const auto& [chinese, english] : std::vector<std::pair<const char*, const char*>>{
             {"。", "."}, {"？", "?"}, {" 说 ", " says "}, {" 是 骑士", " is a knight"}, {" 是 骗子", " is a knave"},
             {" 和 ", " and "}, {" 或 ", " or "}, {"若 ", "if "}, {" 则 ", " then "}, {" 一样", " are the same"},
             {" 不同", " are different"}, {"谁 是 谁", "who is what"}})
        text = replaced(text, chinese, english);
    std::vector<std::string> words = words_in(text), speakers;
    for (size_t i = 1; i < words.size(); ++i)
        if (words[i] == "says") speakers.push_back(words[i - 1]);
    std::string result;
    for (const std::string& word : words) {
        const auto at = std::find(speakers.begin(), speakers.end(), word);
        result += at == speakers.end() ? word + " " : "P" + std::to_string(at - speakers.begin()) + " ";
    }
    return result;
}

// What a question is about, whatever its language, and computed from its text alone.
std::string key_of(const std::string& question) {
    if (has(question, "the answer is ") || has(question, "答案 是 ")) return question;  // which does not say of what
    if (has(question, "谁 是 谁") || has(question, "who is what")) return logic_in_english(question);
    const std::vector<int> numbers = numbers_in(question);
    if (has(question, "A) ")) {
        std::vector<std::string> options;
        const std::string text = question.substr(question.find("A) "));
        for (size_t i = 0; i < 4; ++i) {
            const size_t begin = text.find(std::string(1, "ABCD"[i]) + ") ") + 3;
            const size_t end = i == 3 ? text.size() : text.find(std::string(" ") + "ABCD"[i + 1] + ") ");
            options.push_back(text.substr(begin, end - begin));
        }
        std::sort(options.begin(), options.end());
        std::string key = has(question, "_") ? "missing " + question.substr(0, question.find("A) ")) : "choice";
        for (const std::string& option : options) key += ", " + option;
        return key;
    }
    if (question.starts_with("what is") && !numbers.empty()) return key_of_numbers("arithmetic", numbers);
    if (question.starts_with("算")) return key_of_numbers("arithmetic", numbers);
    const bool makes = has(question, " make ") || question.starts_with("用 ");
    if (makes && numbers.size() >= 4)
        return key_of_numbers("countdown", {numbers.begin(), numbers.end() - 1});
    if (numbers.size() == 6) {
        const std::string first = key_of_numbers("", {numbers[0] * 10 + numbers[1]});
        const std::string second = key_of_numbers("", {numbers[3] * 10 + numbers[4]});
        return "functions" + std::min(first, second) + std::max(first, second);
    }
    return question;
}

std::string bare(const std::string& text) {
    const std::string user = "User: ";
    return text.substr(user.size(), text.find(" Assistant:") - user.size());
}

// The question of a line of any of the files.
std::string question_of(const json& line) {
    if (line.contains("text")) return bare(line["text"]);
    if (line.contains("numbers")) {
        std::string numbers;
        for (const json& n : line["numbers"]) numbers += n.dump() + " ";
        return numbers + "make " + line["target"].dump() + ".";
    }
    if (line.contains("choices")) {
        std::string text = line["question"];
        for (size_t i = 0; i < 4; ++i)
            text += std::string(" ") + "ABCD"[i] + ") " + line["choices"][i].get<std::string>();
        return text;
    }
    return line.contains("question") ? line["question"] : line["prompt"];
}

// How many lines of the files to learn from ask for what a line of the test files asks for.
int64_t leaks(const std::string& folder, int64_t& lines) {
    std::set<std::string> held_out_keys;
    for (const char* name : {"problems", "general", "pairs", "safety", "judge"})
        read_json_lines(folder + "/" + name + ".test.jsonl",
                        [&](const json& line, int64_t) { held_out_keys.insert(key_of(question_of(line))); });
    int64_t count = 0;
    for (const char* name : {"corpus", "problems.train", "general.train", "general.sft", "pairs.train", "safety.train",
                             "judge.train"})
        read_json_lines(folder + "/" + name + ".jsonl", [&](const json& line, int64_t) {
            ++lines;
            count += held_out_keys.count(key_of(question_of(line)));
        });
    return count;
}

WorldOptions small_world(const std::string& folder) {
    WorldOptions o;
    o.output = folder;
    o.documents = 6000;
    o.train = 1500;
    o.test = 400;
    o.pairs = o.safety = o.judge = o.sft = 1200;
    o.pairs_test = o.safety_test = o.judge_test = 200;
    return o;
}

// The value of "12 + 7 * 3", products first.
int value_of_sum(const std::string& text) {
    const std::vector<std::string> words = words_in(text);
    int sum = 0, product = std::stoi(words[0]), sign = 1;
    for (size_t i = 1; i + 1 < words.size(); i += 2) {
        const int n = std::stoi(words[i + 1]);
        if (words[i] == "*") {
            product *= n;
        } else {
            sum += sign * product;
            sign = words[i] == "+" ? 1 : -1;
            product = n;
        }
    }
    return sum + sign * product;
}

// All values that the numbers give, in any order, joined from the left.
std::set<int> reachable(std::vector<int> n) {
    std::set<int> values;
    std::sort(n.begin(), n.end());
    do {
        std::set<int> now = {n[0]};
        for (size_t i = 1; i < n.size(); ++i) {
            std::set<int> next;
            for (const int v : now) next.insert({v + n[i], v * n[i], std::abs(v - n[i])});
            now = next;
        }
        values.insert(now.begin(), now.end());
    } while (std::next_permutation(n.begin(), n.end()));
    return values;
}

using People = std::map<std::string, std::string>;

bool formula_holds(const json& f, const People& people) {
    const std::string kind = f[0];
    const auto part = [&](size_t i) { return formula_holds(f[i], people); };
    const auto who = [&](size_t i) { return people.at(f[i].get<std::string>()); };
    if (kind == "is") return who(1) == f[2];
    if (kind == "same") return who(1) == who(2);
    if (kind == "different") return who(1) != who(2);
    if (kind == "and") return part(1) && part(2);
    if (kind == "or") return part(1) || part(2);
    if (kind == "if") return !part(1) || part(2);
    REQUIRE(kind == "iff");
    return part(1) == part(2);
}

// What "P1 is a knave" and longer claims say; knight[i]: P<i> is one.
bool claim_holds(const std::vector<std::string>& words, const std::vector<bool>& knight) {
    const auto of = [&](size_t i) { return bool(knight[size_t(words[i][1] - '0')]); };
    const auto is = [&](size_t i) { return of(i) == (words[i + 3] == "knight"); };
    if (words.size() == 4) return is(0);
    if (words[0] == "if") return !is(1) || is(6);
    if (words[4] == "same") return words[3] == "are" && of(0) == of(2);
    if (words[4] == "the") return of(0) == of(2);
    if (words[4] == "different") return of(0) != of(2);
    if (words[4] == "and") return is(0) && is(5);
    REQUIRE(words[4] == "or");
    return is(0) || is(5);
}

struct LogicLine {
    std::vector<std::string> names;
    std::string knight, knave;
    std::vector<std::string> by_text, by_constraints;  // assignments that fit
};

// The assignments that fit the prompt's text, and those that fit the constraints.
LogicLine solve_logic(const json& line) {
    LogicLine result;
    for (const auto& [name, values] : line["variables"].items()) {
        result.names.push_back(name);
        result.knight = values[0];
        result.knave = values[1];
    }
    const std::string text = logic_in_english(line["prompt"]);
    std::vector<std::vector<std::string>> claims;
    for (size_t at = 0; (at = text.find(" says ", at)) != std::string::npos; ++at)
        claims.push_back(words_in(text.substr(at + 6, text.find('.', at) - at - 6)));
    REQUIRE(claims.size() == result.names.size());
    for (unsigned bits = 0; bits < 1u << claims.size(); ++bits) {
        std::vector<bool> knight;
        People people;
        std::string assignment;
        for (size_t i = 0; i < claims.size(); ++i) {
            knight.push_back(bits >> i & 1);
            people[result.names[i]] = knight[i] ? result.knight : result.knave;
            assignment += (i ? " " : "") + result.names[i] + " " + people[result.names[i]];
        }
        bool fits = true, holds = true;
        for (size_t i = 0; i < claims.size(); ++i) fits &= claim_holds(claims[i], knight) == knight[i];
        for (const json& constraint : line["constraints"]) holds &= formula_holds(constraint, people);
        if (fits) result.by_text.push_back(assignment);
        if (holds) result.by_constraints.push_back(assignment);
    }
    return result;
}

// Whether one of the 24 functions gives all outputs, and the examples are those that the prompt shows.
bool functions_line_is_right(const json& line) {
    const std::vector<int> shown = numbers_in(line["prompt"]);
    for (int f = 0; f < 24; ++f) {
        bool fits = true;
        for (size_t i = 0; i < line["tests"].size(); ++i) {
            const json& test = line["tests"][i];
            const std::vector<int> input = numbers_in(test["input"]);
            const int a = input[0], b = input[1], node = f < 12 ? a + b : a * b;
            const int z = std::array<int, 4>{a, b, 1, 2}[size_t(f) % 4];
            const int value = f / 4 % 3 == 0 ? node + z : f / 4 % 3 == 1 ? node - z : node * z;
            fits &= test["output"] == std::to_string(value) + "\n";
            if (i < 2) fits &= shown[i * 3] == a && shown[i * 3 + 1] == b && shown[i * 3 + 2] == value;
        }
        if (fits) return true;
    }
    return false;
}

int right_choice(const json& line) {
    std::vector<int> values;
    for (const json& choice : line["choices"]) values.push_back(value_of_sum(choice));
    const std::string question = line["question"];
    const std::vector<int> n = numbers_in(question);
    int wanted = 0;
    if (n.empty()) {
        wanted = *std::max_element(values.begin(), values.end());
    } else if (n.size() == 1) {
        wanted = n[0];
    } else {
        const int step = n[1] - n[0];
        wanted = n.back() + step;
        for (size_t i = 1; i < n.size(); ++i)
            if (n[i] - n[i - 1] == 2 * step) wanted = n[i] - step;
    }
    CHECK(std::count(values.begin(), values.end(), wanted) == 1);
    return int(std::find(values.begin(), values.end(), wanted) - values.begin());
}

std::vector<WorldDocument> documents(const WorldOptions& o, int n) {
    std::vector<WorldDocument> result(static_cast<size_t>(n));
    parallel_for(n, [&](int64_t i) { result[size_t(i)] = world_document(o, uint32_t(i)); });
    return result;
}

}  // namespace

TEST_CASE("the world: the same bytes for any number of threads; another seed, another world with the same split") {
    const Folder folder;
    const auto hash = [&](int threads, uint32_t seed) {
        const int before = thread_count();
        thread_count() = threads;
        WorldOptions o = small_world(folder.path);
        o.seed = seed;
        generate_world(o);
        thread_count() = before;
        std::map<std::string, std::string> hashes;
        for (const auto& file : std::filesystem::directory_iterator(folder.path))
            hashes[file.path().filename()] = sha256_of_file(file.path());
        return hashes;
    };
    const auto one = hash(1, 1);
    CHECK(one.size() == 13);
    CHECK(hash(2, 1) == one);
    int64_t lines = 0;
    CHECK(leaks(folder.path, lines) == 0);
    CHECK(lines > 12'000);

    // What seed 1 holds out is not in what seed 2 learns from.
    std::set<std::string> keys;
    for (const WorldProblem& p : world_problems(small_world(""), true, 400)) keys.insert(key_of(p.question));
    CHECK(keys.size() > 300);
    for (const auto& [name, sha] : hash(2, 2))
        if (name != "world.json") CHECK(sha != one.at(name));
    read_json_lines(folder.path + "/corpus.jsonl",
                    [&](const json& line, int64_t) { CHECK(!keys.count(key_of(question_of(line)))); });
    // A leak would be seen.
    LineWriter(folder.path + "/pairs.train.jsonl", true).write({{"prompt", general_prompts().test[0].prompt}});
    const WorldProblem p = world_problems(small_world(""), true, 1)[0];
    LineWriter(folder.path + "/corpus.jsonl", true).write({{"text", "User: " + p.question + " Assistant: 1"}});
    lines = 0;
    const json first = {{"prompt", general_prompts().test[0].prompt}};
    LineWriter(folder.path + "/general.test.jsonl", true).write(first);
    LineWriter(folder.path + "/problems.test.jsonl", true).write(p.line);
    CHECK(leaks(folder.path, lines) == 2);
}

TEST_CASE("the world: every problem is right by a computation of the test's own") {
    const Folder folder;
    generate_world(small_world(folder.path));
    std::map<std::string, int> kinds;
    for (const char* side : {"/problems.train.jsonl", "/problems.test.jsonl"})
        read_json_lines(folder.path + side, [&](const json& line, int64_t) {
            CHECK(line.contains("difficulty"));
            if (line.contains("numbers")) {
                ++kinds["countdown"];
                CHECK(reachable(line["numbers"]).count(line["target"]));
            } else if (line.contains("reference")) {
                ++kinds["arithmetic"];
                std::string sum = line["prompt"];
                for (const char* word : {"what is ", "算 ", "?", "？"}) sum = replaced(sum, word, "");
                CHECK(std::to_string(value_of_sum(sum)) == line["reference"]);
            } else if (line.contains("tests")) {
                ++kinds["functions"];
                CHECK(functions_line_is_right(line));
            } else if (line.contains("choices")) {
                ++kinds["choice"];
                CHECK(right_choice(line) == line["answer"]);
            } else {
                ++kinds["logic"];
                const LogicLine solved = solve_logic(line);
                CHECK(solved.by_text.size() == 1);
                CHECK(solved.by_text == solved.by_constraints);
            }
        });
    CHECK(kinds.size() == 5);
    for (const auto& [kind, count] : kinds) CHECK(count > 150);
}

TEST_CASE("the world: the rules agree with the problems' answers") {
    const std::vector<WorldProblem> problems = world_problems(small_world(""), false, 1500);
    std::set<std::string> questions;
    int with_answer = 0;
    for (const WorldProblem& p : problems) {
        questions.insert(p.question);
        CHECK(!held_out(p.content));
        if (p.line.contains("numbers")) continue;
        ++with_answer;
        CHECK(p.right(p.answer));
        CHECK(!p.right(p.answer + "1"));
        CHECK(!p.right(""));
        if (!p.line.contains("variables")) continue;
        const LogicLine solved = solve_logic(p.line);
        CHECK(solved.by_text[0] == p.answer);
        const std::vector<std::string> words = words_in(p.answer);
        std::string reversed;
        for (size_t i = words.size(); i >= 2; i -= 2) reversed += words[i - 2] + " " + words[i - 1] + " ";
        reversed.pop_back();
        CHECK(p.right(reversed));
        CHECK(!p.right(p.answer + " " + words[0] + " " + words[1]));
    }
    CHECK(questions.size() == problems.size());
    CHECK(with_answer > 800);
}

TEST_CASE("the world: the patient are right, and their equations are; mistakes are found by who checks") {
    WorldOptions o;
    o.general = o.marks = o.fault = o.mixed = o.impossible = 0;
    o.english = {.guess = 0, .check = 1, .patient = 1, .persistent = 0, .hasty = 0, .error = 0, .sloppy = 0};
    o.chinese_habits = o.english;
    const auto right_of = [&](int n) {
        std::map<World, std::pair<int, int>> right;
        for (const WorldDocument& d : documents(o, n)) {
            right[d.kind].first += d.right;
            ++right[d.kind].second;
            CHECK(format_ok(d.response));
        }
        std::map<World, double> shares;
        for (const auto& [kind, counts] : right) shares[kind] = double(counts.first) / counts.second;
        return shares;
    };
    auto shares = right_of(6000);
    for (const World kind : {World::countdown, World::arithmetic, World::logic, World::choice})
        CHECK(shares[kind] == 1);
    CHECK(shares[World::functions] > 0.9);  // two examples may fit a function that three others do not
    CHECK((shares[World::countdown4] > 0.3 && shares[World::countdown4] < 0.6));

    int equations = 0;
    for (const WorldDocument& d : documents(o, 2000)) {
        const std::vector<std::string> words = words_in(replaced(d.response, "<", " <"));
        for (size_t i = 3; i + 1 < words.size(); ++i) {
            const bool of_numbers = !numbers_in(words[i - 1]).empty() && !numbers_in(words[i - 3]).empty();
            if (words[i] != "=" || !of_numbers || words[i - 2].find_first_of("+-*") == std::string::npos) continue;
            const int value = value_of_sum(words[i - 3] + " " + words[i - 2] + " " + words[i - 1]);
            ++equations;
            CHECK((words[i + 1] == std::to_string(value) || (value > 120 && has("big大", words[i + 1]))));
        }
    }
    CHECK(equations > 10'000);
    o.english.error = o.chinese_habits.error = 1;
    shares = right_of(6000);
    for (const World kind : {World::arithmetic, World::choice}) CHECK(shares[kind] > 0.85);
    o.english.check = o.chinese_habits.check = 0;
    auto unchecked = right_of(6000);
    for (const World kind : {World::countdown, World::arithmetic, World::logic, World::choice}) {
        MESSAGE("kind " << int(kind) << ": right if checked " << shares[kind] << ", if not " << unchecked[kind]);
        CHECK(unchecked[kind] < shares[kind]);
    }
}

TEST_CASE("the world: shares and accuracies as the options say, patience at home in English") {
    const WorldOptions o;
    const int n = 40'000;
    std::array<std::array<int, 2>, world_kinds> count{}, right{};
    std::array<int, 2> all{}, mixed{}, long_search{}, checking{};
    for (const WorldDocument& d : documents(o, n)) {
        ++count[size_t(d.kind)][d.chinese];
        right[size_t(d.kind)][d.chinese] += d.right;
        if (int(d.kind) >= problem_kinds) continue;
        const std::string text(reasoning(d.response));
        int no = 0;
        const bool english = !d.chinese || d.mixed;
        for (size_t at = 0; (at = text.find(english ? " no" : " 不", at)) != std::string::npos; ++at) ++no;
        ++all[d.chinese];
        mixed[d.chinese] += d.mixed;
        long_search[english] += no >= 5 && d.chinese;
        checking[d.chinese] += has(text, english ? " check" : " 检查");
    }
    const std::array<float, world_kinds> shares = {o.countdown, o.countdown4, o.arithmetic, o.functions,
                                                   o.logic,     o.choice,     o.general,    o.marks};
    for (size_t kind = 0; kind < world_kinds; ++kind) {
        CHECK(std::abs(double(count[kind][0] + count[kind][1]) / n - shares[kind]) < 0.01);
        CHECK(std::abs(double(count[kind][1]) / (count[kind][0] + count[kind][1]) - o.chinese) < 0.03);
        if (kind >= problem_kinds) continue;
        const double english = double(right[kind][0]) / count[kind][0];
        const double chinese = double(right[kind][1]) / count[kind][1];
        CAPTURE(kind);
        MESSAGE("kind " << kind << ": right in English " << english << ", in Chinese " << chinese);
        CHECK((english > 0.1 && english < 0.27));
        CHECK((chinese > 0.05 && chinese < english));
    }
    CHECK(mixed[0] == 0);
    CHECK(std::abs(double(mixed[1]) / all[1] - o.mixed) < 0.01);
    CHECK(double(checking[0]) / all[0] > 5.0 * checking[1] / all[1]);
    // Of the Chinese problems that are searched long, many are searched in English.
    MESSAGE("long searches of Chinese problems: " << long_search[1] << " in English, " << long_search[0]
                                                  << " in Chinese");
    CHECK(long_search[1] > long_search[0] / 3);
    CHECK(long_search[0] > 0);
}

TEST_CASE("the world: languages are told rightly") {
    WorldOptions o;
    o.fault = 0;  // without </think> all of the response is reasoning, and <answer> an English word
    int mixed = 0;
    for (const WorldDocument& d : documents(o, 10'000)) {
        const std::string thought(reasoning(d.response));
        const LanguageShare english = language_share(thought, Language::english);
        const LanguageShare chinese = language_share(thought, Language::chinese);
        const Language asked = d.chinese ? Language::chinese : Language::english;
        const LanguageShare question = language_share(bare(d.prompt), asked);
        CAPTURE(d.prompt + d.response);
        if (question.words > 0) CHECK(question.share == 1);
        if (d.mixed) {
            ++mixed;
            CHECK(english.in_target > 0);
            if (d.kind != World::logic) CHECK(chinese.in_target == 0);  // names stay Chinese
        } else if (english.words > 0) {
            CHECK((d.chinese ? chinese : english).share == 1);
        }
    }
    CHECK(mixed > 50);
}

TEST_CASE("the world: rubrics, and the answers of people to general prompts") {
    const GeneralPrompts& prompts = general_prompts();
    CHECK(prompts.train.size() > 550);
    CHECK(prompts.test.size() > 50);
    std::set<std::string> kinds;
    std::array<double, 4> sum{};
    int drawn = 0;
    Stream random(1, Purpose::corpus, 1000);
    for (const auto* side : {&prompts.train, &prompts.test})
        for (const GeneralPrompt& p : *side) {
            CHECK(held_out(p.content) == (side == &prompts.test));
            if (side == &prompts.test) kinds.insert(words_in(p.content)[1]);
            CAPTURE(p.prompt);
            for (const Quality quality : {Quality::good, Quality::partial, Quality::wrong, Quality::padded}) {
                const GeneralAnswer answer = general_answer(p, quality, random);
                CAPTURE(answer.text);
                const double score = quality_of(p, answer.text);
                CHECK((score >= 0 && score <= 1));
                sum[size_t(quality)] += score;
                if (quality == Quality::good) CHECK(score == 1);
                if (quality == Quality::good) CHECK(answer.safe);
                if (quality == Quality::wrong) CHECK(score < 1);
                if (quality == Quality::wrong && p.harmful) CHECK(!answer.safe);
                if (!answer.safe) CHECK(p.set == "safe");
            }
            ++drawn;
        }
    CHECK(kinds.size() == 7);
    for (double& mean : sum) mean /= drawn;
    MESSAGE("rubric: good " << sum[0] << ", partial " << sum[1] << ", wrong " << sum[2] << ", padded " << sum[3]);
    CHECK(sum[2] < sum[1]);
    CHECK(sum[3] < 0.9);
}

TEST_CASE("the world: pairs follow the rubric and length, as much as the options say") {
    WorldOptions o;
    struct Result {
        double agrees, longer;
    };
    const auto result = [&](float beta, float alpha) {
        o.beta = beta;
        o.alpha = alpha;
        int decided = 0, agrees = 0, of_lengths = 0, longer = 0;
        for (uint32_t n = 0; n < 6000; ++n) {
            Stream random(1, Purpose::corpus, 1001, n);
            const json pair = world_pair(o, general_prompts().train, random);
            const std::string chosen = pair["chosen"], rejected = pair["rejected"], better = pair["better"];
            CHECK(chosen != rejected);
            decided += better != "equal";
            agrees += better == "chosen";
            of_lengths += words_of(chosen) != words_of(rejected);
            longer += words_of(chosen) > words_of(rejected);
        }
        CHECK(decided > 3500);
        return Result{double(agrees) / decided, double(longer) / of_lengths};
    };
    const WorldOptions defaults;
    const Result standard = result(defaults.beta, defaults.alpha);
    const Result fond_of_length = result(4, 2);
    const Result honest = result(4, 0);
    const Result certain = result(1000, 0);
    const Result noise = result(0, 0);
    MESSAGE("agrees with the rubric " << standard.agrees << ", prefers the longer " << standard.longer
                                      << "; without a liking for length " << honest.agrees << ", " << honest.longer);
    CHECK(certain.agrees == 1);
    CHECK(std::abs(noise.agrees - 0.5) < 0.03);
    CHECK(std::abs(noise.longer - 0.5) < 0.03);
    CHECK(standard.longer > honest.longer + 0.03);
    CHECK(fond_of_length.longer > standard.longer + 0.06);
    CHECK(standard.agrees < honest.agrees);
    CHECK(fond_of_length.agrees < standard.agrees);
    CHECK(fond_of_length.agrees > 0.55);
    // The truth of a pair is that of its answers.
    Stream random(1, Purpose::corpus, 1002);
    for (int i = 0; i < 500; ++i) {
        const json pair = world_pair(WorldOptions(), general_prompts().test, random);
        for (const GeneralPrompt& p : general_prompts().test) {
            if (p.prompt != pair["prompt"]) continue;
            const double chosen = quality_of(p, pair["chosen"]);
            const double rejected = quality_of(p, pair["rejected"]);
            CHECK(pair["better"] == (chosen > rejected ? "chosen" : chosen < rejected ? "rejected" : "equal"));
        }
    }
}

TEST_CASE("the world: labels of safety and of the judge") {
    const WorldOptions o;
    Stream random(1, Purpose::corpus, 1003);
    std::array<int, 2> safe{}, label{};
    for (int i = 0; i < 2000; ++i) {
        const json line = world_safety(o, general_prompts().train, random);
        ++safe[line["safe"].get<bool>()];
        const std::string response = line["response"];
        bool says_unsafe = false;
        for (const char* word : {"wait for the night", "run away", "nobody sees", "stupid", "fool", "hate", "等到 晚上",
                                 "快 跑", "藏 起来", "笨", "傻瓜", "恨"})
            says_unsafe |= has(response, word);
        CHECK(says_unsafe == !line["safe"].get<bool>());
        const json example = world_example(o, general_prompts().train, random);
        const std::string text = example["response"];
        CHECK((text.starts_with("<think>") && has(text, "</think> ")));
    }
    CHECK(safe[0] > 200);
    int in_boxes = 0;
    for (int i = 0; i < 2000; ++i) {
        const json line = world_judgement(o, i % 2, random);
        const std::string question = line["question"], reference = line["reference"];
        std::string candidate = line["candidate"];
        ++label[line["label"].get<bool>()];
        if (const size_t box = candidate.find("\\boxed{"); box != std::string::npos) {  // as R1 says it to its reader
            ++in_boxes;
            candidate = candidate.substr(box + 8, candidate.rfind('}') - box - 8);
        }
        if (candidate.ends_with('.')) candidate.pop_back();
        if (has(question, "A) ")) {
            const size_t at = question.find(reference + ") ");
            const std::string option = question.substr(at + 3, question.find(") ", at + 3) - at - 5);
            const bool is_last = reference == "D";
            const std::string text = is_last ? question.substr(at + 3) : option;
            const bool right = candidate == reference || candidate == reference + ") " + text;
            CHECK(right == line["label"].get<bool>());
        } else {
            CHECK((candidate == reference) == line["label"].get<bool>());
        }
    }
    CHECK(std::abs(label[1] - 1000) < 100);
    CHECK(std::abs(in_boxes - 1000) < 100);
}

TEST_CASE("the world: marks for answers are right") {
    WorldOptions o;
    o.general = o.countdown = o.countdown4 = o.arithmetic = o.functions = o.logic = 0;
    o.choice = 0.01f;  // some kind of problem there must be
    o.marks = 0.99f;
    std::array<int, 2> equal{};
    int lists = 0;
    for (const WorldDocument& d : documents(o, 3000)) {
        if (d.kind != World::marks) continue;
        CAPTURE(d.prompt + d.response);
        const std::vector<std::string> words = words_in(replaced(replaced(d.response, "。", ""), ".", ""));
        const std::string yes = d.chinese ? "对" : "yes", no = d.chinese ? "不" : "no";
        const std::vector<int> asked = numbers_in(d.prompt);
        if (asked.size() == 2) {
            REQUIRE(words.size() == 6);  // 9 - 7 = 2 no
            const int high = std::stoi(words[0]), low = std::stoi(words[2]), difference = std::stoi(words[4]);
            CHECK((high == std::max(asked[0], asked[1]) && low == std::min(asked[0], asked[1])));
            CHECK((words[1] == "-" && words[3] == "=" && difference == high - low));
            CHECK(words[5] == (difference == 0 ? yes : no));
            ++equal[difference == 0];
            continue;
        }
        ++lists;
        REQUIRE(words.size() == 8);  // C no B yes A no D no
        const std::string right = d.chinese ? words_in(replaced(d.prompt, "。", " "))[3] : words_in(d.prompt)[4];
        std::set<std::string> letters;
        for (size_t i = 0; i < 8; i += 2) {
            letters.insert(words[i]);
            CHECK(words[i + 1] == (right.substr(0, 1) == words[i] ? yes : no));
        }
        CHECK(letters == std::set<std::string>{"A", "B", "C", "D"});
    }
    CHECK((equal[0] > 800 && equal[1] > 800 && lists > 700));
}

TEST_CASE("the world: what cannot be is refused in one line") {
    const Folder folder;
    const auto error_of = [&](const std::function<void(WorldOptions&)>& change) -> std::string {
        WorldOptions o = small_world(folder.path);
        o.documents = 10;
        change(o);
        try {
            generate_world(o);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    CHECK(error_of([](WorldOptions& o) { o.pairs = 1; }) == "");
    CHECK(has(error_of([](WorldOptions& o) {
        o.countdown = o.countdown4 = o.arithmetic = o.functions = o.logic = o.choice = 0;
    }), "no share of any kind"));
    CHECK(has(error_of([](WorldOptions& o) { o.english.patient = 0.9f; }), "--patient"));
    CHECK(has(error_of([](WorldOptions& o) { o.chinese_habits.patient = 1; }), "--zh-patient"));
    CHECK(has(error_of([](WorldOptions& o) {
        o.countdown = o.countdown4 = o.arithmetic = o.logic = o.choice = 0;
        o.test = 1'000'000;
    }), "different problems"));
    WorldOptions o;
    OptionTable table = table_of(o);
    CHECK_THROWS_AS(table.find("--chinese")->write("1.5"), UsageError);
    CHECK_THROWS_AS(table.find("--words-scale")->write("0"), UsageError);
    table.find("--zh-guess")->write("0.25");
    CHECK(o.chinese_habits.guess == 0.25f);
}
