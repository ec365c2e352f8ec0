// Rotary position embeddings: the angles by which queries and keys turn, and how they are stretched for long contexts.
//
//   angle(t, i) = t f_i,   f_i = theta^(-2i / D)                                      [Su et al. 2021, eq 15]
//   linear      f_i / s
//   llama3      with the wave length l_i = 2 pi / f_i and the original context L:
//               f_i / s where l_i > L / low;  f_i where l_i < L / high;  between them (1 - u) f_i / s + u f_i,
//               u = (L / l_i - low) / (high - low)                                    [Llama 3.1, its reference code]
//   yarn        f_i (1 - r_i) + f_i / s r_i,  r_i = clamp((i - a) / (b - a), 0, 1),   [Peng et al. 2023, YaRN]
//               a = floor(dim(beta_fast)), b = ceil(dim(beta_slow)), dim(n) = D ln(L / 2 pi n) / (2 ln theta)
//               and cosines and sines are multiplied by m(mscale) / m(mscale_all_dim), m(x) = 0.1 x ln s + 1, or by
//               0.1 ln s + 1 if those are not given; DeepSeek multiplies the scores by m(mscale_all_dim)^2.
// s is the factor. V3's numbers: s 40, L 4096, beta 32 and 1, theta 10000, D 64  =>  a 10, b 23, m^2 1.87385.
#pragma once
#include <vector>

#include "model/config.h"

namespace r1 {

std::vector<double> rope_frequencies(const Config& config);        // (D / 2)
double rope_amplitude(const Config& config);                       // of cosines and sines
double rope_score_scale(const Config& config);                     // of the attention scores, beside 1 / sqrt(D_k)

// (positions, D / 2, {cos, sin})
std::vector<float> rope_angles(const Config& config, int positions);

}  // namespace r1
