#include "model/forward_pass.h"

namespace r1 {

void PackedRows::place(Arena& arena, int capacity, int modules) {
    capacity_ = capacity;
    modules_ = modules;
    const size_t size = (4 + size_t(modules)) * size_t(capacity) + size_t(capacity) + 1;
    device_ = arena.carve<int>(size);
    host_.resize(size);
    const auto part = [&](int* base, int i) { return base ? base + size_t(i) * size_t(capacity) : nullptr; };
    const auto set =
        [&](int* base, int*& token, int*& target_at, int*& position, int*& block, int*& ahead_at, int*& offset) {
        token = part(base, 0);
        target_at = part(base, 1);
        position = part(base, 2);
        block = part(base, 3);
        ahead_at = part(base, 4);
        offset = part(base, 4 + modules);
    };
    set(host_.data(), token_, target_, position_, block_, ahead_, offset_);
    set(device_, rows.token, target, rows.position, rows.block, ahead, rows.offsets);
}

void PackedRows::add(const int* tokens, int length, int count, int position, int block) {
    ENSURE(rows.N + count <= capacity_, "more rows than there is room for");
    const auto token = [&](int t) { return t < length ? tokens[t] : 0; };
    offset_[rows.B++] = rows.N;
    for (int t = 0; t < count; ++t, ++rows.N) {
        token_[rows.N] = tokens[t];
        target_[rows.N] = token(t + 1);
        position_[rows.N] = position + t;
        block_[rows.N] = block;
        for (int k = 0; k < modules_; ++k) ahead_[size_t(k) * size_t(capacity_) + size_t(rows.N)] = token(t + k + 2);
    }
    offset_[rows.B] = rows.N;
}

void PackedRows::upload(const Memory& memory) { memory.upload(device_, host_.data(), host_.size() * sizeof(int)); }

ForwardPass make_forward_pass(const Model& model, const PassOptions& o) {
    ForwardPass pass;
    pass.activations = make_activations(model.config, *model.ops, o.rows, o.training);
    pass.arena = make_arena(*model.ops->memory, [&](Arena& arena) {
        pass.packed.place(arena, o.rows, int(pass.activations.prediction.size()));
        pass.cache = make_cache(model.config, o.blocks, o.every_layer, arena);
    });
    return pass;
}

void run(const Model& model, ForwardPass& pass) {
    pass.packed.upload(*model.ops->memory);
    forward(model, pass.activations, pass.packed.rows, pass.cache);
}

void read_tokens(const Model& model, ForwardPass& pass, const int* tokens, int count, int position, int block) {
    pass.packed.clear();
    pass.packed.add(tokens, count, count, position, block);
    run(model, pass);
}

void last_logits(const Model& model, const ForwardPass& pass, float* logits) {
    head_forward(model, logits, pass.activations.h + int64_t(pass.packed.rows.N - 1) * model.config.hidden_size, 1);
}

}  // namespace r1
