// In the order of the data: text to pieces, pieces to pre-tokens, pre-tokens to ids, ids to text.
//
// What encoding costs: a byte goes through the UTF-8 check (8 ASCII bytes a step), the scanner (a table look-up each)
// and the key of its pre-token. Most pre-tokens of a text have come before: their ids lie in a cache, one line of 64
// bytes for key and ids, prefetched for 64 pre-tokens at a time. So a pre-token costs some 100 cycles, most of them the
// scanner's mispredicted branches; only new ones are merged, at some 40 cycles for each byte.
#include "text/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <queue>

#include "base/check.h"
#include "text/unicode.h"

namespace r1 {

Merge Tokenizer::find_merge(int left, int right) const {
    const int rank = ranks.find(left, right);
    return rank == PairTable::NONE ? Merge{} : Merge{rank, products[size_t(rank)]};
}

namespace {

// ------------------------------------------------------------------------------------------------- known pre-tokens

// A pre-token of at most 31 bytes, zeros behind it, its length in the last byte.
struct Key {
    uint64_t a = 0, b = 0, c = 0, d = 0;

    Key() = default;
    Key(std::string_view text, size_t from, size_t length) {
        char padded[32] = {};
        const char* bytes = text.data() + from;
        if (from + 32 > text.size()) bytes = static_cast<const char*>(std::memcpy(padded, bytes, length));
        const auto word = [&](size_t i) {  // its bytes 8i to 8i + 7, those of the pre-token
            uint64_t eight;
            std::memcpy(&eight, bytes + 8 * i, 8);
            if (length >= 8 * i + 8) return eight;
            return length <= 8 * i ? 0 : eight & ~uint64_t(0) >> (64 - 8 * (length - 8 * i));
        };
        a = word(0), b = word(1), c = word(2), d = word(3) | uint64_t(length) << 56;
    }
    uint64_t hash() const {
        return mixed(mixed(a ^ 0x2545F4914F6CDD1Du) ^ mixed(b + 0x6A09E667F3BCC909u) * 3 ^ mixed(c ^ d << 1) * 5 ^ mixed(d) * 7);
    }
    bool operator==(const Key& other) const { return !((a ^ other.a) | (b ^ other.b) | (c ^ other.c) | (d ^ other.d)); }
};

struct alignas(64) Known {
    static constexpr size_t LONGEST = 31, MOST = 7;  // bytes, ids
    Key key;
    int ids[MOST];
    int count;  // 0: nothing is here
};

// Two places for each hash; the newer entry stands in the first. Grows from 64 KB to 8 MB as it fills.
class WordCache {
public:
    void belong_to(uint64_t version) {
        if (version == owner_) return;
        owner_ = version, taken_ = 0;
        slots_.assign(SMALLEST, Known{});
    }
    void prefetch(uint64_t hash) const {
        const Known* slot = &slots_[place(hash)];
        __builtin_prefetch(slot), __builtin_prefetch(slot + 1);
    }

    const Known* find(const Key& key, uint64_t hash) const {
        const Known* slot = &slots_[place(hash)];
        if (key == slot->key && slot->count) return slot;
        ++slot;
        return key == slot->key && slot->count ? slot : nullptr;
    }
    void add(const Key& key, uint64_t hash, const int* ids, int count) {
        Known fresh = {};
        fresh.key = key;
        std::memcpy(fresh.ids, ids, size_t(count) * sizeof *ids);
        fresh.count = count;
        if (++taken_ > slots_.size() / 2 && slots_.size() < LARGEST) grow();
        put(fresh, hash);
    }

private:
    static constexpr size_t SMALLEST = 1 << 10, LARGEST = 1 << 17;
    size_t place(uint64_t hash) const { return size_t(hash) & (slots_.size() - 2); }
    void put(const Known& fresh, uint64_t hash) {
        Known* slot = &slots_[place(hash)];
        if (slot->count) slot[1] = slot[0];
        slot[0] = fresh;
    }
    void grow() {
        Table<Known> old(slots_.size() * 4, Known{});
        old.swap(slots_);
        for (const Known& known : old)
            if (known.count) put(known, known.key.hash());
    }

