// GRPO, Group Relative Policy Optimization, as DeepSeek-R1-Zero uses it: sample a group of answers to each question,
// reward them by rules, take each reward relative to its group as the advantage of every token of the answer, and
// raise the log-probability of tokens with it. No critic, no reward model, no examples of how to think.
//
//   J = E 1/G sum_i 1/|o_i| sum_t { min[ r A_i, clip(r, 1 - e, 1 + e) A_i ] - beta D_KL }    [DSM eq 3] [R1 eq 1]
//   loss = -J.  The terms and the advantage stand in grpo_math.h.
//
//   paper       code                          paper       code
//   q           Request::prompt               A_i         Answer::A
//   o_i         Completion::tokens            pi_old      logp_old: what the sampler computed, to the bit
//   G           options.group                 pi_ref      logp_ref, under Model reference
//   e           math.epsilon_low, _high       beta        math.beta
//
// One step = one rollout: sample, reward, `updates` optimizer steps on its minibatches, each answer used once.
// Choices where the papers differ or are silent; those of grpo_math.h are options, the rest is as said here:
//   1  Truncated answers get reward 0 and stay in the loss (--truncated mask takes them out).
//   2  Groups without spread stay in the batch: their policy term is exactly 0, their KL term is not (--flat-groups).
//   3  AdamW with betas 0.9 and 0.95, no decay, gradient clipped at norm 1; linear warm-up, then linear decay.
//   4  Prompts are taken in a shuffled order, epoch after epoch.
//   5  The routers' biases stay as pretraining left them [V3 section 4.2 ends with gamma = 0]; no balance loss.
//   6  N and L, which weigh a token, are counted over the answers of its minibatch that are in the loss.
#include "stages/grpo.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "base/threads.h"

namespace r1 {

namespace {

// One answer of a rollout, with all that the loss and the record need.
struct Answer {
    int prompt = 0, sample = 0, problem = 0;
    std::vector<int> tokens;                  // prompt and answer
    int prompt_length = 0;
    bool finished = false;
    std::vector<float> logp, logp_old, logp_ref, entropy;  // of the answer's tokens
    std::vector<std::vector<std::pair<int, float>>> candidates;  // likeliest tokens at each place, if recorded
    Graded graded;
    float A = 0;
    bool counts = true, record = false;       // is in the loss; goes into the record
    int update = 0;                           // the minibatch it went into ...
    double batch_answers = 0, batch_tokens = 0;  // ... and the answers and tokens that counted there
    int length() const { return int(tokens.size()) - prompt_length; }
    Example example() const { return {tokens.data(), int(tokens.size())}; }
};

// Sums over the tokens of one answer, so that threads never share one.
struct Sums {
    double policy = 0, kl = 0, entropy = 0, ratio = 0, mismatch = 0;
    int clipped_low = 0, clipped_high = 0, tokens = 0;
    double policy_weighted = 0, kl_weighted = 0;  // their parts of the loss
};

struct Grpo {
    const GrpoOptions& o;
    const Tokenizer& tokenizer;
    Model& model;
    Model& reference;
    Trainer& trainer;
    Sampler& sampler;
    const std::vector<Problem>& problems;
    float batch_deviation = 0;                // of the step's rewards

    static constexpr int CANDIDATES = 8, RESAMPLE_ROUNDS = 4;
    bool records(int64_t step) const { return o.record_every > 0 && (step == 1 || step % o.record_every == 0); }

    // The problems of a step: the next ones of an endless sequence, epoch after epoch in a new order. Round 1, 2, ...
    // are other sequences, from which groups without spread are replaced.
    std::vector<int> problems_of(int64_t step, int round) const {
        const int64_t n = int64_t(problems.size());
        std::vector<uint32_t> order;
        std::vector<int> chosen;
        for (int64_t i = (step - 1) * o.prompts; i < step * o.prompts; ++i) {
            if (order.empty() || i % n == 0)
                order = permutation(uint32_t(n), Stream(o.seed, Purpose::shuffle, uint32_t(i / n), 1 + uint32_t(round)));
            chosen.push_back(int(order[i % n]));
        }
        return chosen;
    }

