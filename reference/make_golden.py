"""Writes golden/grpo.json: GRPO's loss, its parts and its gradient, for every variant. Standard library only.

    python3 reference/make_golden.py > reference/golden/grpo.json

The equations are written as the papers have them; the gradients come from dual numbers, not from formulas, and are
compared with finite differences (report on stderr). Sources: DSM = DeepSeekMath (arXiv 2402.03300), R1 = DeepSeek-R1
(2501.12948), DRG = Dr. GRPO (2503.20783), DAPO (2503.14476), GSPO (2507.18071), CISPO = MiniMax-M1 (2506.13585),
SAPO (2511.20347), INTELLECT-2 (2505.07291), dual clip (1912.09729), KL = Schulman, "Approximating KL divergence".

File: {"defaults": {option: string}, "batches": [{"name", "groups": [{"answers": [answer]}]}], "cases": [case]}
answer: reward, logp, logp_old, logp_ref; some have logp_sampler, truncated, steps [[last token from 0, reward], ...]
case: name, options (those unlike the default), batch (index), loss = policy_loss + kl_loss, and, by group, answer and
token: advantages, weights (0: does not count), terms {ratio, policy (times the mismatch weight), kl (before beta)},
gradient (dloss / dlogp). Advantages and terms are also given for answers that do not count.
"""
import json
import math
import random
import sys
from math import fsum

# Every option with the values tried, alone and at random; the first is the default.
VALUES = {
    "baseline": ["mean", "leave-one-out"], "spread": ["sample", "population", "none"],
    "spread-over": ["group", "batch"], "spread-epsilon": ["0.0001", "0", "0.5"],
    "spread-epsilon-place": ["outside", "inside"], "ratio": ["token", "sequence", "whole"],
    "objective": ["clip", "two-sided", "dual-clip", "cispo", "sapo", "policy-gradient"],
    "epsilon-low": ["0.2", "0.05", "0.9"], "epsilon-high": ["0.2", "0.5", "4"], "delta": ["4", "1.5"],
    "dual-clip": ["3", "1.5"], "tau-positive": ["1", "2"], "tau-negative": ["1.05", "3"],
    "aggregation": ["sequence-mean", "token-mean", "constant", "sequence-sum"], "budget": ["384", "3"],
    "kl": ["k3", "none", "k1", "k2", "k3-corrected"], "kl-in": ["loss", "reward"], "kl-over": ["token", "answer"],
    "beta": ["0.001", "0", "0.5"], "flat-groups": ["keep", "skip", "resample"], "truncated": ["keep", "mask"],
    "overlong-limit": ["0", "5"], "overlong-cache": ["0", "3"],
    "mismatch": ["none", "token-truncate", "token-mask", "sequence-truncate", "sequence-mask"],
    "mismatch-floor": ["0", "0.6"], "mismatch-cap": ["2", "1.3"],
}
DEFAULTS = {option: values[0] for option, values in VALUES.items()}

NO_KL = {"kl": "none", "beta": "0"}
PRESETS = {
    "dsm": {"spread-epsilon": "0", "beta": "0.04"},
    "r1": {"spread-epsilon": "0", "ratio": "whole", "kl-over": "answer"},
    "r1-nature": {"spread-epsilon": "0", "epsilon-low": "10", "epsilon-high": "10"},
    "dr-grpo": {"spread": "none", "aggregation": "constant", "budget": "3000", **NO_KL},
    "dapo": {"spread-epsilon": "0", "epsilon-high": "0.28", "aggregation": "token-mean", "flat-groups": "resample",
             "overlong-limit": "20480", "overlong-cache": "4096", **NO_KL},
    "gspo": {"spread-epsilon": "0", "ratio": "sequence", "epsilon-low": "3e-4", "epsilon-high": "4e-4", **NO_KL},
    "cispo": {"spread-epsilon": "0", "objective": "cispo", "epsilon-low": "1", "epsilon-high": "4",
              "aggregation": "token-mean", **NO_KL},
    "trl": {"aggregation": "token-mean", "mismatch": "sequence-mask", "mismatch-cap": "3", **NO_KL},
    "verl": {"spread-epsilon": "1e-6", "objective": "dual-clip", "aggregation": "token-mean", **NO_KL},
}

