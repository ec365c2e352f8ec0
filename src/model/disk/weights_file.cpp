#include "model/disk/weights_file.h"

#include <cmath>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace r1 {

static const char* const BELONG = "config.json and the tensors must belong together";

static std::vector<int64_t> shape_of(const Tensor& t) {
    return t.in ? std::vector<int64_t>{t.out, t.in} : std::vector<int64_t>{t.out};
}
static bool on_host(const Weights& w) { return &w.arena.memory() == &host_memory; }

static void check_finite(float value, Dtype dtype, const std::string& name) {
    const double most = dtype == Dtype::F16 ? 65520.0 : dtype == Dtype::BF16 ? 3.396e38 : HUGE_VAL;  // round to more
    if (!(std::fabs(double(value)) < most))
        fail("a weight that is not finite, or too large for " + std::string(dtype_name(dtype)), "tensor " + name,
             "lower --lr, or take float32; what was saved before stands");
}

void store_weights(const Config& config, Weights& w, const std::string& prefix, std::vector<TensorSource>& into,
                   Dtype dtype) {
    // A device's are copied first; the copy goes with the last of its sources.
    const std::shared_ptr<Weights> copy = on_host(w) ? nullptr : std::make_shared<Weights>(download(config, w));
    visit(
        config, copy ? *copy : w, [](float*, size_t, TensorKind) {},
        [&](const Tensor& t) {
        if (t.kind == TensorKind::again && !prefix.empty()) return;
        const auto fill = [copy, t, dtype](int64_t first, int64_t n, float* to) {
            const int64_t in = t.in ? t.in : 1;
            for (int64_t k = first; k < first + n; ++k) {
                *to = t.at(k / in, k % in);
                check_finite(*to++, dtype, t.name);
            }
        };
        into.push_back({prefix + t.name, shape_of(t), fill});
        });
}

// A tied model's file may have a head all the same; then it must be the embedding.
static void check_tied_head(const TensorFiles& files, const TensorEntry& head) {
    const auto embedding = files.find("model.embed_tokens.weight");
    if (!embedding || embedding->shape != head.shape)
        fail("a head of another shape than the embedding that it is tied to", files.where(head), BELONG);
    std::vector<float> a(size_t(head.count)), b(size_t(head.count));
    files.read(head, a.data());
    files.read(*embedding, b.data());
    for (int64_t i = 0; i < head.count; ++i)
        if (std::memcmp(&a[size_t(i)], &b[size_t(i)], sizeof(float)) != 0)
            fail("a head that is not the embedding, though config.json ties them (tie_word_embeddings): row " +
                     std::to_string(i / head.shape[1]) + " differs first",
                 files.where(head), "set tie_word_embeddings to false if the head is meant");
}

void check_tensors(const Config& config, const TensorFiles& files, const std::vector<std::string>& prefixes,
                   const std::string& path) {
    std::vector<bool> known(files.size());
    for (const std::string& prefix : prefixes) {
        Weights none{};
        visit(
            config, none, [](float*, size_t, TensorKind) {},
            [&](const Tensor& t) {
            const auto found = files.find(prefix + t.name);
            if (!found && t.kind == TensorKind::again) return;
            if (!found) fail("a tensor is missing", path + " tensor " + prefix + t.name, BELONG);
            if (found->shape != shape_of(t))
                fail("a tensor of shape " + json(found->shape).dump() + " instead of " + json(shape_of(t)).dump(),
                     files.where(*found), BELONG);
            known[found->index] = true;
            });
    }
    for (size_t i = 0; i < files.size(); ++i) {
        if (known[i]) continue;
        const TensorEntry entry = files.entry(i);
        if (entry.name.ends_with("rotary_emb.inv_freq")) continue;  // old files have it; it follows from rope_theta
        if (entry.name == "lm_head.weight" && config.tie_word_embeddings) check_tied_head(files, entry);
        else fail("a tensor that the model does not have", files.where(entry), BELONG);
    }
}

void restore_weights(const Config& config, Weights& w, const std::string& prefix, const TensorFiles& files) {
    Weights staging{};
    if (!on_host(w)) staging = download(config, w);
    std::vector<float> values;
    visit(
        config, on_host(w) ? w : staging, [](float*, size_t, TensorKind) {},
        [&](const Tensor& t) {
        if (t.kind == TensorKind::again) return;
        if (t.name == SCORE_NAME && !files.find(prefix + t.name)) return;
        const TensorEntry entry = *files.find(prefix + t.name);
        values.resize(size_t(entry.count));
        files.read(entry, values.data());
        const int64_t in = t.in ? t.in : 1;
        for (int64_t k = 0; k < entry.count; ++k) t.at(k / in, k % in) = values[size_t(k)];
        });
    if (!on_host(w)) upload(w, staging);
}

}  // namespace r1
