#include "base/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/memory.h"

namespace r1 {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

void make_folder(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) fail("cannot make the folder", path, error.message() + "; choose another place");
}

bool holds_something(const std::string& folder) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().extension() != ".tmp") return true;
    return false;
}

// Calls with one piece of the file after the other.
static void read_pieces(const std::string& path, const std::function<void(std::string_view)>& with) {
    std::error_code error;
    if (fs::is_directory(path, error)) fail("a folder where a file is expected", path, "name a file in it");
    const bool is_input = path == "/dev/stdin";  // which ends
    if (!is_input && fs::exists(path, error) && !fs::is_regular_file(path, error))
        fail("a pipe or a device where a file is expected", path, "write what it gives to a file first");
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) fail("cannot open the file", path, std::string(std::strerror(errno)) + "; check the path");
    char buffer[1 << 16];
    size_t n;
    while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) with({buffer, n});
    const bool bad = std::ferror(file);
    std::fclose(file);
    if (bad) fail("cannot read the file", path, "check the disk");
}

void refuse_pointer(std::string_view begin, const std::string& path) {
    if (begin.starts_with("version https://git-lfs"))
        fail("a Git LFS pointer in place of the file itself", path, "fetch it with git lfs pull");
}

std::string read_file(const std::string& path) {
    std::string content;
    std::error_code error;
    if (const auto size = fs::file_size(path, error); !error) {
        check_memory(size, path);
        content.reserve(size);
    }
    read_pieces(path, [&](std::string_view piece) { content.append(piece); });
    refuse_pointer(content, path);
    return content;
}

// How many levels a JSON text has at most.
static size_t depth_of(std::string_view text) {
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\') ++i;
        else if (c == '"') in_string = !in_string;
        else if (in_string) continue;
        else if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
        else if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return deepest;
}

// What walks through a value goes as deep as the value.
constexpr size_t DEEPEST = 512;

json json_of(std::string_view text) {
    if (depth_of(text) > DEEPEST) return json(json::value_t::discarded);
    return json::parse(text, nullptr, false);
}

// Whether a number, as JSON writes it, is more than 64 bits hold if it is whole, or has more digits than a double.
static bool has_too_many_digits(std::string_view number) {
    const std::string_view mantissa = number.substr(0, number.find_first_of("eE"));
    if (mantissa.size() == number.size() && mantissa.find('.') == std::string_view::npos) {
        int64_t below = 0;
        uint64_t above = 0;
        const auto is_read = [&](auto& into) {
            return std::from_chars(number.begin(), number.end(), into).ec == std::errc();
        };
        return !is_read(below) && !is_read(above);
    }
    const size_t first = std::min(mantissa.find_first_of("123456789"), mantissa.size());
    return std::count_if(mantissa.begin() + std::ptrdiff_t(first), mantissa.end(),
                         [](char c) { return c >= '0' && c <= '9'; }) > 17;
}

json json_keeping_digits(std::string_view text) {
    std::string quoted;
    bool in_string = false;
    for (size_t i = 0; i < text.size();) {
        const char c = text[i];
        const bool number = !in_string && (c == '-' || (c >= '0' && c <= '9'));
        const size_t end = number ? std::min(text.find_first_not_of("0123456789+-.eE", i), text.size()) : i + 1;
        const std::string_view token = text.substr(i, end - i);
        if (in_string && c == '\\' && end < text.size()) {
            quoted += text.substr(i, 2);
            i += 2;
            continue;
        }
        if (c == '"') in_string = !in_string;
        const bool long_one = number && has_too_many_digits(token);
        quoted += long_one ? '"' + std::string(token) + '"' : std::string(token);
        i = end;
    }
    return json_of(quoted);
}

std::string text_of_number(const json& value) {
    if (!value.is_number_float()) return value.dump();
    std::array<char, 32> text;  // the fewest digits that give the double, as -1.234e-05
    const auto [end, error] =
        std::to_chars(text.begin(), text.end(), value.get<double>(), std::chars_format::scientific);
    ENSURE(error == std::errc(), "a number that is too long");
    const std::string_view all(text.begin(), size_t(end - text.begin()));
    const size_t at = all.find('e');
    const int exponent = std::atoi(std::string(all.substr(at + 1)).c_str());
    const std::string sign = all.starts_with('-') ? "-" : "";
    std::string digits;
    for (const char c : all.substr(0, at))
        if (c >= '0' && c <= '9') digits += c;
    if (exponent < 0) return sign + "0." + std::string(size_t(-exponent - 1), '0') + digits;
    const size_t whole = size_t(exponent) + 1;
    if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0');
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

json read_json(const std::string& path, size_t most_bytes) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (!error && size > most_bytes)
        fail("a JSON file of " + std::to_string(size) + " bytes", path,
             "at most " + std::to_string(most_bytes) + " are expected here");
    const std::string text = read_file(path);
    json value = json_of(text);
    if (value.is_discarded()) fail("not JSON, or of more than 512 levels", path, "repair the file or write it anew");
    return value;
}

static void fsync_folder(const std::string& path) {
    const std::string folder = fs::path(path).parent_path().string();
    const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
    if (descriptor < 0) return;
    fsync(descriptor);
    close(descriptor);
}

void rename_file(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0)
        fail("cannot rename " + from, to, std::string(std::strerror(errno)) + "; check the disk");
    fsync_folder(to);
}