class Dual:
    """A value and its slope in each log-probability it depends on: {key: d value / d logp}."""

    def __init__(self, value, slopes={}):
        self.value, self.slopes = value, slopes

    def join(self, other, value, mine, theirs):
        keys = {**self.slopes, **other.slopes}
        return Dual(value, {k: mine * self.slopes.get(k, 0.0) + theirs * other.slopes.get(k, 0.0) for k in keys})

    def __add__(self, other):
        other = dual(other)
        return self.join(other, self.value + other.value, 1.0, 1.0)

    def __mul__(self, other):
        other = dual(other)
        return self.join(other, self.value * other.value, other.value, self.value)

    def apply(self, value, slope):
        return Dual(value, {k: slope * s for k, s in self.slopes.items()})

    def __neg__(self): return self * -1.0
    def __sub__(self, other): return self + -dual(other)
    def __rsub__(self, other): return dual(other) - self
    __radd__, __rmul__ = __add__, __mul__

def dual(x): return x if isinstance(x, Dual) else Dual(float(x))
def exp(x): return x.apply(math.exp(x.value), math.exp(x.value))
def inverse(x): return x.apply(1.0 / x.value, -1.0 / x.value ** 2)
def minimum(x, y): return x if x.value <= y.value else y
def maximum(x, y): return x if x.value >= y.value else y
def clip(x, low, high): return minimum(maximum(x, dual(low)), dual(high))  # no slope where an edge holds
def stop(x): return Dual(x.value)
def sigmoid(x): return inverse(1.0 + exp(-x))
def total(xs): return sum(xs, Dual(0.0))
def number(o, option): return float(o[option])

def estimate(kind, d):
    """KL(pi || pi_ref) of a sampled token, d = log pi_ref - log pi. KL: k1, k2, k3; DSM eq 4: k3."""
    if kind == "none": return Dual(0.0)
    if kind == "k1": return -d
    if kind == "k2": return d * d * 0.5
    return exp(d) - d - 1.0

def overlong(n, o):
    """DAPO eq 13: 0 up to limit - cache, then linear, -1 beyond the limit. Limit 0: none."""
    limit, cache = int(o["overlong-limit"]), int(o["overlong-cache"])
    if limit == 0 or n <= limit - cache: return 0.0
    return (limit - cache - n) / cache if n <= limit else -1.0

def shaped(answer, o):
    """r_i + overlong penalty - beta sum_t KL_t; the last only for kl-in = reward (as PPO, DSM eq 2), at pi_old."""
    reward = answer["reward"] + overlong(len(answer["logp"]), o)
    if o["kl-in"] == "loss": return reward
    kl = [estimate(o["kl"], Dual(ref - old)).value for ref, old in zip(answer["logp_ref"], answer["logp_old"])]
    return reward - number(o, "beta") * fsum(kl)

def is_process(group): return any("steps" in answer for answer in group["answers"])

def values_of(group, o):
    """What is normalised: a shaped reward per answer, or all step rewards of all answers [DSM 4.1.2, 4.1.3]."""
    if is_process(group): return [reward for answer in group["answers"] for _, reward in answer.get("steps", [])]
    return [shaped(answer, o) for answer in group["answers"]]

def is_flat(values): return len(values) == 0 or min(values) == max(values)

def deviation(values, o):
    """What the advantage is divided by: std + epsilon or sqrt(var + epsilon); var over n - 1 or n. DRG: no division."""
    if o["spread"] == "none": return 1.0
    mean = fsum(values) / len(values)
    variance = fsum((v - mean) ** 2 for v in values) / (len(values) - (o["spread"] == "sample"))
    epsilon = number(o, "spread-epsilon")
    return math.sqrt(variance + epsilon) if o["spread-epsilon-place"] == "inside" else math.sqrt(variance) + epsilon

