#include "report/run_files.h"

#include <cmath>
#include <set>

#include "base/check.h"

namespace r1 {

json read_lines(const std::string& path) {
    const std::string content = read_file(path);
    json lines = json::array();
    for (size_t begin = 0, end; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
        if (end == begin) continue;
        json line = json_of(std::string_view(content).substr(begin, end - begin));
        if (!line.is_object())
            fail("a line that is not a JSON object", path + " line " + std::to_string(lines.size() + 1),
                 "repair the line or run the stage again");
        lines.push_back(std::move(line));
    }
    return lines;
}

double number(const json& object, const std::string& key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::string key_that_starts_with(const json& object, const std::string& prefix) {
    for (const auto& [key, value] : object.items())
        if (key.rfind(prefix, 0) == 0) return key;
    return "";
}

std::vector<double> steps_of(const json& lines) {
    std::set<double> steps;
    for (const json& line : lines)
        if (const double step = number(line, "step"); step == step) steps.insert(step);
    return {steps.begin(), steps.end()};
}

json thinned(json lines, size_t most) {
    const std::vector<double> all = steps_of(lines);
    if (all.size() <= most) return lines;
    std::set<double> kept;
    for (size_t i = 0; i < most; ++i) kept.insert(all[i * (all.size() - 1) / (most - 1)]);
    json chosen = json::array();
    for (json& line : lines)
        if (kept.count(number(line, "step"))) chosen.push_back(std::move(line));
    return chosen;
}

}  // namespace r1
