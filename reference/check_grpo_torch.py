"""Recomputes golden/grpo.json in PyTorch, float64, with autograd. Needs torch (any CPU build); make test does not.

    python check_grpo_torch.py [golden file]    exit status 1 if a number differs by more than 1e-12 max(1, |golden|)

An answer's tokens at a time; what is not differentiated is detached. No code is shared with make_golden.py, which
wrote the file with dual numbers on the standard library. Its docstring says the file's layout and what the tags of
sources stand for, its VALUES are the options; how it reads the papers is followed here, so a misreading would be too.
"""
import json
import pathlib
import sys

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "grpo.json"
LIMIT = 1e-12

def read_options(texts):
    """Words stay words, numbers become numbers."""
    return {name: float(text) if text[0].isdigit() else text for name, text in texts.items()}

def read_group(group):
    """Log-probabilities become tensors; those of the policy are what the loss is differentiated by."""
    return [{name: torch.tensor(x, requires_grad=name == "logp") if name.startswith("logp") else x
             for name, x in answer.items()} for answer in group["answers"]]

def divergence(kind, d):
    """KL(pi || pi_ref) of a token, d = log(pi_ref / pi) [KL]: k1 = -d, k2 = d^2 / 2, k3 = e^d - d - 1 [DSM eq 4]."""
    k3 = torch.expm1(d) - d
    return {"none": 0.0 * d, "k1": -d, "k2": d.square() / 2.0, "k3": k3, "k3-corrected": k3}[kind]

def outcome_reward(answer, o):
    """r + penalty of length [DAPO eq 13] - beta sum_t KL_t, the last at pi_old and only with the KL in the reward."""
    reward, n = answer["reward"], len(answer["logp"])
    limit, cache = o["overlong-limit"], o["overlong-cache"]
    if limit > 0 and n > limit:
        reward -= 1.0
    elif limit > 0 and n > limit - cache:
        reward -= (n - (limit - cache)) / cache
    if o["kl-in"] == "reward":
        reward -= o["beta"] * divergence(o["kl"], answer["logp_ref"] - answer["logp_old"]).sum().item()
    return reward

def rewards_of(group, o):
    """Of every answer (places, rewards): one reward at its end [DSM 4.1.2], or one at the end of each step [4.1.3]."""
    by_steps = any("steps" in answer for answer in group)
    for answer in group:
        rows = answer.get("steps", []) if by_steps else [[len(answer["logp"]), outcome_reward(answer, o)]]
        yield torch.tensor([place for place, _ in rows]), torch.tensor([reward for _, reward in rows])

def is_flat(values):
    return len(values) == 0 or bool(values.min() == values.max())

def deviation(values, o):
    if o["spread"] == "none":  # DRG
        return 1.0
    variance = values.var(correction={"sample": 1, "population": 0}[o["spread"]])
    inside, outside = torch.sqrt(variance + o["spread-epsilon"]), torch.sqrt(variance) + o["spread-epsilon"]
    return {"inside": inside, "outside": outside}[o["spread-epsilon-place"]]

def advantages(rewards, o):
    """(r - mean) / std [R1 eq 3] or r - mean of the others [RLOO]; a token has the sum of those at it or after it."""
    values = [torch.cat([r for _, r in group]) for group in rewards]
    everything = torch.cat(values)
    for group, r in zip(rewards, values):
        def normalised(x):
            if is_flat(r):
                return torch.zeros_like(x)
            baseline = {"mean": r.mean(), "leave-one-out": (r.sum() - x) / (len(r) - 1)}[o["baseline"]]
            return (x - baseline) / deviation({"group": r, "batch": everything}[o["spread-over"]], o)
        yield [(places, normalised(x)) for places, x in group]

def mismatch(answer, o):
    """w = pi_old / pi_sampler of a token or of the answer: min(w, cap) [TIS], or 0 outside [floor, cap] [IcePop]."""
    old = answer["logp_old"]
    if o["mismatch"] == "none" or "logp_sampler" not in answer:
        return torch.ones_like(old)
    over, what = o["mismatch"].split("-")
    logs = old - answer["logp_sampler"]
    w = {"token": logs, "sequence": logs.sum().expand_as(logs)}[over].exp()
    kept = (w >= o["mismatch-floor"]) & (w <= o["mismatch-cap"])
    return {"truncate": w.clamp(max=o["mismatch-cap"]), "mask": torch.where(kept, w, 0.0)}[what]

def policy_terms(s, a, logp, o):
    """What is maximised, by ratio s and advantage a. At a tie torch.minimum gives each side half of the slope: that is
    the whole slope inside the clip range, where both sides are s a, and no slope where a = 0 or both are constants;
    the golden file keeps away from the edges themselves."""
    clipped = s.clamp(1.0 - o["epsilon-low"], 1.0 + o["epsilon-high"])
    pessimist = torch.minimum(s * a, clipped * a)  # DSM eq 3, R1 eq 1, DAPO eq 8
    tau = torch.where(a > 0.0, o["tau-positive"], o["tau-negative"])
    return {
        "clip": pessimist,
        "two-sided": torch.minimum(s.clamp(max=o["delta"]) * a, clipped * a),                         # INTELLECT-2
        "dual-clip": torch.where(a < 0.0, torch.maximum(pessimist, o["dual-clip"] * a), pessimist),    # dual clip
        "cispo": clipped.detach() * a * logp,                                                         # CISPO
        "sapo": torch.sigmoid(tau * (s - 1.0)) * 4.0 / tau * a,                                       # SAPO
        "policy-gradient": a * logp,                                                                  # REINFORCE
    }[o["objective"]]

