// Any bytes as the files of a model: they are read, or refused by an r1::Error of one line, and never crash or hang. For
// libFuzzer (scripts/fuzz.sh), one kind of file a binary: -DFUZZED=tensors, header, shards or config.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "model/config.h"
#include "model/disk/safetensors.h"

using namespace r1;

namespace {

// A file in memory; several at once have paths of their own.
struct MemoryFile {
    int descriptor = memfd_create("fuzz", 0);
    void fill(std::string_view bytes, uint64_t size) const {
        if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size()) ||
            ftruncate(descriptor, off_t(size)) != 0)
            std::abort();
    }
    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }
};

template <class Act>
void refused_or_not(Act&& act) {
    try {
        act();
    } catch (const Error& e) {
        if (std::strchr(e.what(), '\n') || std::strlen(e.what()) > 2000) std::abort();
    }
}

void read_all(const TensorFiles& files) {
    for (size_t i = 0; i < files.size(); ++i) {
        const TensorEntry entry = files.entry(i);
        if (files.find(entry.name)->index != i) std::abort();
        if (entry.count > 1 << 24) continue;
        std::vector<float> values(static_cast<size_t>(entry.count));
        refused_or_not([&] { files.read(entry, values.data()); });
    }
    files.metadata("format");
}

void tensors(std::string_view bytes) {
    static const MemoryFile file;
    file.fill(bytes, bytes.size());
    refused_or_not([&] { read_all(TensorFiles::of_file(file.path())); });
}

// The bytes as a header with the right size before it, and as much data as the first byte says.
void header(std::string_view bytes) {
    static const MemoryFile file;
    if (bytes.empty()) return;
    const uint64_t data = uint64_t(uint8_t(bytes[0])), size = bytes.size() - 1;
    std::string whole(reinterpret_cast<const char*>(&size), sizeof size);
    whole += bytes.substr(1);
    file.fill(whole, whole.size() + data);
    refused_or_not([&] { read_all(TensorFiles::of_file(file.path())); });
}

// The bytes as an index beside two shards.
void shards(std::string_view bytes) {
    static const MemoryFile index;
    static const std::string folder = [] {
        char name[] = "/tmp/r1-fuzz-XXXXXX";
        const std::string path = mkdtemp(name);
        const auto zeros = [](int64_t, int64_t n, float* into) { std::fill_n(into, n, 0.0f); };
        write_safetensors(path + "/one.safetensors", {{"a", {2}, zeros}, {"b", {1}, zeros}});
        write_safetensors(path + "/two.safetensors", {{"c", {1}, zeros}});
        if (symlink(index.path().c_str(), (path + "/model.safetensors.index.json").c_str()) != 0) std::abort();
        return path;
    }();
    index.fill(bytes, bytes.size());
    refused_or_not([&] { read_all(TensorFiles::of_model(folder)); });
}

void config(std::string_view bytes) {
    const json object = json::parse(bytes, nullptr, false);
    if (!object.is_discarded()) refused_or_not([&] { config_from_json(object, "fuzz"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FUZZED(std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
