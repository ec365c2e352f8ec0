#include "report/page.h"

#include <string_view>

namespace r1 {

std::string page_of_parts(const std::string& html, const std::map<std::string, std::string>& parts) {
    std::string page;
    size_t at = 0;
    for (size_t open; (open = html.find("{{", at)) != std::string::npos;) {
        const size_t close = html.find("}}", open);
        page.append(html, at, open - at);
        std::string_view part = parts.at(html.substr(open + 2, close - open - 2));
        if (part.ends_with('\n')) part.remove_suffix(1);
        page += part;
        at = close + 2;
    }
    return page.append(html, at);
}

std::string json_for_script(const json& data) {
    std::string escaped;
    for (const char c : data.dump(-1, ' ', false, json::error_handler_t::replace)) {
        if (c == '<') escaped += "\\u003c";
        else escaped += c;
    }
    return escaped;
}

}  // namespace r1
