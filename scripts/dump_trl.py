"""What TRL's GRPOTrainer computed, as r1 audit reads it: one file for each call of its loss.

    from dump_trl import dump
    trainer = GRPOTrainer(...)             # GRPOConfig(..., steps_per_generation=1)
    dump(trainer, "steps")                 # a folder: steps/1.json, steps/2.json, ... while it trains
    trainer.train()

    r1 audit steps/1.json                  # the same loss and slopes to 1e-6, or the first term that differs

It writes what the loss saw (rewards, advantages, masks, log-probabilities), what came out (the loss, and its slope by
the log-probability of each token), and the trainer's settings in r1's names. The trainer is not changed: four of its
methods are called through. Settings that the audit has no name for are refused. One process, answers of text alone;
float32 or better, as bfloat16 is no measure of 1e-6. Written for trl 1.16.
"""
import json
import pathlib

import torch
import trl

# Of the trainer's loss_type: what is maximised, and how tokens are weighed.
LOSSES = {
    "grpo": {"aggregation": "sequence-mean"},
    "bnpo": {"aggregation": "token-mean"},
    "dapo": {"aggregation": "token-mean"},
    "dr_grpo": {"aggregation": "constant"},
    "cispo": {"aggregation": "token-mean", "objective": "cispo"},
    "sapo": {"aggregation": "sequence-mean", "objective": "sapo"},
}


def refuse(trainer):
    """Settings that the audit cannot compute are an error, each by its name."""
    args = trainer.args
    unnamed = {
        f"loss_type={trainer.loss_type}": trainer.loss_type not in LOSSES,
        "steps_per_generation, which must be 1, so that a call of the loss has whole groups":
            args.steps_per_generation != 1,
        "more than one process": trainer.accelerator.num_processes != 1,
        "top_entropy_quantile": args.top_entropy_quantile < 1,
        "entropy_coef": trainer._entropy_bonus_enabled,
        "off_policy_mask_threshold": args.off_policy_mask_threshold is not None,
        "use_vllm": args.use_vllm,
        "multi_objective_aggregation": args.multi_objective_aggregation != "sum_then_normalize",
        "use_bias_correction_kl with importance_sampling_level=sequence":
            bool(trainer.beta) and args.use_bias_correction_kl and trainer.importance_sampling_level != "token",
    }
    for name, there in unnamed.items():
        if there:
            raise ValueError(f"r1 audit cannot compute {name}")


def options_of(trainer):
    """The trainer's settings in r1's names."""
    args = trainer.args
    options = {"baseline": "mean", "spread": "none" if args.scale_rewards in ("none", False) else "sample",
               "spread-over": "batch" if args.scale_rewards == "batch" else "group", "spread-epsilon": 1e-4,
               "spread-epsilon-place": "outside", "flat-groups": "keep",
               "ratio": trainer.importance_sampling_level, "objective": "clip",
               "epsilon-low": trainer.epsilon_low, "epsilon-high": trainer.epsilon_high,
               "kl": "none", "kl-in": "loss", "kl-over": "token", "beta": trainer.beta,
               "truncated": "mask" if args.mask_truncated_completions else "keep"}
    if trainer.beta:
        options["kl"] = "k3-corrected" if args.use_bias_correction_kl else "k3"
    if args.delta is not None:
        options |= {"objective": "two-sided", "delta": args.delta}
    options |= LOSSES[trainer.loss_type]
    if trainer.loss_type == "dr_grpo":
        options["budget"] = trainer.max_completion_length
    if trainer.loss_type == "sapo":
        options |= {"tau-positive": args.sapo_temperature_pos, "tau-negative": args.sapo_temperature_neg}
    if trainer.loss_type == "cispo":  # it has no lower bound, and its upper one is the ratio itself
        options |= {"epsilon-low": 1, "epsilon-high": trainer.epsilon_high - 1}
    return options


def answers_of(inputs, logp, dlogp, end, mask_truncated):
    """Of each row what the loss saw of it. end: the ids of tokens that end an answer; mask_truncated: whether the mask
    of an answer that was cut off is 0."""
    mask, ids = inputs["completion_mask"].bool().tolist(), inputs["completion_ids"].tolist()
    answers = []
    for row in range(len(ids)):
        # An answer goes on to its end token, whether the loss saw that or not.
        ends = [t for t, token in enumerate(ids[row]) if token in end]
        n = max([t + 1 for t, seen in enumerate(mask[row]) if seen] + [ends[0] + 1 if ends else len(ids[row])])
        answer = {"reward": inputs["r1_rewards"][row].item(), "advantage": inputs["advantages"][row].item(),
                  "logp": logp[row][:n].tolist(), "dlogp": dlogp[row][:n].tolist(),
                  "mask": [int(seen) for seen in mask[row][:n]],
                  "truncated": not any(mask[row]) if mask_truncated else not ends}
        for theirs, ours in (("old_per_token_logps", "logp_old"), ("ref_per_token_logps", "logp_ref")):
            if inputs.get(theirs) is not None:
                answer[ours] = inputs[theirs][row][:n].tolist()
        answers.append(answer)
    return answers


def dump(trainer, folder):
    """From now on each call of the trainer's loss while it trains leaves a file in the folder."""
    refuse(trainer)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"calls": 0}
    calculate_rewards, generate_and_score = trainer._calculate_rewards, trainer._generate_and_score_completions
    logps_and_entropies, compute_loss = trainer._get_per_token_logps_and_entropies, trainer._compute_loss

    def keep_rewards(*args, **kwargs):
        of_function = calculate_rewards(*args, **kwargs)
        kept["rewards"] = (of_function * trainer.reward_weights.to(of_function.device)).nansum(dim=1)
        return of_function

    def keep_groups(inputs):
        batch = generate_and_score(inputs)
        if "tool_mask" in batch:
            raise ValueError("r1 audit cannot compute answers with results of tools in them")
        groups = torch.arange(len(kept["rewards"])) // trainer.num_generations
        return batch | {"r1_rewards": kept["rewards"], "r1_group": groups}  # they are shuffled with the answers

    def keep_logps(*args, **kwargs):
        result = logps_and_entropies(*args, **kwargs)
        kept["logp"] = result[0]
        return result

    def write(model, inputs):
        loss = compute_loss(model, inputs)
        logp = kept["logp"]
        if not logp.requires_grad:  # an evaluation
            return loss
        times = trainer.current_gradient_accumulation_steps
        dlogp, = torch.autograd.grad(loss, logp, retain_graph=True)
        groups = {}
        for group, answer in zip(inputs["r1_group"].tolist(), answers_of(
                inputs, logp.detach().double(), dlogp.double() * times, set(trainer.eos_token_ids),
                trainer.mask_truncated_completions)):
            groups.setdefault(group, []).append(answer)
        if any(len(answers) != trainer.num_generations for answers in groups.values()):
            raise ValueError("a call of the loss without whole groups: per_device_train_batch_size, set a multiple "
                             "of num_generations")
        kept["calls"] += 1
        (folder / f"{kept['calls']}.json").write_text(json.dumps({
            "framework": f"trl {trl.__version__}", "options": options_of(trainer),
            "loss": loss.detach().double().item() * times,
            "groups": [{"answers": groups[group]} for group in sorted(groups)]}))
        return loss

    trainer._calculate_rewards = keep_rewards
    trainer._generate_and_score_completions = keep_groups
    trainer._get_per_token_logps_and_entropies = keep_logps
    trainer._compute_loss = write
