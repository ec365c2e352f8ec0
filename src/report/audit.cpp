// r1 audit: explains GRPO on the numbers of a file or of a run's step. What is computed stands in loss/grpo_batch.h,
// what is read in audit_read.cpp; audit_text.cpp puts it into words, audit_json.cpp into JSON and a page.
#include "report/audit.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/check.h"
#include "report/audit_figures.h"
#include "report/audit_json.h"
#include "report/audit_text.h"
#include "report/audit_theirs.h"
#include "report/words.h"

namespace r1 {

namespace {

void set_options(GrpoMath& math, const std::vector<std::pair<std::string, std::string>>& options,
                 const std::string& where) {
    const OptionTable table = table_of(math);
    std::vector<std::string> names;
    for (const Option& option : table.all) names.push_back(option.name);
    for (const auto& [name, value] : options) {
        const Option* option = table.find(name);
        if (!option) fail("no option " + name + did_you_mean(name, names), where, "see r1 audit --help");
        option->write(value);
    }
}

// The run's own settings or the defaults, then the file's (a preset, options, epsilon and beta), then the asker's.
GrpoMath settings_of(const AuditOptions& o, const RunStep& run) {
    GrpoMath math = run.math;
    const AuditInput& input = run.input;
    if (!input.preset.empty()) math = with_epsilon(preset(input.preset), input);
    set_options(math, input.their_math, o.file);
    if (input.epsilon >= 0) math.epsilon_low = math.epsilon_high = input.epsilon;
    if (input.beta >= 0) math.beta = input.beta;
    if (!o.preset.empty()) math = with_epsilon(preset(o.preset), input);
    set_options(math, o.math, "the command line");
    check(math);
    if (const std::string name = without_reference(input); needs_reference(math) && !name.empty())
        fail("no \"logp_ref\"", (o.run.empty() ? o.file : o.run) + " " + name, "give it, or --kl none, or --beta 0");
    for (size_t g = 0; g < input.labels.size(); ++g) {
        const GrpoGroup<double>& group = input.batch.groups[g];
        const std::string& name = input.labels[g].name;
        if (!group.by_steps()) continue;
        if (math.kl_in == KlIn::reward && needs_reference(math))
            throw UsageError("KL is taken off an answer's reward, and " + name +
                             " has rewards of steps, --kl-in, give loss");
        for (const auto& a : group.answers)
            if (overlong_penalty<double>(a.length(), math) != 0)
                throw UsageError("the penalty of length is taken off an answer's reward, and " + name +
                                 " has rewards of steps, --overlong-limit, give 0");
    }
    return math;
}

std::string trainer_of(const AuditInput& input) {
    return input.framework.empty() ? "the other trainer" : input.framework;
}

void check_options(const AuditOptions& o) {
    const bool run = !o.run.empty();
    if (o.file.empty() != run) throw UsageError("nothing to audit, or two things, r1 audit, give FILE or --run DIR");
    if (!run && (o.step || o.token))
        throw UsageError("a file has no steps and no logits, --step and --token, give --run DIR");
    if ((o.answer > 0 && o.group == 0) || (o.token > 0 && o.answer == 0))
        throw UsageError("half a place, --group, --answer and --token, give all before it, counted from 1");
    if (o.all && o.group > 0) throw UsageError("all, and one, --all, leave it or --group out");
    if (o.explain && !run) throw UsageError("a file has no metrics, --explain, give --run DIR");
    if ((o.explain || o.group || o.all) && (o.as_json || !o.html.empty()))
        throw UsageError("words only, --explain, --all and --group, leave --json and --html out");
}

AuditPlace place_of(const AuditOptions& o, const AuditInput& input) {
    if (o.group > int(input.labels.size()))
        throw UsageError("no such group among " + counted(input.labels.size(), "group") + ", --group, give 1 to that");
    if (o.group > 0 && o.answer > int(input.labels[o.group - 1].answers.size()))
        throw UsageError("no such answer among " + counted(input.labels[o.group - 1].answers.size(), "answer") +
                         ", --answer, give 1 to that");
    return {o.group, o.answer, o.all};
}

}  // namespace

OptionTable table_of(AuditOptions& o) {
    OptionTable table;
    table.input("FILE", o.file,
                "JSON {\"epsilon\": 0.2, \"beta\": 0.04, \"groups\": [{\"answers\": [{\"reward\": 1, \"logp\": "
                "[...], \"logp_old\": [...], \"logp_ref\": [...]}]}]}");
    table.input("--run", o.run, "instead: folder of a run of r1 grpo");
    table.number("--step", o.step, at_least(0), "recorded step of the run; 0: the last");
    table.number("--group", o.group, at_least(0), "print the tokens of one group's answers, counted from 1");
    table.number("--answer", o.answer, at_least(0), "of one answer of the group, counted from 1");
    table.number("--token", o.token, at_least(0),
                 "of a run's: the gradient of the logits of one of its tokens, from 1");
    table.flag("--all", o.all, "print the tokens of all answers; else only where there are at most 200 in all");
    table.flag("--explain", o.explain, "the run's newest metrics in words: what is expected, and what is not");
    table.flag("--json", o.as_json, "print JSON: all that the words say");
    table.output("--html", o.html, "file to draw it in");
    const auto tried = std::make_shared<GrpoMath>();  // a scratch copy: writing to it checks a value
    OptionTable math = table_of(*tried);
    math.all.insert(math.all.begin(), preset_option(o.preset, *tried, nullptr));
    for (Option& option : math.all) {
        const bool is_preset = option.name == "--preset";
        const auto write = [&o, tried, name = option.name, set = option.write, is_preset](const std::string& text) {
            set(text);
            if (!is_preset) o.math.push_back({name, text});
        };
        option.write = write;
        option.read = [] { return std::string(); };  // the file's or the run's own
    }
    table.add(std::move(math));
    return table;
}

void audit_command(const AuditOptions& o) {
    check_options(o);
    if (o.explain) return explain(o.run);
    RunStep run;
    if (o.run.empty()) run.input = read_audit(o.file);
    else run = read_run(o.run, o.step);
    // With settings of the asker's own a run's groups are a batch by themselves: nobody knows what else would count.
    const bool as_trained = !o.run.empty() && o.preset.empty() && o.math.empty();
    if (!as_trained) detach(run.input.batch);
    const GrpoBatch<double>& batch = run.input.batch;
    const GrpoMath math = settings_of(o, run);
    const GrpoResult<double> audited = grpo_batch(batch, math);
    const std::string title = o.run.empty() ? o.file : o.run + ", step " + std::to_string(run.step);
    bool finite = std::isfinite(audited.loss);
    each_token(audited,
               [&](size_t g, size_t i, size_t t) { finite &= std::isfinite(audited.groups[g].answers[i].dlogp[t]); });
    if (!finite) fail("the loss or a slope is not finite", title, "these numbers are too large for these settings");

    const AuditPlace place = place_of(o, run.input);
    if (o.token > 0) return print_logits(run, audited, place, o.token);
    const std::optional<TheirsCompared> theirs = compare_with_theirs(run.input, math, audited);
    if (!o.html.empty()) write_file_atomically(o.html, audit_page(title, run.input, audited, math, theirs));
    if (o.as_json) {
        std::printf("%s\n", audit_to_json(run.input, audited, math, theirs).dump().c_str());
    } else {
        if (as_trained) print_run(run, audited);
        else if (!o.run.empty())
            std::printf("step %lld with settings of your own: its recorded groups as a batch by themselves\n\n",
                        (long long)run.step);
        print_settings(math);
        print_summary(run.input, audited, math);
        print_answers(run.input, audited, math, place);
        print_totals(batch, audited, math, as_trained);
        print_presets(run.input);
        if (theirs) print_theirs(*theirs, trainer_of(run.input));
        if (!o.html.empty()) std::printf("\ndrawn in %s\n", o.html.c_str());
    }
    if (theirs && !theirs->first.empty())
        fail(trainer_of(run.input) + " computes something else: " + theirs->first, title,
             "one of the two is not what was meant");
}

}  // namespace r1
