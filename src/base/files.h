// Files: read whole, written atomically; JSON lines; SHA-256.
#pragma once
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

using json = nlohmann::ordered_json;

bool exists(const std::string& path);
void make_folder(const std::string& path);        // with its parents
bool holds_something(const std::string& folder);  // but for files that a killed process left unfinished
// Of a file or a folder; returns when that is on the disk.
void rename_file(const std::string& from, const std::string& to);

// Error if these bytes, the first of a file, are those of a Git LFS pointer.
void refuse_pointer(std::string_view begin, const std::string& path);

// A regular file alone: a pipe or a device would wait, or never end. A file larger than the memory that is left is
// refused.
std::string read_file(const std::string& path);
// "Discarded", as the library says it, if the text is not JSON or has more than 512 levels.
json json_of(std::string_view text);
// The same, but a whole number beyond 64 bits, and any other of more than 17 digits, is the text of its digits: a
// double would round it.
json json_keeping_digits(std::string_view text);
// A number as people write it: 0.00002, not 2e-05.
std::string text_of_number(const json& value);
// A larger file is refused before it is parsed: a value may take sixteen times its text.
json read_json(const std::string& path, size_t most_bytes = size_t(1) << 28);

// Writes path + ".tmp", fsync, rename, fsync of the folder: after a crash the file is the old one or the new one.
void write_file_atomically(const std::string& path, std::string_view content);

// The same for content that comes in pieces: `path` is as it was until commit(), and a writer that goes away without
// one leaves nothing behind.
class AtomicWriter {
public:
    explicit AtomicWriter(const std::string& path);
    ~AtomicWriter();
    AtomicWriter(const AtomicWriter&) = delete;
    AtomicWriter& operator=(const AtomicWriter&) = delete;
    void write(std::string_view bytes);
    void commit();

private:
    [[noreturn]] void give_up(const char* what) const;  // with errno's reason
    std::string path_, temporary_;
    int descriptor_ = -1;
    bool there_ = false;  // the temporary file
};

// Removes a file that need not be there, and waits until that is on the disk.
void remove_file(const std::string& path);
// Gives a file a second name in its folder, in place of what had it; false where the file system knows no such names.
bool link_file(const std::string& path, const std::string& second);

// Calls line(object, number) for each line of a JSON lines file; numbers start at 1; empty lines are skipped.
// A line that is not UTF-8, not JSON or not an object is an error that names file and line; a Parquet file is one that
// says how to convert it. Long numbers keep their digits, see json_keeping_digits().
void read_json_lines(const std::string& path, const std::function<void(const json&, int64_t)>& line);

// Lines are appended to a file that is written as they come; close() or the destructor flushes. A write that fails
// (full disk) is an error. Opened with keep = true it goes on after what the file holds.
class LineWriter {
public:
    explicit LineWriter(const std::string& path, bool keep = false);
    ~LineWriter();
    LineWriter(const LineWriter&) = delete;
    LineWriter& operator=(const LineWriter&) = delete;
    void write(const json& object);
    void write_text(std::string_view text);
    void flush();

private:
    std::string path_;
    std::FILE* file_ = nullptr;
};

std::string sha256(std::string_view bytes);  // 64 hexadecimal digits
std::string sha256_of_file(const std::string& path);

// A number rounded to `digits` significant digits, as it stands in metrics: the same text on every machine.
double rounded(double value, int digits = 6);

bool valid_utf8(std::string_view text);

}  // namespace r1
