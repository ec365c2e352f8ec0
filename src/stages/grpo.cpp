// GRPO, Group Relative Policy Optimization, as DeepSeek-R1-Zero uses it: sample a group of answers to each question,
// reward them by rules, take each reward relative to its group as the advantage of every token of the answer, and
// raise the log-probability of tokens with it. No critic, no reward model, no examples of how to think.
//
//   J = E 1/G sum_i 1/|o_i| sum_t { min[ r A_i, clip(r, 1 - e, 1 + e) A_i ] - beta D_KL }    [DSM eq 3] [R1 eq 1]
//   loss = -J.  The terms and the advantage stand in loss/grpo.h, their order in loss/grpo_batch.h.
//
//   paper       code                          paper       code
//   q           Question::prompt              A_i         GrpoAnswerResult::A
//   o_i         Completion::tokens            pi_old      logp_old: what the sampler computed, to the bit
//   G           options.group                 pi_ref      logp_ref, under Model reference
//   e           math.epsilon_low, _high       beta        math.beta
//
// Problems with answers are rewarded by rules, general prompts by the reward model of their set, and the language
// reward is added to both [NATURE eq 8 to 10]: tasks/rollout.cpp.
//
// One step = one rollout: sample, reward, `updates` optimizer steps on its minibatches, each answer used once.
// Choices where the papers differ or are silent; those of loss/grpo.h are options, the rest is as said here:
//   1  Truncated answers get reward 0 and stay in the loss (--truncated mask takes them out).
//   2  Groups without spread stay in the batch: their policy term is exactly 0, their KL term is not (--flat-groups).
//   3  AdamW with betas 0.9 and 0.95, no decay, gradient clipped at norm 1; linear warm-up, then linear decay.
//   4  Prompts are taken in a shuffled order, epoch after epoch, each as often as its weight says (train/epochs.h).
//   5  The routers' biases stay as pretraining left them [V3 section 4.2 ends with gamma = 0]; no balance loss.
//   6  N and L, which weigh a token, are counted over the answers of its minibatch that are in the loss.
//   7  An answer on which the sandbox failed several times has no reward: it is no part of its group's mean nor of the
//      loss. The terminal warns, the metrics count them, the state is saved, and beyond a tenth of a step's answers the
//      run stops.
//   8  Where --mismatch asks for weights, logp_old is computed by the trainer before the first update and compared with
//      what the sampler computed. In exact mode they are equal, and every weight is 1.
#include "stages/grpo.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "model/disk/folder.h"
#include "stages/grpo_record.h"
#include "train/epochs.h"
#include "train/needs.h"

