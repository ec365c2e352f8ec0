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
// Choices where the papers differ or are silent (1 to 4 stand in grpo_math.h):
//   5  Truncated answers get reward 0 and stay in the loss.
//   6  Groups without spread stay in the batch: their policy term is exactly 0, their KL term is not.
//   7  AdamW with betas 0.9 and 0.95, no decay, gradient clipped at norm 1; linear warm-up, then linear decay.
//   8  Prompts are taken in a shuffled order, epoch after epoch.
//   9  The routers' biases stay as pretraining left them [V3 section 4.2 ends with gamma = 0]; no balance loss.
#include "stages/grpo.h"

#include <algorithm>
#include <cmath>

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
    Graded graded;
    float A = 0;
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

    // The problems of a step: the next ones of an endless sequence, epoch after epoch in a new order.
    std::vector<int> problems_of(int64_t step) const {
        const int64_t n = int64_t(problems.size());
        std::vector<uint32_t> order;
        std::vector<int> chosen;
        for (int64_t i = (step - 1) * o.prompts; i < step * o.prompts; ++i) {
            if (order.empty() || i % n == 0)
                order = permutation(uint32_t(n), Stream(o.seed, Purpose::shuffle, uint32_t(i / n), 1));
            chosen.push_back(int(order[i % n]));
        }
        return chosen;
    }

    std::vector<Answer> rollout(int64_t step) {
        std::vector<Request> requests;
        const std::vector<int> chosen = problems_of(step);
        for (int i = 0; i < o.prompts; ++i)
            requests.push_back({prompt_tokens(o.task, problems[chosen[i]], tokenizer), o.group, uint32_t(i)});
        SampleOptions sampling;
        sampling.temperature = o.temperature, sampling.max_tokens = o.max_tokens, sampling.slots = o.slots;
        sampling.seed = o.seed, sampling.step = uint32_t(step), sampling.stop = {tokenizer.eos};
        auto completions = sample(sampler, model, requests, sampling);

        std::vector<Answer> answers;
        for (int i = 0; i < o.prompts; ++i) {
            std::vector<float> reward(o.group), A(o.group);
            for (int j = 0; j < o.group; ++j) {
                Completion& c = completions[i][j];
                Answer a;
                a.prompt = i, a.sample = j, a.problem = chosen[i], a.finished = c.finished;
                a.graded = grade(o.task, problems[chosen[i]], c, tokenizer);
                reward[j] = a.graded.reward.total;
                a.tokens = requests[i].prompt, a.prompt_length = int(a.tokens.size());
                a.tokens.insert(a.tokens.end(), c.tokens.begin(), c.tokens.end());
                a.logp_old = std::move(c.logp);
                answers.push_back(std::move(a));
            }
            advantages(A.data(), reward.data(), o.group, o.math);
            for (int j = 0; j < o.group; ++j) answers[answers.size() - o.group + j].A = A[j];
        }
        return answers;
    }

    void score_reference(std::vector<Answer>& answers) {
        std::vector<Example> batch;
        for (const Answer& a : answers) batch.push_back(a.example());
        score(trainer, reference, batch, [&](int i, const float* logp, const float*) {
            const Answer& a = answers[i];
            answers[i].logp_ref.assign(logp + a.prompt_length - 1, logp + a.tokens.size() - 1);
        });
    }

    // One optimizer step on a minibatch. sums[i] belongs to minibatch[i].
    Update update(std::vector<Answer*>& minibatch, std::vector<Sums>& sums, float lr) {
        std::vector<Example> batch;
        double all_tokens = 0;
        for (const Answer* a : minibatch) batch.push_back(a->example()), all_tokens += a->length();
        const double N = double(minibatch.size());
        accumulate(trainer, batch, [&](int i, const float* logp, const float* entropy, float* dlogp) {
            Answer& a = *minibatch[i];
            const int first = a.prompt_length - 1, length = a.length();  // row t predicts token t + 1
            const double weight = o.math.aggregation == Aggregation::sequence_mean ? 1.0 / (N * length)
                                  : o.math.aggregation == Aggregation::token_mean  ? 1.0 / all_tokens
                                                                                   : 1.0 / (N * o.math.budget);
            a.logp.assign(logp + first, logp + first + length);
            a.entropy.assign(entropy + first, entropy + first + length);
            std::fill(dlogp, dlogp + first, 0.0f);
            Sums& s = sums[i];
            for (int t = 0; t < length; ++t) {
                const TokenTerm<float> term = token_term(a.logp[t], a.logp_old[t], a.logp_ref[t], a.A, o.math);
                dlogp[first + t] = -float(weight) * term.slope;
                s.policy += term.policy, s.kl += term.kl, s.entropy += a.entropy[t], s.ratio += term.ratio;
                s.mismatch = std::max(s.mismatch, double(std::fabs(a.logp[t] - a.logp_old[t])));
                s.clipped_low += term.clipped < 0, s.clipped_high += term.clipped > 0, ++s.tokens;
            }
            s.policy_weighted = -weight * s.policy, s.kl_weighted = weight * o.math.beta * s.kl;
        });
        return apply(trainer, lr, minibatch.size());
    }

    json step(int64_t number, std::vector<Answer>& answers) {
        score_reference(answers);
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
            const Update done = update(minibatch, sums, lr);
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
        for (int i = 0; i < o.prompts; ++i) {
            bool spread = false;
            for (int j = 1; j < o.group; ++j)
                spread |= answers[i * o.group + j].graded.reward.total != answers[i * o.group].graded.reward.total;
            flat += !spread;
        }
        const double n = double(answers.size()), tokens = double(total.tokens);
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
        std::copy(from.weights.arena.base(), from.weights.arena.base() + from.weights.arena.used(), to.weights.arena.base());
    }

    // Some groups of a step, token by token, for the report.
    void record(int64_t number, const std::vector<Answer>& answers, LineWriter& writer) const {
        const auto numbers = [](const std::vector<float>& v) {
            json list = json::array();
            for (float x : v) list.push_back(rounded(x, 5));
            return list;
        };
        for (const Answer& a : answers) {
            if (a.prompt >= o.record_groups) continue;
            json pieces = json::array();
            for (size_t t = a.prompt_length; t < a.tokens.size(); ++t) pieces.push_back(tokenizer.token_text(a.tokens[t]));
            writer.write({{"step", number},
                          {"prompt_index", a.prompt},
                          {"sample", a.sample},
                          {"prompt", tokenizer.decode(std::span(a.tokens).first(a.prompt_length))},
                          {"numbers", problems[a.problem].numbers},
                          {"target", problems[a.problem].target},
                          {"pieces", pieces},
                          {"reward", rounded(a.graded.reward.total)},
                          {"accuracy", a.graded.reward.accuracy},
                          {"format", a.graded.reward.format},
                          {"reason", a.graded.reward.reason},
                          {"advantage", rounded(a.A, 5)},
                          {"finished", a.finished},
                          {"logp", numbers(a.logp)},
                          {"logp_old", numbers(a.logp_old)},
                          {"logp_ref", numbers(a.logp_ref)},
                          {"entropy", numbers(a.entropy)}});
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
    if (o.prompts < 1 || o.group < 2) throw UsageError("a group of one answer has no baseline, --prompts and --group, give at least 1 and 2");
    if (o.updates < 1 || o.updates > o.prompts * o.group) throw UsageError("more updates than answers, --updates, give 1 or a few");
    if (o.temperature <= 0) throw UsageError("a policy without chance cannot learn, --temperature, give more than 0");
}

}  // namespace

