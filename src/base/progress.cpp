#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace r1 {

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string short_count(double n) {
    char text[32];
    if (n >= 1e6) std::snprintf(text, sizeof text, "%.1f M", n / 1e6);
    else if (n >= 1e4) std::snprintf(text, sizeof text, "%.0f k", n / 1e3);
    else std::snprintf(text, sizeof text, "%.0f", n);
    return text;
}

std::string short_time(double seconds) {
    const int s = int(seconds + 0.5);
    char text[32];
    if (s >= 3600) std::snprintf(text, sizeof text, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else std::snprintf(text, sizeof text, "%d:%02d", s / 60, s % 60);
    return text;
}

Progress::Progress(std::string label, int64_t total, int64_t first)
    : label_(std::move(label)), total_(total > 0 ? total : 1), first_(first), begin_(seconds_now()),
      terminal_(isatty(STDOUT_FILENO)) {}

Progress::~Progress() {
    if (on_line_) std::printf("\n");
    std::fflush(stdout);
}

void Progress::draw(int64_t done, const std::string& text, bool last) {
    const double passed = seconds_now() - begin_, share = double(done) / double(total_);
    std::string bar(20, '.');
    for (int i = 0; i < 20 && i < int(share * 20 + 0.5); ++i) bar[i] = '#';
    char head[160];
    const std::string left = last ? short_time(passed) + " in all"
                             : done > first_
                                 ? short_time(passed / double(done - first_) * double(total_ - done)) + " left"
                                 : "";
    std::snprintf(head, sizeof head, "%-9s [%s] %3d %%  %lld/%lld  %s  ", label_.c_str(), bar.c_str(), int(share * 100),
                  static_cast<long long>(done), static_cast<long long>(total_), left.c_str());
    std::string line = head + text;
    if (terminal_) {
        winsize size{};
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 && line.size() >= size.ws_col)
            line.resize(size.ws_col - 1);
        std::printf("\r\x1b[K%s%s", line.c_str(), last ? "\n" : "");
    } else {
        std::printf("%s\n", line.c_str());
    }
    on_line_ = terminal_ && !last;
    std::fflush(stdout);
}

void Progress::update(int64_t done, const std::string& text) {
    const double now = seconds_now();
    if (now - drawn_ < (terminal_ ? 0.2 : 10.0)) return;
    drawn_ = now;
    draw(done, text, false);
}

void Progress::note(const std::string& text) {
    if (on_line_) std::printf("\r\x1b[K");
    on_line_ = false;
    drawn_ = -1e9;
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
}

void Progress::finish(const std::string& text) { draw(total_, text, true); }

static volatile std::sig_atomic_t stop_flag = 0;

static void on_signal(int number) {
    if (stop_flag && number != SIGPIPE) _exit(130);
    stop_flag = 1;
}

void catch_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGPIPE}) std::signal(number, on_signal);
    if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup wants it so
}

bool stop_requested() { return stop_flag != 0; }

}  // namespace r1
