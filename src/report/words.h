// Texts for a terminal: formatted, with nothing in them that could move the cursor, and padded by what is seen.
#pragma once
#include <string>

namespace r1 {

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string printable(const std::string& text);               // control characters are spelled: \n, \x1b
std::string counted(size_t count, const std::string& thing);  // "1 group", "2 groups"
size_t code_points(const std::string& text);
std::string padded(const std::string& text, size_t width);  // with blanks behind it, to so many code points

}  // namespace r1
