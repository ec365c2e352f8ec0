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

[[noreturn]] static void refuse(const std::string& what, const std::string& where, const std::string& what_to_do) {
    throw DiskFailed(what + ", " + where + ", " + std::strerror(errno) + "; " + what_to_do);
}

// What a folder's file is called is on the disk only then.
static void fsync_folder_of(const std::string& path) {
    const std::string folder = fs::path(path).parent_path().string();
    const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    const bool failed = fsync(descriptor) != 0 && errno != EINVAL;  // of a file system that cannot
    close(descriptor);
    if (failed) refuse("cannot write the folder to the disk", folder, "check the disk");
}

void make_folder(const std::string& path) {
    std::error_code error;
    if (path.empty() || fs::is_directory(path, error)) return;
    const fs::path whole = path.back() == '/' ? fs::path(path).parent_path() : fs::path(path);
    make_folder(whole.parent_path().string());
    const bool made = mkdir(whole.c_str(), 0777) == 0;
    if (!made && !(errno == EEXIST && fs::is_directory(whole, error)))
        refuse("cannot make the folder", path, "choose another place");
    fsync_folder_of(whole.string());
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

void rename_file(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0) refuse("cannot rename " + from, to, "check the disk");
    fsync_folder_of(to);
}

// ---- output

Output::Output(const std::string& path, int flags, std::string name)
    : path_(path), name_(std::move(name)),
      descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644)) {
    if (descriptor_ < 0) refuse("cannot create the file", name_, "choose another place");
}

Output::~Output() {
    try {
        if (descriptor_ >= 0) flush();
    } catch (const Error&) {  // said where it mattered
    }
    close();
}

void Output::flush() {
    size_t done = 0;
    while (done < buffer_.size()) {
        const ssize_t n = write(descriptor_, buffer_.data() + done, buffer_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            buffer_.erase(0, done);
            refuse("cannot write the file", name_, "free some space or choose another place");
        }
        done += size_t(n);
    }
    buffer_.clear();
}

void Output::sync() {
    flush();
    if (fsync(descriptor_) != 0 && errno != EINVAL)  // of a device or a pipe
        refuse("cannot write the file to the disk", name_, "check the disk");
}

void Output::close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

constexpr size_t MOST_HELD = 1 << 16;  // bytes
constexpr const char* UNFINISHED = ".tmp";

AtomicWriter::AtomicWriter(const std::string& path) : path_(path), output_(path + UNFINISHED, O_TRUNC, path) {}

AtomicWriter::~AtomicWriter() {
    output_.close();
    if (there_) unlink((path_ + UNFINISHED).c_str());
}

void AtomicWriter::write(std::string_view bytes) {
    output_.hold(bytes);
    if (output_.held() > MOST_HELD) output_.flush();
}

void AtomicWriter::write_line(const json& object) {
    write(object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

void AtomicWriter::commit() {
    output_.sync();
    output_.close();
    rename_file(path_ + UNFINISHED, path_);
    there_ = false;
}

void write_file_atomically(const std::string& path, std::string_view content) {
    AtomicWriter writer(path);
    writer.write(content);
    writer.commit();
}

void remove_file(const std::string& path) {
    if (unlink(path.c_str()) == 0) fsync_folder_of(path);
    else if (errno != ENOENT) refuse("cannot remove the file", path, "remove it yourself");
}

bool link_file(const std::string& path, const std::string& second) {
    remove_file(second);
    if (link(path.c_str(), second.c_str()) != 0) return false;
    fsync_folder_of(second);
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

// ---- lines

LineWriter::LineWriter(const std::string& path, bool keep, bool when_asked)
    : path_(path), output_(path, O_APPEND | (keep ? 0 : O_TRUNC), path), when_asked_(when_asked) {
    fsync_folder_of(path);
    if (keep) take_in();
}

void LineWriter::take_in() {
    hash_ = Sha256();
    bytes_ = 0;
    read_pieces(path_, [&](std::string_view piece) {
        hash_.add(piece);
        bytes_ += piece.size();
    });
}

void LineWriter::cut(uint64_t bytes) {
    output_.flush();
    if (truncate(path_.c_str(), off_t(bytes)) != 0) refuse("cannot cut the file", path_, "check the disk");
    take_in();
}

void LineWriter::write_text(std::string_view text) {
    output_.hold(text);
    hash_.add(text);
    bytes_ += text.size();
    if (!when_asked_ && output_.held() > MOST_HELD) output_.flush();
}

void LineWriter::write(const json& object) {
    write_text(object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

void LineWriter::flush() { output_.flush(); }
void LineWriter::sync() { output_.sync(); }

// ---- SHA-256

static EVP_MD_CTX* of(const std::shared_ptr<void>& context) { return static_cast<EVP_MD_CTX*>(context.get()); }

Sha256::Sha256() : context_(EVP_MD_CTX_new(), [](void* c) { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(c)); }) {
    ENSURE(context_ && EVP_DigestInit_ex(of(context_), EVP_sha256(), nullptr) == 1, "libcrypto failed");
}

void Sha256::add(std::string_view bytes) {
    ENSURE(EVP_DigestUpdate(of(context_), bytes.data(), bytes.size()) == 1, "libcrypto failed");
}

std::string Sha256::hexadecimal() const {
    Sha256 copy;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    ENSURE(EVP_MD_CTX_copy_ex(of(copy.context_), of(context_)) == 1, "libcrypto failed");
    ENSURE(EVP_DigestFinal_ex(of(copy.context_), digest, &length) == 1, "libcrypto failed");
    std::string text;
    char two[3];
    for (unsigned i = 0; i < length; ++i) {
        std::snprintf(two, sizeof two, "%02x", digest[i]);
        text += two;
    }
    return text;
}

std::string sha256(std::string_view bytes) {
    Sha256 hash;
    hash.add(bytes);
    return hash.hexadecimal();
}

std::string sha256_of_file(const std::string& path) {
    Sha256 hash;
    read_pieces(path, [&](std::string_view piece) { hash.add(piece); });
    return hash.hexadecimal();
}

std::string sha256_of_begin(const std::string& path, uint64_t bytes) {
    Sha256 hash;
    read_pieces(path, [&](std::string_view piece) {
        hash.add(piece.substr(0, size_t(std::min<uint64_t>(bytes, piece.size()))));
        bytes -= std::min<uint64_t>(bytes, piece.size());
    });
    return bytes == 0 ? hash.hexadecimal() : "";
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
