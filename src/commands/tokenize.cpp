#include "commands/tokenize.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "text/tokenizer.h"

namespace r1 {

OptionTable table_of(EncodeOptions& o) {
    OptionTable table;
    table.input("--tokenizer", o.tokenizer, "tokenizer.json, or a model's folder").needed = true;
    table.flag("--no-special", o.no_special, "the text of special and added tokens is plain text");
    table.flag("--ends", o.ends, "with the tokens that the file's template puts around a text, such as its begin");
    table.flag("--jsonl", o.jsonl, "lines {\"text\": ...}, each to a line of ids");
    return table;
}

OptionTable table_of(DecodeOptions& o) {
    OptionTable table;
    table.input("--tokenizer", o.tokenizer, "tokenizer.json, or a model's folder").needed = true;
    table.flag("--skip-special", o.skip_special, "special tokens become nothing");
    return table;
}

static Tokenizer open_tokenizer(const std::string& path) {
    std::error_code ignored;
    return Tokenizer::load(std::filesystem::is_directory(path, ignored) ? path + "/tokenizer.json" : path);
}

static void write_out(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        fail("cannot write", "standard output", std::string(std::strerror(errno)) + "; free some space");
}

// Calls use(part) for what comes on standard input, part by part.
template <class Use>
static void read_in(const Use& use) {
    char buffer[1 << 16];
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) use(std::string_view(buffer, n));
    if (std::ferror(stdin)) fail("cannot read", "standard input", std::strerror(errno));
}

void encode_command(const EncodeOptions& o) {
    const Tokenizer tokenizer = open_tokenizer(o.tokenizer);
    const auto encode = [&](std::string_view text) {
        std::vector<int> ids = tokenizer.encode(text, o.no_special ? Tags::as_text : Tags::all);
        if (o.ends) {
            ids.insert(ids.begin(), tokenizer.before.begin(), tokenizer.before.end());
            ids.insert(ids.end(), tokenizer.after.begin(), tokenizer.after.end());
        }
        std::string line;
        for (const int id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
        write_out(line + "\n");
    };
    if (o.jsonl) {
        read_json_lines("/dev/stdin", [&](const json& line, int64_t number) {
            const auto text = line.find("text");
            if (text == line.end() || !text->is_string())
                fail("a line without \"text\"", "standard input line " + std::to_string(number),
                     "write it as {\"text\": \"...\"}");
            encode(text->get_ref<const std::string&>());
        });
    } else {
        std::string text;
        read_in([&](std::string_view part) { text += part; });
        encode(text);
    }
    if (std::fflush(stdout) != 0) write_out(" ");
}

void decode_command(const DecodeOptions& o) {
    const Tokenizer tokenizer = open_tokenizer(o.tokenizer);
    int64_t count = 0;
    const auto decode = [&](std::string_view word) {
        int id = -1;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
        const bool known = error == std::errc() && end == word.data() + word.size() && id >= 0 &&
                           id < tokenizer.size() && tokenizer.tokens[size_t(id)].kind != Kind::unused;
        ++count;
        if (!known) {
            std::fflush(stdout);
            fail("no token has the id " + json(word.substr(0, 40)).dump(-1, ' ', true, json::error_handler_t::replace),
                 "standard input, id " + std::to_string(count),
                 "give ids from 0 to " + std::to_string(tokenizer.size() - 1));
        }
        write_out(tokenizer.decode({&id, 1}, o.skip_special ? Control::hide : Control::show));
    };
    std::string word;
    read_in([&](std::string_view part) {
        for (const char c : part) {
            const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
            if (!blank && word.size() < 64) word += c;
            if (!blank || word.empty()) continue;
            decode(word);
            word.clear();
        }
    });
    if (!word.empty()) decode(word);
    if (std::fflush(stdout) != 0) write_out(" ");
}

}  // namespace r1
