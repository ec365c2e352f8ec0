// Memory of a device, and one allocation of it per role (weights, gradients, activations, cache), carved at the start
// and never again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace r1 {

// The memory of a device: the host's own, or a GPU's, which the host reaches by copies alone. Work and copies happen in
// the order in which they were asked for, and only download waits for them.
struct Memory {
    void* (*allocate)(size_t bytes);  // aligned to 64 bytes; throws one line that says how much there is
    void (*release)(void* p);
    void (*upload)(void* to, const void* host, size_t bytes);  // on return `host` may be written again
    void (*download)(void* host, const void* from, size_t bytes);
    void (*copy)(void* to, const void* from, size_t bytes);
    void (*zero)(void* p, size_t bytes);
};

extern const Memory host_memory;

// A block of zeroed memory, aligned to 64 bytes. carve<T>(n) hands out its parts in order; every part is aligned to
// 64 bytes too. An Arena made with no size only counts, which is how a caller learns what to allocate; make_arena does
// both. Its parts are memory of the device: only a host's arena may be looked into.
class Arena {
public:
    Arena() = default;
    Arena(size_t bytes, const Memory& memory) : memory_(&memory), size_(bytes) {
        if (bytes == 0) return;
        base_ = static_cast<char*>(memory.allocate(bytes));
        memory.zero(base_, bytes);
    }
    Arena(Arena&& other) noexcept { *this = std::move(other); }
    Arena& operator=(Arena&& other) noexcept {
        std::swap(memory_, other.memory_), std::swap(base_, other.base_);
        std::swap(size_, other.size_), std::swap(used_, other.used_);
        return *this;
    }
    ~Arena() {
        if (base_) memory_->release(base_);
    }

    template <class T>
    T* carve(size_t n) {
        const size_t begin = used_;
        size_t bytes = 0, rounded_up = 0;
        if (__builtin_mul_overflow(n, sizeof(T), &bytes) || __builtin_add_overflow(bytes, 63, &rounded_up) ||
            __builtin_add_overflow(used_, rounded_up / 64 * 64, &used_))
            fail("sizes that no memory can hold", "the model's configuration", "give it smaller ones");
        if (!base_) return nullptr;
        ENSURE(used_ <= size_, "the arena was counted with other sizes than it is carved with");
        return reinterpret_cast<T*>(base_ + begin);
    }
    size_t used() const { return used_; }
    char* base() const { return base_; }
    const Memory& memory() const { return *memory_; }

private:
    const Memory* memory_ = &host_memory;
    char* base_ = nullptr;
    size_t size_ = 0, used_ = 0;
};

// place(arena) carves what it needs; called once to count and once to place.
template <class Place>
Arena make_arena(const Memory& memory, const Place& place) {
    Arena count;
    place(count);
    Arena arena(count.used(), memory);
    place(arena);
    return arena;
}

}  // namespace r1
