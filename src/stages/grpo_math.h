// What GRPO computes, in full: the advantages of a group, and the term of a token. The trainer and the tests call
// these functions and no others. T is float in training; double or complex in proofs.
//
//   J = E 1/G sum_i 1/|o_i| sum_t { min[ r A_i, clip(r, 1 - e_low, 1 + e_high) A_i ] - beta D_KL }      [DSM eq 3]
//   r = pi(o_t | q, o_<t) / pi_old(o_t | q, o_<t)
//   D_KL = pi_ref / pi - log(pi_ref / pi) - 1, on the sampled token                                     [DSM eq 4]
//   A_i = (r_i - mean(r)) / std(r), over the G answers to one question                  [DSM section 4.1.2, R1 eq 3]
#pragma once
#include <cmath>

#include "base/exact.h"

namespace r1 {

// Choices where the papers are silent or differ; each is an option of `r1 grpo`.
//   1  std: of the sample (divides by G - 1, as TRL, verl and oat do), of the population, or none [Dr. GRPO].
//   2  std + 1e-4 in the denominator (TRL); a group without spread then has A = 0 exactly.
//   3  |log ratio| and |log pi_ref / pi| are cut at 30, so that nothing overflows; no honest token is there.
//   4  the weight of a token: 1/|o_i| then the mean over answers [DSM eq 3]; one over all tokens [DAPO eq 8]; one over
//      a constant budget [Dr. GRPO].
enum class Spread { sample, population, none };
enum class Aggregation { sequence_mean, token_mean, constant };

struct GrpoMath {
    Spread spread = Spread::sample;
    float spread_epsilon = 1e-4f;
    float epsilon_low = 0.2f, epsilon_high = 0.2f;
    float beta = 0.001f;
    Aggregation aggregation = Aggregation::sequence_mean;
    int budget = 384;                          // tokens, for Aggregation::constant
};

// A[i] of a group of G rewards.  {1, 0, 0, 0}, sample: std = 0.5, A = {1.4997, -0.4999, -0.4999, -0.4999}.
template <class T>
void advantages(T* A, const T* reward, int G, const GrpoMath& math) {
    T mean = 0, square = 0;
    for (int i = 0; i < G; ++i) mean += reward[i];
    mean /= T(G);
    for (int i = 0; i < G; ++i) square += (reward[i] - mean) * (reward[i] - mean);
    bool spread = false;                       // equal rewards: exactly nothing, whatever the mean rounds to
    for (int i = 1; i < G; ++i) spread |= reward[i] != reward[0];
    const int n = math.spread == Spread::sample ? G - 1 : G;
    T scale = 1;
    if (math.spread != Spread::none && spread) {
        using std::sqrt;
        scale = T(1) / (sqrt(square / T(n)) + T(math.spread_epsilon));
    }
    for (int i = 0; i < G; ++i) A[i] = spread ? (reward[i] - mean) * scale : T(0);
}

template <class T>
struct TokenTerm {
    T policy, kl;                              // min[...] and D_KL
    T slope;                                   // d (policy - beta kl) / d log pi
    T ratio;
    int clipped;                               // -1: held at the lower edge, +1: at the upper, 0: not
};

// exp that is ours for float (training), the library's elsewhere (proofs).
DEVICE static inline float grpo_exp(float x) { return exact::exp(x); }
static inline double grpo_exp(double x) { return std::exp(x); }

template <class T>
DEVICE TokenTerm<T> token_term(T logp, T logp_old, T logp_ref, T A, const GrpoMath& math) {
    const auto cut = [](T x) { return x > T(30) ? T(30) : x < T(-30) ? T(-30) : x; };
    TokenTerm<T> term;
    term.ratio = grpo_exp(cut(logp - logp_old));
    const T low = T(1) - T(math.epsilon_low), high = T(1) + T(math.epsilon_high);
    // The minimum takes the clipped branch, whose slope is 0, where the ratio has left the interval on the side that
    // the advantage drives it to.
    term.clipped = A > T(0) && term.ratio > high ? 1 : A < T(0) && term.ratio < low ? -1 : 0;
    term.policy = (term.clipped > 0 ? high : term.clipped < 0 ? low : term.ratio) * A;
    const T d = cut(logp_ref - logp), e = grpo_exp(d);
    term.kl = (e - T(1)) - d;
    // d r A / d logp = r A;   d D_KL / d logp = 1 - e^d                                               [DSM eq 20]
    term.slope = (term.clipped ? T(0) : term.ratio * A) + T(math.beta) * (e - T(1));
    return term;
}

}  // namespace r1
