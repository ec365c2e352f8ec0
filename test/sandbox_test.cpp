// The sandbox and the code grader: escape probes, resource attacks, attacks on the judge, and honest programs.
// test/sandbox/ has them. R1_RUNS repeats each resource attack so often, and has 20 times as many programs run at once.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/threads.h"
#include "reward/code.h"

using namespace r1;

namespace {

const std::string folder = std::string(R1_SOURCE) + "/test/sandbox/";

int runs_asked_for() { return std::getenv("R1_RUNS") ? std::atoi(std::getenv("R1_RUNS")) : 1; }

const SandboxLevel& level() {
    static const SandboxLevel reached = Sandbox::level();
    return reached;
}
// Where untrusted code cannot be run nothing is, and nothing of this is tested: CI sets R1_SANDBOX, and then that fails.
bool usable() {
    if (!level().usable) MESSAGE("NOT RUN: " << level().missing);
    if (std::getenv("R1_SANDBOX")) CHECK(level().usable);
    return level().usable;
}
Sandbox& sandbox() {
    static Sandbox two(2);
    return two;
}
SandboxRun python(const std::string& source, const std::string& input = "", const SandboxLimits& limits = {}) {
    return sandbox().run(Program::python, source, input, limits);
}

// Processes of the slots' users; at rest two of bubblewrap and the worker for each slot. A supervisor ends a moment after
// its last answer, so it is given a second.
int processes() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        struct stat about;
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos || stat(entry.path().c_str(), &about) != 0) continue;
        count += about.st_uid - Sandbox::first_uid() < 2u;
    }
    return count;
}
int survivors() {
    int count = processes() - 6;
    for (int i = 0; i < 100 && count != 0; ++i) usleep(10000), count = processes() - 6;
    return count;
}

// What an attack's program must never be able to print.
void check_hidden(const json& attack, const std::string& printed) {
    if (!attack.contains("must_not_show")) return;
    const json& list = attack["must_not_show"];
    for (const json& text : list.is_array() ? list : json::array({list})) {
        const std::string name = attack["name"], hidden = text;
        CAPTURE(name);
        CAPTURE(hidden);
        CHECK(printed.find(hidden) == std::string::npos);
    }
}

}  // namespace

TEST_CASE("sandbox: honest programs") {
    if (!usable()) return;
    SandboxRun r = python("a, b = map(int, input().split())\nprint(a + b)\n", "1 2\n");
    CHECK(r.status == SandboxStatus::ok);
    CHECK((r.exit_code == 0 && r.out == "3\n" && r.err.empty()));
    CHECK(r.cpu_seconds < 1);
    r = python("import sys\nsys.exit(3)\n");
    CHECK((r.status == SandboxStatus::ok && r.exit_code == 3));
    r = python("print(1)\nraise ValueError('no')\n");
    CHECK((r.status == SandboxStatus::ok && r.exit_code == 1 && r.out == "1\n"));
    CHECK(r.err.find("ValueError: no") != std::string::npos);
    CHECK(r.err.find("<string>") == std::string::npos);  // nothing of the worker
    r = python("open('/tmp/x', 'w').write('hello')\nprint(open('/tmp/x').read())");
    CHECK(r.out == "hello\n");
    CHECK(python("print(open('/tmp/x').read())").exit_code == 1);  // the next one has a new /tmp
    CHECK(python("print('\\u00e4\\u4e2d')").out == "\xC3\xA4\xE4\xB8\xAD\n");
    CHECK(python("import sys\nsys.stdout.buffer.write(bytes(range(256)))").out.size() == 256);
    CHECK(python("import random\nprint(random.random())").out == python("import random\nprint(random.random())").out);
    CHECK(python("print(hash('word'), {'a', 'b', 'c', 'd'})").out == python("print(hash('word'), {'a', 'b', 'c', 'd'})").out);
    r = sandbox().run(Program::cpp, "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a * b << '\\n'; }", "6 7\n", {});
    CHECK((r.status == SandboxStatus::ok && r.out == "42\n"));
    r = sandbox().run(Program::cpp, "int main() { return nothing; }", "", {});
    CHECK(r.status == SandboxStatus::compile);
    CHECK(r.err.find("nothing") != std::string::npos);
    r = sandbox().run(Program::cpp, "#include <cstdlib>\nint main() { abort(); }", "", {});
    CHECK((r.status == SandboxStatus::killed && r.exit_code < 0));
    CHECK(python(std::string((1 << 20) + 1, '#')).status == SandboxStatus::refused);
    int seen = 0;
    sandbox().run(Program::python, "print(input())", {"a", "b", "c"}, {}, [&](int i, const SandboxRun& run) {
        CHECK(run.out == std::string(1, char('a' + i)) + "\n");
        return ++seen < 2;
    });
    CHECK(seen == 2);
}

