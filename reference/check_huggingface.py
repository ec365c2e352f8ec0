"""Compares the program with Hugging Face's transformers, live, on random models of every architecture it reads.
Needs: pip install torch transformers safetensors tokenizers (written with transformers 5.23.0), and the built program.

    python check_huggingface.py --r1 ../build/r1            everything
    python check_huggingface.py --r1 ../build/r1 --only train,fp8 --keep DIR
    python check_huggingface.py --r1 ../build/r1 --models DIR ...    models that are there, instead of random ones

score   `r1 score --logits` against transformers in float32, on what save_pretrained writes: one file and shards; float32,
        bfloat16, float16; configurations as versions 5 and 4 write them. Bar: max |a - b| / max |b| <= 1e-5.
train   ten steps of `r1 sft` against PyTorch in float64 (the loop, data and models of golden/huggingface_sft.json).
        Bars: losses 1e-6, weights 1e-5, each relative.
write   the directory `r1 sft` wrote: transformers loads it with no missing or unexpected tensor and computes what
        `r1 score` does; its tokenizer.json encodes as the one it was given.
reward  `r1 score` on random ...ForSequenceClassification models of every architecture, and the folder that
        `r1 reward-model` writes, which transformers loads whole: the score. Bar: |a - b| / max(1, |b|) <= 1e-5.
fp8     DeepSeek's 8-bit checkpoints, 128 x 128 blocks with weight_scale_inv, sizes that are and are not multiples of
        128, against transformers with the dequantised weights.

models  models that lie in folders, as the students of `make paper`: logits on three drawn texts. Bar: that of score.

Each row: what, the figure, the bar. A configuration that asks for a sliding window may be refused with exit status 1
and one line; that is shown and counted neither way. Exit status 1 if anything failed.
"""
import argparse
import subprocess

from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from make_golden_hf import *

LOGITS, LOSSES, WEIGHTS = 1e-5, 1e-6, 1e-5
TOTALS = {True: 0, False: 0}


def row(what, figure, bar, note=""):
    good = bool(figure <= bar)
    TOTALS[good] += 1
    print(f"{'ok    ' if good else 'FAILED'}  {what:76s} {figure:8.1e}  bar {bar:.0e}  {note}", flush=True)
    return good


def failed(what, note):
    TOTALS[False] += 1
    print(f"FAILED  {what:76s} {note}", flush=True)


class Refused(Exception):
    pass


def r1(*args):
    out = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    if out.returncode:
        raise Refused(f"exit status {out.returncode}: {(out.stderr.strip() or 'no message').splitlines()[-1]}")
    return out.stdout


def score(directory, tokens):
    """(log-probabilities, logits) by the program."""
    path = os.path.join(SCRATCH, "logits.safetensors")
    if os.path.exists(path):
        os.remove(path)
    answer = json.loads(r1("score", "--model", directory, "--tokens", " ".join(map(str, tokens)), "--logits", path))
    logits = load_file(path)["logits"]
    assert logits.dtype == torch.float32, logits.dtype
    return torch.tensor(answer["logprobs"], dtype=torch.float64), logits


def load(directory):
    """(model in float32, loading information), by transformers."""
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                                experts_implementation="eager", output_loading_info=True)


def compare(what, directory, tokens, model, window=False):
    """The program's logits and log-probabilities against a model's. Shapes must agree too."""
    with torch.no_grad():
        theirs = model(torch.tensor([tokens])).logits[0]
    try:
        logprobs, ours = score(directory, tokens)
    except Refused as e:
        if window and str(e).startswith("exit status 1: r1: error:"):
            print(f"refused {what:76s} {e}")
        else:
            failed(what, e)
        return
    if ours.shape != theirs.shape or len(logprobs) != len(tokens) - 1:
        return failed(what, f"shapes {list(ours.shape)}, {list(theirs.shape)}; {len(logprobs)} log-probabilities")
    expected = theirs.double().log_softmax(-1)[torch.arange(len(tokens) - 1), tokens[1:]]
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    row(what, error if math.isfinite(error) else math.inf, LOGITS,
        f"logprobs {((logprobs - expected).abs().max() / expected.abs().max()).item():.1e}")


def check_model(directory):
    """A folder's model: it loads whole, and its logits are transformers'."""
    model, loading = load(directory)
    if loading["missing_keys"] or loading["unexpected_keys"]:
        return failed(directory, f"missing {loading['missing_keys']}, unexpected {loading['unexpected_keys']}")
    for count in (3, 40, min(200, model.config.max_position_embeddings)):
        tokens = draw_tokens(directory, count, model.config.vocab_size)
        compare(f"{directory}, {count} tokens", directory, tokens, model)


# ---- random models

