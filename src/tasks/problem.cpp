#include "tasks/problem.h"

#include <cstdio>

#include "base/check.h"

namespace r1 {

// The first that recognises a line reads it.
static const ProblemKind* const kinds[] = {&code_kind, &countdown_kind, &mathematics_kind};

static const ProblemKind& kind_of(const json& line, const std::string& task, const std::string& where) {
    const ProblemKind* found = nullptr;
    for (const ProblemKind* kind : kinds)
        if (!found && kind->recognises(line)) found = kind;
    if (task == "auto") {
        if (!found)
            fail("a line that is no problem of any kind", where,
                 std::string("write ") + countdown_kind.example + " or " + mathematics_kind.example + " or " +
                     code_kind.example);
        return *found;
    }
    for (const ProblemKind* kind : kinds) {
        if (task != kind->name) continue;
        if (found != kind)
            fail("a line of " + std::string(found ? found->name : "no known kind") + " where --task is " + task, where,
                 std::string("write ") + kind->example + ", or leave --task out");
        return *kind;
    }
    throw UsageError("no kind of problem named " + task + ", --task, give auto, countdown, math or code");
}

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
        const ProblemKind& kind = kind_of(line, o.task, where);
        try {
            set.problems.push_back(kind.read(line, where));
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
