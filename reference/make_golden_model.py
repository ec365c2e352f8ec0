"""Writes golden/model.json: DeepSeek-V3's model, its gradients and AdamW in float64. Needs: pip install torch

    python make_golden_model.py > golden/model.json

Written from the papers with PyTorch's autograd, whole sequences at a time; it shares nothing with the C++ but the
names of the tensors and the formula of the weights, which saves storing them:

    one generator for all tensors, in the order of tensors() below, elements in the order of the file, (out, in):
    x = (1664525 x + 1013904223) mod 2^32,  v = ((x >> 16) - 32768) / 32768,  x = seed before the first
    matrix: v / 2     gain of a norm: 1 + v / 4     bias of the router: v / 8           (all exact in float32)

A case's loss: mean over its B sequences of  sum_t -(1 + t mod 3) / 8 logp_t + alpha sum_i f_i P_i  of every MoE layer.
Of each tensor the file keeps its gradient's norm and the elements entries(n).
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

COMMON = dict(model_type="deepseek_v3", vocab_size=40, rms_norm_eps=2.0 ** -20, rope_theta=100.0,
              max_position_embeddings=64, bos_token_id=0, eos_token_id=1)
CASES = [
    dict(name="dense first, groups", seed=1, inverse_temperature=1.25, alpha=0.5, lengths=[12, 2, 20, 7], config=dict(
        COMMON, hidden_size=16, num_hidden_layers=3, first_k_dense_replace=1, intermediate_size=24,
        num_attention_heads=2, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6,
        n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3, moe_intermediate_size=6, n_group=4, topk_group=2,
        routed_scaling_factor=2.5, norm_topk_prob=True)),
    dict(name="no query latent, no normalisation", seed=7, inverse_temperature=0.5, alpha=0.25, lengths=[18, 3, 9],
         config=dict(
        COMMON, hidden_size=20, num_hidden_layers=2, first_k_dense_replace=0, intermediate_size=1,
        num_attention_heads=3, q_lora_rank=None, kv_lora_rank=5, qk_nope_head_dim=4, qk_rope_head_dim=6, v_head_dim=16,
        n_routed_experts=5, n_shared_experts=2, num_experts_per_tok=2, moe_intermediate_size=7, n_group=1, topk_group=1,
        routed_scaling_factor=1.0, norm_topk_prob=False)),
]


def numbers(seed):
    x = seed
    while True:
        x = (1664525 * x + 1013904223) % 2 ** 32
        yield ((x >> 16) - 32768) / 32768


def tensors(c):
    """Names and shapes, in order."""
    d, h, E = c["hidden_size"], c["num_attention_heads"], c["n_routed_experts"]
    key, rope = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["qk_rope_head_dim"]

    def network(prefix, width):
        return [(prefix + "gate_proj.weight", (width, d)), (prefix + "up_proj.weight", (width, d)),
                (prefix + "down_proj.weight", (d, width))]

    yield "model.embed_tokens.weight", (c["vocab_size"], d)
    for i in range(c["num_hidden_layers"]):
        layer, attention, mlp = (f"model.layers.{i}." + s for s in ("", "self_attn.", "mlp."))
        yield layer + "input_layernorm.weight", (d,)
        kv_a = (attention + "kv_a_proj_with_mqa.weight", (c["kv_lora_rank"] + rope, d))
        if c["q_lora_rank"]:
            yield attention + "q_a_proj.weight", (c["q_lora_rank"], d)
            yield kv_a
            yield attention + "q_a_layernorm.weight", (c["q_lora_rank"],)
            yield attention + "q_b_proj.weight", (h * key, c["q_lora_rank"])
        else:
            yield attention + "q_proj.weight", (h * key, d)
            yield kv_a
        yield attention + "kv_a_layernorm.weight", (c["kv_lora_rank"],)
        yield attention + "kv_b_proj.weight", (h * (c["qk_nope_head_dim"] + c["v_head_dim"]), c["kv_lora_rank"])
        yield attention + "o_proj.weight", (d, h * c["v_head_dim"])
        yield layer + "post_attention_layernorm.weight", (d,)
        if i < c["first_k_dense_replace"]:
            yield from network(mlp, c["intermediate_size"])
            continue
        yield mlp + "gate.weight", (E, d)
        yield mlp + "gate.e_score_correction_bias", (E,)
        yield from network(mlp + "shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"])
        for e in range(E):
            yield from network(mlp + f"experts.{e}.", c["moe_intermediate_size"])
    yield "model.norm.weight", (d,)
    yield "lm_head.weight", (c["vocab_size"], d)


def make_weights(case):
    stream, weights = numbers(case["seed"]), {}
    for name, shape in tensors(case["config"]):
        v = torch.tensor([next(stream) for _ in range(math.prod(shape))]).reshape(shape)
        w = v / 8 if "bias" in name else v / 2 if len(shape) == 2 else 1 + v / 4
        weights[name] = w.requires_grad_("bias" not in name)
    return weights


def rms_norm(x, gain, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * gain


def rope(x, theta):
    """x (T, heads, D): adjacent channels are a complex number, turned by position theta^(-2i/D) [RoFormer eq 15]."""
    T, _, D = x.shape
    angle = torch.outer(torch.arange(T).double(), theta ** (-torch.arange(0, D, 2).double() / D))
    pairs = torch.view_as_complex(x.reshape(T, -1, D // 2, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones(()), angle)[:, None]).flatten(-2)


def attention(h, get, c):
    """[V3 eq 1-11]"""
    T, heads, nope = len(h), c["num_attention_heads"], c["qk_nope_head_dim"]
    latent, epsilon = c["kv_lora_rank"], c["rms_norm_eps"]
    if c["q_lora_rank"]:
        q = rms_norm(h @ get("q_a_proj").T, get("q_a_layernorm"), epsilon) @ get("q_b_proj").T
    else:
        q = h @ get("q_proj").T
    q = q.view(T, heads, -1)
    q = torch.cat([q[..., :nope], rope(q[..., nope:], c["rope_theta"])], -1)
    down = h @ get("kv_a_proj_with_mqa").T
    kv = (rms_norm(down[:, :latent], get("kv_a_layernorm"), epsilon) @ get("kv_b_proj").T).view(T, heads, -1)
    k_rope = rope(down[:, None, latent:], c["rope_theta"]).expand(T, heads, -1)
    k, v = torch.cat([kv[..., :nope], k_rope], -1), kv[..., nope:]
    o = F.scaled_dot_product_attention(*(a.transpose(0, 1) for a in (q, k, v)), is_causal=True)
    return o.transpose(0, 1).reshape(T, -1) @ get("o_proj").T


def network(x, get, prefix=""):
    gate, up, down = (get(prefix + n + "_proj") for n in ("gate", "up", "down"))
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def experts(x, get, bias, c):
    """[V3 eq 12-20]: the layer's output, and sum_i f_i P_i."""
    T, E, K = len(x), c["n_routed_experts"], c["num_experts_per_tok"]
    s = torch.sigmoid(x @ get("gate").T)
    with torch.no_grad():
        choice = (s + bias).view(T, c["n_group"], -1)
        kept = choice.topk(min(2, choice.shape[-1]), -1).values.sum(-1).topk(c["topk_group"], -1).indices
        inside = torch.zeros(T, c["n_group"]).scatter(1, kept, 1.0).bool()[:, :, None]
        chosen = choice.masked_fill(~inside, -math.inf).flatten(1).topk(K, -1).indices
        f = torch.zeros(T, E).scatter(1, s.topk(K, -1).indices, 1.0).sum(0) * E / (K * T)
    g = torch.zeros(T, E).scatter(1, chosen, 1.0) * s
    if c["norm_topk_prob"]:
        g = g / g.sum(-1, keepdim=True)
    g = g * c["routed_scaling_factor"]
    y = network(x, get, "shared_experts.")
    for e in range(E):
        y = y + g[:, e, None] * network(x, get, f"experts.{e}.")
    return y, (f * (s / s.sum(-1, keepdim=True)).mean(0)).sum()


