#!/usr/bin/env python3
"""golden/rewards.json: the rewards for language, length and repetition, once more and independently, in plain Python.

Needs Python 3 alone. Language: the script of a letter is the first word of its name in the Unicode database; the texts hold
no formulas, code or names with digits, whose rules are src/reward/language.h's own. Cosine: math.cos. Repetition: a set.
"""
import json
import math
import os
import random
import unicodedata

TARGETS = {"en": {"LATIN"}, "zh": {"CJK"}, "ja": {"CJK", "HIRAGANA", "KATAKANA"}, "ko": {"HANGUL"}, "ru": {"CYRILLIC"},
           "ar": {"ARABIC"}, "el": {"GREEK"}, "he": {"HEBREW"}, "th": {"THAI"}, "hi": {"DEVANAGARI"}}


def script(c):
    if unicodedata.category(c)[0] not in "LM":
        return None
    name = unicodedata.name(c, "").split(" ")[0]
    return {"HIRAGANA": "KANA", "KATAKANA": "KANA"}.get(name, name)


def words(text):
    """(script, word): each ideograph, and each run of letters of one script; no lone Latin or Greek letters."""
    found, run = [], ""
    for c in unicodedata.normalize("NFC", text) + " ":
        s = script(c)
        joins = run and c in "'-\u2019"
        if run and not joins and (s is None or s != script(run[0])):
            run = run.rstrip("'-\u2019")
            if len(run) > 1 or script(run[0]) not in ("LATIN", "GREEK"):
                found.append((script(run[0]), run))
            run = ""
        if s == "CJK":
            found.append(("CJK", c))
        elif s is not None or joins:
            run += c
    return found


def share(text, language):
    wanted = {"KANA" if s in ("HIRAGANA", "KATAKANA") else s for s in TARGETS[language]}
    all_words = words(text)
    accented = lambda w: any(ord(c) > 127 and c != "\u2019" for c in w)
    hits = [w for s, w in all_words if s in wanted and not (language == "en" and accented(w))]
    return len(all_words), len(hits), len(hits) / len(all_words) if all_words else 0.0


def cosine(correct, length, limit, right_short, right_long, wrong_short, wrong_long, exceeded):
    if length >= limit:
        return exceeded
    short, long = (right_short, right_long) if correct else (wrong_short, wrong_long)
    return long + 0.5 * (short - long) * (1 + math.cos(length * math.pi / limit))


def repetition(tokens, n, most):
    grams = [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]
    return -most * (1 - len(set(grams)) / len(grams)) if grams else 0.0


def main():
    pieces = ["let me check", "设那么检查", "wait, it's wrong", "naïve café", "проверим это", "ひらがな カタカナ 漢字", "한국어 단어",
              "שלום עולם", "λόγος και", "re-check", "مرحبا بالعالم", "สวัสดี", "हिन्दी", "12 + 7 = 19.", "—", "😀", "x", "well-known don't"]
    draw = random.Random(5)
    texts = pieces + [" ".join(draw.choice(pieces) for _ in range(draw.randint(2, 6))) for _ in range(40)]
    golden = {"language": [], "cosine": [], "repetition": []}
    for text in texts:
        for language in draw.sample(sorted(TARGETS), 3):
            golden["language"].append([text, language, *share(text, language)])
    for options in ([14336, 2, 1, -10, 0, -10], [100, 1, 0.5, -1, -0.5, -2], [7, 3, 3, 0, 0, 0]):
        for length in sorted({0, 1, options[0] // 3, options[0] // 2, options[0] - 1, options[0], 2 * options[0]}):
            for correct in (True, False):
                golden["cosine"].append([correct, length, options, cosine(correct, length, *options)])
    for count in (0, 1, 2, 5, 30, 200):
        for kinds in (1, 2, 9):
            tokens = [draw.randrange(kinds) for _ in range(count)]
            for n in (1, 2, 3):
                golden["repetition"].append([tokens, n, 0.5, repetition(tokens, n, 0.5)])
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "rewards.json")
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join('"%s": [\n%s\n]' % (key, ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
                                      for key, rows in golden.items()) + "\n}\n")


main()
