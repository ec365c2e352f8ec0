// Rewards for how long and how repetitive a response is: small pure functions, added to what the answer earned.
// Every length is in tokens. The options are to be checked once, by check(); it throws UsageError for nonsense. DAPO's
// soft overlong punishment is one of GRPO's own terms: overlong_penalty in src/loss/grpo.h.
#pragma once
#include <span>

namespace r1 {

// ---- cosine reward [Yeo eq 1]: Yeo et al. 2025, Demystifying Long Chain-of-Thought, section 4.2
//
//   CosFn(t, T, eta_min, eta_max) = eta_min + 1/2 (eta_max - eta_min) (1 + cos(pi t / T))
//
// is eta_max at t = 0 and eta_min at t = T. The paper's R = CosFn(length, limit, r0, rL) would therefore pay rL at
// length 0, against its own list of symbols (r0 is "for Lgen = 0") and its own code, which hands over the two the
// other way round. Here, as in that code:
//
//   length >= limit        exceeded
//   correct                CosFn(length, limit, rL, r0) with r0 = right_short, rL = right_long
//   not correct            the same with wrong_short, wrong_long
//
// The defaults are the paper's: a right answer had better be short, a wrong one had better be thought over at length.
//
//   length      0      3584     7168     10752    14335    14336
//   correct     2      1.854    1.5      1.146    1.000    -10
//   wrong       -10    -8.536   -5       -1.464   -0.000   -10
//
// The end values right_long and wrong_long are approached and never paid. The paper's code draws the limit 16 tokens
// earlier. Open-R1 pays 1 to 0.5 and -1 to -0.5, counts characters, and has no `exceeded`: beyond its limit the
// cosine turns round, and at twice the limit a right answer earns 1 again.
struct CosineReward {
    int limit = 14336;
    double right_short = 2, right_long = 1, wrong_short = -10, wrong_long = 0, exceeded = -10;
};

void check(const CosineReward& options);
double cosine_reward(bool correct, int length, const CosineReward& options);

// ---- repetition penalty [the code of Yeo et al. 2025; Open-R1's and TRL's get_repetition_penalty_reward]
//
//   -most * (1 - different n-grams / all n-grams)
//
// With n = 2 and most = 1, one letter for each token:
//
//   a b c d        0        3 of 3 are different
//   a b a b        -1/3     ab, ba, ab: 2 of 3
//   a a a a a      -3/4     aa four times: 1 of 4; -most itself is never reached
//   a              0        no n-gram at all
//
// Those two count words in small letters, not tokens, and write the penalty as a negative number; Yeo et al. charge it
// to wrong answers alone. Algorithm 1 of the paper is another one: it charges each repeated token by itself, which
// needs a reward for each token.
struct Repetition {
    int n = 3;
    double most = 1;
};

void check(const Repetition& options);
double repetition_reward(std::span<const int> tokens, const Repetition& options);

// Exact, without hashing: O(length log(length) log(n)).
int different_ngrams(std::span<const int> tokens, int n);

}  // namespace r1
