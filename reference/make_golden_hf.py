"""Writes golden/huggingface.json and golden/huggingface_sft.json: what Hugging Face's own models compute, in float64.
Needs: pip install torch transformers safetensors (made with transformers 5.23.0, torch 2.15.0)

    python make_golden_hf.py

WEIGHTS are a pure function of a tensor's name on disk and an element's index (row-major), all exact in float32:

    h = 32-bit FNV-1a of the name's bytes: h = 2166136261; for each byte: h = (h xor byte) * 16777619 mod 2^32
    x = (h + index * 0x9E3779B9) mod 2^32, then murmur3's finaliser:
        x ^= x >> 16;  x *= 0x85EBCA6B;  x ^= x >> 13;  x *= 0xC2B2AE35;  x ^= x >> 16          (mod 2^32)
    v = ((x >> 16) - 32768) / 32768                                                              in [-1, 1)
    name ends with "norm.weight"               1 + v / 4
    name ends with "e_score_correction_bias"   v / 8 + the case's router_bias_shift
    name ends with ".bias"                     v / 4
    name ends with "embed_tokens.weight"       v
    any other matrix of n columns              v * s, s the largest of 1, 1/2, 1/4, ... with s * s * n <= 4

huggingface.json: {"made_by", "transformers", "torch", "cases": [...]}; one case a line:

    name               what it covers
    config             config.json as this version's save_pretrained writes it
    config_old         the same model as files of transformers 4 write it (rope_theta, rope_scaling, torch_dtype, ...)
    router_bias_shift  see above
    sliding_window     true if some layer's window is shorter than the tokens (the configuration asks for it)
    tensors            {name on disk: shape}, all of them, nothing else is on disk
    tokens             one sequence, from position 0
    logprobs           of tokens 1 ..., natural logarithm
    logits             {position: [vocabulary]} of three positions
    norm               root of the sum of squares of the logits of all positions
    gap                least distance between a chosen and an unchosen router value (or group) over all tokens and
                       layers; null without experts. At least 1e-4: float32 chooses the same experts
    float32            max |a - b| / max |b|, a the logits of Hugging Face's model in float32, b these

huggingface_sft.json: {"made_by", ..., "cases": [...]}; one case a line: name, config, router_bias_shift, tensors as above;

    sequences          [{"tokens": [...], "mask": [...]}]; every step takes all of them as its batch. Token i counts if
                       mask[i] is 1 (mask[0] is 0): its log-probability is that given by tokens 0 ... i-1
    losses             of the ten steps, before each step's update: the mean of -log p over all counted tokens of the batch
    gradient_norms     of the ten steps, of all trained tensors together, before clipping
    final              {name: {"norm": root of the sum of squares, "values": four}} after ten steps; value j is element
                       j * (n - 1) / 3 (integer division) of the tensor's n elements
    float32            {"losses": max |a - b| / |b|, "weights": max over tensors of max |a - b| / max |b|} of the same
                       loop in float32

The step, with g the gradient times min(1, clip / norm), i = 1 ... 10, c1 = 1 - 0.9^i, c2 = 1 - 0.95^i:
    m = 0.9 m + 0.1 g;  v = 0.95 v + 0.05 g g;  w -= 0.001 (m / c1 / (sqrt(v / c2) + 1e-8) + decay w);  clip = 1
    decay = 0.1 for tensors with two dimensions on disk (embedding, output and router among them), 0 for the rest (norm
    gains, biases). e_score_correction_bias is not trained. No auxiliary loss. Tied embeddings are one tensor.
"""
import contextlib
import json
import math
import os
import shutil
import sys
import tempfile

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, modeling_rope_utils

transformers.logging.set_verbosity(50)
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)
MODELS = ("deepseek_v3", "deepseek_v2", "qwen2", "qwen3", "llama", "qwen3_moe", "olmoe")
STEPS, RATE, BETA1, BETA2, EPSILON, DECAY, CLIP = 10, 1e-3, 0.9, 0.95, 1e-8, 0.1, 1.0
GAP = 1e-4


# ---- the weights

