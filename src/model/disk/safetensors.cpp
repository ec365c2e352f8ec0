#include "model/disk/safetensors.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/json_stream.h"

namespace r1 {

namespace fs = std::filesystem;

static constexpr uint64_t longest_header = 100'000'000;  // bytes, as the format's own reader has it
static constexpr size_t highest_rank = 64;
static constexpr size_t most_shards = 10'000;
static constexpr size_t piece = 1 << 20;  // elements read, converted and written at a time
static constexpr int64_t block = 128;     // rows and columns that share a scale
static constexpr const char* advice = damaged_file;
static constexpr const char* not_together = "index and shards must belong together: fetch all anew";

// ---- The header, in compact form ----

// Millions of entries must fit in little more than the header itself: names, shapes and metadata stand in pools, a
// number in groups of 7 bits (never more bytes than its decimal digits), a string behind its length.
static void put_number(std::string& pool, uint64_t n) {
    for (; n >= 128; n >>= 7) pool += char(n | 128);
    pool += char(n);
}

static uint64_t get_number(const std::string& pool, size_t& at) {
    uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
        const unsigned char c = static_cast<unsigned char>(pool[at++]);
        n |= uint64_t(c & 127) << shift;
        if (c < 128) return n;
    }
}

static void put_string(std::string& pool, std::string_view text) {
    put_number(pool, text.size());
    pool += text;
}

static std::string_view get_string(const std::string& pool, size_t& at) {
    const size_t size = size_t(get_number(pool, at)), begin = at;
    at += size;
    return std::string_view(pool).substr(begin, size);
}

struct PackedEntry {
    uint64_t begin, end;  // its bytes, from the end of the header on
    uint32_t at;          // in the pool: its name, then its dimensions
    Dtype dtype;
    uint8_t rank;
    bool in_index = false, scale = false;
};

struct TensorFile : Input {
    using Input::Input;
    uint64_t data = 0, data_size = 0;  // where the tensors' bytes begin; how many
    std::string pool, metadata_pool;
    std::vector<PackedEntry> entries;
    std::vector<uint32_t> metadata;  // key and value in the metadata's pool, by key

    std::string_view name(const PackedEntry& e) const {
        size_t at = e.at;
        return get_string(pool, at);
    }
    std::vector<int64_t> shape(const PackedEntry& e) const {
        size_t at = e.at;
        get_string(pool, at);
        std::vector<int64_t> dimensions(e.rank);
        for (int64_t& n : dimensions) n = int64_t(get_number(pool, at));
        return dimensions;
    }
    void read_header();
    void sort_metadata();
};

// {"__metadata__": {string: string...}, name: {"dtype": string, "shape": [...], "data_offsets": [begin, end]}...}
struct HeaderReader : JsonEvents<HeaderReader> {
    TensorFile& file;
    enum Place { start, header, value, metadata, entry, dtype, shape_value, shape, offsets_value, offsets, done };
    Place place = start;
    std::string name;  // of the entry that is read
    bool in_entry = false, has_metadata = false, seen[3] = {};
    Dtype type{};
    std::vector<uint64_t> dimensions, bounds;

    explicit HeaderReader(TensorFile& f) : file(f) {}
    [[noreturn]] void refuse(const std::string& what) {
        fail(what, file.path + (in_entry ? " tensor " + printable(name) : ""), advice);
    }
    bool not_json() { refuse("the safetensors header is not JSON in UTF-8"); }
    bool unexpected() {
        switch (place) {
            case metadata: refuse("a value of __metadata__ that is not a string");
            case dtype: refuse("a dtype that is not a string");
            case shape_value:
            case shape: refuse("a shape that is not a list of whole numbers");
            case offsets_value:
            case offsets: refuse("data_offsets that are not two whole numbers");
            default: refuse("a broken entry in the safetensors header");
        }
    }

