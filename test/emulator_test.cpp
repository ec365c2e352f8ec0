// The emulator catches what it exists to catch: each fault is planted once, and must be named with this file and its
// line, whatever the order in which threads run; the same kernel without the fault must pass.
#include "cuda/launch.h"

#include <doctest/doctest.h>

#include <functional>

using namespace r1;
using emulator::Fault;
using emulator::Order;

namespace {

constexpr Order orders[] = {Order::forward, Order::reverse, Order::shuffled};

struct Device {                              // n floats of the device, 0, 1, 2, ...
    float* p;
    int n;
    explicit Device(int n) : p(static_cast<float*>(emulator::allocate(n * sizeof(float)))), n(n) {
        for (int i = 0; i < n; ++i) p[i] = float(i);
    }
    ~Device() { emulator::release(p); }
};

int line = 0;                                // of the planted fault, noted where it is
#define HERE line = __LINE__

// Reverses each block of 64 through shared memory. Faults: 1 no barrier, 2 only half the threads come to it, 3 they
// left before, 4 two barriers, 5 one element past the end of shared memory, 6 a shared element is never written.
__global__ void reverse(Ptr<float> y, Ptr<const float> x, int fault) {
    SHARED(float, tile, 64);
    const int t = int(threadIdx.x), at = int(blockIdx.x * 64 + threadIdx.x);
    if (fault == 3 && t >= 32) return;
    if (fault == 5) HERE, tile[t + 1] = x[at];
    else if (fault != 6 || t != 5) tile[t] = x[at];
    if (fault == 2 || fault == 3) {
        if (t < 32) HERE, barrier();
    } else if (fault == 4) {
        if (t < 32) barrier();
        else HERE, barrier();
    } else if (fault != 1) {
        barrier();
    }
    if (fault == 2 && t >= 32) return;
    y[at] = (HERE, tile[63 - t]);
}

// A warp's sum. Faults: 7 a lane is missing, 8 lanes at different exchanges, 13 a neighbour's element after an exchange,
// which orders nothing, where 14, no fault, has a barrier of the warp.
__global__ void warp_sum(Ptr<float> y, Ptr<const float> x, int fault) {
    const int t = int(threadIdx.x);
    SHARED(float, row, 32);
    float v = x[t];
    if (fault == 13 || fault == 14) {
        row[t] = v, v = shuffle_xor(v, 1);
        if (fault == 14) warp_barrier();
        v = (HERE, row[t ^ 1]);
    }
    if (fault == 7 && t == 31) return;
    if (fault == 8) {
        if (t < 16) v = shuffle_xor(v, 1);
        else HERE, v = shuffle_xor(v, 1);
    }
    for (int d = 16; d > 0; d /= 2) HERE, v += shuffle_down(v, d);
    if (t == 0) y[0] = v;
}

// Faults: 9 one past the end, 10 one before the beginning, 11 misaligned, 12 overwritten before all have read; of a store of
// four 15 misaligned, 16 past the end; 17 two of four past the end.
__global__ void copy4(Ptr<float> y, Ptr<const float> x, int fault) {
    SHARED(float, one, 1);
    const int t = int(threadIdx.x);
    const auto four = fault == 11 && t > 0 ? (HERE, load4(x, 4 * t - 1)) : load4(x, 4 * t);
    store4(y, 4 * t, four);
    if (fault == 15) HERE, store4(y, 2, four);
    if (fault == 16) HERE, store4(y, 4 * t + 4, four);
    if (fault == 17) HERE, load4(x, 4 * t + 4);
    if (fault == 9) HERE, y[4 * t + 4] = four.x;
    if (fault == 10) HERE, y[4 * t - 1] = four.x;
    if (fault != 12) return;
    if (t == 0) one[0] = 1;
    barrier();
    const float seen = one[0];
    if (t == 1) HERE, one[0] = seen + 1;
}

__global__ void add_one(Ptr<float> y, int) { y[int(threadIdx.x)] += 1; }

// Not sound, and no fault that has a line: a block reads what another may have written.
__global__ void depends_on_blocks(Ptr<float> y, int) {
    const int b = int(blockIdx.x);
    if (threadIdx.x == 0) y[b] = b > 0 ? y[b - 1] + 1 : 1.0f;
}

std::string fault_of(const std::function<void()>& run) {
    try {
        run();
    } catch (const Fault& fault) {
        return fault.what();
    }
    return "";
}

// Runs the faulty kernel in the three orders; `what` are the ways in which it may be caught.
void catches(int fault, const std::vector<std::string>& what, void (*kernel)(Ptr<float>, Ptr<const float>, int), Dim grid, Dim threads) {
    Device x(130), y(128);
    for (const Order order : orders) {
        emulator::order = order, line = 0;
        const std::string text = fault_of([&] { launch(kernel, grid, threads)(y.p, x.p, fault); });
        CAPTURE(fault);
        CAPTURE(text);
        CHECK(std::any_of(what.begin(), what.end(), [&](const std::string& each) { return text.find(each) != std::string::npos; }));
        CHECK(text.find("emulator_test.cpp:") != std::string::npos);
        if (what.size() == 1) CHECK((text + ",").find("emulator_test.cpp:" + std::to_string(line) + ",") != std::string::npos);
        launch(kernel, grid, threads)(y.p, x.p, 0);  // and the next launch is sound again
    }
    emulator::order = Order::forward;
}

}  // namespace

