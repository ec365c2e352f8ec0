// The emulator: a CUDA kernel compiled by an ordinary C++ compiler and run on the CPU, stricter than a GPU.
//
// A block's threads are fibers on one thread of the system. They run one after the other, each until it waits (a
// barrier, a warp's exchange) or ends, in the order that `order` says; blocks run one after the other, in that order too.
// What a GPU would forgive or answer with garbage stops here, with the file and the line of the kernel:
//
//   a barrier that not all threads of the block reach, or not the same one      an exchange that not all lanes reach
//   an access outside its allocation, by one element or more                    an access from the host's side
//   host memory handed to a kernel                                              a misaligned access of four floats
//   a read of shared memory that nobody wrote                                   two threads at one shared element
//   a grid without blocks or beyond CUDA's limits                               without a barrier between them
//   the host's memory, or an allocation, while a graph is recorded
//
// A kernel sees global memory through Ptr<T>, which knows its allocation, and shared memory through SHARED, which
// remembers who wrote and who read what, and when. Under nvcc (launch.h) both are plain pointers.
#pragma once
#include <dlfcn.h>
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "base/arena.h"

#define __global__
#define __device__
#define __host__

namespace r1::emulator {

// A place in the source. As a default argument, current() is the place of the call.
struct Where {
    const char* file = "";
    int line = 0;
    static Where current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Dim {
    unsigned x = 1, y = 1, z = 1;
};
inline Dim threadIdx, blockIdx, blockDim, gridDim;  // of the fiber that runs

enum class Order { forward, reverse, shuffled };
inline Order order = Order::forward;

// ---- a block's threads

enum class State { ready, barrier, exchange, done };

struct Access {                              // to shared memory: by whom, and after how many barriers of block and warp
    int thread = -1;
    unsigned epoch = 0, warp_epoch = 0;
};
inline Access now;                           // of the fiber that runs

// Where a fiber, or the scheduler, goes on: jumps take nanoseconds, while swapcontext calls the system. So would the longjmp
// that AddressSanitizer puts before the library's, which is why that is looked for by name. (Compiled with
// _FORTIFY_SOURCE the library takes a jump to another stack for an attack.)
#ifdef _FORTIFY_SOURCE
#error "compile the emulator with -U_FORTIFY_SOURCE"
#endif
#define NOT_SANITIZED __attribute__((no_sanitize("address")))
inline void (*const library_longjmp)(jmp_buf, int) = reinterpret_cast<void (*)(jmp_buf, int)>(dlsym(RTLD_NEXT, "_longjmp"));
struct Jump {
    jmp_buf buffer;
};
[[noreturn]] NOT_SANITIZED inline void jump(Jump& to) {
    library_longjmp(to.buffer, 1);
    __builtin_unreachable();
}

struct Fiber {
    ucontext_t context;                      // for its first steps
    Jump here;
    bool started = false;                    // it then takes one block's body after the other
    std::unique_ptr<char[]> stack;
    State state = State::ready;
    Where where;                             // of what it waits for
    int kind = 0, argument = 0;              // of an exchange
    uint32_t bits = 0;                       // what it gives, then what it gets
    unsigned warp_epoch = 0;                 // barriers of its warp so far
};

struct Block {
    static constexpr size_t STACK = 128 * 1024;
    std::vector<std::unique_ptr<Fiber>> fibers;
    Jump back;                               // to the scheduler
    int current = -1;                        // -1: the host runs
    unsigned epoch = 0;                      // barriers so far
    std::string fault;
    std::function<void()> body;
    std::map<std::pair<const char*, unsigned>, std::shared_ptr<void>> shared;  // by place of declaration
};
inline Block* block = nullptr;               // the one that runs

[[noreturn, gnu::noinline, gnu::cold]] inline void fail(const std::string& what, Where where) {
    std::string text = what + ", " + where.file + ":" + std::to_string(where.line);
    if (!block || block->current < 0) throw Fault(text);
    text += ", block " + std::to_string(blockIdx.x) + " " + std::to_string(blockIdx.y) + ", thread " +
            std::to_string(block->current);
    block->fault = text;
    jump(block->back);                       // and the fiber never goes on
}

[[gnu::noinline]] NOT_SANITIZED inline void wait(State state, Where where) {
    Fiber& fiber = *block->fibers[block->current];
    if (state == State::barrier) fiber.kind = 0;
    fiber.state = state, fiber.where = where;
    if (_setjmp(fiber.here.buffer) == 0) jump(block->back);
}

// Lets a fiber run until it waits or ends.
[[gnu::noinline]] NOT_SANITIZED inline void resume(Block& b, Fiber& fiber) {
    if (_setjmp(b.back.buffer) != 0) return;
    if (fiber.started) jump(fiber.here);
    fiber.started = true;
    setcontext(&fiber.context);
}

inline void barrier(Where where = Where::current()) { wait(State::barrier, where); }

enum Exchange { down, exclusive_or, from_lane, vote, ordering };

inline uint32_t exchange(int kind, uint32_t bits, int argument, Where where) {
    Fiber& fiber = *block->fibers[block->current];
    fiber.kind = kind, fiber.bits = bits, fiber.argument = argument;
    wait(State::exchange, where);
    return fiber.bits;
}
template <class T>
T exchange_of(int kind, T value, int argument, Where where) {
    static_assert(sizeof(T) == 4);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = exchange(kind, bits, argument, where);
    std::memcpy(&value, &bits, 4);
    return value;
}
template <class T>
T shuffle_down(T value, int distance, Where where = Where::current()) { return exchange_of(down, value, distance, where); }
template <class T>
T shuffle_xor(T value, int mask, Where where = Where::current()) { return exchange_of(exclusive_or, value, mask, where); }
template <class T>
T shuffle(T value, int lane, Where where = Where::current()) { return exchange_of(from_lane, value, lane, where); }

inline uint32_t ballot(bool value, Where where = Where::current()) { return exchange(vote, value, 0, where); }
inline void warp_barrier(Where where = Where::current()) { exchange(ordering, 0, 0, where); }

inline bool same_place(const Fiber& a, const Fiber& b) {
    return a.where.line == b.where.line && std::strcmp(a.where.file, b.where.file) == 0 && a.kind == b.kind;
}

// Lets a warp exchange if all of its lanes wait for the same; says what is wrong if that can never be.
inline bool advance_warp(Block& b, int first) {
    const int count = std::min<int>(32, int(b.fibers.size()) - first);
    int waiting = 0;
    for (int l = 0; l < count; ++l) waiting += b.fibers[first + l]->state == State::exchange;
    if (waiting == 0) return false;
    b.current = -1;
    const Fiber* one = nullptr;
    for (int l = count - 1; l >= 0; --l)
        if (b.fibers[first + l]->state == State::exchange) one = b.fibers[first + l].get();
    if (waiting < 32) fail("an exchange that only " + std::to_string(waiting) + " lanes of the warp reach", one->where);
    uint32_t bits[32], votes = 0;
    for (int l = 0; l < 32; ++l) votes |= (b.fibers[first + l]->bits & 1) << l;
    for (int l = 0; l < 32; ++l) {
        Fiber& f = *b.fibers[first + l];
        if (!same_place(f, *one)) fail("lanes of a warp at different exchanges", f.where);
        const int from = f.kind == down ? l + f.argument : f.kind == exclusive_or ? l ^ f.argument : f.argument;
        bits[l] = f.kind == vote ? votes : b.fibers[first + (from >= 0 && from < 32 ? from : l)]->bits;
    }
    for (int l = 0; l < 32; ++l) {
        Fiber& f = *b.fibers[first + l];
        f.bits = bits[l], f.state = State::ready, f.warp_epoch += f.kind == ordering;
    }
    return true;
}

inline void advance_block(Block& b) {
    int waiting = 0;
    const Fiber* one = nullptr;
    for (const auto& f : b.fibers)
        if (f->state == State::barrier) ++waiting, one = f.get();
    if (!one) return;
    b.current = -1;
    if (waiting < int(b.fibers.size()))
        fail("a barrier that " + std::to_string(b.fibers.size() - waiting) + " threads of the block left before", one->where);
    for (const auto& f : b.fibers)
        if (!same_place(*f, *one)) fail("threads of a block at different barriers", f->where);
    for (auto& f : b.fibers) f->state = State::ready;
    ++b.epoch;
}

inline void enter() {
    while (true) {
        block->body();
        wait(State::done, {});
    }
}

inline void prepare(Fiber& f) {
    f.state = State::ready, f.warp_epoch = 0;
    if (f.stack) return;
    f.stack.reset(new char[Block::STACK]);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get(), f.context.uc_stack.ss_size = Block::STACK, f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
}

inline std::vector<std::unique_ptr<Fiber>> pool;  // fibers at rest; those that a fault left in the middle do not return

inline void shuffle(std::vector<size_t>& turn, uint32_t& random) {
    for (size_t i = turn.size(); i > 1; --i)
        random = random * 1664525u + 1013904223u, std::swap(turn[i - 1], turn[(random >> 8) % i]);
}
// 0 .. n - 1 in the order that is set: of a grid's blocks, of a block's threads.
inline std::vector<size_t> turns(size_t n, uint32_t& random) {
    std::vector<size_t> turn(n);
    for (size_t i = 0; i < n; ++i) turn[i] = order == Order::reverse ? n - 1 - i : i;
    if (order == Order::shuffled) shuffle(turn, random);
    return turn;
}

// Runs the threads of one block to their end.
inline void run_block(Block& b, uint32_t& random) {
    const int n = int(b.fibers.size());
    std::vector<size_t> turn = turns(size_t(n), random);
    for (auto& f : b.fibers) prepare(*f);
    b.shared.clear(), b.epoch = 0;
    for (int done = 0; done < n;) {
        for (const size_t at : turn) {
            const int i = int(at);
            if (b.fibers[i]->state != State::ready) continue;
            b.current = i, now = {i, b.epoch, b.fibers[i]->warp_epoch};
            threadIdx = {unsigned(i) % blockDim.x, unsigned(i) / blockDim.x % blockDim.y, unsigned(i) / blockDim.x / blockDim.y};
            resume(b, *b.fibers[i]);
            if (!b.fault.empty()) throw Fault(b.fault);
            done += b.fibers[i]->state == State::done;
        }
        bool moved = false;
        for (int first = 0; first < n; first += 32) moved |= advance_warp(b, first);
        if (!moved) advance_block(b);
        if (order == Order::shuffled) shuffle(turn, random);
    }
}

// ---- global memory

struct Allocation {
    char *begin, *end;
};
inline std::map<char*, std::unique_ptr<char[]>> owners;   // by begin
inline std::map<char*, Allocation> allocations;
inline size_t capacity = size_t(-1), used = 0;            // bytes that the device has, and that are in use

// Memory of the device: not zeroed, but NaN wherever it is read as floats.
inline void not_in_a_graph(const char* what);
inline void* allocate(size_t bytes) {
    not_in_a_graph("an allocation");
    if (bytes > capacity - used)
        r1::fail("out of memory of the emulated device", std::to_string(bytes) + " bytes more were wanted",
                 "lower --micro-rows or --slots");
    auto owner = std::make_unique<char[]>(bytes + 64);
    char* begin = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(owner.get()) + 63) / 64 * 64);
    std::memset(begin, 0xff, bytes);
    owners[begin] = std::move(owner);
    allocations[begin] = {begin, begin + bytes};
    used += bytes;
    return begin;
}
inline void release(void* p) {
    const auto found = allocations.find(static_cast<char*>(p));
    used -= size_t(found->second.end - found->second.begin);
    allocations.erase(found), owners.erase(static_cast<char*>(p));
}

