#include "train/token_stage.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace r1 {

Trainer make_token_trainer(Model& model, const TokenOptions& o, const Run& run) {
    TrainOptions options = trainer_options(o);
    options.bias_speed = o.bias_speed;
    options.balance.alpha = o.balance_alpha;
    options.prediction = o.prediction_weight > 0;
    Trainer trainer = make_trainer(model, options);
    run.restore(trainer);
    return trainer;
}

Evaluated held_out_loss(Trainer& trainer, const TokenBatch& held_out) {
    std::vector<double> sums(held_out.examples.size());
    std::vector<int64_t> counts(held_out.examples.size());
    score(trainer, *trainer.model, held_out.examples, [&](int i, const SequenceRows& rows) {
        for (int t = 0; t < held_out.examples[size_t(i)].rows(); ++t) {
            if (!held_out.learned.empty() && !held_out.learned[size_t(i)][t + 1]) continue;
            sums[size_t(i)] -= rows.logp[t];
            ++counts[size_t(i)];
        }
    });
    double loss = 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
        loss += sums[i];
        tokens += counts[i];
    }
    loss /= double(std::max<int64_t>(1, tokens));
    char text[64];
    std::snprintf(text, sizeof text, "loss %.3f", loss);
    return {{{"tokens", tokens}, {"loss", rounded(loss)}}, -loss, text};
}

Stage token_stage(const std::string& name, Trainer& trainer, const TokenOptions& o, int64_t steps,
                  const std::function<TokenBatch(int64_t step)>& next,
                  const std::function<void(json& line, const TokenLoss& loss, const Update& update)>& more) {
    Stage stage;
    stage.name = name;
    stage.steps = steps;
    stage.save_every = o.save_every;
    stage.evaluate_every = o.evaluate_every;
    stage.step = [&trainer, &o, steps, next, more, begin = seconds_now(), tokens = int64_t(0),
                  health = Health{o.on_nonfinite, o.output}](int64_t step) mutable {
        const TokenBatch batch = next(step);
        const TokenLoss loss = accumulate_tokens(trainer, batch.examples, o.prediction_weight, batch.learned);
        const float lr = learning_rate(trainer.step, steps, o.warmup, o.lr, o.final_lr_share, o.schedule);
        const auto update = apply_if_finite(trainer, lr, batch.examples, loss.loss, step, health);
        if (!update) return skipped_report(step);
        StepReport report;
        report.metrics = {{"step", trainer.step},
                          {"tokens", loss.tokens},
                          {"loss", rounded(loss.loss)},
                          {"learning_rate", rounded(lr)},
                          {"gradient_norm", rounded(update->gradient_norm)}};
        for (const double each : loss.modules) report.metrics["prediction_loss"].push_back(rounded(each));
        more(report.metrics, loss, *update);
        report.timings = {{"tokens", loss.tokens}};
        tokens += loss.tokens;
        char text[96];
        std::snprintf(text, sizeof text, "loss %.3f  %s learned tokens/s", loss.loss,
                      short_count(double(tokens) / (seconds_now() - begin)).c_str());
        report.text = text;
        return report;
    };
    return stage;
}

}  // namespace r1
