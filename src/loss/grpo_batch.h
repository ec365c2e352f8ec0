// GRPO on a batch: rewards and log-probabilities go in; advantages, terms, weights, gradients and sums come out. This
// is the only place that puts the formulas of grpo.h together. The trainer, `r1 audit` and every test call it.
//
//   1  grpo_advantages   before an update: rewards -> the advantage of every token, and which answers are in the loss
//   2  grpo_count        before an update: N and L of a minibatch, the answers and tokens that weigh its tokens
//   3  grpo_terms        in an update: the log-probabilities of one answer -> its terms, its sums and dloss/dlogp
//
// A trainer calls 1 once a rollout, 2 once an update, and 3 for each answer as its log-probabilities come. grpo_batch()
// is all three over a whole batch.
//
//   loss = -J = sum over answers of (policy_loss + kl_loss), divided by the number of updates
//   policy_loss = -weight sum_t policy_t,   kl_loss = weight beta sum_t D_t                             [DSM eq 3]
//
// T is float in training, double in the audit, complex in proofs.
#pragma once
#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "loss/grpo.h"

namespace r1 {

// ---- what goes in

template <class T>
struct GrpoAnswer {  // n tokens
    double reward = 0;
    std::vector<std::pair<int, double>> steps;  // process supervision: (last token of a step, its reward)
    bool truncated = false;
    bool ungraded = false;        // nobody could judge it: no part of its group's mean and spread, nor of the loss
    std::vector<T> logp;          // (n) of the policy that is trained; grpo_terms needs it
    std::vector<T> logp_old;      // (n)
    std::vector<T> logp_ref;      // (n), or empty: there is no reference
    std::vector<T> logp_sampler;  // (n), or empty: the sampler is the policy of logp_old
    double N = 0, L = 0;          // of its minibatch; N = 0: not known, grpo_count counts them
    int length() const { return int(logp_old.size()); }
};

template <class T>
struct GrpoGroup {  // the answers to one question
    std::vector<GrpoAnswer<T>> answers;
    bool by_steps() const {  // process supervision
        return std::any_of(answers.begin(), answers.end(), [](const GrpoAnswer<T>& a) { return !a.steps.empty(); });
    }
};

template <class T>
struct GrpoBatch {
    std::vector<GrpoGroup<T>> groups;
    // Of a part of a larger batch:
    int updates = 1;        // the losses are means over them
    double deviation = -1;  // of all its rewards, for SpreadOver::batch; -1: of these
};

// ---- what comes out

// Sums over tokens of floats are made in double.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

template <class T>
struct GrpoSums {  // over tokens that are in the loss
    Wide<T> policy = 0, kl = 0, ratio = 0;
    Wide<T> policy_loss = 0, kl_loss = 0;  // weighted
    int tokens = 0, clipped_low = 0, clipped_high = 0;
    void add(const GrpoSums& other) {
        policy += other.policy;
        kl += other.kl;
        ratio += other.ratio;
        policy_loss += other.policy_loss;
        kl_loss += other.kl_loss;
        tokens += other.tokens;
        clipped_low += other.clipped_low;
        clipped_high += other.clipped_high;
    }
};

template <class T>
struct GrpoAnswerResult {
    T reward = 0;                     // with penalties of length and of KL
    bool counts = true;               // is in the loss: not masked, not in a skipped group
    T advantage = 0;                  // A_i (of the first token under process supervision)
    std::vector<T> A;                 // (n) of each token
    double N = 0, L = 0;              // that weigh its tokens
    double weight = 0;                // of each token
    std::vector<TokenTerm<T>> terms;  // (n)
    std::vector<T> dlogp;             // (n) dloss/dlogp
    GrpoSums<T> sums;
};

template <class T>
struct GrpoGroupResult {
    T mean = 0, deviation = 0;  // of what is normalised: rewards, or the steps' rewards
    bool flat = false;          // all of them are equal
    std::vector<GrpoAnswerResult<T>> answers;
};

template <class T>
struct GrpoResult {
    std::vector<GrpoGroupResult<T>> groups;
    T deviation = 0;      // of all rewards of the batch
    double N = 0, L = 0;  // answers and tokens of the batch that count
    GrpoSums<T> sums;
    Wide<T> policy_loss = 0, kl_loss = 0, loss = 0;
};

// ---- 1: advantages, once a rollout

template <class T>
T grpo_reward(const GrpoAnswer<T>& a, const GrpoMath& math) {
    const T* const logp_ref = a.logp_ref.empty() ? nullptr : a.logp_ref.data();
    return shaped_reward(T(a.reward), a.logp_old.data(), logp_ref, a.length(), math);
}

// What a group normalises: the rewards of its answers, or of all their steps.
template <class T>
std::vector<T> normalised_values(const GrpoGroup<T>& group, const GrpoMath& math) {
    std::vector<T> values;
    for (const GrpoAnswer<T>& a : group.answers) {
        if (a.ungraded) continue;
        if (!group.by_steps()) values.push_back(grpo_reward(a, math));
        for (const auto& step : a.steps) values.push_back(T(step.second));
    }
    return values;
}

// A group's answers, from the advantages of its values.
template <class T>
void spread_advantages(GrpoGroupResult<T>& out, const GrpoGroup<T>& group, const std::vector<T>& A,
                       const GrpoMath& math) {
    const bool by_steps = group.by_steps(), skipped = out.flat && math.flat_groups != FlatGroups::keep;
    size_t next = 0;
    for (const GrpoAnswer<T>& answer : group.answers) {
        GrpoAnswerResult<T>& a = out.answers.emplace_back();
        a.counts = !skipped && !answer.ungraded && !(answer.truncated && math.truncated == Truncated::mask);
        a.reward = by_steps ? T(answer.reward) : grpo_reward(answer, math);
        a.A.assign(size_t(answer.length()), by_steps || answer.ungraded ? T(0) : A[next]);
        if (answer.ungraded) continue;
        if (!by_steps) a.advantage = A[next++];
        for (const auto& step : answer.steps) {  // a token is worth the steps that end with it or after it
            for (int t = 0; t <= step.first; ++t) a.A[t] += A[next];
            a.advantage = a.A[0];
            ++next;
        }
    }
}

template <class T>
GrpoResult<T> grpo_advantages(const GrpoBatch<T>& batch, const GrpoMath& math) {
    GrpoResult<T> out;
    std::vector<std::vector<T>> values;  // by group
    std::vector<T> all;
    for (const GrpoGroup<T>& group : batch.groups) {
        values.push_back(normalised_values(group, math));
        all.insert(all.end(), values.back().begin(), values.back().end());
    }
    out.deviation = batch.deviation >= 0 ? T(batch.deviation) : deviation(all.data(), int(all.size()), math);
    for (size_t g = 0; g < batch.groups.size(); ++g) {
        GrpoGroupResult<T>& group = out.groups.emplace_back();
        const int n = int(values[g].size());
        std::vector<T> A(values[g].size());
        advantages(A.data(), values[g].data(), n, math, out.deviation);
        for (const T& value : values[g]) group.mean += value / T(n);
        group.flat = flat(values[g].data(), n);
        group.deviation = math.spread_over == SpreadOver::batch ? out.deviation : deviation(values[g].data(), n, math);
        spread_advantages(group, batch.groups[g], A, math);
    }
    return out;
}

// ---- 2: counts, once an update

struct AnswerIndex {
    int group, answer;
};

// Sets N, L and the weight of the answers of a minibatch: N answers with L tokens in all that are in the loss.
template <class T>
void grpo_count(GrpoResult<T>& result, const GrpoBatch<T>& batch, const std::vector<AnswerIndex>& minibatch,
                const GrpoMath& math) {
    double N = 0, L = 0;
    for (const auto& [g, i] : minibatch) {
        if (!result.groups[g].answers[i].counts) continue;
        N += 1;
        L += batch.groups[g].answers[i].length();
    }
    for (const auto& [g, i] : minibatch) {
        const GrpoAnswer<T>& answer = batch.groups[g].answers[i];
        GrpoAnswerResult<T>& a = result.groups[g].answers[i];
        a.N = answer.N > 0 ? answer.N : N;
        a.L = answer.N > 0 ? answer.L : L;
        a.weight = a.counts && answer.length() > 0 ? token_weight(answer.length(), a.N, a.L, math) : 0;
    }
}

// ---- 3: terms, once an answer

// Sets terms, dlogp and sums of one answer.
template <class T>
void grpo_terms(GrpoAnswerResult<T>& out, const GrpoAnswer<T>& answer, const GrpoMath& math) {
    const auto or_none = [](const std::vector<T>& v) { return v.empty() ? nullptr : v.data(); };
    const int n = answer.length();
    out.terms.resize(size_t(n));
    out.dlogp.assign(size_t(n), T(0));
    out.sums = {};
    answer_terms(out.terms.data(),
                 {answer.logp.data(), answer.logp_old.data(), or_none(answer.logp_ref), or_none(answer.logp_sampler),
                  out.A.data(), n},
                 math);
    if (!out.counts) return;
    GrpoSums<T>& s = out.sums;
    for (int t = 0; t < n; ++t) {
        const TokenTerm<T>& term = out.terms[t];
        out.dlogp[t] = T(0) - T(out.weight) * term.slope;  // and never -0
        s.policy += term.policy;
        s.kl += term.kl;
        s.ratio += term.ratio;
        s.clipped_low += term.clipped < 0;
        s.clipped_high += term.clipped > 0;
    }
    s.tokens = n;
    s.policy_loss = Wide<T>(0) - Wide<T>(out.weight) * s.policy;
    if (math.kl_in == KlIn::loss)
        s.kl_loss = Wide<T>(out.weight) * Wide<T>(T(math.beta)) * s.kl;  // beta as the slope has it
}

// ---- all three over a whole batch

template <class T>
GrpoResult<T> grpo_batch(const GrpoBatch<T>& batch, const GrpoMath& math) {
    GrpoResult<T> out = grpo_advantages(batch, math);
    std::vector<AnswerIndex> all;
    for (int g = 0; g < int(batch.groups.size()); ++g)
        for (int i = 0; i < int(batch.groups[g].answers.size()); ++i) all.push_back({g, i});
    grpo_count(out, batch, all, math);
    for (const auto& [g, i] : all) {
        GrpoAnswerResult<T>& a = out.groups[g].answers[i];
        grpo_terms(a, batch.groups[g].answers[i], math);
        out.sums.add(a.sums);
        if (!a.counts) continue;
        out.N += 1;
        out.L += batch.groups[g].answers[i].length();
    }
    out.policy_loss = out.sums.policy_loss / Wide<T>(batch.updates);
    out.kl_loss = out.sums.kl_loss / Wide<T>(batch.updates);
    out.loss = out.policy_loss + out.kl_loss;
    return out;
}

// The same numbers in another precision.
template <class To, class From>
GrpoBatch<To> converted(const GrpoBatch<From>& batch) {
    const auto as = [](const std::vector<From>& v) { return std::vector<To>(v.begin(), v.end()); };
    GrpoBatch<To> out;
    out.updates = batch.updates;
    out.deviation = batch.deviation;
    for (const GrpoGroup<From>& group : batch.groups) {
        GrpoGroup<To>& g = out.groups.emplace_back();
        for (const GrpoAnswer<From>& from : group.answers) {
            GrpoAnswer<To>& a = g.answers.emplace_back();
            a.reward = from.reward;
            a.steps = from.steps;
            a.truncated = from.truncated;
            a.ungraded = from.ungraded;
            a.logp = as(from.logp);
            a.logp_old = as(from.logp_old);
            a.logp_ref = as(from.logp_ref);
            a.logp_sampler = as(from.logp_sampler);
            a.N = from.N;
            a.L = from.L;
        }
    }
    return out;
}

}  // namespace r1
