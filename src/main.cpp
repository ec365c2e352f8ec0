// r1 <command>: options, and nothing else. Each command is a stage; its defaults stand in the stage's header.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "base/check.h"
#include "stages/audit.h"
#include "stages/countdown.h"
#include "stages/evaluate.h"
#include "stages/functions.h"
#include "stages/generate.h"
#include "stages/grade.h"
#include "stages/grpo.h"
#include "stages/info.h"
#include "stages/pretrain.h"
#include "stages/render.h"
#include "stages/report.h"
#include "stages/run.h"
#include "stages/score.h"
#include "stages/sft.h"
#include "stages/tokenize.h"
#include "stages/train_tokenizer.h"

using namespace r1;

namespace {

struct Commands {
    CLI::App app{"r1: DeepSeek-R1's training system, from the tokenizer to R1-Zero, with one seed and one hash", "r1"};
    Device device;
    std::function<void()> run;

    CLI::App* command(const char* name, const char* help, std::function<void()> action) {
        CLI::App* c = app.add_subcommand(name, help);
        c->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // a script's value can be replaced
        c->add_option("--device", device.name, "cpu, cuda, or auto: cuda if a usable GPU is there. Never changes a result")
            ->check(CLI::IsMember({"auto", "cpu", "cuda"}))->capture_default_str();
        c->add_option("--threads", device.threads, "threads; 0: all cores. Never changes a result")->capture_default_str();
        c->add_option("--isa", device.isa, "avx512, avx2 or generic; default: the widest there is. Never changes a result");
        c->callback([this, action = std::move(action)] { run = action; });
        return c;
    }
};

template <class T>
void option(CLI::App* c, const char* name, T& value, const char* help) {
    c->add_option(name, value, help)->capture_default_str();
}
void needed(CLI::App* c, const char* name, std::string& value, const char* help) {
    c->add_option(name, value, help)->required();
}
void flag(CLI::App* c, const char* name, bool& value, const char* help) { c->add_flag(name, value, help); }

void add_countdown(Commands& commands) {
    static CorpusConfig config;
    static uint32_t seed = 1;
    static int64_t documents = 200000;
    static std::string output;
    CLI::App* c = commands.command("countdown", "make the Countdown problems and the base corpus", [] {
        make_folder(output);
        generate_countdown(config, seed, documents, output);
    });
    needed(c, "--output", output, "folder for problems.train.jsonl, problems.test.jsonl, corpus.jsonl");
    option(c, "--documents", documents, "documents of the corpus");
    option(c, "--seed", seed, "seed");
    option(c, "--p-guess", config.p_guess, "share of documents that guess");
    option(c, "--p-canonical", config.p_canonical, "share of searches in canonical order");
    option(c, "--p-check", config.p_check, "share of searchers that check");
    option(c, "--p-sloppy", config.p_sloppy, "share of searches that answer something else");
    option(c, "--p-wait", config.p_wait, "`wait` before another try");
    option(c, "--p-fault", config.p_fault, "share of documents that break the format");
}

void add_functions(Commands& commands) {
    static FunctionsConfig config;
    static uint32_t seed = 1;
    static int64_t documents = 200000;
    static std::string output;
    CLI::App* c = commands.command("functions", "make the problems of the code task and its base corpus",
                                   [] { generate_functions(config, seed, documents, output); });
    needed(c, "--output", output, "folder for problems.train.jsonl, problems.test.jsonl, corpus.jsonl");
    option(c, "--documents", documents, "documents of the corpus");
    option(c, "--seed", seed, "seed");
    option(c, "--train", config.train, "problems to learn from");
    option(c, "--test", config.test, "problems held out");
    option(c, "--p-guess", config.p_guess, "share of documents that guess");
    option(c, "--p-check", config.p_check, "share of searchers that check");
    option(c, "--p-give-up", config.p_give_up, "a searcher gives up after a `no`");
}

void add_tokenizer(Commands& commands) {
    static TokenizerOptions o;
    CLI::App* c = commands.command("tokenizer", "train a byte-level BPE tokenizer", [] { train_tokenizer_stage(o); });
    needed(c, "--corpus", o.corpus, "JSON lines {\"text\": ...}");
    needed(c, "--output", o.output, "tokenizer.json to write");
    option(c, "--vocab-size", o.vocab_size, "most tokens; training ends earlier when no pair is left");
    option(c, "--documents", o.documents, "documents of the corpus to learn from; 0: all");
}

void add_encode_and_decode(Commands& commands) {
    static EncodeOptions encode;
    CLI::App* c = commands.command("encode", "text on standard input to token ids", [] { encode_stage(encode); });
    needed(c, "--tokenizer", encode.tokenizer, "tokenizer.json, or a model's folder");
    flag(c, "--no-special", encode.no_special, "the text of special and added tokens is plain text");
    flag(c, "--ends", encode.ends, "with the tokens that the file's template puts around a text, such as its begin");
    flag(c, "--jsonl", encode.jsonl, "lines {\"text\": ...}, each to a line of ids");
    static DecodeOptions decode;
    c = commands.command("decode", "token ids on standard input to text", [] { decode_stage(decode); });
    needed(c, "--tokenizer", decode.tokenizer, "tokenizer.json, or a model's folder");
    flag(c, "--skip-special", decode.skip_special, "special tokens become nothing");
}

// What the stages that train have in common: AdamW, its schedule, shards, saved states.
template <class Options>
void add_training(CLI::App* c, Options& o) {
    option(c, "--lr", o.lr, "peak learning rate");
    option(c, "--final-lr-share", o.final_lr_share, "the schedule ends at this share of the peak");
    option(c, "--warmup", o.warmup, "updates of linear warm-up");
    option(c, "--decay", o.decay, "weight decay of matrices");
    option(c, "--clip", o.clip, "largest norm of the gradient; 0: any");
    option(c, "--beta1", o.beta1, "AdamW");
    option(c, "--beta2", o.beta2, "AdamW");
    option(c, "--shards", o.shards, "virtual shards of the batch: part of the arithmetic");
    option(c, "--micro-rows", o.micro_rows, "tokens computed at a time; 0: 256, or 8192 on a GPU. Speed and memory, not results");
    option(c, "--seed", o.seed, "seed");
    option(c, "--save-every", o.save_every, "updates, or steps of rollouts, between saved states");
    flag(c, "--resume", o.resume, "go on from the saved state in --output");
}

void add_pretrain(Commands& commands) {
    static PretrainOptions o;
    CLI::App* c = commands.command("pretrain", "train a base model from scratch on plain text",
                                   [&commands] { pretrain(o, commands.device); });
    needed(c, "--corpus", o.corpus, "JSON lines {\"text\": ...}");
    needed(c, "--tokenizer", o.tokenizer, "tokenizer.json");
    needed(c, "--output", o.output, "folder for the model and its metrics");
    option(c, "--config", o.config, "config.json with the model's shape; default: the demo's");
    option(c, "--tokens", o.tokens, "tokens to learn from");
    option(c, "--batch-tokens", o.batch_tokens, "tokens per update");
    add_training(c, o);
    option(c, "--balance-alpha", o.balance_alpha, "weight of the sequence balance loss");
    option(c, "--bias-speed", o.bias_speed, "step of the routers' balancing bias");
    option(c, "--prediction-weight", o.prediction_weight, "lambda of multi-token prediction, if the shape has such modules");
}

const std::map<std::string, PromptTemplate> templates = {
    {"plain", PromptTemplate::plain}, {"r1-zero", PromptTemplate::r1_zero}, {"chat", PromptTemplate::chat}};
const std::map<std::string, Decay> schedules = {
    {"constant", Decay::constant}, {"linear", Decay::linear}, {"cosine", Decay::cosine}};

template <class T>
void choice(CLI::App* c, const char* name, T& value, const std::map<std::string, T>& names, const char* help) {
    c->add_option(name, value, help)->transform(CLI::CheckedTransformer(names, CLI::ignore_case).description(""));
}

const char* const math_group = "What is computed (src/stages/grpo_math.h)";

std::string preset_names() {
    std::string names;
    for (const Preset& p : presets()) names += (names.empty() ? "" : ", ") + std::string(p.name);
    return names;
}

// The choices of grpo_math.h: a preset first, single options over it.
void add_math(CLI::App* c, GrpoOptions& o) {
    const auto use_preset = [&o](const std::string& name) {
        o.math = preset(name).math, o.reference_every = preset(name).reference_every;
    };
    c->add_option_function<std::string>("--preset", use_preset, preset_names())->group(math_group);
    for (const MathOption& each : math_options())
        c->add_option_function<std::string>(each.name, [&](const std::string& v) { each.set(o.math, v); }, each.help)
            ->default_str(each.get(GrpoMath()))->group(math_group);
}

void add_task(CLI::App* c, Task& task) {
    c->add_option("--task", task.problems.task,
                  "kind that every problem must be of: countdown, math, code; auto: told by each line's keys")
        ->check(CLI::IsMember({"auto", "countdown", "math", "code"}))->capture_default_str();
    flag(c, "--refuse-ungradable", task.problems.refuse_ungradable,
         "stop at a problem whose reference cannot be graded; default: leave it out, and say so");
    choice(c, "--template", task.prompt_template, templates, "plain; r1-zero, the paper's; chat, the model's own");
    flag(c, "--empty-think", task.empty_think, "control: the prompt ends in <think></think>, which leaves guessing");
    option(c, "--accuracy-weight", task.weights.accuracy_weight, "reward of a right answer");
    option(c, "--format-weight", task.weights.format_weight, "reward of the format");
    flag(c, "--accuracy-needs-format", task.weights.accuracy_needs_format, "a right answer counts only in good form");
    option(c, "--language-weight", task.language_weight, "added: this times the share of the reasoning in --reward-language");
    option(c, "--reward-language", task.language, "en, zh, ja, ko, ru, ar, el, he, th or hi");
    c->add_option_function<std::vector<double>>("--repetition", [&](const std::vector<double>& v) {
        task.repetition = Repetition{int(v[0]), v[1]};
    }, "N MOST: added: -MOST times the share of repeated N-grams of tokens")->expected(2);
    c->add_option_function<std::vector<double>>("--cosine", [&](const std::vector<double>& v) {
        task.cosine = CosineReward{int(v[0]), v[1], v[2], v[3], v[4], v[5]};
    }, "LIMIT RIGHT_SHORT RIGHT_LONG WRONG_SHORT WRONG_LONG EXCEEDED: by length, in place of --accuracy-weight")->expected(6);
}

const char* const problems_help =
    "JSON lines, needed: Countdown {\"numbers\": [3, 7, 12], \"target\": 33} or Countdown-Tasks-3to4; GSM8K, MATH or "
    "{\"prompt\": ..., \"reference\": ...}; code {\"prompt\": ..., \"tests\": [...]}";

void add_evaluate(Commands& commands) {
    static EvaluateOptions o;
    CLI::App* c = commands.command("evaluate", "pass@1, majority vote, length and format on held-out problems",
                                   [&commands] { evaluate_command(o, commands.device); });
    needed(c, "--model", o.model, "folder of the model");
    c->add_option("--problems", o.problems, problems_help);
    c->add_option("--output", o.output, "JSON file for the result");
    option(c, "--count", o.count, "problems, from the top of the file");
    option(c, "--k", o.k, "answers to each");
    option(c, "--temperature", o.temperature, "of sampling; 0: the best token");
    option(c, "--top-p", o.top_p, "mass of the nucleus");
    option(c, "--max-tokens", o.max_tokens, "longest answer");
    option(c, "--slots", o.slots, "answers sampled side by side; 0: 96 a thread, or 512 on a GPU. Speed and memory, not results");
    option(c, "--seed", o.seed, "seed");
    add_task(c, o.task);
}

void add_grpo(Commands& commands) {
    static GrpoOptions o;
    CLI::App* c = commands.command("grpo", "reinforcement learning with group baselines: R1-Zero, from a base model",
                                   [&commands] { grpo(o, commands.device); });
    needed(c, "--model", o.model, "folder of the model to start from, which is also the first reference");
    c->add_option("--problems", o.problems, problems_help);
    needed(c, "--output", o.output, "folder for the model, metrics and rollouts");
    c->add_option("--held-out", o.held_out, "problems for evaluations on the way");
    option(c, "--steps", o.steps, "rollouts");
    option(c, "--prompts", o.prompts, "questions a rollout");
    option(c, "--group", o.group, "answers to each question, G");
    option(c, "--updates", o.updates, "optimizer steps a rollout");
    add_training(c, o);
    choice(c, "--schedule", o.schedule, schedules, "constant, linear (default) or cosine");
    add_math(c, o);
    option(c, "--reference-every", o.reference_every, "updates between refreshes of the reference; 0: never");
    option(c, "--temperature", o.temperature, "of sampling and of the policy that is trained");
    option(c, "--max-tokens", o.max_tokens, "longest answer");
    option(c, "--slots", o.slots, "answers sampled side by side; 0: 96 a thread, or 512 on a GPU. Speed and memory, not results");
    option(c, "--evaluate-every", o.evaluate_every, "steps between evaluations on --held-out; 0: none");
    option(c, "--evaluate-count", o.evaluate_count, "problems of such an evaluation");
    option(c, "--evaluate-k", o.evaluate_k, "answers to each");
    option(c, "--record-every", o.record_every, "steps between rollouts kept for the report");
    option(c, "--record-groups", o.record_groups, "groups kept of such a rollout");
    add_task(c, o.task);
}

const std::map<std::string, Dtype> dtypes = {{"float32", Dtype::F32}, {"bfloat16", Dtype::BF16}, {"float16", Dtype::F16}};

void add_sft(Commands& commands) {
    static SftStageOptions o;
    CLI::App* c = commands.command("sft", "supervised fine-tuning: learn to write the answers of examples",
                                   [&commands] { sft(o, commands.device); });
    needed(c, "--model", o.model, "folder of the model to start from");
    needed(c, "--data", o.data,
           "JSON lines {\"prompt\", \"response\"}, {\"messages\": [...]} or {\"tokens\": [...], \"mask\": [...]}");
    needed(c, "--output", o.output, "folder for the model and its metrics");
    c->add_option_function<std::string>("--template", [](const std::string& name) {
        o.bare = name == "none";
        if (!o.bare) o.prompt_template = templates.at(name);
    }, "put around a \"prompt\": none (default), plain, r1-zero, or chat, the model's own")
        ->check(CLI::IsMember({"none", "plain", "r1-zero", "chat"}));
    option(c, "--steps", o.steps, "updates; 0: as --epochs says");
    option(c, "--epochs", o.epochs, "times that the data is seen");
    option(c, "--batch", o.batch, "examples an update");
    option(c, "--context", o.context, "longest example in tokens, longer ones are left out; 0: what the model reads");
    add_training(c, o);
    choice(c, "--schedule", o.schedule, schedules, "constant, linear or cosine (default)");
    option(c, "--balance-alpha", o.balance_alpha, "weight of the experts' balance loss");
    option(c, "--prediction-weight", o.prediction_weight, "lambda of multi-token prediction; 0: its modules stay as they are");
    choice(c, "--dtype", o.dtype, dtypes, "numbers of the model that is written: float32 (default), bfloat16 or float16");
}

void add_score(Commands& commands) {
    static ScoreOptions o;
    CLI::App* c = commands.command("score", "print what a model says of given tokens",
                                   [&commands] { score_command(o, commands.device); });
    needed(c, "--model", o.model, "folder of the model");
    needed(c, "--tokens", o.tokens, "ids, as \"1 2 3\"");
    c->add_option("--logits", o.logits, "safetensors file to write: `logits`, (tokens, vocabulary), float32");
}

void add_writing(CLI::App* c, GenerateOptions& o) {
    needed(c, "--model", o.model, "folder of the model");
    option(c, "--temperature", o.temperature, "of sampling; 0: the best token");
    option(c, "--top-p", o.top_p, "mass of the nucleus");
    option(c, "--max-tokens", o.max_tokens, "longest answer");
    option(c, "--seed", o.seed, "seed");
}

void add_sample(Commands& commands) {
    static GenerateOptions o;
    CLI::App* c =
        commands.command("sample", "let a model go on from a text", [&commands] { sample_command(o, commands.device); });
    add_writing(c, o);
    needed(c, "--prompt", o.prompt, "the text; -: read it from standard input");
    c->add_option_function<std::string>("--template", [](const std::string& name) {
        o.bare = name == "none";
        if (!o.bare) o.prompt_template = templates.at(name);
    }, "put around the prompt: none (default), plain, r1-zero, or chat, the model's own")
        ->check(CLI::IsMember({"none", "plain", "r1-zero", "chat"}));
    option(c, "--count", o.count, "answers");
    flag(c, "--json", o.as_json, "a line {\"text\", \"tokens\", \"logprobs\", \"finished\"} for each answer");
}

void add_chat(Commands& commands) {
    static GenerateOptions o;
    CLI::App* c = commands.command("chat", "talk with a model", [&commands] { chat_command(o, commands.device); });
    add_writing(c, o);
    c->add_option("--system", o.system, "what the system says");
    option(c, "--context", o.context, "tokens of a conversation, at most what the model reads");
}

void add_info(Commands& commands) {
    static InfoOptions o;
    CLI::App* c = commands.command("info", "what a model is, and what memory it needs, before anything runs",
                                   [&commands] { info_command(o, commands.device); });
    needed(c, "--model", o.model, "folder of the model, or a config.json");
    option(c, "--context", o.context, "longest sequence in tokens; 0: 2048, or less if the model reads less");
    option(c, "--slots", o.slots, "answers sampled side by side; 0: 96 a thread, or 512 on a GPU");
    option(c, "--shards", o.shards, "virtual shards of the batch: each has a gradient");
    option(c, "--micro-rows", o.micro_rows, "tokens computed at a time; 0: 256, or 8192 on a GPU");
    flag(c, "--json", o.as_json, "print JSON, in bytes");
}

void add_audit(Commands& commands) {
    static AuditOptions o;
    CLI::App* c = commands.command("audit", "explain GRPO on given numbers, or on a step of a run, term by term",
                                   [] { audit_command(o); });
    c->add_option("FILE", o.file, "JSON {\"epsilon\": 0.2, \"beta\": 0.04, \"groups\": [{\"answers\": [{\"reward\": 1, \"logp\": "
                                  "[...], \"logp_old\": [...], \"logp_ref\": [...]}]}]}");
    c->add_option("--run", o.run, "instead: folder of a run of r1 grpo");
    option(c, "--step", o.step, "recorded step of the run; 0: the last");
    option(c, "--answer", o.answer, "with --token: the gradient of its logits; both from 1");
    option(c, "--token", o.token, "see --answer");
    flag(c, "--explain", o.explain, "the run's newest metrics in words: what is expected, and what is not");
    flag(c, "--json", o.as_json, "print JSON: advantages, loss, gradient, ...");
    c->add_option("--html", o.html, "file to draw it in");
    c->add_option("--preset", o.preset, preset_names())->group(math_group);
    for (const MathOption& each : math_options())
        c->add_option_function<std::string>(each.name, [&](const std::string& v) { o.math.push_back({each.name, v}); }, each.help)
            ->group(math_group);
}

void add_grade(Commands& commands) {
    static GradeOptions o;
    CLI::App* c =
        commands.command("grade", "judge one answer on standard input, or JSON lines of answers", [] { grade_command(o); });
    c->add_option("--task", o.task, "countdown, math, code, format or language")->required()
        ->check(CLI::IsMember({"countdown", "math", "code", "format", "language"}));
    c->add_option("--numbers", o.numbers, "countdown: the numbers, as 3,7,12")->delimiter(',');
    option(c, "--target", o.target, "countdown: what they must give");
    c->add_option("--reference", o.reference,
                  "math: the right answer, as '\\frac{1}{2}', or a data set's solution with its #### or \\boxed{}");
    c->add_option("--tests", o.tests,
                  "code: JSON {\"tests\": [{\"input\": \"1 2\\n\", \"output\": \"3\\n\"}], \"language\": \"python\"}");
    option(c, "--language", o.language, "language: en, zh, ja, ko, ru, ar, el, he, th or hi");
    flag(c, "--jsonl", o.jsonl,
         "lines {\"answer\": ...}, each with its own numbers, target, reference, language or tests if it likes");
}

void add_render(Commands& commands) {
    static RenderOptions o;
    const char* const about = "what a model reads of a conversation: [{\"role\": \"user\", \"content\": ...}, ...] on each "
                              "line of standard input";
    CLI::App* c = commands.command("render", about, [] { render_command(o); });
    needed(c, "--model", o.model, "folder with tokenizer.json and, if the model has one, its chat template");
    flag(c, "--prompt", o.prompt, "up to where the next answer begins");
}

void add_sandbox(Commands& commands) {
    static SandboxOptions o;
    CLI::App* c = commands.command("sandbox", "run one program that nobody trusts", [] { sandbox_command(o); });
    flag(c, "--level", o.level, "print what holds a program on this machine, and run none");
    c->add_option("--run", o.run, "the program's file");
    c->add_option("--language", o.language, "python or cpp")->check(CLI::IsMember({"python", "cpp"}))->capture_default_str();
    c->add_option("--stdin", o.input, "file for its standard input; default: empty");
    option(c, "--cpu-seconds", o.cpu_seconds, "CPU time of all its processes together");
    option(c, "--memory-mb", o.memory_mb, "memory of all its processes together");
    option(c, "--output-kb", o.output_kb, "standard output and error together");
}

void add_report(Commands& commands) {
    static ReportOptions o;
    CLI::App* c = commands.command("report", "draw a run as one HTML page, with summary.json", [] { report(o); });
    needed(c, "--run", o.run, "the run's folder, with zero/metrics.jsonl in it");
    c->add_option("--golden", o.golden, "JSON with the hashes to expect: {\"weights\": ..., \"metrics\": ...}");
}

}  // namespace

