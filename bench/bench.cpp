// make bench: how far from the machine's limit. Every figure is a ratio to a limit measured in the same run, because
// machines are shared and their speed drifts: each round measures the limit, then the work, and the best of many
// rounds is compared with the best limit. Nothing here decides a test.
#include "bench.h"

#include <cstdio>
#include <cstdlib>

#include "base/threads.h"
#include "corpus/countdown_corpus.h"
#include "reward/command.h"
#include "reward/mathematics/grade.h"
#include "reward/reward.h"
#include "reward/sandbox/sandbox.h"

namespace r1 {

static double peak(int threads) {  // FLOP/s of fused multiply-adds
    thread_count() = threads;
    double flops = 0;
    const double seconds = best_seconds(5, [&] {
        std::vector<double> done(threads);
        parallel_for(threads, [&](int64_t i) { done[i] = fma_flops(400000); });
        flops = 0;
        for (double d : done) flops += d;
    });
    return flops / seconds;
}

static void products(const Ops& ops) {
    struct Shape {
        const char* what;
        char kind;  // f: forward, x: backward to the input, w: backward to the weights
        int N, I, O;
    };
    const Shape shapes[] = {{"512 cubed", 'f', 512, 512, 512},       {"attention down", 'f', 512, 128, 128},
                            {"key-value up", 'f', 512, 48, 192},     {"gate and up", 'f', 512, 128, 512},
                            {"one expert, up", 'f', 128, 128, 128},  {"one expert, down", 'f', 128, 64, 128},
                            {"head", 'f', 192, 128, 448},            {"decode, 96 rows", 'f', 96, 128, 128},
                            {"attention down, dx", 'x', 512, 128, 128}, {"one expert, dx", 'x', 128, 128, 128},
                            {"attention down, dw", 'w', 512, 128, 128}, {"gate and up, dw", 'w', 512, 128, 512},
                            {"one expert, dw", 'w', 128, 128, 128},  {"head, dw", 'w', 192, 128, 448}};
    std::printf("\nmatrix product, one thread           GFLOP/s   of FMA peak\n");
    for (const Shape& s : shapes) {
        std::vector<float> x(size_t(s.N) * s.I, 0.5f), w(size_t(s.I) * s.O, 0.25f), y(size_t(s.N) * s.O, 0.125f);
        const double flops = 2.0 * s.N * s.I * s.O;
        const int times = std::max(1, int(4e7 / flops));
        double limit = 0, speed = 0;
        for (int round = 0; round < 12; ++round) {
            limit = std::max(limit, peak(1));
            speed = std::max(speed, times * flops / best_seconds(8, [&] {
                for (int i = 0; i < times; ++i) {
                    if (s.kind == 'f') ops.matmul_forward(y.data(), s.O, nullptr, 0, x.data(), s.I, w.data(), s.N, s.I, s.O);
                    if (s.kind == 'x') ops.matmul_backward_x(x.data(), s.I, nullptr, 0, y.data(), s.O, w.data(), s.N, s.I, s.O);
                    if (s.kind == 'w') ops.matmul_backward_w(w.data(), x.data(), s.I, y.data(), s.O, s.N, s.I, s.O);
                }
            }));
        }
        std::printf("  %-22s %4d %4d %4d  %7.0f      %5.1f %%\n", s.what, s.N, s.I, s.O, speed / 1e9, 100 * speed / limit);
    }
}

Batch make_batch(int sequences, int shortest, int longest, int vocab) {
    Batch b;
    Stream random(7, Purpose::corpus, 0);
    for (int i = 0; i < sequences; ++i) {
        std::vector<int> t(shortest + int(random.below(uint32_t(longest - shortest + 1))));
        for (int& id : t) id = int(random.below(uint32_t(vocab)));
        b.tokens.push_back(std::move(t));
    }
    for (const auto& t : b.tokens) b.examples.push_back({t.data(), int(t.size())}), b.rows += b.examples.back().rows();
    return b;
}

double train_flops(const Config& c, const Batch& b) {
    const Heads h = c.heads();
    double flops = 6.0 * double(parameter_count(c, true)) * double(b.rows);
    for (const Example& e : b.examples)
        flops += 3.0 * c.num_hidden_layers * h.H * (h.D_k() + h.D_v) * double(e.rows()) * (e.rows() + 1);
    return flops;
}

Model random_model(const Config& c, const Ops& ops) {
    Model model = make_model(c, ops);
    Weights initial = make_weights(c);
    initialise(c, initial, 1);
    upload(model.weights, initial);
    return model;
}

void training_step(Trainer& trainer, const Batch& b) {
    accumulate(trainer, b.examples, [&](int i, const SequenceRows& rows) {
        for (int t = 0; t < b.examples[i].rows(); ++t) rows.dlogp[t] = -1.0f / float(b.rows);
    });
    apply(trainer, 1e-3f, b.examples.size());
}

int64_t sample_answers(Sampler& sampler, const Model& model, uint32_t prompts, int length) {
    std::vector<Request> requests;
    for (uint32_t i = 0; i < prompts; ++i) requests.push_back({{0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 16, i});
    SampleOptions options;
    options.max_tokens = length, options.stop = {};
    int64_t tokens = 0;
    for (const auto& group : sample(sampler, model, requests, options))
        for (const Completion& each : group) tokens += int64_t(each.tokens.size());
    return tokens;
}

static double training(const Ops& ops, const Config& c, const Batch& b, int threads, int rounds) {
    thread_count() = threads;
    Model model = random_model(c, ops);
    Trainer trainer = make_trainer(model, TrainOptions());
    return best_seconds(rounds, [&] { training_step(trainer, b); });
}

static double sampling(const Model& model, int threads, int64_t& tokens) {
    thread_count() = threads;
    Sampler sampler = make_sampler(model, 96);
    return best_seconds(3, [&] { tokens = sample_answers(sampler, model, 24, 100); });
}

static void trainings(const Ops& ops, const Config& c, int cores) {
    const Batch pretraining = make_batch(48, 20, 66, 440), reasoning = make_batch(192, 40, 190, 440);
    std::printf("\ntraining step (%s active parameters)   tokens/s   GFLOP/s   of FMA peak   1 to %d threads\n",
                short_count(double(parameter_count(c, true))).c_str(), cores);
    for (const auto& [what, batch] : {std::pair<const char*, const Batch&>{"pretraining, 43 tokens each", pretraining},
                                      {"GRPO update, 115 tokens each", reasoning}}) {
        double one = 1e30, all = 1e30, limit = 0;
        for (int round = 0; round < 6; ++round) {
            limit = std::max(limit, peak(cores));
            one = std::min(one, training(ops, c, batch, 1, 3));
            all = std::min(all, training(ops, c, batch, cores, 5));
        }
        std::printf("  %-34s %10s   %7.0f      %5.1f %%            %.2f\n", what, short_count(double(batch.rows) / all).c_str(),
                    train_flops(c, batch) / all / 1e9, 100 * train_flops(c, batch) / all / limit, one / all);
    }
}

static void samplings(const Ops& ops, const Config& c, int cores) {
    const Model model = random_model(c, ops);
    double one = 1e30, all = 1e30;
    int64_t tokens = 0;
    for (int round = 0; round < 4; ++round) {
        one = std::min(one, sampling(model, 1, tokens));
        all = std::min(all, sampling(model, cores, tokens));
    }
    std::printf("\nsampling, 384 answers of 100 tokens   %s tokens/s, 1 to %d threads %.2f\n",
                short_count(double(tokens) / all).c_str(), cores, one / all);
}

// Answers of the tests' table, of every kind, by references that are parsed already.
static void mathematics_rewards() {
    const char* const table = "test/mathematics.jsonl";
    if (!exists(table)) return void(std::printf("mathematics: no %s here\n", table));
    std::vector<std::pair<MathReference, std::string>> pairs;
    read_json_lines(table, [&](const json& line, int64_t number) {
        const std::string reference = line["reference"], answer = line["answer"];
        if (number % 3 == 0 && pairs.size() < 512) pairs.push_back({MathReference::parse(reference, table), answer});
    });
    std::vector<double> each(pairs.size(), 1e30);
    const double all = best_seconds(5, [&] {
        for (size_t i = 0; i < pairs.size(); ++i) {
            const double begin = seconds_now();
            pairs[i].first.grade(pairs[i].second);
            each[i] = std::min(each[i], seconds_now() - begin);
        }
    });
    std::sort(each.begin(), each.end());
    std::printf("mathematics, %zu answers of the tests' table, one thread   %.1f ms, half of them below %.3f ms, "
                "the slowest %.1f ms\n",
                pairs.size(), 1e3 * all, 1e3 * each[each.size() / 2], 1e3 * each.back());
}

// A command that does nothing, asked about as many answers as a step of the demo has.
static void reward_command() {
    RewardCommand command("python3 -c 'import json, sys\nfor line in sys.stdin:\n"
                          "    print([0] * len(json.loads(line)[\"responses\"]), flush=True)'", 60);
    json request = {{"problem", {{"prompt", "3 7 12 make 33."}}}, {"prompt", "User: 3 7 12 make 33. Assistant:"}};
    for (int i = 0; i < 16; ++i) {
        request["responses"].push_back(std::string(300, 'x'));
        request["finished"].push_back(true);
    }
    const double seconds = best_seconds(20, [&] {
        for (int group = 0; group < 24; ++group) command.ask(request, 16);
    });
    std::printf("a reward command that does nothing, 384 answers   %.1f ms\n", 1e3 * seconds);
}

static void rewards(int cores) {
    thread_count() = 1;
    const CountdownProblems problems = countdown_problems(1);
    std::vector<Document> answers;
    for (uint32_t i = 0; i < 512; ++i) answers.push_back(countdown_document({}, problems.train, 1, i));
    const double rules = best_seconds(20, [&] {
        for (const Document& each : answers)
            rule_reward(each.response, true, {},
                        [&](std::string_view answer) { return countdown_accuracy(each.problem, answer); });
    });
    std::printf("\nrewards, 512 answers of the base corpus by rules, one thread   %.2f ms\n", 1e3 * rules);
    mathematics_rewards();
    reward_command();
    thread_count() = cores;
    const SandboxLevel level = Sandbox::level();
    if (!level.usable) return void(std::printf("sandbox: %s\n", level.missing.c_str()));
    Sandbox sandbox(cores);
    const int64_t programs = 600;
    const double seconds = best_seconds(5, [&] {
        parallel_for(programs, [&](int64_t i) {
            sandbox.run(Program::python, "a = int(input())\nprint(a * a)\n", std::to_string(i) + "\n", SandboxLimits());
        });
    });
    std::printf("Python programs in the sandbox, %d at once   %.0f a second\n", cores, double(programs) / seconds);
}

}  // namespace r1

using namespace r1;

// r1_bench [products] [training] [sampling] [gpu]: those named, or all. --json FILE: the GPU's figures.
int main(int argc, char** argv) {
    std::string file;
    std::vector<std::string> named;
    for (int i = 1; i < argc; ++i) {
        if (std::string(argv[i]) == "--json" && i + 1 < argc) file = argv[++i];
        else named.push_back(argv[i]);
    }
    const auto wanted = [&](const char* name) {
        return named.empty() || std::find(named.begin(), named.end(), name) != named.end();
    };
    const Ops& ops = cpu_ops(std::getenv("R1_ISA"));
    const int cores = thread_count();
    Config c;
    c.vocab_size = 448;
    if (wanted("products") || wanted("training") || wanted("sampling"))
        std::printf("%s, %d threads at most\nFMA peak: one thread %.0f GFLOP/s, %d threads %.0f GFLOP/s\n", ops.name, cores,
                    peak(1) / 1e9, cores, peak(cores) / 1e9);
    if (wanted("products")) products(ops);
    if (wanted("training")) trainings(ops, c, cores);
    if (wanted("sampling")) samplings(ops, c, cores);
    if (wanted("rewards")) rewards(cores);
    if (!wanted("gpu")) return 0;
    std::string about;
    const Ops* gpu = cuda_ops(about);
    std::printf("\nGPU: %s\n", about.c_str());
    if (!gpu) return 0;
#ifdef R1_CUDA
    thread_count() = cores;
    bench_device(*gpu, 1, gpu_fma_seconds, [&](const json& result) {
        if (!file.empty()) write_file_atomically(file, result.dump(1) + "\n");
    });
#endif
}