    // A group of answers to each of some problems; slot[k] is the place that chosen[k] takes in the step.
    std::vector<std::vector<Answer>> sample_groups(int64_t step, int round, const std::vector<int>& slot,
                                                   const std::vector<int>& chosen) {
        std::vector<Request> requests;
        for (size_t k = 0; k < slot.size(); ++k)
            requests.push_back({prompt_tokens(o.task, problems[chosen[k]], tokenizer), o.group,
                                uint32_t(slot[k] + round * o.prompts)});
        SampleOptions sampling;
        sampling.temperature = o.temperature, sampling.max_tokens = o.max_tokens;
        sampling.seed = o.seed, sampling.step = uint32_t(step), sampling.stop = stop_tokens(o.task, tokenizer);
        auto completions = sample(sampler, model, requests, sampling);
        std::vector<const Problem*> asked;
        for (int i : chosen) asked.push_back(&problems[i]);
        auto graded = grade(o.task, asked, completions, tokenizer);
        std::vector<std::vector<Answer>> groups(slot.size());
        for (size_t k = 0; k < slot.size(); ++k)
            for (int j = 0; j < o.group; ++j) {
                Completion& c = completions[k][j];
                Answer a;
                a.prompt = slot[k], a.sample = j, a.problem = chosen[k], a.finished = c.finished;
                a.graded = std::move(graded[k][j]);
                a.tokens = requests[k].prompt, a.prompt_length = int(a.tokens.size());
                a.tokens.insert(a.tokens.end(), c.tokens.begin(), c.tokens.end());
                a.logp_old = std::move(c.logp);
                groups[k].push_back(std::move(a));
            }
        return groups;
    }

    std::vector<Answer> rollout(int64_t step) {
        std::vector<int> slots(o.prompts);
        std::iota(slots.begin(), slots.end(), 0);
        std::vector<std::vector<Answer>> kept = sample_groups(step, 0, slots, problems_of(step, 0));
        const int rounds = o.math.flat_groups == FlatGroups::resample ? RESAMPLE_ROUNDS : 0;
        for (int round = 1; round <= rounds; ++round) {
            const std::vector<int> next = problems_of(step, round);
            std::vector<int> empty, chosen;
            for (int i = 0; i < o.prompts; ++i)
                if (!has_spread(kept[i])) empty.push_back(i), chosen.push_back(next[i]);
            if (empty.empty()) break;
            auto groups = sample_groups(step, round, empty, chosen);
            for (size_t k = 0; k < empty.size(); ++k) kept[empty[k]] = std::move(groups[k]);
        }
        std::vector<Answer> answers;
        for (auto& group : kept)
            for (Answer& a : group) answers.push_back(std::move(a));
        return answers;
    }

    // Before KL, which no two answers share, is taken off.
    bool has_spread(std::span<const Answer> group) const {
        const auto reward = [&](const Answer& a) { return a.graded.reward.total + overlong_penalty<float>(a.length(), o.math); };
        for (const Answer& a : group)
            if (reward(a) != reward(group[0])) return true;
        return false;
    }

    void score_reference(std::vector<Answer>& answers) {
        std::vector<Example> batch;
        for (const Answer& a : answers) batch.push_back(a.example());
        score(trainer, reference, batch, [&](int i, const float* logp, const float*) {
            const Answer& a = answers[i];
            answers[i].logp_ref.assign(logp + a.prompt_length - 1, logp + a.tokens.size() - 1);
        });
    }

    // Advantages, and who is in the loss. Groups stand one after the other. Returns the batch's deviation.
    float set_advantages(std::vector<Answer>& answers) const {
        std::vector<float> reward, A(answers.size());
        for (const Answer& a : answers)
            reward.push_back(shaped_reward(a.graded.reward.total, a.logp_old.data(), a.logp_ref.data(), a.length(), o.math));
        const float of_batch = deviation(reward.data(), int(reward.size()), o.math);
        for (size_t g = 0; g < answers.size(); g += o.group) {
            advantages(&A[g], &reward[g], o.group, o.math, of_batch);
            const bool skipped = o.math.flat_groups != FlatGroups::keep && flat(&reward[g], o.group);
            for (size_t i = g; i < g + o.group; ++i) {
                answers[i].A = A[i];
                answers[i].counts = !skipped && (answers[i].finished || o.math.truncated == Truncated::keep);
            }
        }
        return of_batch;
    }