namespace r1 {

// ---- options

OptionTable table_of(GrpoOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model to start from, which is also the first reference").needed =
        true;
    table.input("--problems", o.problems, PROBLEMS_HELP);
    table.number("--steps", o.steps, at_least(1), "rollouts");
    table.number("--prompts", o.prompts, between(1, 1e6), "questions a rollout");
    table.number("--group", o.group, between(1, 1e6), "answers to each question, G");
    table.number("--updates", o.updates, at_least(1), "optimizer steps a rollout");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    table.add(preset_option(o.preset, o.math, &o.reference_every));
    table.add(table_of(o.math));
    table.number("--reference-every", o.reference_every, at_least(0),
                 "updates between refreshes of the reference; 0: never");
    table.number("--temperature", o.temperature, between(1e-6, 100), "of sampling and of the policy that is trained");
    table.number("--max-tokens", o.max_tokens, between(1, 1e7), "longest answer");
    table.number("--raise-at", o.raise_at, at_least(0), "from this step on the longest answer is --raise-to; 0: never");
    table.number("--raise-to", o.raise_to, between(0, 1e7), "longest answer from --raise-at on")
        .only("--raise-at", [&o] { return o.raise_at > 0; });
    table.number("--preference-from", o.preference_from, at_least(1),
                 "general prompts, and so the rewards of reward models, come from this step on");
    table.number("--rollback", o.rollback, between(0, 1000),
                 "times that a collapse (entropy nearly 0, or KL above 1 a token, in 3 steps in a row) sends the run "
                 "back to its last state before it, to go on with other answers; 0: it only warns");
    table.texts("--reward-command", o.reward_commands, REWARD_COMMAND_HELP);
    table.number("--reward-seconds", o.reward_seconds, {0, 1e6, true}, "that a reward command may take for a group")
        .only("--reward-command", [&o] { return !o.reward_commands.empty(); });
    table.number("--slots", o.slots, between(0, 1e6), SLOTS_HELP).effect = Effect::nothing;
    const auto evaluates = [&o] { return !o.held_out.empty(); };
    table.number("--evaluate-count", o.evaluate_count, at_least(1), "problems of an evaluation on --held-out")
        .only("--held-out", evaluates);
    table.number("--evaluate-k", o.evaluate_k, at_least(1), "answers to each").only("--held-out", evaluates);
    table.number("--record-every", o.record_every, at_least(0), "steps between rollouts kept for the report; 0: none");
    table.number("--record-groups", o.record_groups, at_least(0), "groups kept of such a rollout");
    table.choice("--rollout-format", o.rollout_format, {{"r1", RolloutFormat::r1}, {"verl", RolloutFormat::verl}},
                 "verl: they are also written as verl's trainer dumps them, in rollouts.verl.jsonl");
    table.add(table_of(o.task));
    return table;
}

void check(const GrpoOptions& o) {
    check(o.task);
    check(o.math);
    check_given(o.problems);
    if (o.group < 2) throw UsageError("a group of one answer has no baseline, --group, give 2 or more");
    const int64_t answers = int64_t(o.prompts) * o.group;
    if (answers > 100'000'000) throw UsageError("too many answers a step, --prompts and --group, give fewer");
    if (o.raise_at > 0 && o.raise_to <= 0)
        throw UsageError("a step at which the limit is raised, and no new limit, --raise-at, give --raise-to too");
    if (o.updates > answers) throw UsageError("more updates than answers, --updates, give 1 or a few");
}

// ---- rollout

constexpr int RESAMPLE_ROUNDS = 4;
constexpr double MOST_UNGRADED = 0.1;  // of the answers of a step

// The questions of a step: the next ones of an endless sequence, epoch after epoch in a new order. Round 1, 2, ... are
// other sequences, from which groups without spread are replaced. General prompts have weight 0 until they are asked.
static std::vector<int> questions_of(const GrpoRun& run, int64_t step, int round) {
    const bool general = step >= run.o.preference_from;
    std::vector<double> weights;
    std::vector<int> places;
    for (size_t i = 0; i < run.questions.size(); ++i) {
        const Problem& problem = run.questions[i].problem;
        if (problem.kind->judged_by_model && !general) continue;
        weights.push_back(problem.weight);
        places.push_back(int(i));
    }
    const int64_t begin = (step - (general ? run.o.preference_from : 1)) * run.o.prompts;
    const uint32_t sequence = 1 + uint32_t(round) + (general && run.o.preference_from > 1 ? 1u << 16 : 0u);
    std::vector<int> chosen = items_of_epochs(weights, {run.seed(), sequence}, begin, begin + run.o.prompts);
    for (int& i : chosen) i = places[size_t(i)];
    return chosen;
}

// What the loss needs of a group's answers as soon as they are graded.
static GrpoGroup<float> group_of(const std::vector<Answer>& answers) {
    GrpoGroup<float> group;
    for (const Answer& answer : answers) {
        GrpoAnswer<float>& a = group.answers.emplace_back();
        a.reward = answer.graded.reward.total;
        a.truncated = !answer.completion.finished;
        a.ungraded = answer.graded.reward.ungraded;
        a.logp_old = answer.completion.logp;
    }
    return group;
}

static bool has_spread(const GrpoGroup<float>& group, const GrpoMath& math) {
    const std::vector<float> rewards = normalised_values(group, math);
    return !flat(rewards.data(), int(rewards.size()));
}

// Samples and grades answers for the groups in `places`, whose questions are in step.question.
static void sample_groups(const GrpoRun& run, GrpoStep& step, int round, const std::vector<int>& places) {
    const GrpoOptions& o = run.o;
    std::vector<Ask> asks;
    for (const int place : places)
        asks.push_back({&run.questions[step.question[place]], o.group, uint32_t(place + round * o.prompts)});
    SampleOptions sampling;
    sampling.temperature = o.temperature;
    sampling.max_tokens = run.max_tokens(step.number);
    sampling.seed = run.seed();
    sampling.step = uint32_t(step.number);
    auto groups = all_answers(run.player(), asks, sampling);
    for (size_t k = 0; k < places.size(); ++k) {
        step.batch.groups[places[k]] = group_of(groups[k]);
        step.answers[places[k]] = std::move(groups[k]);
    }
}

static void roll_out(const GrpoRun& run, GrpoStep& step) {
    const GrpoOptions& o = run.o;
    step.answers.resize(o.prompts);
    step.batch.groups.resize(o.prompts);
    step.question = questions_of(run, step.number, 0);
    std::vector<int> places(o.prompts);
    std::iota(places.begin(), places.end(), 0);
    const int rounds = o.math.flat_groups == FlatGroups::resample ? RESAMPLE_ROUNDS : 0;
    for (int round = 0; round <= rounds && !places.empty(); ++round) {
        const std::vector<int> next = questions_of(run, step.number, round);
        for (const int place : places) step.question[place] = next[place];
        sample_groups(run, step, round, places);
        std::erase_if(places, [&](int place) { return has_spread(step.batch.groups[place], o.math); });
    }
    step.groups_without_spread = int(places.size());
    for (const auto& group : step.answers)
        for (const Answer& answer : group) {
            step.ungraded += answer.graded.reward.ungraded;
            if (!std::isfinite(answer.graded.reward.total))
                throw OutsideFailed("a reward that is not finite, step " + std::to_string(step.number) +
                                    ", see what the reward models or commands say of: " + answer.graded.text);
        }
    if (step.ungraded > MOST_UNGRADED * o.prompts * o.group)
        throw OutsideFailed(std::to_string(step.ungraded) + " of " + std::to_string(o.prompts * o.group) +
                            " answers could not be judged, step " + std::to_string(step.number) +
                            ", see what keeps this machine busy");
}

// ---- log-probabilities under the reference, and under the trainer

// Prompts and answers as sequences, group after group.
struct Sequences {
    std::vector<std::vector<int>> tokens;
    std::vector<int> prompt_length;
    Example example(int k) const { return {tokens[k].data(), int(tokens[k].size())}; }
    int first_row(int k) const { return prompt_length[k] - 1; }  // row t predicts token t + 1
};

static Sequences sequences_of(const GrpoRun& run, const GrpoStep& step) {
    Sequences s;
    for (size_t g = 0; g < step.answers.size(); ++g)
        for (const Answer& answer : step.answers[g]) {
            std::vector<int>& tokens = s.tokens.emplace_back(run.questions[step.question[g]].prompt);
            s.prompt_length.push_back(int(tokens.size()));
            tokens.insert(tokens.end(), answer.completion.tokens.begin(), answer.completion.tokens.end());
        }
    return s;
}

// The log-probabilities of all answers' tokens under a model: into(index) is where those of an answer go.
template <class Into>
static void score_answers(const GrpoRun& run, const Sequences& s, const Model& model, const Into& into) {
    std::vector<Example> batch;
    for (int k = 0; k < int(s.tokens.size()); ++k) batch.push_back(s.example(k));
    score(run.trainer, model, batch, [&](int k, const SequenceRows& rows) {
        std::vector<float>& logp = into(AnswerIndex{k / run.o.group, k % run.o.group});
        logp.assign(rows.logp + s.first_row(k), rows.logp + batch[k].rows());
    });
}

static void score_step(const GrpoRun& run, GrpoStep& step, const Sequences& s) {
    const auto answer = [&](AnswerIndex i) -> GrpoAnswer<float>& {
        return step.batch.groups[i.group].answers[i.answer];
    };
    if (run.reference)
        score_answers(run, s, *run.reference, [&](AnswerIndex i) -> std::vector<float>& { return answer(i).logp_ref; });
    if (run.o.math.mismatch == Mismatch::none) return;
    for (GrpoGroup<float>& group : step.batch.groups)
        for (GrpoAnswer<float>& a : group.answers) a.logp_sampler = a.logp_old;
    score_answers(run, s, run.model, [&](AnswerIndex i) -> std::vector<float>& { return answer(i).logp_old; });
}

// ---- updates

// Answers in a random order, cut into equal parts [NATURE Methods].
static void cut_minibatches(const GrpoRun& run, GrpoStep& step) {
    const int n = run.o.prompts * run.o.group;
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    Stream random(run.seed(), Purpose::minibatch, uint32_t(step.number));
    shuffle(order.data(), uint32_t(n), random);
    for (int64_t u = 0; u < run.o.updates; ++u) {
        std::vector<AnswerIndex>& minibatch = step.minibatches.emplace_back();
        for (int64_t i = n * u / run.o.updates; i < n * (u + 1) / run.o.updates; ++i)
            minibatch.push_back({order[i] / run.o.group, order[i] % run.o.group});
    }
}

// One optimizer step on a minibatch.
static void update(const GrpoRun& run, GrpoStep& step, const Sequences& s, const std::vector<AnswerIndex>& minibatch,
                   const LogitsObserver& observer) {
    const GrpoOptions& o = run.o;
    std::vector<Example> batch;
    for (const AnswerIndex& at : minibatch) batch.push_back(s.example(at.group * o.group + at.answer));
    grpo_count(step.result, step.batch, minibatch, o.math);
    const auto loss = [&](int i, const SequenceRows& rows) {
        const AnswerIndex at = minibatch[i];
        const int first = s.first_row(at.group * o.group + at.answer), last = batch[i].rows();
        GrpoAnswer<float>& answer = step.batch.groups[at.group].answers[at.answer];
        GrpoAnswerResult<float>& result = step.result.groups[at.group].answers[at.answer];
        answer.logp.assign(rows.logp + first, rows.logp + last);
        step.entropy[at.group][at.answer].assign(rows.entropy + first, rows.entropy + last);
        grpo_terms(result, answer, o.math);
        std::copy(result.dlogp.begin(), result.dlogp.end(), rows.dlogp + first);
        if (rows.logits) observer.see(step, at, rows.logits + int64_t(first) * run.model.config.vocab_size);
    };
    const auto wants = [&](int i) { return observer.wants && observer.wants(step, minibatch[i]); };
    accumulate(run.trainer, batch, loss, wants);
    const int64_t updates = int64_t(o.steps) * o.updates;
    step.learning_rate = learning_rate(run.trainer.step, updates, o.warmup, o.lr, o.final_lr_share, o.schedule);
    const auto update = apply_if_finite(run.trainer, step.learning_rate, batch, 0, step.number, run.health);
    if (update) step.updates.push_back(*update);
    else ++step.skipped;
}

static void copy_weights(Model& to, const Model& from) {
    from.ops->memory->copy(to.weights.arena.base(), from.weights.arena.base(), from.weights.arena.used());
}

GrpoStep grpo_step(const GrpoRun& run, int64_t number, const LogitsObserver& observer) {
    const GrpoOptions& o = run.o;
    GrpoStep step;
    step.number = number;
    const double begin = seconds_now();
    roll_out(run, step);
    step.sampling_seconds = seconds_now() - begin;
    const Sequences s = sequences_of(run, step);
    score_step(run, step, s);
    step.result = grpo_advantages(step.batch, o.math);
    step.entropy.assign(o.prompts, std::vector<std::vector<float>>(o.group));
    cut_minibatches(run, step);
    for (const std::vector<AnswerIndex>& minibatch : step.minibatches) {
        update(run, step, s, minibatch, observer);
        const bool refresh = o.reference_every > 0 && run.trainer.step % o.reference_every == 0;
        if (run.reference && refresh) copy_weights(*run.reference, run.model);
    }
    return step;
}

// ---- the stage

// What is asked must be rewarded by something, at every step.
static void check_mixture(const GrpoOptions& o, const std::vector<Question>& questions) {
    bool verifiable = false;
    for (const Question& q : questions) {
        const Problem& problem = q.problem;
        verifiable |= !problem.kind->judged_by_model;
        const PreferenceOptions& p = o.task.preference;
        const bool safe = problem.set == "safe";
        const bool has_model = !(safe ? p.safety_model : p.helpful_model).empty();
        if (problem.kind->judged_by_model && !has_model && !problem.has_rubric && o.reward_commands.empty())
            fail("a general prompt that nothing rewards", o.problems + " line " + std::to_string(problem.line),
                 std::string("give ") + (safe ? "--safety-model" : "--reward-model") +
                     " or --reward-command, or the line a rubric");
    }
    if (!verifiable && o.preference_from > 1)
        throw UsageError("no problems to ask before step " + std::to_string(o.preference_from) +
                         ", --preference-from, leave it out or add problems with answers to --problems");
}

// An evaluation on held-out problems between two steps.
static Evaluated evaluate_between(const GrpoRun& run, const std::vector<Question>& held_out, int64_t done) {
    EvaluateOptions e;
    e.count = run.o.evaluate_count;
    e.k = run.o.evaluate_k;
    e.max_tokens = run.max_tokens(done);
    const std::vector<std::vector<Answer>> answers = evaluation_answers(run.player(), held_out, e);
    const Evaluation evaluation = evaluation_of(run.task, held_out, answers);
    char text[128];
    std::snprintf(text, sizeof text, "pass@1 %.1f %%, length %.1f, reflective %.1f %%", 100 * evaluation.pass_at_1,
                  evaluation.mean_length, 100 * evaluation.reflective_share);
    json line = evaluation_to_json(evaluation);
    line.update(command_means(answers));
    return {line, evaluation.pass_at_1, text};
}

void grpo(GrpoOptions o, const Device& device) {
    check(o);
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model);
    Run run(o, "grpo", table_of(o));
    const Task task = make_task(o.task, o.model, folder.tokenizer);
    const int most = folder.config.max_position_embeddings;
    const std::vector<Question> questions = read_questions(task, o.problems, most);
    const std::vector<Question> held_out =
        o.held_out.empty() ? std::vector<Question>() : read_questions(task, o.held_out, most);

