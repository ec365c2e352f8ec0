#include "base/ranks.h"

#include "base/check.h"
#include "base/progress.h"

namespace r1 {

Ranks start_ranks();  // of ranks_mpi.cpp

static thread_local const Ranks* here = nullptr;
RanksHere::RanksHere(const Ranks& ranks) : before_(here) { here = &ranks; }
RanksHere::~RanksHere() { here = before_; }

const Ranks& ranks() {
    static const Ranks started = start_ranks();
    return here ? *here : started;
}

Ranks::Exchange& gpu_exchange() {
    static Ranks::Exchange exchange;
    return exchange;
}

double& rank_seconds() {
    static double seconds = 1800;
    return seconds;
}

Part part_of(int64_t n, int rank, int count) { return {n * rank / count, n * (rank + 1) / count}; }

void gather_pieces(char* whole, const std::vector<int64_t>& cut, const Ranks::Exchange& exchange) {
    if (ranks().alone()) return;
    const auto piece = [&](int r) { return std::span<char>(whole + cut[size_t(r)], whole + cut[size_t(r) + 1]); };
    const int me = ranks().rank;
    Ranks::Out out;
    Ranks::In in;
    for (int r = 0; r < ranks().count; ++r) {
        out.push_back(r == me ? std::span<char>() : piece(me));
        in.push_back(r == me ? std::span<char>() : piece(r));
    }
    exchange(out, in);
}

std::vector<std::string> gather(std::string_view mine) {
    if (ranks().alone()) return {std::string(mine)};
    const size_t count = size_t(ranks().count), me = size_t(ranks().rank);
    std::vector<int64_t> sizes(count), cut = {0};
    sizes[me] = int64_t(mine.size());
    for (size_t r = 0; r < count; ++r) cut.push_back(cut.back() + int64_t(sizeof(int64_t)));
    gather_pieces(reinterpret_cast<char*>(sizes.data()), cut);
    cut = {0};
    for (const int64_t size : sizes) cut.push_back(cut.back() + size);
    std::string all(size_t(cut.back()), '\0');
    mine.copy(all.data() + cut[me], mine.size());
    gather_pieces(all.data(), cut);
    std::vector<std::string> parts;
    for (size_t r = 0; r < count; ++r) parts.push_back(all.substr(size_t(cut[r]), size_t(sizes[r])));
    return parts;
}

bool on_any_rank(bool mine) {
    if (ranks().alone()) return mine;
    for (const std::string& each : gather(mine ? "1" : "0"))
        if (each == "1") return true;
    return false;
}

void check_equal_on_ranks(const std::string& mine, const char* what) {
    const std::vector<std::string> all = gather(mine);
    for (size_t r = 1; r < all.size(); ++r)
        if (all[r] != all[0])
            fail(std::string(what) + " of another kind", "rank " + std::to_string(r) + " beside rank 0",
                 "give all ranks the same program, options and files");
}

std::string done_by_first(const std::function<void(Packer&)>& work) {
    enum Ending : char { well, stopped, outside_failed, disk_failed, error };
    Packer packer;
    Ending ending = well;
    std::string why;
    if (ranks().first()) try {
            work(packer);
        } catch (const Stopped&) {
            if (ranks().alone()) throw;
            ending = stopped;
        } catch (const OutsideFailed& failure) {
            if (ranks().alone()) throw;
            ending = outside_failed;
            why = failure.what();
        } catch (const DiskFailed& failure) {
            if (ranks().alone()) throw;
            ending = disk_failed;
            why = failure.what();
        } catch (const Error& failure) {
            if (ranks().alone()) throw;
            ending = error;
            why = failure.what();
        }
    const std::string said = gather(char(ending) + (ending == well ? packer.bytes : why))[0];
    if (said[0] == stopped) throw Stopped();
    if (said[0] == outside_failed) throw OutsideFailed(said.substr(1));
    if (said[0] == disk_failed) throw DiskFailed(said.substr(1));
    if (said[0] == error) throw Error(said.substr(1));
    return said.substr(1);
}

}  // namespace r1
