#include "reward/countdown.h"

#include <algorithm>

#include "base/philox.h"

namespace r1 {

namespace {

constexpr size_t max_bytes = 256;
constexpr int max_depth = 32;
constexpr int max_digits = 18;  // 10^18 - 1 fits in 64 bits

// One step of a postfix program: push a number, or join the two values on top. "( 3 + 8 ) * 2" is 3 8 + 2 *.
struct Step {
    char operation;  // '+', '-', '*', '/', or 'n' for a number
    int64_t number;
};

// Recursive descent, one function for each line of the grammar; each returns false at the first error.
class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    bool parse() {
        if (text_.size() > max_bytes) return refuse("longer than 256 bytes");
        if (peek(), at_ == text_.size()) return refuse("the expression is empty");
        if (!sum()) return false;
        return peek(), at_ == text_.size() || unexpected();
    }

    std::vector<Step> program;
    std::string error;

private:
    bool sum() {
        if (!product()) return false;
        while (peek() == '+' || peek() == '-') {
            const char operation = text_[at_++];
            if (!product()) return false;
            program.push_back({operation, 0});
        }
        return true;
    }

    bool product() {
        if (!factor()) return false;
        while (peek() == '*' || peek() == '/') {
            const char operation = text_[at_++];
            if (!factor()) return false;
            program.push_back({operation, 0});
        }
        return true;
    }

    bool factor() {
        if (is_digit(peek())) return number();
        if (peek() != '(') return unexpected();
        if (++depth_ > max_depth) return refuse("more than 32 open parentheses");
        ++at_;
        if (!sum()) return false;
        if (peek() != ')') return unexpected();
        ++at_, --depth_;
        return true;
    }

    bool number() {
        const size_t begin = at_;
        int64_t value = 0;
        for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
            if (at_ - begin == max_digits) return refuse("a number of more than 18 digits");
            value = value * 10 + (text_[at_] - '0');
        }
        if (text_[begin] == '0' && at_ > begin + 1) return refuse("a number that begins with 0");
        program.push_back({'n', value});
        return true;
    }

    // The next character that is not white space, or NUL at the end (at_ tells the end from a NUL in the text).
    char peek() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }

    static bool is_digit(char c) { return c >= '0' && c <= '9'; }

    bool unexpected() {
        if (at_ == text_.size())
            return refuse(depth_ ? "a parenthesis is not closed" : "a number is missing at the end");
        const unsigned char c = static_cast<unsigned char>(text_[at_]);
        const bool printable = c > ' ' && c < 0x7f;
        return refuse((printable ? "'" + std::string(1, text_[at_]) + "'" : "byte " + std::to_string(c)) +
                      " at character " + std::to_string(at_ + 1) + " does not belong there");
    }

    bool refuse(std::string why) {
        error = std::move(why);
        return false;
    }

    std::string_view text_;
    size_t at_ = 0;
    int depth_ = 0;
};

__extension__ typedef __int128 wide;  // products of two 64-bit numbers and sums of two such products are exact

// A fraction in lowest terms, denominator above 0. Holds nothing when a division by zero or a value that does not
// fit in 64 bits came before; `error` says which.
struct Fraction {
    int64_t numerator = 0, denominator = 1;
    const char* error = nullptr;
};

Fraction lowest_terms(wide numerator, wide denominator) {
    if (denominator == 0) return {0, 1, "divides by zero"};
    if (denominator < 0) numerator = -numerator, denominator = -denominator;
    wide divisor = denominator, rest = numerator < 0 ? -numerator : numerator;  // Euclid
    while (rest != 0) {
        const wide remainder = divisor % rest;
        divisor = rest, rest = remainder;
    }
    numerator /= divisor, denominator /= divisor;
    if (numerator > INT64_MAX || numerator < -INT64_MAX || denominator > INT64_MAX)
        return {0, 1, "a value on the way has more than 63 bits"};
    return {int64_t(numerator), int64_t(denominator), nullptr};
}

