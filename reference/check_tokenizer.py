"""Compares r1's token ids, and speed, with Hugging Face's library and tiktoken. Needs: pip install tokenizers tiktoken

    python check_tokenizer.py exact build/r1 TEXT [FILE.json ...]     ids of all families, 100,000 random strings each
    python check_tokenizer.py speed build/r1_tokenizer_bench TEXT FILE.json   encoding, one thread, runs in turn
    python check_tokenizer.py train build/r1_tokenizer_bench TEXT     training, one thread
    python check_tokenizer.py golden golden/tokenizers.json           writes what test/tokenizer_file_test.cpp reads

TEXT is any UTF-8 file of some megabytes; FILE.json are tokenizer.json files of real models, where they are at hand. The
families' own files are made here: the published configurations, with vocabularies trained by the library on TEXT.
"""
import json
import os
import random
import subprocess
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

P = pre_tokenizers
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK_V3 = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
               "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
               " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
# Cased letters, as the file writes them.
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
         "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
         "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
         "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
         "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
         "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
         "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
         "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
         "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
         "\U000118a0-\U000118df\U0001e900-\U0001e943")
DEEPSEEK_V2 = ["[\r\n]", f"\\s?[{CASED}]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", "[一-龥ࠀ-一가-\ud7ff]+"]


def split(pattern, behavior="isolated", invert=False):
    return P.Split(Regex(pattern), behavior, invert)


def level(prefix=False, regex=False):
    return P.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def special(*names):
    return [AddedToken(name, normalized=False, special=True) for name in names]


def plain(*names, **how):
    return [AddedToken(name, special=False, **{"normalized": False, **how}) for name in names]


# name: steps, normalizer, added tokens, ignore_merges
FAMILIES = {
    "deepseek-v3": ([split(p) for p in DEEPSEEK_V3] + [level()], normalizers.Sequence([]),
                    special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>") + plain("<think>", "</think>", "<｜User｜>"), False),
    "deepseek-v2": ([split(p) for p in DEEPSEEK_V2] + [P.Digits(individual_digits=True), level()], None,
                    special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>") + plain("ÿ", normalized=True), False),
    "qwen2": ([split(CL100K % ""), level()], normalizers.NFC(), special("<|endoftext|>", "<|im_start|>", "<|im_end|>") +
              plain("<think>", "</think>"), False),
    "llama3": ([split(CL100K % "{1,3}"), level()], None, special("<|begin_of_text|>", "<|eot_id|>"), True),
    "gpt-neox": ([level(regex=True)], normalizers.NFC(), special("<|endoftext|>", "<|padding|>") +
                 plain(*[" " * n for n in range(24, 1, -1)], normalized=True), False),
    "gpt2": ([level(regex=True)], None, special("<|endoftext|>"), False),
    "gpt2-prefix": ([level(prefix=True, regex=True)], None, special("<s>") +
                    [AddedToken("<mask>", lstrip=True, special=True, normalized=False)], False),
    "starcoder": ([P.Digits(individual_digits=True), level(regex=True)], None, special("<|endoftext|>"), False),
    "behaviors": ([split(r"-", "removed"), split(r"\s+", "merged_with_next"), split(r"[,;]", "merged_with_previous"),
                   split(r"[a-c]", "contiguous"), P.Split("(.", "isolated"), split(r"[^x]+", "isolated", True),
                   P.Digits(individual_digits=False), P.Punctuation(), level(prefix=True)], normalizers.NFKC(),
                  plain("zqw", single_word=True) + plain("<l>", lstrip=True) + plain("<r>", rstrip=True) +
                  plain("  ", "ＦＵＬＬ", "é", normalized=True), False),
}


def make(name, corpus, size):
    steps, normalizer, added, ignore_merges = FAMILIES[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else P.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, show_progress=False,
                                                              initial_alphabet=P.ByteLevel.alphabet()))
    if name == "deepseek-v2":  # its vocabulary lacks the bytes of no text
        file = json.loads(tokenizer.to_str())
        letter = file["model"]["vocab"].pop("ÿ")
        last = max(file["model"]["vocab"], key=file["model"]["vocab"].get)
        file["model"]["vocab"][last] = letter
        tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.add_tokens(added)
    tokenizer.add_special_tokens([token for token in added if token.special])
    if name == "llama3":
        begin = "<|begin_of_text|>"
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1",
                                          special_tokens=[(begin, tokenizer.token_to_id(begin))])])
    return tokenizer


