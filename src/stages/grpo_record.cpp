#include "stages/grpo_record.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/ranks.h"

namespace r1 {

// ---- metrics

namespace {

struct RolloutMeans {
    double reward = 0, accuracy = 0, format = 0, length = 0, reflective = 0, words = 0;
    double finished = 0, finished_length = 0;
    double answers = 0;
};

RolloutMeans means_of(const GrpoStep& step) {
    RolloutMeans m;
    for (const auto& group : step.answers)
        for (const Answer& a : group) {
            m.answers += 1;
            m.reward += a.graded.reward.total;
            m.accuracy += a.graded.reward.accuracy;
            m.format += a.graded.reward.format;
            m.length += a.length();
            m.reflective += a.graded.reflective > 0;
            m.words += a.graded.reflective;
            m.finished += a.completion.finished;
            if (a.completion.finished) m.finished_length += a.length();
        }
    for (double* mean : {&m.reward, &m.accuracy, &m.format, &m.length, &m.reflective, &m.words}) *mean /= m.answers;
    return m;
}

// The largest difference between what the sampler and the trainer computed of a token in the first update.
double first_mismatch(const GrpoStep& step) {
    double most = 0;
    for (const AnswerIndex& at : step.minibatches[0]) {
        const GrpoAnswer<float>& a = step.batch.groups[at.group].answers[at.answer];
        const std::vector<float>& sampled = a.logp_sampler.empty() ? a.logp_old : a.logp_sampler;
        for (int t = 0; t < a.length(); ++t) most = std::max(most, double(std::fabs(a.logp[t] - sampled[t])));
    }
    return most;
}

struct LossSums {
    GrpoSums<float> terms;
    double entropy = 0;
};

// In the order of the minibatches, which the sums' bits depend on.
LossSums sums_of(const GrpoStep& step) {
    LossSums sums;
    for (const auto& minibatch : step.minibatches)
        for (const AnswerIndex& at : minibatch) {
            const GrpoAnswerResult<float>& a = step.result.groups[at.group].answers[at.answer];
            sums.terms.add(a.sums);
            if (!a.counts) continue;
            double entropy = 0;
            for (const float each : step.entropy[at.group][at.answer]) entropy += each;
            sums.entropy += entropy;
        }
    return sums;
}

}  // namespace

// The parts of the reward that some runs have: languages where problems tell theirs or one is rewarded; kinds where
// there are several; what reward models say, and the rubrics, of general prompts.
static void add_parts(json& line, const GrpoStep& step, const GrpoRun& run) {
    std::map<std::string, std::vector<double>> parts;
    bool languages = run.o.task.language_weight != 0;
    std::set<std::string> kinds;
    for (const Question& q : run.questions) {
        languages |= !q.problem.language.empty();
        kinds.insert(q.problem.kind->name);
    }
    for (size_t g = 0; g < step.answers.size(); ++g) {
        const Problem& problem = run.questions[step.question[g]].problem;
        for (const Answer& a : step.answers[g]) {
            const Graded& graded = a.graded;
            if (languages) parts["language"].push_back(graded.language.share);
            if (kinds.size() > 1)
                parts[std::string("accuracy_") + problem.kind->name].push_back(graded.reward.accuracy);
            if (kinds.size() > 1) parts[std::string("length_") + problem.kind->name].push_back(a.length());
            if (graded.preference) parts["preference_" + problem.set].push_back(*graded.preference);
            if (problem.has_rubric) parts["rubric_" + problem.set].push_back(graded.reward.accuracy);
        }
    }
    for (const auto& [name, values] : parts) {
        double sum = 0;
        for (const double value : values) sum += value;
        line[name] = rounded(sum / double(values.size()));
    }
}

json metrics_of(const GrpoStep& step, const GrpoRun& run) {
    const RolloutMeans m = means_of(step);
    const LossSums sums = sums_of(step);
    const double tokens = std::max(1, sums.terms.tokens), updates = std::max(1.0, double(step.updates.size()));
    double norm = 0, load = 0;
    for (const Update& update : step.updates) {
        norm += update.gradient_norm;
        load = std::max(load, double(update.load_max));
    }
    json line = {{"step", step.number},
                 {"reward", rounded(m.reward)},
                 {"accuracy", rounded(m.accuracy)},
                 {"format", rounded(m.format)},
                 {"length", rounded(m.length)},
                 {"finished_length", rounded(m.finished_length / std::max(1.0, m.finished))},
                 {"truncated", rounded(1 - m.finished / m.answers)},
                 {"reflective_share", rounded(m.reflective)},
                 {"reflective_words", rounded(m.words)},
                 {"policy_loss", rounded(sums.terms.policy_loss / updates)}};
    if (run.reference) {
        line["kl_loss"] = rounded(sums.terms.kl_loss / updates);
        line["kl"] = rounded(sums.terms.kl / tokens);
    }
    line["entropy"] = rounded(sums.entropy / tokens);
    line["gradient_norm"] = rounded(norm / updates);
    line["clip_low"] = rounded(sums.terms.clipped_low / tokens);
    line["clip_high"] = rounded(sums.terms.clipped_high / tokens);
    line["ratio"] = rounded(sums.terms.ratio / tokens);
    line["first_update_mismatch"] = rounded(first_mismatch(step));
    line["groups_without_spread"] = rounded(double(step.groups_without_spread) / run.o.prompts);
    line["expert_load_max"] = rounded(load);
    line["learning_rate"] = rounded(step.learning_rate);
    if (run.rollbacks > 0) line["rollbacks"] = run.rollbacks;
    if (step.skipped > 0) line["skipped"] = step.skipped;
    if (step.ungraded > 0) line["ungraded"] = step.ungraded;
    add_parts(line, step, run);
    line.update(command_means(step.answers));
    return line;
}

// ---- steps

bool GrpoRecord::records(int64_t step) const {
    return run_.o.record_every > 0 && (step == 1 || step % run_.o.record_every == 0);
}

bool GrpoRecord::records(const GrpoStep& step, AnswerIndex at) const {
    return records(step.number) && at.group < run_.o.record_groups;
}

StepReport GrpoRecord::step(int64_t number) {
    const double begin = seconds_now();
    const GrpoOptions& o = run_.o;
    candidates_.assign(o.prompts, std::vector<std::vector<std::vector<Candidate>>>(o.group));
    const LogitsObserver observer = {
        [&](const GrpoStep& step, AnswerIndex at) { return records(step, at); },
        [&](const GrpoStep& step, AnswerIndex at, const float* logits) { see_logits(step, at, logits); }};
    last_ = grpo_step(run_, number, observer);
    if (records(number) && !ranks().alone()) share_candidates();
    metrics_ = metrics_of(last_, run_);
    int64_t tokens = 0;
    for (const auto& group : last_.answers)
        for (const Answer& a : group) tokens += a.length();
    char text[160];
    std::snprintf(text, sizeof text, "reward %.3f  accuracy %.3f  length %.0f  reflective %.0f %%  %s tokens/s",
                  metrics_["reward"].get<double>(), metrics_["accuracy"].get<double>(),
                  metrics_["length"].get<double>(), 100 * metrics_["reflective_share"].get<double>(),
                  short_count(double(tokens) / (seconds_now() - begin)).c_str());
    const double sampling = last_.sampling_seconds;
    return {metrics_,
            {{"tokens", tokens},
             {"sample_seconds", rounded(sampling)},
             {"train_seconds", rounded(seconds_now() - begin - sampling)}},
            text,
            last_.ungraded > 0,
            alarm()};
}

std::string GrpoRecord::alarm() const {
    if (metrics_["entropy"] < 0.01) return "the entropy is nearly 0";
    return metrics_.value("kl", 0.0) > 1 ? "KL to the reference is above 1 per token" : "";
}

// Those of an answer are seen by the rank that computed its gradient.
void GrpoRecord::share_candidates() {
    Packer packer;
    for (const auto& group : candidates_) packer.add(group);
    for (const std::string& bytes : gather(packer.bytes)) {
        Unpacker from(bytes);
        for (auto& group : candidates_) {
            std::vector<std::vector<std::vector<Candidate>>> theirs;
            from.take(theirs);
            for (size_t i = 0; i < theirs.size(); ++i)
                if (!theirs[i].empty()) group[i] = theirs[i];
        }
    }
}

void GrpoRecord::look(int64_t done, Progress& progress) {
    if (done == 0) return;
    warn(progress);
    if (!records(done)) return;
    for (int g = 0; g < std::min(run_.o.record_groups, run_.o.prompts); ++g)
        for (int i = 0; i < run_.o.group; ++i) {
            rollouts_.write(line_of({g, i}));
            if (verl_) verl_->write(verl_line_of({g, i}));
        }
    const int64_t k = done % (int64_t(run_.o.prompts) * run_.o.group), g = k / run_.o.group;
    const Answer& a = last_.answers[g][k % run_.o.group];
    const Tokenizer& tokenizer = *run_.task.tokenizer;
    progress.note("  an answer, reward " + std::to_string(a.graded.reward.total).substr(0, 4) + " (" +
                  a.graded.reward.reason + "): " + tokenizer.decode(run_.questions[last_.question[g]].prompt) +
                  tokenizer.decode(a.completion.tokens));
}

// ---- rollouts, token by token

// The likeliest tokens at each place of an answer, so that an audit can follow dlogp into the logits.
void GrpoRecord::see_logits(const GrpoStep& step, AnswerIndex at, const float* logits) {
    constexpr int CANDIDATES = 8;
    const int V = run_.model.config.vocab_size, kept = std::min(CANDIDATES, V);
    const int n = step.batch.groups[at.group].answers[at.answer].length();
    std::vector<std::vector<Candidate>>& places = candidates_[at.group][at.answer];
    places.assign(n, {});
    std::vector<int> order(V);
    for (int t = 0; t < n; ++t, logits += V) {
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                          [&](int x, int y) { return logits[x] > logits[y] || (logits[x] == logits[y] && x < y); });
        const auto weight = [&](int v) { return std::exp(double(logits[v] - logits[order[0]]) / run_.o.temperature); };
        double sum = 0;
        for (int v = 0; v < V; ++v) sum += weight(v);
        for (int k = 0; k < kept; ++k) places[t].push_back({order[k], float(weight(order[k]) / sum)});
    }
}