    bool start_object(size_t) {
        if (place == start) place = header;
        else if (place != value) unexpected();
        else if (name == "__metadata__") {
            place = metadata, has_metadata = true, in_entry = false;
            file.metadata_pool.reserve(file.pool.capacity());
        } else {
            place = entry;
            seen[0] = seen[1] = seen[2] = false;
            dimensions.clear(), bounds.clear();
        }
        return true;
    }
    bool key(std::string& k) {
        if (place == header) {
            name = k, place = value, in_entry = true;
            if (name == "__metadata__" && has_metadata) refuse("a second __metadata__");
            if (name.find('\0') != std::string::npos) refuse("a NUL in a name");
        } else if (place == metadata) {
            put_string(file.metadata_pool, k);
        } else {  // in an entry
            const int which = k == "dtype" ? 0 : k == "shape" ? 1 : k == "data_offsets" ? 2 : -1;
            if (which < 0) refuse("an unknown key " + printable(k));
            if (std::exchange(seen[which], true)) refuse("a second " + k);
            place = which == 0 ? dtype : which == 1 ? shape_value : offsets_value;
        }
        return true;
    }
    bool string(std::string& s) {
        if (place == metadata) {
            put_string(file.metadata_pool, s);
        } else if (place == dtype) {
            const std::optional<Dtype> known = dtype_named(s);
            if (!known) refuse("an unknown number type " + printable(s));
            type = *known, place = entry;
        } else {
            unexpected();
        }
        return true;
    }
    bool start_array(size_t) {
        if (place != shape_value && place != offsets_value) unexpected();
        place = place == shape_value ? shape : offsets;
        return true;
    }
    bool number_unsigned(uint64_t n) {
        if (place != shape && place != offsets) unexpected();
        std::vector<uint64_t>& list = place == shape ? dimensions : bounds;
        if (n > uint64_t(INT64_MAX) || list.size() == (place == shape ? highest_rank : 2))
            refuse(place == shape ? "a shape too large" : "data_offsets that are not two whole numbers");
        list.push_back(n);
        return true;
    }
    bool end_array() {
        if (place == offsets && bounds.size() != 2) unexpected();
        place = entry;
        return true;
    }
    bool end_object() {
        if (place == entry) add_entry();
        place = place == header ? done : header, in_entry = false;
        return true;
    }

    void add_entry() {
        if (!seen[0] || !seen[1] || !seen[2]) refuse("an entry without dtype, shape or data_offsets");
        uint64_t bits = uint64_t(dtype_bits(type));
        for (const uint64_t n : dimensions)
            if (__builtin_mul_overflow(bits, n, &bits)) refuse("a shape too large");
        if (bits % 8 != 0) refuse("a size that is not a whole number of bytes");
        if (bounds[0] > bounds[1] || bounds[1] - bounds[0] != bits / 8)
            refuse("data_offsets that do not fit the shape");
        if (bounds[1] > file.data_size) refuse("the file ends before the tensor does");
        file.entries.push_back({bounds[0], bounds[1], uint32_t(file.pool.size()), type, uint8_t(dimensions.size())});
        put_string(file.pool, name);
        for (const uint64_t n : dimensions) put_number(file.pool, n);
    }
};

