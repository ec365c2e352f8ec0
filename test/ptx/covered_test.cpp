// Runs after the comparisons of r1_ptx_test: how much of what nvcc made of the kernels they came to. A compiler makes
// several loops of one, for each rest its own, and a shape that nobody compares may have one to itself. What is left are
// loops for what cannot be: no expert at all, a head without channels.
#include <cstdio>

#include "ptx/runtime.h"

#include <doctest/doctest.h>

using namespace r1::ptx;

TEST_CASE("PTX: the comparisons come to nearly all of the kernels' code") {
    size_t instructions = 0, run = 0;
    for (const auto& [name, kernel] : kernels()) {
        const Coverage c = coverage(*kernel);
        CAPTURE(name);
        CHECK(double(c.run) >= 0.65 * double(c.instructions));
        instructions += c.instructions, run += c.run;
    }
    std::printf("%zu kernels, %zu instructions of PTX, %.1f %% of them run\n", kernels().size(), instructions,
                100.0 * double(run) / double(instructions));
    CHECK(double(run) >= 0.95 * double(instructions));
}
