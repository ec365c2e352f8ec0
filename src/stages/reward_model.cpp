// Reward models: the blocks of a language model, and in place of the head one score, read at the response's last token.
//
//   helpful   loss = -log sigmoid(s_chosen - s_rejected)                            [Bradley and Terry 1952]
//   safe      loss = -log sigmoid(s) if safe, -log sigmoid(-s) if not
//
// means over a batch (loss/preference.h). R1's are trained on 66,000 pairs and 106,000 labelled responses, batch 256,
// rate 6e-6, one epoch, at most 8,192 tokens [NATURE Methods]; the paper prints no loss. Choices of ours:
//   1  An update scores its batch first and then runs it again for the gradient, so that the two sides of a pair need
//      not go through the model together, and how the batch is cut cannot be seen.
//   2  The score's initial weights are small and random; all weights are trained.
//   3  Experts: no balance loss, and the routers' biases stay as they are, as in fine-tuning.
#include "stages/reward_model.h"

#include <algorithm>

#include "base/check.h"
#include "loss/preference.h"
#include "train/epochs.h"
#include "train/needs.h"

namespace r1 {

OptionTable table_of(RewardModelOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model to start from, a language model or a reward model").needed =
        true;
    table
        .input("--data", o.data,
               "JSON lines: {\"prompt\", \"chosen\", \"rejected\"} for helpful, {\"prompt\", \"response\", \"safe\"} "
               "for safe")
        .needed = true;
    table.choice("--kind", o.kind, REWARD_KINDS,
                 "helpful learns from pairs and reads the response without its thinking, safe learns from labels and "
                 "reads all of it");
    table.choice("--template", o.prompt_template, TEMPLATE_NAMES, "put around a prompt");
    table.number("--epochs", o.epochs, at_least(1), "times that the data is seen");
    table.number("--steps", o.steps, at_least(0), "updates; 0: as --epochs says");
    table.number("--batch", o.batch, between(1, 1e6), "pairs or labelled responses an update");
    table.number("--context", o.context, at_least(0), "most tokens that are read; 0: what the model reads");
    table.add(table_of(static_cast<TrainingOptions&>(o)));
    return table;
}

namespace {

// s_chosen - s_rejected, or s with the sign of its label: what the loss is a function of.
double margin_of(const RewardExample& e, float score, float other) {
    if (e.is_pair()) return double(score) - double(other);
    return e.safe ? double(score) : -double(score);
}

double half_right(double margin) { return margin > 0 ? 1 : margin == 0 ? 0.5 : 0; }

// The scores of both sides. Of a label the other side's is 0.
struct Scores {
    std::vector<float> first, other;
};

Scores score_all(Scorer& scorer, const Model& model, const std::vector<const RewardExample*>& examples) {
    std::vector<std::vector<int>> sequences;
    for (const RewardExample* e : examples) {
        sequences.push_back(e->tokens);
        if (e->is_pair()) sequences.push_back(e->other);
    }
    const std::vector<float> all = scores_of(scorer, model, sequences);
    Scores scores;
    size_t next = 0;
    for (const RewardExample* e : examples) {
        scores.first.push_back(all[next++]);
        scores.other.push_back(e->is_pair() ? all[next++] : 0.0f);
    }
    return scores;
}

// One update on some examples.
StepReport update(Trainer& trainer, Scorer& scorer, const std::vector<const RewardExample*>& examples, float lr,
                  int64_t step, Health& health) {
    const Scores scores = score_all(scorer, *trainer.model, examples);
    std::vector<Example> batch;
    std::vector<float> dscore;
    double loss = 0, accuracy = 0, margins = 0;
    const double n = double(examples.size());
    for (size_t i = 0; i < examples.size(); ++i) {
        const RewardExample& e = *examples[i];
        const double margin = margin_of(e, scores.first[i], scores.other[i]);
        const double slope = logistic_slope(margin) / n;
        loss += logistic_loss(margin) / n;
        accuracy += half_right(margin) / n;
        margins += margin / n;
        batch.push_back({e.tokens.data(), int(e.tokens.size()), true});
        dscore.push_back(float(e.is_pair() || e.safe ? slope : -slope));
        if (!e.is_pair()) continue;
        batch.push_back({e.other.data(), int(e.other.size()), true});
        dscore.push_back(float(-slope));
    }
    accumulate_scores(trainer, batch, dscore);
    const auto u = apply_if_finite(trainer, lr, batch, loss, step, health);
    if (!u) return skipped_report(step);
    StepReport report;
    report.metrics = {{"step", trainer.step},          {"loss", rounded(loss)},
                      {"accuracy", rounded(accuracy)}, {"margin", rounded(margins)},
                      {"learning_rate", rounded(lr)},  {"gradient_norm", rounded(u->gradient_norm)}};
    char text[96];
    std::snprintf(text, sizeof text, "loss %.3f  accuracy %.1f %%", loss, 100 * accuracy);
    report.text = text;
    return report;
}

std::vector<const RewardExample*> pointers_to(const std::vector<RewardExample>& examples) {
    std::vector<const RewardExample*> all;
    for (const RewardExample& e : examples) all.push_back(&e);
    return all;
}

json to_json(const RewardAccuracy& a, bool pairs) {
    json object = {{"examples", a.examples},
                   {"accuracy", rounded(a.accuracy)},
                   {"loss", rounded(a.loss)},
                   {pairs ? "accuracy_of_length" : "accuracy_of_commoner_label", rounded(a.length)}};
    if (a.truth) object["accuracy_by_truth"] = rounded(*a.truth);
    if (a.best) object["best_possible"] = rounded(*a.best);
    if (a.of_truth) object["accuracy_of_truth"] = rounded(*a.of_truth);
    return object;
}

void print(const RewardAccuracy& a, bool pairs) {
    std::printf("  accuracy %.1f %%   %s %.1f %%", 100 * a.accuracy,
                pairs ? "by length alone" : "by the commoner label alone", 100 * a.length);
    if (a.truth) std::printf("   by the truth alone %.1f %%", 100 * *a.truth);
    if (a.best) std::printf("   best possible %.1f %%", 100 * *a.best);
    if (a.of_truth) std::printf("   prefers the truly better one %.1f %%", 100 * *a.of_truth);
    std::printf("\n");
}

RewardAccuracy accuracy_on(const RewardData& data, Scorer& scorer, const Model& model) {
    const Scores scores = score_all(scorer, model, pointers_to(data.examples));
    return reward_accuracy(data.examples, scores.first, scores.other);
}

void measure(const RewardData& data, const char* name, Scorer& scorer, const Model& model, json& evaluation) {
    const RewardAccuracy a = accuracy_on(data, scorer, model);
    const bool pairs = data.examples[0].is_pair();
    std::printf("%s, %lld %s\n", name, static_cast<long long>(a.examples), pairs ? "pairs" : "labelled responses");
    print(a, pairs);
    evaluation[name] = to_json(a, pairs);
}

Evaluated evaluated(const RewardData& held_out, Scorer& scorer, const Model& model) {
    const RewardAccuracy a = accuracy_on(held_out, scorer, model);
    char text[64];
    std::snprintf(text, sizeof text, "accuracy %.1f %%, loss %.3f", 100 * a.accuracy, a.loss);
    return {to_json(a, held_out.examples[0].is_pair()), a.accuracy, text};
}

json evaluation_of(const RewardData& data, const RewardData& held_out, Scorer& scorer, const Model& model) {
    json evaluation = json::object();
    measure(data, "train", scorer, model, evaluation);
    if (!held_out.examples.empty()) measure(held_out, "held_out", scorer, model, evaluation);
    return evaluation;
}

}  // namespace

RewardAccuracy reward_accuracy(const std::vector<RewardExample>& examples, const std::vector<float>& scores,
                               const std::vector<float>& others) {
    RewardAccuracy a;
    a.examples = int64_t(examples.size());
    double safe = 0, best = 0, truth = 0, of_truth = 0, with_better = 0;
    bool truth_known = true, probability_known = true;
    for (size_t i = 0; i < examples.size(); ++i) {
        const RewardExample& e = examples[i];
        const double margin = margin_of(e, scores[i], others[i]);
        a.loss += logistic_loss(margin);
        a.accuracy += half_right(margin);
        a.length += e.is_pair() ? half_right(e.length - e.other_length) : 0;
        safe += e.safe;
        truth_known = truth_known && e.truth;
        probability_known = probability_known && e.probability;
        if (e.probability) best += std::max(*e.probability, 1 - *e.probability);
        if (!e.truth) continue;
        truth += *e.truth;
        if (*e.truth == 0.5) continue;
        with_better += 1;
        of_truth += *e.truth == 1 ? half_right(margin) : half_right(-margin);
    }
    const double n = double(examples.size());
    const bool pairs = examples[0].is_pair();
    for (double* sum : {&a.loss, &a.accuracy, &a.length, &safe, &truth, &best}) *sum /= n;
    if (!pairs) a.length = std::max(safe, 1 - safe);
    if (pairs && truth_known) a.truth = truth;
    if (pairs && probability_known) a.best = best;
    if (with_better > 0) a.of_truth = of_truth / with_better;
    return a;
}

void reward_model(RewardModelOptions o, const Device& device) {
    const Ops& ops = open_device(device);
    const ModelFolder folder = open_model(o.model, WithoutTokenizer::refused, RewardModels::allowed);
    Run run(o, "reward-model", table_of(o));
    const int most = folder.config.max_position_embeddings;
    const RewardReading reading = make_reading(o.kind, o.prompt_template, o.model, folder.tokenizer,
                                               o.context > 0 ? std::min(o.context, most) : most);
    const RewardData data = read_reward_data(o.data, reading);
    RewardData held_out;
    if (!o.held_out.empty()) {
        held_out = read_reward_data(o.held_out, reading);
        check_split(data, held_out, o.held_out);
    }
    const int context = std::max(data.longest, held_out.longest);
    check_need(folder.config, ops, {context, o.shards, o.micro_rows}, &MemoryNeeds::sft, o.model);
    Model model = load_reward_base(folder, ops, context, o.seed);
    record_reading(model.config, reading);
    Trainer trainer = make_trainer(model, trainer_options(o));
    run.restore(trainer);
    Scorer scorer = make_scorer(model);

    const std::vector<double> weights(data.examples.size(), 1.0);
    const int64_t all = int64_t(weights.size()) * o.epochs;
    const int64_t steps = o.steps > 0 ? o.steps : (all + o.batch - 1) / o.batch;
    std::printf("reward-model: %s\n%lld updates of %d, %s parameters\n", in_words(data).c_str(),
                static_cast<long long>(steps), o.batch,
                short_count(double(parameter_count(model.config, false))).c_str());
    Stage stage;
    Health health{o.on_nonfinite, o.output};
    stage.name = "reward-model";
    stage.steps = steps;
    stage.save_every = o.save_every;
    stage.step = [&](int64_t step) {
        std::vector<const RewardExample*> chosen;
        for (const int i : items_of_epochs(weights, {o.seed, 0}, (step - 1) * o.batch, step * o.batch))
            chosen.push_back(&data.examples[size_t(i)]);
        const float lr = learning_rate(trainer.step, steps, o.warmup, o.lr, o.final_lr_share, o.schedule);
        return update(trainer, scorer, chosen, lr, step, health);
    };
    if (!o.held_out.empty()) stage.evaluate = [&](int64_t) { return evaluated(held_out, scorer, model); };
    stage.evaluate_every = o.evaluate_every;
    json evaluation;
    stage.at_end = [&] { evaluation = evaluation_of(data, held_out, scorer, model); };
    stage.write_model = [&](const std::string& path) {
        if (path == run.folder()) write_file_atomically(path + "/evaluation.json", evaluation.dump(2) + "\n");
        save_model(path, model, folder.tokenizer, o.model);
    };
    train(run, trainer, stage);
}

}  // namespace r1
