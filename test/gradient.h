// What the proofs share: numbers to compute with, the measure of an error, and every instruction set at once.
//
// An error is the largest |got - want| of a tensor, relative to its largest |want|; float32 gets 1e-5.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <sstream>

#include "reference/model.h"

namespace r1 {

using Complex = std::complex<double>;
using Doubles = std::vector<double>;
using Floats = std::vector<float>;
using Ints = std::vector<int>;

constexpr double STEP = 1e-30;  // of the complex step
constexpr double FLOAT_ERROR = 1e-5, DOUBLE_ERROR = 1e-12;

// The generator of reference/make_golden_model.py: multiples of 2^-15 in [-1, 1).
struct Numbers {
    uint32_t x;
    float next() {
        x = 1664525u * x + 1013904223u;
        return float(int(x >> 16) - 32768) / 32768.0f;
    }
    Floats take(size_t n) {
        Floats values(n);
        for (float& value : values) value = next();
        return values;
    }
    int below(int n) { return int((double(next()) + 1) / 2 * n); }
};

// The largest error found for each name, for the table at the end.
inline std::map<std::string, double>& figures() {
    static std::map<std::string, double> map;
    return map;
}

struct Gap {
    double worst = 0, largest = 0;
    void add(double got, double want) {
        const double difference = std::abs(got - want);
        if (!(difference <= worst) && !std::isnan(worst)) worst = difference;  // a NaN stays
        largest = std::max(largest, std::abs(want));
    }
    // Where a true gradient is all zero (one key: the softmax has no slope) `least` is the measure.
    void check(const std::string& name, double limit, double least = 0) const {
        const double error = worst == 0 ? 0 : worst / std::max(largest, least);
        CAPTURE(name);
        CHECK(error <= limit);
        double& figure = figures()[name];
        figure = error <= figure ? figure : error;
    }
};

inline void check_values(const std::string& name, const Floats& got, const Doubles& want) {
    REQUIRE(got.size() == want.size());
    Gap gap;
    for (size_t i = 0; i < want.size(); ++i) gap.add(got[i], want[i]);
    gap.check(name, FLOAT_ERROR);
}

// Runs run(ops) on every instruction set that this machine has: the outputs must be the same bits (design.md, D8).
template <class Run>
std::vector<Floats> on_every_isa(const std::string& name, const Run& run) {
    const std::vector<Floats> first = run(cpu_ops("generic"));
    for (const char* isa : {"avx2", "avx512"}) {
        const Ops* ops = nullptr;
        try {
            ops = &cpu_ops(isa);
        } catch (const UsageError&) {
            continue;
        }
        const std::vector<Floats> other = run(*ops);
        for (size_t i = 0; i < first.size(); ++i) {
            CAPTURE(name);
            CAPTURE(isa);
            CAPTURE(i);
            CHECK(std::memcmp(first[i].data(), other[i].data(), first[i].size() * sizeof(float)) == 0);
        }
    }
    return first;
}

inline Doubles doubles(const Floats& x) { return Doubles(x.begin(), x.end()); }

}  // namespace r1