def terms(answer, a, o):
    """Ratio, policy term times mismatch weight, and KL of every token."""
    logp, logs, d = answer["logp"], answer["logp"] - answer["logp_old"], answer["logp_ref"] - answer["logp"]
    log_ratio = {"token": logs,                                     # DSM eq 3
                 "sequence": logs.mean().expand_as(logs),           # GSPO: (pi / pi_old)^(1 / |o|)
                 "whole": logs.sum().expand_as(logs)}[o["ratio"]]   # R1 eq 1
    ratio = log_ratio.exp()
    kl = divergence(o["kl"], {"token": d, "answer": d.sum().expand_as(d)}[o["kl-over"]])  # DSM eq 4, R1 eq 2
    if o["kl"] == "k3-corrected":
        kl = logs.exp() * kl  # DeepSeek-V3.2: times pi / pi_old of the token
    kl = {"loss": kl, "reward": 0.0 * d}[o["kl-in"]]
    return ratio, mismatch(answer, o) * policy_terms(ratio, a, logp, o), kl

def token_weight(answer, marks, lengths, o):
    """1/(N |o|) [DSM eq 3], 1/sum |o| [DAPO eq 8], 1/(N budget) [DRG], 1/N [R1 eq 1]; over the answers that count."""
    n, N = len(answer["logp"]), sum(marks)
    size = {"sequence-mean": N * n, "token-mean": sum(n for n, mark in zip(lengths, marks) if mark),
            "constant": N * o["budget"], "sequence-sum": N}[o["aggregation"]]
    return torch.full((n,), 1.0 / size if size else 0.0)

def evaluate(groups, o):
    """loss = -sum_t weight_t policy_t + beta sum_t weight_t KL_t. Per token: one tensor of every answer, in order."""
    rewards = [list(rewards_of(group, o)) for group in groups]
    flat = [is_flat(torch.cat([r for _, r in group])) for group in rewards]
    without_flat = {"keep": False, "skip": True, "resample": True}[o["flat-groups"]]  # DAPO: dynamic sampling
    without_truncated = {"keep": False, "mask": True}[o["truncated"]]                 # DAPO: overlong filtering
    answers = [answer for group in groups for answer in group]
    marks = [not (without_flat and f or without_truncated and answer.get("truncated", False))
             for group, f in zip(groups, flat) for answer in group]
    lengths = [len(answer["logp"]) for answer in answers]
    normalised = [row for group in advantages(rewards, o) for row in group]
    A = [((places >= torch.arange(n)[:, None]) * a).sum(1) for (places, a), n in zip(normalised, lengths)]
    W = [mark * token_weight(answer, marks, lengths, o) for answer, mark in zip(answers, marks)]
    ratio, policy, kl = zip(*(terms(answer, a, o) for answer, a in zip(answers, A)))
    policy_loss = -torch.cat([w * p for w, p in zip(W, policy)]).sum()
    kl_loss = o["beta"] * torch.cat([w * k for w, k in zip(W, kl)]).sum()
    loss = policy_loss + kl_loss
    gradient = torch.autograd.grad(loss, [answer["logp"] for answer in answers])
    per_token = {"advantages": A, "weights": W, "ratio": ratio, "policy": policy, "kl": kl, "gradient": gradient}
    return {"loss": loss.item(), "policy_loss": policy_loss.item(), "kl_loss": kl_loss.item(),
            **{name: [x.tolist() for x in tensors] for name, tensors in per_token.items()}}

def expected(case):
    """The golden numbers of a case in the layout of evaluate()."""
    rows = {name: [row for group in case[name] for row in group] for name in ("advantages", "weights", "gradient")}
    tokens = [row for group in case["terms"] for row in group]
    rows |= {name: [[token[name] for token in row] for row in tokens] for name in ("ratio", "policy", "kl")}
    return {name: case[name] for name in ("loss", "policy_loss", "kl_loss")} | rows

def difference(got, want):
    """The largest |got - want| / max(1, |want|); infinite where a number is missing or is not one."""
    if isinstance(want, list):
        return max(map(difference, got, want), default=0.0) if len(got) == len(want) else float("inf")
    apart = abs(got - want) / max(1.0, abs(want))
    return apart if apart >= 0.0 else float("inf")

def main(path):
    golden = json.loads(pathlib.Path(path).read_text())
    batches = [[read_group(group) for group in batch["groups"]] for batch in golden["batches"]]
    worst, wrong = {}, 0
    for case in golden["cases"]:
        got, want = evaluate(batches[case["batch"]], read_options(golden["defaults"] | case["options"])), expected(case)
        for name in got:
            apart = difference(got[name], want[name])
            worst[name] = max(worst.get(name, 0.0), apart)
            if apart > LIMIT:
                wrong += 1
                print(f"differs: batch {case['batch']}, {case['name']}: {name} by {apart:.1e}", file=sys.stderr)
    print(f"{len(golden['cases'])} cases; largest differences: " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    return 1 if wrong or not golden["cases"] else 0

if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [GOLDEN])))