def advantages(batch, o):
    """A_i,t = (r_i - mean) / std [DSM 4.1.2, R1 eq 3]; by steps: the sum of those ending at t or later [DSM 4.1.3]."""
    everything = [v for group in batch["groups"] for v in values_of(group, o)]
    result = []
    for group in batch["groups"]:
        values = values_of(group, o)
        among = everything if o["spread-over"] == "batch" else values
        result.append([])
        for i, answer in enumerate(group["answers"]):
            steps = answer.get("steps", []) if is_process(group) else [(math.inf, values[i])]
            if is_flat(values): steps = []  # A = 0
            A = []
            for last, value in steps:
                baseline = fsum(values) / len(values)
                if o["baseline"] == "leave-one-out": baseline = (fsum(values) - value) / (len(values) - 1)  # RLOO
                A.append((last, (value - baseline) / deviation(among, o)))
            result[-1].append([fsum(a for last, a in A if last >= t) for t in range(len(answer["logp"]))])
    return result

def importance(answer, o):
    """w_t = pi_old / pi_sampler, or its product over the answer at each token; before the cap and the floor."""
    logs = [old - s for old, s in zip(answer["logp_old"], answer.get("logp_sampler", answer["logp_old"]))]
    return [math.exp(fsum(logs))] * len(logs) if o["mismatch"].startswith("sequence") else [math.exp(x) for x in logs]

def mismatch(answer, o):
    """Truncated (TIS): min(w, cap). Masked (IcePop): w within [floor, cap], else 0. Never differentiated."""
    if o["mismatch"] == "none" or "logp_sampler" not in answer: return [1.0] * len(answer["logp"])
    floor, cap = number(o, "mismatch-floor"), number(o, "mismatch-cap")
    if o["mismatch"].endswith("truncate"): return [min(w, cap) for w in importance(answer, o)]
    return [w if floor <= w <= cap else 0.0 for w in importance(answer, o)]

def policy(s, a, logp, o):
    """The term to maximise of a token with ratio s and advantage a."""
    clipped = clip(s, 1.0 - number(o, "epsilon-low"), 1.0 + number(o, "epsilon-high"))
    pessimist = minimum(s * a, clipped * a)                                   # DSM eq 3, R1 eq 1
    kind = o["objective"]
    if kind == "clip": return pessimist
    if kind == "two-sided": return minimum(minimum(s, dual(number(o, "delta"))) * a, clipped * a)  # INTELLECT-2
    if kind == "dual-clip": return maximum(pessimist, dual(number(o, "dual-clip") * a)) if a < 0 else pessimist
    if kind == "cispo": return stop(clipped) * a * logp                       # CISPO
    if kind == "policy-gradient": return logp * a                             # REINFORCE
    tau = number(o, "tau-positive" if a > 0 else "tau-negative")              # SAPO
    return sigmoid((s - 1.0) * tau) * (4.0 / tau) * a

def token_terms(answer, logps, answer_advantages, o):
    """(ratio, policy term times mismatch weight, KL before beta) of each token. logps: logp as dual numbers."""
    n = len(logps)
    logs = [logp - old for logp, old in zip(logps, answer["logp_old"])]
    d = [ref - logp for logp, ref in zip(logps, answer["logp_ref"])]
    own = [exp(x) for x in logs]
    ratios = own                                                              # DSM eq 3
    if o["ratio"] == "sequence" and n: ratios = [exp(total(logs) * (1.0 / n))] * n  # GSPO
    if o["ratio"] == "whole": ratios = [exp(total(logs))] * n                 # R1 eq 1
    if o["kl-over"] == "answer": d = [total(d)] * n                           # R1 eq 2
    kls = [estimate(o["kl"], x) for x in d]
    if o["kl"] == "k3-corrected": kls = [r * k for r, k in zip(own, kls)]     # DeepSeek-V3.2: unbiased under pi_old
    if o["kl-in"] == "reward": kls = [Dual(0.0)] * n
    weights = mismatch(answer, o)
    return [(ratios[t], policy(ratios[t], answer_advantages[t], logps[t], o) * weights[t], kls[t]) for t in range(n)]