AtomicWriter::AtomicWriter(const std::string& path) : path_(path), temporary_(path + ".tmp") {
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) give_up("cannot create the file");
    there_ = true;
}

AtomicWriter::~AtomicWriter() {
    if (descriptor_ >= 0) close(descriptor_);
    if (there_) unlink(temporary_.c_str());
}

void AtomicWriter::give_up(const char* what) const {
    const std::string why = std::strerror(errno);
    fail(what, path_, why + "; free some space or choose another place (the old file, if any, is untouched)");
}

void AtomicWriter::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) give_up("cannot write the file");
        bytes.remove_prefix(size_t(n));
    }
}

void AtomicWriter::commit() {
    if (fsync(descriptor_) != 0) give_up("cannot write the file to the disk");
    const int closed = close(std::exchange(descriptor_, -1));
    if (closed != 0) give_up("cannot close the file");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("cannot put the file in its place");
    there_ = false;
    fsync_folder(path_);
}

void write_file_atomically(const std::string& path, std::string_view content) {
    AtomicWriter writer(path);
    writer.write(content);
    writer.commit();
}

void remove_file(const std::string& path) {
    if (unlink(path.c_str()) == 0) fsync_folder(path);
    else if (errno != ENOENT)
        fail("cannot remove the file", path, std::string(std::strerror(errno)) + "; remove it yourself");
}

bool link_file(const std::string& path, const std::string& second) {
    remove_file(second);
    if (link(path.c_str(), second.c_str()) != 0) return false;
    fsync_folder(second);
    return true;
}

void read_json_lines(const std::string& path, const std::function<void(const json&, int64_t)>& line) {
    const std::string content = read_file(path);
    if (content.starts_with("PAR1") || path.ends_with(".parquet"))
        fail("a Parquet file where JSON lines are read", path,
             "convert it: python3 -c \"import pandas; pandas.read_parquet('FILE.parquet').to_json('FILE.jsonl', "
             "orient='records', lines=True)\"");
    size_t begin = 0;
    for (int64_t number = 1; begin < content.size(); ++number) {
        size_t end = content.find('\n', begin);
        if (end == std::string::npos) end = content.size();
        const std::string_view text = std::string_view(content).substr(begin, end - begin);
        begin = end + 1;
        if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        const std::string where = path + " line " + std::to_string(number);
        if (!valid_utf8(text)) fail("a line that is not UTF-8", where, "convert the file to UTF-8 or remove the line");
        const json object = json_keeping_digits(text);
        if (object.is_discarded())
            fail("a line that is not JSON, or of more than 512 levels", where, "repair or remove the line");
        if (!object.is_object()) fail("a line that is not a JSON object", where, "write it as {\"key\": value, ...}");
        line(object, number);
    }
}

LineWriter::LineWriter(const std::string& path, bool keep)
    : path_(path), file_(std::fopen(path.c_str(), keep ? "ab" : "wb")) {
    if (!file_) fail("cannot create the file", path, std::string(std::strerror(errno)) + "; choose another place");
}

LineWriter::~LineWriter() {
    if (file_) std::fclose(file_);
}

void LineWriter::write_text(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size())
        fail("cannot write the file", path_, std::string(std::strerror(errno)) + "; free some space");
}

void LineWriter::write(const json& object) {
    write_text(object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

void LineWriter::flush() {
    if (std::fflush(file_) != 0)
        fail("cannot write the file", path_, std::string(std::strerror(errno)) + "; free some space");
}

static std::string hexadecimal(const unsigned char* digest, unsigned length) {
    std::string text;
    char two[3];
    for (unsigned i = 0; i < length; ++i) {
        std::snprintf(two, sizeof two, "%02x", digest[i]);
        text += two;
    }
    return text;
}

std::string sha256(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    ENSURE(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) == 1, "libcrypto failed");
    return hexadecimal(digest, length);
}

std::string sha256_of_file(const std::string& path) {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    ENSURE(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "libcrypto failed");
    read_pieces(path, [&](std::string_view piece) {
        ENSURE(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1, "libcrypto failed");
    });
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    ENSURE(EVP_DigestFinal_ex(context.get(), digest, &length) == 1, "libcrypto failed");
    return hexadecimal(digest, length);
}

double rounded(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return std::strtod(text, nullptr);
}

// The Unicode standard's table 3-7: well-formed UTF-8 byte sequences.
bool valid_utf8(std::string_view s) {
    const auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    for (size_t i = 0; i < s.size();) {
        const unsigned b = byte(i), next = byte(i + 1);
        size_t length;
        if (b < 0x80) {
            ++i;
            continue;
        }
        if (b >= 0xC2 && b <= 0xDF) length = 2;
        else if (b >= 0xE0 && b <= 0xEF) length = 3;
        else if (b >= 0xF0 && b <= 0xF4) length = 4;
        else return false;
        if ((b == 0xE0 && next < 0xA0) || (b == 0xED && next > 0x9F) || (b == 0xF0 && next < 0x90) ||
            (b == 0xF4 && next > 0x8F))
            return false;
        for (size_t k = 1; k < length; ++k)
            if ((byte(i + k) & 0xC0) != 0x80) return false;
        i += length;
    }
    return true;
}

}  // namespace r1
