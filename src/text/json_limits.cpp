#include "text/json_limits.h"

#include "base/check.h"

namespace r1 {

namespace {

using Tree = nlohmann::json;

constexpr size_t MOST_VALUES = 200000, DEEPEST = 64, LONGEST = 1 << 20;

[[noreturn]] void refuse(const std::string& what, const std::string& path) {
    fail(what, path, "repair the file or copy it again");
}

// Before anything is stored: how deep and how long.
void check_shape(std::string_view text, const std::string& path) {
    size_t depth = 0, from = 0;  // from: the start of this string, or of what stands between signs
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (i - from > LONGEST) refuse("a string or number of more than a megabyte", path);
        if (in_string) {
            if (c == '\\') ++i;
            else if (c == '"') in_string = false, from = i;
            continue;
        }
        if (c == '"') in_string = true;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && depth > 0) --depth;
        if (depth > DEEPEST) refuse("more than 64 levels", path);
        if (static_cast<unsigned char>(c) <= ' ' || std::string_view("\"{[}],:").find(c) != std::string_view::npos) from = i;
    }
}

struct Reader : nlohmann::json_sax<Tree> {
    const std::string& path;
    const std::vector<LargeMember>& large;
    Tree root;
    std::vector<Tree*> open;          // the objects and arrays of the tree that this is in
    std::vector<std::string> keys;    // of each of them: the key it stands at
    std::string key_now;
    size_t values = 0;
    const LargeMember* member = nullptr;  // what this is in, if it is large
    std::vector<std::string> strings;
    int inside = 0;                       // arrays of the large member that are open

    Reader(const std::string& path, const std::vector<LargeMember>& large) : path(path), large(large) {}

    [[noreturn]] void entry_refused() const { refuse("an entry of \"" + member->path + "\" that is not of its form", path); }

    Tree* add(Tree value) {
        if (++values > MOST_VALUES) refuse("more than 200000 values", path);
        if (open.empty()) return root = std::move(value), &root;
        Tree& parent = *open.back();
        if (parent.is_array()) return parent.push_back(std::move(value)), &parent.back();
        return &(parent[key_now] = std::move(value));
    }
    bool scalar(Tree value) {
        if (member) entry_refused();
        add(std::move(value));
        return true;
    }
    bool begins_large(bool is_object) {
        std::string at;
        for (size_t i = 1; i < keys.size(); ++i) at += keys[i] + "/";
        at += key_now;
        for (const LargeMember& one : large)
            if (one.path == at && open.back()->is_object() && is_object == bool(one.number)) member = &one;
        return member != nullptr;
    }
    bool begin(Tree empty) {
        if (member) {
            if (member->number || !empty.is_array() || inside == 2) entry_refused();
            ++inside, strings.clear();
            return true;
        }
        if (!open.empty() && begins_large(empty.is_object())) return inside = 1, add(nullptr), true;
        open.push_back(add(std::move(empty)));
        keys.push_back(key_now);
        return true;
    }
    bool end() {
        if (!member) return open.pop_back(), keys.pop_back(), true;
        if (--inside == 0) member = nullptr;
        else member->strings(strings, true);
        return true;
    }

    bool null() override { return scalar(nullptr); }
    bool boolean(bool value) override { return scalar(value); }
    bool number_float(double value, const std::string&) override { return scalar(value); }
    bool binary(Tree::binary_t&) override { return false; }
    bool number_integer(int64_t value) override {
        if (!member) return scalar(value);
        if (!member->number) entry_refused();
        member->number(key_now, value);
        return true;
    }
    bool number_unsigned(uint64_t value) override {
        return value > uint64_t(INT64_MAX) ? scalar(value) : member ? number_integer(int64_t(value)) : scalar(value);
    }
    bool string(std::string& value) override {
        if (!member) return scalar(value);
        if (!member->strings) entry_refused();
        if (inside == 2) {
            if (strings.size() > 2) entry_refused();
            strings.push_back(std::move(value));
        } else {
            member->strings({value}, false);
        }
        return true;
    }
    bool start_object(size_t) override { return begin(Tree::object()); }
    bool start_array(size_t) override { return begin(Tree::array()); }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool key(std::string& name) override {
        if (!member && open.back()->contains(name)) refuse("the key " + Tree(name).dump() + " twice", path);
        key_now = std::move(name);
        return true;
    }
    bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception&) override {
        refuse("not JSON (at byte " + std::to_string(at) + ")", path);
    }
};

}  // namespace

nlohmann::json read_tree(std::string_view text, const std::string& path, const std::vector<LargeMember>& large) {
    check_shape(text, path);
    Reader reader(path, large);
    Tree::sax_parse(text.data(), text.data() + text.size(), &reader);
    return std::move(reader.root);
}

}  // namespace r1
