// The number types of tensor files, and the way from and to float32.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace r1 {

// In the order of the table in dtype.cpp; F8_E4M3 is the variant without infinities (OCP 8-bit floating point: "fn").
// clang-format off
enum class Dtype : uint8_t {
    F64, F32, F16, BF16, F8_E4M3,                                        // read as weights
    F8_E5M2, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, F6_E2M3, F6_E3M2, F4,    // known, so that a file that has them is understood
    C64, I64, U64, I32, U32, I16, U16, I8, U8, BOOL
};
// clang-format on

const char* dtype_name(Dtype dtype);         // as the files spell it
const char* hugging_face_name(Dtype dtype);  // of F32, F16, BF16, as config.json spells it
int dtype_bits(Dtype dtype);                 // of one element
std::optional<Dtype> dtype_named(std::string_view name);

// F64, F32, F16, BF16 and F8_E4M3. `from` needs no alignment.
bool becomes_float32(Dtype dtype);

// n numbers to float32: exact, but for F64, which is rounded to nearest, ties to even. A NaN stays one.
void to_float32(Dtype dtype, const void* from, int64_t n, float* to);

// n numbers to F32, F16 or BF16: rounded to nearest, ties to even; beyond the range infinite; a NaN stays one.
void from_float32(Dtype dtype, const float* from, int64_t n, void* to);

}  // namespace r1
