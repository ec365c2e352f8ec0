// In the order of the data: text to pieces, pieces to pre-tokens, pre-tokens to ids, ids to text.
//
// What encoding costs: a byte goes through the UTF-8 check and the scanner (8 bytes of ASCII a step), and a pre-token
// that came before through word_cache.h: some 150 cycles for both, most of them the scanner's mispredicted branches. A
// new one is merged, at some 100 cycles a merge: a third of the time, where one pre-token in eight is new.
#include "text/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <queue>

#include "base/check.h"
#include "text/unicode.h"
#include "text/word_cache.h"

namespace r1 {

Merge Tokenizer::find_merge(int left, int right) const {
    const int rank = ranks.find(left, right);
    return rank == PairTable::NONE ? Merge{} : Merge{rank, products[size_t(rank)]};
}

namespace {

// --------------------------------------------------------------------------------------------------------- merges

// What merging reads of a tokenizer.
struct Rules {
    const PairTable& ranks;
    const int *products, *byte_ids, *byte_pair_ranks;
};

// A short pre-token in the making: find the lowest rank (of equals the leftmost), merge, repeat. Quadratic, and the
// fastest for the few bytes of a word. What a step will need from the table of pairs it asks for in the step before, so
// that whoever merges several words in turn does not wait for memory.
//
//   place     0   1   2   3   4      "the", after t and h have merged. A piece stays where its first byte was. Before
//   id        -   th      e   -      the first and after the last byte stands an id that no pair has, so that the ends
//   starts    1   1   0   1   1      are no special case.
template <int PLACES>
struct Word {
    static constexpr size_t LONGEST = std::min(PLACES - 1, 62);
    static constexpr int NO_ID = (1 << 20) - 1, NONE = PairTable::NONE;
    int id[PLACES + 1];
    int merge[PLACES];  // of the piece with its right neighbour: rank * PLACES + place
    uint64_t starts;    // bit i: a piece begins at place i
    int at, left;       // the latest product and the piece before it: their merges are still to be found
    PairTable::Asked of_left, of_right;
    int count;          // in the end: pieces, which then stand in id one behind the other
    static_assert(int64_t(NONE) * PLACES + PLACES <= INT32_MAX && NO_ID >= MAX_IDS);

    int after(int place) const { return __builtin_ctzll(starts & ~uint64_t(1) << place); }
    int before(int place) const { return 63 - __builtin_clzll(starts & ((uint64_t(1) << place) - 1)); }

