#include "reward/command.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/options.h"
#include "base/progress.h"
#include "reward/extract.h"

namespace r1 {

namespace {

constexpr size_t MOST_BYTES = size_t(1) << 26;  // of an answer
constexpr double LARGEST = 1e6;                 // of a reward, as in the audit

// A number as it may stand in an answer; none if it is not one that can be learned from.
std::optional<double> reward_of(const json& value) {
    if (!value.is_number()) return std::nullopt;
    const double number = value.get<double>();
    return std::isfinite(number) && std::fabs(number) <= LARGEST ? std::optional(number) : std::nullopt;
}

std::optional<CommandReward> one_reward(const json& value) {
    CommandReward one;
    const bool object = value.is_object();
    const auto number = reward_of(object ? value.value("reward", json()) : value);
    if (!number) return std::nullopt;
    one.reward = *number;
    if (!object) return one;
    if (value.contains("reason") && value["reason"].is_string()) one.reason = value["reason"].get<std::string>();
    if (!value.contains("parts")) return one;
    if (!value["parts"].is_object()) return std::nullopt;
    for (const auto& [name, part] : value["parts"].items()) {
        if (!reward_of(part)) return std::nullopt;
        one.parts[name] = *reward_of(part);
    }
    return one;
}

}  // namespace

RewardCommand::RewardCommand(const std::string& text, double seconds) : seconds_(seconds), command_(text) {
    const size_t colon = text.find(':');
    const bool weighed = colon != std::string::npos && text.find_first_not_of("0123456789.-") == colon && colon > 0;
    if (weighed) {
        weight_ = number_of("--reward-command", text.substr(0, colon), between(-1000, 1000), false);
        command_ = text.substr(colon + 1);
    }
    if (trimmed(command_).empty())
        throw UsageError("no command, --reward-command \"" + text + "\", give one as \"python3 reward.py\"");
}

RewardCommand::~RewardCommand() { stop(); }

// Its standard input ends, and so should it, within a second. Returns how it ended, as waitpid() says it.
int RewardCommand::stop() {
    if (channel_ >= 0) close(channel_);
    channel_ = -1;
    received_.clear();
    int status = 0;
    if (pid_ <= 0) return status;
    bool ended = false;
    for (int i = 0; i < 100 && !ended; ++i) {
        ended = waitpid(pid_, &status, WNOHANG) == pid_;
        if (!ended) usleep(10000);
    }
    kill(-pid_, SIGKILL);  // and whatever it started
    if (!ended) waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
}

void RewardCommand::give_up(const std::string& what) {
    stop();
    throw OutsideFailed(what + ", --reward-command \"" + command_ + "\", try it with r1 grade --reward-command");
}

// In a group of processes of its own, so that Ctrl-C stops the run in good order and not the command.
void RewardCommand::start() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up(std::strerror(errno));
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {  // only calls that are safe after a fork
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(126);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        if (dup2(ends[1], 0) < 0 || dup2(ends[1], 1) < 0) _exit(126);
        execl("/bin/sh", "sh", "-c", command_.c_str(), nullptr);
        _exit(127);
    }
    close(ends[1]);
    channel_ = ends[0];
    if (pid_ < 0) give_up(std::string("the command did not start: ") + std::strerror(errno));
}

void RewardCommand::wait_for(short events, double until) {
    pollfd channel = {channel_, events, 0};
    for (;;) {
        const double left = until - seconds_now();
        if (left <= 0) give_up("the command said nothing for " + number_text(seconds_) + " seconds");
        const int ready = poll(&channel, 1, int(std::min(left * 1000 + 1, 1e6)));
        if (ready > 0) return;
        if (ready < 0 && errno != EINTR) give_up(std::strerror(errno));
        if (stop_requested()) throw Stopped();
    }
}

void RewardCommand::send(const std::string& line, double until) {
    for (size_t done = 0; done < line.size();) {
        wait_for(POLLOUT, until);
        const ssize_t n = ::send(channel_, line.data() + done, line.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) done += size_t(n);
        else if (errno == EPIPE || errno == ECONNRESET) return;  // receive() says how it ended
        else if (errno != EAGAIN && errno != EINTR) give_up(std::strerror(errno));
    }
}

std::string RewardCommand::receive(double until) {
    for (;;) {
        if (const size_t end = received_.find('\n'); end != std::string::npos) {
            const std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        if (received_.size() > MOST_BYTES) give_up("a line of more than 64 MiB from the command");
        wait_for(POLLIN, until);
        char part[1 << 16];
        const ssize_t n = recv(channel_, part, sizeof part, MSG_DONTWAIT);
        if (n > 0) received_.append(part, size_t(n));
        else if (n == 0 || errno == ECONNRESET) break;
        else if (errno != EAGAIN && errno != EINTR) give_up(std::strerror(errno));
    }
    const int status = stop();
    give_up(WIFEXITED(status) ? "the command ended with status " + std::to_string(WEXITSTATUS(status))
                              : "the command ended, or closed its standard output");
}

std::vector<CommandReward> RewardCommand::ask(const json& request, size_t responses) {
    if (pid_ <= 0) start();
    const double until = seconds_now() + seconds_;
    send(request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", until);
    const std::string line = receive(until);
    const json said = json_of(line);
    const std::string shown = line.size() > 60 ? line.substr(0, 60) + "..." : line;
    if (!said.is_array()) give_up("the command said " + json(shown).dump() + ", which is no list of rewards");
    if (said.size() != responses)
        give_up("the command gave " + std::to_string(said.size()) + " rewards for " + std::to_string(responses) +
                " responses");
    std::vector<CommandReward> rewards;
    for (const json& value : said) {
        const auto one = one_reward(value);
        if (!one)
            give_up("reward " + std::to_string(rewards.size() + 1) + " of the command is " + value.dump() +
                    ", neither a number nor {\"reward\": 1, \"parts\": {\"name\": 1}, \"reason\": \"...\"}");
        rewards.push_back(*one);
    }
    return rewards;
}

}  // namespace r1
