// The ids of words that came before. Whether a word is here no processor can guess, so nothing below branches on it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "text/tables.h"

namespace r1 {

// A word of 1 to 8 * EIGHTS - 1 bytes, zeros behind it, its length in the lower five bits of the last byte.
template <int EIGHTS>
struct Key {
    uint64_t eights[EIGHTS];

    Key() = default;
    Key(std::string_view text, size_t from, size_t length) {
        static constexpr auto ONES = [] {  // then zeros
            std::array<uint8_t, 16 * EIGHTS> bytes{};
            std::fill(bytes.begin(), bytes.begin() + 8 * EIGHTS, uint8_t(255));
            return bytes;
        }();
        char padded[8 * EIGHTS] = {};
        const char* bytes = text.data() + from;
        if (from + 8 * EIGHTS > text.size()) bytes = static_cast<const char*>(std::memcpy(padded, bytes, length));
        for (size_t i = 0; i < EIGHTS; ++i) {
            uint64_t of_it;
            std::memcpy(&eights[i], bytes + 8 * i, 8), std::memcpy(&of_it, &ONES[8 * (EIGHTS + i) - length], 8);
            eights[i] &= of_it;
        }
        eights[EIGHTS - 1] |= uint64_t(length) << 56;
    }
    uint64_t hash() const {
        constexpr uint64_t ODD[] = {0x2545F4914F6CDD1D, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0xA54FF53A5F1D36F1};
        uint64_t h = 0;
        for (int i = 0; i < EIGHTS; ++i) h += eights[i] * ODD[i];
        return mixed(h ^ h >> 32);
    }
};

// A word and its ids. How many there are stands in the upper three bits of the key's last byte; 0: nothing is here.
template <int EIGHTS>
struct alignas(16 * EIGHTS) Known {
    static constexpr int IDS = 2 * EIGHTS, MOST = std::min(IDS, 7);  // places for ids; ids
    Key<EIGHTS> key;
    int ids[IDS];

    int count() const { return int(key.eights[EIGHTS - 1] >> 61); }
    bool is(const Key<EIGHTS>& other) const {
        uint64_t differ = (key.eights[EIGHTS - 1] ^ other.eights[EIGHTS - 1]) << 3;
        for (int i = 0; i < EIGHTS - 1; ++i) differ |= key.eights[i] ^ other.eights[i];
        return differ == 0;
    }
};

// Two places for each hash; the newer entry stands in the first. Grows as it fills, to 16 MB of short and 4 MB of longer
// words.
template <int EIGHTS>
class WordCache {
public:
    void clear() { taken_ = 0, slots_.assign(SMALLEST, Known<EIGHTS>{}); }
    void prefetch(uint64_t hash) const {
        __builtin_prefetch(&slots_[place(hash)]);
        if (EIGHTS > 2) __builtin_prefetch(&slots_[place(hash) + 1]);
    }
    const Known<EIGHTS>& find(const Key<EIGHTS>& key, uint64_t hash, bool& found) const {  // if not found, any entry
        const Known<EIGHTS>* slot = &slots_[place(hash)];
        const bool second = slot[1].is(key);
        found = second | slot[0].is(key);
        return slot[second];
    }
    // A word of at most MOST ids, behind which the bytes up to IDS may be read.
    void add(Key<EIGHTS> key, uint64_t hash, const int* ids, int count) {
        Known<EIGHTS> word;
        word.key = key, word.key.eights[EIGHTS - 1] |= uint64_t(count) << 61;
        std::memcpy(word.ids, ids, sizeof word.ids);
        if (++taken_ > slots_.size() / 2 && slots_.size() < LARGEST) grow();
        put(word, hash);
    }

private:
    static constexpr size_t SMALLEST = 1 << 10, LARGEST = EIGHTS == 2 ? 1 << 19 : 1 << 16;
    size_t place(uint64_t hash) const { return size_t(hash) & (slots_.size() - 2); }
    void put(const Known<EIGHTS>& word, uint64_t hash) {
        Known<EIGHTS>* slot = &slots_[place(hash)];
        slot[1] = slot[0];
        slot[0] = word;
    }
    void grow() {
        Table<Known<EIGHTS>> old(std::min(slots_.size() * 8, LARGEST), Known<EIGHTS>{});
        old.swap(slots_);
        for (const Known<EIGHTS>& word : old) {
            Key<EIGHTS> key = word.key;
            key.eights[EIGHTS - 1] = key.eights[EIGHTS - 1] << 3 >> 3;
            if (word.count() > 0) put(word, key.hash());
        }
    }

    size_t taken_ = 0;
    Table<Known<EIGHTS>> slots_ = Table<Known<EIGHTS>>(SMALLEST, Known<EIGHTS>{});
};

// One thread's, for one tokenizer: words of at most 15 bytes and 4 ids, and of 16 to 31 bytes and at most 7 ids.
struct WordCaches {
    uint64_t owner = 0;
    WordCache<2> words;
    WordCache<4> longer;

    void belong_to(uint64_t tokenizer) {
        if (tokenizer == owner) return;
        owner = tokenizer, words.clear(), longer.clear();
    }
};

}  // namespace r1
