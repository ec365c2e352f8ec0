// r1 <command>: the table of commands. A command's options stand beside what it runs.
#include "commands/command_line.h"
#include "commands/generate.h"
#include "commands/grade.h"
#include "commands/info.h"
#include "commands/judge.h"
#include "commands/plan.h"
#include "commands/render.h"
#include "commands/score.h"
#include "commands/tokenize.h"
#include "commands/train_tokenizer.h"
#include "commands/verify.h"
#include "corpus/countdown_corpus.h"
#include "corpus/functions_corpus.h"
#include "corpus/world.h"
#include "report/audit.h"
#include "report/paper.h"
#include "report/report.h"
#include "stages/evaluate.h"
#include "stages/grpo.h"
#include "stages/pretrain.h"
#include "stages/rejection.h"
#include "stages/reward_model.h"
#include "stages/sft.h"

using namespace r1;

int main(int argc, char** argv) {
    const std::vector<Command> commands = {
        command<CountdownCorpusOptions>("countdown", "make the Countdown problems and the base corpus",
                                        generate_countdown),
        command<FunctionsCorpusOptions>("functions", "make the problems of the code task and its base corpus",
                                        generate_functions),
        command<WorldOptions>("world", "make the small world: problems, general prompts and texts in two languages",
                              generate_world),
        command<TokenizerOptions>("tokenizer", "train a byte-level BPE tokenizer", tokenizer_command),
        command<EncodeOptions>("encode", "text on standard input to token ids", encode_command),
        command<DecodeOptions>("decode", "token ids on standard input to text", decode_command),
        command<PretrainOptions>("pretrain", "train a base model from scratch on plain text", pretrain, OnRanks::yes),
        command<SftOptions>("sft", "supervised fine-tuning: learn to write the answers of examples", sft, OnRanks::yes),
        command<GrpoOptions>("grpo", "reinforcement learning with group baselines: R1-Zero, from a base model", grpo,
                             OnRanks::yes),
        command<RejectionOptions>("rejection",
                                  "rejection sampling: many answers to problems, and those that are right as examples",
                                  rejection, OnRanks::yes),
        command<RewardModelOptions>("reward-model",
                                    "learn to score responses: how helpful, from pairs, or how safe, from labels",
                                    reward_model, OnRanks::yes),
        command<EvaluateOptions>("evaluate", "pass@1, majority vote, length and format on held-out problems",
                                 evaluate_command, OnRanks::yes),
        command<JudgeCommandOptions>(
            "judge", "let a model judge whether answers are right, or which of two is better, and compare with labels",
            judge_command),
        command<ScoreOptions>("score", "print what a model, or a reward model, says of given tokens", score_command),
        command<SampleCommandOptions>("sample", "let a model go on from a text", sample_command),
        command<ChatOptions>("chat", "talk with a model", chat_command),
        command<InfoOptions>("info", "what a model is, and what memory it needs, before anything runs", info_command),
        command<PlanOptions>("plan", "what a GRPO run would take, in memory and time, on a cluster or on this machine",
                             plan_command, OnRanks::yes),
        command<VerifyOptions>("verify", "say whether the files of a run or a model are those that were written",
                               verify_command),
        command<AuditOptions>("audit", "explain GRPO on given numbers, or on a step of a run, term by term",
                              audit_command),
        command<ReportOptions>("report", "draw a run as one HTML page, with summary.json", report),
        command<PaperOptions>("paper",
                              "DeepSeek-R1's whole pipeline, claim by claim beside the paper, as one HTML page", paper),
        command<GradeOptions>("grade", "judge one answer on standard input, or JSON lines of answers", grade_command),
        command<SandboxOptions>("sandbox", "run one program that nobody trusts", sandbox_command),
        command<RenderOptions>(
            "render",
            "what a model reads of a conversation: [{\"role\": \"user\", \"content\": ...}, ...] on each "
            "line of standard input",
            render_command),
    };
    return run_command_line(commands, argc, argv);
}
