// The losses of reward models. T is double in training, complex in proofs.
//
//   pairs   P(a is preferred to b) = sigmoid(s_a - s_b)                            [Bradley and Terry 1952]
//           loss = -log sigmoid(s_chosen - s_rejected)                             [Ouyang et al. 2022, eq 1]
//   labels  P(safe) = sigmoid(s);  loss = -log sigmoid(s) if safe, -log sigmoid(-s) if not
//
// Both are the logistic loss of a margin z. R1 trains its helpful reward model on pairs and its safety reward model on
// labels, and prints neither loss [NATURE Methods].
#pragma once
#include "loss/grpo.h"

namespace r1 {

static inline double preference_log(double x) { return exact::log(x); }
static inline std::complex<double> preference_log(std::complex<double> x) { return std::log(x); }
static inline double preference_exp(double x) { return exact::exp(x); }
static inline std::complex<double> preference_exp(std::complex<double> x) { return std::exp(x); }

// -log sigmoid(z) = log(1 + e^-z), finite for every z.
template <class T>
T logistic_loss(T z) {
    const bool negative = real_part(z) < 0;
    const T away = negative ? z : -z;  // its real part is at most 0
    const T tail = preference_log(T(1) + preference_exp(away));
    return negative ? tail - z : tail;
}

// Its slope d loss / dz = -sigmoid(-z).
template <class T>
T logistic_slope(T z) {
    if (real_part(z) < 0) return T(-1) / (T(1) + preference_exp(z));
    const T e = preference_exp(-z);
    return -e / (T(1) + e);
}

template <class T>
T sigmoid_of(T z) {
    return T(1) + logistic_slope(z);
}

}  // namespace r1
