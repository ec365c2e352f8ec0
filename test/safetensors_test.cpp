// Tensor files: against the official library's files, to the bit and to the byte; every rule of the format; every
// truncation and every flipped bit; hostile headers in bounded memory; shards that replace each other.
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "base/check.h"
#include "kill.h"
#include "model/disk/safetensors.h"
#include "shell.h"

namespace r1 {
namespace {

std::string from_base64(const std::string& text) {
    std::string bytes(text.size() / 4 * 3, 0);
    const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), reinterpret_cast<const unsigned char*>(text.data()),
                                  int(text.size()));
    REQUIRE(n == int(bytes.size()));
    for (size_t i = text.size(); i > 0 && text[i - 1] == '='; --i) bytes.pop_back();
    return bytes;
}

// Thousands of small files are written here: in memory where that can be, and without write_file_atomically's fsync.
struct Memory : Folder {
    Memory() : Folder(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") {}
};

void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string bytes_of(std::vector<float> values) {
    for (float& x : values)
        if (std::isnan(x)) x = std::bit_cast<float>(0x7FC00000u);
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> values_of(const TensorFiles& files, const std::string& name) {
    const auto entry = files.find(name);
    REQUIRE(entry);
    std::vector<float> values(size_t(entry->count));
    files.read(*entry, values.data());
    return values;
}

TensorSource source(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
    return {name, shape, [values](int64_t first, int64_t n, float* into) { std::copy_n(values.begin() + first, n, into); }};
}

std::string file_of(std::string header, const std::string& data) {
    const uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
}

// "loaded", or the error; reads every tensor that is of a type of weights.
std::string outcome(const std::function<TensorFiles()>& open) {
    try {
        const TensorFiles files = open();
        for (size_t i = 0; i < files.size(); ++i) {
            const TensorEntry entry = files.entry(i);
            if (files.find(entry.name)->index != i || entry.count > 1000000) FAIL("not as it was described");
            std::vector<float> values(size_t(entry.count));
            try {
                files.read(entry, values.data());
            } catch (const Error& e) {
                REQUIRE(std::string(e.what()).find(files.where(entry)) != std::string::npos);
            }
        }
        files.metadata("format");
        return "loaded";
    } catch (const Error& e) {
        return e.what();
    }
}

bool one_line_about(const std::string& text, const std::string& path) {
    return text.find(path) != std::string::npos && text.find('\n') == std::string::npos && text.size() < 1000;
}

void check_tensors(const TensorFiles& files, const json& want) {
    CHECK(files.size() == want.size());
    for (const auto& [name, tensor] : want.items()) {
        const std::string which = name;                                          // clang 14 captures no binding
        INFO(which);
        const auto entry = files.find(name);
        REQUIRE(entry);
        CHECK(entry->shape == tensor["shape"].get<std::vector<int64_t>>());
        CHECK(bytes_of(values_of(files, name)) == from_base64(tensor["float32"].get<std::string>()));
    }
}

std::vector<TensorSource> sources_of(const json& tensors) {
    std::vector<TensorSource> sources;
    for (const auto& [name, tensor] : tensors.items()) {
        const std::string bytes = from_base64(tensor["float32"].get<std::string>());
        std::vector<float> values(bytes.size() / sizeof(float));
        std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(values.data()));
        sources.push_back(source(name, tensor["shape"].get<std::vector<int64_t>>(), values));
    }
    return sources;
}

const json& golden() {
    static const json all = read_json(std::string(R1_SOURCE) + "/reference/golden/safetensors.json");
    return all;
}

}  // namespace

TEST_CASE("tensor files: the official library's are read to the bit, and written to the byte") {
    const Memory folder;
    int written = 0;
    for (const json& file : golden()["files"]) {
        INFO(file["what"].get<std::string>());
        const std::string bytes = from_base64(file["bytes"].get<std::string>());
        put(folder / "a.safetensors", bytes);
        const TensorFiles files = TensorFiles::of_file(folder / "a.safetensors");
        check_tensors(files, file["tensors"]);
        for (const auto& [key, value] : file["metadata"].items()) CHECK(files.metadata(key) == value.get<std::string>());
        CHECK(!files.metadata("other"));
        CHECK(!files.find("a"));
        CHECK(!files.find("wide.weight_scale_inv"));
        if (file["ours"].is_null()) continue;
        write_safetensors(folder / "b.safetensors", sources_of(file["tensors"]), file["metadata"], *dtype_named(file["ours"].get<std::string>()));
        CHECK(read_file(folder / "b.safetensors") == bytes);
        ++written;
    }
    CHECK(written == 3);
}