def counts(group, answer, o):
    """DAPO: groups whose values are all equal are left out (dynamic sampling), truncated answers masked (filtering)."""
    if o["flat-groups"] != "keep" and is_flat(values_of(group, o)): return False
    return not (o["truncated"] == "mask" and answer.get("truncated", False))

def token_weights(batch, o):
    """The weight of each token: 1/(N n_i) DSM eq 3; 1/L DAPO eq 8; 1/(N budget) DRG; 1/N R1 eq 1."""
    counted = [[counts(group, answer, o) for answer in group["answers"]] for group in batch["groups"]]
    lengths = [[len(answer["logp"]) for answer in group["answers"]] for group in batch["groups"]]
    answers = sum(sum(row) for row in counted)
    tokens = sum(n for row, marks in zip(lengths, counted) for n, mark in zip(row, marks) if mark)

    def weight(n):
        if o["aggregation"] == "sequence-mean": return 1.0 / (answers * n)
        if o["aggregation"] == "token-mean": return 1.0 / tokens
        if o["aggregation"] == "constant": return 1.0 / (answers * number(o, "budget"))
        return 1.0 / answers

    return [[[weight(n) if mark else 0.0] * n if n else [] for n, mark in zip(row, marks)]
            for row, marks in zip(lengths, counted)]

def evaluate(batch, o, differentiate=True):
    """loss = - sum_i,t weight_i (policy_i,t - beta KL_i,t), and what it is made of."""
    A, W = advantages(batch, o), token_weights(batch, o)
    policy_loss, kl_loss, terms = Dual(0.0), Dual(0.0), []
    for g, group in enumerate(batch["groups"]):
        terms.append([])
        for i, answer in enumerate(group["answers"]):
            logps = [Dual(x, {(g, i, t): 1.0} if differentiate else {}) for t, x in enumerate(answer["logp"])]
            rows = token_terms(answer, logps, A[g][i], o)
            terms[g].append([{"ratio": s.value, "policy": p.value, "kl": k.value} for s, p, k in rows])
            for weight, (_, p, k) in zip(W[g][i], rows):
                if weight == 0.0: continue
                policy_loss -= p * weight
                kl_loss += k * (weight * number(o, "beta"))
    loss = policy_loss + kl_loss
    gradient = [[[loss.slopes.get((g, i, t), 0.0) for t in range(len(answer["logp"]))]
                 for i, answer in enumerate(group["answers"])] for g, group in enumerate(batch["groups"])]
    return {"loss": loss.value, "policy_loss": policy_loss.value, "kl_loss": kl_loss.value, "advantages": A,
            "weights": W, "terms": terms, "gradient": gradient}

SCALES = [2.6, 0.5, 0.0, 2.6, 0.0002, 1.2]  # of log pi - log pi_old, answer by answer; 0: exactly on policy

def near(rng, x, scale):
    """A log-probability in [-4, -0.01] within scale of x."""
    while True:
        y = round(x + rng.uniform(-scale, scale), 5)
        if -4.0 <= y <= -0.01: return y

def random_answer(rng, length, scale, reward):
    old = [near(rng, -2.0, 2.0) for _ in range(length)]
    logp = [near(rng, x, scale) for x in old]
    return {"reward": reward, "logp": logp, "logp_old": old, "logp_ref": [near(rng, x, 1.0) for x in logp]}

def random_batch(rng, name, sizes, flat, rewards):
    """Groups of the given sizes, one of them flat. The batch's second answer is empty, each third one truncated."""
    groups, count = [], 0
    for g, size in enumerate(sizes):
        drawn = [rewards(rng) for _ in range(size)]
        while g != flat and is_flat(drawn): drawn = [rewards(rng) for _ in range(size)]
        answers = []
        for reward in drawn:
            length = 0 if count == 1 else rng.randint(2, 7)
            answer = random_answer(rng, length, SCALES[count % len(SCALES)], drawn[0] if g == flat else reward)
            if count % 3 == 2: answer["truncated"] = True
            if count % 3 != 1: answer["logp_sampler"] = [near(rng, x, 1.0) for x in answer["logp_old"]]
            answers.append(answer)
            count += 1
        groups.append({"answers": answers})
    return {"name": name, "groups": groups}