inline const Allocation* allocation_of(const void* p) {
    const auto after = allocations.upper_bound(const_cast<char*>(static_cast<const char*>(p)));
    if (after == allocations.begin()) return nullptr;
    const Allocation& a = std::prev(after)->second;
    return static_cast<const char*>(p) <= a.end ? &a : nullptr;
}

// p, if these bytes are the device's.
inline void* of_device(const void* p, size_t bytes) {
    const Allocation* a = allocation_of(p);
    if (!a || static_cast<const char*>(p) + bytes > a->end) throw Fault("a copy outside the device's memory");
    return const_cast<void*>(p);
}

// The work of a graph: recorded once, with the arguments of that time, and done when the graph is launched.
inline std::vector<std::function<void()>>* graph = nullptr;
inline void do_or_record(std::function<void()> work) {
    if (graph) graph->push_back(std::move(work));
    else work();
}
inline void not_in_a_graph(const char* what) {
    if (graph) throw Fault(std::string(what) + " while a graph is recorded");
}
inline void repeat(int times, const std::function<void()>& work) {
    not_in_a_graph("a graph");
    std::vector<std::function<void()>> recorded;
    graph = &recorded;
    try {
        work();
    } catch (...) {
        graph = nullptr;
        throw;
    }
    graph = nullptr;
    for (int i = 0; i < times; ++i)
        for (const auto& each : recorded) each();
}

