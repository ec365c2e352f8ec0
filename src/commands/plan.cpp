#include "commands/plan.h"

#include <algorithm>

#include "base/check.h"
#include "base/progress.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "model/disk/folder.h"
#include "model/sampler.h"
#include "train/needs.h"
#include "train/optimizer.h"

namespace r1 {

OptionTable table_of(PlanOptions& o) {
    OptionTable table;
    table.input("--model", o.model, "folder of the model, or a config.json").needed = true;
    table.input("--cluster", o.cluster,
                "JSON {\"ranks\": 4, \"memory\": bytes of each, \"rates\": {...}}, as --measure writes it");
    table.output("--measure", o.measure, "measure this machine's rates, of a rank, on this model, and write them here");
    table.number("--prompts", o.work.prompts, between(1, 1e6), "questions a step");
    table.number("--group", o.work.group, between(1, 1e6), "answers to each");
    table.number("--prompt-tokens", o.work.prompt_tokens, between(1, 1e7), "of a question, mean");
    table.number("--answer-tokens", o.work.answer_tokens, between(1, 1e7), "of an answer, mean");
    table.number("--updates", o.work.updates, at_least(1), "optimizer steps a step");
    table.number("--steps", o.steps, at_least(1), "of the run");
    table.number("--shards", o.shards, between(1, 4096), "virtual shards of the batch: each has a gradient");
    table.number("--micro-rows", o.micro_rows, between(0, 1e7), "tokens computed at a time; 0: 256, or 8192 on a GPU");
    table.number("--slots", o.slots, between(0, 1e6), SLOTS_HELP);
    table.flag("--json", o.as_json, "print JSON");
    return table;
}

// ---- rates

namespace {

// Seconds of a call, at least three times and for a second.
template <class Call>
double seconds_of(const Call& call) {
    call();  // warm
    const double begin = seconds_now();
    int times = 0;
    while (times < 3 || seconds_now() - begin < 1) {
        call();
        ++times;
    }
    return (seconds_now() - begin) / times;
}

std::vector<std::vector<int>> random_sequences(const Config& c, int64_t n, int64_t length) {
    Stream random(1, Purpose::problems, 0);
    std::vector<std::vector<int>> sequences(static_cast<size_t>(n));
    for (auto& sequence : sequences)
        for (int64_t t = 0; t < length; ++t) sequence.push_back(int(random.below(uint32_t(c.vocab_size))));
    return sequences;
}

double link_rate() {
    if (ranks().alone()) return 0;
    constexpr int64_t PIECE = int64_t(8) << 20;
    std::vector<char> whole(size_t(PIECE * ranks().count));
    std::vector<int64_t> cut;
    for (int r = 0; r <= ranks().count; ++r) cut.push_back(PIECE * r);
    double seconds = 1e300;
    for (int i = 0; i < 5; ++i) {
        const double begin = seconds_now();
        gather_pieces(whole.data(), cut);
        seconds = std::min(seconds, seconds_now() - begin);
    }
    return double(PIECE * (ranks().count - 1)) / seconds;
}

// All ranks at once, since they may share a machine's memory.
Rates measured_rates(const PlanOptions& o, const ModelFolder& folder, const Ops& ops) {
    const Config& c = folder.config;
    const int64_t length = std::min<int64_t>(o.work.prompt_tokens + o.work.answer_tokens, c.max_position_embeddings);
    const int64_t before = std::min(o.work.prompt_tokens, length - 1), answer = length - before;
    Model model = load_model(folder, ops, int(length));
    Rates rates;
    Ranks here = ranks();
    here.count = 1;  // each measures itself
    here.rank = 0;
    {
        const RanksHere alone(here);
        TrainOptions options;
        options.shards = std::max(1, std::min(o.shards, thread_count()));
        options.micro_rows = o.micro_rows;
        Trainer trainer = make_trainer(model, options);
        const auto sequences = random_sequences(c, std::max<int64_t>(4, 8192 / length), length);
        std::vector<Example> batch;
        for (const auto& s : sequences) batch.push_back({s.data(), int(s.size())});
        const double flop = double(batch.size() * size_t(length - 1)) * forward_flop(c, double(length) / 2);
        rates.score = flop / seconds_of([&] { score(trainer, model, batch, [](int, const SequenceRows&) {}); });
        rates.train = 3 * flop / seconds_of([&] { accumulate_tokens(trainer, batch, 0); });
        rates.optimizer = double(parameter_count(c, false)) / seconds_of([&] { apply(trainer, 0, batch.size()); });
        Sampler sampler = make_sampler(model, o.slots);
        SampleOptions sampling;
        sampling.max_tokens = int(answer);
        sampling.stop = {};
        std::vector<Request> requests;
        const int64_t in_all = int64_t(sampler.slots) * int64_t(sampler.workers.size());
        const auto prompts = random_sequences(c, std::max<int64_t>(1, 2 * in_all / o.work.group), before);
        for (size_t i = 0; i < prompts.size(); ++i) requests.push_back({prompts[i], int(o.work.group), uint32_t(i)});
        const double begin = seconds_now();
        sample(sampler, model, requests, sampling);
        const double prefill = double(prompts.size()) * double(before) * forward_flop(c, double(before) / 2);
        const double decode = double(prompts.size()) * double(o.work.group * answer) *
                              forward_flop(c, double(before) + double(answer) / 2);
        rates.decode = decode / (seconds_now() - begin - prefill / rates.score);
    }
    rates.link = link_rate();
    return rates;
}

// ---- memory and words

// Bytes of each of several ranks.
MemoryNeed need_of(const PlanOptions& o, const Config& c, const Ops& ops, int count) {
    Ranks one;
    one.count = count;
    const RanksHere here(one);
    const int64_t length = std::min<int64_t>(o.work.prompt_tokens + o.work.answer_tokens, c.max_position_embeddings);
    return memory_needs(c, ops, {int(length), o.shards, o.micro_rows, o.slots}).grpo;
}

std::string gib(double bytes) {
    char text[32];
    std::snprintf(text, sizeof text, bytes < 1e10 ? "%.3f GB" : "%.0f GB", bytes / 1e9);
    return text;
}

std::string time_text(double seconds) {
    char text[32];
    if (seconds >= 7200) std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
    else std::snprintf(text, sizeof text, seconds < 10 ? "%.3f s" : "%.0f s", seconds);
    return text;
}

void print(const PlanOptions& o, const Config& c, const MemoryNeed& need, const StepPlan& p, int ranks, double memory) {
    std::printf("%d ranks, a step of %lld prompts x %lld answers of %lld + %lld tokens, %lld updates\n\n", ranks,
                static_cast<long long>(o.work.prompts), static_cast<long long>(o.work.group),
                static_cast<long long>(o.work.prompt_tokens), static_cast<long long>(o.work.answer_tokens),
                static_cast<long long>(o.work.updates));
    std::printf("memory of a rank, as this program takes it    rollout   reference      update\n");
    const auto row = [](const char* name, int64_t rollout, int64_t reference, int64_t update) {
        const auto text = [](int64_t bytes) { return bytes > 0 ? gib(double(bytes)) : std::string("-"); };
        std::printf("  %-40s %11s %11s %11s\n", name, text(rollout).c_str(), text(reference).c_str(),
                    text(update).c_str());
    };
    row("weights", need.weights, 0, need.weights);
    row("reference", 0, need.reference, 0);
    row("gradients of its shards", 0, 0, need.gradients);
    row("its slice of Adam's moments", 0, 0, need.moments);
    row("activations and logits", 0, need.activations, need.activations);
    row("answers in the making, with their cache", need.answers, 0, 0);
    std::printf("  all is taken at the start and kept: %s%s\n", gib(double(need.total())).c_str(),
                memory > 0 && double(need.total()) > memory
                    ? (", and a rank has " + gib(memory) + ": it does not fit").c_str()
                    : "");
    std::printf("  a token of the cache: %lld bytes here, %lld as latents of 2 bytes a number\n\n",
                static_cast<long long>(cache_bytes(c)), static_cast<long long>(latent_cache_bytes(c, 2)));
    std::printf("time of a step           operations        seconds\n");
    std::printf("  rollout              %12.4g   %12s\n", p.prefill_flop + p.decode_flop,
                time_text(p.rollout_seconds).c_str());
    std::printf("  reference            %12.4g   %12s\n", p.reference_flop, time_text(p.reference_seconds).c_str());
    std::printf("  update               %12.4g   %12s\n", p.update_flop, time_text(p.update_seconds).c_str());
    std::printf("  exchange             %12s   %12s\n", gib(p.exchange_bytes).c_str(),
                time_text(p.exchange_seconds).c_str());
    std::printf("  in all                              %12s,  %lld steps %s\n", time_text(p.seconds()).c_str(),
                static_cast<long long>(o.steps), time_text(p.seconds() * double(o.steps)).c_str());
    std::printf(
        "not counted: grading, files, waiting for the longest answer and for each other, and any cut of the\n"
        "model among ranks, which this program does not do\n");
}

}  // namespace

void plan_command(const PlanOptions& o, const Device& device) {
    if (o.cluster.empty() == o.measure.empty())
        throw UsageError("rates to plan with, --cluster or --measure, give one of them");
    const Ops& ops = open_device(device, o.as_json ? stderr : stdout);
    json cluster;
    Config config;
    if (!o.measure.empty()) {
        const ModelFolder folder = open_model(o.model, WithoutTokenizer::allowed);
        config = folder.config;
        const Rates rates = measured_rates(o, folder, ops);
        cluster = {{"ranks", ranks().count}, {"rates", rates_to_json(rates)}};
        done_by_first([&](Packer&) { write_file_atomically(o.measure, cluster.dump(2) + "\n"); });
    } else {
        config = o.model.ends_with(".json") ? read_config(o.model) : load_config(o.model);
        cluster = read_json(o.cluster);
    }
    const std::string where = o.cluster.empty() ? o.measure : o.cluster;
    const json count = cluster.is_object() ? cluster.value("ranks", json(1)) : json();
    if (!count.is_number_integer() || count < 1 || count > 100000)
        fail("\"ranks\" is no number of ranks", where, "write 1 to 100000");
    const json memory = cluster.value("memory", json(0.0));
    if (!memory.is_number()) fail("\"memory\" is no number of bytes", where, "write the bytes of a rank");
    const int n = count.get<int>();
    const Rates rates = rates_from_json(cluster.value("rates", json()), where);
    const StepPlan plan = plan_step(config, o.work, rates, n);
    const MemoryNeed need = need_of(o, config, ops, n);
    if (!o.as_json) return print(o, config, need, plan, n, memory.get<double>());
    const json object = {{"ranks", n},
                         {"bytes", need.total()},
                         {"exchange_bytes", plan.exchange_bytes},
                         {"seconds",
                          {{"rollout", rounded(plan.rollout_seconds)},
                           {"reference", rounded(plan.reference_seconds)},
                           {"update", rounded(plan.update_seconds)},
                           {"exchange", rounded(plan.exchange_seconds)},
                           {"step", rounded(plan.seconds())},
                           {"run", rounded(plan.seconds() * double(o.steps))}}}};
    std::printf("%s\n", object.dump().c_str());
}

}  // namespace r1
