// Byte-pair training. The different pre-tokens stand one behind the other as a chain of symbols; each pair of neighbours
// knows how often it occurs and where it came up. A merge visits those places alone, so training costs the sum of all
// occurrences ever made, whatever the words' lengths, and a logarithm for the heap.
#include <cstdint>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "text/tokenizer.h"

namespace r1 {

void PreTokenCounts::add(std::string_view pre_token, int64_t count) {
    const auto bytes_of = [&](int i) { return std::string_view(items_[size_t(i)].pre_token); };
    int at = index_.find(pre_token, bytes_of);
    if (at < 0) {
        at = int(items_.size());
        items_.push_back({std::string(pre_token), 0});
        index_.add(at, pre_token);
    }
    items_[size_t(at)].count += count;
}

void count_pre_tokens(const PreTokenizer& pre_tokenizer, std::string_view document, PreTokenCounts& counts) {
    pre_tokenizer.split(document, [&](std::string_view pre_token) { counts.add(pre_token); });
}

namespace {

constexpr uint32_t NOWHERE = ~uint32_t(0);

// A token in its pre-token, and its neighbours there; id -1: a merge took it.
struct Symbol {
    int id;
    uint32_t word, previous, next;
};

struct Pair {
    int left, right;
    int64_t count = 0;
    std::vector<uint32_t> places = {};  // of the left symbol, ascending; some may be out of date
};

struct Trainer {
    std::vector<Symbol> symbols;
    std::vector<int64_t> word_counts;
    std::vector<Pair> pairs;
    std::vector<uint32_t> slots = std::vector<uint32_t>(1 << 12, NOWHERE);  // open addressing: indices of pairs

    // For each pair an entry that is at least its count; one that is too large when it comes to the top goes back with
    // the right count. (A pair's count grows only in the merge in which it comes up: it holds the product.)
    std::priority_queue<std::tuple<int64_t, int, int, uint32_t>> candidates;  // count, -left, -right, pair
    size_t queued = 0;                                                        // pairs that the heap knows

    size_t slot_of(int left, int right) const {
        const size_t mask = slots.size() - 1;
        size_t i = size_t(mixed(uint64_t(uint32_t(left)) << 32 | uint32_t(right))) & mask;
        while (slots[i] != NOWHERE && (pairs[slots[i]].left != left || pairs[slots[i]].right != right)) i = (i + 1) & mask;
        return i;
    }
    Pair& pair(int left, int right) {
        size_t i = slot_of(left, right);
        if (slots[i] == NOWHERE) {
            if (2 * (pairs.size() + 1) > slots.size()) {
                slots.assign(2 * slots.size(), NOWHERE);
                for (uint32_t k = 0; k < pairs.size(); ++k) slots[slot_of(pairs[k].left, pairs[k].right)] = k;
                i = slot_of(left, right);
            }
            slots[i] = uint32_t(pairs.size());
            pairs.push_back({left, right});
        }
        return pairs[slots[i]];
    }
    void came(uint32_t left, uint32_t right, int64_t count) {
        Pair& p = pair(symbols[left].id, symbols[right].id);
        p.count += count;
        p.places.push_back(left);
    }
    void went(int left, int right, int64_t count) { pair(left, right).count -= count; }

    void queue_new() {
        for (; queued < pairs.size(); ++queued) {
            const Pair& p = pairs[queued];
            if (p.count >= 2) candidates.push({p.count, -p.left, -p.right, uint32_t(queued)});
        }
    }

    void add_word(std::string_view bytes, int64_t count, const std::array<int, 256>& byte_ids) {
        const auto word = uint32_t(word_counts.size());
        const size_t first = symbols.size();
        if (first + bytes.size() >= NOWHERE)
            fail("more than 4 GB of different pre-tokens", "training a tokenizer", "give fewer documents");
        word_counts.push_back(count);
        for (size_t i = 0; i < bytes.size(); ++i) {
            const auto at = uint32_t(first + i);
            symbols.push_back({byte_ids[static_cast<unsigned char>(bytes[i])], word, i == 0 ? NOWHERE : at - 1,
                               i + 1 == bytes.size() ? NOWHERE : at + 1});
            if (i > 0) came(at - 1, at, count);
        }
    }