TEST_CASE("tensor files: Hugging Face's shards are read to the bit, and written to the byte") {
    const Memory theirs, ours;
    const json& shards = golden()["shards"];
    for (const auto& [name, bytes] : shards["files"].items()) put(theirs / name, from_base64(bytes.get<std::string>()));
    check_tensors(TensorFiles::of_model(theirs.path), shards["tensors"]);
    write_model_tensors(ours.path, sources_of(shards["tensors"]), Dtype::BF16, shards["most_bytes"].get<int64_t>());
    for (const auto& [name, bytes] : shards["files"].items()) {
        const std::string which = name;                                          // clang 14 captures no binding
        INFO(which);
        const bool index = name.find("index") != std::string::npos;              // transformers ends it with a newline
        CHECK(read_file(ours / name) == from_base64(bytes.get<std::string>()) + (index ? "\n" : ""));
    }
}

TEST_CASE("tensor files: every number of the small types, and rounding, as torch has them") {
    const json& want = golden()["conversions"];
    const auto all = [](Dtype dtype, const std::string& bytes) {
        std::vector<float> values(bytes.size() * 8 / size_t(dtype_bits(dtype)));
        to_float32(dtype, bytes.data(), int64_t(values.size()), values.data());
        return sha256(bytes_of(values));
    };
    std::string halves, bytes, doubles;
    const auto append = [](std::string& to, auto value) { to.append(reinterpret_cast<const char*>(&value), sizeof value); };
    for (uint32_t i = 0; i < 65536; ++i) append(halves, uint16_t(i));
    for (uint32_t i = 0; i < 256; ++i) bytes += char(i);
    for (const uint64_t rest : {0x0ull, 0x0FFFFFFFull, 0x10000000ull, 0x10000001ull})
        for (uint32_t i = 0; i < 65536; ++i)
            append(doubles, std::bit_cast<uint64_t>(double(std::bit_cast<float>(i << 16 | 1))) + rest);
    for (const uint64_t each : {0x7FEFFFFFFFFFFFFFull, 1ull, 0x36A0000000000000ull, 0x36A0000000000001ull}) append(doubles, each);
    CHECK(all(Dtype::BF16, halves) == want["from_bf16"]);
    CHECK(all(Dtype::F16, halves) == want["from_f16"]);
    CHECK(all(Dtype::F8_E4M3, bytes) == want["from_f8_e4m3"]);
    CHECK(all(Dtype::F64, doubles) == want["from_f64"]);

    std::vector<float> floats;
    for (const json& low : golden()["low"])
        for (uint32_t i = 0; i < 65536; ++i) floats.push_back(std::bit_cast<float>(i << 16 | low.get<uint32_t>()));
    std::vector<uint16_t> rounded(floats.size());
    for (const auto& [dtype, key, nan] : {std::tuple(Dtype::BF16, "to_bf16", 0x7FC0), std::tuple(Dtype::F16, "to_f16", 0x7E00)}) {
        from_float32(dtype, floats.data(), int64_t(floats.size()), rounded.data());
        std::vector<float> back(floats.size());
        to_float32(dtype, rounded.data(), int64_t(floats.size()), back.data());
        for (size_t i = 0; i < floats.size(); ++i) {
            if (std::isnan(floats[i]) != std::isnan(back[i])) FAIL("a NaN is lost or made");
            if (std::isnan(floats[i])) rounded[i] = uint16_t(nan);
        }
        CHECK(sha256({reinterpret_cast<const char*>(rounded.data()), rounded.size() * 2}) == want[key]);
    }
}