PIECES = ["<", ">", "the ", "ing", "  ", "\n", "\t", "0", "12", "12345", "é", "漢字", "👍🏽", "\u180e", "\u3000", "\u0301",
          "'s", "'S", "'ſ", "'LL", "'ve", "...", "x^2", "\0", "\r\n", "\r", " ", "a", "B", "가", "ᄀ", "ᅡ", "ᆨ",
          "e\u0301\u0323", "\u0344", "か\u3099", "が", "・", "ー", "一", "\u0600", "\u200d", "\xa0", "\x85", "!a", "#B", "$",
          "½", "٣", "क्ष", "\u1ace", "\U00011380", "\U0001cc00", "\U00011930", "ÿ", "Ａ", "ﬁ", "zqw", "zqws", "a zqw b",
          "<l>", " <r> ", "<mask>", "<think>", "<|endoftext|>", "<|im_start|>", "<｜User｜>", "ＦＵＬＬ", "-", ",", "(."]


def random_text(rng, big, added):
    kind = rng.randrange(6)
    if kind == 0:  # anything but surrogates
        points = (rng.randrange(0x110000) for _ in range(rng.randrange(40)))
        return "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)
    if kind == 1:
        return "".join(chr(rng.randrange(0x3100)) for _ in range(rng.randrange(60)))
    if kind == 2:  # few letters: many merges, many ties
        return "".join(rng.choice("aab e t h1  \n") for _ in range(rng.randrange(100)))
    if kind == 3:
        return "".join(rng.choice(PIECES + added) for _ in range(rng.randrange(40)))
    if kind == 4:
        begin = rng.randrange(len(big))
        return big[begin:begin + rng.randrange(200)]
    return "".join(rng.choice([rng.choice(PIECES), chr(rng.randrange(32, 127)), chr(rng.randrange(0x250))])
                   for _ in range(rng.randrange(60)))


def every_character():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for begin in range(0, len(points), 40):
        yield "".join(f"a{chr(c)}b {chr(c)}{chr(c)}1{chr(c)}.{chr(c)}e\u0323{chr(c)}\u0301\n{chr(c)}"
                      for c in points[begin:begin + 40])


def exact(r1, text_path, files):
    with open(text_path, encoding="utf-8", newline="") as f:
        big = f.read()
    corpus = [big[i:i + 5000] for i in range(0, min(len(big), 2000000), 5000)]
    os.makedirs("/tmp/check_tokenizer", exist_ok=True)
    todo = []
    for name in FAMILIES:
        path = f"/tmp/check_tokenizer/{name}.json"
        make(name, corpus, 8000).save(path)
        todo.append((name, path))
    todo += [(os.path.basename(path), path) for path in files]
    count, failed = int(os.environ.get("STRINGS", 100000)), 0
    for name, path in todo:
        theirs = Tokenizer.from_file(path)
        with open(path, encoding="utf-8") as f:
            added = [token["content"] for token in json.load(f)["added_tokens"]][:60]
        rng = random.Random(1)
        texts = [big] + list(every_character()) + [random_text(rng, big, added) for _ in range(count)]
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        run = subprocess.run([r1, "encode", "--jsonl", "--tokenizer", path], input=lines.encode(), capture_output=True)
        if run.returncode:
            sys.exit(run.stderr.decode())
        ours = run.stdout.decode().split("\n")[:-1]
        assert len(ours) == len(texts)
        differ = ids = 0
        for text, line in zip(texts, ours):
            expected = theirs.encode(text, add_special_tokens=False).ids
            ids += len(expected)
            if expected != [int(i) for i in line.split()]:
                differ += 1
                if differ <= 3:
                    print("differs:", ascii(text[:200]), "ours:", line[:200], "theirs:", expected[:50], file=sys.stderr)
        print(f"{name}: {len(texts)} texts, {ids} ids, {differ} differ", flush=True)
        failed += differ
    return 1 if failed else 0


