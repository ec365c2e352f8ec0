// What the tests of commands share: the program run by a shell, a folder that goes away, and how a refusal looks.
#pragma once
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

struct Result {
    int status;
    std::string text;                     // standard output and standard error
};

inline Result shell(const std::string& command) {
    std::FILE* pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");
    Result result{0, {}};
    char buffer[4096];
    size_t n;
    while ((n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0) result.text.append(buffer, n);
    const int status = pclose(pipe);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

inline const std::string binary = R1_BINARY;

inline std::vector<json> lines_of(const std::string& path) {
    std::vector<json> lines;
    read_json_lines(path, [&](const json& line, int64_t) { lines.push_back(line); });
    return lines;
}

struct Folder {
    std::string path;
    explicit Folder(const std::string& parent = "/tmp") : path(parent + "/r1-test-XXXXXX") { mkdtemp(path.data()); }
    ~Folder() { [[maybe_unused]] const int ignored = std::system(("rm -rf " + path).c_str()); }
    void write(const std::string& name, const std::string& text) const { write_file_atomically(path + "/" + name, text); }
    std::string operator/(const std::string& name) const { return path + "/" + name; }
};

// The last saved state of a run, "" if there is none.
inline std::string last_state(const std::string& run) {
    std::string last;
    int most = -1;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(run, error)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("step-") || name.ends_with(".tmp") || std::atoi(name.c_str() + 5) <= most) continue;
        most = std::atoi(name.c_str() + 5);
        last = entry.path().string() + "/training.state";
    }
    return last;
}

// Runs `command` until the file has `lines` lines more than now, then sends it the signal and waits for its end.
inline Result stop_after(const std::string& command, const std::string& file, int lines, const std::string& signal) {
    const std::string count = "$(wc -l < " + file + " 2> /dev/null || echo 0)";
    return shell("last=$((" + count + " + " + std::to_string(lines) + ")); " + command + " & pid=$!; while [ " + count +
                 " -lt $last ] && kill -0 $pid 2> /dev/null; do sleep 0.005; done; kill -" + signal +
                 " $pid 2> /dev/null; wait $pid");
}

// The command ends with this status and one line, the last, that says what and where.
inline void refuses(const std::string& command, int status, const std::string& what, const std::string& where = "") {
    const Result r = shell(command);
    INFO(command << "\n" << r.text);
    CHECK(r.status == status);
    CHECK(r.text.find("r1: error: ") != std::string::npos);
    CHECK(r.text.find(what) != std::string::npos);
    CHECK(r.text.find(where) != std::string::npos);
    const size_t line = r.text.find("r1: error: ");
    CHECK(r.text.find('\n', line) == r.text.size() - 1);  // one line, the last
}

}  // namespace r1
