#include "report/words.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace r1 {

std::string format(const char* pattern, ...) {
    char text[512];
    va_list list;
    va_start(list, pattern);
    std::vsnprintf(text, sizeof text, pattern, list);
    va_end(list);
    return text;
}

std::string printable(const std::string& text) {
    std::string shown;
    for (const char c : text)
        shown += c == '\n'                                        ? "\\n"
                 : static_cast<unsigned char>(c) < 32 || c == 127 ? format("\\x%02x", c)
                                                                  : std::string(1, c);
    return shown;
}

std::string counted(size_t count, const std::string& thing) {
    return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

size_t code_points(const std::string& text) {
    return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width) {
    return text + std::string(width - std::min(width, code_points(text)), ' ');
}

}  // namespace r1