    // One optimizer step on a minibatch. sums[i] belongs to minibatch[i].
    Update update(std::vector<Answer*>& minibatch, std::vector<Sums>& sums, float lr, int number) {
        std::vector<Example> batch;
        double N = 0, L = 0;
        for (const Answer* a : minibatch) {
            batch.push_back(a->example());
            if (a->counts) N += 1, L += a->length();
        }
        const bool recording = std::any_of(minibatch.begin(), minibatch.end(), [](const Answer* a) { return a->record; });
        accumulate(trainer, batch, [&](int i, const SequenceRows& rows) {
            Answer& a = *minibatch[i];
            const int first = a.prompt_length - 1, n = a.length();  // row t predicts token t + 1
            a.update = number, a.batch_answers = N, a.batch_tokens = L;
            a.logp.assign(rows.logp + first, rows.logp + first + n);
            a.entropy.assign(rows.entropy + first, rows.entropy + first + n);
            if (a.record) note_candidates(a, rows.logits + int64_t(first) * model.config.vocab_size);
            std::fill(rows.dlogp, rows.dlogp + first + n, 0.0f);
            std::vector<float> A(n, a.A);
            std::vector<TokenTerm<float>> terms(n);
            answer_terms(terms.data(), {a.logp.data(), a.logp_old.data(), a.logp_ref.data(), nullptr, A.data(), n}, o.math);
            const double weight = a.counts ? token_weight(n, N, L, o.math) : 0;
            Sums& s = sums[i];
            for (int t = 0; t < n; ++t) {
                const TokenTerm<float>& term = terms[t];
                rows.dlogp[first + t] = -float(weight) * term.slope;
                s.mismatch = std::max(s.mismatch, double(std::fabs(a.logp[t] - a.logp_old[t])));
                if (!a.counts) continue;
                s.policy += term.policy, s.kl += term.kl, s.entropy += a.entropy[t], s.ratio += term.ratio;
                s.clipped_low += term.clipped < 0, s.clipped_high += term.clipped > 0, ++s.tokens;
            }
            s.policy_weighted = -weight * s.policy;
            s.kl_weighted = o.math.kl_in == KlIn::loss ? weight * float(o.math.beta) * s.kl : 0;  // as the slope has it
        }, recording);
        return apply(trainer, lr, minibatch.size());
    }

    // The likeliest tokens at each place of an answer, so that an audit can follow a slope into the logits.
    void note_candidates(Answer& a, const float* logits) const {
        const int V = model.config.vocab_size, kept = std::min(CANDIDATES, V);
        a.candidates.assign(a.length(), {});
        std::vector<int> order(V);
        for (int t = 0; t < a.length(); ++t, logits += V) {
            std::iota(order.begin(), order.end(), 0);
            std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](int x, int y) {
                return logits[x] > logits[y] || (logits[x] == logits[y] && x < y);
            });
            double sum = 0;
            for (int v = 0; v < V; ++v) sum += std::exp(double(logits[v] - logits[order[0]]) / o.temperature);
            for (int k = 0; k < kept; ++k)
                a.candidates[t].push_back(
                    {order[k], float(std::exp(double(logits[order[k]] - logits[order[0]]) / o.temperature) / sum)});
        }
    }