    void begin(std::string_view bytes, const Rules& rules) {  // at most LONGEST
        const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
        const size_t n = bytes.size();
        starts = ~uint64_t(0) >> (62 - n);
        std::fill(merge, merge + PLACES, NONE * PLACES);
        id[0] = id[n + 1] = NO_ID;
        for (size_t i = 0; i < n; ++i) id[i + 1] = rules.byte_ids[byte(i)];
        for (size_t i = 0; i + 1 < n; ++i)
            merge[i + 1] = numbered(int(i) + 1, rules.byte_pair_ranks[size_t(byte(i)) << 8 | byte(i + 1)]);
        left = at = 0, of_left = of_right = rules.ranks.ask(NO_ID, NO_ID);
    }
    // False when there is nothing left to merge. What it writes to `merge` is read again only in the next step: a load of
    // several places waits for a store to one of them, and the steps of all words wait behind it.
    bool step(const Rules& rules) {
        const int merge_left = numbered(left, rules.ranks.find(of_left));
        const int merge_at = numbered(at, rules.ranks.find(of_right));
        int lowest = std::min(merge_left, merge_at);
        for (int i = 0; i < PLACES; ++i) lowest = std::min(lowest, merge[i]);
        merge[left] = merge_left, merge[at] = merge_at;
        if (lowest >= NONE * PLACES) return finish();
        at = lowest % PLACES;
        id[at] = rules.products[lowest / PLACES];
        const int taken = after(at);
        starts &= ~(uint64_t(1) << taken);
        left = before(at);
        const int right = after(at);
        merge[left] = merge[at] = merge[taken] = NONE * PLACES;
        of_left = rules.ranks.ask(id[left], id[at]), of_right = rules.ranks.ask(id[at], id[right]);
        return true;
    }

private:
    static int numbered(int place, int rank) { return rank * PLACES + place; }
    bool finish() {
        count = 0;
        uint64_t rest = starts & (starts - 1);  // without place 0
        for (; rest & (rest - 1); rest &= rest - 1) id[count++] = id[__builtin_ctzll(rest)];
        return false;
    }
};

// A step of each open word in turn, until none is left.
template <int PLACES>
void merge_all(Word<PLACES>* words, size_t* open, size_t left, const Rules& rules) {
    while (left > 0) {
        size_t kept = 0;
        for (size_t i = 0; i < left; ++i) open[kept] = open[i], kept += words[open[i]].step(rules);
        left = kept;
    }
}
#ifdef R1_X86
const bool HAS_AVX2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
template <int PLACES>  // the same, where the compiler may look at 8 places at a time
[[gnu::target("avx2,bmi,bmi2"), gnu::flatten]]
void merge_all_avx2(Word<PLACES>* words, size_t* open, size_t left, const Rules& rules) {
    merge_all(words, open, left, rules);
}
#endif

// A token of a long pre-token in the making, and the rank of its merge with the right neighbour.
struct Piece {
    int id, rank;
};

}  // namespace

// One call of encode.
struct Encoder {
    const Tokenizer& t;
    Tags tags;
    WordCaches& cache;
    std::vector<int> ids;
    const Rules rules{t.ranks, t.products.data(), t.byte_ids.data(), t.byte_pair_ranks.data()};
    int64_t steps = 0;

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
            ids.push_back(found.id);
            begin = found.to;
        }
        if (begin < text.size()) between(text.substr(begin));
    }

    void split(std::string_view text) {
        const Scanner scanner = t.pre_tokenizer.scanner;
        if (!scanner) return t.pre_tokenizer.split_valid(text, [&](std::string_view part) { pre_token(part); });
        size_t ends[MANY];
        for (size_t from = 0, n; (n = scanner(text, from, ends, MANY)) > 0;)
            for (size_t k = 0; k < n; from = ends[k - 1]) {
                if (const size_t done = many(text, from, ends + k, n - k)) k += done;
                else long_pre_token(text.substr(from, ends[k] - from)), ++k;
            }
    }
    void pre_token(std::string_view bytes) {
        const size_t end = bytes.size();
        if (many(bytes, 0, &end, 1) == 0) long_pre_token(bytes);
    }

    // Many pre-tokens at a time, up to the first of more than 62 bytes; returns how many. Look all of them up, merge the
    // new ones, a step of each in turn, and then write ids: no branch hangs on whether a pre-token is new.
    static constexpr size_t MANY = 64;
    struct Batch {
        std::string_view text;
        size_t from;
        const size_t* ends;
        const int* ids[MANY];  // the results: READ ids may be read
        int counts[MANY];
        static constexpr int READ = 4;

        size_t begin(size_t k) const { return k > 0 ? ends[k - 1] : from; }
        std::string_view bytes(size_t k) const { return text.substr(begin(k), ends[k] - begin(k)); }
    };
    template <int PLACES>
    struct Lane {  // those of a batch that are shorter than PLACES bytes
        size_t number = 0, news = 0;
        size_t which[MANY], fresh[MANY];  // of the batch; of the lane
        Key<PLACES / 8> keys[MANY];
        uint64_t hashes[MANY];
        Word<PLACES> words[MANY];         // of the fresh ones
    };
    size_t many(std::string_view text, size_t from, const size_t* ends, size_t most) {
        Batch batch;
        batch.text = text, batch.from = from, batch.ends = ends;
        Lane<16> words;
        Lane<32> longer;
        Lane<64> longest;
        size_t n = 0;
        for (size_t bytes; n < most && (bytes = ends[n] - batch.begin(n)) <= Word<64>::LONGEST; ++n) {
            words.which[words.number] = longer.which[longer.number] = longest.which[longest.number] = n;
            words.number += bytes < 16, longer.number += bytes >= 16 && bytes < 32, longest.number += bytes >= 32;
        }
        look_up(batch, words, cache.words);
        look_up(batch, longer, cache.longer);
        for (; longest.news < longest.number; ++longest.news) longest.fresh[longest.news] = longest.news;
        merge(batch, words);
        merge(batch, longer);
        merge(batch, longest);
        int written[MANY * Word<64>::LONGEST + Batch::READ], *to = written;
        for (size_t k = 0; k < n; to += batch.counts[k++]) {
            std::memcpy(to, batch.ids[k], Batch::READ * sizeof *to);
            if (batch.counts[k] > Batch::READ) std::copy_n(batch.ids[k], batch.counts[k], to);
        }
        ids.insert(ids.end(), written, to);
        remember(words, cache.words);
        remember(longer, cache.longer);
        if (n > 0) steps += int64_t(ends[n - 1] - from);
        return n;
    }
    template <int PLACES, int EIGHTS>
    void look_up(Batch& batch, Lane<PLACES>& lane, const WordCache<EIGHTS>& known) {
        for (size_t i = 0; i < lane.number; ++i) {
            const size_t begin = batch.begin(lane.which[i]);
            lane.keys[i] = Key<EIGHTS>(batch.text, begin, batch.ends[lane.which[i]] - begin);
            lane.hashes[i] = lane.keys[i].hash();
            known.prefetch(lane.hashes[i]);
        }
        for (size_t i = 0; i < lane.number; ++i) {
            bool found;
            const Known<EIGHTS>& word = known.find(lane.keys[i], lane.hashes[i], found);
            batch.ids[lane.which[i]] = word.ids, batch.counts[lane.which[i]] = word.count();
            lane.fresh[lane.news] = i, lane.news += !found;
        }
    }
    template <int PLACES>
    void merge(Batch& batch, Lane<PLACES>& lane) {
        size_t open[MANY], left = 0;
        for (size_t i = 0; i < lane.news; ++i) {
            const std::string_view bytes = batch.bytes(lane.which[lane.fresh[i]]);
            Word<PLACES>& word = lane.words[i];
            open[left] = i;
            if (const int id = t.ignore_merges ? t.id_of_bytes(bytes) : -1; id >= 0) word.id[0] = id, word.count = 1;
            else word.begin(bytes, rules), ++left;
            steps += int64_t(bytes.size()) * PLACES;  // a step looks at all places
        }
#ifdef R1_X86
        if (HAS_AVX2) merge_all_avx2(lane.words, open, left, rules), left = 0;
#endif
        merge_all(lane.words, open, left, rules);
        for (size_t i = 0; i < lane.news; ++i) {
            const size_t k = lane.which[lane.fresh[i]];
            batch.ids[k] = lane.words[i].id, batch.counts[k] = lane.words[i].count;
        }
    }
    template <int PLACES, int EIGHTS>
    void remember(const Lane<PLACES>& lane, WordCache<EIGHTS>& known) {
        for (size_t i = 0; i < lane.news; ++i) {
            const Word<PLACES>& word = lane.words[i];
            const size_t k = lane.fresh[i];
            if (word.count <= Known<EIGHTS>::MOST) known.add(lane.keys[k], lane.hashes[k], word.id, word.count);
        }
    }

    void long_pre_token(std::string_view bytes) {
        const int id = t.ignore_merges ? t.id_of_bytes(bytes) : -1;
        if (id < 0) return merge_long(bytes);
        ids.push_back(id), ++steps;
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
        for (size_t i = 0; i < n; i = right[i]) ids.push_back(pieces[i].id);
    }
};

std::vector<int> Tokenizer::encode(std::string_view text, Tags tags, int64_t* steps) const {
    static thread_local WordCaches cache;
    cache.belong_to(version);
    Encoder encoder{*this, tags, cache, {}};
    encoder.ids.reserve(text.size() / 3);
    encoder.text(text);
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
    if (a.size() == 1 && b.size() == 1 && byte_ids[static_cast<unsigned char>(a[0])] == left &&
        byte_ids[static_cast<unsigned char>(b[0])] == right)
        byte_pair_ranks[size_t(static_cast<unsigned char>(a[0])) << 8 | static_cast<unsigned char>(b[0])] = rank;
    changed();
    return true;
}

}  // namespace r1
