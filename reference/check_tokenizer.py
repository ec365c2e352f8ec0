"""Compares our tokenizer's ids with those of Hugging Face's library. Needs: pip install tokenizers

    python check_tokenizer.py --texts > texts.jsonl           mixed and random texts, the same in every run
    python check_tokenizer.py tokenizer.json < encoded.jsonl  exit status 1 if an id differs

Our side adds "ids" to each line of texts.jsonl: {"text": "...", "tags": "parse" or "as_text", "ids": [...]}.
Hugging Face's library finds added tokens in any text. So it gets the file without those that our side must not find:
none of them under "as_text", only the tags under "parse".
"""
import json
import random
import sys

from tokenizers import Tokenizer

MIXED = [
    "", " ", "\n", "\0", "a", "Hello, world!  It's 2024, isn't it?", "x = 3*(17 + 4) - 100000/7\r\n\r\n\tdone  ",
    "<think>\nTry 3 * 25 = 75.\n</think>\n<answer> 3 * 25 </answer>", "<think><think></answer><thin k></ think>",
    "<｜begin▁of▁sentence｜>system<｜end▁of▁sentence｜><｜▁pad▁｜>",
    "深度求索，一二三。１２３４５ ①②③ Ⅷ ½",
    "naïve cafe\u0301 Straße ﬁ ǅ",
    "👩‍👩‍👧‍👦🏳️‍🌈 ☃ 𝔸𝟙", "a\u00a0b\u2003c\u3000d\u200be\u180ef\u0085g\u2028h\u2029i\u1680j\ufeff"
    "k\x1cl\x1fm\x0bn", "مرحبا ١٢٣ שלום हिन्दी ไทย",
    "\u180e \u180e\u180e a",
    "a" * 5000, " " * 5000, "7" * 5000,
    "ab" * 2500 + " " * 99 + "!" * 3000, "the the  the   the\n\n \n the",
]
PIECES = ["<think>", "</think>", "<answer>", "</answer>", "<", ">", "the ", "ing", "  ", "\n", "\t", "0", "12", "12345",
          "é", "漢字", "👍🏽", "\u180e", "\u3000", "\u0301", "'s", "...", "x^2", "\0", "\r\n"]


def random_text(rng):
    kind = rng.randrange(4)
    if kind == 0:  # anything but surrogates
        points = (rng.randrange(0x110000) for _ in range(rng.randrange(40)))
        return "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)
    if kind == 1:
        return "".join(chr(rng.randrange(0x3100)) for _ in range(rng.randrange(60)))
    if kind == 2:  # few letters: many merges, many ties
        return "".join(rng.choice("aab e t h1  ") for _ in range(rng.randrange(300)))
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(60)))


def texts():
    rng = random.Random(1)
    for text in MIXED + [random_text(rng) for _ in range(4000)]:
        for tags in ("parse", "as_text"):
            print(json.dumps({"text": text, "tags": tags}))


def check(path):
    with open(path, encoding="utf-8") as f:
        file = json.load(f)
    everything = Tokenizer.from_file(path)
    added = file["added_tokens"]
    theirs = {}
    for tags, kept in (("parse", [t for t in added if not t["special"]]), ("as_text", [])):
        theirs[tags] = Tokenizer.from_str(json.dumps({**file, "added_tokens": kept}))
    for token in added:
        assert everything.token_to_id(token["content"]) == token["id"], token
    lines = differ = ids = 0
    for line in sys.stdin:
        case = json.loads(line)
        expected = theirs[case["tags"]].encode(case["text"], add_special_tokens=False).ids
        text = everything.decode(case["ids"], skip_special_tokens=False)
        lines += 1
        ids += len(expected)
        if expected != case["ids"] or text != case["text"]:
            differ += 1
            print("differs:", json.dumps(case), "theirs:", expected, file=sys.stderr)
    print(f"{lines} texts, {ids} ids, vocabulary {everything.get_vocab_size()}: {differ} differ")
    return 1 if differ or not lines else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--texts"]:
        texts()
    elif len(sys.argv) == 2:
        sys.exit(check(sys.argv[1]))
    else:
        sys.exit(__doc__)