def evaluate(tokens, w, c, inverse_temperature):
    """logp of tokens[1:], and the sum of the layers' f_i P_i."""
    x, balance = w["model.embed_tokens.weight"][tokens[:-1]], 0
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        x = x + attention(rms_norm(x, w[layer + "input_layernorm.weight"], c["rms_norm_eps"]),
                          lambda name: w[f"{layer}self_attn.{name}.weight"], c)
        h = rms_norm(x, w[layer + "post_attention_layernorm.weight"], c["rms_norm_eps"])
        get = lambda name: w[f"{layer}mlp.{name}.weight"]
        if i < c["first_k_dense_replace"]:
            x = x + network(h, get)
        else:
            y, part = experts(h, get, w[layer + "mlp.gate.e_score_correction_bias"], c)
            x, balance = x + y, balance + part
    logits = rms_norm(x, w["model.norm.weight"], c["rms_norm_eps"]) @ w["lm_head.weight"].T
    logp = torch.log_softmax(logits * inverse_temperature, -1)
    return logp.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0], balance


def entries(n):
    return list(range(n)) if n <= 20 else [k * (n - 1) // 9 for k in range(10)]


def kept(tensor):
    flat = tensor.detach().flatten()
    return [flat[i].item() for i in entries(len(flat))]


def run_case(case):
    c, w = case["config"], make_weights(case)
    stream = numbers(case["seed"] + 100)
    sequences = [[int((next(stream) + 1) / 2 * c["vocab_size"]) for _ in range(n)] for n in case["lengths"]]
    loss, logps, balances = 0, [], []
    for tokens in sequences:
        logp, balance = evaluate(tokens, w, c, case["inverse_temperature"])
        weight = -(1 + torch.arange(len(logp)) % 3) / 8
        loss = loss + ((weight * logp).sum() + case["alpha"] * balance) / len(sequences)
        logps.append(logp.tolist())
        balances.append(case["alpha"] * balance.item())
    loss.backward()
    return dict({k: v for k, v in case.items() if k != "lengths"}, tokens=sequences, loss=loss.item(), logp=logps,
                balance=balances, gradient={name: dict(norm=t.grad.norm().item(), entries=kept(t.grad))
                                            for name, t in w.items() if t.requires_grad})


def run_adamw(case):
    """Five steps from the case's weights with gradients v scale, from the stream of the given seed, bias left out."""
    o = dict(seed=3, lr=[0.01, 0.02, 0.03, 0.02, 0.01], scale=[1, 0.25, 0.0625, 1, 0.25], clip=10.0, beta1=0.9,
             beta2=0.95, epsilon=2.0 ** -8, decay=0.1)
    w = {name: t for name, t in make_weights(case).items() if t.requires_grad}
    optimizer = torch.optim.AdamW(
        [dict(params=[t for t in w.values() if t.dim() == 2], weight_decay=o["decay"]),
         dict(params=[t for t in w.values() if t.dim() == 1], weight_decay=0.0)],
        lr=1.0, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], foreach=False)
    stream, norms = numbers(o["seed"]), []
    for lr, scale in zip(o["lr"], o["scale"]):
        for t in w.values():
            t.grad = torch.tensor([next(stream) for _ in range(t.numel())]).reshape(t.shape) * scale
        norm = torch.cat([t.grad.flatten() for t in w.values()]).norm()
        norms.append(norm.item())
        for t in w.values():
            t.grad *= min(1.0, o["clip"] / norm.item())
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
    state = optimizer.state
    return dict(o, norm=norms, tensor={name: dict(w=kept(t), m=kept(state[t]["exp_avg"]),
                                                  v=kept(state[t]["exp_avg_sq"])) for name, t in w.items()})


if __name__ == "__main__":
    results = [run_case(case) for case in CASES]
    print(json.dumps(dict(made_by="reference/make_golden_model.py", torch=torch.__version__.split("+")[0],
                          cases=results, adamw=run_adamw(CASES[0])), indent=0, separators=(",", ":")))
