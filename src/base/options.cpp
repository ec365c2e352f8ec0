#include "base/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/check.h"

namespace r1 {

namespace {

template <class Number>
std::string shortest(Number value) {
    char text[40];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string key_of(const Option& option) { return option.name.substr(option.name.find_first_not_of('-')); }

}  // namespace

bool belongs_to_model(const std::string& name) {
    return name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json") || name == "config.json" ||
           name == "tokenizer.json" || name == "tokenizer_config.json" || name == "generation_config.json" ||
           name == "special_tokens_map.json" || name == "chat_template.jinja";
}

bool same_word(const std::string& a, const std::string& b) {
    const auto same = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

// Single letters that must be written, left out or replaced to make one word the other.
static size_t distance(const std::string& a, const std::string& b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t before = row[0];  // of a's first i - 1 letters and b's first j - 1
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = before + (a[i - 1] != b[j - 1]);
            before = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& names) {
    const auto nearer = [&](const auto& a, const auto& b) { return distance(word, a) < distance(word, b); };
    const auto nearest = std::min_element(names.begin(), names.end(), nearer);
    if (nearest == names.end() || distance(word, *nearest) > 1 + word.size() / 4) return "";
    return ", did you mean " + *nearest + "?";
}

std::string number_text(double value) { return shortest(value); }
std::string number_text(float value) { return shortest(value); }

// Whole numbers in full: number_text would write 1000000 as 1e+06.
static std::string plain(double number) {
    const bool whole = number == std::floor(number) && std::fabs(number) < 1e15;
    return whole ? std::to_string(int64_t(number)) : number_text(number);
}

std::string in_words(const Range& range) {
    const std::string low = plain(range.low);
    if (range.high >= MOST_NUMBER) return range.open ? "more than " + low : low + " or more";
    return (range.open ? "more than " + low + ", up to " : low + " to ") + plain(range.high);
}

double number_of(const std::string& name, const std::string& text, const Range& range, bool whole) {
    const auto refuse = [&](const std::string& why) {
        throw UsageError(why + ", " + name + ", give a " + (whole ? "whole number" : "number") + ", " +
                         in_words(range));
    };
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string unit(end, text.data() + text.size());
    if (unit == "k") value *= 1e3;
    else if (unit == "M") value *= 1e6;
    else if (unit == "G") value *= 1e9;
    else if (!unit.empty()) refuse("\"" + text + "\" is not a number");
    if (error != std::errc() || text.empty()) refuse("\"" + text + "\" is not a number");
    if (whole && value != std::floor(value)) refuse(text + " is not a whole number");
    const bool low_enough = value <= range.high, high_enough = range.open ? value > range.low : value >= range.low;
    if (!low_enough || !high_enough) refuse(text + " is out of range");  // and so is NaN
    return value;
}

Option& OptionTable::flag(const char* name, bool& value, const char* help) {
    const auto write = [&value](const std::string& text) { value = text != "false"; };
    Option& option = add({name, help, write, [&value] { return std::string(value ? "true" : "false"); }});
    option.values = 0;
    return option;
}

Option& OptionTable::text(const char* name, std::string& value, const char* help) {
    return add({name, help, [&value](const std::string& text) { value = text; }, [&value] { return value; }});
}

// A file or a folder has a name.
static std::string place_of(const char* name, const std::string& text) {
    if (text.empty()) throw UsageError("an empty text, " + std::string(name) + ", name a file or a folder");
    return text;
}

Option& OptionTable::input(const char* name, std::string& path, const char* help) {
    Option& option = text(name, path, help);
    option.write = [&path, name](const std::string& text) { path = place_of(name, text); };
    option.effect = Effect::input;
    option.paths = [&path] { return path.empty() ? std::vector<std::string>() : std::vector<std::string>{path}; };
    return option;
}

Option& OptionTable::inputs(const char* name, std::vector<std::string>& paths, const char* help) {
    const auto write = [&paths, name](const std::string& text) { paths.push_back(place_of(name, text)); };
    const auto read = [&paths] {
        std::string all;
        for (const std::string& path : paths) all += (all.empty() ? "" : " ") + path;
        return all;
    };
    Option& option = add({name, help, write, read, [&paths] { return paths; }});
    option.effect = Effect::input;
    option.again = true;
    return option;
}

Option& OptionTable::texts(const char* name, std::vector<std::string>& values, const char* help) {
    const auto write = [&values](const std::string& text) { values.push_back(text); };
    const auto read = [&values] {
        std::string all;
        for (const std::string& value : values) all += (all.empty() ? "" : "; ") + value;
        return all;
    };
    Option& option = add({name, help, write, read});
    option.again = true;
    return option;
}

Option& OptionTable::output(const char* name, std::string& path, const char* help) {
    Option& option = text(name, path, help);
    option.write = [&path, name](const std::string& text) { path = place_of(name, text); };
    option.effect = Effect::nothing;
    option.writes = Writes::file;
    return option;
}

Option& OptionTable::output_folder(const char* name, std::string& path, const char* help) {
    Option& option = output(name, path, help);
    option.writes = Writes::folder;
    return option;
}

Option& OptionTable::word(const char* name, std::string& value, std::vector<std::string> words, const char* help) {
    std::string all_words;
    for (const std::string& each : words) all_words += (all_words.empty() ? "" : ", ") + each;
    const auto write = [&value, name, words, all_words](const std::string& text) {
        const auto found =
            std::find_if(words.begin(), words.end(), [&](const auto& word) { return same_word(word, text); });
        if (found == words.end()) refuse_choice(name, text, all_words);
        value = *found;
    };
    Option& option = add({name, help, write, [&value] { return value; }});
    option.allowed = all_words;
    return option;
}

const Option* OptionTable::find(const std::string& name) const {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Option& option) { return option.name == name; });
    return found == all.end() ? nullptr : &*found;
}

void OptionTable::refuse_choice(const std::string& name, const std::string& text, const std::string& names) {
    throw UsageError("no choice \"" + text + "\", " + name + ", give one of " + names);
}

// Over names and hashes of files in a folder.
static std::string sha256_of_files(const std::filesystem::path& folder, const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) list += name + " " + sha256_of_file((folder / name).string()) + "\n";
    return sha256(list);
}