    json step(int64_t number, std::vector<Answer>& answers) {
        score_reference(answers);
        batch_deviation = set_advantages(answers);
        for (Answer& a : answers) a.record = records(number) && a.prompt < o.record_groups;
        // Minibatches: answers in a random order, cut into equal parts [NATURE Methods].
        std::vector<Answer*> order;
        for (Answer& a : answers) order.push_back(&a);
        Stream random(o.seed, Purpose::minibatch, uint32_t(number));
        shuffle(order.data(), uint32_t(order.size()), random);

        double norm = 0, policy_loss = 0, kl_loss = 0, first_mismatch = 0, load = 0;
        Sums total;
        float lr = 0;
        for (int u = 0; u < o.updates; ++u) {
            const size_t begin = order.size() * u / o.updates, end = order.size() * (u + 1) / o.updates;
            std::vector<Answer*> minibatch(order.begin() + begin, order.begin() + end);
            std::vector<Sums> sums(minibatch.size());
            lr = learning_rate(trainer.step, int64_t(o.steps) * o.updates, o.warmup, o.lr, o.final_lr_share, o.schedule);
            const Update done = update(minibatch, sums, lr, u);
            norm += done.gradient_norm, load = std::max(load, double(done.load_max));
            for (const Sums& s : sums) {
                total.kl += s.kl, total.entropy += s.entropy, total.ratio += s.ratio, total.tokens += s.tokens;
                total.clipped_low += s.clipped_low, total.clipped_high += s.clipped_high;
                policy_loss += s.policy_weighted, kl_loss += s.kl_weighted;
                if (u == 0) first_mismatch = std::max(first_mismatch, s.mismatch);
            }
            if (o.reference_every > 0 && trainer.step % o.reference_every == 0) copy_weights(reference, model);
        }

        double reward = 0, accuracy = 0, format = 0, length = 0, finished = 0, finished_length = 0, reflective = 0, words = 0;
        int flat = 0;
        for (const Answer& a : answers) {
            reward += a.graded.reward.total, accuracy += a.graded.reward.accuracy, format += a.graded.reward.format;
            length += a.length(), reflective += a.graded.reflective > 0, words += a.graded.reflective;
            if (a.finished) ++finished, finished_length += a.length();
        }
        for (size_t g = 0; g < answers.size(); g += o.group)
            flat += !has_spread(std::span(answers).subspan(g, o.group));
        const double n = double(answers.size()), tokens = std::max(1.0, double(total.tokens));
        return {{"step", number},
                {"reward", rounded(reward / n)},
                {"accuracy", rounded(accuracy / n)},
                {"format", rounded(format / n)},
                {"length", rounded(length / n)},
                {"finished_length", rounded(finished_length / std::max(1.0, finished))},
                {"truncated", rounded(1 - finished / n)},
                {"reflective_share", rounded(reflective / n)},
                {"reflective_words", rounded(words / n)},
                {"policy_loss", rounded(policy_loss / o.updates)},
                {"kl_loss", rounded(kl_loss / o.updates)},
                {"kl", rounded(total.kl / tokens)},
                {"entropy", rounded(total.entropy / tokens)},
                {"gradient_norm", rounded(norm / o.updates)},
                {"clip_low", rounded(total.clipped_low / tokens)},
                {"clip_high", rounded(total.clipped_high / tokens)},
                {"ratio", rounded(total.ratio / tokens)},
                {"first_update_mismatch", rounded(first_mismatch)},
                {"groups_without_spread", rounded(double(flat) / o.prompts)},
                {"expert_load_max", rounded(load)},
                {"learning_rate", rounded(lr)}};
    }

    static void copy_weights(Model& to, const Model& from) {
        from.ops->memory->copy(to.weights.arena.base(), from.weights.arena.base(), from.weights.arena.used());
    }

