"""Golden files of tensors, written by the official libraries: what src/model/disk/safetensors.cpp must read to the
bit, and write to the byte.

    python check_safetensors.py > golden/safetensors.json        needs torch, numpy, safetensors, huggingface_hub

`files`: small files by `safetensors`, and what each tensor is as float32 by torch (bits; every NaN as 7FC00000).
`shards`: a model's folder by `huggingface_hub`, with the limit it was cut at.
`conversions`: SHA-256 of float32 (or bfloat16, float16) numbers, little-endian, NaNs as 7FC00000 (7FC0, 7E00):
    from_bf16, from_f16, from_f8_e4m3: all 65,536 or 256 numbers of the type, in order, as float32
    to_bf16, to_f16: the float32 numbers whose upper half is 0..65535 and whose lower half is each of LOW, in that order
    from_f64: the float64 numbers of `doubles` below
"""
import base64
import hashlib
import json
import tempfile
from pathlib import Path

import huggingface_hub
import numpy as np
import safetensors
import safetensors.torch
import torch

LOW = [0x0000, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0xFFFF]


def base(data):
    return base64.b64encode(bytes(data)).decode()


def float32_bytes(tensor):
    values = tensor.to(torch.float32).contiguous().numpy().copy()
    values[np.isnan(values)] = np.float32(np.nan)
    return values.tobytes()


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def half_bytes(tensor, nan):
    bits = tensor.view(torch.int16).numpy().view(np.uint16).copy()
    bits[torch.isnan(tensor).numpy()] = nan
    return bits.tobytes()


def doubles():
    """Float32 numbers i * 65536 + 1 with a remainder of 0, a tie, and a hair to both sides of it, and beyond the range."""
    bits = np.arange(65536, dtype=np.uint32) * np.uint32(65536) + np.uint32(1)
    with np.errstate(invalid="ignore"):                  # signalling NaNs become quiet ones
        exact = bits.view(np.float32).astype(np.float64).view(np.uint64)
    parts = [exact + np.uint64(rest) for rest in (0, 0x0FFFFFFF, 0x10000000, 0x10000001)]
    return np.concatenate(parts + [np.array([0x7FEFFFFFFFFFFFFF, 1, 0x36A0000000000000, 0x36A0000000000001], np.uint64)])


def random_values(rng, shape):
    """Numbers of many magnitudes, then the ones where readers go wrong."""
    n = int(np.prod(shape))
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-9, 6, n)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 2.0**-24, -(2.0**-25), 65504.0, 65520.0, 1e-45, 3e38, 448.0, 464.0, -1e-9]
    if n >= 2 * len(special):
        values[: len(special)] = special
    return torch.tensor(values.reshape(shape), dtype=torch.float64)


def a_file(what, tensors, metadata, expected=None, same_type=None):
    data = safetensors.torch.save(tensors, metadata)
    expected = expected or tensors
    return {"what": what, "bytes": base(data), "metadata": metadata, "ours": same_type,
            "tensors": {name: {"shape": list(t.shape), "float32": base(float32_bytes(t))} for name, t in expected.items()}}


def main():
    rng = np.random.default_rng(1)
    files = []
    for what, dtype in (("F32", torch.float32), ("BF16", torch.bfloat16), ("F16", torch.float16), ("F64", torch.float64)):
        shapes = {"a.weight": (5, 8), "b": (), "c.bias": (3,), "d": (2, 0, 3), "e\u00e9\u4e2d": (2, 1, 2)}
        tensors = {name: random_values(rng, shape).to(dtype) for name, shape in shapes.items()}
        if dtype == torch.bfloat16:                      # torch's choice of a NaN depends on the CPU
            tensors["a.weight"].view(torch.int16)[torch.isnan(tensors["a.weight"])] = 0x7FC0
        files.append(a_file(what, tensors, {"format": "pt"}, same_type=None if what == "F64" else what))

    mixed, expected = {}, {}
    for name, shape in (("wide.weight", (3, 130)), ("tall.weight", (130, 2))):
        mixed[name] = torch.tensor(rng.integers(0, 256, shape, dtype=np.uint8)).view(torch.float8_e4m3fn)
        scale = random_values(rng, (-(-shape[0] // 128), -(-shape[1] // 128))).to(torch.float32)
        mixed[name + "_scale_inv"] = scale
        whole = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)[: shape[0], : shape[1]]
        expected[name] = mixed[name].to(torch.float32) * whole
    mixed["norm.weight"] = expected["norm.weight"] = random_values(rng, (7,)).to(torch.bfloat16)
    files.append(a_file("F8_E4M3 with scales", mixed, {"format": "pt", "a \"key\"\n": "\u00e9"}, expected))

    model = {f"layers.{i}.weight": random_values(rng, (3, 4)).to(torch.bfloat16) for i in range(5)}
    with tempfile.TemporaryDirectory() as folder:
        huggingface_hub.save_torch_state_dict(model, folder, max_shard_size=50)
        shards = {"most_bytes": 50, "files": {p.name: base(p.read_bytes()) for p in sorted(Path(folder).iterdir())},
                  "tensors": {n: {"shape": list(t.shape), "float32": base(float32_bytes(t))} for n, t in model.items()}}

    every = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    upper = np.arange(65536, dtype=np.uint32)[None, :] << np.uint32(16)
    float32 = torch.tensor((upper | np.array(LOW, np.uint32)[:, None]).reshape(-1).view(np.float32))
    conversions = {
        "from_bf16": digest(float32_bytes(every.view(torch.bfloat16))),
        "from_f16": digest(float32_bytes(every.view(torch.float16))),
        "from_f8_e4m3": digest(float32_bytes(torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn))),
        "from_f64": digest(float32_bytes(torch.tensor(doubles().view(np.float64)))),
        "to_bf16": digest(half_bytes(float32.to(torch.bfloat16), 0x7FC0)),
        "to_f16": digest(half_bytes(float32.to(torch.float16), 0x7E00)),
    }
    made_by = f"safetensors {safetensors.__version__}, torch {torch.__version__}, huggingface_hub {huggingface_hub.__version__}"
    print(json.dumps({"made_by": made_by, "low": LOW, "files": files, "shards": shards, "conversions": conversions}, indent=1))


main()
