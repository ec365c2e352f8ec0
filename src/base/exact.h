// Exact elementary functions: the same bits on every compiler, vector width and device.
//
// libm, its vector variants and CUDA's library each round exp and log differently. Here they are written with nothing
// but + - * / fma and moves of bits, all of which IEEE 754 fixes to the bit, in branch-free form, so that a loop over
// them vectorises. Series are plain Taylor series: every coefficient can be read off, none was fitted.
//
//   function        range                  largest error found against long double (test/exact_test.cpp)
//   exp(float)      all; 0 below -104      1.0 ulp
//   log(float)      positive, normal       2.0 ulp
//   sigmoid(float)  all                    2.5 ulp
//   double          tables and schedules   1e-15 relative (sin, cos: 1e-15 absolute, |x| < 1e6)
#pragma once
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define DEVICE __host__ __device__
#else
#define DEVICE
#endif

// `static`: ops_cpu.cpp is compiled for several instruction sets, and a shared copy would be one set's for all.

namespace r1::exact {

// The product is not rounded before the sum. Contraction is off everywhere (-ffp-contract=off), so fma happens where
// it is written and nowhere else.
DEVICE static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE static inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
DEVICE static inline float sqrt(float x) { return __builtin_sqrtf(x); }
DEVICE static inline double sqrt(double x) { return __builtin_sqrt(x); }

template <class To, class From>
DEVICE static inline To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

// e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer and leaves it in the
// low bits. 2^n is applied as two factors, so that results near overflow and underflow are rounded once.
DEVICE static inline float exp(float x) {
    x = x < -104.0f ? -104.0f : x;
    x = x > 104.0f ? 104.0f : x;
    const float shifted = fma(x, 1.44269504f, 12582912.0f);
    const float n = shifted - 12582912.0f;
    float r = fma(n, -0x1.62e4p-1f, x);      // ln 2 in two parts: the first has few bits, so n * it is exact
    r = fma(n, -0x1.7f7d1cp-20f, r);
    float p = 1.0f / 5040;
    p = fma(p, r, 1.0f / 720);
    p = fma(p, r, 1.0f / 120);
    p = fma(p, r, 1.0f / 24);
    p = fma(p, r, 1.0f / 6);
    p = fma(p, r, 0.5f);
    p = fma(p, r, 1.0f);
    p = fma(p, r, 1.0f);
    const int32_t exponent = bits_as<int32_t>(shifted) - 0x4B400000;
    const int32_t half = exponent >> 1;
    return p * bits_as<float>((half + 127) << 23) * bits_as<float>((exponent - half + 127) << 23);
}

// ln(2^e m) = e ln 2 + 2 atanh(s), s = (m - 1) / (m + 1), sqrt(1/2) <= m < sqrt(2).
DEVICE static inline float log(float x) {
    const int32_t bits = bits_as<int32_t>(x);
    const int32_t e = (bits - 0x3F3504F3) >> 23;
    const float m = bits_as<float>(bits - e * (1 << 23));
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    float p = 2.0f / 9;
    p = fma(p, z, 2.0f / 7);
    p = fma(p, z, 2.0f / 5);
    p = fma(p, z, 2.0f / 3);
    const float tail = fma(s * z, p, float(e) * 0x1.7f7d1cp-20f);
    return fma(float(e), 0x1.62e4p-1f, fma(2.0f, s, tail));
}

DEVICE static inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

// ---- double: tables of angles, schedules, initial weights. Never in a loop over tokens. ----

DEVICE static inline double exp(double x) {
    if (!(x > -745)) return x != x ? x : 0;
    if (x > 709) return 1.0 / 0.0;
    const double n = fma(x, 1.4426950408889634, 6755399441055744.0) - 6755399441055744.0;
    const double r = fma(n, -1.9082149292705877e-10, fma(n, -0x1.62e42feep-1, x));
    double p = 1;
    for (int k = 16; k >= 1; --k) p = fma(p, r / k, 1.0);
    const int64_t exponent = int64_t(n), half = exponent >> 1;
    return p * bits_as<double>((half + 1023) << 52) * bits_as<double>((exponent - half + 1023) << 52);
}

DEVICE static inline double log(double x) {
    const int64_t bits = bits_as<int64_t>(x);
    const int64_t e = (bits - 0x3FE6A09E667F3BCD) >> 52;
    const double m = bits_as<double>(bits - e * (int64_t(1) << 52));
    const double s = (m - 1) / (m + 1), z = s * s;
    double p = 0;
    for (int k = 25; k >= 3; k -= 2) p = fma(p, z, 2.0 / k);
    return fma(double(e), 0x1.62e42feep-1, fma(2.0, s, fma(s * z, p, double(e) * 1.9082149292705877e-10)));
}

// sin and cos by their series on |r| <= pi/4 after subtracting n quarter turns, pi/2 in three parts.
DEVICE static inline void sincos(double x, double& sine, double& cosine) {
    const double n = fma(x, 0.63661977236758134, 6755399441055744.0) - 6755399441055744.0;
    double r = fma(n, -0x1.921fb544p0, x);
    r = fma(n, -0x1.0b4611a6p-34, r);
    r = fma(n, -0x1.3198a2e037073p-69, r);
    const double z = -(r * r);
    double s = 1, c = 1;
    for (int k = 20; k >= 2; k -= 2) c = fma(c, z / (k * (k - 1)), 1.0), s = fma(s, z / (k * (k + 1)), 1.0);
    s *= r;
    const int64_t quarter = int64_t(n) & 3;
    const double a = quarter & 1 ? c : s, b = quarter & 1 ? s : c;
    sine = quarter & 2 ? -a : a;
    cosine = (quarter + 1) & 2 ? -b : b;
}

DEVICE static inline double pow(double x, double y) { return exp(y * log(x)); }

}  // namespace r1::exact