def golden(path):
    here = os.path.dirname(os.path.abspath(__file__))
    corpus = [open(os.path.join(here, name), encoding="utf-8").read() for name in ("README.md", "check_tokenizer.py")]
    big = corpus[0] + "naïve café Größe Приве́т мир. 深度求索 かな カナ 한국어 عربى हिन्दी\r\n\r\n\t  x = 3*(17 + 4);  // 12345\n"
    rng = random.Random(2)
    out = {}
    for name in FAMILIES:
        file = json.loads(make(name, corpus, 420).to_str())
        theirs = Tokenizer.from_str(json.dumps(file))
        added = [token["content"] for token in file["added_tokens"]]
        texts = ["", " ", "Hello, world!  It's 2024, isn't it?", big[-120:]] + [random_text(rng, big, added)[:80] for _ in range(60)]
        out[name] = {"file": file, "cases": [[t, theirs.encode(t, add_special_tokens=False).ids] for t in texts],
                     "with_ends": theirs.encode("a", add_special_tokens=True).ids}
    with open(path, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False, separators=(',', ':'))}"
                                   for k, v in out.items()) + "\n}\n")


class Bench:
    """The benchmark's process: each line that it gets is a run, and answered by its seconds."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def median_speeds(runs, megabytes, rounds):
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run())
    middle = {name: sorted(t)[len(t) // 2] for name, t in times.items()}
    for name, t in middle.items():
        print(f"  {name}: {megabytes / t:.2f} MB/s, {t / middle['r1']:.1f} times r1's time", flush=True)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def speed(bench, text_path, path):
    import tiktoken
    with open(text_path, encoding="utf-8", newline="") as f:
        text = f.read()
    pieces = [text[i:i + 3000] for i in range(0, len(text), 3000)]
    theirs = Tokenizer.from_file(path)
    with open(path, encoding="utf-8") as f:
        file = json.load(f)
    byte_of = {c: b for b, c in enumerate(byte_alphabet())}
    added = {token["content"] for token in file["added_tokens"]}
    ranks = {bytes(byte_of[c] for c in token): i for token, i in file["model"]["vocab"].items() if token not in added}
    steps = file["pre_tokenizer"].get("pretokenizers", [file["pre_tokenizer"]])
    pattern = steps[0]["pattern"]["Regex"] if len(steps) == 2 else CL100K % "{1,3}"  # tiktoken takes one pattern
    tik = tiktoken.Encoding("same", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    ours, ours_new = Bench(bench, "encode", path, text_path), Bench(bench, "encode-new", path, text_path)
    print(f"{path}: {len(text.encode()) / 1e6:.1f} MB")
    median_speeds({"r1": ours.run, "r1, nothing cached": ours_new.run,
                   "tiktoken": lambda: timed(lambda: tik.encode_ordinary(text)),
                   "tiktoken, 3000 characters a call": lambda: timed(lambda: [tik.encode_ordinary(p) for p in pieces]),
                   "tokenizers": lambda: timed(lambda: theirs.encode(text, add_special_tokens=False)),
                   "tokenizers, 3000 characters a call":
                       lambda: timed(lambda: [theirs.encode(p, add_special_tokens=False) for p in pieces])},
                  len(text.encode()) / 1e6, int(os.environ.get("ROUNDS", 5)))


def byte_alphabet():
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, following = [], 256
    for byte in range(256):
        table.append(chr(byte) if byte in printing else chr(following))
        following += byte not in printing
    return table


def train(bench, text_path):
    with open(text_path, encoding="utf-8", newline="") as f:
        text = f.read()
    pieces = [text[i:i + 3000] for i in range(0, len(text), 3000)]
    pattern = r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

    def theirs(size):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = P.Sequence([split(pattern), level()])
        tokenizer.train_from_iterator(pieces, trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False,
                                                                  initial_alphabet=P.ByteLevel.alphabet()))
    for size in (8000, 32000):
        print(f"training a vocabulary of {size}")
        ours = Bench(bench, "train", str(size), text_path)
        median_speeds({"r1": ours.run, "tokenizers": lambda: timed(lambda: theirs(size))}, len(text.encode()) / 1e6,
                      int(os.environ.get("ROUNDS", 3)))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) >= 3 and arguments[0] == "exact":
        sys.exit(exact(arguments[1], arguments[2], arguments[3:]))
    elif len(arguments) == 4 and arguments[0] == "speed":
        speed(*arguments[1:])
    elif len(arguments) == 3 and arguments[0] == "train":
        train(*arguments[1:])
    elif len(arguments) == 2 and arguments[0] == "golden":
        golden(arguments[1])
    else:
        sys.exit(__doc__)
