// Ranks: processes that share the work of a run, on one machine or on many. They exchange bytes and nothing else: a
// library's sum would have an order of its own. Who computes what is chosen so that no result depends on how many they
// are.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace r1 {

struct Ranks {
    int rank = 0, count = 1;
    int on_this_machine = 1, local_rank = 0;  // of how many, which
    // Sends out[r] to rank r, and puts what comes from it into in[r]; both know the sizes, and all ranks call it.
    // What a rank has for itself is copied.
    using Out = std::vector<std::span<const char>>;
    using In = std::vector<std::span<char>>;
    using Exchange = std::function<void(const Out& out, const In& in)>;
    Exchange exchange = {};
    bool alone() const { return count == 1; }
    bool first() const { return rank == 0; }  // the one that writes
};

// The ranks that this thread's work is shared with: those that mpirun or srun started the program as, or, without them,
// one. Sampling, scoring, the gradient and the optimizer's step are done by all of them together, so all must come by
// there. UsageError if this build has no MPI and the program was started as several.
const Ranks& ranks();
// The same from one device's memory to another's: of GPUs, cuda/nccl.cpp. open_device() sets it.
Ranks::Exchange& gpu_exchange();
inline const Ranks::Exchange& exchange_of_device(bool on_host) { return on_host ? ranks().exchange : gpu_exchange(); }
// The time that a rank waits for another before it ends: --rank-seconds.
double& rank_seconds();
// Every rank comes by here before it ends well. One that ends otherwise takes the others with it.
void leave_ranks();

// Others in their place for the thread that makes it, until it goes away: of tests.
class RanksHere {
public:
    explicit RanksHere(const Ranks& ranks);
    ~RanksHere();
    RanksHere(const RanksHere&) = delete;
    RanksHere& operator=(const RanksHere&) = delete;

private:
    const Ranks* before_;
};

// Of n things in a row: those of a rank are [begin, end). Parts differ by one at most.
struct Part {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
    bool has(int64_t i) const { return i >= begin && i < end; }
};
Part part_of(int64_t n, int rank, int count);
inline Part my_part(int64_t n) { return part_of(n, ranks().rank, ranks().count); }

// ---- values as bytes

// Appends values one after another; Unpacker takes them out in the same order. Of numbers and plain structs, texts, and
// lists of these.
class Packer {
public:
    std::string bytes;
    template <class... All>
    void add(const All&... all) {
        (add_one(all), ...);
    }

private:
    template <class T>
    void add_one(const T& value) {
        if constexpr (std::is_trivially_copyable_v<T>) {
            bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
        } else {
            add_one(uint64_t(value.size()));
            for (const auto& each : value) add_one(each);
        }
    }
};

class Unpacker {
public:
    explicit Unpacker(std::string_view bytes) : rest_(bytes) {}
    template <class... All>
    void take(All&... all) {
        (take_one(all), ...);
    }

private:
    template <class T>
    void take_one(T& value) {
        if constexpr (std::is_trivially_copyable_v<T>) {
            rest_.copy(reinterpret_cast<char*>(&value), sizeof value);
            rest_.remove_prefix(sizeof value);
        } else {
            uint64_t n = 0;
            take_one(n);
            value.resize(n);
            for (auto& each : value) take_one(each);
        }
    }
    std::string_view rest_;
};

// ---- what all ranks call

// The bytes of each rank, on all of them.
std::vector<std::string> gather(std::string_view mine);
// Piece r of `whole`, which is the bytes [cut[r], cut[r + 1]), stands on rank r and then on all.
void gather_pieces(char* whole, const std::vector<int64_t>& cut, const Ranks::Exchange& exchange);
inline void gather_pieces(char* whole, const std::vector<int64_t>& cut) { gather_pieces(whole, cut, ranks().exchange); }
// Of n items, item i was made by rank owner(i), which says it to the others: pack(i, packer) there, and
// unpack(i, unpacker) on them.
template <class Owner, class Pack, class Unpack>
void share_items(size_t n, const Owner& owner, const Pack& pack, const Unpack& unpack) {
    if (ranks().alone()) return;
    Packer packer;
    for (size_t i = 0; i < n; ++i)
        if (owner(i) == ranks().rank) pack(i, packer);
    const std::vector<std::string> all = gather(packer.bytes);
    std::vector<Unpacker> from(all.begin(), all.end());
    for (size_t i = 0; i < n; ++i)
        if (owner(i) != ranks().rank) unpack(i, from[size_t(owner(i))]);
}
// Items by turns: neighbours in a file are often alike.
inline int owner_by_turns(size_t i) { return int(i % size_t(ranks().count)); }
// Whether it holds on any rank.
bool on_any_rank(bool mine);
// Error on every rank unless all have the same.
void check_equal_on_ranks(const std::string& mine, const char* what);
// Does it on rank 0, and takes what it wrote into the packer to all. An error of it, or Stopped, is one on all.
std::string done_by_first(const std::function<void(Packer&)>& work);

}  // namespace r1
