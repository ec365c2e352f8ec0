#include "model/rope.h"

#include <algorithm>
#include <cmath>

namespace r1 {

static constexpr double PI = 3.14159265358979323846;

// The channel pair that makes n turns in the original context.
static double yarn_pair(double turns, const Config& c) {
    return c.rope_size() * exact::log(c.rope.original_positions / (turns * 2 * PI)) / (2 * exact::log(c.rope_theta));
}

static double yarn_frequency(double f, int i, const Config& c) {
    double a = yarn_pair(c.rope.beta_fast, c), b = yarn_pair(c.rope.beta_slow, c);
    if (c.rope.truncate) a = std::floor(a), b = std::ceil(b);
    a = std::max(a, 0.0), b = std::min(b, double(c.rope_size() - 1));
    if (a == b) b += 0.001;
    const double ramp = std::clamp((i - a) / (b - a), 0.0, 1.0);
    return f / c.rope.factor * ramp + f * (1 - ramp);
}

static double llama3_frequency(double f, const RopeScaling& r) {
    const double turns = r.original_positions * f / (2 * PI);  // L / l_i
    if (turns < r.low_frequency) return f / r.factor;
    if (turns > r.high_frequency) return f;
    const double u = (turns - r.low_frequency) / (r.high_frequency - r.low_frequency);
    return (1 - u) * f / r.factor + u * f;
}

std::vector<double> rope_frequencies(const Config& c) {
    const int D = c.rope_size();
    std::vector<double> frequencies;
    for (int i = 0; i < D / 2; ++i) {
        double f = exact::pow(c.rope_theta, -double(2 * i) / D);
        if (c.rope.kind == RopeScaling::linear) f /= c.rope.factor;
        if (c.rope.kind == RopeScaling::llama3) f = llama3_frequency(f, c.rope);
        if (c.rope.kind == RopeScaling::yarn) f = yarn_frequency(f, i, c);
        frequencies.push_back(f);
    }
    return frequencies;
}

static double yarn_m(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * exact::log(factor) + 1; }

double rope_amplitude(const Config& c) {
    const RopeScaling& r = c.rope;
    if (r.kind != RopeScaling::yarn) return 1;
    if (r.attention_factor > 0) return r.attention_factor;
    if (r.mscale > 0 && r.mscale_all_dim > 0) return yarn_m(r.factor, r.mscale) / yarn_m(r.factor, r.mscale_all_dim);
    return yarn_m(r.factor, 1);
}

double rope_score_scale(const Config& c) {
    if (!c.latent() || c.rope.kind != RopeScaling::yarn || c.rope.mscale_all_dim <= 0) return 1;
    const double m = yarn_m(c.rope.factor, c.rope.mscale_all_dim);
    return m * m;
}

std::vector<float> rope_angles(const Config& c, int positions) {
    const int D = c.rope_size();
    const double amplitude = rope_amplitude(c);
    const std::vector<double> frequencies = rope_frequencies(c);
    std::vector<float> angles(size_t(positions) * D);
    for (int t = 0; t < positions; ++t)
        for (int i = 0; i < D; i += 2) {
            double sine, cosine;
            exact::sincos(t * frequencies[i / 2], sine, cosine);
            angles[size_t(t) * D + i] = float(amplitude * cosine), angles[size_t(t) * D + i + 1] = float(amplitude * sine);
        }
    return angles;
}

}  // namespace r1