void grpo(const GrpoOptions& o, const Device& device) {
    check(o);
    const Ops& ops = open_device(device);
    Loaded loaded = load(o.model, ops), reference = load(o.model, ops);
    Model& model = loaded.model;
    const std::vector<Problem> problems = read_problems(o.problems);
    const std::vector<Problem> held_out = o.held_out.empty() ? std::vector<Problem>() : read_problems(o.held_out);
    make_folder(o.output);

    TrainOptions train;
    train.shards = o.shards, train.micro_rows = o.micro_rows, train.decay = o.decay, train.clip = o.clip;
    train.beta1 = o.beta1, train.beta2 = o.beta2, train.inverse_temperature = 1.0f / o.temperature;
    Trainer trainer = make_trainer(model, train);
    Sampler sampler = make_sampler(model, o.slots);
    Grpo run{o, loaded.tokenizer, model, reference.model, trainer, sampler, problems};

    const std::string state = o.output + "/training.safetensors";
    int64_t done = 0;
    if (o.resume) done = load_training(state, trainer, &reference.model.weights).value("step", int64_t(0));
    for (const char* name : {"/metrics.jsonl", "/rollouts.jsonl", "/evaluations.jsonl"}) keep_lines(o.output + name, done);
    LineWriter metrics(o.output + "/metrics.jsonl", true), rollouts(o.output + "/rollouts.jsonl", true);
    LineWriter evaluations(o.output + "/evaluations.jsonl", true), timings(o.output + "/timings.jsonl", o.resume);
    std::printf("grpo: %d steps of %d prompts x %d answers, %d updates each, %zu problems, %d threads, %s\n", o.steps,
                o.prompts, o.group, o.updates, problems.size(), thread_count(), ops.name);

    Progress progress("grpo", o.steps);
    Warnings warnings;
    const auto save = [&] {
        evaluations.flush();
        save_training(state, trainer, {{"step", done}}, &reference.model.weights);
    };
    const auto look = [&](int64_t step) {
        if (held_out.empty() || o.evaluate_every <= 0 || step % o.evaluate_every != 0) return;
        EvaluateOptions e;
        e.count = o.evaluate_count, e.k = o.evaluate_k, e.max_tokens = o.max_tokens, e.slots = o.slots, e.task = o.task;
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
        if (o.record_every > 0 && (done == 1 || done % o.record_every == 0)) {
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
    save_model(o.output, model.config, model.weights, o.model + "/tokenizer.json");
}

}  // namespace r1