TEST_CASE("tensor files: 8-bit weights of many blocks, times their scales, across pieces") {
    const Memory folder;
    const int64_t rows = 300, columns = 4000;                                    // more than one piece of 2^20
    std::string data, scales;
    for (int64_t i = 0; i < rows * columns; ++i) data += char((i * 7919 + i / columns) % 127);
    for (int i = 0; i < 3 * 32; ++i) {
        const float s = 0.25f + 0.37f * float(i);
        scales.append(reinterpret_cast<const char*>(&s), sizeof s);
    }
    const std::string offset = std::to_string(data.size()), end = std::to_string(data.size() + scales.size());
    const auto write = [&](const std::string& shape, const std::string& type) {
        put(folder / "a.safetensors", file_of("{\"w.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[300,4000],\"data_offsets\":[0," + offset +
            "]},\"w.weight_scale_inv\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" + offset + "," + end + "]}}",
            data + scales));
    };
    write("[3,32]", "F32");
    const std::vector<float> values = values_of(TensorFiles::of_file(folder / "a.safetensors"), "w.weight");
    int64_t wrong = 0;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
            float one;
            to_float32(Dtype::F8_E4M3, &data[size_t(r * columns + c)], 1, &one);
            wrong += values[size_t(r * columns + c)] != one * (0.25f + 0.37f * float(r / 128 * 32 + c / 128));
        }
    CHECK(wrong == 0);
    for (const auto& [shape, type] : {std::pair("[32,3]", "F32"), std::pair("[96]", "F32"), std::pair("[3,32]", "I32")}) {
        write(shape, type);
        const std::string said = outcome([&] { return TensorFiles::of_file(folder / "a.safetensors"); });
        CHECK(said.find("one for each 128 x 128 block") != std::string::npos);
        CHECK(said.find("a.safetensors tensor w.weight_scale_inv") != std::string::npos);
    }
}

