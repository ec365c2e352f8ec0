// What GRPO computes, in full, and the variants that trainers use: the advantages of a group, the term of a token, its
// slope, its weight. The trainer on every device, `r1 audit` and the tests call these functions and no others. T is
// float in training, double in the audit, complex in proofs (whose imaginary part is a derivative).
//
//   J = E 1/G sum_i 1/|o_i| sum_t { min[ r A_i, clip(r, 1 - e_low, 1 + e_high) A_i ] - beta D_KL }      [DSM eq 3]
//   r = pi(o_t | q, o_<t) / pi_old(o_t | q, o_<t)
//   D_KL = pi_ref / pi - log(pi_ref / pi) - 1, on the sampled token                                     [DSM eq 4]
//   A_i = (r_i - mean(r)) / std(r), over the G answers to one question                  [DSM section 4.1.2, R1 eq 3]
//
// Every choice that papers and codebases make differently is one option below, defined by its formula; options are
// orthogonal, and `presets` (grpo_options.h) names the combinations that others use.
#pragma once
#include <cmath>
#include <complex>

#include "base/exact.h"

namespace r1 {

// ---- choices

// Advantage. r_1 ... r_n are a group's rewards, m their mean.
enum class Baseline {
    mean,           // r_i - m                                                                [DSM section 4.1.2]
    leave_one_out,  // r_i - mean of the others = n / (n - 1) (r_i - m)                       [RLOO]
};
enum class Spread {
    sample,      // / std, std^2 = sum (r - m)^2 / (n - 1): TRL, verl, oat
    population,  // / std, std^2 = sum (r - m)^2 / n
    none,        // / 1                                                                    [Dr. GRPO]
};
enum class SpreadOver { group, batch };        // std of the group, or of all rewards of the batch [Lite PPO]
enum class SpreadEpsilon { outside, inside };  // std + epsilon, or sqrt(std^2 + epsilon)

// Ratio s_t that the policy term of token t sees, from r_t = pi / pi_old of the single tokens.
enum class Ratio {
    token,     // r_t                                                                    [DSM eq 3]
    sequence,  // (prod_u r_u)^(1 / |o|)                                                 [GSPO]
    whole,     // prod_u r_u                                                             [R1 eq 1, as printed]
};
// Policy term of token t, from s = s_t and A = A_t.
enum class Objective {
    clip,             // min(s A, clip(s, 1 - e_low, 1 + e_high) A)                           [DSM eq 3, DAPO eq 8]
    two_sided,        // min(min(s, delta) A, clip(s) A)                                      [INTELLECT-2]
    dual_clip,        // clip; but at least c A where A < 0                                   [Ye et al. 2020, verl]
    cispo,            // clip(s) A log pi, clip(s) held constant                              [MiniMax-M1]
    sapo,             // 4 / tau sigmoid(tau (s - 1)) A, tau by the sign of A                 [SAPO]
    policy_gradient,  // A log pi                                                             [REINFORCE]
};
// Weight of each token of answer i of N answers with L tokens in all.
enum class Aggregation {
    sequence_mean,  // 1 / (N |o_i|)                                                          [DSM eq 3]
    token_mean,     // 1 / L                                                                  [DAPO eq 8]
    constant,       // 1 / (N budget)                                                         [Dr. GRPO]
    sequence_sum,   // 1 / N
};
// Estimate of KL(pi || pi_ref) on the sampled token, d = log pi_ref - log pi.
enum class Kl {
    none,
    k1,            // -d
    k2,            // d^2 / 2
    k3,            // e^d - d - 1                                                            [DSM eq 4]
    k3_corrected,  // r_t (e^d - d - 1), unbiased off-policy too                             [DeepSeek-V3.2]
};
enum class KlIn { loss, reward };     // - beta D in J, or beta sum_t D_t(pi_old) off the answer's reward
enum class KlOver { token, answer };  // d of the token, or summed over the answer [R1 eq 2, as printed]
// Weight of the policy term where the sampler's numbers are not the trainer's: from w = pi_old / pi_sampler.
enum class Mismatch {
    none,               // 1
    token_truncate,     // min(w_t, cap)                                                      [TIS]
    token_mask,         // w_t, and 0 outside [floor, cap]                                    [IcePop]
    sequence_truncate,  // min(prod_u w_u, cap)
    sequence_mask,      // prod_u w_u, and 0 outside [floor, cap]
};
enum class FlatGroups { keep, skip, resample };  // groups whose rewards are equal: A = 0, but their KL counts if kept
enum class Truncated { keep, mask };             // answers cut off: kept, or out of the loss [DAPO's filter]

struct GrpoMath {
    Baseline baseline = Baseline::mean;
    Spread spread = Spread::sample;
    SpreadOver spread_over = SpreadOver::group;
    SpreadEpsilon spread_epsilon_place = SpreadEpsilon::outside;
    double spread_epsilon = 1e-4;
    Ratio ratio = Ratio::token;
    Objective objective = Objective::clip;
    double epsilon_low = 0.2, epsilon_high = 0.2;
    double delta = 4;                              // of two_sided
    double dual_clip = 3;                          // c of dual_clip
    double tau_positive = 1, tau_negative = 1.05;  // of sapo
    Aggregation aggregation = Aggregation::sequence_mean;
    int budget = 384;  // tokens, of Aggregation::constant
    Kl kl = Kl::k3;
    KlIn kl_in = KlIn::loss;
    KlOver kl_over = KlOver::token;
    double beta = 0.001;
    FlatGroups flat_groups = FlatGroups::keep;
    Truncated truncated = Truncated::keep;
    int overlong_limit = 0, overlong_cache = 0;  // tokens, of the soft penalty [DAPO eq 13]; limit 0: none
    Mismatch mismatch = Mismatch::none;
    double mismatch_floor = 0, mismatch_cap = 2;
};

// Whether KL to the reference is part of what is maximised; otherwise no reference is needed.
inline bool needs_reference(const GrpoMath& math) { return math.kl != Kl::none && math.beta != 0; }

// ---- numbers

// What decides a branch, and exp: ours for float (training), the library's elsewhere.
DEVICE static inline float real_part(float x) { return x; }
static inline double real_part(double x) { return x; }
static inline double real_part(std::complex<double> x) { return x.real(); }
DEVICE static inline float grpo_exp(float x) { return exact::exp(x); }
static inline double grpo_exp(double x) { return std::exp(x); }
static inline std::complex<double> grpo_exp(std::complex<double> x) { return std::exp(x); }

// exp, its argument cut at +-30 so that nothing overflows: no honest ratio of a token is there, that of a whole answer
// may be. Beyond the cut a value's slope is that at the cut.
constexpr int EXP_CUT = 30;
template <class T>
DEVICE T cut_exp(T x) {
    return grpo_exp(real_part(x) > EXP_CUT ? T(EXP_CUT) : real_part(x) < -EXP_CUT ? T(-EXP_CUT) : x);
}

// ---- advantages

// Deviation of n values as `spread` defines it. n = 1 has none.
template <class T>
T deviation(const T* value, int n, const GrpoMath& math) {
    if (n == 0) return T(0);
    T mean = 0, square = 0;
    for (int i = 0; i < n; ++i) mean += value[i];
    mean /= T(n);
    for (int i = 0; i < n; ++i) square += (value[i] - mean) * (value[i] - mean);
    const int divisor = math.spread == Spread::sample ? n - 1 : n;
    if (divisor < 1) return T(0);
    using std::sqrt;
    return math.spread_epsilon_place == SpreadEpsilon::inside ? sqrt(square / T(divisor) + T(math.spread_epsilon))
                                                              : sqrt(square / T(divisor)) + T(math.spread_epsilon);
}

// All equal: such a group says nothing, exactly, whatever its mean rounds to.
template <class T>
bool flat(const T* value, int n) {
    for (int i = 1; i < n; ++i)
        if (value[i] != value[0]) return false;
    return true;
}

// A[i] of a group of n rewards (or, under process supervision, of all its steps' rewards [DSM section 4.1.3]).
// `of_batch`: deviation() of all rewards of the batch, for SpreadOver::batch.
//   {1, 0, 0, 0}, sample: std = 0.5, A = {1.4997, -0.4999, -0.4999, -0.4999}.
template <class T>
void advantages(T* A, const T* reward, int n, const GrpoMath& math, T of_batch = T(0)) {
    T mean = 0;
    for (int i = 0; i < n; ++i) mean += reward[i];
    mean /= T(n);
    const bool says_nothing = flat(reward, n);
    T scale = 1;
    if (math.spread != Spread::none && !says_nothing) {
        const T std = math.spread_over == SpreadOver::batch ? of_batch : deviation(reward, n, math);
        scale = real_part(std) > 0 ? T(1) / std : T(0);  // 0: rewards so close that their squares vanish
    }
    if (math.baseline == Baseline::leave_one_out && n > 1) scale = scale * (T(n) / T(n - 1));
    for (int i = 0; i < n; ++i) A[i] = says_nothing ? T(0) : (reward[i] - mean) * scale;
}

// Added to the reward of an answer of `length` tokens: 0 up to limit - cache, then down to -1 at the limit [DAPO eq
// 13].
template <class T>
T overlong_penalty(int length, const GrpoMath& math) {
    const int free = math.overlong_limit - math.overlong_cache;
    if (math.overlong_limit <= 0 || length <= free) return T(0);
    if (length > math.overlong_limit || math.overlong_cache <= 0) return T(-1);
    return T(free - length) / T(math.overlong_cache);
}

// ---- the terms of an answer

template <class T>
struct TokenTerm {
    T ratio;      // s
    T mismatch;   // weight of the policy term
    T policy;     // its value, weighted
    T kl;         // D
    T slope;      // d sum_u (policy_u - beta D_u) / d log pi of this token
    int clipped;  // -1: held at the lower edge, +1: at an upper one, 0: its slope lives
};

template <class T>
struct AnswerTokens {  // n tokens each
    const T *logp, *logp_old;
    const T* logp_ref;      // nullptr: no reference, and every D is 0
    const T* logp_sampler;  // nullptr: the sampler is the policy of logp_old, and every weight is 1
    const T* A;
    int n;
};

// The policy term of a token at ratio s: its value, and its derivatives by log s and, directly, by log pi.
template <class T>
struct PolicyTerm {
    T value, by_ratio, by_logp;
    int clipped;
};

template <class T>
DEVICE PolicyTerm<T> policy_term(T s, T A, T logp, const GrpoMath& math) {
    const T low = T(1) - T(math.epsilon_low), zero = T(0);
    T high = T(1) + T(math.epsilon_high);
    const auto a = real_part(A), x = real_part(s);
    const bool two_sided = math.objective == Objective::two_sided;
    if (two_sided && a > 0 && math.delta < real_part(high)) high = T(math.delta);
    // The minimum takes the clipped branch, whose slope is 0, where the ratio has left the interval on the side that
    // the advantage drives it to.
    const int clipped = a > 0 && x > real_part(high) ? 1 : a < 0 && x < real_part(low) ? -1 : 0;
    PolicyTerm<T> p = {(clipped > 0 ? high : clipped < 0 ? low : s) * A, clipped ? zero : s * A, zero, clipped};
    const T cap = two_sided && math.delta > real_part(high) ? T(math.delta) : high;
    if (two_sided && a < 0 && x > real_part(cap)) return {cap * A, zero, zero, 1};
    if (math.objective == Objective::dual_clip && a < 0 && x > math.dual_clip)
        return {T(math.dual_clip) * A, zero, zero, 1};
    if (math.objective == Objective::cispo) {
        const int side = x > real_part(high) ? 1 : x < real_part(low) ? -1 : 0;
        const T held = side > 0 ? high : side < 0 ? low : T(real_part(s));  // no derivative passes through it
        return {held * A * logp, zero, held * A, side};
    }
    if (math.objective == Objective::sapo) {
        const T tau = T(a > 0 ? math.tau_positive : math.tau_negative);
        const T gate = T(1) / (T(1) + grpo_exp(-tau * (s - T(1))));
        return {T(4) / tau * gate * A, T(4) * gate * (T(1) - gate) * s * A, zero, 0};
    }
    if (math.objective == Objective::policy_gradient) return {A * logp, zero, A, 0};
    return p;
}

// D, and its derivatives by log pi: through d, and through the token's own ratio.
template <class T>
struct KlTerm {
    T value, by_d, by_ratio;
};

template <class T>
DEVICE KlTerm<T> kl_term(T d, T ratio, const GrpoMath& math) {
    if (math.kl == Kl::none) return {T(0), T(0), T(0)};
    if (math.kl == Kl::k1) return {-d, T(1), T(0)};
    if (math.kl == Kl::k2) return {d * d / T(2), -d, T(0)};
    const T e = cut_exp(d), k3 = (e - T(1)) - d;  // d D / d log pi = 1 - e^d [DSM eq 20]
    if (math.kl == Kl::k3) return {k3, T(1) - e, T(0)};
    return {ratio * k3, ratio * (T(1) - e), ratio * k3};
}

// The weight of the policy term: log w of the token, or of the answer.
template <class T>
DEVICE T mismatch_weight(T log_w, const GrpoMath& math) {
    const T w = cut_exp(log_w);
    const bool truncates = math.mismatch == Mismatch::token_truncate || math.mismatch == Mismatch::sequence_truncate;
    if (real_part(w) > math.mismatch_cap) return truncates ? T(math.mismatch_cap) : T(0);
    return !truncates && real_part(w) < math.mismatch_floor ? T(0) : w;
}

// All terms of an answer. On policy the slope of a token is A + beta (pi_ref / pi - 1) [DSM eq 21].
template <class T>
DEVICE void answer_terms(TokenTerm<T>* term, const AnswerTokens<T>& o, const GrpoMath& math) {
    T log_ratio = 0, log_ref = 0, log_w = 0;  // of the whole answer
    for (int t = 0; t < o.n; ++t) {
        log_ratio += o.logp[t] - o.logp_old[t];
        if (o.logp_ref) log_ref += o.logp_ref[t] - o.logp[t];
        if (o.logp_sampler) log_w += o.logp_old[t] - o.logp_sampler[t];
    }
    const bool by_token = math.ratio == Ratio::token, kl_by_token = math.kl_over == KlOver::token;
    const bool weigh_tokens = math.mismatch == Mismatch::token_truncate || math.mismatch == Mismatch::token_mask;
    const bool kl_counts = math.kl_in == KlIn::loss;
    const T share = math.ratio == Ratio::sequence ? T(1) / T(o.n) : T(1);  // d log s / d log pi of one token
    const T beta = kl_counts ? T(math.beta) : T(0);
    T by_ratio = 0, by_kl = 0;  // what all tokens of the answer share
    for (int t = 0; t < o.n; ++t) {
        const T own = cut_exp(o.logp[t] - o.logp_old[t]);
        const T s = by_token ? own : cut_exp(log_ratio * share);
        const PolicyTerm<T> policy = policy_term(s, o.A[t], o.logp[t], math);
        const KlTerm<T> kl = !o.logp_ref ? KlTerm<T>{T(0), T(0), T(0)}
                                         : kl_term(kl_by_token ? o.logp_ref[t] - o.logp[t] : log_ref, own, math);
        const T w = math.mismatch == Mismatch::none || !o.logp_sampler
                        ? T(1)
                        : mismatch_weight(weigh_tokens ? o.logp_old[t] - o.logp_sampler[t] : log_w, math);
        term[t] = {s, w, w * policy.value, kl.value, w * policy.by_logp, policy.clipped};
        if (by_token) term[t].slope += w * policy.by_ratio;
        else by_ratio += w * policy.by_ratio;
        if (kl_by_token) term[t].slope -= beta * kl.by_d;
        else by_kl += beta * kl.by_d;
        if (math.kl == Kl::k3_corrected) term[t].slope -= beta * kl.by_ratio;
    }
    for (int t = 0; t < o.n && !(by_token && kl_by_token); ++t) term[t].slope += by_ratio * share - by_kl;
}

// The reward that GRPO maximises, of an answer of n tokens: with the penalty of length, and of KL where that is in the
// reward, there token by token and with the policy that sampled: a constant. logp_ref: nullptr where there is no
// reference.
template <class T>
T shaped_reward(T reward, const T* logp_old, const T* logp_ref, int n, const GrpoMath& math) {
    reward += overlong_penalty<T>(n, math);
    if (math.kl_in == KlIn::reward && logp_ref)
        for (int t = 0; t < n; ++t) reward -= T(math.beta) * kl_term(logp_ref[t] - logp_old[t], T(1), math).value;
    return reward;
}

// ---- the weight of a token

// Of an answer of n tokens, among N answers with L tokens in all that count.
DEVICE static inline double token_weight(int n, double N, double L, const GrpoMath& math) {
    return math.aggregation == Aggregation::sequence_mean ? 1.0 / (N * n)
           : math.aggregation == Aggregation::token_mean  ? 1.0 / L
           : math.aggregation == Aggregation::constant    ? 1.0 / (N * math.budget)
                                                          : 1.0 / N;
}

}  // namespace r1