TEST_CASE("sandbox: what a program finds does not depend on the run, nor on who started it") {
    if (!usable()) return;
    const char* const addresses =
        "#include <cstdio>\n#include <cstdlib>\nint x;\n"
        "int main() { int y; std::printf(\"%p %p %p\", (void*)&x, (void*)&y, std::malloc(9)); }";
    CHECK(sandbox().run(Program::cpp, addresses, "", {}).out == sandbox().run(Program::cpp, addresses, "", {}).out);
    CHECK(python("print(id([]), id(print))").out == python("print(id([]), id(print))").out);
    // Signals that r1's parent ignores, as nohup does, are not ignored here.
    const std::string program = "/tmp/r1_signals_test_" + std::to_string(getpid());
    write_file_atomically(program, "import signal\nfor s in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):\n"
                                   "    assert signal.getsignal(s) == signal.SIG_DFL\nprint('default')\n");
    const std::string command = "trap '' TERM HUP INT USR1; " R1_BINARY " sandbox --run " + program;
    FILE* pipe = popen(command.c_str(), "r");
    std::string text(4096, '\0');
    text.resize(fread(text.data(), 1, text.size(), pipe));
    CHECK(pclose(pipe) == 0);
    CHECK(json::parse(text)["stdout"] == "default\n");
    std::filesystem::remove(program);
    CHECK(python("import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)").exit_code == 1);  // docs/rewards.md
}

TEST_CASE("sandbox: limits") {
    if (!usable()) return;
    SandboxLimits limits;
    limits.cpu_seconds = 0.3;
    CHECK(python("while True: pass", "", limits).status == SandboxStatus::time);
    CHECK(python("import time\ntime.sleep(1000)", "", limits).status == SandboxStatus::time);
    CHECK(python("x = bytearray(1 << 30)").status == SandboxStatus::memory);
    CHECK(python("x = []\nwhile True: x.append(bytearray(1 << 20))").status == SandboxStatus::memory);
    // However it ends, and whenever somebody looked: more than it may hold is too much.
    CHECK(python("x = b'x' * (270 << 20); print(1)").status == SandboxStatus::memory);
    CHECK(python("x = b'x' * (200 << 20); print(1)").status == SandboxStatus::ok);
    CHECK(python("while True: print('x' * 1000)").status == SandboxStatus::output);
    CHECK(python("import os\nos.kill(os.getpid(), 9)\nos.abort()").status == SandboxStatus::killed);
    const SandboxRun r = python("for i in range(2000): open('/tmp/' + str(i), 'w')");
    CHECK((r.status == SandboxStatus::ok && r.exit_code == 1));  // no more inodes
}

