"""The mathematics grader beside Math-Verify on the same pairs: who rewards what is wrong, and misses what is right.

    python check_mathematics.py PATH/r1 [FILE.jsonl ...]        default: ../test/mathematics.jsonl
    python check_mathematics.py PATH/r1 --their-tests FOLDER    the pairs of Math-Verify's own tests, from its sources

Needs math-verify 0.9.0 (pip install math-verify). A file has lines {"reference", "answer", "equal" or "right", "kind"}.
Math-Verify gets both texts in \\boxed{}, so that it need not look for them, and its defaults otherwise; an exception or
more than five seconds is a miss. Its reading of a pair need not be ours: it rounds (0.333 is 1/3) and converts.

With --their-tests (pip download --no-binary :all: math-verify==0.9.0, unpacked, its folder tests) the pairs are those
of four of its files, and what counts is whether r1 agrees with the verdict there: strictly, and with --lenient.

It prints, for each kind, the pairs, and for both graders the wrong ones rewarded and the right ones missed. Exit status
1 if ours is wrong about a pair, which it names.
"""
import ast
import collections
import json
import logging
import math
import pathlib
import subprocess
import sys

from math_verify import parse, verify

logging.disable(logging.CRITICAL)
TABLE = pathlib.Path(__file__).parent.parent / "test" / "mathematics.jsonl"


def ours(program, reference, answer, *options):
    """Whether the answer is rewarded, or None where the reference is refused."""
    result = subprocess.run([program, "grade", "--task", "math", "--reference", reference, *options], input=answer,
                            capture_output=True, text=True)
    return json.loads(result.stdout)["accuracy"] == 1 if result.returncode == 0 else None


def theirs(reference, answer):
    try:
        return verify(parse(f"\\boxed{{{reference}}}"), parse(f"\\boxed{{{answer}}}"), timeout_seconds=5)
    except Exception:
        return False


def their_pairs(folder):
    """(file, reference, answer, right) of every parametrised test of three values and more."""
    for name in ("test_all", "test_numina_cases", "test_open_thoughts", "test_yujianll"):
        for function in ast.parse((folder / f"{name}.py").read_text()).body:
            for decorator in getattr(function, "decorator_list", []):
                rows = eval(compile(ast.Expression(decorator.args[1]), name, "eval"), {"math": math})
                for row in rows:
                    yield name, row[0], row[1], bool(row[2])


def check_their_tests(program, folder):
    counts = collections.defaultdict(collections.Counter)
    others = []
    for name, reference, answer, right in their_pairs(folder):
        strict, lenient = (ours(program, reference, answer, *options) for options in ((), ("--lenient",)))
        counts[name]["pairs"] += 1
        for reading, verdict in (("strict", strict), ("lenient", lenient)):
            counts[name][reading, "agree"] += bool(verdict) == right
            counts[name][reading, "rewarded"] += bool(verdict) and not right
        if bool(lenient) != right:
            others.append((reference[:80], answer[-80:], right))
    total = sum(counts.values(), collections.Counter())
    print(f"{'':32s} {'pairs':>6s}   {'strict: agree, rewarded':>24s}   {'lenient':>14s}")
    for name, of in [*counts.items(), ("together", total)]:
        print(f"{name:32s} {of['pairs']:6d}   {of['strict', 'agree']:15d} {of['strict', 'rewarded']:8d}   "
              f"{of['lenient', 'agree']:7d} {of['lenient', 'rewarded']:6d}")
    for reference, answer, right in others:
        print(f"otherwise: {reference!r} and {answer!r} are {'equal' if right else 'not equal'} there")
    sys.exit(total["lenient", "agree"] < 0.92 * total["pairs"])


def main():
    if len(sys.argv) == 4 and sys.argv[2] == "--their-tests":
        check_their_tests(sys.argv[1], pathlib.Path(sys.argv[3]))
    counts = collections.defaultdict(collections.Counter)
    disagreements = []
    for path in sys.argv[2:] or [TABLE]:
        for line in pathlib.Path(path).read_text().splitlines():
            pair = json.loads(line)
            right = bool(pair.get("equal", pair.get("right")))
            kind = counts[pair.get("kind", "")]
            kind["pairs"] += 1
            for name, verdict in (("ours", ours(sys.argv[1], pair["reference"], pair["answer"])),
                                  ("theirs", theirs(pair["reference"], pair["answer"]))):
                kind[name, "rewarded"] += bool(verdict) and not right
                kind[name, "missed"] += not verdict and right
                if name == "ours" and bool(verdict) != right:
                    disagreements.append((pair["reference"], pair["answer"], right, verdict))
    total = sum(counts.values(), collections.Counter())
    print(f"{'':32s} {'pairs':>6s}   {'r1: rewarded, missed':>22s}   {'Math-Verify':>14s}")
    for kind, of in [*counts.items(), ("together", total)]:
        print(f"{kind:32s} {of['pairs']:6d}   {of['ours', 'rewarded']:13d} {of['ours', 'missed']:8d}   "
              f"{of['theirs', 'rewarded']:7d} {of['theirs', 'missed']:6d}")
    for reference, answer, right, verdict in disagreements:
        print(f"ours is wrong: {reference!r} and {answer!r} are {'equal' if right else 'not equal'}: {verdict}")
    sys.exit(bool(disagreements))


if __name__ == "__main__":
    main()
