#include "model/disk/weights_file.h"

#include <cmath>
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
    for (size_t i = 0; i < files.size(); ++i)
        if (!known[i]) fail("a tensor that the model does not have", files.where(files.entry(i)), BELONG);
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
