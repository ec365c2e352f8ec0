#include "train/needs.h"

#include "base/memory.h"
#include "model/sampler.h"
#include "train/gradient.h"

namespace r1 {

namespace {

// Memory that is only counted: what makes a trainer or a sampler goes through it as ever and gets addresses that nobody
// may use. So these figures cannot differ from what a run takes.
int64_t counted = 0;
const Memory counting = {[](size_t bytes) {
    counted += int64_t(bytes);
    return reinterpret_cast<void*>(uintptr_t(1) << 20);
                         },
                         [](void*) {},
                         [](void*, const void*, size_t) {},
                         [](void*, const void*, size_t) {},
                         [](void*, const void*, size_t) {},
                         [](void*, size_t) {}};

template <class Make>
int64_t count(const Make& make) {
    const int64_t before = counted;
    make();
    return counted - before;
}

}  // namespace

MemoryNeeds memory_needs(const Config& config, const Ops& ops, const NeedsOptions& o) {
    Ops counting_ops = ops;
    counting_ops.memory = &counting;
    Model model = make_model(config, counting_ops, o.context);
    const int64_t weights = count([&] { make_weights(config, counting); });
    const int64_t tables = count([&] { make_model(config, counting_ops, o.context); }) - weights;
    TrainOptions train;
    train.shards = o.shards;
    train.micro_rows = o.micro_rows;
    int64_t moments = 0, gradients = 0;
    const int64_t trainer = count([&] {
        const Trainer t = make_trainer(model, train);
        const size_t me = size_t(ranks().rank);
        gradients = t.shards.size() * weights;
        moments = 2 * (ranks().alone() ? weights : (t.slices[me + 1] - t.slices[me]) * int64_t(sizeof(float)));
    });
    const int64_t sampler = count([&] { make_sampler(model, o.slots); });

    MemoryNeeds needs;
    needs.sampling.weights = needs.sft.weights = needs.grpo.weights = weights + tables;
    needs.sft.gradients = gradients;
    needs.sft.moments = moments;
    needs.sft.activations = trainer - needs.sft.gradients - needs.sft.moments;
    needs.sampling.answers = sampler;
    needs.grpo = needs.sft;
    needs.grpo.reference = weights + tables;
    needs.grpo.answers = sampler;
    return needs;
}

void check_need(const Config& config, const Ops& ops, const NeedsOptions& options, MemoryNeed MemoryNeeds::*stage,
                const std::string& what) {
    if (!ops.on_host) return;
    check_memory(uint64_t(parameter_count(config, false)) * sizeof(float), what);  // of which all else is a multiple
    check_memory(uint64_t((memory_needs(config, ops, options).*stage).total()), what);
}

}  // namespace r1