Fraction join(char operation, const Fraction& x, const Fraction& y) {
    if (x.error) return x;
    if (y.error) return y;
    const wide a = x.numerator, b = x.denominator, c = y.numerator, d = y.denominator;
    switch (operation) {
        case '+': return lowest_terms(a * d + c * b, b * d);
        case '-': return lowest_terms(a * d - c * b, b * d);
        case '*': return lowest_terms(a * c, b * d);
        default: return lowest_terms(a * d, b * c);
    }
}

// Runs a postfix program: number(n) makes a value, join(operation, x, y) the value of x operation y.
template <class Number, class Join>
auto run(const std::vector<Step>& program, const Number& number, const Join& join) {
    std::vector<decltype(number(0))> stack;
    for (const Step& step : program) {
        if (step.operation == 'n') {
            stack.push_back(number(step.number));
        } else {
            const auto y = stack.back();
            stack.pop_back();
            stack.back() = join(step.operation, stack.back(), y);
        }
    }
    return stack.back();
}

std::string times(int64_t n) { return n == 1 ? "once" : n == 2 ? "twice" : std::to_string(n) + " times"; }

// Empty if the program uses each given number as often as it is given, else the first difference in words.
std::string wrong_numbers(const std::vector<Step>& program, const std::vector<int>& given) {
    for (const Step& step : program) {
        if (step.operation != 'n') continue;
        const auto used = std::count_if(program.begin(), program.end(), [&](const Step& other) {
            return other.operation == 'n' && other.number == step.number;
        });
        const auto allowed = std::count(given.begin(), given.end(), step.number);
        if (allowed == 0) return "uses " + std::to_string(step.number) + ", which is not given";
        if (used != allowed)
            return "uses " + std::to_string(step.number) + " " + times(used) + ", which is given " + times(allowed);
    }
    for (const int number : given)
        if (std::none_of(program.begin(), program.end(),
                         [&](const Step& step) { return step.operation == 'n' && step.number == number; }))
            return "does not use " + std::to_string(number);
    return "";
}

constexpr uint64_t prime = (uint64_t(1) << 61) - 1;

uint64_t multiply(uint64_t x, uint64_t y) { return uint64_t(wide(x) * y % prime); }

// 1 / x modulo the prime is x^(prime - 2) [Fermat].
uint64_t inverse(uint64_t x) {
    uint64_t result = 1;
    for (uint64_t exponent = prime - 2; exponent; exponent >>= 1, x = multiply(x, x))
        if (exponent & 1) result = multiply(result, x);
    return result;
}

}  // namespace

Verdict grade_countdown(std::string_view expression, const std::vector<int>& numbers, int target) {
    Parser parser(expression);
    if (!parser.parse()) return {false, parser.error};
    const std::string difference = wrong_numbers(parser.program, numbers);
    if (!difference.empty()) return {false, difference};
    const Fraction value = run(parser.program, [](int64_t n) { return Fraction{n, 1, nullptr}; }, join);
    if (value.error) return {false, value.error};
    std::string gives = "gives " + std::to_string(value.numerator);
    if (value.denominator != 1) gives += "/" + std::to_string(value.denominator);
    if (value.numerator == target && value.denominator == 1) return {true, gives};
    return {false, gives + ", not " + std::to_string(target)};
}

std::optional<uint64_t> countdown_vote(std::string_view expression) {
    Parser parser(expression);
    if (!parser.parse()) return std::nullopt;
    const auto element = [](int64_t n) -> std::optional<uint64_t> {
        const Philox4 random = philox(2025u, 0u, uint32_t(n), uint32_t(uint64_t(n) >> 32), 0u, 0u);
        return (uint64_t(random.x[0]) << 32 | random.x[1]) % prime;
    };
    const auto join = [](char operation, std::optional<uint64_t> x, std::optional<uint64_t> y) {
        if (!x || !y || (operation == '/' && *y == 0)) return std::optional<uint64_t>();
        switch (operation) {
            case '+': return std::optional((*x + *y) % prime);
            case '-': return std::optional((*x + prime - *y) % prime);
            case '*': return std::optional(multiply(*x, *y));
            default: return std::optional(multiply(*x, inverse(*y)));
        }
    };
    return run(parser.program, element, join);
}

}  // namespace r1
