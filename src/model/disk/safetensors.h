// Tensor files (safetensors): 8 bytes of header size, a JSON header, the tensors' bytes one after the other. A model's
// folder has them in one file, `model.safetensors`, or in shards that `model.safetensors.index.json` lists.
//
// Reading trusts nothing. A file that breaks a rule of the format is refused in one line that names file and tensor,
// and whatever a header says, opening a file never takes more memory than the file's size and 64 MB.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "model/disk/dtype.h"

namespace r1 {

struct TensorEntry {
    std::string name;
    Dtype dtype;
    std::vector<int64_t> shape;  // empty: a scalar
    int64_t count;               // elements
    size_t index;                // entry(index) is this one
};

struct TensorFile;

class TensorFiles {
public:
    static TensorFiles of_file(const std::string& path);
    // model.safetensors, or else the index and every shard it names. Index and shards must agree: each tensor of a
    // shard is in the map, under that shard's name, and the map has no others.
    static TensorFiles of_model(const std::string& folder);
    TensorFiles(TensorFiles&&) noexcept;
    ~TensorFiles();

    size_t size() const { return listed_; }
    TensorEntry entry(size_t index) const;  // index < size(); by increasing name
    std::optional<TensorEntry> find(std::string_view name) const;

    // All elements as float32, row-major, to out (count). An 8-bit tensor X (F8_E4M3, a matrix) is multiplied by its
    // scales, X_scale_inv (F32, one for each block of 128 x 128), as DeepSeek's checkpoints have them; the scales are
    // not listed as tensors of their own. Integers and whatever else is no weight are refused.
    void read(const TensorEntry& entry, float* out) const;

    std::string where(const TensorEntry& entry) const;                // "path tensor name", for errors
    std::optional<std::string> metadata(std::string_view key) const;  // a string of the (first) file's __metadata__

private:
    struct Slot {
        uint32_t file, entry;
    };
    TensorFiles();
    void open(const std::string& path);
    void sort_by_name();
    void check_index(const std::string& path);
    void set_scales_aside();
    std::string_view name(Slot slot) const;
    const Slot* find(std::string_view name, size_t first, size_t last) const;
    TensorEntry describe(size_t at) const;
    std::string where(Slot slot) const;
    void read_scaled(const TensorEntry& entry, float* out) const;

    std::vector<std::unique_ptr<TensorFile>> files_;
    std::vector<Slot> slots_;  // the listed ones by name, then the scales by name
    size_t listed_ = 0;
};

// A tensor to be written. fill(first, n, into) gives its elements first .. first + n - 1, row-major; it is called with
// increasing `first`, in pieces of at most a million, so that a model need not be in memory twice.
struct TensorSource {
    std::string name;
    std::vector<int64_t> shape;
    std::function<void(int64_t first, int64_t n, float* into)> fill;
};

// One file, written atomically: the tensors in the given order, rounded to dtype (F32, BF16 or F16). metadata: an
// object of strings, or null for none.
void write_safetensors(const std::string& path, const std::vector<TensorSource>& tensors, const json& metadata = {},
                       Dtype dtype = Dtype::F32);

// A model's tensors in its folder: `model.safetensors` if they fit in most_bytes_a_shard (tensors' bytes), else shards
// `model-00001-of-0000N.safetensors` and the index, which begin a new shard where a tensor would exceed the limit.
// What is there is replaced so that after a crash at any point the folder holds the old tensors or the new ones, whole,
// for every reader that prefers model.safetensors to an index, as Hugging Face's do; safetensors.cpp has the order.
void write_model_tensors(const std::string& folder, const std::vector<TensorSource>& tensors, Dtype dtype = Dtype::F32,
                         int64_t most_bytes_a_shard = 5'000'000'000);

}  // namespace r1
