// A reward of one's own: a command of the user's, one process that is kept running. A group of answers goes in as a
// line of JSON on its standard input, their rewards come out as a line on its standard output, in the same order:
//
//   {"problem": {...}, "prompt": "...", "responses": ["...", "..."], "finished": [true, false]}
//   [1, 0.5]
//   [{"reward": 1, "parts": {"style": 0.3}, "reason": "short"}, {"reward": 0}]
//
// "problem" is the problem's whole line as it stands in its file, "prompt" the text that the model read, and a
// response that is not finished was cut off at the length limit. Parts and reasons are logged and count nothing. What
// the command writes on standard error goes to the terminal. data/reward.py is an example.
// A run whose rewards come from a command has the bytes that the command gives it: nothing here can promise more.
#pragma once
#include <sys/types.h>
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

struct CommandReward {
    double reward = 0;
    json parts = json::object();  // names and numbers
    std::string reason;
};

class RewardCommand {
public:
    // text: "python3 reward.py", or "0.5:python3 reward.py" with a weight; runs under /bin/sh. seconds: for each group.
    // UsageError for a weight that is none or an empty command.
    RewardCommand(const std::string& text, double seconds);
    ~RewardCommand();
    RewardCommand(const RewardCommand&) = delete;

    // The rewards of so many responses. OutsideFailed, in one line that names the command, if it ends, says nothing in
    // time, or says anything but that many numbers or objects.
    std::vector<CommandReward> ask(const json& request, size_t responses);

    double weight() const { return weight_; }
    const std::string& command() const { return command_; }

private:
    int stop();
    [[noreturn]] void give_up(const std::string& what);
    void start();
    void send(const std::string& line, double until);
    std::string receive(double until);
    void wait_for(short events, double until);

    double weight_ = 1, seconds_;
    std::string command_, received_;
    pid_t pid_ = -1;
    int channel_ = -1;
};

}  // namespace r1
