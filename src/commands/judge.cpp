#include "commands/judge.h"

#include <cstdio>
#include <filesystem>

#include "base/check.h"
#include "base/progress.h"
#include "tasks/judge_lines.h"

namespace r1 {

OptionTable table_of(JudgeCommandOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model that judges");
    table.input("--data", o.data, JUDGE_LINES_HELP);
    table.output("--output", o.output,
                 "JSON lines to write: the same with \"analysis\" and \"correctness\", or \"better\" and \"flipped\"");
    table.flag("--evaluate", o.evaluate, "every line must have a \"label\", with which the verdicts are compared");
    table.input("--examples", o.examples,
                "labelled lines that become examples for r1 sft, written to --output; no model is asked");
    table.add(table_of(o.judge));
    return table;
}

namespace {

void check(const JudgeCommandOptions& o) {
    if (!o.examples.empty() && !o.data.empty())
        throw UsageError("both --data and --examples, r1 judge, give one of them");
    if (o.examples.empty() && o.data.empty())
        throw UsageError("nothing to judge, --data, give a file of JSON lines, or labelled ones as --examples");
    if (!o.examples.empty() && o.output.empty())
        throw UsageError("no place for the examples, --output, name a file to write");
    if (o.examples.empty() && o.model.empty()) throw UsageError("no model that judges, --model, give its folder");
}

void write_examples(const JudgeCommandOptions& o) {
    const std::vector<JudgeLine> lines = read_judge_lines(o.examples);
    check_labelled(lines);
    std::string text;
    int64_t written = 0;
    for (const JudgeLine& line : lines)
        for (const json& example : judge_examples(line)) {
            text += example.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
            ++written;
        }
    write_file_atomically(o.output, text);
    std::printf("judge: %lld examples of %zu lines in %s; learn from them with r1 sft --template plain or chat\n",
                static_cast<long long>(written), lines.size(), o.output.c_str());
}

void judge_lines(Judge& judge, std::span<const JudgeLine> lines, JudgeSummary& summary, LineWriter* output,
                 const SampleProgress& progress) {
    std::vector<JudgeAsk> answers;
    std::vector<PairAsk> pairs;
    for (const JudgeLine& line : lines) {
        if (line.is_pair) pairs.push_back(line.pair);
        else answers.push_back(line.answer);
    }
    const std::vector<AnswerVerdict> verdicts = judge_answers(judge, answers, progress);
    const std::vector<JudgedPair> judged_pairs = judge_pairs(judge, pairs, progress);
    auto verdict = verdicts.begin();
    auto judged_pair = judged_pairs.begin();
    for (const JudgeLine& line : lines) {
        json out = line.line;
        if (line.is_pair) {
            const JudgedPair& pair = *judged_pair++;
            summary.pairs.add(line, pair);
            out["analysis"] = pair.analysis;
            out["better"] = name_of(pair.better);
            out["better_as_given"] = name_of(pair.first);
            out["better_swapped"] = name_of(pair.second);
            out["flipped"] = pair.flipped;
        } else {
            summary.answers.add(line, *verdict);
            out["analysis"] = verdict->analysis;
            out["correctness"] = name_of(verdict->correctness);
            ++verdict;
        }
        if (output) output->write(out);
    }
}

}  // namespace

void judge_command(const JudgeCommandOptions& o, const Device& device) {
    check(o);
    if (!o.examples.empty()) return write_examples(o);
    catch_signals();
    const std::vector<JudgeLine> lines = read_judge_lines(o.data);
    if (o.evaluate) check_labelled(lines);
    const Ops& ops = open_device(device);
    const std::unique_ptr<Judge> judge = make_judge(o.model, o.judge, ops);
    std::optional<LineWriter> output;
    if (!o.output.empty()) output.emplace(o.output);
    // A round fills all slots a few times, so that they seldom wait for the last verdicts. A stop waits for a round.
    const Sampler& sampler = judge->sampler;
    const size_t slots = size_t(sampler.slots) * sampler.workers.size();
    const size_t at_once = std::max<size_t>(1, 4 * slots / size_t(o.judge.samples));
    std::printf("judge %s: %zu lines\n", o.model.c_str(), lines.size());
    JudgeSummary summary;
    Progress progress("judge", int64_t(lines.size()));
    size_t done = 0;
    const double started = seconds_now();
    int64_t tokens = 0;
    const auto sampled = [&](int64_t n, int64_t) {
        tokens += n;
        progress.update(int64_t(done), short_count(double(tokens) / (seconds_now() - started)) + " tokens/s");
    };
    while (done < lines.size() && !stop_requested()) {
        const size_t n = std::min(at_once, lines.size() - done);
        judge_lines(*judge, std::span(lines).subspan(done, n), summary, output ? &*output : nullptr, sampled);
        if (output) output->flush();
        done += n;
    }
    if (done < lines.size())
        progress.note("stopped after " + std::to_string(done) + " of " + std::to_string(lines.size()) + " lines");
    else progress.finish(short_count(double(tokens) / (seconds_now() - started)) + " tokens/s");
    std::printf("%s", in_words(summary).c_str());
    if (output) write_file_atomically(o.output + ".summary", summary_to_json(summary).dump(2) + "\n");
}

}  // namespace r1
