// Who runs when: the groups of a warp, the warps of a block, the blocks of a grid.
#include <algorithm>
#include <cstring>

#include "ptx/machine.h"

namespace r1::ptx {

void fault(const std::string& what, int line) { throw Fault(what + ", line " + std::to_string(line) + " of the PTX"); }

size_t parameter_bytes(const Kernel& kernel) { return kernel.parameters; }

void place_parameters(const Kernel& kernel, void* const* arguments, std::byte* to) {
    for (size_t p = 0; p < kernel.parameter_at.size(); ++p)
        std::memcpy(to + kernel.parameter_at[p], arguments[p], kernel.parameter_size[p]);
}

namespace {

// Lets a warp run until all its threads wait at the block's barrier or have ended. Of its groups the one that is
// farthest behind goes on, so that groups which parted at a branch meet again where their ways meet.
void run_warp(Machine& m, const Kernel& kernel, Warp& w) {
    m.warp = &w;
    while (!w.groups.empty()) {
        std::sort(w.groups.begin(), w.groups.end(), [](const Group& a, const Group& b) { return a.at < b.at; });
        for (size_t g = 1; g < w.groups.size();) {
            if (w.groups[g - 1].at != w.groups[g].at) {
                ++g;
                continue;
            }
            w.groups[g - 1].lanes |= w.groups[g].lanes, w.groups[g - 1].waits = false;
            w.groups.erase(w.groups.begin() + long(g));
        }
        const auto ready = std::find_if(w.groups.begin(), w.groups.end(), [](const Group& g) { return !g.waits; });
        if (ready == w.groups.end())
            fault("a barrier or an exchange that not all lanes of a warp reach", kernel.code[size_t(w.groups[0].at)].line);
        const size_t chosen = size_t(ready - w.groups.begin());
        const uint32_t lanes = ready->lanes;
        const int next = chosen + 1 < w.groups.size() ? w.groups[chosen + 1].at : int(kernel.code.size());
        int at = ready->at;
        bool regroup = false;
        while (!regroup && at != next) {
            const Instruction& i = kernel.code[size_t(at)];
            m.ran[size_t(at)] = 1;
            uint32_t active = lanes;
            if (i.guard >= 0) active &= w.predicates[i.guard] ^ (i.negated ? ALL : 0);
            switch (i.kind) {
                case Kind::plain:
                    i.step(m, active, i);
                    ++at;
                    break;
                case Kind::exchange:
                    if (lanes != ALL || active != ALL) {
                        w.groups[chosen].waits = regroup = true;
                        break;
                    }
                    for (int l = 0; l < LANES; ++l)
                        if (w.words[size_t(i.members) * LANES + size_t(l)] != ALL)
                            fault("an exchange of a part of the warp", i.line);
                    i.step(m, ALL, i);
                    ++at;
                    break;
                case Kind::barrier:
                    if (lanes != w.lanes || active != lanes) {
                        w.groups[chosen].waits = regroup = true;
                        break;
                    }
                    w.groups[chosen].at = at + 1;
                    w.at_barrier = true;
                    return;
                case Kind::branch:
                    if (active == lanes) at = i.target;
                    else ++at;
                    if (active != 0 && active != lanes) {
                        w.groups[chosen].lanes &= ~active;
                        w.groups[chosen].at = at;
                        w.groups.push_back({active, i.target});
                    }
                    regroup = w.groups.size() > 1;
                    break;
                case Kind::end:
                    w.groups[chosen].lanes &= ~active;
                    ++at;
                    regroup = true;
                    break;
            }
        }
        w.groups[chosen].at = at;
        std::erase_if(w.groups, [](const Group& g) { return g.lanes == 0; });
    }
}

void run_block(Machine& m, const Kernel& kernel, std::vector<Warp>& warps, Dim at) {
    std::fill(m.shared.begin(), m.shared.end(), std::byte(0xff));  // NaN: what nobody wrote is not zero
    for (Warp& w : warps) {
        const unsigned place[] = {at.x, at.y, at.z};
        for (int d = 0; d < 3; ++d) std::fill_n(&w.words[size_t(ctaid + d) * LANES], LANES, place[d]);
        w.groups = {{w.lanes, 0}};
        w.at_barrier = false;
    }
    for (bool all_ended = false; !all_ended;) {
        size_t waiting = 0;
        for (Warp& w : warps) {
            run_warp(m, kernel, w);
            waiting += w.at_barrier;
        }
        all_ended = waiting == 0;
        if (waiting != 0 && waiting != warps.size()) throw Fault("a barrier that not all warps of a block reach");
        for (Warp& w : warps) w.at_barrier = false;
    }
}

}  // namespace

void run(const Kernel& kernel, Dim grid, Dim block, const std::byte* parameters, const Allocations& allocations) {
    const Launch launch{grid, block, parameters, &allocations};
    const size_t threads = size_t(block.x) * block.y * block.z;
    if (threads == 0 || threads > 1024) throw Fault("a block of " + std::to_string(threads) + " threads");
    const int64_t blocks = int64_t(grid.x) * grid.y * grid.z;
    std::string first_fault;
#pragma omp parallel if (blocks > 4)
    {
        Machine m;
        m.launch = &launch;
        m.shared.resize(kernel.shared);
        m.ran.resize(kernel.code.size());
        std::vector<Warp> warps((threads + LANES - 1) / LANES);
        for (size_t n = 0; n < warps.size(); ++n) {
            Warp& w = warps[n];
            w.words.resize(size_t(kernel.words) * LANES);
            w.longs.resize(size_t(kernel.longs) * LANES);
            w.predicates.resize(size_t(kernel.predicates));
            for (const auto& [r, value] : kernel.constant_words) std::fill_n(&w.words[size_t(r) * LANES], LANES, value);
            for (const auto& [r, value] : kernel.constant_longs) std::fill_n(&w.longs[size_t(r) * LANES], LANES, value);
            for (const auto& [r, value] : kernel.constant_predicates) w.predicates[size_t(r)] = value;
            const size_t here = std::min(threads - n * LANES, size_t(LANES));
            w.lanes = ALL >> (LANES - here);
            for (size_t l = 0; l < here; ++l) {
                const size_t t = n * LANES + l, place[] = {t % block.x, t / block.x % block.y, t / block.x / block.y};
                for (size_t d = 0; d < 3; ++d) w.words[(tid + d) * LANES + l] = uint32_t(place[d]);
            }
            const unsigned extents[] = {block.x, block.y, block.z, grid.x, grid.y, grid.z};
            for (int d = 0; d < 6; ++d) std::fill_n(&w.words[size_t(ntid + d) * LANES], LANES, extents[d]);
        }
#pragma omp for schedule(dynamic)
        for (int64_t b = 0; b < blocks; ++b) {
            const Dim at{unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
            try {
                run_block(m, kernel, warps, at);
            } catch (const Fault& error) {
                const std::lock_guard lock(kernel.mutex);
                if (first_fault.empty())
                    first_fault = error.what() + (", block " + std::to_string(at.x)) + " " + std::to_string(at.y) + ", " +
                                  kernel.name;
            }
        }
        const std::lock_guard lock(kernel.mutex);
        kernel.ran.resize(kernel.code.size());
        for (size_t n = 0; n < m.ran.size(); ++n) kernel.ran[n] |= m.ran[n];
    }
    if (!first_fault.empty()) throw Fault(first_fault);
}

Coverage coverage(const Kernel& kernel) {
    const std::lock_guard lock(kernel.mutex);
    return {kernel.code.size(), size_t(std::count(kernel.ran.begin(), kernel.ran.end(), 1))};
}

}  // namespace r1::ptx
