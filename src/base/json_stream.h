// JSON out of a file that nobody vouches for, event by event (nlohmann's SAX interface): the text is never in memory as a
// whole, so what it costs is what its reader keeps.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <istream>
#include <streambuf>
#include <string>

#include "base/check.h"
#include "base/files.h"

namespace r1 {

inline constexpr const char* damaged_file = "the file is damaged or of another kind: fetch or write it anew";
inline constexpr size_t longest_token = (1 << 21) - 1;           // bytes of one JSON string or number

// A name out of a file, for an error, which must stay one short line.
inline std::string printable(std::string_view name) {
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c < 127; });
    std::string text(name.substr(0, 301));
    if (!plain) text = json(text).dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 300) text.resize(300), text += "...";
    return text;
}

// A file that is read in parts.
struct Input {
    std::string path;
    int descriptor = -1;
    uint64_t size = 0;

    explicit Input(const std::string& path_) : path(path_) {
        struct stat about{};
        if (stat(path.c_str(), &about) != 0)                     // before open(), which would wait for a pipe's writer
            fail("cannot open the file", path, std::string(std::strerror(errno)) + "; check the path");
        if (S_ISDIR(about.st_mode)) fail("a folder where a file is expected", path, "name a file in it");
        if (!S_ISREG(about.st_mode)) fail("not a regular file", path, "name a file");
        descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0)
            fail("cannot open the file", path,
                 std::string(std::strerror(errno)) + "; check its rights, or raise ulimit -n");
        size = fstat(descriptor, &about) == 0 ? uint64_t(about.st_size) : 0;
    }
    ~Input() {
        if (descriptor >= 0) close(descriptor);
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;

    void read(uint64_t at, void* to, size_t n) const {           // all n bytes
        while (n > 0) {
            const ssize_t got = pread(descriptor, to, n, off_t(at));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) fail("cannot read the file", path, std::string(std::strerror(errno)) + "; check the disk");
            if (got == 0) fail("the file became shorter while it was read", path, "do not write to it meanwhile");
            to = static_cast<char*>(to) + got, at += uint64_t(got), n -= size_t(got);
        }
    }
};

// A JSON text in a file, as the parser may have it. The parser keeps the token it is in, and white space before it, in
// memory several times, and takes NUL for the end: so white space outside strings shrinks to one blank, and a long token
// or a NUL is refused.
class JsonStream : public std::streambuf {
public:
    JsonStream(const Input& input, uint64_t begin, uint64_t end) : input_(input), at_(begin), end_(end) {}

protected:
    int_type underflow() override {
        char* to = buffer_;
        while (to == buffer_) {
            const size_t n = size_t(std::min<uint64_t>(sizeof buffer_, end_ - at_));
            if (n == 0) return traits_type::eof();
            input_.read(at_, buffer_, n);
            at_ += n;
            for (size_t i = 0; i < n; ++i)
                if (keep(buffer_[i])) *to++ = buffer_[i];
        }
        setg(buffer_, buffer_, to);
        return traits_type::to_int_type(*buffer_);
    }

private:
    bool keep(char& c) {
        if (c == 0) fail("a NUL in the JSON text", input_.path, damaged_file);
        const bool blank = !in_string_ && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
        if (blank) c = ' ';
        const bool again = blank && was_blank_;
        was_blank_ = blank;
        if (blank || (!escaped_ && c == '"') || (!in_string_ && std::strchr("{}[]:,", c))) token_ = 0;
        else if (++token_ > longest_token) fail("a JSON string or number of more than 2 MB", input_.path, damaged_file);
        if (c == '"' && !escaped_) in_string_ = !in_string_;
        escaped_ = in_string_ && c == '\\' && !escaped_;
        return !again;
    }

    const Input& input_;
    uint64_t at_, end_;
    bool in_string_ = false, escaped_ = false, was_blank_ = false;
    size_t token_ = 0;
    char buffer_[1 << 16];
};

// What a parser of such a text calls; a reader overrides what it expects, and `unexpected` throws.
template <class Reader>
struct JsonEvents {
    bool null() { return self().unexpected(); }
    bool boolean(bool) { return self().unexpected(); }
    bool number_integer(int64_t) { return self().unexpected(); }         // negative
    bool number_unsigned(uint64_t) { return self().unexpected(); }
    bool number_float(double, const std::string&) { return self().unexpected(); }
    bool string(std::string&) { return self().unexpected(); }
    bool binary(json::binary_t&) { return self().unexpected(); }
    bool start_object(size_t) { return self().unexpected(); }
    bool key(std::string&) { return self().unexpected(); }
    bool end_object() { return self().unexpected(); }
    bool start_array(size_t) { return self().unexpected(); }
    bool end_array() { return self().unexpected(); }
    bool parse_error(size_t, const std::string&, const json::exception&) { return self().not_json(); }
    Reader& self() { return static_cast<Reader&>(*this); }
};

// Calls the reader, in the text's order; the whole of begin..end must be one JSON value.
template <class Reader>
void parse_json(const Input& input, uint64_t begin, uint64_t end, Reader& reader) {
    JsonStream text(input, begin, end);
    std::istream stream(&text);
    json::sax_parse(stream, &reader);
}

}  // namespace r1
