// Commands: each a row of a table, from which the command line is read.
#pragma once
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/options.h"
#include "ops/device.h"

namespace r1 {

struct Command {
    const char *name, *help;
    // Adds the command's options to the table, and returns what runs it once they are set.
    std::function<std::function<void(const Device&)>(OptionTable&)> prepare;
    bool on_ranks = false;  // several ranks can share its work
};

enum class OnRanks { no, yes };

// A command whose options are an Options with a table_of(Options&); run takes them, and a Device if it computes.
template <class Options, class Run>
Command command(const char* name, const char* help, Run run, OnRanks on_ranks = OnRanks::no) {
    return {name, help,
            [run](OptionTable& table) -> std::function<void(const Device&)> {
                const auto options = std::make_shared<Options>();
                table.add(table_of(*options));
                return [options, run](const Device& device) {
                    if constexpr (std::is_invocable_v<Run, const Options&, const Device&>) run(*options, device);
                    else run(*options);
                };
            },
            on_ranks == OnRanks::yes};
}

// Reads the command line and runs the command that it names. What goes wrong is one line on standard error. Returns the
// exit status: 0, 1 for a failure, 2 for a wrong command line, 130 if a stop was asked for.
int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv);

}  // namespace r1
