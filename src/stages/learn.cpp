#include "stages/learn.h"

#include "base/check.h"
#include "base/files.h"
#include "base/threads.h"

namespace r1 {

static std::string state_of(const LearnOptions& o) { return o.output + "/training.state"; }

Trainer make_learner(Model& model, const LearnOptions& o) {
    TrainOptions train;
    train.shards = o.shards, train.micro_rows = o.micro_rows, train.decay = o.decay, train.clip = o.clip;
    train.beta1 = o.beta1, train.beta2 = o.beta2, train.bias_speed = o.bias_speed, train.balance.alpha = o.balance_alpha;
    train.prediction = o.prediction_weight > 0;
    Trainer trainer = make_trainer(model, train);
    if (o.resume) load_training(state_of(o), trainer);
    return trainer;
}

bool learn(const std::string& stage, Trainer& trainer, const LearnOptions& o, int64_t steps,
           const std::function<LearnBatch(int64_t step)>& next,
           const std::function<void(json& line, const TokenLoss& loss, const Update& update)>& more) {
    const std::string metrics_path = o.output + "/metrics.jsonl";
    keep_lines(metrics_path, trainer.step);
    LineWriter metrics(metrics_path, true), timings(o.output + "/timings.jsonl", o.resume);
    Progress progress(stage, steps);
    const double begin = seconds_now();
    int64_t tokens = 0;
    while (trainer.step < steps && !stop_requested()) {
        const LearnBatch batch = next(trainer.step);
        const TokenLoss loss = accumulate_tokens(trainer, batch.examples, o.prediction_weight, batch.learned);
        if (!(loss.loss < 1e4)) fail("the loss is " + std::to_string(loss.loss), "step " + std::to_string(trainer.step + 1),
                                     "lower --lr; the last saved state is in " + o.output);
        const float lr = learning_rate(trainer.step, steps, o.warmup, o.lr, o.final_lr_share, o.schedule);
        const Update update = apply(trainer, lr, batch.examples.size());
        json line = {{"step", trainer.step}, {"tokens", loss.tokens}, {"loss", rounded(loss.loss)},
                     {"learning_rate", rounded(lr)}, {"gradient_norm", rounded(update.gradient_norm)}};
        for (const double each : loss.modules) line["prediction_loss"].push_back(rounded(each));
        more(line, loss, update);
        metrics.write(line), metrics.flush();  // for whoever watches
        tokens += loss.tokens;
        char text[96];
        std::snprintf(text, sizeof text, "loss %.3f  %s learned tokens/s", loss.loss,
                      short_count(double(tokens) / (seconds_now() - begin)).c_str());
        if (trainer.step < steps) progress.update(trainer.step, text);
        else progress.finish(text);
        if (o.save_every > 0 && trainer.step % o.save_every == 0 && trainer.step < steps)
            save_training(state_of(o), trainer, json::object());
    }
    save_training(state_of(o), trainer, json::object());
    timings.write({{"seconds", rounded(seconds_now() - begin)}, {"tokens", tokens}, {"threads", thread_count()}});
    if (trainer.step < steps) progress.note(how_to_resume(stage, o.output, trainer.step));
    return trainer.step == steps;
}

}  // namespace r1