def add_steps(rng, group, same=None):
    for answer in group["answers"]:
        n = len(answer["logp"])
        ends = sorted(rng.sample(range(n), min(n, rng.randint(1, 3))))
        answer["steps"] = [[end, same if same is not None else rng.choice([0.0, 0.5, 1.0, 2.0])] for end in ends]

def make_batches():
    rng = random.Random(20250115)
    whole, real = lambda r: float(r.randint(0, 2)), lambda r: round(r.uniform(-1.0, 2.0), 3)
    batches = [random_batch(rng, "whole", [4, 3], 1, whole), random_batch(rng, "real", [3, 2, 4], 1, real),
               random_batch(rng, "both", [2, 2, 5, 2], 0, lambda r: whole(r) if r.random() < 0.5 else real(r))]
    process = random_batch(rng, "process", [4, 2, 3], 1, whole)
    for g, group in enumerate(process["groups"]): add_steps(rng, group, 1.0 if g == 1 else None)
    process["groups"][0]["answers"][2]["steps"] = []  # tokens, but no step
    mixed = random_batch(rng, "process and outcome", [3, 3], None, real)
    add_steps(rng, mixed["groups"][0])
    edges = {"name": "edges", "groups": [  # one answer; flat and truncated; only empty answers
        {"answers": [random_answer(rng, 3, 2.6, 1.0)]},
        {"answers": [{**random_answer(rng, n, 2.6, 2.0), "truncated": True} for n in (1, 4)]},
        {"answers": [random_answer(rng, 0, 1.0, reward) for reward in (0.0, 1.0)]}]}
    return batches + [process, mixed, edges]

# A number that does nothing alone is changed together with these.
NEEDS = {"delta": {"objective": "two-sided"}, "dual-clip": {"objective": "dual-clip"},
         "tau-positive": {"objective": "sapo"}, "tau-negative": {"objective": "sapo"},
         "budget": {"aggregation": "constant"}, "overlong-cache": {"overlong-limit": "5"},
         "mismatch-floor": {"mismatch": "token-mask"}, "mismatch-cap": {"mismatch": "token-truncate"}}
INERT = {option: VALUES[option][1] for option in NEEDS}

def singles():
    changes = [{**NEEDS.get(option, {}), option: value} for option, values in VALUES.items() for value in values[1:]]
    return [("default", {}), ("inert numbers", INERT)] + [
        (", ".join(f"{k} {v}" for k, v in options.items()), options) for options in changes]

def pairs():
    for ratio in VALUES["ratio"][1:]:
        for objective in VALUES["objective"][1:]: yield {"ratio": ratio, "objective": objective}
    for kl in VALUES["kl"][2:]:
        for change in ({"kl-over": "answer"}, {"kl-in": "reward"}): yield {"kl": kl, "beta": "0.5", **change}
    for value in VALUES["mismatch"][2:]: yield {"mismatch": value, "mismatch-floor": "0.6", "mismatch-cap": "1.3"}

def make_cases():
    rng = random.Random(7)
    for name, options in singles() + [("preset " + name, options) for name, options in PRESETS.items()]:
        for batch in range(3): yield name, options, batch
    for k, options in enumerate(pairs()): yield ", ".join(f"{a} {b}" for a, b in options.items()), options, k % 3
    for k in range(60):
        options = {option: rng.choice(values) for option, values in VALUES.items()}
        yield f"random {k}", {a: b for a, b in options.items() if b != DEFAULTS[a]}, k % 3
    process = [{}, {"baseline": "leave-one-out"}, {"spread": "population"}, {"spread": "none"},
               {"spread-over": "batch"}, {"spread-epsilon-place": "inside", "spread-epsilon": "0.5"},
               {"ratio": "sequence"}, {"ratio": "whole"}, {"objective": "cispo"}, {"objective": "sapo"},
               {"aggregation": "token-mean"}, {"flat-groups": "skip"}, {"truncated": "mask"},
               {"overlong-limit": "5", "overlong-cache": "3"}, {"kl-in": "reward", "beta": "0.5"}]
    for options in process:
        for batch in (3, 4): yield "process " + ", ".join(f"{a} {b}" for a, b in options.items()), options, batch
    for options in ({}, {"baseline": "leave-one-out"}, {"flat-groups": "skip"}, {"truncated": "mask"},
                    {"aggregation": "token-mean", "flat-groups": "skip"},
                    {"truncated": "mask", "flat-groups": "skip", "aggregation": "constant"}):
        yield "edges " + ", ".join(f"{a} {b}" for a, b in options.items()), options, 5