// The device as the program uses it (base/arena.h, ops/ops.h).
inline const Memory device_memory = {
    allocate,
    release,
    [](void* to, const void* host, size_t n) {
        not_in_a_graph("an upload");
        if (n > 0) std::memcpy(of_device(to, n), host, n);
    },
    [](void* host, const void* from, size_t n) {
        not_in_a_graph("a download");
        if (n > 0) std::memcpy(host, of_device(from, n), n);
    },
    [](void* to, const void* from, size_t n) {
        const char *a = static_cast<const char*>(to), *b = static_cast<const char*>(from);
        if (a < b + n && b < a + n) throw Fault("a copy between places that overlap");
        do_or_record([=] { if (n > 0) std::memcpy(of_device(to, n), of_device(from, n), n); });
    },
    [](void* p, size_t n) { do_or_record([=] { if (n > 0) std::memset(of_device(p, n), 0, n); }); },
};

// A number that remembers where it was written down: the place of an access.
struct Index {
    int64_t i;
    Where where;
    template <class Integer>
    Index(Integer i, Where where = Where::current()) : i(int64_t(i)), where(where) {}
};

template <class T>
struct Ptr {
    T* p = nullptr;
    const Allocation* allocation = nullptr;
    Ptr() = default;
    Ptr(T* p, const Allocation* allocation) : p(p), allocation(allocation) {}
    template <class U>
        requires std::is_same_v<const U, T>
    Ptr(Ptr<U> other) : p(other.p), allocation(other.allocation) {}
    [[gnu::always_inline]] T& operator[](Index at) const { return *checked(at.i, 1, at.where); }
    [[gnu::always_inline]] T* checked(int64_t i, int count, Where where) const {
        if (!block || block->current < 0) fail("device memory accessed from the host", where);
        const char *from = reinterpret_cast<const char*>(p + i), *to = reinterpret_cast<const char*>(p + i + count);
        if (!allocation || from < allocation->begin || to > allocation->end)
            fail("an access outside its allocation, of " + std::to_string(count) + " at " + std::to_string(i), where);
        return p + i;
    }
    Ptr operator+(int64_t n) const { return {p ? p + n : p, allocation}; }  // nothing stays nothing: a product over no k
    explicit operator bool() const { return p != nullptr; }
};

