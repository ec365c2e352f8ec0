// Two flat hash tables with open addressing, for what encoding asks all the time: the rank of a pair, the id of bytes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace r1 {

inline constexpr int MAX_IDS = 1 << 19;     // ids of a tokenizer; the largest vocabularies have half of it
inline constexpr int MAX_MERGES = 1 << 23;

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
class PairTable {
public:
    static constexpr int NONE = 0x7FFFFFFF;

    int find(int left, int right) const {  // NONE: no such pair
        const uint64_t key = key_of(left, right);
        for (size_t i = slot_of(key);; i = (i + 1) & mask_) {
            const uint64_t slot = slots_[i];
            if (slot >> 24 == key) return int(slot & 0xFFFFFF);
            if (slot == EMPTY) return NONE;
        }
    }
    bool add(int left, int right, int rank) {  // false: the pair is there already
        if (find(left, right) != NONE) return false;
        if (2 * ++count_ > slots_.size()) {
            std::vector<uint64_t> old(2 * slots_.size(), EMPTY);
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
    static uint64_t key_of(int left, int right) { return uint64_t(left) << 20 | uint64_t(right); }
    size_t slot_of(uint64_t key) const { return size_t(mixed(key)) & mask_; }
    void place(uint64_t slot) {
        size_t i = slot_of(slot >> 24);
        while (slots_[i] != EMPTY) i = (i + 1) & mask_;
        slots_[i] = slot;
    }

    std::vector<uint64_t> slots_ = std::vector<uint64_t>(16, EMPTY);
    size_t mask_ = 15, count_ = 0;
};

// Bytes -> id, where bytes_of(id) gives an id's bytes: they stand in the caller's own list, and only there.
class IdTable {
public:
    template <class BytesOf>
    int find(std::string_view bytes, const BytesOf& bytes_of) const {
        for (size_t i = hash_of(bytes) & mask_; slots_[i] >= 0; i = (i + 1) & mask_)
            if (bytes_of(slots_[i]) == bytes) return slots_[i];
        return -1;
    }
    // The id's bytes must not be there yet.
    template <class BytesOf>
    void add(int id, const BytesOf& bytes_of) {
        if (2 * ++count_ > slots_.size()) {
            std::vector<int> old(2 * slots_.size(), -1);
            old.swap(slots_);
            mask_ = slots_.size() - 1;
            for (const int one : old)
                if (one >= 0) place(one, bytes_of(one));
        }
        place(id, bytes_of(id));
    }
    template <class BytesOf>
    void replace(int old, int id, const BytesOf& bytes_of) {
        size_t i = hash_of(bytes_of(old)) & mask_;
        while (slots_[i] != old) i = (i + 1) & mask_;
        slots_[i] = id;
    }

private:
    void place(int id, std::string_view bytes) {
        size_t i = hash_of(bytes) & mask_;
        while (slots_[i] >= 0) i = (i + 1) & mask_;
        slots_[i] = id;
    }

    std::vector<int> slots_ = std::vector<int>(16, -1);
    size_t mask_ = 15, count_ = 0;
};

}  // namespace r1