// An answer of the last step, for the report and the audit. 9 digits give a float back to the bit.
json GrpoRecord::line_of(AnswerIndex at) const {
    const auto numbers = [](const std::vector<float>& v, int digits) {
        json list = json::array();
        for (float x : v) list.push_back(rounded(x, digits));
        return list;
    };
    const Tokenizer& tokenizer = *run_.task.tokenizer;
    const Question& question = run_.questions[last_.question[at.group]];
    const Answer& answer = last_.answers[at.group][at.answer];
    const GrpoAnswer<float>& a = last_.batch.groups[at.group].answers[at.answer];
    const GrpoAnswerResult<float>& result = last_.result.groups[at.group].answers[at.answer];
    json pieces = json::array(), candidates = json::array();
    for (const int id : answer.completion.tokens) pieces.push_back(tokenizer.token_text(id));
    for (const auto& place : candidates_[at.group][at.answer]) {
        json& list = candidates.emplace_back(json::array());
        for (const Candidate& c : place) list.push_back({c.token, tokenizer.token_text(c.token), rounded(c.p, 5)});
    }
    size_t update = 0;
    const auto is_it = [&](const AnswerIndex& other) { return other.group == at.group && other.answer == at.answer; };
    while (std::none_of(last_.minibatches[update].begin(), last_.minibatches[update].end(), is_it)) ++update;
    json line = {{"step", last_.number},
                 {"prompt_index", at.group},
                 {"sample", at.answer},
                 {"prompt", tokenizer.decode(question.prompt)},
                 {"completion", answer.graded.text},
                 {"kind", question.problem.kind->name},
                 {"problem", question.problem.shown},
                 {"pieces", pieces},
                 {"ids", answer.completion.tokens},
                 {"reward", rounded(answer.graded.reward.total, 9)},
                 {"accuracy", answer.graded.reward.accuracy},
                 {"format", answer.graded.reward.format},
                 {"reason", answer.graded.reward.reason},
                 {"advantage", rounded(result.advantage, 9)},
                 {"finished", answer.completion.finished},
                 {"update", update},
                 {"batch_answers", result.N},
                 {"batch_tokens", result.L},
                 {"batch_deviation", rounded(last_.result.deviation, 9)},
                 {"logp", numbers(a.logp, 9)},
                 {"logp_old", numbers(a.logp_old, 9)}};
    if (a.ungraded) line["ungraded"] = true;
    for (const CommandReward& said : answer.graded.commands)
        line["commands"].push_back({{"reward", said.reward}, {"parts", said.parts}, {"reason", said.reason}});
    if (answer.graded.preference) line["preference"] = rounded(*answer.graded.preference, 9);
    if (!a.logp_ref.empty()) line["logp_ref"] = numbers(a.logp_ref, 9);
    if (!a.logp_sampler.empty()) line["logp_sampler"] = numbers(a.logp_sampler, 9);
    line["entropy"] = numbers(last_.entropy[at.group][at.answer], 5);
    line["candidates"] = candidates;
    return line;
}