    // Some groups of a step, token by token, for the report and the audit. 9 digits give a float back to the bit.
    void record(int64_t number, const std::vector<Answer>& answers, LineWriter& writer) const {
        const auto numbers = [](const std::vector<float>& v, int digits) {
            json list = json::array();
            for (float x : v) list.push_back(rounded(x, digits));
            return list;
        };
        for (const Answer& a : answers) {
            if (!a.record) continue;
            json pieces = json::array(), candidates = json::array();
            for (size_t t = a.prompt_length; t < a.tokens.size(); ++t) pieces.push_back(tokenizer.token_text(a.tokens[t]));
            for (const auto& place : a.candidates) {
                json& list = candidates.emplace_back(json::array());
                for (const auto& [token, p] : place) list.push_back({token, tokenizer.token_text(token), rounded(p, 5)});
            }
            writer.write({{"step", number},
                          {"prompt_index", a.prompt},
                          {"sample", a.sample},
                          {"prompt", tokenizer.decode(std::span(a.tokens).first(a.prompt_length))},
                          {"problem", problems[a.problem].kind->shown(problems[a.problem])},
                          {"pieces", pieces},
                          {"ids", std::vector<int>(a.tokens.begin() + a.prompt_length, a.tokens.end())},
                          {"reward", rounded(a.graded.reward.total, 9)},
                          {"accuracy", a.graded.reward.accuracy},
                          {"format", a.graded.reward.format},
                          {"reason", a.graded.reward.reason},
                          {"advantage", rounded(a.A, 9)},
                          {"finished", a.finished},
                          {"update", a.update},
                          {"batch_answers", a.batch_answers},
                          {"batch_tokens", a.batch_tokens},
                          {"batch_deviation", rounded(batch_deviation, 9)},
                          {"logp", numbers(a.logp, 9)},
                          {"logp_old", numbers(a.logp_old, 9)},
                          {"logp_ref", numbers(a.logp_ref, 9)},
                          {"entropy", numbers(a.entropy, 5)},
                          {"candidates", candidates}});
        }
        writer.flush();
    }
};

// Said once each, when a run begins to go wrong.
struct Warnings {
    bool said[4] = {};
    void look(const json& m, Progress& progress) {
        const auto warn = [&](int i, bool bad, const char* text) {
            if (bad && !said[i]) progress.note("  warning: " + std::string(text)), said[i] = true;
        };
        warn(0, m["entropy"].get<double>() < 0.01, "the entropy is nearly 0: answers are all alike; lower --lr or raise --beta");
        warn(1, m["kl"].get<double>() > 1, "KL to the reference is above 1 per token: the policy runs away; lower --lr");
        warn(2, m["truncated"].get<double>() > 0.4, "over 40 % of answers are cut off: raise --max-tokens or lower --lr");
        warn(3, m["groups_without_spread"].get<double>() > 0.8,
             "over 80 % of groups have equal rewards and teach nothing: problems too hard or too easy");
    }
};

void check(const GrpoOptions& o) {
    check(o.task);
    if (o.prompts < 1 || o.group < 2)
        throw UsageError("a group of one answer has no baseline, --prompts and --group, give at least 1 and 2");
    if (o.updates < 1 || o.updates > o.prompts * o.group)
        throw UsageError("more updates than answers, --updates, give 1 or a few");
    check(o.math);
    if (o.temperature <= 0) throw UsageError("a policy without chance cannot learn, --temperature, give more than 0");
}

// What an audit needs to know of a run.
json options_to_json(const GrpoOptions& o) {
    return {{"model", o.model}, {"problems", o.problems}, {"steps", o.steps}, {"prompts", o.prompts}, {"group", o.group},
            {"updates", o.updates}, {"lr", rounded(o.lr)}, {"temperature", rounded(o.temperature)},
            {"max_tokens", o.max_tokens}, {"reference_every", o.reference_every}, {"seed", o.seed},
            {"math", math_to_json(o.math)}};
}

}  // namespace

