#include "tasks/problem.h"

#include <cstdio>

#include "base/check.h"
#include "reward/language.h"

namespace r1 {

// The first that recognises a line reads it.
static const ProblemKind* const kinds[] = {&code_kind,   &countdown_kind,   &logic_kind,
                                           &choice_kind, &mathematics_kind, &general_kind};

std::vector<std::string> kind_names() {
    std::vector<std::string> names;
    for (const ProblemKind* kind : kinds) names.push_back(kind->name);
    return names;
}

// Texts as "a, b or c".
static std::string either(const std::vector<std::string>& texts) {
    std::string all;
    for (size_t i = 0; i < texts.size(); ++i) all += (i == 0 ? "" : i + 1 == texts.size() ? " or " : ", ") + texts[i];
    return all;
}

static const ProblemKind& kind_of(const json& line, const std::string& task, const std::string& where) {
    const ProblemKind* found = nullptr;
    for (const ProblemKind* kind : kinds)
        if (!found && kind->recognises(line)) found = kind;
    if (task == "auto") {
        std::vector<std::string> examples;
        for (const ProblemKind* kind : kinds) examples.push_back(kind->example);
        if (!found) fail("a line that is no problem of any kind", where, "write " + either(examples));
        return *found;
    }
    for (const ProblemKind* kind : kinds) {
        if (task != kind->name) continue;
        if (found != kind)
            fail("a line of " + std::string(found ? found->name : "no known kind") + " where --task is " + task, where,
                 std::string("write ") + kind->example + ", or leave --task out");
        return *kind;
    }
    throw UsageError("no kind of problem named " + task + ", --task, give auto, " + either(kind_names()));
}

// ---- the keys of every kind

static bool has(const json& line, const char* key) { return line.contains(key) && !line[key].is_null(); }

std::string language_of(const json& line, const char* key, const std::string& where) {
    if (!has(line, key)) return "";
    if (!line[key].is_string() || !language_named(line[key].get_ref<const std::string&>()))
        fail(std::string("\"") + key + "\" is no language that is known here", where,
             "write en, zh, ja, ko, ru, ar, el, he, th or hi, or leave it out");
    return line[key].get<std::string>();
}

// Shared with examples to imitate.
double weight_of(const json& line, const std::string& where) {
    if (!has(line, "weight")) return 1;
    const double weight = line["weight"].is_number() ? line["weight"].get<double>() : 0;
    if (!(weight >= 0.001 && weight <= 1000))
        fail("\"weight\" is not a number from 0.001 to 1000", where, "write how often an epoch is to have the line");
    return weight;
}

static std::string difficulty_of(const json& line, const std::string& where) {
    for (const char* key : {"difficulty", "level"}) {
        if (!has(line, key)) continue;
        const json& value = line[key];
        if (!value.is_string() && !value.is_number())
            fail(std::string("\"") + key + "\" is neither a text nor a number", where, "write one or leave it out");
        return value.is_string() ? value.get<std::string>() : value.dump();
    }
    return "";
}

Problem read_problem(const json& line, const std::string& task, const std::string& where) {
    const ProblemKind& kind = kind_of(line, task, where);
    const std::string language = language_of(line, &kind == &code_kind ? "prompt_language" : "language", where);
    const std::string difficulty = difficulty_of(line, where);
    const double weight = weight_of(line, where);
    Problem problem = kind.read(line, where);
    problem.language = language;
    problem.weight = weight;
    problem.difficulty = difficulty;
    problem.source = line;
    return problem;
}

// ---- files

void check_given(const std::string& path) {
    if (path.empty())
        throw UsageError(
            "no problems to ask, --problems, give a file of JSON lines (for Countdown: r1 countdown makes them, or " +
            std::string(countdown_kind.example) + ")");
}

ProblemSet read_problem_set(const std::string& path, const ProblemOptions& o) {
    ProblemSet set;
    read_json_lines(path, [&](const json& line, int64_t number) {
        const std::string where = path + " line " + std::to_string(number);
        try {
            set.problems.push_back(read_problem(line, o.task, where));
            set.problems.back().line = number;
        } catch (const UngradableReference& error) {
            if (o.refuse_ungradable) throw;
            if (o.keep_ungradable && error.ungraded) set.problems.push_back(*error.ungraded);
            else if (set.left_out++ == 0) set.first_left_out = error.what();
        }
    });
    if (set.problems.empty() && set.left_out > 0) throw Error(set.first_left_out + "; no other line is left");
    if (set.problems.empty())
        fail("no problems", path, std::string("write ") + countdown_kind.example + ", each on a line");
    return set;
}

std::vector<Problem> read_problems(const std::string& path, const ProblemOptions& o) {
    ProblemSet set = read_problem_set(path, o);
    if (set.left_out > 0)
        std::printf("%s: %lld of %lld problems left out, because their references cannot be graded. The first: %s\n",
                    path.c_str(), static_cast<long long>(set.left_out),
                    static_cast<long long>(set.left_out + int64_t(set.problems.size())), set.first_left_out.c_str());
    return std::move(set.problems);
}

std::string question_text(const json& line, const char* key, const std::string& where) {
    if (!line.contains(key) || !line[key].is_string() || trimmed(line[key].get_ref<const std::string&>()).empty())
        fail(std::string("no text in \"") + key + "\"", where, "write the question there");
    return line[key].get<std::string>();
}

}  // namespace r1
