// Reading JSON files that others wrote, within bounds: depth, length of strings, number of values, no key twice. Large
// members can go straight to where they belong, so that memory stays near the file's own size.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/files.h"

namespace r1 {

// Members that are too large for a tree of values. Each gets the path of keys ("model/vocab") of the object or array that it
// stands in, and takes it or leaves it to the tree.
struct LargeMember {
    std::string path;
    // An entry of the object, its value a whole number; or of the array, a string (strings: it alone) or an array of
    // strings. An entry of another form is refused.
    std::function<void(const std::string& key, int64_t value)> number = {};
    std::function<void(const std::vector<std::string>& strings, bool is_array)> strings = {};
};

// The tree of the text without the large members. At most 200,000 values, 64 levels, a megabyte for each string or number.
// Errors name `path`, and are those of a bad file: "not JSON", a key twice, and so on.
nlohmann::json read_tree(std::string_view text, const std::string& path, const std::vector<LargeMember>& large = {});

}  // namespace r1
