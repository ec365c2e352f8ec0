// The only file that knows the options library.
#include "commands/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/check.h"
#include "base/progress.h"

namespace r1 {

namespace {

std::string help_of(const Option& option) {
    const bool said = option.allowed.empty() || option.values == 0;
    return option.help + (said ? "" : " (" + option.allowed + ")");
}

std::string kind_of(const Option& option) {
    return option.is_number                 ? "NUMBER"
           : option.effect == Effect::input ? "PATH"
           : option.name == "FILE"          ? ""
           : option.values > 1              ? "NUMBERS"
                                            : "TEXT";
}

// The library takes a word in brackets for a list; behind this character it is a word.
constexpr char PLAIN = '\x01';

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : " ") + (word.starts_with(PLAIN) ? word.substr(1) : word);
    return text;
}

// Options are written in the order of the table, whatever their order on the command line.
void add_option(CLI::App* app, const Option& option) {
    if (option.values == 0) {
        app->add_flag_callback(
               option.name, [&option] { option.write("true"); }, help_of(option))
            ->group(option.group);
        return;
    }
    const auto write = [&option](const std::vector<std::string>& words) {
        if (!option.again) option.write(joined(words));
        else
            for (const std::string& word : words) option.write(joined({word}));
    };
    CLI::Option* added = app->add_option_function<std::vector<std::string>>(option.name, write, help_of(option));
    if (option.again) added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->expected(1)->allow_extra_args(false);
    else added->expected(option.values);
    added->type_name(kind_of(option))->group(option.group);
    if (option.needed) added->required();
    if (const std::string standing = option.read(); !standing.empty()) added->default_str(standing);
}

int report(int status, const std::string& message) {
    std::fprintf(stderr, "r1: error: %s\n", message.c_str());
    return status;
}

// What a command works with, once it is named.
struct Prepared {
    OptionTable table;
    std::function<void(const Device&)> run;
};

// Runs what was chosen, and turns what went wrong into a line and a status.
int run(const Prepared& chosen, const Device& device) {
    try {
        chosen.run(device);
        return stop_requested() ? 130 : 0;
    } catch (const UsageError& e) {
        return report(2, e.what());
    } catch (const Error& e) {
        return report(1, e.what());
    } catch (const nlohmann::json::exception& e) {
        return report(1, std::string("a JSON value of the wrong type (") + e.what() +
                             "), in an input file, compare it with --help");
    } catch (const std::bad_alloc&) {
        return report(1, "out of memory, in this command, use a smaller model, batch or --slots");
    } catch (const std::exception& e) {
        return report(1, std::string("something that was not expected (") + e.what() + "), in this command, report it");
    }
}

}  // namespace

int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv) {
    CLI::App app{"r1: DeepSeek-R1's training system, from the tokenizer to R1-Zero, with one seed and one hash", "r1"};
    app.require_subcommand(1);
    Device device;
    const OptionTable device_table = table_of(device);
    std::vector<Prepared> prepared(commands.size());
    const Prepared* chosen = nullptr;
    for (size_t i = 0; i < commands.size(); ++i) {
        Prepared& each = prepared[i];
        each.run = commands[i].prepare(each.table);
        CLI::App* sub = app.add_subcommand(commands[i].name, commands[i].help);
        // A script's value can be replaced behind it.
        sub->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        for (const Option& option : each.table.all) add_option(sub, option);
        for (const Option& option : device_table.all) add_option(sub, option);
        sub->callback([&chosen, &each] { chosen = &each; });
    }
    try {
        std::vector<std::string> words;  // the last first, as the library wants them
        for (int i = argc; i-- > 1;) words.push_back((argv[i][0] == '[' ? std::string(1, PLAIN) : "") + argv[i]);
        app.parse(words);
    } catch (const CLI::CallForHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForAllHelp& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        return report(2, std::string(e.what()) + ", on the command line, see r1 --help or r1 <command> --help");
    } catch (const UsageError& e) {
        return report(2, e.what());
    }
    return run(*chosen, device);
}

}  // namespace r1
