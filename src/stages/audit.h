// The audit: what GRPO computes on given numbers, term by term, in any precision, and where each number comes from.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "stages/grpo_options.h"

namespace r1 {

// One answer as it is audited: n = logp.size() tokens.
template <class T>
struct AuditAnswer {
    double reward = 0;
    std::vector<std::pair<int, double>> steps;   // process supervision: (last token of a step, its reward)
    bool truncated = false;
    std::vector<T> logp, logp_old, logp_ref;     // of n tokens
    std::vector<T> logp_sampler;                 // empty: the sampler is the trainer
    std::vector<std::string> tokens;             // texts; may be empty
    std::string name;                            // what it is called in print
    bool has_old = true, has_ref = true;         // else logp stands there
    double N = 0, L = 0;                         // answers and tokens of the minibatch it was in; 0: of this batch
    int length() const { return int(logp.size()); }
};

template <class T>
struct AuditGroup {
    std::string name;
    std::vector<AuditAnswer<T>> answers;
    bool by_steps() const {                      // process supervision
        for (const AuditAnswer<T>& a : answers)
            if (!a.steps.empty()) return true;
        return false;
    }
};

template <class T>
struct AuditBatch {
    std::vector<AuditGroup<T>> groups;
    double epsilon = -1, beta = -1;              // what the file sets, or -1
    // Of a part of a larger batch, whose losses are means over its updates:
    int updates = 1;
    double deviation = -1;                       // of all its rewards, for SpreadOver::batch; -1: of these
};

template <class T>
struct AuditedAnswer {
    T reward = 0;                                // with penalties of length and of KL
    bool counts = true;                          // not masked, not in a skipped group
    T advantage = 0;                             // A_i (of the first token under process supervision)
    std::vector<T> A;                            // of each token
    std::vector<TokenTerm<T>> terms;
    double weight = 0;                           // of each token
};

template <class T>
struct AuditedGroup {
    T mean = 0, deviation = 0;                   // of what is normalised: rewards, or the steps' rewards
    bool flat = false;
    std::vector<AuditedAnswer<T>> answers;
};

template <class T>
struct Audited {
    std::vector<AuditedGroup<T>> groups;
    double answers = 0, tokens = 0;              // that count: N and L
    T loss = 0, policy_loss = 0, kl_loss = 0;    // loss = policy_loss + kl_loss = -J
    double clip_low = 0, clip_high = 0, kl_mean = 0, ratio_mean = 0;  // means over tokens
    T gradient(int g, int i, int t) const {      // dloss / dlogp
        const AuditedAnswer<T>& a = groups[g].answers[i];
        return a.counts ? T(0) - T(a.weight) * a.terms[t].slope : T(0);  // and no -0
    }
};

// The whole computation of a batch. Nothing here decides anything: every formula stands in grpo_math.h.
template <class T>
Audited<T> audit(const AuditBatch<T>& batch, const GrpoMath& math) {
    Audited<T> out;
    std::vector<std::vector<T>> values;          // that are normalised, by group; of an answer or of its steps
    std::vector<T> all_values;
    for (const AuditGroup<T>& group : batch.groups) {
        AuditedGroup<T>& audited = out.groups.emplace_back();
        std::vector<T>& value = values.emplace_back();
        for (const AuditAnswer<T>& answer : group.answers) {
            AuditedAnswer<T>& a = audited.answers.emplace_back();
            a.counts = !(answer.truncated && math.truncated == Truncated::mask);
            a.reward = T(answer.reward);
            if (!group.by_steps())
                a.reward = shaped_reward(a.reward, answer.logp_old.data(), answer.logp_ref.data(), answer.length(), math);
            if (!group.by_steps()) value.push_back(a.reward);
            for (const auto& step : answer.steps) value.push_back(T(step.second));
        }
        all_values.insert(all_values.end(), value.begin(), value.end());
    }
    const T of_batch = batch.deviation >= 0 ? T(batch.deviation) : deviation(all_values.data(), int(all_values.size()), math);

    for (size_t g = 0; g < batch.groups.size(); ++g) {
        const AuditGroup<T>& group = batch.groups[g];
        AuditedGroup<T>& audited = out.groups[g];
        const std::vector<T>& value = values[g];
        const int n = int(value.size());
        std::vector<T> A(value.size());
        advantages(A.data(), value.data(), n, math, of_batch);
        for (const T& v : value) audited.mean += v / T(n);
        audited.flat = flat(value.data(), n);
        audited.deviation = math.spread_over == SpreadOver::batch ? of_batch : deviation(value.data(), n, math);
        size_t next = 0;
        for (size_t i = 0; i < group.answers.size(); ++i) {
            const AuditAnswer<T>& answer = group.answers[i];
            AuditedAnswer<T>& a = audited.answers[i];
            if (audited.flat && math.flat_groups != FlatGroups::keep) a.counts = false;
            a.A.assign(answer.logp.size(), T(0));
            if (!group.by_steps()) {
                a.advantage = A[next];
                std::fill(a.A.begin(), a.A.end(), A[next++]);
            }
            for (const auto& step : answer.steps) {  // a token is worth the steps that end with it or after it
                for (int t = 0; t <= step.first; ++t) a.A[t] += A[next];
                a.advantage = a.A[0];
                ++next;
            }
            a.terms.resize(answer.logp.size());
            answer_terms(a.terms.data(), {answer.logp.data(), answer.logp_old.data(), answer.logp_ref.data(),
                                          answer.logp_sampler.empty() ? nullptr : answer.logp_sampler.data(),
                                          a.A.data(), answer.length()}, math);
            if (a.counts) out.answers += 1, out.tokens += answer.length();
        }
    }

    double count = 0;
    for (size_t g = 0; g < batch.groups.size(); ++g)
        for (size_t i = 0; i < batch.groups[g].answers.size(); ++i) {
            const AuditAnswer<T>& answer = batch.groups[g].answers[i];
            AuditedAnswer<T>& a = out.groups[g].answers[i];
            if (!a.counts || a.terms.empty()) continue;
            a.weight = token_weight(answer.length(), answer.N > 0 ? answer.N : out.answers,
                                    answer.N > 0 ? answer.L : out.tokens, math);
            const double weight = a.weight / batch.updates;
            for (const TokenTerm<T>& term : a.terms) {
                out.policy_loss -= T(weight) * term.policy;
                if (math.kl_in == KlIn::loss) out.kl_loss += T(weight * math.beta) * term.kl;
                out.clip_low += term.clipped < 0, out.clip_high += term.clipped > 0, ++count;
                out.kl_mean += real_part(term.kl), out.ratio_mean += real_part(term.ratio);
            }
        }
    out.loss = out.policy_loss + out.kl_loss;
    for (double* mean : {&out.clip_low, &out.clip_high, &out.kl_mean, &out.ratio_mean}) *mean /= std::max(count, 1.0);
    return out;
}

// The same numbers in another precision.
template <class To, class From>
AuditBatch<To> converted(const AuditBatch<From>& batch) {
    AuditBatch<To> out;
    out.epsilon = batch.epsilon, out.beta = batch.beta, out.updates = batch.updates, out.deviation = batch.deviation;
    for (const AuditGroup<From>& group : batch.groups) {
        AuditGroup<To>& g = out.groups.emplace_back();
        g.name = group.name;
        for (const AuditAnswer<From>& a : group.answers) {
            const auto as = [](const std::vector<From>& v) { return std::vector<To>(v.begin(), v.end()); };
            g.answers.push_back({a.reward, a.steps, a.truncated, as(a.logp), as(a.logp_old), as(a.logp_ref),
                                 as(a.logp_sampler), a.tokens, a.name, a.has_old, a.has_ref, a.N, a.L});
        }
    }
    return out;
}

// {"epsilon": 0.2, "beta": 0.001, "groups": [{"answers": [{"reward": 1, "logp": [...], "logp_old": [...],
// "logp_ref": [...]}]}]}; further keys of an answer: "tokens", "truncated", "logp_sampler", and, instead of "reward",
// "steps": [[last token, reward], ...]. Without "logp_old" an answer is on policy. What is malformed is an Error that
// says where.
AuditBatch<double> read_audit(const std::string& path);

// A step that a run of r1 grpo recorded.
struct RecordedAnswer {
    int update = 0;                              // the minibatch it went into, from 0
    double advantage = 0;                        // as training used it, in float
    std::vector<int> ids;                        // of its tokens
    struct Candidate {
        int id;
        std::string text;
        double p;
    };
    std::vector<std::vector<Candidate>> candidates;  // the likeliest tokens at each place
};
struct RunStep {
    AuditBatch<double> batch;
    std::vector<std::vector<RecordedAnswer>> recorded;  // by group and answer
    GrpoMath math;
    double temperature = 1;
    int64_t step = 0;
    json metrics;                                // of the whole step; null if there are none
};
RunStep read_run(const std::string& folder, int64_t step);  // step 0: the last that was recorded

struct AuditOptions {
    std::string file, run;                       // one of them
    int step = 0;                                // of the run; 0: the last that was recorded
    int answer = 0, token = 0;                   // a token whose logits are explained, counted from 1; 0: none
    bool as_json = false, explain = false;
    std::string html;                            // file to write
    std::string preset;                          // "": the file's or the run's own
    std::vector<std::pair<std::string, std::string>> math;  // options given, in order
};
void audit_command(const AuditOptions& options);

}  // namespace r1
