// An answer is a whole response or the bare answer. With --template its form is the one that evaluation expects under
// that template. Else it is told by the tags: with <answer> in it, R1-Zero's; with <think> alone, the released R1's,
// which thinks, and then has a box for mathematics and choices, and for all else a text; without any tag all of it is
// the answer, and the format is 0. Mathematics, choice and logic take what is boxed in the answer, if anything is.
#include "commands/grade.h"

#include <cstdio>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "reward/code.h"
#include "reward/countdown.h"
#include "reward/extract.h"
#include "reward/language.h"
#include "reward/mathematics/grade.h"
#include "tasks/problem.h"
#include "tasks/rollout.h"

namespace r1 {

// Numbers between commas, as 3,7,12.
static Option numbers_option(std::vector<int>& numbers) {
    const char* const name = "--numbers";
    const auto write = [&numbers, name](const std::string& text) {
        numbers.clear();
        std::istringstream parts(text);
        for (std::string part; std::getline(parts, part, ',');)
            numbers.push_back(int(number_of(name, part, between(-1e9, 1e9), true)));
    };
    const auto read = [&numbers] {
        std::string text;
        for (const int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
        return text;
    };
    return {name, "countdown: the numbers, as 3,7,12", write, read};
}

OptionTable table_of(GradeOptions& o) {
    OptionTable table;
    table.word("--task", o.task, {"countdown", "math", "code", "choice", "logic", "format", "language"},
               "what the answers are answers to");
    table.texts("--reward-command", o.reward_commands,
                "a reward of your own, in place of --task, as r1 grpo would ask it");
    table.number("--reward-seconds", o.reward_seconds, {0, 1e6, true}, "that it may take for an answer")
        .only("--reward-command", [&o] { return !o.reward_commands.empty(); });
    table.add(numbers_option(o.numbers));
    table.number("--target", o.target, between(-1e9, 1e9), "countdown: what they must give");
    table.text("--reference", o.reference,
               "math: the right answer, as '\\frac{1}{2}', or a data set's solution with its #### or \\boxed{}");
    table.input("--tests", o.tests,
                "code: a file with JSON {\"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}], "
                "\"language\": \"python\"}");
    table.input("--problem", o.problem,
                "choice, logic: a file with one problem in JSON, as a line of --problems of other commands");
    table.word("--template", o.prompt_template, {"auto", "plain", "r1-zero", "chat"},
               "where the answer is looked for: as evaluation does under it; auto: as its tags say");
    table
        .flag("--lenient", o.lenient,
              "math: also where a text without a box has it, decimals as roundings, as evaluation's lenient score has")
        .only("--task math", [&o] { return o.task == "math"; });
    table.text("--language", o.language, "language: en, zh, ja, ko, ru, ar, el, he, th or hi");
    table.flag(
        "--jsonl", o.jsonl,
        "lines {\"answer\": ...}, each with its own numbers, target, reference, language or tests if it likes; of "
        "choice and logic problems with the answer in \"response\"");
    return table;
}

OptionTable table_of(SandboxOptions& o) {
    OptionTable table;
    table.flag("--level", o.level, "print what holds a program on this machine, and run none");
    table.input("--run", o.run, "the program's file");
    table.word("--language", o.language, {"python", "cpp"}, "of the program");
    table.input("--stdin", o.input, "file for its standard input; default: empty");
    table.number("--cpu-seconds", o.cpu_seconds, {0, 1e5, true}, "CPU time of all its processes together");
    table.number("--memory-mb", o.memory_mb, between(16, 1e6), "memory of all its processes together");
    table.number("--output-kb", o.output_kb, between(1, 1e6), "standard output and error together");
    return table;
}

namespace {

bool has_tags(std::string_view text) {
    for (const char* tag : {"<think>", "</think>", "<answer>", "</answer>"})
        if (text.find(tag) != std::string_view::npos) return true;
    return false;
}

// What a response says, as far as its form goes.
struct Read {
    AnswerForm form = AnswerForm::tags;
    std::optional<std::string_view> answer;
    bool format = false;
    std::string fault;  // why the format is not kept
};

Read read_response(std::string_view text, const GradeOptions& o) {
    const bool has_answer_tags =
        text.find("<answer>") != std::string_view::npos || text.find("</answer>") != std::string_view::npos;
    const bool boxed = o.task == "math" || o.task == "choice";
    Read read;
    if (o.prompt_template == "chat" && boxed) read.form = AnswerForm::boxed;
    if (o.prompt_template == "auto" && has_tags(text) && !has_answer_tags)
        read.form = boxed ? AnswerForm::boxed : AnswerForm::summary;
    const bool think_opened = read.form != AnswerForm::tags && text.find("<think>") == std::string_view::npos &&
                              text.find("</think>") != std::string_view::npos;
    read.format = format_ok(text, &read.fault, think_opened, read.form);
    const bool all = o.prompt_template == "auto" && !has_tags(text);
    read.answer = all ? trimmed(text) : extract_answer(text, read.form);
    return read;
}

json result(double accuracy, bool format, const std::string& reason) {
    return {{"accuracy", accuracy == 0 || accuracy == 1 ? json(int(accuracy)) : json(rounded(accuracy))},
            {"format", int(format)},
            {"reason", reason}};
}

struct Grader {
    GradeOptions o;
    std::unique_ptr<Sandbox> sandbox = {};
    std::optional<MathReference> reference = {};
    std::string reference_text = {};
    json tests = {};
    std::optional<CodeTask> code = {};

    // By the problem of a kind that is read as a whole.
    json grade_problem(const std::string& text, const Problem& problem) const {
        const Read read = read_response(text, o);
        if (!read.answer) return result(0, read.format, "no answer");
        const auto boxed = extract_boxed(*read.answer);
        const Accuracy accuracy = problem.grade(boxed ? *boxed : *read.answer);
        return result(accuracy.value, read.format, accuracy.reason);
    }

    json grade_math(const std::string& text, const Read& read, const GradeOptions& of, const std::string& where) {
        if (!reference || reference_text != of.reference) {
            const auto of_solution = reference_answer(of.reference);  // a data set's whole solution
            reference = of.lenient ? MathReference::parse_leniently(of.reference, where)
                                   : MathReference::parse(of_solution ? *of_solution : of.reference, where);
            reference_text = of.reference;
        }
        Verdict verdict = {false, "no answer"};
        if (read.answer) {
            const auto boxed = extract_boxed(*read.answer);
            verdict = reference->grade(boxed ? *boxed : *read.answer);
        }
        const auto summary = extract_answer(text, AnswerForm::summary);
        if (of.lenient && !verdict.correct && summary) {
            const auto tagged = extract_tagged(*summary);
            verdict = reference->grade_leniently(tagged ? *tagged : *summary);
        }
        return result(verdict.correct, read.format, verdict.reason);
    }

    json grade(const std::string& text, const GradeOptions& of, const json& own_tests, const std::string& where) {
        const Read read = read_response(text, of);
        if (of.task == "format") {
            std::string fault;
            const bool format = format_ok(text, &fault);
            return result(format, format, format ? "the format is kept" : fault);
        }
        if (of.task == "language") {
            const auto language = language_named(of.language);
            if (!language)
                throw UsageError("no language of that name, --language " + of.language +
                                 ", give en, zh, ja, ko, ru, ar, el, he, th or hi");
            const LanguageShare s = language_consistency(text, *language);
            return result(s.share, read.format,
                          std::to_string(s.in_target) + " of " + std::to_string(s.words) + " words");
        }
        if (of.task == "math") return grade_math(text, read, of, where);
        if (!read.answer) return result(0, read.format, "no answer");
        if (of.task == "countdown") {
            const Verdict v = grade_countdown(*read.answer, of.numbers, of.target);
            return result(v.correct, read.format, v.reason);
        }
        if (!code || tests != own_tests) code = code_task_of(own_tests, where);
        tests = own_tests;
        if (!sandbox) sandbox = std::make_unique<Sandbox>(1);
        const CodeVerdict v = grade_code(*sandbox, *read.answer, *code);
        if (v.ungraded) fail(v.reason, "the sandbox", "try again on a machine that is less busy");
        return result(v.share, read.format, v.reason);
    }
};

// What the task needs to know, from the options or, with --jsonl, from each line.
void check_needs(const GradeOptions& o, bool has_tests, const std::string& where) {
    const auto need = [&](bool there, const char* what) {
        if (!there) throw UsageError(std::string("nothing to grade by, ") + where + ", give " + what);
    };
    if (o.task == "countdown") need(!o.numbers.empty(), "--numbers 3,7,12 and --target 33");
    if (o.task == "math") need(!o.reference.empty(), "--reference '\\frac{1}{2}'");
    if (o.task == "code") need(has_tests, "--tests FILE");
}

// The options of a line over those of the command.
GradeOptions options_of(GradeOptions o, const json& line, const std::string& where) {
    const auto wrong = [&](const char* key) {
        fail(std::string("\"") + key + "\" is of the wrong type", where, "compare it with r1 grade --help");
    };
    const auto text = [&](const char* key, std::string& into) {
        if (!line.contains(key) || line[key].is_null()) return;
        if (line[key].is_number()) into = text_of_number(line[key]);
        else if (line[key].is_string()) into = line[key].get<std::string>();
        else wrong(key);
    };
    const auto is_int = [](const json& n) { return n.is_number_integer() && n >= -1000000000 && n <= 1000000000; };
    text("reference", o.reference);
    text("language", o.language);
    if (line.contains("numbers")) {
        o.numbers.clear();
        if (!line["numbers"].is_array()) wrong("numbers");
        for (const json& n : line["numbers"]) {
            if (!is_int(n)) wrong("numbers");
            o.numbers.push_back(n.get<int>());
        }
    }
    if (line.contains("target")) {
        if (!is_int(line["target"])) wrong("target");
        o.target = line["target"].get<int>();
    }
    return o;
}

std::string answer_of(const json& line, const char* key, const std::string& where) {
    if (line.contains(key) && line[key].is_number()) return text_of_number(line[key]);
    if (!line.contains(key) || !line[key].is_string())
        fail(std::string("a line without \"") + key + "\"", where,
             std::string("write {\"") + key + "\": \"...\"} with the other keys");
    return line[key];
}

// Prints the grade of each line of standard input. One that cannot be graded gets {"error": ...} in its place, and the
// others go on; Error at the end if there was any.
void grade_lines(const std::function<json(const json& line, const std::string& where)>& grade) {
    std::string text;
    int64_t lines = 0, bad = 0;
    for (int64_t number = 1; std::getline(std::cin, text); ++number) {
        if (trimmed(text).empty()) continue;
        ++lines;
        const std::string where = "standard input line " + std::to_string(number);
        json said;
        try {
            const json line = json_keeping_digits(text);
            if (!line.is_object())
                fail("a line that is not a JSON object", where, "write it as {\"answer\": \"...\"} on a line");
            said = grade(line, where);
        } catch (const Error& error) {
            ++bad;
            said = {{"error", error.what()}};
        }
        std::printf("%s\n", said.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
        std::fflush(stdout);
    }
    if (bad > 0)
        fail(std::to_string(bad) + " of " + std::to_string(lines) + " lines could not be graded", "standard input",
             "their \"error\" says why");
}

// Choice and logic: a problem is one JSON object, a file of its own or each line of standard input. On a line the
// answer to be judged stands in "response", since "answer" is the right one of a choice; of a puzzle "answer" will do.
void grade_problems(const GradeOptions& o) {
    const Grader grader{o};
    if (!o.jsonl) {
        if (o.problem.empty()) throw UsageError("nothing to grade by, --task " + o.task + ", give --problem FILE");
        const json object = read_json(o.problem);
        if (!object.is_object()) fail("not a JSON object", o.problem, "write the problem as one object");
        const Problem problem = read_problem(object, o.task, o.problem);
        const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
        std::printf("%s\n", grader.grade_problem(text, problem).dump().c_str());
        return;
    }
    grade_lines([&](const json& line, const std::string& where) {
        const char* key = o.task == "logic" && !line.contains("response") ? "answer" : "response";
        const std::string text = answer_of(line, key, where);
        return grader.grade_problem(text, read_problem(line, o.task, where));
    });
}

}  // namespace

// What commands say of an answer; the problem is the rest of its line.
static json ask_commands(RewardCommands& commands, json problem, const char* key, const std::string& answer) {
    const json prompt = problem.value("prompt", json(""));
    problem.erase(key);
    const json request = {{"problem", problem}, {"prompt", prompt}, {"responses", {answer}}, {"finished", {true}}};
    json parts = json::array();
    double total = 0;
    for (const auto& command : commands) {
        const CommandReward said = command->ask(request, 1)[0];
        total += command->weight() * said.reward;
        parts.push_back({{"reward", said.reward}, {"parts", said.parts}, {"reason", said.reason}});
    }
    return {{"reward", rounded(total)}, {"commands", parts}};
}

static void grade_by_commands(const GradeOptions& o) {
    RewardCommands commands = make_reward_commands(o.reward_commands, o.reward_seconds);
    if (!o.jsonl) {
        json problem = o.problem.empty() ? json::object() : read_json(o.problem);
        if (!problem.is_object()) fail("not a JSON object", o.problem, "write the problem as one object");
        const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
        if (!o.reference.empty()) problem["reference"] = o.reference;
        std::printf("%s\n", ask_commands(commands, problem, "", text).dump().c_str());
        return;
    }
    grade_lines([&](const json& line, const std::string& where) {
        const char* key = line.contains("response") ? "response" : "answer";
        return ask_commands(commands, line, key, answer_of(line, key, where));
    });
}

void grade_command(const GradeOptions& o) {
    if (!o.reward_commands.empty()) {
        if (!o.task.empty()) throw UsageError("a task and a command of your own, --reward-command, give one of them");
        return grade_by_commands(o);
    }
    if (o.task.empty())
        throw UsageError(
            "nothing to grade by, --task, give countdown, math, code, choice, logic, format, language, or "
            "--reward-command");
    if (o.task == "choice" || o.task == "logic") return grade_problems(o);
    Grader grader{o};
    const json tests = o.tests.empty() ? json() : read_json(o.tests);
    if (!o.jsonl) {
        check_needs(o, !o.tests.empty(), "--task " + o.task);
        const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
        std::printf("%s\n", grader.grade(text, o, tests, o.task == "code" ? o.tests : "--reference").dump().c_str());
        return;
    }
    grade_lines([&](const json& line, const std::string& where) {
        const std::string text = answer_of(line, "answer", where);
        const GradeOptions of = options_of(o, line, where);
        check_needs(of, !o.tests.empty() || line.contains("tests"), where);
        const json& own = line.contains("tests") ? line : tests;
        return grader.grade(text, of, own, !line.contains("tests") && o.task == "code" ? o.tests : where);
    });
}

void sandbox_command(const SandboxOptions& o) {
    if (o.level) {
        const SandboxLevel l = Sandbox::level();
        const json said = {{"usable", l.usable},
                           {"missing", l.missing},
                           {"own_uid_for_each_slot", l.own_uids},
                           {"landlock", l.landlock},
                           {"python", l.python}};
        std::printf("%s\n", said.dump(1).c_str());
        if (!l.usable) fail("untrusted programs cannot be run here", "the sandbox", l.missing);
        return;
    }
    if (o.run.empty()) throw UsageError("nothing to run, r1 sandbox, give --run FILE or --level");
    SandboxLimits limits;
    limits.cpu_seconds = o.cpu_seconds;
    limits.memory_mb = o.memory_mb;
    limits.output_kb = o.output_kb;
    const std::string source = read_file(o.run), input = o.input.empty() ? "" : read_file(o.input);
    Sandbox sandbox(1);
    const SandboxRun run = sandbox.run(o.language == "cpp" ? Program::cpp : Program::python, source, input, limits);
    const json shown = {{"status", name_of(run.status)},
                        {"exit_code", run.exit_code},
                        {"stdout", run.out},
                        {"stderr", run.err},
                        {"cpu_seconds", rounded(run.cpu_seconds)}};
    std::printf("%s\n", shown.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    if (run.status == SandboxStatus::infrastructure) fail("the program could not be run", "the sandbox", run.err);
}

}  // namespace r1