    check_mixture(o, questions);
    const int longest_answer = std::max(o.max_tokens, o.raise_at > 0 ? o.raise_to : 0);
    const int context = std::max(longest_prompt(questions), longest_prompt(held_out)) + longest_answer;
    check_need(folder.config, ops, {context, o.shards, o.micro_rows, o.slots}, &MemoryNeeds::grpo, o.model);
    Model model = load_model(folder, ops, context);
    std::optional<Model> reference;
    if (needs_reference(o.math)) {
        reference.emplace(make_model(folder.config, ops, model.context));
        copy_weights(*reference, model);
    }
    TrainOptions options = trainer_options(o);
    options.inverse_temperature = 1.0f / o.temperature;
    Trainer trainer = make_trainer(model, options);
    run.restore(trainer, reference ? &reference->weights : nullptr);
    Sampler sampler = make_sampler(model, o.slots);
    const Preferences preferences = load_preferences(o.task.preference, ops);
    RewardCommands commands = make_reward_commands(o.reward_commands, o.reward_seconds);
    Health health{o.on_nonfinite, o.output};
    GrpoRun grpo_run{o,       task,   questions, model,        reference ? &*reference : nullptr,
                     trainer, health, sampler,   &preferences, &commands};
    if (!commands.empty())
        std::printf("the rewards come from a command, and the run's bytes are those that it makes them\n");
    std::printf("grpo: %d steps of %d prompts x %d answers, %d updates each, %zu problems\n", o.steps, o.prompts,
                o.group, o.updates, questions.size());

    LineWriter* verl = o.rollout_format == RolloutFormat::verl ? &run.lines("rollouts.verl.jsonl") : nullptr;
    GrpoRecord record(grpo_run, run.lines("rollouts.jsonl"), verl);
    Stage stage;
    stage.name = "grpo";
    stage.steps = o.steps;
    stage.reference = reference ? &reference->weights : nullptr;
    stage.save_every = o.save_every;
    stage.step = [&](int64_t number) { return record.step(number); };
    stage.rollbacks = o.rollback;
    stage.rolled_back = [&](int times) { grpo_run.rollbacks = times; };
    stage.look = [&](int64_t done, Progress& progress) { record.look(done, progress); };
    if (!held_out.empty()) stage.evaluate = [&](int64_t done) { return evaluate_between(grpo_run, held_out, done); };
    stage.evaluate_every = o.evaluate_every;
    stage.write_model = [&](const std::string& path) { save_model(path, model, folder.tokenizer, o.model); };
    train(run, trainer, stage);
}

}  // namespace r1