TEST_CASE("sandbox: no probe gets through, started as this user and, as root, also as an ordinary one") {
    if (!usable()) return;
    SandboxLimits limits;
    limits.cpu_seconds = 20, limits.output_kb = 4096;
    const auto through = [](const std::string& lines) {
        int count = 0, last = 0;
        std::istringstream text(lines);
        for (std::string line; std::getline(text, line);) {
            const json probe = json::parse(line, nullptr, false);
            if (!probe.is_object()) continue;
            const std::string name = probe.value("probe", std::string());
            ++count, last = name == "end" ? count : 0;
            CAPTURE(line);
            CHECK(probe["through"] == false);
            if (name == "end") CHECK(line.find("0 errors, 0 not run") != std::string::npos);
        }
        CHECK(count > 300);
        CHECK(last == count);             // it came to its end
    };
    const SandboxRun run = python(read_file(folder + "probes.py"), "", limits);
    CHECK(run.status == SandboxStatus::ok);
    through(run.out);
    if (geteuid() != 0) return;
    const std::string copy = "/tmp/r1_sandbox_test_" + std::to_string(getpid());
    std::filesystem::create_directory(copy);
    std::filesystem::copy(R1_BINARY, copy + "/r1"), std::filesystem::copy(folder + "probes.py", copy + "/probes.py");
    const std::string command = "chmod -R a+rX " + copy + " && cd / && setpriv --reuid=65534 --regid=65534 --clear-groups " + copy +
                                "/r1 sandbox --cpu-seconds 20 --output-kb 4096 --run " + copy + "/probes.py";
    FILE* pipe = popen(command.c_str(), "r");
    std::string text;
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, pipe)) > 0;) text.append(part, n);
    CHECK(pclose(pipe) == 0);
    std::filesystem::remove_all(copy);
    const json result = json::parse(text, nullptr, false);
    REQUIRE(result.is_object());
    CHECK(result["status"] == "ok");
    through(result["stdout"]);
}

TEST_CASE("sandbox: resource attacks are contained, and nothing of them is left") {
    if (!usable()) return;
    const json attacks = read_json(folder + "attacks.json");
    CHECK(attacks.size() >= 10);
    const int runs = runs_asked_for();
    SandboxLimits limits;
    limits.cpu_seconds = 0.3, limits.memory_mb = 128;
    std::map<std::string, std::map<std::string, int>> seen;
    for (int i = 0; i < runs; ++i) {
        std::vector<SandboxRun> results(attacks.size());
        parallel_for(int64_t(attacks.size()), [&](int64_t a) {  // two at a time: each beside another
            const Program language = attacks[a]["language"] == "cpp" ? Program::cpp : Program::python;
            results[a] = sandbox().run(language, attacks[a]["program"], "", limits);
        });
        if (geteuid() == 0) CHECK(survivors() == 0);
        for (size_t a = 0; a < attacks.size(); ++a) {
            const std::string name = attacks[a]["name"], status = name_of(results[a].status);
            CAPTURE(name);
            CAPTURE(status);
            CAPTURE(results[a].err.substr(0, 300));
            const json& allowed = attacks[a]["allowed_status"];
            CHECK(std::find(allowed.begin(), allowed.end(), status) != allowed.end());
            check_hidden(attacks[a], results[a].out + results[a].err);
            CHECK(int64_t(results[a].out.size() + results[a].err.size()) <= 2 * (int64_t(limits.output_kb) << 10));
            ++seen[name][status];
        }
        CHECK(python("print(1)").out == "1\n");
    }
    if (runs > 1) MESSAGE(json(seen).dump(1));
}

TEST_CASE("code: no attack on the judge is rewarded, honest programs are") {
    if (!usable()) return;
    CodeTask task;
    task.tests = {{"1 2\n", "3\n"}, {"10 -4\n", "6\n"}, {"0 0\n", "0\n"}, {"123456789 987654321\n", "1111111110\n"}};
    task.limits.cpu_seconds = 0.5;
    const json attacks = read_json(folder + "judge_attacks.json");
    CHECK(attacks.size() >= 25);
    for (const json& attack : attacks) {
        const std::string name = attack["name"];
        const CodeVerdict v = grade_code(sandbox(), attack["program"].get<std::string>(), task);
        check_hidden(attack, python(attack["program"], "1 2\n", task.limits).out);
        CAPTURE(name);
        CAPTURE(v.reason);
        CHECK(v.correct == (attack["honest"] == true));
    }
}

