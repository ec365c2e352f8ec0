// GRPO's objective and AdamW's update once more, as the papers write them. T as in model.h.
#pragma once
#include <cmath>
#include <complex>

namespace r1::reference {

// min[ r A, clip(r, 1 - low, 1 + high) A ] - beta (e^d - d - 1),  d = log pi_ref - log pi     [DSM eq 3, 4]
template <class T>
T grpo_objective(const T& logp, double logp_old, double logp_ref, double A, double low, double high, double beta) {
    const T r = std::exp(logp - logp_old), d = logp_ref - logp;
    const T clipped = std::real(r) < 1 - low ? T(1 - low) : std::real(r) > 1 + high ? T(1 + high) : r;
    return (std::real(r * A) <= std::real(clipped * A) ? r * A : clipped * A) - beta * (std::exp(d) - d - 1.0);
}

// Update t = 1, 2, ... of one weight                                      [Loshchilov and Hutter 2019, algorithm 2]
template <class T>
void adamw(T& w, T& m, T& v, T g, int t, T lr, T beta1, T beta2, T epsilon, T decay) {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const T m_hat = m / (1 - std::pow(beta1, t)), v_hat = v / (1 - std::pow(beta2, t));
    w -= lr * (m_hat / (std::sqrt(v_hat) + epsilon) + decay * w);
}

// -log sigmoid(z): of a pair z = s_chosen - s_rejected [Bradley and Terry 1952], of a label z = s or -s
template <class T>
T logistic_loss(const T& z) {
    return std::log(1.0 + std::exp(-z));
}

}  // namespace r1::reference