def weight(name, shape, router_bias_shift=0.0):
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2 ** 32
    x = (h + np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    v = ((x >> np.uint64(16)).astype(np.float64) - 32768) / 32768
    if name.endswith("norm.weight"):
        v = 1 + v / 4
    elif name.endswith("e_score_correction_bias"):
        v = v / 8 + router_bias_shift
    elif name.endswith(".bias"):
        v = v / 4
    elif not name.endswith("embed_tokens.weight"):
        scale = 1.0
        while scale * scale * shape[-1] > 4:
            scale /= 2
        v = v * scale
    return torch.from_numpy(v.reshape(shape))


def on_disk(model):
    """{name on disk: (tensor in memory, function that picks the disk's part)}, tied output left out."""
    tied = model.config.tie_word_embeddings
    out = {}
    for name, t in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("inv_freq") or (tied and name == "lm_head.weight"):
            continue
        if name.endswith("experts.gate_up_proj"):
            half = t.shape[1] // 2
            for e in range(t.shape[0]):
                prefix = name[:-len("gate_up_proj")] + str(e)
                out[prefix + ".gate_proj.weight"] = (t, lambda t, e=e, half=half: t[e, :half])
                out[prefix + ".up_proj.weight"] = (t, lambda t, e=e, half=half: t[e, half:])
        elif name.endswith("experts.down_proj"):
            for e in range(t.shape[0]):
                out[name[:-len("down_proj")] + f"{e}.down_proj.weight"] = (t, lambda t, e=e: t[e])
        else:
            out[name] = (t, lambda t: t)
    return dict(sorted(out.items()))


def fill(model, router_bias_shift=0.0):
    with torch.no_grad():
        for name, (t, part) in on_disk(model).items():
            part(t).copy_(weight(name, part(t).shape, router_bias_shift))
    return model


# ---- float64

class Exact:
    """The modules' torch, with float64 where they ask for float32."""
    float = float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def float64():
    """Norms, routers, softmax and rotations of Hugging Face's models ask for float32; here they get float64."""
    modules = [modeling_rope_utils] + [sys.modules[f"transformers.models.{m}.modeling_{m}"] for m in MODELS]
    to_float = torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    for m in modules:
        m.torch = Exact()
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.Tensor.float = to_float
        for m in modules:
            m.torch = torch


def build(config, dtype=torch.float32, router_bias_shift=0.0):
    """Hugging Face's model for causal language with our weights; call it under float64() for float64."""
    config = AutoConfig.for_model(**config)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager",
                                             experts_implementation="eager")
    return fill(model.to(dtype), router_bias_shift).eval()


for _m in MODELS:  # the modules must be loaded before float64() can reach them
    __import__(f"transformers.models.{_m}.modeling_{_m}")


# ---- routers

