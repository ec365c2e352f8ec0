// What the model said of each sequence of a batch, so that every rank is told of those that others computed.
#pragma once
#include <vector>

#include "base/ranks.h"
#include "train/gradient.h"

namespace r1 {

class SeenRows {
public:
    // The batch is cut into parts, [cut[i], cut[i + 1]), which the ranks have in a row.
    SeenRows(const std::vector<Example>& batch, const std::vector<int>& cut, int parts) {
        for (int rank = 0; rank < ranks().count; ++rank) {
            const Part part = part_of(parts, rank, ranks().count);
            owner_.resize(size_t(cut[size_t(part.end)]), rank);
        }
        if (!ranks().alone()) rows_.resize(batch.size());
    }

    // The same call, which is remembered too; on any thread, for one sequence at a time.
    SequenceLoss watching(const SequenceLoss& call) {
        if (ranks().alone()) return call;
        return [this, call](int i, const SequenceRows& rows) {
            call(i, rows);
            rows_[size_t(i)].push_back(
                {rows.ahead, {rows.logp, rows.logp + rows.rows}, {rows.entropy, rows.entropy + rows.rows}});
        };
    }

    // Calls it for the sequences of all other ranks.
    void share(const SequenceLoss& call) {
        share_items(
            owner_.size(), [&](size_t i) { return owner_[i]; },
            [&](size_t i, Packer& packer) {
            packer.add(int(rows_[i].size()));
            for (const Rows& rows : rows_[i]) packer.add(rows.ahead, rows.logp, rows.entropy);
            },
            [&](size_t i, Unpacker& from) {
            int count = 0;
            for (from.take(count); count > 0; --count) {
                Rows rows;
                from.take(rows.ahead, rows.logp, rows.entropy);
                std::vector<float> dlogp(rows.logp.size());
                call(int(i),
                     {rows.logp.data(), rows.entropy.data(), nullptr, dlogp.data(), rows.ahead, int(rows.logp.size())});
            }
        });
    }

private:
    struct Rows {
        int ahead = 1;
        std::vector<float> logp, entropy;
    };
    std::vector<int> owner_;  // of each sequence
    std::vector<std::vector<Rows>> rows_;
};

}  // namespace r1
