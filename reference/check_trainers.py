"""What other trainers compute in their own steps, as scripts/dump_trl.py and dump_verl.py write it for r1 audit:
golden/trainers.json.

    python check_trainers.py PATH/r1            exit status 1 if r1 audit does not say of each file what is expected
    python check_trainers.py PATH/r1 --write    writes the golden file as well

Needs trl 1.16.0 and verl 0.9.1 (pip install --no-deps) and what importing them takes, see check_peers.py. No
accelerator, no network: the model has random weights and two layers, the tokenizer 13 words.

TRL: real steps of GRPOTrainer.train() on the CPU, two updates a rollout, so that ratios leave 1. verl: its ppo_loss, as
its actor calls it, over a batch whose log-probabilities stand in the file; its trainer was not run, as that needs a
server to sample from. Each of them once more with faults planted in it, by which the audit must find the cause.

golden/trainers.json: {"cases": [{"what", "finds", "file"}]}; "finds" is in the audit's answer, "" where it finds
nothing.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import tokenizers
import torch
import transformers
from datasets import Dataset
from tensordict import TensorDict
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import grpo_trainer

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "scripts"))
from dump_trl import dump  # noqa: E402
from dump_verl import through  # noqa: E402

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
GOLDEN = HERE / "golden" / "trainers.json"
WORDS = ["<pad>", "<end>", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "+"]
CASES = []


def add(what, finds, path):
    CASES.append({"what": what, "finds": finds, "file": json.loads(pathlib.Path(path).read_text())})


# ---- TRL
def reward(completions, **_):
    return [text.count("1") + 0.5 * text.count("2") - 0.25 * text.count("+") for text in completions]


class EndMasked(GRPOTrainer):
    """A fault: the token that ends an answer is not in the loss."""
    def _compute_loss(self, model, inputs):
        mask = inputs["completion_mask"].clone()
        mask[inputs["completion_ids"] == WORDS.index("<end>")] = 0
        return super()._compute_loss(model, inputs | {"completion_mask": mask})


class WrongDivisor(GRPOTrainer):
    """A fault: the mean over answers is taken over one more."""
    def _compute_loss(self, model, inputs):
        n = len(inputs["completion_ids"])
        return super()._compute_loss(model, inputs) * n / (n + 1)


class PopulationSpread(GRPOTrainer):
    """A fault: the deviation of a group divides by n."""
    def _generate_and_score_completions(self, inputs):
        kept, grpo_trainer.nanstd = grpo_trainer.nanstd, lambda x, dim=None: torch.std(x, dim=dim, correction=0)
        try:
            return super()._generate_and_score_completions(inputs)
        finally:
            grpo_trainer.nanstd = kept


class OtherAggregation(GRPOTrainer):
    """A fault: tokens are weighed as another loss_type weighs them."""
    def _compute_loss(self, model, inputs):
        kept, self.loss_type = self.loss_type, "bnpo"
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.loss_type = kept


def trl(finds="", trainer=GRPOTrainer, **settings):
    set_seed(1)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(WORDS), hidden_size=16, intermediate_size=32,
                                         num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                                         initializer_range=0.3, eos_token_id=1, pad_token_id=0, bos_token_id=None))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(f"{folder}/model")
        settings = {"max_completion_length": 6, "num_generations": 4, "per_device_train_batch_size": 8,
                    "steps_per_generation": 1, "num_iterations": 2, "max_steps": 2, "learning_rate": 0.02,
                    "beta": 0.0, "report_to": "none", "use_cpu": True, "bf16": False, "save_strategy": "no",
                    "disable_tqdm": True, "output_dir": folder, "logging_steps": 1000, "seed": 1} | settings
        prompts = Dataset.from_dict({"prompt": ["1 + 2", "3 + 4", "5 + 6", "7 + 8"]})
        runs = trainer(model=f"{folder}/model", reward_funcs=reward, args=GRPOConfig(**settings), train_dataset=prompts,
                       processing_class=tokenizer)
        # A fault is below what is called through, as a user's own would be.
        dump(runs, folder)
        runs.train()
        named = {k: v for k, v in settings.items() if k in
                 ("loss_type", "beta", "delta", "epsilon_high", "scale_rewards", "importance_sampling_level",
                  "mask_truncated_completions", "gradient_accumulation_steps", "use_bias_correction_kl")}
        said = trainer.__name__ + "".join(f", {k}={v}" for k, v in named.items())
        for step in (1, 2):
            add(f"trl, {said}, step {step}", finds, f"{folder}/{step}.json")


# ---- verl
def verl(finds="", fault=None, mode="vanilla", **settings):
    from verl.trainer.ppo import core_algos
    from verl.utils import tensordict_utils
    from verl.workers.config import ActorConfig, PolicyLossConfig
    from verl.workers.utils import losses
    from verl.workers.utils.padding import left_right_2_no_padding
    rng = np.random.default_rng(5)
    answers, width, prompts = 8, 6, 3
    uids = np.array(["a"] * 4 + ["b"] * 4, dtype=object)
    lengths, starts = rng.integers(1, width + 1, answers), rng.integers(1, prompts + 1, answers)
    mask = torch.tensor([[t < n for t in range(width)] for n in lengths]).long()
    attention = torch.cat([torch.tensor([[t >= prompts - n for t in range(prompts)] for n in starts]).long(), mask], 1)
    old = torch.tensor(rng.uniform(-4, -0.05, mask.shape), dtype=torch.float32) * mask
    logp = (old + torch.tensor(rng.normal(0, 0.25, mask.shape), dtype=torch.float32)).clamp(max=0) * mask
    ref = (old + torch.tensor(rng.normal(0, 0.3, mask.shape), dtype=torch.float32)).clamp(max=0) * mask
    rewards = torch.zeros(mask.shape)
    rewards[torch.arange(answers), torch.tensor(lengths) - 1] = torch.tensor([1., 0, 0, 1, 0, 0.5, 2, 0])
    advantages, _ = core_algos.compute_grpo_outcome_advantage(token_level_rewards=rewards, response_mask=mask,
                                                              index=uids)
    seen = mask.clone()
    if fault == "end masked":
        seen[torch.arange(answers), torch.tensor(lengths) - 1] = 0
    ids = torch.ones(attention.shape, dtype=torch.long)
    data = tensordict_utils.get_tensordict(
        {"input_ids": ids, "attention_mask": attention, "position_ids": (attention.cumsum(1) - 1).clamp(min=0),
         "prompts": ids[:, :prompts], "responses": ids[:, prompts:], "response_mask": seen, "old_log_probs": old,
         "ref_log_prob": ref, "advantages": advantages, "token_level_rewards": rewards, "uid": uids})
    data = left_right_2_no_padding(data)
    tensordict_utils.assign_non_tensor(data, dp_size=1, batch_num_tokens=int(seen.sum()), global_batch_size=answers)
    # The model's log-probabilities lie one token to the left: the last prompt token's place holds the first answer's.
    flat = torch.cat([torch.cat([torch.zeros(starts[i] - 1), logp[i][:n], torch.zeros(1)])
                      for i, n in enumerate(lengths)]).requires_grad_()
    config = ActorConfig(strategy="fsdp", rollout_n=4, ppo_micro_batch_size_per_gpu=answers,
                         policy_loss=PolicyLossConfig(loss_mode=mode), **settings)

    def loss_of(*args):
        loss, metrics = losses.ppo_loss(*args)
        return (loss * 0.5 if fault == "half the loss" else loss), metrics

    with tempfile.TemporaryDirectory() as folder:
        through(loss_of, folder)(config=config, model_output={"log_probs": flat}, data=data)
        said = "".join(f", {k}={v}" for k, v in settings.items()) + (f", {fault}" if fault else "")
        add(f"verl, ppo_loss, loss_mode={mode}{said}", finds, f"{folder}/1.json")


# ---- the cases
def cases():
    trl()
    trl(loss_type="grpo", beta=0.04, use_bias_correction_kl=False)
    trl(loss_type="grpo", beta=0.04)
    trl(loss_type="bnpo", scale_rewards="batch")
    trl(loss_type="dr_grpo", scale_rewards="none")
    trl(loss_type="dapo", epsilon_high=0.28, mask_truncated_completions=True)
    trl(loss_type="grpo", importance_sampling_level="sequence")
    trl(loss_type="grpo", delta=1.1)
    trl(loss_type="cispo", epsilon_high=1.05)
    trl(loss_type="sapo")
    trl(loss_type="grpo", gradient_accumulation_steps=2, max_steps=1)
    trl("its end token is masked", EndMasked, loss_type="grpo")
    trl("its end token is masked", EndMasked, loss_type="dr_grpo", beta=0.04, use_bias_correction_kl=False)
    trl("ours times 0.888888", WrongDivisor, loss_type="grpo")
    trl("--spread population gives theirs", PopulationSpread, loss_type="grpo")
    trl("--aggregation token-mean gives theirs", OtherAggregation, loss_type="grpo")

    verl()
    verl(loss_agg_mode="seq-mean-token-mean", use_kl_loss=True, kl_loss_coef=0.02)
    verl(loss_agg_mode="seq-mean-token-sum", use_kl_loss=True, kl_loss_coef=0.02, kl_loss_type="mse")
    verl(loss_agg_mode="seq-mean-token-sum-norm", clip_ratio_high=0.28)
    verl(mode="gspo", loss_agg_mode="seq-mean-token-mean")
    verl(mode="cispo")
    verl("its end token is masked", "end masked", loss_agg_mode="seq-mean-token-mean")
    verl("ours times 0.5", "half the loss")


def audit(program, case, folder):
    """What is wrong with the audit's answer, or nothing."""
    path = pathlib.Path(folder) / "step.json"
    path.write_text(json.dumps(case["file"]))
    result = subprocess.run([program, "audit", str(path), "--json"], capture_output=True, text=True)
    theirs = json.loads(result.stdout)["theirs"] if result.stdout else {}
    found = theirs.get("first_difference", result.stderr)
    fine = result.returncode == (1 if case["finds"] else 0) and case["finds"] in found and \
        (case["finds"] == "") == (found == "")
    print(f"{'as expected' if fine else 'WRONG'}: {case['what']}: loss {theirs.get('difference', -1):.1e}, slopes "
          f"{theirs.get('slope_difference', -1):.1e} {found}")
    return fine


def main():
    cases()
    with tempfile.TemporaryDirectory() as folder:
        right = sum(audit(sys.argv[1], case, folder) for case in CASES)
    print(f"{right} of {len(CASES)} cases as expected")
    if sys.argv[2:] == ["--write"]:
        lines = ",\n".join(json.dumps(case) for case in CASES)
        GOLDEN.write_text(f'{{"made_by": "reference/check_trainers.py", "cases": [\n{lines}\n]}}\n')
    sys.exit(right != len(CASES))


if __name__ == "__main__":
    main()
