#include "model/disk/dtype.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace r1 {

static_assert(std::endian::native == std::endian::little, "tensor files are little-endian, and read as they stand");

struct DtypeName {
    const char* name;
    int bits;
};
static constexpr DtypeName kinds[] = {
    {"F64", 64},    {"F32", 32},        {"F16", 16},        {"BF16", 16},   {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
    {"C64", 64},    {"I64", 64},        {"U64", 64},        {"I32", 32},    {"U32", 32},    {"I16", 16},
    {"U16", 16},    {"I8", 8},          {"U8", 8},          {"BOOL", 8}};
static_assert(std::size(kinds) == size_t(Dtype::BOOL) + 1);

const char* dtype_name(Dtype dtype) { return kinds[size_t(dtype)].name; }
const char* hugging_face_name(Dtype dtype) {
    return dtype == Dtype::BF16 ? "bfloat16" : dtype == Dtype::F16 ? "float16" : "float32";
}

int dtype_bits(Dtype dtype) { return kinds[size_t(dtype)].bits; }

std::optional<Dtype> dtype_named(std::string_view name) {
    for (size_t i = 0; i < std::size(kinds); ++i)
        if (name == kinds[i].name) return Dtype(i);
    return {};
}

bool becomes_float32(Dtype dtype) { return dtype <= Dtype::F8_E4M3; }

// Sign, 5 bits of exponent (bias 15), 10 of fraction. Exponent and fraction moved to float32's places are the number
// times 2^-112, subnormal ones too; what comes out at 2^16 or above had the exponent of infinities and NaNs.
static float from_f16(uint16_t h) {
    const float magnitude = std::bit_cast<float>(uint32_t(h & 0x7FFF) << 13) * 0x1p112f;
    const uint32_t bits =
        magnitude < 0x1p16f ? std::bit_cast<uint32_t>(magnitude) : 0x7F800000u | uint32_t(h & 0x3FF) << 13;
    return std::bit_cast<float>(uint32_t(h & 0x8000) << 16 | bits);
}

static uint16_t to_f16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, a = bits & 0x7FFFFFFF;
    if (a > 0x7F800000) return uint16_t(sign | 0x7E00);   // NaN
    if (a >= 0x477FF000) return uint16_t(sign | 0x7C00);  // from 65520, the tie above the largest number
    if (a < 0x38800000)                                   // below 2^-14: the sum's last bit is 2^-24
        return uint16_t(sign |
                        (std::bit_cast<uint32_t>(std::bit_cast<float>(a) + 0.5f) - std::bit_cast<uint32_t>(0.5f)));
    return uint16_t(sign | (a - 0x38000000 + 0xFFF + (a >> 13 & 1)) >> 13);
}

static float from_bf16(uint16_t h) { return std::bit_cast<float>(uint32_t(h) << 16); }

static uint16_t to_bf16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return uint16_t(bits >> 16 | 0x40);  // NaN
    return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// Sign, 4 bits of exponent (bias 7), 3 of fraction; all ones is NaN, and nothing is infinite.
static constexpr std::array<float, 256> f8_e4m3_values = [] {
    std::array<float, 256> values{};
    for (int i = 0; i < 256; ++i) {
        const int exponent = i >> 3 & 15, fraction = i & 7;
        float value = exponent ? float(8 + fraction) : float(fraction);
        for (int k = exponent ? exponent : 1; k > 10; --k) value *= 2;
        for (int k = exponent ? exponent : 1; k < 10; ++k) value /= 2;
        if ((i & 0x7F) == 0x7F) value = std::numeric_limits<float>::quiet_NaN();
        values[size_t(i)] = i & 0x80 ? -value : value;
    }
    return values;
}();

template <class From, class Convert>
static void convert(const void* from, int64_t n, float* to, Convert&& one) {
    const char* bytes = static_cast<const char*>(from);
    for (int64_t i = 0; i < n; ++i) {
        From value;
        std::memcpy(&value, bytes + i * int64_t(sizeof value), sizeof value);
        to[i] = one(value);
    }
}

void to_float32(Dtype dtype, const void* from, int64_t n, float* to) {
    switch (dtype) {
        case Dtype::F64: return convert<double>(from, n, to, [](double x) { return float(x); });
        case Dtype::F32: return void(std::memmove(to, from, size_t(n) * sizeof(float)));
        case Dtype::F16: return convert<uint16_t>(from, n, to, from_f16);
        case Dtype::BF16: return convert<uint16_t>(from, n, to, from_bf16);
        case Dtype::F8_E4M3: return convert<uint8_t>(from, n, to, [](uint8_t x) { return f8_e4m3_values[x]; });
        default: ENSURE(becomes_float32(dtype), dtype_name(dtype));
    }
}

void from_float32(Dtype dtype, const float* from, int64_t n, void* to) {
    ENSURE(dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16, dtype_name(dtype));
    if (dtype == Dtype::F32) return void(std::memmove(to, from, size_t(n) * sizeof(float)));
    char* bytes = static_cast<char*>(to);
    for (int64_t i = 0; i < n; ++i) {
        const uint16_t value = dtype == Dtype::F16 ? to_f16(from[i]) : to_bf16(from[i]);
        std::memcpy(bytes + i * int64_t(sizeof value), &value, sizeof value);
    }
}

}  // namespace r1
