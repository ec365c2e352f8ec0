"""What TRL and verl compute for GRPO's loss on one small batch: golden/grpo_peers.json, by calls into their own code.

    python check_peers.py          exit status 1 if a number differs from the golden file by more than 1e-12
    python check_peers.py --write  writes the golden file

Needs trl 1.16.0 and verl 0.9.1 (pip install --no-deps) and what importing them takes: torch 2.15, transformers 5.10,
accelerate 1.15, datasets 5.2, tensordict 0.10, ray 2.60, hydra-core 1.3, codetiming, peft, torchdata, pyvers, orjson,
cloudpickle. No accelerator, no model, no data; all numbers are float64.

golden/grpo_peers.json: {"batch": {"groups": [...]}, "cases": [...]}. A case has
  "peer", "version", "what"      who computed it, by which function, with which of the peer's settings
  "options"                      the same in our names, complete; the test computes the case from these
  "preset", "unlike_preset"      our preset that the case stands for, and the options that the preset has otherwise
  "advantages"                   of each group's answers
  "loss", "gradient"             the peer's loss and, by autograd, d loss / d logp of each group's answers' tokens
  "kl"                           with verl's KL: its estimate of each token, before beta

TRL: the real _compute_loss of GRPOTrainer (RLOOTrainer in one case), on a stand-in for the trainer whose model returns
the batch's log-probabilities; settings come from a real GRPOConfig. Its advantages are inline in a method that
generates, so they are computed here as that method does, by its nanstd.
verl: core_algos only. Its actor adds beta times the aggregated kl_penalty to the policy loss, as here.
"""
import collections
import importlib.metadata
import json
import math
import pathlib
import random
import sys
import types

import numpy as np
import torch

torch.set_default_dtype(torch.float64)

from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer.utils import nanstd
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

GOLDEN = pathlib.Path(__file__).parent / "golden" / "grpo_peers.json"
REWARDS = [[1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]]
# Branches change here. No ratio of the batch is near its edges.
TOKEN_EDGES, SEQUENCE_EDGES, WHOLE_EDGES = (0.8, 1.2, 1.28, 3, 4, 5), (0.8, 1 - 3e-4, 1 + 4e-4, 1.2), (0.8, 1.2)

# ---- the batch
def make_answer(rng, reward, length):
    """Numbers in units of 1e-4, so that the decimals of the file are what every reader gets."""
    while True:
        ratio = [round(1e4 * rng.gauss(0, rng.choice([0.1, 0.3, 1.5]))) for _ in range(length)]
        if length > 2 and rng.random() < 0.25:  # the tokens' ratios cancel: the sequence's is inside GSPO's clip range
            ratio[-1] = 1 - sum(ratio[:-1])
        logp = [round(1e4 * rng.uniform(-5, -0.1)) for _ in range(length)]
        logp_old = [a - b for a, b in zip(logp, ratio)]
        logp_ref = [a + round(1e4 * rng.gauss(0, 0.4)) for a in logp]
        total = sum(ratio)
        far = all(abs(math.exp(x / 1e4) - edge) > margin for values, edges, margin in (
            (ratio, TOKEN_EDGES, 0.02), ([total / length], SEQUENCE_EDGES, 1e-4), ([total], WHOLE_EDGES, 0.01))
            for x in values for edge in edges)
        if far and max(logp_old + logp_ref) < 0:
            return {"reward": reward, **{name: [x / 1e4 for x in values] for name, values in
                                         (("logp", logp), ("logp_old", logp_old), ("logp_ref", logp_ref))}}

def make_batch():
    rng = random.Random(7)
    lengths = [1, 2, 3, 4, 5, 6] * 2
    rng.shuffle(lengths)
    return {"groups": [{"answers": [make_answer(rng, r, lengths.pop()) for r in rewards]} for rewards in REWARDS]}

BATCH = make_batch()
ANSWERS = [answer for group in BATCH["groups"] for answer in group["answers"]]
LENGTHS = [len(answer["logp"]) for answer in ANSWERS]
GROUP_SIZE, WIDTH = len(REWARDS[0]), max(LENGTHS)

