// The user's own reward commands (reward/command.h) in a rollout. Most runs have none.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "reward/command.h"

namespace r1 {

struct Answer;
struct Ask;
struct Task;

using RewardCommands = std::vector<std::unique_ptr<RewardCommand>>;
RewardCommands make_reward_commands(const std::vector<std::string>& texts, double seconds);

inline constexpr const char* REWARD_COMMAND_HELP =
    "a command that rewards, kept running: a JSON line for each group goes in, a list of numbers comes out, and is "
    "added to the reward; \"0.5:python3 reward.py\" weighs it; once for each command. --accuracy-weight 0 "
    "--format-weight 0 leave it alone";

// Asks each command about each group, in order and on rank 0, and adds what it says to the rewards: of answers that
// were cut off, too, since that is for the command to decide. answers[i] are those to asks[i].
void add_command_rewards(RewardCommands& commands, const Task& task, const std::vector<Ask>& asks,
                         std::vector<std::vector<Answer>>& answers);

// The means of what commands said of answers, as {"command": 0.5, "command_style": 0.2}; with several commands
// "command_1", "command_2"; {} without.
json command_means(const std::vector<std::vector<Answer>>& answers);

}  // namespace r1
