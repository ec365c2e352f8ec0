// One allocation per role (weights, gradients, activations, cache), carved at the start and never again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace r1 {

// A block of zeroed memory, aligned to 64 bytes. carve<T>(n) hands out its parts in order; every part is aligned to
// 64 bytes too. An Arena made with no size only counts, which is how a caller learns what to allocate:
//
//   Arena count;  place(count);  Arena arena(count.used());  place(arena);
class Arena {
public:
    Arena() = default;
    explicit Arena(size_t bytes) : size_(bytes) {
        if (bytes == 0) return;
        base_ = static_cast<char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
        if (!base_)
            fail("out of memory", std::to_string(bytes >> 20) + " MiB for one arena",
                 "use a smaller model or batch, or more memory");
        std::memset(base_, 0, bytes);
    }
    Arena(Arena&& other) noexcept : base_(other.base_), size_(other.size_), used_(other.used_) {
        other.base_ = nullptr, other.size_ = other.used_ = 0;
    }
    Arena& operator=(Arena&& other) noexcept {
        std::swap(base_, other.base_), std::swap(size_, other.size_), std::swap(used_, other.used_);
        return *this;
    }
    ~Arena() { std::free(base_); }

    template <class T>
    T* carve(size_t n) {
        char* part = base_ + used_;
        used_ += (n * sizeof(T) + 63) / 64 * 64;
        if (!base_) return nullptr;
        ENSURE(used_ <= size_, "the arena was counted with other sizes than it is carved with");
        return reinterpret_cast<T*>(part);
    }
    size_t used() const { return used_; }
    char* base() const { return base_; }

private:
    char* base_ = nullptr;
    size_t size_ = 0, used_ = 0;
};

}  // namespace r1