    uint64_t owner_ = 0;
    size_t taken_ = 0;
    Table<Known> slots_ = Table<Known>(SMALLEST);
};

// --------------------------------------------------------------------------------------------------------- merges

// A token of a pre-token in the making, and the rank of its merge with the right neighbour.
struct Piece {
    int id, rank;
};

// A short pre-token in the making: find the lowest rank (of equals the leftmost), merge, repeat. Quadratic, and the
// fastest for the few bytes of a word. A piece stays where its first byte was; what a step will need from the table of
// pairs it asks for in the step before, so that whoever merges several words in turn does not wait for memory.
struct ShortWord {
    static constexpr int PLACES = 32, NONE = PairTable::NONE;
    int id[PLACES];
    int merge[PLACES];       // of the piece with its right neighbour: rank * 32 + place, or NONE
    uint32_t starts;         // bit i: a piece begins at place i
    int at;                  // the latest product, whose two ranks are still to be found; -1: there is none
    int count;               // bytes, and in the end pieces, which then stand one behind the other
    static_assert(MAX_MERGES <= NONE / PLACES);

    template <class Ranks>
    void begin(std::string_view bytes, const std::array<int, 256>& byte_ids, const Ranks& byte_pair_ranks) {
        const auto byte = [&](int i) { return static_cast<unsigned char>(bytes[size_t(i)]); };
        count = int(bytes.size()), at = -1, starts = (uint32_t(1) << count) - 1;
        std::fill(merge, merge + PLACES, NONE);
        for (int i = 0; i < count; ++i) id[i] = byte_ids[byte(i)];
        for (int i = 0; i + 1 < count; ++i) set(i, byte_pair_ranks[size_t(byte(i)) << 8 | byte(i + 1)]);
    }
    void set(int place, int rank) { merge[place] = rank == NONE ? NONE : rank * PLACES + place; }
    int after(int place) const { return std::countr_zero(starts & ~uint32_t(0) << place << 1); }   // 32: none
    int before(int place) const { return 31 - std::countl_zero(starts & ((uint32_t(1) << place) - 1)); }  // -1: none

    bool step(const PairTable& ranks, const int* products) {  // false: it is done
        if (at >= 0) {
            const int right = after(at), left = before(at);
            if (right < PLACES) find(at, right, ranks, products);
            if (left >= 0) find(left, at, ranks, products);
        }
        int best = NONE;
        for (int i = 0; i < PLACES; ++i) best = std::min(best, merge[i]);
        if (best == NONE) return finish();
        at = best % PLACES;
        id[at] = products[best / PLACES];
        const int taken = after(at);
        starts &= ~(uint32_t(1) << taken);
        merge[at] = merge[taken] = NONE;
        const int right = after(at), left = before(at);
        if (right < PLACES) ranks.prefetch(id[at], id[right]);
        if (left >= 0) ranks.prefetch(id[left], id[at]);
        return true;
    }
    void find(int left, int right, const PairTable& ranks, const int* products) {
        const int rank = ranks.find(id[left], id[right]);
        set(left, rank);
        __builtin_prefetch(products + (rank == NONE ? 0 : rank));
    }
    bool finish() {
        count = 0;
        for (; starts; starts &= starts - 1) id[count++] = id[std::countr_zero(starts)];
        return false;
    }
};

}  // namespace

// One call of encode. Ids are written to `ids`, which is longer than what is used of it until the call ends.
struct Encoder {
    const Tokenizer& t;
    Tags tags;
    WordCache& cache;
    std::vector<int> ids;
    size_t used = 0;
    int64_t steps = 0;

    int* room(size_t n) {
        if (ids.size() < used + n) ids.resize(std::max(2 * ids.size(), used + n));
        return ids.data() + used;
    }

