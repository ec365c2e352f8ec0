// The options of a command as one table. From it come the command line with its refusals, --help, options.json, what
// --resume compares, and the settings that a report shows. A command's table is made from the variables that it sets:
//
//   OptionTable table_of(PretrainOptions& o) {
//       OptionTable table;
//       table.input("--corpus", o.corpus, "JSON lines {\"text\": ...}").needed = true;
//       table.number("--lr", o.lr, at_least(0), "peak learning rate");
//       return table;
//   }
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/files.h"

namespace r1 {

// What an option can change. Two runs whose `result` options and the bytes of whose `input` files are equal end with
// the same bytes; `nothing` is free: threads, memory, names of places.
enum class Effect { result, input, nothing };

// What an option names for writing.
enum class Writes { nothing, file, folder };

struct Range {  // low <= value <= high
    double low, high;
    bool open = false;  // low itself is not allowed
};
constexpr double MOST_NUMBER = 1e15;
constexpr Range at_least(double low) { return {low, MOST_NUMBER}; }
constexpr Range more_than(double low) { return {low, MOST_NUMBER, true}; }
constexpr Range between(double low, double high) { return {low, high}; }
std::string in_words(const Range& range);  // "0 to 1", "0 or more", "more than 0"

// A number as people type it: 12, 0.5, 1e6, 10M, 7k. UsageError, which names the option, for anything else, for NaN,
// and out of the range; whole: also for fractions.
double number_of(const std::string& name, const std::string& text, const Range& range, bool whole);
std::string number_text(double value);  // the shortest text that gives the number back
std::string number_text(float value);

bool same_word(const std::string& a, const std::string& b);  // but for capitals

// ", did you mean ...?" with the nearest of the names, where one is near enough; else "".
std::string did_you_mean(const std::string& word, const std::vector<std::string>& names);

struct Option {
    std::string name, help;                                // "--lr"; "FILE" for an argument without a name
    std::function<void(const std::string&)> write;         // UsageError for a value that is none
    std::function<std::string()> read;                     // the value as it could be typed; "": there is none
    std::function<std::vector<std::string>()> paths = {};  // of an input: what it names
    Effect effect = Effect::result;
    Writes writes = Writes::nothing;
    bool needed = false;
    bool is_number = false;
    bool again = false;             // may be given more than once: each is written
    int values = 1;                 // words that it takes, which reach `write` joined by blanks; 0: a flag
    std::string allowed = {};       // what may be given, in words
    std::string group = "Options";  // in --help
    std::string only_with = {};     // what it needs to have an effect, in words
    std::function<bool()> has_effect = {};

    // Giving the option where `holds` is false is refused.
    Option& only(const char* words, std::function<bool()> holds) {
        only_with = words;
        has_effect = std::move(holds);
        return *this;
    }
};

class OptionTable {
public:
    std::vector<Option> all;

    Option& add(Option option) { return all.emplace_back(std::move(option)); }
    void add(OptionTable other) {
        for (Option& option : other.all) all.push_back(std::move(option));
    }

    template <class Number>
    Option& number(const char* name, Number& value, Range range, const char* help) {
        constexpr bool whole = std::is_integral_v<Number>;
        Range fits = range;
        fits.high = std::min(fits.high, double(std::numeric_limits<Number>::max()));
        const auto write = [&value, name, fits](const std::string& text) {
            value = Number(number_of(name, text, fits, whole));
        };
        const auto read = [&value] {
            if constexpr (whole) return std::to_string(value);
            else return number_text(value);
        };
        Option& option = add({name, help, write, read});
        option.is_number = true;
        option.allowed = in_words(range);
        return option;
    }
    template <class E>
    Option& choice(const char* name, E& value, std::vector<std::pair<const char*, E>> names, const char* help) {
        const auto write = [&value, name, names](const std::string& text) {
            std::string all_names;
            for (const auto& each : names) {
                if (same_word(text, each.first)) {
                    value = each.second;
                    return;
                }
                all_names += (all_names.empty() ? "" : ", ") + std::string(each.first);
            }
            refuse_choice(name, text, all_names);
        };
        const auto read = [&value, names] {
            for (const auto& each : names)
                if (value == each.second) return std::string(each.first);
            return std::string();
        };
        Option& option = add({name, help, write, read});
        for (const auto& each : names) option.allowed += (option.allowed.empty() ? "" : ", ") + std::string(each.first);
        return option;
    }
    Option& flag(const char* name, bool& value, const char* help);
    Option& text(const char* name, std::string& value, const char* help);
    Option& input(const char* name, std::string& path, const char* help);                 // a file or a folder to read
    Option& inputs(const char* name, std::vector<std::string>& paths, const char* help);  // given once for each
    Option& output(const char* name, std::string& path, const char* help);                // a file to write
    Option& output_folder(const char* name, std::string& path, const char* help);
    Option& texts(const char* name, std::vector<std::string>& values, const char* help);  // given once for each
    // One of some texts.
    Option& word(const char* name, std::string& value, std::vector<std::string> words, const char* help);

    const Option* find(const std::string& name) const;

private:
    [[noreturn]] static void refuse_choice(const std::string& name, const std::string& text, const std::string& names);
};

// What decides a run's results: {"stage": "grpo", "options": {"lr": 0.0005, ...}, "inputs": {"model": {"path": ...,
// "sha256": ...}, ...}}, with every option that can change a result, given or not. Reads the inputs.
json record_of(const std::string& stage, const OptionTable& table);

// UsageError, in one line that names the option and both values, unless the record `now` may go on where the run of the
// record `before` stopped.
void check_same(const json& before, const json& now);

// Of a folder's files: what a model is read from, and nothing that a run may leave beside it.
bool belongs_to_model(const std::string& name);

// SHA-256 of a file; of a model's folder, over the names and hashes of the files that belong to a model; of another
// folder, over those of all its files; of a tokenizer.json, with those beside it that name its control tokens.
std::string sha256_of_input(const std::string& path);

}  // namespace r1