void TensorFile::read_header() {
    uint64_t header_size = 0;
    char first = 0;
    if (size < sizeof header_size + 1) fail("too short for a safetensors file", path, advice);
    read(0, &header_size, sizeof header_size);
    read(sizeof header_size, &first, 1);
    if (size < 1024) {
        std::string begin(std::min<size_t>(size, 64), '\0');
        read(0, begin.data(), begin.size());
        refuse_pointer(begin, path);
    }
    if (header_size > longest_header) fail("a safetensors header of more than 100,000,000 bytes", path, advice);
    if (header_size > size - sizeof header_size) fail("the file ends before its safetensors header does", path, advice);
    if (header_size == 0 || first != '{') fail("no safetensors header", path, advice);
    data = sizeof header_size + header_size, data_size = size - data;

    pool.reserve(size_t(header_size));  // pages that are not needed are never touched
    HeaderReader reader(*this);
    parse_json(*this, sizeof header_size, data, reader);
    sort_metadata();

    std::vector<uint32_t> order(entries.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return std::pair(entries[a].begin, entries[a].end) < std::pair(entries[b].begin, entries[b].end);
    });
    uint64_t covered = 0;
    for (const uint32_t i : order) {
        if (entries[i].begin != covered)
            fail(entries[i].begin < covered ? "bytes that belong to two tensors"
                                            : "bytes before it that belong to no tensor",
                 path + " tensor " + printable(name(entries[i])), advice);
        covered = entries[i].end;
    }
    if (covered != data_size) fail("bytes that belong to no tensor", path, advice);
}