    // Text of any bytes: the added tokens that are sought in it as it is, and what lies between them.
    void text(std::string_view text) {
        const auto between = [&](std::string_view part) {
            for (size_t begin = 0, end = 0; begin < part.size(); begin = end) {
                end = end_of_valid(part, begin);
                if (end > begin) valid_text(part.substr(begin, end - begin));
                begin = end;
                while (end < part.size() && character_at(part, end) == 0) ++end;
                if (end > begin) pre_token(part.substr(begin, end - begin));
            }
        };
        around_added_tokens(text, false, between);
    }

    void valid_text(std::string_view text) {
        std::string storage;
        if (t.normalizer) text = t.normalizer.apply(text, storage);
        around_added_tokens(text, true, [&](std::string_view part) { split(part); });
    }

    template <class Between>
    void around_added_tokens(std::string_view text, bool normalized, const Between& between) {
        if (tags == Tags::as_text) return between(text);
        const AddedTokenFinder& finder = t.finders[tags == Tags::all][normalized];
        if (finder.empty()) return between(text);
        size_t begin = 0;  // of the text that is not encoded yet
        for (size_t at = 0; at < text.size();) {
            const AddedTokenFinder::Found found = finder.next(text, at);
            if (found.id < 0) break;
            if (found.from > begin) between(text.substr(begin, found.from - begin));
            *room(1) = found.id, ++used;
            begin = found.to;
        }
        if (begin < text.size()) between(text.substr(begin));
    }

    void split(std::string_view text) {
        const Scanner scanner = t.pre_tokenizer.scanner;
        if (!scanner) return t.pre_tokenizer.split_valid(text, [&](std::string_view part) { pre_token(part); });
        size_t ends[MANY];
        for (size_t from = 0, n; (n = scanner(text, from, ends, MANY)) > 0; from = ends[n - 1]) many(text, from, ends, n);
    }

    // Many pre-tokens at a time: ask the cache for all of them, look them up, merge the new ones in turn.
    static constexpr size_t MANY = 64;
    void many(std::string_view text, size_t from, const size_t* ends, size_t n) {
        Key keys[MANY];
        uint64_t hashes[MANY];
        const Known* known[MANY];
        uint8_t word_of[MANY];
        ShortWord words[MANY];
        for (size_t k = 0, begin = from; k < n; begin = ends[k++]) {
            if (ends[k] - begin > Known::LONGEST) continue;
            keys[k] = Key(text, begin, ends[k] - begin), hashes[k] = keys[k].hash();
            cache.prefetch(hashes[k]);
        }
        uint8_t count = 0, open[MANY];
        for (size_t k = 0, begin = from; k < n; begin = ends[k++]) {
            const size_t length = ends[k] - begin;
            known[k] = nullptr, word_of[k] = MANY;
            if (length > Known::LONGEST || (known[k] = cache.find(keys[k], hashes[k]))) continue;
            if (t.ignore_merges && t.id_of_bytes(text.substr(begin, length)) >= 0) continue;
            words[count].begin(text.substr(begin, length), t.byte_ids, t.byte_pair_ranks);
            word_of[k] = open[count] = count, ++count;
        }
        for (size_t left = count; left > 0;) {
            size_t kept = 0;
            for (size_t i = 0; i < left; ++i)
                if (words[open[i]].step(t.ranks, t.products.data())) open[kept++] = open[i];
            left = kept;
        }
        // The ids of known pre-tokens and of new words are copied alike: eight, or all places of a long result.
        size_t places[MANY + 1];
        int* to = room(MANY * ShortWord::PLACES);
        int64_t looked_at = 0;
        for (size_t k = 0, begin = from; k < n; begin = ends[k++]) {
            places[k] = used;
            looked_at += int64_t(ends[k] - begin);
            if (!known[k] && word_of[k] == MANY) {
                new_pre_token(text.substr(begin, ends[k] - begin));
                to = room(MANY * ShortWord::PLACES);
                continue;
            }
            const ShortWord& word = words[word_of[k] % MANY];
            const int* ids_of_it = known[k] ? known[k]->ids : word.id;
            const int number = known[k] ? known[k]->count : word.count;
            std::memcpy(to, ids_of_it, Known::MOST * sizeof *to);
            if (number > int(Known::MOST)) std::memcpy(to, ids_of_it, size_t(number) * sizeof *to);
            to += number, used += size_t(number);
        }
        places[n] = used, steps += looked_at;
        for (size_t k = 0, begin = from; k < n; begin = ends[k++])
            if (!known[k]) remember(ends[k] - begin, keys[k], hashes[k], places[k], places[k + 1] - places[k]);
    }

