#include "train/loop.h"

#include "base/check.h"
#include "base/ranks.h"

namespace r1 {

namespace {

struct Loop {
    Run& run;
    Trainer& trainer;
    const Stage& stage;
    int64_t done, saved;  // steps; saved: -1 without a saved state
    Progress progress;
    LineWriter &metrics, &timings;
    LineWriter* evaluations;

    Loop(Run& r, Trainer& t, const Stage& s)
        : run(r), trainer(t), stage(s), done(r.done()), saved(r.resumed() ? r.done() : -1),
          progress(s.name, s.steps, r.done()), metrics(r.lines("metrics.jsonl")),
          timings(r.lines("timings.jsonl", Run::Lines::clock)),
          evaluations(s.evaluate ? &r.lines("evaluations.jsonl") : nullptr) {}

    // What the disk refuses on the way is said and tried again later: a run of days does not end with an hour of a full
    // disk.
    template <class Write>
    void try_to(const Write& write) {
        try {
            write();
        } catch (const DiskFailed& failure) {
            progress.note("r1: warning: " + std::string(failure.what()) + "; the run goes on and will try again");
        }
    }

    void save() {
        if (saved == done) return;
        run.save(done, trainer, stage.reference, stage.write_model);
        saved = done;
        run.remove_old_states();
    }

    void step() {
        const double begin = seconds_now();
        const StepReport report = stage.step(done + 1);
        ++done;
        metrics.write(report.metrics);
        json line = {{"step", done}, {"seconds", rounded(seconds_now() - begin)}};
        line.update(report.timings);
        timings.write(line);
        if (done < stage.steps) progress.update(done, report.text);
        else progress.finish(report.text);
        if (stage.look) stage.look(done, progress);
        try_to([&] { run.flush(); });
        if (report.save_now && done < stage.steps) try_to([&] { save(); });
        watch(report.alarm);
    }

    // The notes are saved with the state, so that a run that is resumed goes the same way.
    void watch(const std::string& alarm) {
        if (stage.rollbacks == 0) return;
        const int alarms = alarm.empty() ? 0 : run.notes.value("alarms", 0) + 1,
                  times = run.notes.value("rollbacks", 0);
        run.notes["alarms"] = alarms;
        if (alarms < ALARM_STEPS || times >= stage.rollbacks || done >= stage.steps) return;
        const int64_t to = run.roll_back(done - ALARM_STEPS, trainer, stage.reference);
        if (to < 0) return progress.note("  " + alarm + ": no saved state to go back to");
        progress.note("  " + alarm + ": back to step " + std::to_string(to) + ", and on with other answers");
        done = saved = to;
        run.notes["alarms"] = 0;
        run.notes["rollbacks"] = times + 1;
        stage.rolled_back(times + 1);
    }

    // A look that a stop cut short is taken when the run goes on.
    void evaluate() {
        const bool due = stage.evaluate && stage.evaluate_every > 0 && done % stage.evaluate_every == 0;
        if (!due || run.notes.value("evaluated", int64_t(-1)) >= done) return;
        const Evaluated said = stage.evaluate(done);
        json line = {{"step", done}};
        line.update(said.line);
        evaluations->write(line);
        try_to([&] { run.flush(); });
        progress.note("  step " + std::to_string(done) + ", held out: " + said.text);
        run.notes["evaluated"] = done;
        if (run.notes.contains("best") && run.notes["best"]["score"] >= said.score) return;
        run.save_best(done, stage.write_model);
        run.notes["best"] = {{"step", done}, {"score", said.score}};
    }

    // Whether all is done.
    bool go_on() {
        evaluate();
        while (done < stage.steps && !on_any_rank(stop_requested())) {
            step();
            evaluate();
            const bool due = stage.save_every > 0 && done % stage.save_every == 0;
            if (due && done < stage.steps) try_to([&] { save(); });
        }
        return done >= stage.steps;
    }
};

}  // namespace

bool train(Run& run, Trainer& trainer, const Stage& stage) {
    catch_signals();
    if (stage.rolled_back) stage.rolled_back(run.notes.value("rollbacks", 0));
    run.write_start(trainer.model->ops->name);
    Loop loop(run, trainer, stage);
    const std::string how = ". To go on: the same r1 " + stage.name + " command with --resume";
    bool all_done = false;
    try {
        all_done = loop.go_on();
    } catch (const Stopped&) {
    } catch (const OutsideFailed& failure) {
        loop.save();
        throw Error(std::string(failure.what()) + ", and go on with --resume: step " + std::to_string(loop.done) +
                    " is saved in " + run.folder());
    }
    if (all_done && stage.at_end) stage.at_end();
    if (all_done) run.finish(loop.done, stage.write_model);
    else loop.save();
    if (!all_done)
        loop.progress.note("stopped after step " + std::to_string(loop.done) + "; everything is saved in " +
                           run.folder() + how);
    return all_done;
}

}  // namespace r1