void grpo(const GrpoOptions& options, const Device& device) {
    GrpoOptions o = options;
    check(o);
    check_given(o.problems);
    const Ops& ops = open_device(device);
    std::vector<Problem> problems, held_out;
    Loaded loaded = load(o.model, ops, [&](const Tokenizer& tokenizer, const Config& config) {
        use_chat_template(o.task, o.model, tokenizer);
        problems = load_problems(o.task, o.problems, tokenizer, config.max_position_embeddings);
        if (!o.held_out.empty()) held_out = load_problems(o.task, o.held_out, tokenizer, config.max_position_embeddings);
        return std::max(longest_prompt(o.task, problems, tokenizer), longest_prompt(o.task, held_out, tokenizer)) + o.max_tokens;
    });
    Model &model = loaded.model, reference = load_model(o.model, ops, model.context);
    make_folder(o.output);

    TrainOptions train;
    train.shards = o.shards, train.micro_rows = o.micro_rows, train.decay = o.decay, train.clip = o.clip;
    train.beta1 = o.beta1, train.beta2 = o.beta2, train.inverse_temperature = 1.0f / o.temperature;
    Trainer trainer = make_trainer(model, train);
    Sampler sampler = make_sampler(model, o.slots);
    Grpo run{o, loaded.tokenizer, model, reference, trainer, sampler, problems};

    const std::string state = o.output + "/training.state";
    int64_t done = 0;
    if (o.resume) done = load_training(state, trainer, &reference.weights).value("step", int64_t(0));
    for (const char* name : {"/metrics.jsonl", "/rollouts.jsonl", "/evaluations.jsonl"}) keep_lines(o.output + name, done);
    LineWriter metrics(o.output + "/metrics.jsonl", true), rollouts(o.output + "/rollouts.jsonl", true);
    LineWriter evaluations(o.output + "/evaluations.jsonl", true), timings(o.output + "/timings.jsonl", o.resume);
    write_file_atomically(o.output + "/options.json", options_to_json(o).dump(1) + "\n");
    std::printf("grpo: %d steps of %d prompts x %d answers, %d updates each, %zu problems\n", o.steps, o.prompts, o.group,
                o.updates, problems.size());

    Progress progress("grpo", o.steps);
    Warnings warnings;
    const auto save = [&] {
        evaluations.flush();
        save_training(state, trainer, {{"step", done}}, &reference.weights);
    };
    const auto look = [&](int64_t step) {
        if (held_out.empty() || o.evaluate_every <= 0 || step % o.evaluate_every != 0) return;
        EvaluateOptions e;
        e.count = o.evaluate_count, e.k = o.evaluate_k, e.max_tokens = o.max_tokens, e.task = o.task;
        json line = {{"step", step}};
        line.update(evaluation_to_json(evaluate(sampler, model, loaded.tokenizer, held_out, e)));
        evaluations.write(line);
        char text[128];
        std::snprintf(text, sizeof text, "  step %lld, held-out: pass@1 %.1f %%, length %.1f, reflective %.1f %%",
                      static_cast<long long>(step), 100 * line["pass_at_1"].get<double>(),
                      line["mean_length"].get<double>(), 100 * line["reflective_share"].get<double>());
        progress.note(text);
    };
    if (done == 0) look(0);
    while (done < o.steps && !stop_requested()) {
        const double begin = seconds_now();
        std::vector<Answer> answers = run.rollout(done + 1);
        const double sampled = seconds_now();
        const json m = run.step(done + 1, answers);
        ++done;
        metrics.write(m), metrics.flush();  // for whoever watches
        int64_t tokens = 0;
        for (const Answer& a : answers) tokens += a.length();
        timings.write({{"step", done}, {"tokens", tokens}, {"sample_seconds", rounded(sampled - begin)},
                       {"train_seconds", rounded(seconds_now() - sampled)}});
        char text[160];
        std::snprintf(text, sizeof text, "reward %.3f  accuracy %.3f  length %.0f  reflective %.0f %%  %s tokens/s",
                      m["reward"].get<double>(), m["accuracy"].get<double>(), m["length"].get<double>(),
                      100 * m["reflective_share"].get<double>(), short_count(double(tokens) / (seconds_now() - begin)).c_str());
        if (done < o.steps) progress.update(done, text);
        else progress.finish(text);
        warnings.look(m, progress);
        if (run.records(done)) {
            run.record(done, answers, rollouts);
            const Answer& a = answers[done % answers.size()];
            progress.note("  an answer, reward " + std::to_string(a.graded.reward.total).substr(0, 4) + " (" +
                          a.graded.reward.reason + "): " + loaded.tokenizer.decode(a.tokens));
        }
        look(done);
        if (o.save_every > 0 && done % o.save_every == 0 && done < o.steps) save();
    }
    save();
    if (done < o.steps) {
        progress.note(how_to_resume("grpo", o.output, done));
        return;
    }
    r1::save(o.output, model, loaded.tokenizer, o.model);
}

}  // namespace r1
