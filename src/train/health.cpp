#include "train/health.h"

#include <cmath>

#include "base/check.h"
#include "base/files.h"

namespace r1 {

static void write_aside(Trainer& trainer, const std::vector<Example>& batch, int64_t step, const std::string& path) {
    std::vector<double> losses(batch.size());
    if (!trainer.model->config.labels)  // a reward model has no next token
        score(trainer, *trainer.model, batch, [&](int i, const SequenceRows& rows) {
            for (int t = 0; t < rows.rows; ++t) losses[size_t(i)] -= rows.logp[t];
        });
    done_by_first([&](Packer&) {
        AtomicWriter writer(path);
        for (size_t i = 0; i < batch.size(); ++i) {
            const std::vector<int> tokens(batch[i].tokens, batch[i].tokens + batch[i].length);
            const bool finite = std::isfinite(losses[i]);
            writer.write_line({{"step", step},
                               {"index", i},
                               {"loss", finite ? json(rounded(losses[i])) : json()},
                               {"tokens", tokens}});
        }
        writer.commit();
    });
}

std::optional<Update> apply_if_finite(Trainer& trainer, float lr, const std::vector<Example>& batch, double loss,
                                      int64_t step, Health& health) {
    std::string why;
    if (!(loss < 1e4)) why = std::isfinite(loss) ? "the loss is " + std::to_string(loss) : "the loss is not finite";
    if (why.empty()) try {
            const Update update = apply(trainer, lr, batch.size());
            health.skipped_in_row = 0;
            return update;
        } catch (const NotFinite& gradient) {
            why = gradient.what();
        }
    const std::string path = health.folder + "/nonfinite-step-" + std::to_string(step) + ".jsonl";
    write_aside(trainer, batch, step, path);
    const bool skip = health.on_nonfinite == OnNonfinite::skip && ++health.skipped_in_row <= MOST_SKIPPED_IN_ROW;
    if (!skip)
        fail(why, "step " + std::to_string(step) + ", whose batch is in " + path,
             "lower --lr, or leave such batches out with --on-nonfinite skip; what was last saved stands");
    clear_gradients(trainer);
    ++trainer.step;
    return {};
}

}  // namespace r1