int main(int argc, char** argv) {
    Commands commands;
    commands.app.require_subcommand(1);
    add_countdown(commands);
    add_functions(commands);
    add_tokenizer(commands);
    add_encode_and_decode(commands);
    add_pretrain(commands);
    add_sft(commands);
    add_evaluate(commands);
    add_grpo(commands);
    add_score(commands);
    add_sample(commands);
    add_chat(commands);
    add_info(commands);
    add_audit(commands);
    add_report(commands);
    add_grade(commands);
    add_sandbox(commands);
    add_render(commands);
    try {
        commands.app.parse(argc, argv);
    } catch (const CLI::CallForHelp& e) {
        return commands.app.exit(e);
    } catch (const CLI::CallForAllHelp& e) {
        return commands.app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::fprintf(stderr, "r1: error: %s, on the command line, see r1 --help or r1 <command> --help\n", e.what());
        return 2;
    } catch (const UsageError& e) {
        std::fprintf(stderr, "r1: error: %s\n", e.what());
        return 2;
    }
    try {
        catch_signals();
        commands.run();
        return stop_requested() ? 130 : 0;
    } catch (const UsageError& e) {
        std::fprintf(stderr, "r1: error: %s\n", e.what());
        return 2;
    } catch (const Error& e) {
        std::fprintf(stderr, "r1: error: %s\n", e.what());
        return 1;
    } catch (const nlohmann::json::exception& e) {
        std::fprintf(stderr, "r1: error: a JSON value of the wrong type (%s), in an input file, compare it with --help\n",
                     e.what());
        return 1;
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "r1: error: out of memory, in this command, use a smaller model, batch or --slots\n");
        return 1;
    }
}