TEST_CASE("emulator: sound kernels give the same in every order") {
    for (const Order order : orders) {
        emulator::order = order;
        Device x(128), y(128);
        launch(reverse, Dim{2}, Dim{64})(y.p, x.p, 0);
        for (int i = 0; i < 128; ++i) CHECK(y.p[i] == float(i / 64 * 64 + 63 - i % 64));
        launch(warp_sum, Dim{1}, Dim{32})(y.p, x.p, 0);
        CHECK(y.p[0] == 31 * 16);
        launch(warp_sum, Dim{1}, Dim{32})(y.p, x.p, 14);
        CHECK(y.p[0] == 31 * 16);
        launch(copy4, Dim{1}, Dim{32})(y.p, x.p, 0);
        for (int i = 0; i < 128; ++i) CHECK(y.p[i] == float(i));
    }
    emulator::order = Order::forward;
}

TEST_CASE("emulator: planted faults are caught, with file and line") {
    const Dim two{2}, one{1}, block{64}, warp{32};
    catches(1, {"nobody wrote", "without a barrier after it was written"}, reverse, two, block);
    catches(2, {"left before", "different barriers"}, reverse, two, block);
    catches(3, {"threads of the block left before"}, reverse, two, block);
    catches(4, {"threads of a block at different barriers", "left before"}, reverse, two, block);
    catches(5, {"outside shared memory"}, reverse, two, block);
    catches(6, {"nobody wrote"}, reverse, two, block);
    catches(7, {"lanes of the warp reach"}, warp_sum, one, warp);
    catches(8, {"lanes of a warp at different exchanges", "lanes of the warp reach"}, warp_sum, one, warp);
    catches(9, {"outside its allocation"}, copy4, one, warp);
    catches(10, {"outside its allocation"}, copy4, one, warp);
    catches(11, {"misaligned"}, copy4, one, warp);
    catches(15, {"misaligned"}, copy4, one, warp);
    catches(16, {"outside its allocation"}, copy4, one, warp);
    catches(17, {"outside its allocation"}, copy4, one, warp);
    catches(13, {"nobody wrote", "without a barrier after it was written"}, warp_sum, one, warp);
    catches(12, {"written without a barrier after it was read", "without a barrier after it was written"}, copy4, one, warp);

    for (const auto& [grid, threads] : std::vector<std::pair<Dim, Dim>>{{{0}, warp}, {one, {0}}, {{1, 65536}, warp}, {one, {1056}}}) {
        Device x(128), y(128);
        const std::string text = fault_of([&, grid = grid, threads = threads] { HERE, launch(warp_sum, grid, threads)(y.p, x.p, 0); });
        CHECK(text.find("a size that CUDA does not launch") != std::string::npos);
        CHECK(text.find("emulator_test.cpp:" + std::to_string(line)) != std::string::npos);
    }

    Device x(128), y(128);
    std::vector<float> host(128);
    CHECK(fault_of([&] { launch(reverse, two, block)(y.p, host.data(), 0); }).find("host memory handed to a kernel") != std::string::npos);
    const Ptr<float> p{x.p, emulator::allocation_of(x.p)};
    CHECK(fault_of([&] { HERE, p[0] = 1; }).find("accessed from the host") != std::string::npos);
}

TEST_CASE("emulator: blocks run in every order too") {
    std::vector<float> last;
    for (const Order order : orders) {
        emulator::order = order;
        Device y(128);
        launch(depends_on_blocks, Dim{100}, Dim{32})(y.p, 0);
        last.push_back(y.p[99]);
    }
    emulator::order = Order::forward;
    CHECK(last[0] == 100);
    CHECK(last[1] == 99);  // what stood there before, and 1
    CHECK(last[2] != 100);
}

TEST_CASE("emulator: a graph has the work and the arguments of its recording, and nothing of the host") {
    const Memory& memory = emulator::device_memory;
    Device x(128), y(128);
    int recorded = 0;
    emulator::repeat(3, [&] {
        ++recorded;
        launch(add_one, Dim{1}, Dim{32})(y.p, 0);
        memory.copy(x.p + 64, y.p, 32 * sizeof(float));
        memory.zero(y.p + 5, sizeof(float));
        CHECK(y.p[7] == 7);  // not yet
    });
    CHECK(recorded == 1);
    CHECK(y.p[7] == 10);     // three times
    CHECK(x.p[64 + 7] == 10);
    CHECK(x.p[64 + 5] == 1);
    float host[4] = {};
    const std::vector<std::function<void()>> refused = {
        [&] { memory.upload(x.p, host, sizeof host); }, [&] { memory.download(host, x.p, sizeof host); },
        [&] { memory.allocate(64); }, [&] { emulator::repeat(1, [] {}); }};
    CHECK(fault_of([&] { memory.copy(x.p + 1, x.p, 8); }).find("overlap") != std::string::npos);
    for (const auto& work : refused) CHECK(fault_of([&] { emulator::repeat(1, work); }).find("while a graph is recorded") != std::string::npos);
    launch(copy4, Dim{1}, Dim{32})(y.p, x.p, 0);  // at once again
    CHECK(y.p[3] == x.p[3]);
}