TEST_CASE("tensor files: what breaks a rule of the format is refused in one line with file and tensor") {
    const Memory folder;
    const std::string path = folder / "a.safetensors", eight(8, 'x');
    const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
        return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
    };
    const auto refused = [&](const std::string& bytes, const std::string& what, const std::string& tensor = "") {
        put(path, bytes);
        const std::string said = outcome([&] { return TensorFiles::of_file(path); });
        INFO(said << " <- " << bytes.substr(0, 200));
        CHECK(said.find(what) == 0);
        CHECK(one_line_about(said, path + (tensor.empty() ? "," : " tensor " + tensor + ",")));
    };
    const auto header = [&](const std::string& text, const std::string& what, const std::string& tensor = "") {
        refused(file_of(text, eight), what, tensor);
    };
    const std::string fine = entry("F32", "[2]", "[0,8]"), empty = entry("F32", "[0]", "[0,0]");
    put(path, file_of("{\"a\":" + fine + "}", eight));
    REQUIRE(outcome([&] { return TensorFiles::of_file(path); }) == "loaded");

    refused("", "too short");
    refused("12345678", "too short");
    refused(file_of("", eight), "no safetensors header");
    refused(file_of(" {\"a\":" + fine + "}", eight), "no safetensors header");
    refused(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10), "a safetensors header of more than 100,000,000");
    refused(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), "a safetensors header of more than 100,000,000");
    refused(std::string("\x03\0\0\0\0\0\0\0{}", 10), "the file ends before its safetensors header");
    header("{\"a\":" + fine, "the safetensors header is not JSON");
    header("{\"a\":" + fine + "}}", "the safetensors header is not JSON");
    header("{\"a\":" + fine + "} 1", "the safetensors header is not JSON");
    header("{\"a\":" + fine + "}" + std::string(1, 0), "a NUL");
    header("{\"a\":" + fine + ",}", "the safetensors header is not JSON");
    header("{\"\xff\":" + fine + "}", "the safetensors header is not JSON");                      // not UTF-8
    header("{\"\xc0\x80\":" + fine + "}", "the safetensors header is not JSON");                  // an overlong NUL
    header("{\"\xed\xa0\x80\":" + fine + "}", "the safetensors header is not JSON");              // a surrogate in UTF-8
    header("{\"\\ud800\":" + fine + "}", "the safetensors header is not JSON");                   // a lone surrogate
    header("{\"a\\u0000b\":" + fine + "}", "a NUL in a name", "\"a\\u0000b\"");
    header("{\"a\":" + empty + ",\"a\":" + fine + "}", "a tensor named twice", "a");
    header("{\"a\":" + fine + ",\"\\u0061\":" + empty + "}", "", "a");
    header("{\"a\\n\":" + empty + ",\"a\\n\":" + fine + "}", "a tensor named twice", "\"a\\n\"");
    header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "a second dtype", "a");
    header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}", "a second shape", "a");
    header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"data_offsets\":[0,8]}}", "a second data_offsets", "a");
    header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}}", "an unknown key more", "a");
    header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "an entry without", "a");
    header("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", "an entry without", "a");
    header("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "an entry without", "a");
    header("{\"a\":{}}", "an entry without", "a");
    for (const char* value : {"1", "null", "[]", "\"x\"", "true", "[{}]", "-1", "1.5", "1e999"})
        header("{\"a\":" + std::string(value) + "}", "", "a");
    header("{\"a\":" + entry("F33", "[2]", "[0,8]") + "}", "an unknown number type F33", "a");
    header("{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", "a dtype that is not a string", "a");
    for (const char* shape : {"2", "[-2]", "[2.0]", "[-0,2]", "[\"2\"]", "[[2]]", "[{}]", "[null]", "{}", "\"2\"", "[1e0,2]"})
        header("{\"a\":" + entry("F32", shape, "[0,8]") + "}", "a shape that is not a list of whole numbers", "a");
    for (const char* shape : {"[9223372036854775808]", "[4611686018427387904,4]", "[4294967296,4294967296]", "[9223372036854775807,9,0]",
                              "[65536,65536,65536,65536]", "[4611686018427387905]"})
        header("{\"a\":" + entry("F32", shape, "[0,8]") + "}", "a shape too large", "a");
    header("{\"a\":" + entry("F32", "[18446744073709551616]", "[0,8]") + "}", "a shape that is not", "a");   // read as a float
    std::string ranks = "[1";
    for (int i = 0; i < 64; ++i) ranks += ",1";
    header("{\"a\":" + entry("F32", ranks + "]", "[0,4]") + "}", "a shape too large", "a");
    header("{\"a\":" + entry("F4", "[15]", "[0,8]") + "}", "a size that is not a whole number of bytes", "a");
    for (const char* offsets : {"[0]", "[0,8,8]", "[]", "8", "[-0,8]", "[0,8.0]", "[\"0\",8]", "{}", "[[0,8]]", "[0,18446744073709551615]"})
        header("{\"a\":" + entry("F32", "[2]", offsets) + "}", "data_offsets that are not two whole numbers", "a");
    for (const char* offsets : {"[8,0]", "[0,7]", "[0,9]", "[0,0]", "[1,8]", "[8,8]"})
        header("{\"a\":" + entry("F32", "[2]", offsets) + "}", "data_offsets that do not fit the shape", "a");
    header("{\"a\":" + entry("F32", "[2]", "[8,16]") + "}", "the file ends before the tensor", "a");
    header("{\"a\":" + entry("F32", "[2]", "[9223372036854775799,9223372036854775807]") + "}", "the file ends before the tensor", "a");
    header("{\"a\":" + entry("F32", "[1]", "[4,8]") + "}", "bytes before it that belong to no tensor", "a");
    header("{\"a\":" + entry("F32", "[1]", "[0,4]") + "}", "bytes that belong to no tensor");
    header("{}", "bytes that belong to no tensor");
    header("{\"a\":" + fine + ",\"b\":" + entry("F32", "[1]", "[4,8]") + "}", "bytes that belong to two tensors", "b");
    header("{\"b\":" + entry("F32", "[1]", "[0,4]") + ",\"a\":" + fine + "}", "bytes that belong to two tensors", "a");
    header("{\"a\":" + fine + ",\"b\":" + entry("F32", "[0]", "[4,4]") + "}", "bytes that belong to two tensors", "b");
    header("{\"__metadata__\":{\"a\":1},\"a\":" + fine + "}", "a value of __metadata__ that is not a string");
    header("{\"__metadata__\":{\"a\":{}},\"a\":" + fine + "}", "a value of __metadata__ that is not a string");
    header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"},\"a\":" + fine + "}", "a second a in __metadata__");
    header("{\"__metadata__\":{},\"__metadata__\":{},\"a\":" + fine + "}", "a second __metadata__", "__metadata__");
    header("{\"__metadata__\":\"x\",\"a\":" + fine + "}", "", "__metadata__");
    header("{\"" + std::string(1 << 21, 'n') + "\":" + fine + "}", "a JSON string or number of more than 2 MB");
    header("{\"" + std::string(100000, 'n') + "\":" + entry("F32", "[3]", "[0,8]") + "}", "data_offsets that do not fit", std::string(300, 'n') + "...");

    CHECK(outcome([&] { return TensorFiles::of_file(folder.path); }).find("a folder where a file is expected, " + folder.path) == 0);
    CHECK(outcome([&] { return TensorFiles::of_file(folder / "none"); }).find("cannot open the file, " + folder / "none") == 0);
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(outcome([&] { return TensorFiles::of_file(folder / "pipe"); }).find("not a regular file, " + folder / "pipe") == 0);
    CHECK(outcome([&] { return TensorFiles::of_model(folder.path); }).find("no model.safetensors and no index of shards, " + folder.path) == 0);
}