def randomised(config, seed):
    """Hugging Face's model with weights of its usual scale, but gains, biases and routers' biases that matter."""
    g = torch.Generator().manual_seed(seed)
    model = build(config)
    with torch.no_grad():
        for name, (t, part) in on_disk(model).items():
            w = part(t)
            noise = torch.randn(w.shape, generator=g)
            if name.endswith("norm.weight"):
                w.copy_(1 + 0.2 * noise)
            elif len(w.shape) == 1:
                w.copy_(0.1 * noise)
            else:
                w.copy_(noise if "embed_tokens" in name else noise / math.sqrt(w.shape[-1]))
    return model


def safe_tokens(model, count, seed):
    """Tokens for which rounding does not change the choice of experts."""
    found = gaps(model)
    for attempt in range(400):
        found.clear()
        tokens = draw_tokens(f"live {seed} {attempt}", count, model.config.vocab_size)
        with torch.no_grad():
            model(torch.tensor([tokens]))
        if not found or min(found) > 2e-5:
            return tokens
    raise SystemExit("no tokens without near ties")


def large(base):
    """The same architecture, some 30 times as large, at odd sizes."""
    c = {**base, "hidden_size": 168, "intermediate_size": 250, "vocab_size": 1031, "num_hidden_layers": 4,
         "num_attention_heads": 6, "num_key_value_heads": 6 if base["model_type"].startswith("deepseek") else 2,
         "max_position_embeddings": 512}
    for key, value in dict(moe_intermediate_size=70, num_experts=12, n_routed_experts=12, head_dim=36, q_lora_rank=50,
                           kv_lora_rank=66, qk_nope_head_dim=28, qk_rope_head_dim=20, v_head_dim=30).items():
        if key in base:
            c[key] = value
    return c


def directory_of(model, name, **how):
    path = os.path.join(SCRATCH, name)
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path, **how)
    return path


def rewrite(directory, name, f):
    with open(os.path.join(directory, name)) as file:
        content = json.load(file)
    with open(os.path.join(directory, name), "w") as file:
        json.dump(f(content), file)


def check_score():
    for seed, (name, config) in enumerate(CASES):
        model = randomised(config, seed)
        tokens = safe_tokens(model, 20, seed)
        directory = directory_of(model, "model")
        window = bool(config.get("use_sliding_window"))
        compare(name, directory, tokens, load(directory)[0], window)
        rewrite(directory, "config.json", old_config)
        compare(name + ", configuration of version 4", directory, tokens, load(directory)[0], window)
    for seed, base in enumerate((V3, V2, Q2, Q3, LL, QM, OL)):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for how in ({}, dict(max_shard_size="300KB")):
                directory = directory_of(randomised(large(base), 100 + seed).to(dtype), "model", **how)
                model, _ = load(directory)
                files = sum(f.endswith(".safetensors") for f in os.listdir(directory))
                compare(f"{base['model_type']}, {str(dtype)[6:]}, {files} file{'s' * (files > 1)}, 100 tokens", directory,
                        safe_tokens(model, 100, seed), model)


# ---- training, and the directory it writes

def written_model(directory):
    """The output itself, or the one directory in it that holds a configuration."""
    found = [d for d, _, files in os.walk(directory) if "config.json" in files]
    if not found:
        raise Refused(f"no config.json under {directory}")
    return min(found, key=len)


def check_train():
    for name, config in SFT:
        with open(os.path.join(HERE, "golden", "huggingface_sft.json")) as f:
            golden = next(c for c in json.load(f)["cases"] if c["name"] == name)
        source = directory_of(build(config), "source")
        data, output = os.path.join(SCRATCH, "data.jsonl"), os.path.join(SCRATCH, "trained")
        shutil.rmtree(output, ignore_errors=True)
        with open(data, "w") as f:
            f.writelines(json.dumps(s) + "\n" for s in golden["sequences"])
        with float64():
            model = build(config, torch.float64)
            losses, _ = train(model, golden["sequences"])
            final = picture(model)
        assert max(abs(a - b) for a, b in zip(losses, golden["losses"])) < 1e-9, "the golden file is not this script's"
        try:
            r1("sft", "--overwrite", "--model", source, "--data", data, "--output", output, "--steps", STEPS, "--batch",
               len(golden["sequences"]), "--lr", RATE, "--warmup", 0, "--schedule", "constant", "--decay", DECAY,
               "--clip", CLIP, "--beta1", BETA1, "--beta2", BETA2, "--seed", 1)
            trained = written_model(output)
            with open(os.path.join(output, "metrics.jsonl")) as f:
                metrics = [json.loads(line) for line in f]
        except (Refused, OSError, ValueError) as e:
            failed("train: " + name, e)
            continue
        ours = [m["loss"] for m in metrics if "loss" in m]
        if len(ours) != STEPS:
            failed("train: " + name, f"{len(ours)} losses in metrics.jsonl")
        else:
            row("train: losses, " + name, max(abs(a - b) / b for a, b in zip(ours, losses)), LOSSES)
        tensors = read_tensors(trained)
        if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in final.items()}:
            failed("train: weights, " + name, f"names or shapes differ: {sorted(set(tensors) ^ set(final))[:4]}")
        else:
            worst = max(final, key=lambda n: relative({n: tensors[n]}, {n: final[n]}))
            row("train: weights, " + name, relative(tensors, final), WEIGHTS, worst)
        check_written(name, trained, golden["sequences"][1]["tokens"])