// The names of a folder's files, sorted; of a model's folder those that belong to the model.
static std::vector<std::string> names_of_files(const std::filesystem::path& folder) {
    namespace fs = std::filesystem;
    std::vector<std::string> names;
    std::error_code error;
    const bool is_model = fs::exists(folder / "config.json", error);
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
        const std::string name = entry.path().lexically_relative(folder).string();
        const bool belongs = !is_model || (belongs_to_model(name) && name.find('/') == name.npos);
        if (entry.is_regular_file(error) && belongs) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string sha256_of_input(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::is_directory(path, error)) return sha256_of_files(path, names_of_files(path));
    if (fs::path(path).filename() != "tokenizer.json") return sha256_of_file(path);
    std::vector<std::string> names = {"tokenizer.json"};
    const fs::path folder = fs::path(path).parent_path();
    for (const char* beside : {"tokenizer_config.json", "config.json", "generation_config.json"})
        if (fs::exists(folder / beside, error)) names.push_back(beside);
    return names.size() == 1 ? sha256_of_file(path) : sha256_of_files(folder, names);
}

// {"path": ..., "sha256": ...}; of several, the paths and the hash of their hashes.
static json record_of_input(const std::vector<std::string>& paths) {
    if (paths.size() == 1) return {{"path", paths[0]}, {"sha256", sha256_of_input(paths[0])}};
    std::string hashes;
    for (const std::string& path : paths) hashes += sha256_of_input(path) + "\n";
    return {{"path", paths}, {"sha256", sha256(hashes)}};
}

json record_of(const std::string& stage, const OptionTable& table) {
    json record = {{"stage", stage}, {"options", json::object()}, {"inputs", json::object()}};
    for (const Option& option : table.all) {
        if (option.effect == Effect::input && !option.paths().empty())
            record["inputs"][key_of(option)] = record_of_input(option.paths());
        if (option.effect != Effect::result) continue;
        const std::string text = option.read();
        const bool as_it_stands = option.is_number || option.values == 0;
        record["options"][key_of(option)] = as_it_stands ? json::parse(text) : json(text);
    }
    return record;
}

void check_same(const json& before, const json& now) {
    const auto refuse = [](const std::string& what, const std::string& was, const std::string& is) {
        throw UsageError("the run began with " + what + " " + was + " and this is " + is +
                         ", --resume, give what it was, or begin a new run in another folder");
    };
    const auto part = [](const json& record, const char* key) {
        return record.is_object() && record.contains(key) ? record[key] : json();
    };
    const auto text = [](const json& object, const std::string& key) {
        if (!object.is_object() || !object.contains(key)) return std::string("nothing");
        const json& value = object[key];
        return value.is_string() && !value.empty() ? value.get<std::string>() : value.dump();
    };
    if (part(before, "stage") != part(now, "stage")) refuse("r1", text(before, "stage"), "r1 " + text(now, "stage"));
    const json &was = part(before, "options"), &is = part(now, "options");
    for (const auto& [key, value] : is.items())
        if (text(was, key) != text(is, key)) refuse("--" + key, text(was, key), text(is, key));
    const json &had = part(before, "inputs"), &has = part(now, "inputs");
    const auto hash = [&](const json& inputs, const std::string& key) {
        return inputs.is_object() && inputs.contains(key) ? text(inputs[key], "sha256") : std::string("nothing");
    };
    const auto named = [&](const json& inputs, const std::string& key) {
        if (!inputs.is_object() || !inputs.contains(key)) return std::string("nothing");
        return text(inputs[key], "path") + " (SHA-256 " + hash(inputs, key).substr(0, 12) + "...)";
    };
    for (const json* side : {&had, &has}) {
        if (!side->is_object()) continue;
        for (const auto& [key, value] : side->items())
            if (hash(had, key) != hash(has, key)) refuse("--" + key, named(had, key), named(has, key));
    }
}

}  // namespace r1