struct Float4 {
    float x, y, z, w;
};
template <class T>
T* checked4(Ptr<T> p, Index at) {
    T* const first = p.checked(at.i, 4, at.where);
    if (reinterpret_cast<uintptr_t>(first) % 16 != 0) fail("a misaligned access of four floats", at.where);
    return first;
}
inline Float4 load4(Ptr<const float> from, Index at) {
    const float* p = checked4(from, at);
    return {p[0], p[1], p[2], p[3]};
}
inline void store4(Ptr<float> to, Index at, Float4 x) {
    float* p = checked4(to, at);
    p[0] = x.x, p[1] = x.y, p[2] = x.z, p[3] = x.w;
}
inline bool rows_aligned(Ptr<const float> p, int ld) { return reinterpret_cast<uintptr_t>(p.p) % 16 == 0 && ld % 4 == 0; }

// ---- shared memory

// When two threads are at one element, only a barrier orders them, of the block or of their warp. An exchange orders no memory.
inline bool apart(const Access& a, const Access& b) {
    return a.thread < 0 || a.thread == b.thread || a.epoch != b.epoch ||
           (a.thread / 32 == b.thread / 32 && a.warp_epoch != b.warp_epoch);
}

template <class T>
struct Cell {
    T value;
    Access written, read;                    // the last ones
};

