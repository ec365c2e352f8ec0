// Two flat hash tables with open addressing, for what encoding asks all the time: the rank of a pair, the id of bytes.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

namespace r1 {

// Large tables that are read at random stand on large pages where the system has them: a look-up then costs one miss, not
// the page's too.
template <class T>
struct LargePages {
    using value_type = T;
    LargePages() = default;
    template <class U> LargePages(const LargePages<U>&) {}
    T* allocate(size_t n) {
        const bool large = n * sizeof(T) >= (1u << 20);
        const size_t page = large ? size_t(2) << 20 : 64, bytes = (n * sizeof(T) + page - 1) / page * page;
        void* memory = std::aligned_alloc(page, bytes);
        if (!memory) throw std::bad_alloc();
        if (large) madvise(memory, bytes, MADV_HUGEPAGE);
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, size_t) { std::free(memory); }
    bool operator==(const LargePages&) const { return true; }
};
template <class T>
using Table = std::vector<T, LargePages<T>>;

inline constexpr int MAX_IDS = 1 << 19;     // ids of a tokenizer; the largest vocabularies have half of it
inline constexpr int MAX_MERGES = 1 << 20;

inline uint64_t mixed(uint64_t x) {
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 32;
}

inline uint64_t hash_of(std::string_view bytes) {
    uint64_t h = bytes.size(), eight = 0;
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
        std::memcpy(&eight, bytes.data(), 8);
        h = mixed(h ^ eight) + eight;
    }
    eight = 0;
    if (!bytes.empty()) std::memcpy(&eight, bytes.data(), bytes.size());
    return mixed(mixed(h ^ eight) + (eight >> 7));
}

// (left id, right id) -> rank. A slot is 8 bytes: 20 bits of each id, 24 of the rank; at most half of them are taken.
// Four slots are a bucket and are looked at without a branch, since no processor can guess whether a pair will be there.
// A bucket that is full goes on in the next.
class PairTable {
public:
    static constexpr int NONE = 0xFFFFFF;  // after all ranks

    // A question that is asked in two steps, with other work between them, does not wait for memory.
    struct Asked {
        uint64_t key = 0;
        size_t slot = 0;
    };
    Asked ask(int left, int right) const {
        const uint64_t key = key_of(left, right);
        const size_t slot = slot_of(key);
        __builtin_prefetch(&slots_[slot]);
        return {key, slot};
    }
    int find(Asked asked) const {  // NONE: no such pair
        for (size_t i = asked.slot;; i = (i + BUCKET) & mask_) {
            const uint64_t* bucket = &slots_[i];
            uint64_t rank = NONE;  // in the slot of the key: the rank; in the others a larger number
            for (size_t j = 0; j < BUCKET; ++j) rank = std::min(rank, bucket[j] ^ asked.key << 24);
            if (int(rank != NONE) | int(bucket[BUCKET - 1] == EMPTY)) return int(rank);
        }
    }
    int find(int left, int right) const { return find(ask(left, right)); }
    bool add(int left, int right, int rank) {  // false: the pair is there already
        if (find(left, right) != NONE) return false;
        if (2 * ++count_ > slots_.size()) {
            Table<uint64_t> old(2 * slots_.size(), EMPTY);
            old.swap(slots_);
            mask_ = slots_.size() - 1;
            for (const uint64_t slot : old)
                if (slot != EMPTY) place(slot);
        }
        place(key_of(left, right) << 24 | uint64_t(rank));
        return true;
    }

private:
    static constexpr uint64_t EMPTY = ~uint64_t(0);
    static constexpr size_t BUCKET = 4;
    static uint64_t key_of(int left, int right) { return uint64_t(left) << 20 | uint64_t(right); }
    size_t slot_of(uint64_t key) const { return size_t(mixed(key)) & mask_ & ~(BUCKET - 1); }
    void place(uint64_t slot) {
        size_t i = slot_of(slot >> 24);
        while (slots_[i] != EMPTY) i = (i + 1) & mask_;
        slots_[i] = slot;
    }

    Table<uint64_t> slots_ = Table<uint64_t>(16, EMPTY);
    size_t mask_ = 15, count_ = 0;
};
static_assert(MAX_MERGES < PairTable::NONE && MAX_IDS < 1 << 20);

// Bytes -> id, where bytes_of(id) gives an id's bytes: they stand in the caller's own list, and only there. A slot has the
// id and 32 bits of the hash, so that other bytes are hardly ever looked at.
class IdTable {
public:
    template <class BytesOf>
    int find(std::string_view bytes, const BytesOf& bytes_of) const {  // -1: they are not there
        const auto hash = uint32_t(hash_of(bytes));
        for (size_t i = hash & mask_; slots_[i] != EMPTY; i = (i + 1) & mask_)
            if (uint32_t(slots_[i] >> 32) == hash && bytes_of(int(uint32_t(slots_[i]))) == bytes) return int(uint32_t(slots_[i]));
        return -1;
    }
    void add(int id, std::string_view bytes) {  // which must not be there yet
        if (2 * ++count_ > slots_.size()) {
            Table<uint64_t> old(2 * slots_.size(), EMPTY);
            old.swap(slots_);
            mask_ = slots_.size() - 1;
            for (const uint64_t slot : old)
                if (slot != EMPTY) place(slot);
        }
        place(hash_of(bytes) << 32 | uint32_t(id));
    }

private:
    static constexpr uint64_t EMPTY = ~uint64_t(0);
    void place(uint64_t slot) {
        size_t i = size_t(slot >> 32) & mask_;
        while (slots_[i] != EMPTY) i = (i + 1) & mask_;
        slots_[i] = slot;
    }

    Table<uint64_t> slots_ = Table<uint64_t>(16, EMPTY);
    size_t mask_ = 15, count_ = 0;
};

}  // namespace r1
