#include "train/loop.h"

#include <algorithm>

namespace r1 {

namespace {

struct Loop {
    Run& run;
    Trainer& trainer;
    const Stage& stage;
    int64_t done;
    Progress progress;
    LineWriter &metrics, &timings;
    LineWriter* evaluations;

    Loop(Run& r, Trainer& t, const Stage& s)
        : run(r), trainer(t), stage(s), done(r.done()), progress(s.name, s.steps, r.done()),
          metrics(r.lines("metrics.jsonl")), timings(r.lines("timings.jsonl")),
          evaluations(s.evaluate ? &r.lines("evaluations.jsonl") : nullptr) {}

    void save() {
        if (stage.keep > 0 && done < stage.steps) {
            run.put_model("step-" + std::to_string(done), stage.write_model);
            run.keep_models(stage.keep);
        }
        run.save(done, trainer, stage.reference);
    }

    void step() {
        const double begin = seconds_now();
        const StepReport report = stage.step(done + 1);
        ++done;
        metrics.write(report.metrics);
        metrics.flush();  // for whoever watches
        json line = {{"step", done}, {"seconds", rounded(seconds_now() - begin)}};
        line.update(report.timings);
        timings.write(line);
        if (done < stage.steps) progress.update(done, report.text);
        else progress.finish(report.text);
        if (stage.look) stage.look(done, progress);
        if (report.save_now && done < stage.steps) save();
    }

    // A look that a stop cut short is taken when the run goes on.
    void evaluate() {
        const bool due = stage.evaluate && stage.evaluate_every > 0 && done % stage.evaluate_every == 0;
        if (!due || run.notes.value("evaluated", int64_t(-1)) >= done) return;
        const Evaluated said = stage.evaluate(done);
        json line = {{"step", done}};
        line.update(said.line);
        evaluations->write(line);
        evaluations->flush();
        progress.note("  step " + std::to_string(done) + ", held out: " + said.text);
        run.notes["evaluated"] = done;
        if (run.notes.contains("best") && run.notes["best"]["score"] >= said.score) return;
        if (stage.keep > 0) run.put_model("best", stage.write_model);
        run.notes["best"] = {{"step", done}, {"score", said.score}};
    }

    // Whether all is done.
    bool go_on() {
        evaluate();
        while (done < stage.steps && !stop_requested()) {
            step();
            evaluate();
            const bool due = stage.save_every > 0 && done % stage.save_every == 0;
            if (due && done < stage.steps) save();
        }
        return done >= stage.steps;
    }
};

}  // namespace

bool train(Run& run, Trainer& trainer, const Stage& stage) {
    catch_signals();
    run.write_start(trainer.model->ops->name);
    Loop loop(run, trainer, stage);
    bool all_done = false;
    try {
        all_done = loop.go_on();
    } catch (const Stopped&) {
    } catch (const OutsideFailed& failure) {
        loop.save();
        throw Error(std::string(failure.what()) + ", and go on with --resume: step " + std::to_string(loop.done) +
                    " is saved in " + run.folder());
    }
    loop.save();
    if (all_done) {
        run.keep_models(std::max(0, stage.keep - 1));
        stage.write_model(run.folder());
        return true;
    }
    loop.progress.note("stopped after step " + std::to_string(loop.done) + "; everything is saved in " + run.folder() +
                       ". To go on: the same r1 " + stage.name + " command with --resume");
    return false;
}

}  // namespace r1
