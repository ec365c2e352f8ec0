// The only file that knows the options library.
#include "commands/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/outputs.h"
#include "base/progress.h"
#include "base/ranks.h"
#include "base/version.h"

namespace r1 {

namespace {

std::string help_of(const Option& option) {
    const bool said = option.allowed.empty() || option.values == 0;
    return option.help + (said ? "" : " (" + option.allowed + ")");
}

std::string kind_of(const Option& option) {
    const bool is_place = option.paths || option.writes != Writes::nothing;
    return option.is_number                 ? "NUMBER"
           : !option.name.starts_with("--") ? ""
           : is_place                       ? "PATH"
           : option.values > 1              ? "NUMBERS"
                                            : "TEXT";
}

constexpr const char* OPTIONS_FILE = "--options";

// The library takes a word in brackets for a list; behind this character it is a word.
constexpr char PLAIN = '\x01';

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : " ") + (word.starts_with(PLAIN) ? word.substr(1) : word);
    return text;
}

// ---- the words of a command line

bool names_option(const std::string& word) { return word.size() > 2 && word.starts_with("--"); }
std::string name_of(const std::string& word) { return word.substr(0, word.find('=')); }

// UsageError for an option that the command does not have. Behind "--" there are none.
void check_names(const std::string& command, const std::vector<std::string>& words,
                 const std::vector<std::string>& names, const std::string& where) {
    for (const std::string& word : words) {
        if (word == "--") return;
        if (!names_option(word) || std::find(names.begin(), names.end(), name_of(word)) != names.end()) continue;
        throw UsageError("no option " + name_of(word) + did_you_mean(name_of(word), names) + ", " + where +
                         ", see r1 " + command + " --help");
    }
}

// The options of a file such as
//
//   lr = 0.001
//   overwrite = true
//   [grpo]            # for this command alone
//   steps = 20
//
// as words of the command line.
std::vector<std::string> words_of_file(const std::string& path, const std::string& command, const OptionTable& table) {
    std::istringstream text(read_file(path));
    std::vector<std::string> words;
    for (const CLI::ConfigItem& item : CLI::ConfigINI().from_config(text)) {
        const bool is_mark = item.name == "++" || item.name == "--";  // of a section's beginning and end
        const bool is_for_another = !item.parents.empty() && item.parents[0] != command;
        if (is_mark || is_for_another) continue;
        const std::string name = item.name.starts_with("--") ? item.name : "--" + item.name;
        if (item.inputs == std::vector<std::string>{"false"}) continue;
        const Option* option = table.find(name);
        const bool is_flag = item.inputs == std::vector<std::string>{"true"};
        if (!option || !option->again) words.push_back(name);
        for (const std::string& input : item.inputs) {
            if (option && option->again) words.push_back(name);
            if (!is_flag) words.push_back(input);
        }
    }
    return words;
}

// The words with those of the --options files before them, so that the command line's own count.
std::vector<std::string> with_files(const std::string& command, const std::vector<std::string>& words,
                                    const OptionTable& table, const std::vector<std::string>& names) {
    std::vector<std::string> all;
    for (size_t i = 0; i < words.size(); ++i) {
        if (name_of(words[i]) != OPTIONS_FILE) continue;
        const bool joined = words[i] != OPTIONS_FILE;
        if (!joined && i + 1 == words.size()) throw UsageError("no file, " + words[i] + ", name one");
        const std::string path = joined ? words[i].substr(words[i].find('=') + 1) : words[i + 1];
        const std::vector<std::string> of_file = words_of_file(path, command, table);
        check_names(command, of_file, names, path);
        all.insert(all.end(), of_file.begin(), of_file.end());
    }
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

// ---- the library's options

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

// What is wrong on all ranks is said by rank 0, with whose end mpirun ends the others: they wait for that.
int report(int status, const std::string& message) {
    std::fflush(stdout);  // what was said before stands before
    std::string who;
    if (!ranks().first()) {
        std::this_thread::sleep_for(std::chrono::seconds(2));
        who = "rank " + std::to_string(ranks().rank) + ": ";
    }
    std::fprintf(stderr, "r1: error: %s%s\n", who.c_str(), message.c_str());
    return status;
}

// What a command works with, once it is named.
struct Prepared {
    OptionTable table;
    std::function<void(const Device&)> run;
    bool overwrite = false;
    std::string options_file;
};

// UsageError for an option that is given and has no effect without another.
void check_effects(const OptionTable& table, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        const Option* option = names_option(word) ? table.find(name_of(word)) : nullptr;
        if (option && option->has_effect && !option->has_effect())
            throw UsageError("no effect without " + option->only_with + ", " + option->name +
                             ", give both or leave it out");
    }
}