    void append(const Known& known, size_t bytes) {
        std::memcpy(room(Known::MOST), known.ids, sizeof known.ids);
        used += size_t(known.count), steps += int64_t(bytes);
    }
    void append(const ShortWord& word, size_t bytes) {
        std::memcpy(room(ShortWord::PLACES), word.id, sizeof word.id);
        used += size_t(word.count), steps += int64_t(bytes) * ShortWord::PLACES;  // a step looks at all places
    }
    void remember(size_t length, const Key& key, uint64_t hash, size_t place, size_t count) {
        if (length <= Known::LONGEST && count <= Known::MOST) cache.add(key, hash, ids.data() + place, int(count));
    }

    // One pre-token by itself.
    void pre_token(std::string_view bytes) {
        if (bytes.size() > Known::LONGEST) return new_pre_token(bytes);
        const Key key(bytes, 0, bytes.size());
        const uint64_t hash = key.hash();
        if (const Known* known = cache.find(key, hash)) return append(*known, bytes.size());
        const size_t place = used;
        new_pre_token(bytes);
        remember(bytes.size(), key, hash, place, used - place);
    }

    void new_pre_token(std::string_view bytes) {
        if (t.ignore_merges)
            if (const int id = t.id_of_bytes(bytes); id >= 0) {
                *room(1) = id, ++used, ++steps;
                return;
            }
        if (bytes.size() > Known::LONGEST) return merge_long(bytes);
        ShortWord word;
        word.begin(bytes, t.byte_ids, t.byte_pair_ranks);
        while (word.step(t.ranks, t.products.data())) {}
        append(word, bytes.size());
    }

