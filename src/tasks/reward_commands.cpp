#include "tasks/reward_commands.h"

#include <map>

#include "base/ranks.h"
#include "tasks/rollout.h"

namespace r1 {

RewardCommands make_reward_commands(const std::vector<std::string>& texts, double seconds) {
    RewardCommands commands;
    for (const std::string& text : texts) commands.push_back(std::make_unique<RewardCommand>(text, seconds));
    return commands;
}

// What all commands say of all groups, into the packer.
static void ask(RewardCommands& commands, const Task& task, const std::vector<Ask>& asks,
                const std::vector<std::vector<Answer>>& answers, Packer& packer) {
    for (size_t i = 0; i < answers.size(); ++i) {
        const Question& question = *asks[i].question;
        json request = {{"problem", question.problem.source},
                        {"prompt", task.tokenizer->decode(question.prompt)},
                        {"responses", json::array()},
                        {"finished", json::array()}};
        for (const Answer& answer : answers[i]) {
            request["responses"].push_back(response_of(task, answer));
            request["finished"].push_back(answer.completion.finished);
        }
        for (const auto& command : commands)
            for (const CommandReward& said : command->ask(request, answers[i].size())) {
                packer.add(said.reward, said.parts.dump(), said.reason);
            }
    }
}

void add_command_rewards(RewardCommands& commands, const Task& task, const std::vector<Ask>& asks,
                         std::vector<std::vector<Answer>>& answers) {
    if (commands.empty()) return;
    const std::string said = done_by_first([&](Packer& packer) { ask(commands, task, asks, answers, packer); });
    Unpacker from(said);
    for (auto& group : answers)
        for (const auto& command : commands)
            for (Answer& answer : group) {
                Graded& graded = answer.graded;
                CommandReward& reward = graded.commands.emplace_back();
                std::string parts;
                from.take(reward.reward, parts, reward.reason);
                reward.parts = json_of(parts);
                graded.reward.total += float(command->weight() * reward.reward);
                if (!reward.reason.empty()) graded.reward.reason += "; " + reward.reason;
            }
}

json command_means(const std::vector<std::vector<Answer>>& answers) {
    std::map<std::string, std::pair<double, double>> sums;  // and of how many
    for (const auto& group : answers)
        for (const Answer& answer : group) {
            const auto& commands = answer.graded.commands;
            for (size_t c = 0; c < commands.size(); ++c) {
                const std::string name = commands.size() > 1 ? "command_" + std::to_string(c + 1) : "command";
                const auto add = [&](const std::string& key, double value) {
                    sums[key].first += value;
                    sums[key].second += 1;
                };
                add(name, commands[c].reward);
                for (const auto& [part, value] : commands[c].parts.items()) add(name + "_" + part, value);
            }
        }
    json means = json::object();
    for (const auto& [name, sum] : sums) means[name] = rounded(sum.first / sum.second);
    return means;
}

}  // namespace r1