// The same as verl's trainer dumps it: one object a line, with what its reward function says beside the score.
json GrpoRecord::verl_line_of(AnswerIndex at) const {
    const Question& question = run_.questions[last_.question[at.group]];
    const Graded& graded = last_.answers[at.group][at.answer].graded;
    return {{"input", run_.task.tokenizer->decode(question.prompt)},
            {"output", graded.text},
            {"gts", question.problem.shown},
            {"score", rounded(graded.reward.total, 9)},
            {"step", last_.number},
            {"acc", graded.reward.accuracy},
            {"format", graded.reward.format},
            {"reason", graded.reward.reason}};
}

// ---- warnings

// Said once each, when a run begins to go wrong.
void GrpoRecord::warn(Progress& progress) {
    const auto value = [&](const char* key) { return metrics_.value(key, 0.0); };
    const auto say = [&](int i, bool bad, const char* text) {
        if (bad && !warned_[i]) progress.note("  warning: " + std::string(text));
        warned_[i] |= bad;
    };
    say(0, value("entropy") < 0.01, "the entropy is nearly 0: answers are all alike; lower --lr or raise --beta");
    say(1, value("kl") > 1, "KL to the reference is above 1 per token: the policy runs away; lower --lr");
    say(2, value("truncated") > 0.4, "over 40 % of answers are cut off: raise --max-tokens or lower --lr");
    if (last_.ungraded > 0)
        progress.note("  warning: " + std::to_string(last_.ungraded) + " answers of step " +
                      std::to_string(last_.number) +
                      " could not be judged and are no part of the loss; another "
                      "run of the same may differ");
    say(3, value("groups_without_spread") > 0.8,
        "over 80 % of groups have equal rewards and teach nothing: problems too hard or too easy");
}

}  // namespace r1