    // The same merges in the same order, O(n log n): the pieces are a linked list, the possible merges a heap. An entry
    // of the heap is out of date when its piece has another merge by now, or none because its left neighbour took it.
    void merge_long(std::string_view bytes) {
        using Candidate = std::pair<int, size_t>;  // rank, position: the lowest rank first, of equals the leftmost
        const size_t n = bytes.size();
        std::vector<Piece> pieces(n);
        std::vector<size_t> left(n), right(n);
        std::vector<Candidate> first;
        const auto rank_at = [&](size_t i) {
            ++steps;
            return pieces[i].rank = right[i] == n ? PairTable::NONE : t.ranks.find(pieces[i].id, pieces[right[i]].id);
        };
        for (size_t i = 0; i < n; ++i) {
            pieces[i].id = t.byte_ids[static_cast<unsigned char>(bytes[i])];
            left[i] = i - 1, right[i] = i + 1;
        }
        for (size_t i = 0; i < n; ++i)
            if (const int rank = rank_at(i); rank != PairTable::NONE) first.push_back({rank, i});
        std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates({}, std::move(first));
        const auto consider = [&](size_t i) {
            if (const int rank = rank_at(i); rank != PairTable::NONE) candidates.push({rank, i});
        };
        for (; !candidates.empty(); ++steps) {
            const auto [rank, i] = candidates.top();
            candidates.pop();
            if (pieces[i].rank != rank) continue;
            const size_t taken = right[i];
            pieces[i].id = t.products[size_t(rank)];
            pieces[taken].rank = PairTable::NONE;
            right[i] = right[taken];
            if (right[i] < n) left[right[i]] = i;
            consider(i);
            if (i > 0) consider(left[i]);
        }
        for (size_t i = 0; i < n; i = right[i]) *room(1) = pieces[i].id, ++used;
    }
};

std::vector<int> Tokenizer::encode(std::string_view text, Tags tags, int64_t* steps) const {
    static thread_local WordCache cache;
    cache.belong_to(version);
    Encoder encoder{*this, tags, cache, {}};
    encoder.ids.resize(text.size() / 4 + 16);
    encoder.text(text);
    encoder.ids.resize(encoder.used);
    if (steps) *steps += encoder.steps;
    return std::move(encoder.ids);
}

// --------------------------------------------------------------------------------------------------- ids to text

std::string Tokenizer::decode(std::span<const int> ids, Control control) const {
    std::string text;
    for (const int id : ids) {
        if (id < 0 || id >= size() || (tokens[size_t(id)].kind == Kind::control && control == Control::hide)) continue;
        text += tokens[size_t(id)].bytes;
    }
    return text;
}

std::string Tokenizer::token_text(int id) const {
    if (id < 0 || id >= size() || tokens[size_t(id)].kind == Kind::unused) return "[unused " + std::to_string(id) + "]";
    return tokens[size_t(id)].bytes;
}

int Tokenizer::id_of(std::string_view token) const {
    const auto found = names.find(std::string(token));
    if (found != names.end()) return found->second;
    return id_of_bytes(token);
}

int Tokenizer::id_of_bytes(std::string_view bytes) const {
    return vocabulary.find(bytes, [&](int i) { return std::string_view(tokens[size_t(i)].bytes); });
}

// -------------------------------------------------------------------------------------------------------- making

void Tokenizer::changed() {
    static std::atomic<uint64_t> versions{0};
    version = ++versions;
}

void Tokenizer::set_token(int id, const std::string& bytes, Kind kind) {
    if (id >= size()) tokens.resize(size_t(id) + 1);
    tokens[size_t(id)] = {bytes, kind};
    const auto bytes_of = [&](int i) { return std::string_view(tokens[size_t(i)].bytes); };
    if (kind != Kind::bytes) names[bytes] = id;
    else if (vocabulary.find(bytes, bytes_of) < 0) vocabulary.add(id, bytes);
    if (kind == Kind::bytes && bytes.size() == 1) byte_ids[static_cast<unsigned char>(bytes[0])] = id;
    changed();
}

int Tokenizer::add_token(const std::string& bytes, Kind kind) {
    const int id = size();
    set_token(id, bytes, kind);
    AddedToken token;
    token.id = id, token.content = bytes, token.special = kind == Kind::control;
    if (kind != Kind::bytes) find_in_text(token);
    return id;
}

void Tokenizer::find_in_text(const AddedToken& token) {
    std::string content = token.content, storage;
    if (token.normalized) content = normalizer.apply(token.content, storage);
    finders[1][token.normalized].add(token, content);
    if (!token.special) finders[0][token.normalized].add(token, content);
    changed();
}

bool Tokenizer::add_merge(int left, int right, int product) {
    const int rank = int(merges.size());
    ENSURE(left < MAX_IDS && right < MAX_IDS && rank < MAX_MERGES, "the caller checks these bounds");
    if (!ranks.add(left, right, rank)) return false;
    merges.push_back({left, right});
    products.push_back(product);
    const std::string &a = tokens[size_t(left)].bytes, &b = tokens[size_t(right)].bytes;
    if (a.size() == 1 && b.size() == 1 && byte_ids[static_cast<unsigned char>(a[0])] == left && byte_ids[static_cast<unsigned char>(b[0])] == right)
        byte_pair_ranks[size_t(static_cast<unsigned char>(a[0])) << 8 | static_cast<unsigned char>(b[0])] = rank;
    changed();
    return true;
}

}  // namespace r1