TEST_CASE("tensor files: types that are no weights are known, listed, and refused when they are read") {
    const Memory folder;
    for (const char* type : {"I64", "U8", "BOOL", "C64", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3"}) {
        const int bits = dtype_bits(*dtype_named(type));
        put(folder / "a", file_of("{\"ids\":{\"dtype\":\"" + std::string(type) + "\",\"shape\":[2,4],\"data_offsets\":[0," +
                                  std::to_string(bits) + "]}}", std::string(size_t(bits), 1)));
        const TensorFiles files = TensorFiles::of_file(folder / "a");
        CHECK(files.find("ids")->count == 8);
        float values[8];
        CHECK_THROWS_WITH_AS(files.read(*files.find("ids"), values), doctest::Contains(("numbers of type " + std::string(type) + " are no weights").c_str()), Error);
    }
    put(folder / "a", file_of("{\"x\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,1],\"data_offsets\":[0,1]}}", "x"));
    const TensorFiles files = TensorFiles::of_file(folder / "a");
    float value;
    CHECK_THROWS_WITH_AS(files.read(*files.find("x"), &value), doctest::Contains("without its scales"), Error);
}

TEST_CASE("tensor files: every truncation and every flipped bit is read or refused in one line") {
    const Memory folder;
    const std::string path = folder / "a.safetensors";
    write_safetensors(path, {source("a.weight", {2, 3}, {1, 2, 3, 4, 5, 6}), source("b", {}, {7}), source("c", {0, 2}, {})},
                      {{"format", "pt"}}, Dtype::BF16);
    const std::string whole = read_file(path);
    uint64_t header = 0;
    std::memcpy(&header, whole.data(), sizeof header);
    const auto open = [&] { return TensorFiles::of_file(path); };
    REQUIRE(outcome(open) == "loaded");
    for (size_t n = 0; n < whole.size(); ++n) {
        put(path, whole.substr(0, n));
        const std::string said = outcome(open);
        if (said == "loaded" || !one_line_about(said, path)) FAIL(n << ": " << said);
    }
    int loaded = 0, refused = 0;
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string bytes = whole;
        bytes[bit / 8] = char(bytes[bit / 8] ^ 1 << bit % 8);
        put(path, bytes);
        const std::string said = outcome(open);
        const bool in_data = bit / 8 >= 8 + header;
        if (said == "loaded") ++loaded;
        else if (in_data || !one_line_about(said, path)) FAIL("bit " << bit << ": " << said);
        else ++refused;
    }
    INFO(loaded << " loaded, " << refused << " refused");
    CHECK(loaded >= int(whole.size() - 8 - header) * 8);
    CHECK(refused > 1000);
}

// ---- The index ----

struct TwoShards : Memory {
    std::string index_path = path + "/model.safetensors.index.json";
    TwoShards() {
        write_safetensors(path + "/one.safetensors", {source("a", {2}, {1, 2}), source("b", {1}, {3})});
        write_safetensors(path + "/two.safetensors", {source("c", {1}, {4})});
    }
    std::string with(const std::string& text) const {
        put(index_path, text);
        return outcome([&] { return TensorFiles::of_model(path); });
    }
};