def gaps(model):
    """A list that grows by one number for every MoE layer a forward pass runs through: see "gap" above."""
    found = []

    def limited(group_scores, kept, values, masked):
        order = group_scores.sort(-1, descending=True)
        if kept < group_scores.shape[-1]:
            found.append((order.values[:, kept - 1] - order.values[:, kept]).min().item())
        mask = torch.zeros_like(group_scores).scatter(1, order.indices[:, :kept], 1).bool()
        return values.masked_fill(~mask.repeat_interleave(values.shape[-1] // mask.shape[-1], -1), masked)

    def look(router, args, outputs):
        x = args[0].detach().reshape(-1, args[0].shape[-1]).double()
        logits = x @ router.weight.detach().double().T
        kind = type(router).__name__
        if kind.startswith("DeepseekV3"):
            values = logits.sigmoid() + router.e_score_correction_bias.double()
            by_group = values.view(len(x), router.num_group, -1).topk(2, -1).values.sum(-1)
            values = limited(by_group, router.topk_group, values, -math.inf)
        else:
            values = logits.softmax(-1)
            if getattr(router, "topk_method", "greedy") == "group_limited_greedy":
                by_group = values.view(len(x), router.num_group, -1).amax(-1)
                values = limited(by_group, router.topk_group, values, 0.0)
        order = values.sort(-1, descending=True).values
        if router.top_k < order.shape[-1]:
            found.append((order[:, router.top_k - 1] - order[:, router.top_k]).min().item())

    for name, module in model.named_modules():
        if type(module).__name__.lower().endswith("topkrouter"):
            module.register_forward_hook(look)
    return found


# ---- the cases

V3 = dict(model_type="deepseek_v3", vocab_size=61, hidden_size=32, intermediate_size=40, moe_intermediate_size=12,
          num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, n_shared_experts=1, n_routed_experts=8,
          num_experts_per_tok=3, n_group=4, topk_group=2, q_lora_rank=12, kv_lora_rank=16, qk_nope_head_dim=6,
          qk_rope_head_dim=8, v_head_dim=10, first_k_dense_replace=1, max_position_embeddings=64,
          num_nextn_predict_layers=0)
V2 = {**V3, "model_type": "deepseek_v2", "n_group": None, "topk_group": None, "n_shared_experts": 2, "bos_token_id": 1,
      "eos_token_id": 2}
V2.pop("num_nextn_predict_layers")
DENSE = dict(vocab_size=67, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64)
EXPERTS = {**DENSE, "num_experts_per_tok": 2, "norm_topk_prob": True}
Q2, Q3, LL = ({**DENSE, "model_type": m} for m in ("qwen2", "qwen3", "llama"))
Q3["head_dim"] = 8
QM = {**EXPERTS, "model_type": "qwen3_moe", "num_experts": 6, "moe_intermediate_size": 10, "num_hidden_layers": 3}
OL = {**EXPERTS, "model_type": "olmoe", "num_experts": 6, "intermediate_size": 14, "eos_token_id": 2,
      "pad_token_id": None}


def rope(kind="default", theta=100.0, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **more))


def yarn(**more):
    more = {**dict(factor=8.0, original_max_position_embeddings=64, theta=200.0), **more}
    return dict(max_position_embeddings=int(64 * more["factor"]), **rope("yarn", **more))


LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
CASES = [(name, {**base, **more}) for name, base, more in [
    ("V3: groups", V3, {}),
    ("V3: no groups", V3, dict(n_group=1, topk_group=1, **rope())),
    ("V3: no query latent, two shared experts", V3, dict(q_lora_rank=None, n_shared_experts=2)),
    ("V3: YaRN, mscale and mscale_all_dim 1", V3, yarn(mscale=1.0, mscale_all_dim=1.0, beta_fast=32.0, beta_slow=1.0)),
    ("V3: YaRN, mscale 1, mscale_all_dim 0.5", V3, yarn(mscale=1.0, mscale_all_dim=0.5, beta_fast=2.0)),
    ("V3: YaRN, no mscale", V3, yarn(beta_fast=4, beta_slow=0.5, factor=3.0)),
    ("V3: YaRN, only mscale_all_dim, not truncated", V3, yarn(mscale_all_dim=1.0, truncate=False)),
    ("V3: YaRN, attention_factor", V3, yarn(attention_factor=1.25, mscale=0.7, mscale_all_dim=0.7)),
    ("V3: linear rope", V3, rope("linear", factor=2.5)),
    ("V3: rope not interleaved", V3, dict(rope_interleave=False, **rope())),
    ("V3: rope not interleaved, YaRN", V3, dict(rope_interleave=False, **yarn(mscale=1.0, mscale_all_dim=1.0))),
    ("V3: router's choices below zero", V3, dict(n_routed_experts=12, n_group=3, num_experts_per_tok=4)),
    ("V3: attention_bias", V3, dict(attention_bias=True)),
    ("V3: attention_bias, no query latent", V3, dict(attention_bias=True, q_lora_rank=None, **rope())),
    ("V3: tied", V3, dict(tie_word_embeddings=True)),
    ("V3: every layer dense", V3, dict(first_k_dense_replace=3, num_attention_heads=4, num_key_value_heads=4)),
    ("V3: every layer MoE, weights not normalised", V3, dict(first_k_dense_replace=0, norm_topk_prob=False)),
    ("V3: rms_norm_eps 0.01, three heads", V3, dict(rms_norm_eps=1e-2, num_attention_heads=3, num_key_value_heads=3,
                                                    routed_scaling_factor=1.0, num_hidden_layers=2)),
    ("V3: one expert a token, one group kept", V3, dict(num_experts_per_tok=1, topk_group=1, routed_scaling_factor=1.5)),
    ("V2: greedy", V2, {}),
    ("V2: groups", V2, dict(topk_method="group_limited_greedy", n_group=4, topk_group=2, routed_scaling_factor=16.0)),
    ("V2: YaRN, mscale 0.707, no query latent", V2, dict(q_lora_rank=None, **yarn(mscale=0.707, mscale_all_dim=0.707))),
    ("V2: YaRN, mscale 1, mscale_all_dim 0.707", V2, yarn(mscale=1.0, mscale_all_dim=0.707)),
    ("V2: norm_topk_prob is not read", V2, dict(norm_topk_prob=True, routed_scaling_factor=2.0, first_k_dense_replace=0)),
    ("V2: attention_bias and mlp_bias", V2, dict(attention_bias=True, mlp_bias=True)),
    ("V2: tied, groups, all dense but one", V2, dict(tie_word_embeddings=True, first_k_dense_replace=2, n_group=2,
                                                     topk_group=1, topk_method="group_limited_greedy")),
    ("V2: rms_norm_eps 0.01, one shared expert", V2, dict(rms_norm_eps=1e-2, n_shared_experts=1, **rope())),
    ("Qwen2: two key heads of four", Q2, {}),
    ("Qwen2: tied, one key head of six", Q2, dict(tie_word_embeddings=True, hidden_size=48, num_attention_heads=6,
                                                  num_key_value_heads=1, **rope(theta=1e6))),
    ("Qwen2: three heads of twelve", Q2, dict(hidden_size=36, num_attention_heads=3, num_key_value_heads=3, **rope())),
    ("Qwen2: five heads, rms_norm_eps 0.01, tied", Q2, dict(hidden_size=40, num_attention_heads=5, rms_norm_eps=1e-2,
                                                            num_key_value_heads=5, tie_word_embeddings=True)),
    ("Qwen2: YaRN", Q2, yarn(factor=4.0)),
    ("Qwen2: sliding window", Q2, dict(use_sliding_window=True, sliding_window=5, max_window_layers=1,
                                       num_hidden_layers=3)),
    ("Qwen3: head_dim 12", Q3, dict(head_dim=12)),
    ("Qwen3: head_dim 24, attention_bias, tied", Q3, dict(head_dim=24, attention_bias=True, tie_word_embeddings=True,
                                                          **rope(theta=1e6))),
    ("Qwen3: three heads, one key head", Q3, dict(head_dim=16, num_attention_heads=3, num_key_value_heads=1, **rope())),
    ("Qwen3: YaRN, rms_norm_eps 0.01", Q3, dict(rms_norm_eps=1e-2, head_dim=16, **yarn())),
    ("Llama: default", LL, {}),
    ("Llama: llama3 rope, tied", LL, dict(head_dim=16, tie_word_embeddings=True, **rope("llama3", **LLAMA3))),
    ("Llama: llama3 rope, theta 500000", LL, rope("llama3", **{**LLAMA3, "factor": 32.0}, theta=500000.0)),
    ("Llama: linear rope", LL, rope("linear", factor=4.0)),
    ("Llama: YaRN", LL, yarn()),
    ("Llama: YaRN, attention_factor, not truncated", LL, yarn(attention_factor=0.8, truncate=False, beta_fast=3.0)),
    ("Llama: attention_bias and mlp_bias", LL, dict(attention_bias=True, mlp_bias=True)),
    ("Llama: attention_bias, head_dim 6, one key head", LL, dict(attention_bias=True, head_dim=6, num_key_value_heads=1)),
    ("Llama: five heads, mlp_bias, rms_norm_eps 0.01", LL, dict(hidden_size=40, num_attention_heads=5, mlp_bias=True,
                                                                num_key_value_heads=5, rms_norm_eps=1e-2)),
    ("Qwen3Moe: weights normalised", QM, {}),
    ("Qwen3Moe: weights not normalised, head_dim 12", QM, dict(norm_topk_prob=False, head_dim=12)),
    ("Qwen3Moe: decoder_sparse_step 2", QM, dict(decoder_sparse_step=2, num_hidden_layers=4, **rope(theta=1e6))),
    ("Qwen3Moe: mlp_only_layers 1", QM, dict(mlp_only_layers=[1], tie_word_embeddings=True)),
    ("Qwen3Moe: mlp_only_layers 3, decoder_sparse_step 2, attention_bias", QM,
     dict(mlp_only_layers=[3], decoder_sparse_step=2, num_hidden_layers=4, attention_bias=True)),
    ("Qwen3Moe: every expert chosen, YaRN", QM, dict(num_experts_per_tok=6, **yarn())),
    ("Qwen3Moe: sliding window", QM, dict(use_sliding_window=True, sliding_window=4)),
    ("OLMoE: weights not normalised", OL, dict(norm_topk_prob=False, num_key_value_heads=4)),
    ("OLMoE: weights normalised, two key heads of four", OL, {}),
    ("OLMoE: clip_qkv", OL, dict(clip_qkv=0.75, norm_topk_prob=False)),
    ("OLMoE: clip_qkv, attention_bias, tied", OL, dict(clip_qkv=0.5, attention_bias=True, tie_word_embeddings=True)),
    ("OLMoE: three heads, linear rope, rms_norm_eps 0.01", OL, dict(hidden_size=36, num_attention_heads=3,
                                                                  num_key_value_heads=1, rms_norm_eps=1e-2,
                                                                  **rope("linear", factor=2.0))),
]]
SHIFTS = {"V3: router's choices below zero": -1.0}
SMALL = dict(vocab_size=31, hidden_size=16, intermediate_size=20, num_hidden_layers=2, **rope())
S3 = {**V3, **SMALL, "n_routed_experts": 6, "n_group": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 7,
      "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 6}
S2 = {k: v for k, v in {**S3, "model_type": "deepseek_v2"}.items() if k != "num_nextn_predict_layers"}
SFT = [("V3: groups, query latent", S3),
       ("V3: no query latent, YaRN, attention_bias", {**S3, "q_lora_rank": None, "attention_bias": True,
                                                      "norm_topk_prob": False, **yarn(mscale=1.0, mscale_all_dim=0.5)}),
       ("V2: groups, mlp_bias", {**S2, "topk_method": "group_limited_greedy", "routed_scaling_factor": 4.0,
                                 "mlp_bias": True, "first_k_dense_replace": 0}),
       ("Qwen2: tied, one key head of three", {**Q2, **SMALL, "tie_word_embeddings": True, "hidden_size": 24,
                                               "num_attention_heads": 3, "num_key_value_heads": 1}),
       ("Qwen3: head_dim 6, attention_bias", {**Q3, **SMALL, "head_dim": 6, "attention_bias": True}),
       ("Llama: llama3 rope, attention_bias, mlp_bias", {**LL, **SMALL, "attention_bias": True, "mlp_bias": True,
                                                         "head_dim": 8, **rope("llama3", **LLAMA3)}),
       ("Qwen3Moe: weights normalised", {**QM, **SMALL, "num_experts": 4, "moe_intermediate_size": 7}),
       ("OLMoE: clip_qkv, weights not normalised", {**OL, **SMALL, "num_experts": 4, "intermediate_size": 7,
                                                    "clip_qkv": 1.0, "norm_topk_prob": False})]


def old_config(config):
    """The file as transformers 4 wrote it."""
    old = {k: v for k, v in config.items() if k not in ("rope_parameters", "dtype", "layer_types", "qk_head_dim")}
    scaling = dict(config["rope_parameters"])
    old["rope_theta"] = scaling.pop("rope_theta")
    old["torch_dtype"] = config["dtype"]
    old["transformers_version"] = "4.46.0"
    if config["model_type"].startswith("deepseek"):
        old.pop("head_dim")
        old["moe_layer_freq"] = 1
        if "type" not in scaling:
            scaling["type"] = scaling.pop("rope_type")
    if config["model_type"] == "qwen3_moe":
        old["num_experts"] = old.pop("num_local_experts")
    old["rope_scaling"] = None if "default" in scaling.values() else scaling
    return dict(sorted(old.items()))


def check_old(config, old):
    def plain(c):
        c = AutoConfig.for_model(**{k: v for k, v in c.items()}).to_dict()
        c["rope_parameters"].pop("type", None)
        return {k: v for k, v in c.items() if k not in ("transformers_version", "moe_layer_freq")}
    assert plain(config) == plain(old), (config, old)


def draw_tokens(seed, count, vocabulary):
    return [int(x * 2 ** 15 + 2 ** 15) % vocabulary for x in weight(f"tokens {seed}.bias", (count,)).mul(4)]


# ---- logits

def rounded(x, digits=10):
    if isinstance(x, torch.Tensor):
        x = x.tolist()
    return [rounded(i, digits) for i in x] if isinstance(x, list) else float(f"%.{digits}g" % x)


def case(number, name, config):
    shift = SHIFTS.get(name, 0.0)
    model32 = build(config, router_bias_shift=shift)
    saved, tensors = save(model32, shift)
    with float64():
        model = build(config, torch.float64, shift)
        found = gaps(model)
        for seed in range(1000 * number, 1000 * number + 999):
            found.clear()
            tokens = draw_tokens(seed, 12 + number % 9, config["vocab_size"])
            with torch.no_grad():
                logits = model(torch.tensor([tokens])).logits[0]
            if not found or min(found) > GAP:
                break
        else:
            raise SystemExit(f"{name}: near ties in the router whatever the tokens")
    assert logits.dtype == torch.float64
    with torch.no_grad():
        single = model32(torch.tensor([tokens])).logits[0].double()
    difference = ((single - logits).abs().max() / logits.abs().max()).item()
    logp = logits.log_softmax(-1)[torch.arange(len(tokens) - 1), tokens[1:]]
    old = old_config(saved)
    check_old(saved, old)
    print(f"{name:70s} seed {seed % 1000:3d}  gap {min(found, default=math.nan):.2e}  max logit {logits.abs().max():5.2f}"
          f"  float32 {difference:.1e}")
    return dict(name=name, config=saved, config_old=old, router_bias_shift=shift,
                sliding_window=bool(config.get("use_sliding_window")), tensors=tensors, tokens=tokens,
                logprobs=rounded(logp), logits={str(i): rounded(logits[i], 9) for i in (0, len(tokens) // 2,
                                                                                         len(tokens) - 1)},
                norm=rounded(logits.norm().item(), 12), gap=rounded(min(found), 3) if found else None,
                float32=rounded(difference, 2))


def save(model, shift):
    """config.json and {name: shape} as save_pretrained writes them; checks the values on disk."""
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        with open(directory + "/config.json") as f:
            config = json.load(f)
        disk = load_file(directory + "/model.safetensors")
    for name, t in disk.items():
        assert torch.equal(t.double(), weight(name, t.shape, shift)), name
    assert sorted(disk) == sorted(on_disk(model)), sorted(disk)
    return config, {name: list(disk[name].shape) for name in sorted(disk)}


# ---- training

def decays(name, shape):
    return len(shape) == 2


def loss_of(model, sequences):
    """Mean of -log p over all counted tokens, one sequence at a time (no padding)."""
    total, count = 0.0, 0
    for s in sequences:
        logp = model(torch.tensor([s["tokens"]])).logits[0].log_softmax(-1)
        for i in range(1, len(s["tokens"])):
            if s["mask"][i]:
                total, count = total - logp[i - 1, s["tokens"][i]], count + 1
    return total / count


def train(model, sequences, noise=None):
    """Ten steps of the loop described above; (losses, gradient norms). A generator as noise disturbs weights and
    gradients as float32's rounding would, at the last bit of each tensor's largest element."""
    trained = [p for n, p in model.named_parameters()]
    if noise is not None:
        with torch.no_grad():
            for p in trained:
                p *= 1 + 1e-7 * torch.randn(p.shape, generator=noise)
    decayed = {id(t): decays(n, part(t).shape) for n, (t, part) in on_disk(model).items()}
    m, v = [torch.zeros_like(p) for p in trained], [torch.zeros_like(p) for p in trained]
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for p in trained:
            p.grad = None
        loss = loss_of(model, sequences)
        loss.backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        if noise is not None:
            gradients = [g + 1e-7 * g.abs().max() * torch.randn(g.shape, generator=noise) * (g != 0) for g in gradients]
        norm = math.sqrt(sum((g.double() ** 2).sum().item() for g in gradients))
        losses.append(loss.item())
        norms.append(norm)
        with torch.no_grad():
            for p, g, mp, vp in zip(trained, gradients, m, v):
                g = g * min(1.0, CLIP / norm)
                mp.mul_(BETA1).add_(g, alpha=1 - BETA1)
                vp.mul_(BETA2).add_(g * g, alpha=1 - BETA2)
                step_by = mp / (1 - BETA1 ** step) / ((vp / (1 - BETA2 ** step)).sqrt() + EPSILON)
                p -= RATE * (step_by + (DECAY * p if decayed[id(p)] else 0.0))
    return losses, norms


def train_by_torch(model, sequences):
    """The same with torch.optim.AdamW and clip_grad_norm_, which divides by norm + 1e-6: a check of the loop above."""
    decayed = {id(t): decays(n, part(t).shape) for n, (t, part) in on_disk(model).items()}
    groups = [dict(params=[p for p in model.parameters() if decayed[id(p)] == d], weight_decay=DECAY * d)
              for d in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(BETA1, BETA2), eps=EPSILON)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, sequences)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


def draw_sequences(seed, vocabulary):
    out = []
    for i, length in enumerate((9, 14, 5, 12)):
        tokens = draw_tokens(f"{seed} {i}", length, vocabulary)
        marks = draw_tokens(f"mask {seed} {i}", length, 3)
        out.append(dict(tokens=tokens, mask=[0] + [1 if x else 0 for x in marks[1:-1]] + [1]))
    return out


def relative(a, b):
    """Max over tensors of max |a - b| / max |b|."""
    return max(((a[n].double() - b[n]).abs().max() / b[n].abs().max().clamp_min(1e-300)).item() for n in b)


def picture(model):
    return {n: part(t).detach().clone() for n, (t, part) in on_disk(model).items()}


def well_conditioned(config, sequences, losses, final):
    """Rounding must not decide the outcome: AdamW's first steps take the sign of a gradient, however small it is, and a
    clipped value may lie at its bound. So three disturbed runs must end where the exact one does."""
    for seed in range(3):
        with float64():
            model = build(config, torch.float64)
            other, _ = train(model, sequences, torch.Generator().manual_seed(seed))
            if relative(picture(model), final) > 3e-6 or max(abs(a - b) / b for a, b in zip(other, losses)) > 3e-7:
                return False
    return True


def sft_case(name, config):
    for seed in range(400):
        sequences = draw_sequences(f"{name} {seed}", config["vocab_size"])
        with float64():
            model = build(config, torch.float64)
            found = gaps(model)
            losses, norms = train(model, sequences)
            final = picture(model)
        if (not found or min(found) > GAP) and well_conditioned(config, sequences, losses, final):
            break
    else:
        raise SystemExit(f"{name}: near ties whatever the tokens")
    with float64():
        peer = build(config, torch.float64)
        peer_losses = train_by_torch(peer, sequences)
    single = build(config)
    saved, tensors = save(single, 0.0)
    single_losses, _ = train(single, sequences)
    loss_error = max(abs(a - b) / b for a, b in zip(single_losses, losses))
    weight_error = relative(picture(single), final)
    print(f"{name:50s} seed {seed:3d}  gap {min(found, default=math.nan):.1e}  loss {losses[0]:.4f} -> {losses[-1]:.4f}"
          f"  norm {norms[0]:.2f}  float32: losses {loss_error:.1e}, weights {weight_error:.1e};  torch.optim: losses"
          f" {max(abs(a - b) / b for a, b in zip(peer_losses, losses)):.1e},"
          f" weights {relative(picture(peer), final):.1e}")
    values = {n: dict(norm=rounded(t.norm().item(), 12),
                      values=[rounded(t.flatten()[j * (t.numel() - 1) // 3].item()) for j in range(4)])
              for n, t in final.items()}
    return dict(name=name, config=saved, router_bias_shift=0.0, tensors=tensors, sequences=sequences,
                losses=rounded(losses, 12), gradient_norms=rounded(norms), final=values,
                float32=dict(losses=rounded(loss_error, 2), weights=rounded(weight_error, 2)))


def write(path, cases, script="make_golden_hf.py"):
    head = {"made_by": "reference/" + script, "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0]}
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", path), "w") as f:
        f.write(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
    print(f"golden/{path}: {len(cases)} cases")


def main():
    write("huggingface.json", [case(i, *c) for i, c in enumerate(CASES)])
    write("huggingface_sft.json", [sft_case(*c) for c in SFT])


if __name__ == "__main__":
    main()
