"""What verl's loss of the actor computed, as r1 audit reads it: one file for each call of it.

    export VERL_USE_EXTERNAL_MODULES=dump_verl R1_DUMP=steps PYTHONPATH=scripts    # of each process of verl
    python -m verl.trainer.main_ppo ...    # a folder: steps/1.json, steps/2.json, ... while it trains

    r1 audit steps/1.json                  # the same loss and slopes to 1e-6, or the first term that differs

It writes what the loss saw (rewards, advantages, masks, log-probabilities), what came out (the loss, and its slope by
the log-probability of each token), and the actor's settings in r1's names. verl is not changed: its loss is called
through. Settings that the audit has no name for are refused. A call of the loss must hold the whole mini-batch, on one
device (ppo_micro_batch_size_per_gpu as large as the mini-batch). The actor is not told how advantages are normalised:
R1_DUMP_SPREAD=none says that norm_adv_by_std_in_grpo is False. float32 or better, as bfloat16 is no measure of 1e-6.
Written for verl 0.9.1.
"""
import json
import os
import pathlib

import torch

# Of the actor's loss_mode, loss_agg_mode and kl_loss_type.
LOSSES = {
    "vanilla": {"objective": "dual-clip"},
    "gspo": {"objective": "clip", "ratio": "sequence"},
    "cispo": {"objective": "cispo"},
    "sapo": {"objective": "sapo"},
    "gpg": {"objective": "policy-gradient"},
}
AGGREGATIONS = {"token-mean": "token-mean", "seq-mean-token-mean": "sequence-mean",
                "seq-mean-token-sum": "sequence-sum", "seq-mean-token-sum-norm": "constant"}
KLS = {"kl": "k1", "k1": "k1", "mse": "k2", "k2": "k2", "low_var_kl": "k3", "k3": "k3"}


def refuse(config, data):
    """Settings that the audit cannot compute are an error, each by its name."""
    mask = data["response_mask"]
    tokens = int(mask.values().sum() if mask.is_nested else mask.sum())
    of_batch = data["batch_num_tokens"]
    unnamed = {
        f"loss_mode={config.policy_loss.loss_mode}": config.policy_loss.loss_mode not in LOSSES,
        f"loss_agg_mode={config.loss_agg_mode}": config.loss_agg_mode not in AGGREGATIONS,
        f"kl_loss_type={config.kl_loss_type}": config.use_kl_loss and config.kl_loss_type not in KLS,
        "entropy_coeff": config.entropy_coeff != 0,
        "rollout_is_weights": "rollout_is_weights" in data,
        "a batch without token_level_rewards and uid": "token_level_rewards" not in data or "uid" not in data,
        "more than one device": data["dp_size"] != 1,
        "a part of a mini-batch: set ppo_micro_batch_size_per_gpu to the whole":
            (of_batch is not None and int(of_batch) != tokens) or
            (data["global_batch_size"] is not None and int(data["global_batch_size"]) != len(mask)),
    }
    for name, there in unnamed.items():
        if there:
            raise ValueError(f"r1 audit cannot compute {name}")


def options_of(config, width):
    """The actor's settings in r1's names; width: of the responses, padded."""
    options = {"baseline": "mean", "spread": os.environ.get("R1_DUMP_SPREAD", "sample"), "spread-over": "group",
               "spread-epsilon": 1e-6, "spread-epsilon-place": "outside", "flat-groups": "keep", "ratio": "token",
               "epsilon-low": config.clip_ratio_low, "epsilon-high": config.clip_ratio_high,
               "dual-clip": config.clip_ratio_c, "tau-positive": config.tau_pos, "tau-negative": config.tau_neg,
               "kl": "none", "kl-in": "loss", "kl-over": "token", "beta": 0, "truncated": "keep",
               "aggregation": AGGREGATIONS[config.loss_agg_mode]}
    options |= LOSSES[config.policy_loss.loss_mode]
    if options["aggregation"] == "constant":
        options["budget"] = config.loss_scale_factor or width
    if config.use_kl_loss:
        options |= {"kl": KLS[config.kl_loss_type], "beta": config.kl_loss_coef}
    return options


def padded(data, *names):
    """These tensors of the batch as (answers, tokens), padded by 0; those that it lacks are None."""
    there = [name for name in names if name in data]
    tensors = data.select(*there).to_padded_tensor()
    return [tensors[name].double() if name in there else None for name in names]


def groups_of(data, logp, dlogp):
    """The answers of each prompt: what the loss saw of them."""
    mask, old, ref, advantages, rewards = padded(data, "response_mask", "old_log_probs", "ref_log_prob", "advantages",
                                                 "token_level_rewards")
    responses = data["responses"]
    if responses.is_nested:
        lengths = responses.offsets().diff().tolist()
    else:
        lengths = data["attention_mask"][:, -responses.shape[1]:].sum(dim=1).tolist()
    groups = {}
    for row, (uid, n) in enumerate(zip(data["uid"], lengths)):
        seen = mask[row].nonzero().flatten().tolist()
        answer = {"reward": rewards[row].sum().item(), "logp": logp[row][:n].tolist(),
                  "logp_old": old[row][:n].tolist(), "dlogp": dlogp[row][:n].tolist(),
                  "mask": mask[row][:n].int().tolist()}
        if seen:
            answer["advantage"] = advantages[row][seen[0]].item()
        if ref is not None:
            answer["logp_ref"] = ref[row][:n].tolist()
        groups.setdefault(uid, []).append(answer)
    return list(groups.values())


def through(loss_of, folder):
    """verl's loss, of which each call leaves a file in the folder."""
    import verl
    from verl.workers.utils.padding import no_padding_2_padding
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calls = 0

    def write(config, model_output, data, dp_group=None):
        nonlocal calls
        refuse(config, data)
        logp = no_padding_2_padding(model_output["log_probs"], data)
        loss, metrics = loss_of(config, model_output, data, dp_group)
        # Of each number that the model gave, put in its place among the answers' tokens.
        flat = model_output["log_probs"]
        dflat, = torch.autograd.grad(loss, flat, retain_graph=True)
        dlogp = no_padding_2_padding(dflat, data)
        groups = groups_of(data, logp.detach().double(), dlogp.double())
        if any(len(answers) != config.rollout_n for answers in groups):
            raise ValueError("a mini-batch without whole groups: shuffle, set False")
        calls += 1
        width = data["response_mask"].shape[1] if not data["response_mask"].is_nested else logp.shape[1]
        (folder / f"{calls}.json").write_text(json.dumps({
            "framework": f"verl {verl.__version__}", "options": options_of(config, width),
            "loss": loss.detach().double().item(), "groups": [{"answers": answers} for answers in groups]}))
        return loss, metrics

    return write


def dump(folder):
    """From now on each call of the actor's loss in this process leaves a file in the folder."""
    from verl.workers import engine_workers
    engine_workers.ppo_loss = through(engine_workers.ppo_loss, folder)


if os.environ.get("R1_DUMP"):
    dump(os.environ["R1_DUMP"])