void TensorFile::sort_metadata() {
    size_t strings = 0;
    for (size_t at = 0; at < metadata_pool.size(); ++strings) get_string(metadata_pool, at);
    metadata.reserve(strings / 2);
    for (size_t at = 0; at < metadata_pool.size();) {
        metadata.push_back(uint32_t(at));
        get_string(metadata_pool, at), get_string(metadata_pool, at);
    }
    const auto key = [&](size_t at) { return get_string(metadata_pool, at); };
    std::sort(metadata.begin(), metadata.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    const auto same = [&](uint32_t a, uint32_t b) { return key(a) == key(b); };
    const auto twice = std::adjacent_find(metadata.begin(), metadata.end(), same);
    if (twice != metadata.end()) fail("a second " + printable(key(*twice)) + " in __metadata__", path, advice);
}

// ---- The index: {"metadata": anything, "weight_map": {tensor: shard...}} ----

struct IndexReader : JsonEvents<IndexReader> {
    using Line = std::function<void(const std::string& tensor, const std::string& shard)>;
    const Input& file;
    const Line& line;
    enum Place { start, top, map_value, map, other, done } place = start;
    int depth = 0;  // in a value that nobody needs
    bool has_map = false;
    std::string name;

    IndexReader(const Input& f, const Line& l) : file(f), line(l) {}
    [[noreturn]] void refuse(const char* what) { fail(what, file.path, advice); }
    bool not_json() { refuse("not JSON in UTF-8"); }
    bool unexpected() {  // a number, true, false, null
        if (place == map) fail("a shard's name that is not a string", file.path + " tensor " + printable(name), advice);
        if (place != other) refuse("not an index of shards: {\"weight_map\": {tensor: shard, ...}}");
        if (depth == 0) place = top;
        return true;
    }
    bool string(std::string& s) {
        if (place != map) return unexpected();
        line(name, s);
        return true;
    }
    bool start_object(size_t) {
        if (place == start) place = top;
        else if (place == map_value) place = map;
        else if (place != other) unexpected();
        else enter();
        return true;
    }
    bool start_array(size_t) {
        if (place != other) unexpected();
        enter();
        return true;
    }
    void enter() {
        if (++depth > 16) refuse("values nested too deep");
    }
    bool key(std::string& k) {
        if (place == top) {
            place = k == "weight_map" ? map_value : other;
            if (place == map_value && std::exchange(has_map, true)) refuse("a second weight_map");
        } else if (place == map) {
            name = k;
        }
        return true;
    }
    bool end_object() {
        if (place == other) return end_array();
        place = place == map ? top : done;
        return true;
    }
    bool end_array() {
        if (--depth == 0) place = top;
        return true;
    }
};

static void read_index(const Input& file, const IndexReader::Line& line) {
    if (file.size > longest_header) fail("an index of more than 100,000,000 bytes", file.path, advice);
    IndexReader reader(file, line);
    parse_json(file, 0, file.size, reader);
    if (!reader.has_map) reader.refuse("an index without weight_map");
}

static std::set<std::string> shards_of(const Input& index) {
    std::set<std::string> shards;
    const std::string ending = ".safetensors";
    read_index(index, [&](const std::string& tensor, const std::string& shard) {
        const auto odd = [](unsigned char c) { return c < ' ' || c == 127 || c == '/' || c == '\\'; };
        if (shard.size() <= ending.size() || shard.size() > 255 || !shard.ends_with(ending) ||
            std::any_of(shard.begin(), shard.end(), odd))
            fail("a shard's name that is not the plain name of a .safetensors file: " + printable(shard),
                 index.path + " tensor " + printable(tensor), advice);
        if (shards.insert(shard).second && shards.size() > most_shards)
            fail("more than 10,000 shards", index.path, advice);
    });
    return shards;
}

// ---- Tensors of one file or of many ----

TensorFiles::TensorFiles() = default;
TensorFiles::TensorFiles(TensorFiles&&) noexcept = default;
TensorFiles::~TensorFiles() = default;

void TensorFiles::open(const std::string& path) {
    files_.push_back(std::make_unique<TensorFile>(path));
    files_.back()->read_header();
}

TensorFiles TensorFiles::of_file(const std::string& path) {
    TensorFiles tensors;
    tensors.open(path);
    tensors.sort_by_name();
    tensors.set_scales_aside();
    return tensors;
}

TensorFiles TensorFiles::of_model(const std::string& folder) {
    const std::string single = folder + "/model.safetensors", index = single + ".index.json";
    if (exists(single)) return of_file(single);
    if (!exists(index))
        fail("no model.safetensors and no index of shards", folder, "name a folder that has a model's weights");
    TensorFiles tensors;
    const Input input(index);
    const std::set<std::string> shards = shards_of(input);
    if (shards.empty()) fail("no shard in weight_map", index, advice);
    for (const std::string& shard : shards) {
        if (!exists(folder + "/" + shard))
            fail("a missing shard " + shard, index, "fetch or copy all files of the model");
        tensors.open(folder + "/" + shard);
    }
    tensors.sort_by_name();
    read_index(input, [&](const std::string& name, const std::string& shard) {
        const Slot* slot = tensors.find(name, 0, tensors.slots_.size());
        const std::string where = index + " tensor " + printable(name);
        if (!slot || tensors.files_[slot->file]->path != folder + "/" + shard)
            fail("its shard " + shard + " does not have it", where, not_together);
        bool& in_index = tensors.files_[slot->file]->entries[slot->entry].in_index;
        if (std::exchange(in_index, true)) fail("a tensor named twice", where, advice);
    });
    for (const Slot slot : tensors.slots_)
        if (!tensors.files_[slot.file]->entries[slot.entry].in_index)
            fail("a tensor that the index does not have", tensors.where(slot), not_together);
    tensors.set_scales_aside();
    return tensors;
}

void TensorFiles::sort_by_name() {
    size_t count = 0;
    for (const auto& file : files_) count += file->entries.size();
    slots_.reserve(count), listed_ = count;
    for (uint32_t f = 0; f < files_.size(); ++f)
        for (uint32_t e = 0; e < files_[f]->entries.size(); ++e) slots_.push_back({f, e});
    std::sort(slots_.begin(), slots_.end(), [&](Slot a, Slot b) { return name(a) < name(b); });
    const auto same = [&](Slot a, Slot b) { return name(a) == name(b); };
    const auto twice = std::adjacent_find(slots_.begin(), slots_.end(), same);
    if (twice != slots_.end())
        fail(twice[0].file == twice[1].file ? "a tensor named twice"
                                            : "a tensor that is also in " + files_[twice[0].file]->path,
             where(twice[1]), advice);
}

void TensorFiles::set_scales_aside() {
    bool any = false;
    for (size_t i = 0; i < slots_.size(); ++i) {
        const TensorFile& file = *files_[slots_[i].file];
        const PackedEntry& e = file.entries[slots_[i].entry];
        if (e.dtype != Dtype::F8_E4M3) continue;
        const Slot* found = find(std::string(name(slots_[i])) + "_scale_inv", 0, slots_.size());
        if (!found) continue;
        PackedEntry& scale = files_[found->file]->entries[found->entry];
        std::vector<int64_t> want = file.shape(e);
        for (int64_t& n : want) n = n / block + (n % block != 0);
        if (e.rank != 2 || scale.dtype != Dtype::F32 || files_[found->file]->shape(scale) != want)
            fail("scales that are not F32, one for each 128 x 128 block of a matrix", where(*found), advice);
        scale.scale = any = true;
    }
    if (!any) return;
    const auto listed = [&](Slot s) { return !files_[s.file]->entries[s.entry].scale; };
    listed_ = size_t(std::stable_partition(slots_.begin(), slots_.end(), listed) - slots_.begin());
}

std::string_view TensorFiles::name(Slot slot) const {
    const TensorFile& file = *files_[slot.file];
    return file.name(file.entries[slot.entry]);
}

std::string TensorFiles::where(Slot slot) const { return files_[slot.file]->path + " tensor " + printable(name(slot)); }

std::string TensorFiles::where(const TensorEntry& entry) const { return where(slots_[entry.index]); }

const TensorFiles::Slot* TensorFiles::find(std::string_view wanted, size_t first, size_t last) const {
    const auto end = slots_.begin() + ptrdiff_t(last);
    const auto found = std::lower_bound(slots_.begin() + ptrdiff_t(first), end, wanted,
                                        [&](Slot slot, std::string_view text) { return name(slot) < text; });
    return found != end && name(*found) == wanted ? &*found : nullptr;
}

TensorEntry TensorFiles::describe(size_t at) const {
    const TensorFile& file = *files_[slots_[at].file];
    const PackedEntry& e = file.entries[slots_[at].entry];
    int64_t count = 1;
    std::vector<int64_t> shape = file.shape(e);
    for (const int64_t n : shape) count *= n;  // its product was checked
    return {std::string(file.name(e)), e.dtype, shape, count, at};
}

TensorEntry TensorFiles::entry(size_t index) const { return describe(index); }

std::optional<TensorEntry> TensorFiles::find(std::string_view name) const {
    const Slot* slot = find(name, 0, listed_);
    if (!slot) return {};
    return describe(size_t(slot - slots_.data()));
}

std::optional<std::string> TensorFiles::metadata(std::string_view wanted) const {
    const TensorFile& file = *files_[0];
    const auto key = [&](size_t at) { return get_string(file.metadata_pool, at); };
    const auto found = std::lower_bound(file.metadata.begin(), file.metadata.end(), wanted,
                                        [&](uint32_t at, std::string_view text) { return key(at) < text; });
    if (found == file.metadata.end() || key(*found) != wanted) return {};
    size_t at = *found;
    get_string(file.metadata_pool, at);
    return std::string(get_string(file.metadata_pool, at));
}

void TensorFiles::read(const TensorEntry& entry, float* out) const {
    if (!becomes_float32(entry.dtype))
        fail(std::string("numbers of type ") + dtype_name(entry.dtype) + " are no weights", where(entry),
             "convert them to F32 or BF16");
    const Slot slot = slots_[entry.index];
    const TensorFile& file = *files_[slot.file];
    const uint64_t begin = file.data + file.entries[slot.entry].begin, bytes = uint64_t(dtype_bits(entry.dtype)) / 8;
    if (entry.dtype == Dtype::F8_E4M3) return read_scaled(entry, out);
    if (entry.dtype == Dtype::F32) return file.read(begin, out, size_t(entry.count) * sizeof(float));
    std::vector<char> buffer(size_t(std::min(uint64_t(piece), uint64_t(entry.count)) * bytes));
    for (int64_t first = 0; first < entry.count; first += int64_t(piece)) {
        const int64_t n = std::min(int64_t(piece), entry.count - first);
        file.read(begin + uint64_t(first) * bytes, buffer.data(), size_t(n) * bytes);
        to_float32(entry.dtype, buffer.data(), n, out + first);
    }
}

void TensorFiles::read_scaled(const TensorEntry& entry, float* out) const {
    const Slot* found = find(entry.name + "_scale_inv", listed_, slots_.size());
    if (!found)
        fail("an F8_E4M3 tensor without its scales", where(entry),
             "the model needs " + printable(entry.name + "_scale_inv"));
    const TensorEntry scale_entry = describe(size_t(found - slots_.data()));
    std::vector<float> scale(size_t(scale_entry.count));
    read(scale_entry, scale.data());
    const TensorFile& file = *files_[slots_[entry.index].file];
    const uint64_t begin = file.data + file.entries[slots_[entry.index].entry].begin;
    const int64_t columns = entry.shape[1], scale_columns = scale_entry.shape[1];
    std::vector<char> buffer(size_t(std::min(int64_t(piece), entry.count)));
    for (int64_t first = 0; first < entry.count; first += int64_t(piece)) {
        const int64_t end = std::min(first + int64_t(piece), entry.count);
        file.read(begin + uint64_t(first), buffer.data(), size_t(end - first));
        to_float32(Dtype::F8_E4M3, buffer.data(), end - first, out + first);
        for (int64_t k = first, run; k < end; k += run) {  // along a row, within a block
            const int64_t row = k / columns, column = k % columns;
            run = std::min({block - column % block, columns - column, end - k});
            const float s = scale[size_t(row / block * scale_columns + column / block)];
            for (int64_t i = k; i < k + run; ++i) out[i] *= s;
        }
    }
}

// ---- Writing ----

static int64_t count_of(const TensorSource& t) {
    return std::accumulate(t.shape.begin(), t.shape.end(), int64_t(1), std::multiplies<int64_t>());
}

static int64_t bytes_of(const TensorSource& t, Dtype dtype) { return count_of(t) * dtype_bits(dtype) / 8; }

void write_safetensors(const std::string& path, const std::vector<TensorSource>& tensors, const json& metadata,
                       Dtype dtype) {
    std::set<std::string_view> names;
    std::string header = "{";
    if (!metadata.is_null()) header += "\"__metadata__\":" + metadata.dump() + (tensors.empty() ? "" : ",");
    int64_t at = 0;
    for (const TensorSource& t : tensors) {
        ENSURE(names.insert(t.name).second, "a tensor is written once");
        const json entry = {
            {"dtype", dtype_name(dtype)}, {"shape", t.shape}, {"data_offsets", {at, at + bytes_of(t, dtype)}}};
        header += json(t.name).dump() + ":" + entry.dump() + (names.size() < tensors.size() ? "," : "");
        at += bytes_of(t, dtype);
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    if (header.size() > longest_header)
        fail("a header of more than 100,000,000 bytes", path, "write the model in shards");
    const uint64_t size = header.size();

    AtomicWriter writer(path);
    writer.write({reinterpret_cast<const char*>(&size), sizeof size});
    writer.write(header);
    std::vector<float> values;
    for (const TensorSource& t : tensors)
        for (int64_t first = 0, n; first < count_of(t); first += n) {
            n = std::min(int64_t(piece), count_of(t) - first);
            values.resize(size_t(n));
            t.fill(first, n, values.data());
            from_float32(dtype, values.data(), n, values.data());  // in place: no type is wider than float32
            writer.write({reinterpret_cast<const char*>(values.data()), size_t(n * dtype_bits(dtype) / 8)});
        }
    writer.commit();
}

static std::string shard_name(size_t number, size_t count, const char* mark) {
    char text[80];
    std::snprintf(text, sizeof text, "model-%05zu-of-%05zu%s.safetensors", number, count, mark);
    return text;
}

// Files of the shape that write_model_tensors gives shards, its unfinished ones included, but for those in `keep`.
static void remove_shards(const std::string& folder, const std::vector<std::string>& keep) {
    std::error_code error;
    std::vector<std::string> stale;
    for (fs::directory_iterator file(folder, error), end; !error && file != end; file.increment(error)) {
        const std::string name = file->path().filename().string();
        size_t number = 0, count = 0;
        int length = 0;
        if (std::sscanf(name.c_str(), "model-%5zu-of-%5zu%n", &number, &count, &length) < 2 ||
            std::find(keep.begin(), keep.end(), name) != keep.end())
            continue;
        const std::string rest = name.substr(size_t(length));
        if (rest == ".safetensors" || rest == ".safetensors.tmp" || rest == ".new.safetensors" ||
            rest == ".new.safetensors.tmp")
            stale.push_back(name);
    }
    for (const std::string& name : stale) remove_file(folder + "/" + name);
}

static void write_index(const std::string& path, const std::vector<std::vector<TensorSource>>& shards,
                        const std::vector<std::string>& names, int64_t total) {
    nlohmann::json index = {{"metadata", {{"total_size", total}}}};  // its keys are sorted, as Hugging Face writes them
    nlohmann::json& map = index["weight_map"];
    for (size_t i = 0; i < shards.size(); ++i)
        for (const TensorSource& t : shards[i]) map[t.name] = names[i];
    write_file_atomically(path, index.dump(2) + "\n");
}

// The order in which things become durable. Readers take model.safetensors if it is there, else what the index names.
// One file: model.safetensors appears whole and is preferred at once; then the index goes, then the shards.
// Shards: they are written beside what is there, under names that the present index does not use (marked ".new" if it
//   uses the plain ones); the new index appears whole; model.safetensors goes. Marked shards then get their plain names
//   as second names, an index with these appears, and at last every other shard goes.
void write_model_tensors(const std::string& folder, const std::vector<TensorSource>& tensors, Dtype dtype,
                         int64_t most_bytes_a_shard) {
    const std::string single = folder + "/model.safetensors", index = single + ".index.json";
    const json metadata = {{"format", "pt"}};
    std::vector<std::vector<TensorSource>> shards(1);
    int64_t total = 0, filled = 0;
    for (const TensorSource& t : tensors) {
        const int64_t bytes = bytes_of(t, dtype);
        if (filled + bytes > most_bytes_a_shard && !shards.back().empty()) shards.emplace_back(), filled = 0;
        shards.back().push_back(t), filled += bytes, total += bytes;
    }
    if (shards.size() == 1) {
        write_safetensors(single, tensors, metadata, dtype);
        remove_file(index);
        return remove_shards(folder, {});
    }

    std::set<std::string> in_use;
    try {
        if (exists(index)) in_use = shards_of(Input(index));
    } catch (const Error&) {  // a damaged index: nobody can read what it names
    }
    const auto names = [&](const char* mark) {
        std::vector<std::string> all;
        for (size_t i = 1; i <= shards.size(); ++i) all.push_back(shard_name(i, shards.size(), mark));
        return all;
    };
    const std::vector<std::string> plain = names(""), marked = names(".new");
    const auto used = [&](const std::string& name) { return in_use.contains(name); };
    const bool taken = std::any_of(plain.begin(), plain.end(), used);
    const std::vector<std::string>& fresh = taken ? marked : plain;
    for (size_t i = 0; i < shards.size(); ++i) write_safetensors(folder + "/" + fresh[i], shards[i], metadata, dtype);
    write_index(index, shards, fresh, total);
    remove_file(single);
    if (!taken) return remove_shards(folder, plain);
    for (size_t i = 0; i < shards.size(); ++i)
        if (!link_file(folder + "/" + marked[i], folder + "/" + plain[i]))
            return remove_shards(folder, marked);  // as good
    write_index(index, shards, plain, total);
    remove_shards(folder, plain);
}

}  // namespace r1