def margin(batch, o, result):
    """How near any ratio or mismatch weight comes to an edge where the loss has a kink or a jump."""
    edges = [1.0 - number(o, "epsilon-low"), 1.0 + number(o, "epsilon-high"), number(o, "delta"),
             number(o, "dual-clip")]
    found = [abs(t["ratio"] - e) for group in result["terms"] for answer in group for t in answer for e in edges]
    for group in batch["groups"]:
        for answer in group["answers"]:
            if o["mismatch"] == "none" or "logp_sampler" not in answer: continue
            found += [abs(w - number(o, "mismatch-" + e)) for w in importance(answer, o) for e in ("floor", "cap")]
    return min(found)

def difference(batch, o, result, step=1e-5):
    """The largest distance of a slope from the central finite difference, over 1 + the largest slope."""
    worst, largest = 0.0, 0.0
    for g, group in enumerate(batch["groups"]):
        for i, answer in enumerate(group["answers"]):
            for t, x in enumerate(answer["logp"]):
                sides = []
                for y in (x + step, x - step):
                    answer["logp"][t] = y
                    sides.append(evaluate(batch, o, differentiate=False)["loss"])
                answer["logp"][t] = x
                slope = result["gradient"][g][i][t]
                worst = max(worst, abs((sides[0] - sides[1]) / (2.0 * step) - slope))
                largest = max(largest, abs(slope))
    return worst / (1.0 + largest)

def rule_reward(right, form):
    """Reward_rule = Reward_acc + Reward_format, each 0 or 1 [NATURE eq 4]."""
    return (1.0 if right else 0.0) + (1.0 if form else 0.0)

def main():
    batches, cases, checked, worst, nearest, spread = make_batches(), [], 0, 0.0, 1.0, 1.0
    for name, options, index in make_cases():
        o, batch = {**DEFAULTS, **options}, batches[index]
        result = evaluate(batch, o)
        cases.append({"name": name.strip(), "options": options, "batch": index, **result})
        nearest = min(nearest, margin(batch, o, result))
        values = [values_of(group, o) for group in batch["groups"]]
        spread = min([spread] + [max(v) - min(v) for v in values if not is_flat(v)])
        if o["objective"] == "cispo" or margin(batch, o, result) < 2e-4: continue  # not the slope, or a kink too near
        checked, worst = checked + 1, max(worst, difference(batch, o, result))
    print(f"{len(cases)} cases; nearest to an edge {nearest:.1e}; smallest range of a group that is not flat "
          f"{spread:.1e}; finite differences in {checked} cases, worst {worst:.1e}", file=sys.stderr)
    assert nearest > 1e-6 and spread > 1e-6 and worst < 1e-6 and checked > len(cases) // 2
    dump = lambda x: json.dumps(x, separators=(",", ":"), allow_nan=False)
    rewards = [{"right": a, "form": f, "total": rule_reward(a, f)} for a in (False, True) for f in (False, True)]
    print('{"defaults":' + dump(DEFAULTS) + ',\n"rule_rewards":' + dump(rewards) + ',\n"batches":[\n' + ",\n".join(map(dump, batches)) + '\n],\n"cases":[\n' +
          ",\n".join(map(dump, cases)) + "\n]}")

if __name__ == "__main__":
    main()
