// Files: read whole, written atomically; JSON lines; SHA-256.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

using json = nlohmann::ordered_json;

bool exists(const std::string& path);
void make_folder(const std::string& path);        // with its parents; returns when they are on the disk
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

// A file that is written through a buffer. DiskFailed for what the disk refuses; what is left in the buffer then is
// tried again by the next flush(). name: of the file in errors.
class Output {
public:
    Output(const std::string& path, int flags, std::string name);
    ~Output();  // flushes if it can
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    void hold(std::string_view bytes) { buffer_ += bytes; }
    size_t held() const { return buffer_.size(); }
    void flush();
    void sync();   // returns when all is on the disk
    void close();  // without a flush

private:
    std::string path_, name_, buffer_;
    int descriptor_ = -1;
};

// Writes path + ".tmp", fsync, rename, fsync of the folder: after a crash the file is the old one or the new one.
void write_file_atomically(const std::string& path, std::string_view content);

// The same for content that comes in pieces: `path` is as it was until commit(), and a writer that goes away without
// one leaves nothing behind.
class AtomicWriter {
public:
    explicit AtomicWriter(const std::string& path);
    ~AtomicWriter();
    void write(std::string_view bytes);
    void write_line(const json& object);
    void commit();

private:
    std::string path_;
    Output output_;
    bool there_ = true;  // the temporary file
};

// Removes a file that need not be there, and waits until that is on the disk.
void remove_file(const std::string& path);
// Gives a file a second name in its folder, in place of what had it; false where the file system knows no such names.
bool link_file(const std::string& path, const std::string& second);

// Calls line(object, number) for each line of a JSON lines file; numbers start at 1; empty lines are skipped.
// A line that is not UTF-8, not JSON or not an object is an error that names file and line; a Parquet file is one that
// says how to convert it. Long numbers keep their digits, see json_keeping_digits().
void read_json_lines(const std::string& path, const std::function<void(const json&, int64_t)>& line);

// SHA-256 of bytes that come in pieces.
class Sha256 {
public:
    Sha256();
    void add(std::string_view bytes);
    std::string hexadecimal() const;  // of all bytes until now, 64 digits

private:
    std::shared_ptr<void> context_;
};

// Lines are appended to a file that is written as they come; flush() or the destructor writes the last. A write that
// fails (full disk) is DiskFailed.
class LineWriter {
public:
    // keep: goes on after what the file holds. when_asked: only flush() writes, and a line that the disk refused is
    // written by a later one.
    explicit LineWriter(const std::string& path, bool keep = false, bool when_asked = false);
    void write(const json& object);
    void write_text(std::string_view text);
    void flush();
    void sync();               // returns when the lines are on the disk
    void cut(uint64_t bytes);  // keeps the first
    // What the file holds once it is flushed.
    uint64_t bytes() const { return bytes_; }
    std::string sha256() const { return hash_.hexadecimal(); }

private:
    void take_in();
    std::string path_;
    Output output_;
    bool when_asked_;
    uint64_t bytes_ = 0;
    Sha256 hash_;
};

std::string sha256(std::string_view bytes);  // 64 hexadecimal digits
std::string sha256_of_file(const std::string& path);
std::string sha256_of_begin(const std::string& path, uint64_t bytes);  // "" if the file is shorter

// A number rounded to `digits` significant digits, as it stands in metrics: the same text on every machine.
double rounded(double value, int digits = 6);

bool valid_utf8(std::string_view text);

}  // namespace r1