def padded(name):
    return torch.tensor([answer[name] + [0.0] * (WIDTH - len(answer[name])) for answer in ANSWERS])

def grouped(per_answer):
    return [per_answer[i:i + GROUP_SIZE] for i in range(0, len(per_answer), GROUP_SIZE)]

def unpadded(matrix):
    return grouped([row[:n] for row, n in zip(matrix.tolist(), LENGTHS)])

OLD, REF = padded("logp_old"), padded("logp_ref")
MASK = torch.tensor([[t < n for t in range(WIDTH)] for n in LENGTHS])
R = torch.tensor([float(answer["reward"]) for answer in ANSWERS])

# ---- a case
# Ours, from which the options of a case differ. Both peers' defaults have no KL.
OPTIONS = {"baseline": "mean", "spread": "sample", "spread-over": "group", "spread-epsilon": "0.0001",
           "spread-epsilon-place": "outside", "ratio": "token", "objective": "clip", "epsilon-low": "0.2",
           "epsilon-high": "0.2", "delta": "4", "dual-clip": "3", "tau-positive": "1", "tau-negative": "1.05",
           "aggregation": "sequence-mean", "budget": "384", "kl": "none", "beta": "0", "flat-groups": "keep"}
CASES = []

def add(peer, what, advantages, logp, loss, options, preset, unlike, **more):
    gradient, = torch.autograd.grad(loss, logp)
    assert torch.all(gradient[~MASK] == 0) and torch.isfinite(gradient).all() and gradient.dtype == torch.float64
    assert not options.keys() - OPTIONS.keys()
    case = {"peer": peer, "version": importlib.metadata.version(peer), "what": what, "options": {**OPTIONS, **options}}
    if preset:
        case |= {"preset": preset, "unlike_preset": {name: case["options"][name] for name in unlike}}
    CASES.append(case | {"advantages": grouped(advantages.tolist()), "loss": loss.item(),
                         "gradient": unpadded(gradient), **more})

def said(settings):
    return "".join(f", {name}={value}" for name, value in settings.items())

# ---- TRL
def trl_advantages(scale):
    groups = R.view(-1, GROUP_SIZE)
    if scale == "leave-one-out":
        return R - ((groups.sum(dim=1, keepdim=True) - groups) / (GROUP_SIZE - 1)).view(-1)
    centered = R - torch.nanmean(groups, dim=1).repeat_interleave(GROUP_SIZE, dim=0)
    if scale == "none":
        return centered
    std = nanstd(R).expand_as(R) if scale == "batch" else nanstd(groups, dim=1).repeat_interleave(GROUP_SIZE, dim=0)
    return centered / (std + 1e-4)

def trl(options, preset=None, unlike=(), trainer=GRPOTrainer, **settings):
    """trainer._compute_loss on a stand-in: what it reads of the trainer, without model, accelerator or data."""
    args = (GRPOConfig if trainer is GRPOTrainer else RLOOConfig)(
        per_device_train_batch_size=len(ANSWERS), num_generations=GROUP_SIZE, report_to="none", bf16=False,
        use_cpu=True, **settings)
    advantages = trl_advantages(args.scale_rewards if trainer is GRPOTrainer else "leave-one-out")
    logp, ids = padded("logp").requires_grad_(), torch.zeros(MASK.shape, dtype=torch.long)
    accelerator = types.SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x)
    stand_in = types.SimpleNamespace(**vars(args) | {  # the trainer copies its settings, too
        "args": args, "accelerator": accelerator, "model": types.SimpleNamespace(training=True),
        "_get_per_token_logps_and_entropies": lambda *_, **__: (logp, torch.zeros_like(logp), None),
        "_metrics": collections.defaultdict(lambda: collections.defaultdict(list)), "aux_loss_enabled": False,
        "_entropy_bonus_enabled": False, "current_gradient_accumulation_steps": 1, "epsilon_low": args.epsilon,
        "epsilon_high": args.epsilon if args.epsilon_high is None else args.epsilon_high})
    loss = trainer._compute_loss(stand_in, None, {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1] + 1, "completion_ids": ids, "completion_mask": MASK.long(),
        "advantages": advantages, "old_per_token_logps": OLD, "ref_per_token_logps": REF,
        "old_logps": (OLD * MASK).sum(1), "num_items_in_batch": MASK.sum()})
    add("trl", f"{trainer.__name__}._compute_loss" + said(settings), advantages, logp, loss, options, preset, unlike)