// A program that signals process 1 once shifted all verdicts after it, where Landlock had no scope for signals.
TEST_CASE("code: at each of Landlock's levels the same verdicts, and none shifts") {
    if (!usable()) return;
    CodeTask task;
    task.tests = {{"1 2\n", "3\n"}, {"10 -4\n", "6\n"}, {"0 0\n", "0\n"},
                  {"123456789 987654321\n", "1111111110\n"}};
    task.limits.cpu_seconds = 0.5;
    const json attacks = read_json(folder + "judge_attacks.json");
    const std::string right = "print(sum(map(int, input().split())))", wrong = "print('wrong')";
    const std::string signals = "import os, time\nprint(3, flush=True)\nfor n in range(1, 65):\n"
                                "    try: os.kill(1, n)\n    except OSError: pass\ntime.sleep(0.3)";
    for (int newest = 0; newest <= level().landlock; newest += runs_asked_for() > 1 ? 1 : 5) {
        CAPTURE(newest);
        setenv("R1_LANDLOCK_AT_MOST", std::to_string(newest).c_str(), 1);
        Sandbox one(1);
        CHECK(Sandbox::level().landlock == newest);
        unsetenv("R1_LANDLOCK_AT_MOST");
        std::string verdicts;
        for (const std::string& program : {right, wrong, signals, wrong, right, wrong, right, right, wrong}) {
            const CodeVerdict v = grade_code(one, program, task);
            CHECK_FALSE(v.ungraded);  // a signal that process 1 hears is no way out, either
            verdicts += v.correct ? '1' : '0';
        }
        CHECK(verdicts == "100010110");
        for (const json& attack : attacks) {
            const std::string name = attack["name"];
            CAPTURE(name);
            const CodeVerdict v = grade_code(one, attack["program"].get<std::string>(), task);
            CHECK(v.correct == (attack["honest"] == true));
        }
        CHECK(grade_code(one, right, task).correct);
    }
    if (geteuid() != 0) return;
    // And as an ordinary user, without Landlock.
    const std::string copy = "/tmp/r1_levels_test_" + std::to_string(getpid());
    std::filesystem::create_directory(copy);
    std::filesystem::copy(R1_BINARY, copy + "/r1");
    json tests = json::array();
    for (const CodeTest& test : task.tests) tests.push_back({{"input", test.input}, {"output", test.output}});
    std::string lines, expected;
    for (const json& attack : attacks) {
        lines += json{{"answer", attack["program"]}, {"tests", tests}, {"cpu_seconds", 0.5}}.dump() + "\n";
        expected += attack["honest"] == true ? '1' : '0';
    }
    write_file_atomically(copy + "/lines", lines);
    const std::string command = "chmod -R a+rX " + copy + " && cd / && R1_LANDLOCK_AT_MOST=0 setpriv --reuid=65534 "
                                "--regid=65534 --clear-groups " + copy + "/r1 grade --task code --jsonl < " + copy +
                                "/lines";
    FILE* pipe = popen(command.c_str(), "r");
    std::string text, verdicts;
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, pipe)) > 0;) text.append(part, n);
    CHECK(pclose(pipe) == 0);
    std::filesystem::remove_all(copy);
    std::istringstream said(text);
    for (std::string line; std::getline(said, line);) verdicts += json::parse(line)["accuracy"] == 1 ? '1' : '0';
    CHECK(verdicts == expected);
}

TEST_CASE("code: what cannot be executed or compiled is a verdict, and its reason names it") {
    if (!usable()) return;
    CodeTask task;
    task.language = Program::cpp;
    task.tests = {{"", "3\n"}, {"", "3\n"}};
    CodeVerdict v = grade_code(sandbox(), "int main() { return nothing; }", task);
    CHECK(!v.correct);
    CHECK(v.reason.find("test 1 of 2: compile: ") == 0);
    CHECK(v.reason.find("error: ") != std::string::npos);
    const char* const interpreter = "asm(\".pushsection .interp,\\\"a\\\"\\n.ascii \\\"/nope\\\"\\n.popsection\");\n";
    v = grade_code(sandbox(), interpreter + std::string("int main() {}"), task);
    CHECK(v.reason == "test 1 of 2: refused");
    v = grade_code(sandbox(), "#include <cstdio>\nint main() { std::puts(\"3\"); }", task);
    CHECK(v.correct);
}