TEST_CASE("shards: an index that does not fit is refused in one line with file and tensor") {
    const TwoShards f;
    const std::string a = "\"a\":\"one.safetensors\"", b = "\"b\":\"one.safetensors\"", c = "\"c\":\"two.safetensors\"";
    const auto map = [](const std::string& lines) { return "{\"metadata\":{\"total_size\":16},\"weight_map\":{" + lines + "}}"; };
    const std::string fine = a + "," + b + "," + c;
    REQUIRE(f.with(map(fine)) == "loaded");
    REQUIRE(f.with("{\"x\":[1,[2,{\"weight_map\":3}],null,-1,1.5,true,\"y\"],\"weight_map\":{" + fine + "},\"z\":0}") == "loaded");
    const auto refused = [&](const std::string& text, const std::string& what, const std::string& where = "") {
        const std::string said = f.with(text);
        INFO(said << " <- " << text.substr(0, 200));
        CHECK(said.find(what) == 0);
        CHECK(one_line_about(said, where.empty() ? f.index_path + "," : where));
    };
    for (const char* shard : {"../one.safetensors", "/etc/passwd", "..", ".", "", "sub/one.safetensors", "one.bin", ".safetensors",
                              "a\\\\one.safetensors", "one\\n.safetensors", "one\\u0000.safetensors"})
        refused(map("\"a\":\"" + std::string(shard) + "\"," + b + "," + c), "a shard's name that is not the plain name", f.index_path + " tensor a");
    refused(map("\"a\":\"three.safetensors\"," + b + "," + c), "a missing shard three.safetensors");
    refused(map(fine + ",\"d\":\"one.safetensors\""), "its shard one.safetensors does not have it", f.index_path + " tensor d");
    refused(map("\"a\":\"two.safetensors\"," + b + "," + c), "its shard two.safetensors does not have it", f.index_path + " tensor a");
    refused(map(fine + "," + a), "a tensor named twice", f.index_path + " tensor a");
    refused(map(a + "," + c), "a tensor that the index does not have", f / "one.safetensors tensor b");
    refused(map("\"a\":1," + b + "," + c), "a shard's name that is not a string", f.index_path + " tensor a");
    refused(map("\"a\":{}," + b + "," + c), "a shard's name that is not a string", f.index_path + " tensor a");
    refused(map("\"a\":[\"one.safetensors\"]," + b + "," + c), "", f.index_path);
    refused("{\"weight_map\":{" + fine + "},\"weight_map\":{" + fine + "}}", "a second weight_map");
    refused("{\"metadata\":{}}", "an index without weight_map");
    for (const char* text : {"{\"weight_map\":[]}", "{\"weight_map\":null}", "{\"weight_map\":\"x\"}", "[]", "3", "null", "\"x\""})
        refused(text, "not an index of shards");
    for (const std::string& text : {std::string(), std::string("{"), map(fine) + "x", map(fine) + "{}", map(a + ",\"\xff\":\"one.safetensors\"")})
        refused(text, "not JSON");
    refused(map(fine) + std::string(1, 0), "a NUL");
    refused("{\"x\":" + std::string(100, '[') + std::string(100, ']') + ",\"weight_map\":{" + fine + "}}", "values nested too deep");
    refused("{\"weight_map\":{}}", "no shard");
    write_safetensors(f / "three.safetensors", {source("a", {2}, {1, 2})});
    refused(map(fine + ",\"d\":\"three.safetensors\""), "a tensor that is also in", "safetensors tensor a");
    std::string many;
    for (int i = 0; i < 10001; ++i) many += "\"" + std::to_string(i) + "\":\"" + std::to_string(i) + ".safetensors\",";
    refused(map(many + fine), "more than 10,000 shards");
    // One file is preferred to an index, as Hugging Face's readers do.
    write_safetensors(f / "model.safetensors", {source("other", {1}, {1})});
    CHECK(TensorFiles::of_model(f.path).find("other"));
}

TEST_CASE("shards: every truncation and every flipped bit of an index is read or refused in one line") {
    const TwoShards f;
    const std::string whole = "{\"metadata\":{\"total_size\":16},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\",\"c\":\"two.safetensors\"}}";
    REQUIRE(f.with(whole) == "loaded");
    for (size_t n = 0; n < whole.size(); ++n) {
        const std::string said = f.with(whole.substr(0, n));
        if (!one_line_about(said, f.index_path)) FAIL(n << ": " << said);
    }
    int loaded = 0;
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string bytes = whole;
        bytes[bit / 8] = char(bytes[bit / 8] ^ 1 << bit % 8);
        const std::string said = f.with(bytes);
        if (said == "loaded") ++loaded;
        else if (!one_line_about(said, f.path)) FAIL("bit " << bit << ": " << said);
    }
    CHECK(loaded > 0);                          // a flip in the total's digits, say
    CHECK(loaded < int(whole.size()) * 2);
}

// ---- Memory ----

TEST_CASE("tensor files: reads what R1_TENSORS names, says its peak of memory (for the next test)" * doctest::skip()) {
    const char* path = std::getenv("R1_TENSORS");
    REQUIRE(path);
    const bool folder = exists(std::string(path) + "/model.safetensors.index.json");
    const std::string said = outcome([&] { return folder ? TensorFiles::of_model(path) : TensorFiles::of_file(path); });
    const std::string status = read_file("/proc/self/status");
    const size_t at = status.find("VmHWM:");
    REQUIRE(at != std::string::npos);
    std::printf("peak %ld kB, %s\n", std::strtol(status.c_str() + at + 6, nullptr, 10), said.c_str());
}