    // x a b y -> x p y: the pairs xa, ab, by go, xp and py come. x may itself be a p made a moment ago.
    void merge(uint32_t which, int product) {
        const int a = pairs[which].left, b = pairs[which].right;
        for (const uint32_t at : std::exchange(pairs[which].places, {})) {
            const uint32_t taken = symbols[at].next;
            if (symbols[at].id != a || taken == NOWHERE || symbols[taken].id != b) continue;
            const uint32_t x = symbols[at].previous, y = symbols[taken].next;
            const int64_t count = word_counts[symbols[at].word];
            pairs[which].count -= count;
            if (x != NOWHERE) went(symbols[x].id, a, count);
            if (y != NOWHERE) went(b, symbols[y].id, count);
            symbols[at].id = product, symbols[at].next = y, symbols[taken].id = -1;
            if (y != NOWHERE) symbols[y].previous = at, came(at, y, count);
            if (x != NOWHERE) came(x, at, count);
        }
        queue_new();
    }
};

}  // namespace

Tokenizer train_tokenizer(const PreTokenCounts& counts, int vocab_size, const PreTokenizer& pre_tokenizer) {
    Tokenizer tokenizer;
    tokenizer.pre_tokenizer = pre_tokenizer;
    const ControlNames names;
    tokenizer.bos = tokenizer.add_token(names.bos, Kind::control);
    tokenizer.eos = tokenizer.add_token(names.eos, Kind::control);
    tokenizer.pad = tokenizer.add_token(names.pad, Kind::control);
    tokenizer.stop = {tokenizer.eos};
    for (const char* tag : TAGS) tokenizer.add_token(tag, Kind::tag);
    for (int byte = 0; byte < 256; ++byte) tokenizer.add_token(std::string(1, char(byte)), Kind::bytes);
    if (vocab_size < tokenizer.size() || vocab_size > MAX_IDS)
        fail("a vocabulary of " + std::to_string(vocab_size), "training a tokenizer",
             "ask for at least " + std::to_string(tokenizer.size()) + ": the bytes, tags and control tokens; at most " +
                 std::to_string(MAX_IDS));

    Trainer trainer;
    for (const auto& [pre_token, count] : counts.items()) trainer.add_word(pre_token, count, tokenizer.byte_ids);
    trainer.queue_new();
    while (tokenizer.size() < vocab_size && !trainer.candidates.empty()) {
        const auto [count, minus_left, minus_right, which] = trainer.candidates.top();
        trainer.candidates.pop();
        const int64_t count_now = trainer.pairs[which].count;
        if (count_now < 2) continue;
        if (count_now != count) {
            trainer.candidates.push({count_now, minus_left, minus_right, which});
            continue;
        }
        const int left = -minus_left, right = -minus_right;
        const std::string bytes = tokenizer.tokens[size_t(left)].bytes + tokenizer.tokens[size_t(right)].bytes;
        if (tokenizer.id_of(bytes) >= 0) continue;  // text never merges into a tag
        const int product = tokenizer.add_token(bytes, Kind::bytes);
        tokenizer.add_merge(left, right, product);
        trainer.merge(which, product);
    }
    return tokenizer;
}

Tokenizer train_tokenizer(const std::vector<std::string>& documents, int vocab_size,
                          const PreTokenizer& pre_tokenizer) {
    PreTokenCounts counts;
    for (const std::string& document : documents) count_pre_tokens(pre_tokenizer, document, counts);
    return train_tokenizer(counts, vocab_size, pre_tokenizer);
}

}  // namespace r1