void add_overwrite(Prepared& prepared) {
    const auto writes = [](const Option& option) { return option.writes != Writes::nothing; };
    if (std::none_of(prepared.table.all.begin(), prepared.table.all.end(), writes)) return;
    prepared.table.flag("--overwrite", prepared.overwrite, "write where something is already").effect = Effect::nothing;
}

// What was printed has reached its file or its reader.
void check_printed() {
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return;
    fail("cannot write what is printed", "standard output",
         std::string(std::strerror(errno)) + "; free some space or choose another place");
}

// Runs what was chosen, and turns what went wrong into a line and a status.
int run(const Prepared& chosen, const Device& device) {
    try {
        if (!ranks().first() && !std::freopen("/dev/null", "w", stdout)) fail("cannot open", "/dev/null", "");
        std::vector<OutputLock> locks;
        done_by_first([&](Packer&) {
            check_outputs(chosen.table, chosen.overwrite);
            locks = lock_outputs(chosen.table);
            check_outputs(chosen.table, chosen.overwrite);  // again: another may have written until it was locked
        });
        chosen.run(device);
        leave_ranks();
        if (stop_requested()) return 130;
        check_printed();
        return 0;
    } catch (const Finished&) {
        leave_ranks();
        return 0;
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

static void print_version() {
    const Version v = version();
    std::string about;
    const bool has_gpu = cuda_ops(about);
    std::printf("r1 %s (commit %s, %s)\n%s%s\n", v.number.c_str(), v.commit.c_str(), v.compiler.c_str(),
                has_gpu ? "GPU: " : "no GPU: ", about.c_str());
}

// A command's options in the library's form.
static void add_command(CLI::App& app, const Command& command, Prepared& prepared, const OptionTable& device) {
    prepared.run = command.prepare(prepared.table);
    add_overwrite(prepared);
    prepared.table
        .input(OPTIONS_FILE, prepared.options_file,
               "file of options, such as lr = 0.001 in a line; those on the command line count")
        .effect = Effect::nothing;
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    // A script's value can be replaced behind it.
    sub->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    for (const Option& option : prepared.table.all) add_option(sub, option);
    for (const Option& option : device.all) add_option(sub, option);
}

static std::vector<std::string> names_in(const OptionTable& table, const OptionTable& device) {
    std::vector<std::string> names = {"--help"};
    for (const OptionTable* each : {&table, &device})
        for (const Option& option : each->all) names.push_back(option.name);
    return names;
}

int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv) {
    CLI::App app{"r1: DeepSeek-R1's training system, from the tokenizer to R1, with one seed and one hash", "r1"};
    app.require_subcommand(1);
    app.add_flag_callback("--version", print_version, "Print which program this is and exit");
    Device device;
    const OptionTable device_table = table_of(device);
    std::vector<Prepared> prepared(commands.size());
    std::vector<std::string> names;
    for (size_t i = 0; i < commands.size(); ++i) {
        add_command(app, commands[i], prepared[i], device_table);
        names.push_back(commands[i].name);
    }
    std::vector<std::string> words(argv + std::min(1, argc), argv + argc);
    if (!words.empty() && words[0] == "--version") {
        print_version();
        return 0;
    }
    try {
        const bool named = !words.empty() && !words[0].starts_with("-");
        const size_t which = size_t(std::find(names.begin(), names.end(), named ? words[0] : "") - names.begin());
        if (named && which == names.size())
            throw UsageError("no command " + words[0] + did_you_mean(words[0], names) +
                             ", on the command line, see r1 --help");
        if (named && !ranks().alone() && !commands[which].on_ranks)
            throw UsageError("a command that one process does alone, " + words[0] + ", start it without mpirun");
        if (named) {
            const std::vector<std::string> own(words.begin() + 1, words.end());
            const std::vector<std::string> of_command = names_in(prepared[which].table, device_table);
            check_names(names[which], own, of_command, "on the command line");
            words = with_files(names[which], own, prepared[which].table, of_command);
            words.insert(words.begin(), names[which]);
        }
        std::vector<std::string> last_first;  // as the library wants them
        for (size_t i = words.size(); i-- > 0;)
            last_first.push_back((words[i].starts_with("[") ? std::string(1, PLAIN) : "") + words[i]);
        app.parse(last_first);
        check_effects(prepared[which].table, words);
        return run(prepared[which], device);
    } catch (const CLI::CallForHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForAllHelp& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        return report(2, std::string(e.what()) + ", on the command line, see r1 --help or r1 <command> --help");
    } catch (const UsageError& e) {
        return report(2, e.what());
    } catch (const Error& e) {
        return report(1, e.what());
    }
}

}  // namespace r1