TEST_CASE("tensor files: whatever a header says, memory stays under the file's size and 64 MB") {
#ifdef R1_SANITIZED
    const size_t size = 3 << 20, large = size;  // what a sanitizer adds is no measure: the outcomes alone
#else
    const size_t size = 16 << 20, large = 72 << 20;
#endif
    const Folder folder;
    char self[4096] = {};
    REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const auto repeat = [&](const std::string& begin, const std::function<std::string(size_t)>& part, const std::string& end, size_t until) {
        std::string text = begin;
        text.reserve(until + (4 << 20));
        for (size_t i = 0; text.size() < until; ++i) text += part(i);
        return text + end;
    };
    const auto peak = [&](const std::string& path, uint64_t bytes, const std::string& want) {
        const Result r = shell("R1_TENSORS=" + path + " '" + self + "' --no-skip --test-case='tensor files: reads what R1_TENSORS names*'");
        INFO(r.text);
        CHECK(r.status == 0);
        const size_t at = r.text.find("peak ");
        REQUIRE(at != std::string::npos);
        CHECK(r.text.find(", " + want, at) == r.text.find(", ", at));
#ifndef R1_SANITIZED
        const long kilobytes = std::strtol(r.text.c_str() + at + 5, nullptr, 10);
        CHECK(kilobytes > 1000);
        CHECK(kilobytes * 1024 < long(bytes) + (64 << 20));
#else
        (void)bytes;
#endif
    };
    const auto header = [&](const std::string& text, const std::string& want) {
        put(folder / "a.safetensors", file_of(text, ""));
        peak(folder / "a.safetensors", text.size() + 8, want);
    };
    const auto same = [](const std::string& text) { return [text](size_t) { return text; }; };
    const std::string entry = ":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", block(1 << 16, '[');
    const auto hexadecimal = [](size_t i) {
        char text[24];
        std::snprintf(text, sizeof text, "\"%zx\"", i * 2654435761u % (1u << 24));
        return std::string(text);
    };
    header(repeat("{\"a\":", same(block), "", size), "a broken entry");
    header(repeat("{\"a\":{\"dtype\":\"F32\",\"shape\":", same(block), "", size), "a shape that is not");
    header(repeat("{\"__metadata__\":{\"a\":", same(block), "", size), "a value of __metadata__");
    header(repeat("{\"", same(std::string(1 << 16, 'x')), "\":{}}", large), "a JSON string or number");
    header(repeat("{\"", same("\\u0061"), "\":{}}", size), "a JSON string or number");
    header(repeat("{\"a\":{\"dtype\":\"F32\",\"shape\":[", same(std::string(1 << 16, '1')), "]}}", size), "a JSON string or number");
    header(repeat("{\"a\":{\"dtype\":\"F32\",\"shape\":[1", same(",1,1,1,1"), "]}}", size), "a shape too large");
    header(repeat("{", same(std::string(1 << 16, ' ')), "}", large), "loaded");
    header(repeat("{\"\"" + entry, [&](size_t i) { return "," + hexadecimal(i) + entry; }, "}", large), "loaded");
    header(repeat("{\"\"" + entry, [&](size_t i) { return ",\"" + std::to_string(i) + std::string(2000000, 'x') + "\"" + entry; }, "}", large), "loaded");
    header(repeat("{\"__metadata__\":{\"\":\"\"", [&](size_t i) { return "," + hexadecimal(i) + ":\"\""; }, "}}", size), "loaded");

    write_safetensors(folder / "one.safetensors", {source("a", {1}, {1})});
    const auto index = [&](const std::string& text, const std::string& want) {
        put(folder / "model.safetensors.index.json", text);
        peak(folder.path, text.size(), want);
    };
    index(repeat("{\"metadata\":", same(block), "", size), "values nested too deep");
    index(repeat("{\"weight_map\":{\"a\":\"one.safetensors\"", [&](size_t i) { return "," + hexadecimal(i) + ":\"one.safetensors\""; }, "}}", size),
          "its shard one.safetensors does not have it");
    index(repeat("{\"weight_map\":{\"a\":\"one.safetensors\"", [&](size_t i) { return ",\"\":\"" + std::to_string(i) + ".safetensors\""; }, "}}", size),
          "more than 10,000 shards");
}

