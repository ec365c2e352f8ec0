#include "reward/equations.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace r1 {

namespace {

struct Reader {
    std::string_view text;
    size_t at = 0;

    bool digit() const { return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); }
    void skip_blanks() {
        while (at < text.size() && text[at] == ' ') ++at;
    }
    std::optional<int64_t> number() {
        skip_blanks();
        const bool negative = at < text.size() && text[at] == '-';
        const size_t before = at;
        at += negative;
        const size_t begin = at;
        int64_t value = 0;
        for (; digit() && at - begin < 10; ++at) value = 10 * value + (text[at] - '0');
        if (at == begin || at - begin > 9) {
            at = before;
            return {};
        }
        return negative ? -value : value;
    }
    // '+', '-', '*' or 0
    char operation() {
        skip_blanks();
        const std::string_view rest = text.substr(at);
        for (const std::string_view sign : {"+", "-", "*", "x", "×"})
            if (rest.starts_with(sign)) {
                at += sign.size();
                return sign == "+" || sign == "-" ? sign[0] : '*';
            }
        return 0;
    }
    bool equals() {
        skip_blanks();
        if (at >= text.size() || text[at] != '=') return false;
        ++at;
        return true;
    }
};

bool is_operation(char c) { return c == '+' || c == '-' || c == '*' || c == '/' || c == 'x' || c == '='; }

// Whether what stands before place `at`, blanks apart, makes the number there a part of something longer.
bool continued(std::string_view text, size_t at) {
    if (at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) || text[at - 1] == '.')) return true;
    while (at > 0 && text[at - 1] == ' ') --at;
    return at > 0 && is_operation(text[at - 1]) && text[at - 1] != '=';
}

}  // namespace

EquationCount equations_in(std::string_view text) {
    EquationCount count;
    Reader r{text};
    while (r.at < text.size()) {
        const size_t begin = r.at;
        if (!r.digit()) {
            ++r.at;
            continue;
        }
        const auto a = r.number();
        const size_t after = a ? r.at : begin + 1;
        while (!a && r.digit()) ++r.at;  // a number that is too long
        const char sign = a && !continued(text, begin) ? r.operation() : 0;
        r.skip_blanks();
        const auto b = sign && r.digit() ? r.number() : std::nullopt;
        const auto c = b && r.equals() ? r.number() : std::nullopt;
        if (!c) {
            r.at = std::max(after, size_t(begin + 1));
            continue;
        }
        ++count.all;
        count.right += *c == (sign == '+' ? *a + *b : sign == '-' ? *a - *b : *a * *b);
    }
    return count;
}

}  // namespace r1
