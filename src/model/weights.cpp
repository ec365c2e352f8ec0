#include "model/weights.h"

#include "base/philox.h"

namespace r1 {

Weights make_weights(const Config& config, const Memory& memory) {
    Weights w{};
    w.arena = make_arena(memory, [&](Arena& arena) {
        visit(config, w, [&](float*& p, size_t n, TensorKind) { p = arena.carve<float>(n); }, [](const Tensor&) {});
    });
    return w;
}

void upload(Weights& to, const Weights& host) {
    to.arena.memory().upload(to.arena.base(), host.arena.base(), host.arena.used());
}

Weights download(const Config& config, const Weights& from) {
    Weights host = make_weights(config);
    from.arena.memory().download(host.arena.base(), from.arena.base(), from.arena.used());
    return host;
}

// Matrices: normal with the tensor's deviation; gains 1; biases 0. Element i of tensor t is a function of (seed, t, i).
void initialise(const Config& config, Weights& weights, uint32_t seed) {
    uint32_t index = 0;
    visit(config, weights, [](float*, size_t, TensorKind) {}, [&](const Tensor& t) {
        if (t.kind == TensorKind::again) return;
        const uint32_t tensor = index++;
        if (t.kind != TensorKind::matrix) {
            for (int o = 0; o < t.out; ++o) t.at(o, 0) = t.kind == TensorKind::gain ? 1.0f : 0.0f;
            return;
        }
        for (int o = 0; o < t.out; ++o)
            for (int i = 0; i < t.in; ++i) {
                // Box and Muller 1958: one of the pair
                const Philox4 bits = philox(seed, Purpose::weights, tensor, uint32_t(o), uint32_t(i), 0);
                const double u = (double(bits.x[0]) + 0.5) * 0x1p-32, angle = double(bits.x[1]) * 0x1p-32 * 6.283185307179586;
                double sine, cosine;
                exact::sincos(angle, sine, cosine);
                t.at(o, i) = float(exact::sqrt(-2.0 * exact::log(u)) * cosine * t.std);
            }
    });
}

int64_t parameter_count(const Config& config, bool active) {
    Weights w{};
    int64_t total = 0;
    Config counted = config;
    if (active) counted.num_nextn_predict_layers = 0;
    visit(counted, w, [](float*&, size_t, TensorKind) {}, [&](const Tensor& t) {
        int64_t n = t.kind == TensorKind::again ? 0 : int64_t(t.out) * (t.in ? t.in : 1);
        if (active && !config.tie_word_embeddings && t.name == "model.embed_tokens.weight") n = 0;
        if (active && t.name.find(".experts.") != std::string::npos)
            n = t.name.find(".experts.0.") != std::string::npos ? n * config.num_experts_per_tok : 0;
        total += n;
    });
    return total;
}

}  // namespace r1