// ---- Writing over what is there ----

namespace {

// Three tensors whose numbers are all `value`.
std::vector<TensorSource> set_of(float value) {
    std::vector<TensorSource> tensors;
    for (const char* name : {"a", "b", "c"}) tensors.push_back(source(name, {2}, {value, value}));
    return tensors;
}

// Whose numbers the folder holds, if they are of one set.
float holds(const std::string& folder) {
    const TensorFiles files = TensorFiles::of_model(folder);
    std::vector<float> all;
    for (const char* name : {"a", "b", "c"})
        for (const float x : values_of(files, name)) all.push_back(x);
    return std::count(all.begin(), all.end(), all[0]) == 6 && files.size() == 3 ? all[0] : -1;
}

std::string names_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder)) names.insert(file.path().filename().string() + "\n");
    return std::accumulate(names.begin(), names.end(), std::string());
}

std::string names_of_shards(int count) {
    std::string names;
    for (int i = 1; count > 1 && i <= count; ++i) names += "model-0000" + std::to_string(i) + "-of-0000" + std::to_string(count) + ".safetensors\n";
    return names + (count > 1 ? "model.safetensors.index.json\n" : "model.safetensors\n");
}

int64_t limit_for(int shards) { return shards == 1 ? 24 : shards == 2 ? 16 : 8; }

}  // namespace

TEST_CASE("shards: a set of tensors replaces another, killed at every system call: the old or the new, whole") {
    for (const int before : {1, 2, 3})
        for (const int after : {1, 2, 3}) {
            INFO("from " << before << " to " << after);
            const Memory kept;
            write_model_tensors(kept.path, set_of(1), Dtype::F32, limit_for(before));
            REQUIRE(names_in(kept.path) == names_of_shards(before));
            int old = 0, now = 0;
            const Memory folder;
            const int calls = killed_at_every_call(
                [&] { std::filesystem::remove_all(folder.path), std::filesystem::copy(kept.path, folder.path); },
                [&] { write_model_tensors(folder.path, set_of(2), Dtype::F32, limit_for(after)); },
                [&] {
                    const float held = holds(folder.path);
                    old += held == 1, now += held == 2;
                    if (held < 0) FAIL("a mixture");
                    write_model_tensors(folder.path, set_of(3), Dtype::F32, limit_for(after));
                    CHECK(holds(folder.path) == 3);
                    CHECK(names_in(folder.path) == names_of_shards(after));
                });
            if (calls == 0) {
                MESSAGE("ptrace is not allowed here: no process can be killed at its system calls");
                return;
            }
            CHECK(calls > 5);
            CHECK(old > 3);
            CHECK(now > 1);
            CHECK(old + now == calls + 1);
        }
}

TEST_CASE("tensor files: a writer that fails leaves what was there, and nothing beside it") {
    const Memory folder;
    write_model_tensors(folder.path, set_of(1));
    std::vector<TensorSource> broken = set_of(2);
    broken[2].fill = [](int64_t, int64_t, float*) { fail("no more", "here", "stop"); };
    CHECK_THROWS_AS(write_model_tensors(folder.path, broken), Error);
    CHECK(holds(folder.path) == 1);
    CHECK(names_in(folder.path) == "model.safetensors\n");
    CHECK_THROWS_AS(write_model_tensors(folder.path, broken, Dtype::F32, 8), Error);
    CHECK(holds(folder.path) == 1);
    CHECK_THROWS_WITH_AS(write_model_tensors("/nowhere", set_of(1)), doctest::Contains("cannot create the file, /nowhere/model.safetensors"), Error);
}

TEST_CASE("tensor files: a tensor of more than a piece is filled in order and in parts") {
    const Memory folder;
    const int64_t n = 2500000;
    int64_t next = 0, longest = 0;
    const TensorSource big{"big", {2500, 1000}, [&](int64_t first, int64_t count, float* into) {
        CHECK(first == next);
        next += count, longest = std::max(longest, count);
        for (int64_t i = 0; i < count; ++i) into[i] = float((first + i) % 251);
    }};
    write_safetensors(folder / "a", {big}, {}, Dtype::F16);
    CHECK(next == n);
    CHECK(longest <= 1 << 20);
    const std::vector<float> values = values_of(TensorFiles::of_file(folder / "a"), "big");
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; ++i) wrong += values[size_t(i)] != float(i % 251);
    CHECK(wrong == 0);
}

}  // namespace r1
