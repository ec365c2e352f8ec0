// The limit: independent chains of fused multiply-adds in registers, nothing else. Compiled for the machine at hand
// by the attributes below; the compiler cannot remove or reorder the chains, whose results are used.
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace r1 {

#if defined(__x86_64__)
#define CHAINS(ROUND) ROUND(0) ROUND(1) ROUND(2) ROUND(3) ROUND(4) ROUND(5) ROUND(6) ROUND(7) ROUND(8) ROUND(9) ROUND(10) ROUND(11)

__attribute__((target("avx512f"))) static double avx512(int64_t rounds) {
#define ROUND(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n"
    for (int64_t i = 0; i < rounds; ++i)
        asm volatile(CHAINS(ROUND) CHAINS(ROUND)::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11");
#undef ROUND
    return double(rounds) * 24 * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double avx2(int64_t rounds) {
#define ROUND(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n"
    for (int64_t i = 0; i < rounds; ++i)
        asm volatile(CHAINS(ROUND) CHAINS(ROUND)::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11");
#undef ROUND
    return double(rounds) * 24 * 8 * 2;
}
#endif

double fma_flops(int64_t rounds) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return avx512(rounds);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2(rounds);
#endif
    volatile float sum = 0;
    for (int64_t i = 0; i < rounds; ++i) sum = __builtin_fmaf(0.999f, sum, 0.001f);
    return double(rounds) * 2;
}

}  // namespace r1