TEST_CASE("code: tasks, answers, verdicts") {
    CHECK(extract_code("print(1)") == "print(1)");
    CHECK(extract_code("Here: ```python\nprint(1)\n``` done.") == "print(1)\n");
    CHECK(extract_code("```\nprint(1)\n``` or ```\nprint(2)\n```") == "print(2)\n");
    CHECK(extract_code("```\nprint(1)") == "```\nprint(1)");
    CHECK(extract_code("```a\n1\n``` and ```") == "1\n");
    CHECK(extract_code("``````") == "");
    CHECK(extract_code("") == "");
    CHECK(same_output("3\n", "3"));
    CHECK(same_output("3  \r\n\n\n", "3"));
    CHECK(same_output("1\n2 \n", "1 \n2"));
    CHECK_FALSE(same_output("1\n\n2", "1\n2"));
    CHECK_FALSE(same_output(" 3", "3"));
    CHECK_FALSE(same_output("", "3"));
    CHECK(same_output("\n", ""));
    const auto refused = [](const char* text) {
        try {
            code_task_of(json::parse(text), "here");
        } catch (const Error& e) {
            return std::string(e.what()).find("here") != std::string::npos;
        }
        return false;
    };
    for (const char* bad : {"[]", "{}", "{\"tests\": []}", "{\"tests\": [3]}", "{\"tests\": [{\"input\": \"1\"}]}",
                            "{\"tests\": [{\"output\": 3}]}", "{\"tests\": [{\"output\": \"\"}], \"language\": \"perl\"}",
                            "{\"tests\": [{\"output\": \"\"}], \"cpu_seconds\": 0}", "{\"tests\": [{\"output\": \"\"}], \"program\": \"x\"}",
                            "{\"tests\": [{\"output\": \"\"}], \"reward\": \"most\"}"}) {
        CAPTURE(bad);
        CHECK(refused(bad));
    }
    if (!usable()) return;
    CodeTask task = code_task_of(json::parse(R"JSON({"tests": [{"input": "2 3\n", "output": "7\n"}, {"input": "4 5\n", "output": "21\n"}],
                                                 "program": "a, b = map(int, input().split())\nprint({answer})"})JSON"), "here");
    CHECK(grade_code(sandbox(), "a * b + 1", task).reason == "passes all 2 tests");
    CodeVerdict v = grade_code(sandbox(), "a + b + 2", task);
    CHECK((!v.correct && v.share == 0 && v.reason == "test 2 of 2: another output"));
    v = grade_code(sandbox(), "a +", task);
    CHECK((!v.correct && v.reason == "test 1 of 2: ended with status 1"));
    task.fraction = true;
    CHECK(grade_code(sandbox(), "a + b + 2", task).share == 0.5f);
}

TEST_CASE("sandbox: many at once on a busy machine, the same verdicts in the same order") {
    if (!usable()) return;
    const size_t programs = std::max(60, 20 * runs_asked_for());
    std::vector<std::jthread> spinners;
    for (int i = 0; i < 4; ++i) spinners.emplace_back([](std::stop_token stop) { while (!stop.stop_requested()) {} });
    const auto verdicts = [&] {
        std::vector<std::string> all(programs);
        parallel_for(int64_t(programs), [&](int64_t i) {
            const SandboxRun r = python(i % 3 == 0 ? "print(input())" : i % 3 == 1 ? "print(1 // 0)" : "while True: print(1)", std::to_string(i));
            all[i] = name_of(r.status) + std::string(" ") + std::to_string(r.exit_code) + (i % 3 == 0 ? r.out : "");
        });
        return all;
    };
    const auto first = verdicts();
    for (const std::string& each : first) CHECK(each.find("infrastructure") == std::string::npos);
    CHECK(verdicts() == first);
    CHECK(verdicts() == first);
}