def read_tensors(directory):
    tensors = {}
    for f in sorted(os.listdir(directory)):
        if f.endswith(".safetensors"):
            tensors.update(load_file(os.path.join(directory, f)))
    return tensors


def check_written(name, directory, tokens):
    try:
        model, info = load(directory)
    except Exception as e:  # whatever transformers raises is the finding
        return failed("write: " + name, f"transformers: {type(e).__name__}: {str(e).splitlines()[0]}")
    wrong = {k: v for k, v in info.items() if v}
    row("write: missing or unexpected tensors, " + name, sum(len(v) for v in wrong.values()), 0, wrong or "")
    compare("write: logits, " + name, directory, tokens, model)


def check_written_tokenizer():
    """One short training with a tokenizer beside the model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.train_from_iterator(["the answer is seventeen, the sum of nine and eight"] * 9, trainers.BpeTrainer(
        vocab_size=290, show_progress=False, special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = randomised({**Q2, "vocab_size": tokenizer.get_vocab_size(), "eos_token_id": 0}, 7)
    source = directory_of(model, "source")
    tokenizer.save(os.path.join(source, "tokenizer.json"))
    data, output = os.path.join(SCRATCH, "data.jsonl"), os.path.join(SCRATCH, "trained")
    shutil.rmtree(output, ignore_errors=True)
    text = "the sum of 9 and 8 is seventeen — naïve? 深度"
    ids = tokenizer.encode(text).ids
    with open(data, "w") as f:
        f.write(json.dumps(dict(tokens=ids, mask=[0] + [1] * (len(ids) - 1))) + "\n")
    what = "write: tokenizer.json"
    try:
        r1("sft", "--overwrite", "--model", source, "--data", data, "--output", output, "--steps", 2, "--batch", 1,
           "--lr", RATE, "--warmup", 0, "--schedule", "constant")
        theirs = Tokenizer.from_file(os.path.join(written_model(output), "tokenizer.json"))
    except Exception as e:  # a missing file, a refusal, or what the library makes of the file
        return failed(what, e)
    same = theirs.encode(text).ids == ids and theirs.decode(ids) == text and theirs.get_vocab() == tokenizer.get_vocab()
    row(what, 0 if same else 1, 0, f"{len(ids)} tokens")
    check_written("with a tokenizer", written_model(output), ids)


# ---- 8-bit blocks

def quantise(w, block=128):
    """(float8_e4m3fn, weight_scale_inv, what they stand for in float32)."""
    rows, columns = (-(-n // block) for n in w.shape)
    q, scale, back = torch.empty_like(w), torch.empty(rows, columns), torch.empty_like(w)
    for i in range(rows):
        for j in range(columns):
            part = (slice(i * block, (i + 1) * block), slice(j * block, (j + 1) * block))
            scale[i, j] = w[part].abs().max() / 448
            q[part] = w[part] / scale[i, j]
            back[part] = q[part].to(torch.float8_e4m3fn).float() * scale[i, j]
    return q.to(torch.float8_e4m3fn), scale, back


def check_fp8():
    sizes = dict(vocab_size=301, num_hidden_layers=3, max_position_embeddings=256, **rope(theta=10000.0))
    shapes = [
        ("multiples of 128", dict(hidden_size=256, intermediate_size=384, moe_intermediate_size=128, q_lora_rank=128,
                                  kv_lora_rank=128, qk_nope_head_dim=64, qk_rope_head_dim=64, v_head_dim=64)),
        ("odd sizes", dict(hidden_size=200, intermediate_size=300, moe_intermediate_size=136, q_lora_rank=130,
                           kv_lora_rank=140, qk_nope_head_dim=22, qk_rope_head_dim=16, v_head_dim=30)),
        ("less than a block, no query latent", dict(hidden_size=48, intermediate_size=60, moe_intermediate_size=20,
                                                    q_lora_rank=None)),
    ]
    for seed, (name, shape) in enumerate(shapes):
        for rest in (torch.float32, torch.bfloat16):
            config = {**V3, **sizes, **shape}
            model, disk = randomised(config, 200 + seed), {}
            with torch.no_grad():
                for n, (t, part) in on_disk(model).items():
                    w = part(t)
                    w.copy_(w.to(rest))  # the model itself must stay float32: .to() would round its angles
                    if n.endswith("_proj.weight") or n.endswith("_with_mqa.weight"):
                        disk[n], disk[n + "_scale_inv"], back = quantise(w)
                        w.copy_(back)
                    else:
                        disk[n] = w.clone() if n.endswith("e_score_correction_bias") else w.to(rest)
            directory = directory_of(model, "model")
            tokens = safe_tokens(model, 40, seed)
            save_file(disk, os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})
            rewrite(directory, "config.json", lambda c: {
                **old_config(c), "torch_dtype": "bfloat16", "quantization_config": {
                    "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                    "weight_block_size": [128, 128]}})
            compare(f"fp8: {name}, the rest {str(rest)[6:]}", directory, tokens, model)


# ---- reward models

def load_scoring(directory):
    how = dict(dtype=torch.float32, attn_implementation="eager", experts_implementation="eager")
    return AutoModelForSequenceClassification.from_pretrained(directory, output_loading_info=True, **how)


def compare_score(what, directory, tokens, model):
    with torch.no_grad():
        theirs = model(torch.tensor([tokens])).logits[0, 0].item()
    answer = json.loads(r1("score", "--model", directory, "--tokens", " ".join(map(str, tokens))))
    row(what, abs(answer["score"] - theirs) / max(1, abs(theirs)), LOGITS)


def check_reward():
    for seed, base in enumerate((V3, V2, Q2, Q3, LL, QM)):  # transformers has no such class of OLMoE
        language_model = randomised(large(base), 300 + seed)
        tokens = safe_tokens(language_model, 60, seed)
        config = language_model.config
        config.num_labels, config.pad_token_id = 1, 0
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
        kept = {k: v for k, v in language_model.state_dict().items() if not k.startswith("lm_head")}
        missing, unexpected = model.load_state_dict(kept, strict=False)
        assert missing == ["score.weight"] and not unexpected, (missing, unexpected)
        directory = directory_of(model, "model")
        compare_score(f"reward: {base['model_type']}, written by transformers, 60 tokens", directory, tokens,
                      load_scoring(directory)[0])
    world, out = os.path.join(SCRATCH, "world"), os.path.join(SCRATCH, "reward")
    r1("countdown", "--documents", 400, "--output", world)
    r1("tokenizer", "--corpus", f"{world}/corpus.jsonl", "--output", f"{world}/tokenizer.json")
    r1("pretrain", "--corpus", f"{world}/corpus.jsonl", "--tokenizer", f"{world}/tokenizer.json", "--tokens", 20000,
       "--output", f"{world}/base")
    with open(f"{world}/pairs.jsonl", "w") as f:
        for i in range(64):
            f.write(json.dumps({"prompt": f"{i} make {i}", "chosen": f"try {i} yes", "rejected": "no"}) + "\n")
    r1("reward-model", "--model", f"{world}/base", "--data", f"{world}/pairs.jsonl", "--batch", 16, "--lr", 1e-3,
       "--output", out)
    model, info = load_scoring(out)
    if info["missing_keys"] or info["unexpected_keys"]:
        failed("reward: what r1 reward-model writes", f"{info['missing_keys']}, {info['unexpected_keys']}")
    for count in (1, 7, 40):
        compare_score(f"reward: what r1 reward-model writes, {count} tokens", out,
                      draw_tokens(f"reward {count}", count, model.config.vocab_size), model)


def main():
    global PROGRAM, SCRATCH, HERE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--r1", required=True, help="the program")
    parser.add_argument("--only", default="score,train,write,reward,fp8", help="parts, separated by commas")
    parser.add_argument("--models", nargs="+", default=[], help="folders of models to compare, and nothing else")
    parser.add_argument("--keep", help="work in this directory and leave the models there")
    args = parser.parse_args()
    PROGRAM, HERE = os.path.abspath(args.r1), os.path.dirname(os.path.abspath(__file__))
    parts = dict(score=check_score, train=check_train, write=check_written_tokenizer, reward=check_reward,
                 fp8=check_fp8)
    chosen = args.only.split(",")
    if set(chosen) - set(parts):
        parser.error(f"--only takes {', '.join(parts)}")
    with contextlib.ExitStack() as stack:
        SCRATCH = args.keep or stack.enter_context(tempfile.TemporaryDirectory())
        os.makedirs(SCRATCH, exist_ok=True)
        for directory in args.models:
            check_model(directory)
        for part in [] if args.models else chosen:
            parts[part]()
    print(f"{TOTALS[True]} passed, {TOTALS[False]} failed")
    sys.exit(1 if TOTALS[False] else 0)


if __name__ == "__main__":
    main()