template <class T>
struct Shared {
    Cell<T>* cells;
    int count;

    struct Ref {
        Cell<T>& cell;
        Where where;
        [[gnu::always_inline]] operator T() const {
            if (cell.written.thread < 0) fail("a read of shared memory that nobody wrote", where);
            if (!apart(cell.written, now)) fail("shared memory read without a barrier after it was written", where);
            cell.read = now;
            return cell.value;
        }
        T operator=(T value) const {
            if (!apart(cell.written, now)) fail("shared memory written twice without a barrier", where);
            if (!apart(cell.read, now)) fail("shared memory written without a barrier after it was read", where);
            cell.written = now, cell.value = value;
            return value;
        }
        T operator=(const Ref& other) const { return *this = T(other); }
    };
    [[gnu::always_inline]] Ref operator[](Index at) const {
        if (at.i < 0 || at.i >= count) fail("an access outside shared memory, at " + std::to_string(at.i), at.where);
        return {cells[at.i], at.where};
    }
};

[[gnu::always_inline]] inline Float4 load4(const Shared<float>& from, Index at) {
    if (at.i % 4 != 0) fail("a misaligned access of four floats", at.where);
    return {from[at], from[{at.i + 1, at.where}], from[{at.i + 2, at.where}], from[{at.i + 3, at.where}]};
}

// All threads of a block that come by this place get the same memory.
template <class T>
Shared<T> shared(int count, Where where = Where::current()) {
    std::shared_ptr<void>& owner = block->shared[{where.file, unsigned(where.line)}];
    if (!owner) owner = std::make_shared<std::vector<Cell<T>>>(count);
    return {static_cast<std::vector<Cell<T>>*>(owner.get())->data(), count};
}

// ---- launch

template <class Parameter, class Argument>
Parameter handed_over(Argument argument, Where where) {
    if constexpr (std::is_pointer_v<Argument>) {
        if (!argument) return {};
        const Allocation* a = allocation_of(argument);
        if (!a) fail("host memory handed to a kernel", where);
        return {argument, a};
    } else {
        return Parameter(argument);
    }
}

constexpr unsigned MOST_THREADS = 1024, MOST_BLOCKS_X = 0x7fffffff, MOST_BLOCKS = 65535;  // CUDA's limits

template <class... Parameter>
struct Launch {
    void (*kernel)(Parameter...);
    Dim grid, threads;
    Where where;
    template <class... Argument>
    void operator()(Argument... argument) const {
        static_assert(sizeof...(Parameter) == sizeof...(Argument));
        const std::tuple<Parameter...> parameters{handed_over<Parameter>(argument, where)...};
        const size_t count = size_t(threads.x) * threads.y * threads.z;
        if (count == 0 || count > MOST_THREADS || grid.x == 0 || grid.x > MOST_BLOCKS_X || grid.y == 0 || grid.y > MOST_BLOCKS ||
            grid.z == 0 || grid.z > MOST_BLOCKS)
            fail("a grid or a block of a size that CUDA does not launch", where);
        do_or_record([*this, parameters, count] { run(parameters, count); });
    }

private:
    void run(const std::tuple<Parameter...>& parameters, size_t count) const {
        Block b;
        for (; b.fibers.size() < count && !pool.empty(); pool.pop_back()) b.fibers.push_back(std::move(pool.back()));
        while (b.fibers.size() < count) b.fibers.push_back(std::make_unique<Fiber>());
        b.body = [&] { std::apply(kernel, parameters); };
        gridDim = grid, blockDim = threads, block = &b;
        uint32_t random = 1;
        try {
            for (const size_t i : turns(size_t(grid.x) * grid.y * grid.z, random)) {
                blockIdx = {unsigned(i % grid.x), unsigned(i / grid.x % grid.y), unsigned(i / grid.x / grid.y)};
                run_block(b, random);
            }
        } catch (...) {
            block = nullptr;
            throw;
        }
        block = nullptr;
        for (auto& fiber : b.fibers) pool.push_back(std::move(fiber));
    }
};

template <class... Parameter>
Launch<Parameter...> launch(void (*kernel)(Parameter...), Dim grid, Dim threads, Where where = Where::current()) {
    return {kernel, grid, threads, where};
}

}  // namespace r1::emulator