# ---- verl
def verl(options, preset=None, unlike=(), loss="vanilla", mode="token-mean", advantage="grpo", norm=True, scale=None,
         kl=None, beta=0.0, **settings):
    """loss, mode, ...: verl's loss_mode, loss_agg_mode, adv_estimator, norm_adv_by_std_in_grpo, loss_scale_factor,
    kl_loss_type, kl_loss_coef; settings: others of its ActorConfig."""
    index = np.array([i // GROUP_SIZE for i in range(len(ANSWERS))])
    rewards = torch.zeros(MASK.shape)
    rewards[torch.arange(len(ANSWERS)), torch.tensor(LENGTHS) - 1] = R  # as verl has it: on the last token
    estimator, logp = core_algos.get_adv_estimator_fn(advantage), padded("logp").requires_grad_()
    named = {"norm_adv_by_std_in_grpo": norm} if advantage == "grpo" else {}
    advantages, _ = estimator(token_level_rewards=rewards, response_mask=MASK.long(), index=index, **named)
    scale_info = {} if scale is None else {"loss_scale_factor": scale}
    config = ActorConfig(strategy="fsdp", rollout_n=GROUP_SIZE, ppo_micro_batch_size_per_gpu=len(ANSWERS),
                         global_batch_info=scale_info, **settings)
    total, _ = core_algos.get_policy_loss_fn(loss)(old_log_prob=OLD, log_prob=logp, advantages=advantages,
                                                   response_mask=MASK, loss_agg_mode=mode, config=config)
    more = {}
    if kl:
        of_token = core_algos.kl_penalty(logp, REF, kl)
        total = total + beta * core_algos.agg_loss(of_token, MASK, mode, **scale_info)
        named |= {"kl_loss_type": kl, "kl_loss_coef": beta}
        more = {"kl": unpadded(of_token.detach())}
    what = f"{core_algos.get_policy_loss_fn(loss).__name__}, loss_agg_mode={mode}, {estimator.__name__}"
    add("verl", what + said({**named, **scale_info, **settings}), advantages[:, 0], logp, total,
        {"spread-epsilon": "1e-06", **options}, preset, unlike, **more)

# ---- the cases
def cases():
    token_mean, dual = {"aggregation": "token-mean"}, {"objective": "dual-clip"}
    k3, corrected, unscaled = {"kl": "k3", "beta": "0.04"}, {"kl": "k3-corrected", "beta": "0.04"}, {"spread": "none"}
    plain = {"beta": 0.04, "use_bias_correction_kl": False}  # TRL's default corrects
    gspo = {"ratio": "sequence", "epsilon-low": "0.0003", "epsilon-high": "0.0004"}
    cispo = {"objective": "cispo", "epsilon-low": "1", "epsilon-high": "4", **token_mean}
    dapo = {"epsilon-high": "0.28", **token_mean}
    dr_grpo = {"aggregation": "constant", "budget": "3000", **unscaled}

    trl(token_mean, "trl")
    trl(k3, "dsm", ["spread-epsilon"], loss_type="grpo", epsilon=0.2, **plain)
    trl(dr_grpo, "dr-grpo", loss_type="dr_grpo", scale_rewards="none", max_completion_length=3000)
    trl(dapo, "dapo", ["spread-epsilon", "flat-groups"], loss_type="dapo", epsilon=0.2, epsilon_high=0.28)
    trl(gspo, "gspo", ["spread-epsilon"], loss_type="grpo", importance_sampling_level="sequence", epsilon=3e-4,
        epsilon_high=4e-4)
    trl(cispo, "cispo", ["spread-epsilon"], loss_type="cispo", epsilon_high=5.0)
    trl({}, loss_type="grpo")
    trl(token_mean, loss_type="bnpo")
    trl({"objective": "sapo"}, loss_type="sapo")
    trl({"objective": "two-sided"}, loss_type="grpo", delta=4.0)
    trl(corrected, loss_type="grpo", beta=0.04, use_bias_correction_kl=True)
    trl({**corrected, **token_mean}, beta=0.04)
    trl({**k3, **token_mean}, loss_type="dapo", **plain)
    trl({"ratio": "sequence", **k3}, loss_type="grpo", importance_sampling_level="sequence", **plain)
    trl({"spread-over": "batch", **token_mean}, loss_type="dapo", scale_rewards="batch")
    trl({"baseline": "leave-one-out", "ratio": "whole", **unscaled}, trainer=RLOOTrainer, beta=0.0)

    verl({**dual, **token_mean}, "verl")
    verl(dual, mode="seq-mean-token-mean")
    verl({"aggregation": "sequence-sum", **dual}, mode="seq-mean-token-sum")
    verl({**dual, **token_mean, **unscaled}, norm=False)
    never = {"clip_ratio_c": 1e9}  # no dual clip
    verl(dr_grpo, "dr-grpo", ["spread-epsilon"], mode="seq-mean-token-sum-norm", norm=False, scale=3000, **never)
    verl(dapo, "dapo", ["spread-epsilon", "flat-groups"], clip_ratio_high=0.28, **never)
    verl(gspo, "gspo", ["spread-epsilon"], loss="gspo", mode="seq-mean-token-mean", clip_ratio_low=3e-4,
         clip_ratio_high=4e-4)
    verl(cispo, "cispo", ["spread-epsilon"], loss="cispo", clip_ratio_low=1.0, clip_ratio_high=4.0)
    verl({**cispo, "epsilon-low": "0.2", "epsilon-high": "0.2"}, loss="cispo")
    verl({"objective": "sapo"}, loss="sapo", mode="seq-mean-token-mean")
    verl({"objective": "policy-gradient", **token_mean}, loss="gpg")
    verl({"baseline": "leave-one-out", **dual, **token_mean, **unscaled}, advantage="rloo")
    for theirs, ours in (("k1", "k1"), ("mse", "k2"), ("low_var_kl", "k3")):
        verl({**dual, **token_mean, "kl": ours, "beta": "0.04"}, kl=theirs, beta=0.04)
    verl(k3, "dsm", ["spread-epsilon"], mode="seq-mean-token-mean", kl="low_var_kl", beta=0.04, **never)

def differs(a, b):
    if isinstance(a, (dict, list)) and type(a) is type(b) and len(a) == len(b):
        pairs = zip(a, b) if isinstance(a, list) else ((value, b.get(key)) for key, value in a.items())
        return any(differs(x, y) for x, y in pairs)
    return not abs(a - b) <= 1e-12 if isinstance(a, float) and isinstance(b, float) else a != b

cases()
if sys.argv[1:] == ["--write"]:
    head = {"made_by": "reference/check_peers.py", "torch": torch.__version__.partition("+")[0]}
    lines = ",\n".join(json.dumps(case) for case in CASES)
    GOLDEN.write_text(f'{json.dumps(head)[:-1]},\n"batch": {json.dumps(BATCH)},\n"cases": [\n{lines}\n]}}\n')
else:
    golden = json.loads(GOLDEN.read_text())
    wrong = [f'{c["peer"]} {c["version"]}, {c["what"]}' for c, g in zip(CASES, golden["cases"]) if differs(c, g)]
    if differs(golden["batch"], BATCH) or len(golden["cases"]) != len(CASES):
        wrong.append("the batch, or the number of cases")
    print("\n".join(f"differs: {each}" for each in wrong) or f"{len(CASES)} cases, as in the golden file")
    sys.exit(bool(wrong))
