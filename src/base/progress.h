// Long work: shows how far it is, and stops in good order when asked to.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace r1 {

double seconds_now();  // of a clock that only goes forward; never enters a result

// A line that is redrawn on a terminal, or a plain line now and then where output goes to a file:
//   pretrain  [########............]  41 %  1640/4000  0:38 left  loss 0.612  61k tokens/s
class Progress {
public:
    // first: steps that were done before, which say nothing of the time left.
    Progress(std::string label, int64_t total, int64_t first = 0);
    ~Progress();
    void update(int64_t done, const std::string& text);
    void note(const std::string& text);    // a line of its own, above the bar
    void finish(const std::string& text);  // the last line, which stays

private:
    void draw(int64_t done, const std::string& text, bool last);
    std::string label_;
    int64_t total_, first_;
    double begin_, drawn_ = -1e9;
    bool terminal_, on_line_ = false;
};

std::string short_count(double n);       // 61 k, 1.3 M
std::string short_time(double seconds);  // 0:38, 12:05

// After the first Ctrl-C, SIGTERM or SIGHUP, or once nobody reads what is printed (SIGPIPE), stop_requested() is true:
// a stage saves and says how to go on. A second Ctrl-C, SIGTERM or SIGHUP ends the program at once.
void catch_signals();
bool stop_requested();

// Thrown by work that gave up because a stop was requested.
struct Stopped {};
// Thrown by work that finds all of it done.
struct Finished {};

}  // namespace r1
