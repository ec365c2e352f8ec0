#!/usr/bin/env python3
"""What keeps the house as it is drawn: which room may include which, how long a file, a function and a line may be, one
statement a line, one place for what must not be written twice, and the layout that .clang-format describes.

    scripts/house.py                checks everything; prints `file:line: what` and ends with `N checks, M failures`
    scripts/house.py --shrink       lowers the numbers of scripts/house_exceptions.txt to what is found now
    scripts/house.py --shrink --first    writes that list, where there is none
    scripts/house.py --self-test    plants faults, which each rule must find, and what it must not take for one

A line `rule<TAB>file<TAB>count` of scripts/house_exceptions.txt says how often a file breaks a rule (of a file that is
too long: how many lines it has). More than that fails, and so does less: the list may only shrink.
"""
import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from pathlib import Path

# The rooms under src/, and src/main.cpp and cuda/ as rooms of their own: what each may include besides itself.
ROOMS = {
    "base": "",
    "ops": "base",
    "model": "base ops text",
    "text": "base",
    "reward": "base",
    "loss": "base",
    "train": "base ops model",
    "tasks": "base ops model text reward",
    "corpus": "base model text reward tasks",
    "report": "base text loss",
    "stages": "base ops model text reward loss train tasks corpus",
    "commands": "base ops model text reward loss train tasks corpus report stages",
    "main": "base ops model text reward loss train tasks corpus report stages commands",  # its table names them
    "cuda": "base ops loss",
}
FILE_LINES, FUNCTION_LINES, COLUMNS = 800, 70, 120
# What is called in one place: the formulas of a GRPO batch; sampling and grading; a prompt's way to tokens.
ONE_PLACE = {
    r"\b(answer_terms|advantages|token_weight|shaped_reward)\s*(?:<[\w:]*>)?\(":
        {"src/loss/grpo.h", "src/loss/grpo_batch.h", "test/grpo_test.cpp", "cuda/shared_headers.cu"},
    r"\b(grade)\((?:\w+\.)?task, ":
        {"src/tasks/rollout.h", "src/tasks/rollout.cpp", "test/problem_test.cpp"},
    r"\b(prompt_tokens)\(": {"src/tasks/task.h", "src/tasks/task.cpp", "test/problem_test.cpp", "test/device_test.cpp"},
}
CPP = {".h", ".cpp", ".cu", ".cuh"}
SCRIPTS = {".py", ".sh"}
FOLDERS = ["src", "cuda", "test", "bench", "reference", "scripts"]
EXCEPTIONS = "scripts/house_exceptions.txt"
SELF = "scripts/house.py"

# ---- reading C++

# Whatever may hold a quote or a brace that means nothing, first; words and numbers, so that 1'000 opens no character.
TOKEN = re.compile(
    r"""//(?:\\\n|[^\n])*|/\*.*?\*/|(?:u8|[uUL])?R"([^ ()\\\n]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'"""
    r"""|[A-Za-z_]\w*|\d(?:'?[\w.])*""", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*", re.M)


def blank(match):
    """Spaces for a comment, quotes around spaces for a text; as many lines as before."""
    token = match.group()
    if token[0] == "/":
        return re.sub(r"[^\n]", " ", token)
    if token[-1] in "\"'":
        return token[-1] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
    return token


def bare(text):
    """C++ without what comments, texts and directives say, every character at its place."""
    return DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), TOKEN.sub(blank, text))


def is_cpp(name):
    return Path(name).suffix in CPP


class Source:
    """A file: its text, its bare code if it is C++, and which line a place in it is on."""

    def __init__(self, root, name):
        self.name = name
        self.text = (root / name).read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.code = bare(self.text) if is_cpp(name) else ""
        self.starts = [0] + [m.end() for m in re.finditer("\n", self.text)]
        self.statements, self.functions, unclosed = parse(self.code)
        if unclosed:
            raise SystemExit(f"{name}:{self.line(unclosed)}: a bracket that is not closed, so the file cannot be read")

    def line(self, at):
        return bisect_right(self.starts, at)


LAMBDA = re.compile(r"\[\]\s*(?:<[^;]*>\s*)?(?:\(\)\s*)?(?:mutable\b|noexcept\b|->[^;]*|__attribute__\(\)|\s)*$")
SCOPE = re.compile(r"(?:\[\]\s*|template\s*<.*>\s*|\w+:\s|inline |typedef |static |constexpr |const )*"
                   r"(?:namespace|struct|class|union|enum|extern\s*\")(?!.*\)$)", re.S)
BODY = re.compile(r"\)\s*(?:(?:const|noexcept|override|final|mutable)\b|\(\)|requires\b.*|->[^;]*|&|\s)*$", re.S)


def kind_of(head):
    """What opens with a brace behind these words, which have nothing in their brackets."""
    head = head.strip()
    if LAMBDA.search(head):
        return "lambda"
    if SCOPE.match(head):
        return "scope" if re.search(r"namespace|extern", head) else "type"
    if BODY.search(head) or head.endswith("}"):
        return "function"
    if head == "" or head.endswith(":") or re.search(r"\b(?:else|try)$", head):
        return "block"
    return "list"


class Frame:
    """An open bracket: what stands in it since the last statement ended, and where that begins."""

    def __init__(self, kind, begin):
        self.kind, self.begin, self.words, self.start = kind, begin, "", None

    def add(self, words, at):
        if self.start is None and words.strip():
            self.start = at + len(words) - len(words.lstrip())
        self.words += words

    def take(self):
        words, start = self.words, self.start
        self.words, self.start = "", None
        return words, start


def parse(code):
    """Statements (words, begin, end, the bracket they stand in), functions (begin, end), and where a bracket opens that
    nothing closes, or 0. Brackets within the words are empty."""
    statements, functions = [], []
    frames, last = [Frame("scope", 0)], 0
    for match in re.finditer(r"[(){}\[\];]", code):
        char, at = match.group(), match.start()
        top = frames[-1]
        top.add(code[last:at], last)
        last = at + 1
        if char == ";" and top.kind in "([":
            top.take()
        elif char == ";":
            words, start = top.take()
            if start is not None:
                statements.append((words.strip(), start, at, top))
        elif char in "([{":
            frames.append(Frame(kind_of(top.words) if char == "{" else char, at))
            top.add(char, at)
        elif len(frames) > 1:
            frame = frames.pop()
            top = frames[-1]
            top.add(char, at)
            if frame.kind in ("function", "lambda") and not any(f.kind in ("function", "lambda") for f in frames):
                functions.append((top.start if frame.kind == "function" else frame.begin, at))
            if frame.kind in ("function", "block", "scope"):
                words, start = top.take()
                statements.append((words.strip(), start, at, top))
    return statements, functions, frames[-1].begin


# ---- the rules: each yields (line, what)

def room_of(name):
    parts = name.split("/")
    return parts[0] if parts[0] != "src" else parts[1] if len(parts) > 2 else "main"


def includes(source):
    """Rooms depend one way."""
    room = room_of(source.name)
    allowed = ROOMS.get(room, "").split() + [room]
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', source.text, re.M):
        if match.group(1).split("/")[0] not in allowed:
            yield source.line(match.end()), f"{room} may not include {match.group(1)}"


def file_length(source):
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield lines, f"a file of {lines} lines, {FILE_LINES} at most"


def function_length(source):
    for begin, end in source.functions:
        lines = source.line(end) - source.line(begin) + 1
        if lines > FUNCTION_LINES:
            yield source.line(begin), f"a function of {lines} lines, {FUNCTION_LINES} at most"


def line_width(source):
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns, {COLUMNS} at most"


CONTROL = re.compile(r"\s*(?:(?:[A-Z_0-9]+\s+)?(?:if|for|while|switch)\b(?:\s*constexpr\b)?\s*\(\)|else\b|do\b|"
                     r"(?:case\b[^:]*(?:::[^:]*)*|default|public|private|protected)\s*:(?!:))")
TYPE = r"(?:unsigned |long |const |volatile )*(?:typename |struct )?(?:::)?\w+(?:<[^;]*>)?(?:::\w+(?:<[^;]*>)?)*"
DECLARATION = re.compile(r"(?:\[\]\s*|(?:static|inline|constexpr|constinit|thread_local|extern|mutable) )*"
                         r"(?:(?:template|using|typedef|friend|enum)\b|" + TYPE + r"(?:[\s*&]|const\b)+[\w:(\[])")
ARGUMENTS = re.compile(r"(\w)<(?:[\w:,*&. \n]|\[\])*>(?=[(:;,>{)]|$)")
NO_TYPE = re.compile(r"(?:return|throw|delete|goto|co_\w+)\b")


def joins(words):
    """Whether a statement joins several by commas: `a = 1, b = 2;`, and not `int a = 1, b = 2;`."""
    if "," not in words:
        return False
    while (match := CONTROL.match(words)):
        words = words[match.end():]
    words = re.sub(r"<<<[^;]*>>>", "", words.strip())
    while (shorter := ARGUMENTS.sub(r"\1", words)) != words:
        words = shorter
    return "," in words and (NO_TYPE.match(words) or not DECLARATION.match(words))


def one_statement(source):
    """One statement a line: none begins where its neighbour has ended, and none is several, joined by commas. Members
    of a class on one line are one declaration, and what leaves a case may stand behind its only statement."""
    neighbours = {}
    for words, begin, end, frame in source.statements:
        line, simple = source.line(begin), source.code[end] == ";"
        before, began, ended = neighbours.get(frame, ("", 0, 0))
        goes_on = began < ended and re.match(r"else\b|catch\b", words)
        leaves = re.match(r"(?:break|continue|return|throw)\b", words) and re.match(r"(?:case|default)\b", before)
        if ended == line and not goes_on and not leaves and not (frame.kind == "type" and simple):
            yield line, "a second statement on the line"
        if simple and joins(words):
            yield source.line(end), "statements joined by a comma"
        neighbours[frame] = words, line, source.line(end)


def one_place(source):
    """Some functions are called in one place."""
    for pattern, files in ONE_PLACE.items():
        if source.name not in files:
            for match in re.finditer(pattern, source.code):
                where = ", ".join(sorted(files))
                yield source.line(match.start()), f"{match.group(1)} is called elsewhere alone: {where}"


NAMESPACE_OR_TYPE = re.compile(
    r"[{}]|^(namespace(?: [\w:]+)?|(?:struct|class|enum(?: class)?) \w+\b(?!::))[^;(){}]*\{", re.M)


def types_of(source):
    """(namespace::name, line) of the types at a file's level that other files could see."""
    open_ones = []
    for match in NAMESPACE_OR_TYPE.finditer(source.code):
        if match.group() == "}":
            if open_ones:
                open_ones.pop()
            continue
        words = (match.group(1) or "").split()
        is_namespace = words[:1] == ["namespace"]
        if words and not is_namespace and all(open_ones):
            yield "::".join(open_ones + [words[-1]]), source.line(match.start())
        open_ones.append(words[1] if is_namespace and len(words) > 1 else "")


def one_type(sources):
    """A type's name belongs to one file: of two of a name the linker takes one and drops the other in silence."""
    places = {}
    for source in sources:
        for name, line in types_of(source):
            places.setdefault(name, []).append((source.name, line))
    found = {source.name: [] for source in sources}
    for name, where in places.items():
        for file, line in where:
            others = sorted({other for other, _ in where} - {file})
            if others:
                found[file].append((line, f"the type {name} is also in {', '.join(others)}"))
    return found


def files_of(root):
    return sorted(str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).rglob("*")
                  if path.suffix in CPP | SCRIPTS)


def in_rooms(name):
    return is_cpp(name) and name.startswith(("src/", "cuda/"))


def is_formatted(name):
    return is_cpp(name) and name.startswith("src/")


# Each rule, and the files that it is for.
RULES = {
    "includes": (includes, in_rooms),
    "file-length": (file_length, lambda name: True),
    "function-length": (function_length, is_cpp),
    "line-width": (line_width, lambda name: True),
    "one-statement": (one_statement, is_cpp),
    "one-place": (one_place, is_cpp),
}


def begin_format(root, names):
    """Starts clang-format on two halves of the files, beside the other rules; None where version 14 is not here."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not program or not (root / ".clang-format").exists():
        return None
    if "version 14." not in subprocess.run([program, "--version"], capture_output=True, text=True).stdout:
        return None
    command = [program, "--dry-run", "--Werror"]
    return [subprocess.Popen(command + half, cwd=root, stderr=subprocess.PIPE, text=True)
            for half in (names[::2], names[1::2]) if half]


def end_format(running):
    """The first place of each file where its layout is another: {file: line}."""
    places = {}
    for process in running:
        _, said = process.communicate()
        for match in re.finditer(r"^(\S+?):(\d+):\d+: error: code should be clang-formatted", said, re.M):
            places.setdefault(match.group(1), int(match.group(2)))
    return places


def find(root):
    """What breaks the rules, {(rule, file): [(line, what), ..]} with an empty list where nothing does, and the rules
    that could not be asked here."""
    names = files_of(root)
    formatted = [name for name in names if is_formatted(name)]
    running = begin_format(root, formatted)
    found = {}
    sources = [Source(root, name) for name in names]
    for source in sources:
        for rule, (check, is_for) in RULES.items():
            if is_for(source.name):
                found[rule, source.name] = list(check(source))
    for name, places in one_type([source for source in sources if source.name.startswith("src/")]).items():
        if is_cpp(name):
            found["one-type", name] = places
    if running is None:
        return found, {"format"}
    places = end_format(running)
    for name in formatted:
        found["format", name] = [(places[name], "not as .clang-format lays it out")] if name in places else []
    return found, set()


# ---- the exceptions

def count_of(rule, places):
    """How often a file breaks a rule; a file that is too long by its lines."""
    return places[0][0] if places and rule == "file-length" else len(places)


def read_exceptions(root):
    path, exceptions = root / EXCEPTIONS, {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if line and not line.startswith("#"):
            rule, name, count = line.split("\t")
            exceptions[rule, name] = int(count), number
    return exceptions


def write_exceptions(root, counts):
    lines = ["# What breaks a rule of scripts/house.py, how often: rule, file, count. It may only shrink: --shrink."]
    lines += [f"{rule}\t{name}\t{count}" for (rule, name), count in sorted(counts.items()) if count > 0]
    (root / EXCEPTIONS).write_text("\n".join(lines) + "\n")


def shrink(root, first):
    """Lowers the counts of the list to what is found; the first list has everything that is found."""
    found, skipped = find(root)
    now = {key: count_of(key[0], places) for key, places in found.items()}
    if first and not (root / EXCEPTIONS).exists():
        write_exceptions(root, now)
        return
    write_exceptions(root, {key: count if key[0] in skipped else min(count, now.get(key, 0))
                            for key, (count, _) in read_exceptions(root).items()})


def check_all(root):
    """Compares what is found with the list, says what differs, and returns how many checks there were and failed."""
    found, skipped = find(root)
    exceptions, failures = read_exceptions(root), 0
    for (rule, name), places in found.items():
        count, allowed = count_of(rule, places), exceptions.get((rule, name), (0, 0))[0]
        if count > allowed:
            failures += 1
            for line, what in places:
                print(f"{name}:{line}: {what}")
            if allowed:
                print(f"{EXCEPTIONS}:{exceptions[rule, name][1]}: {rule} of {name} is {count} now: {allowed} at most")
    for (rule, name), (allowed, number) in exceptions.items():
        count = count_of(rule, found.get((rule, name), []))
        if count < allowed and rule not in skipped:
            failures += 1
            print(f"{EXCEPTIONS}:{number}: {rule} of {name} is {count} now: lower {allowed} to that ({SELF} --shrink)")
    if skipped:
        print("clang-format 14 is not here: the layout is not checked")
    return len(found), failures


# ---- faults planted for the rules

# Rule, file, text, and how often the text breaks the rule.
PLANTED = [
    ("includes", "src/base/a.h", '#include "ops/ops.h"\n#include "base/b.h"\n#include <ops/x>\n', 1),
    ("includes", "src/reward/mathematics/a.cpp", '#include "reward/b.h"\n#include "text/c.h"\n#include "a.h"\n', 2),
    ("includes", "src/main.cpp", '#include "commands/train.h"\n#include "stages/grpo.h"\n', 0),
    ("includes", "cuda/a.cuh", '#include "cuda/b.h"\n#include "loss/c.h"\n  # include "model/d.h"\n', 1),
    ("includes", "src/loss/a.h", '// #include "ops/ops.h"\n', 0),
    ("file-length", "test/a.cpp", "\n" * 801, 801),
    ("file-length", "test/a.cpp", "\n" * 800, 0),
    ("function-length", "src/a/a.cpp", "namespace a {\nvoid f(int a = g({}))\n{\n" + "x();\n" * 68 + "}\n}\n", 1),
    ("function-length", "src/a/a.cpp", "namespace a {\nvoid f(int a = g({}))\n{\n" + "x();\n" * 67 + "}\n}\n", 0),
    ("function-length", "test/a.cpp", 'TEST_CASE("a }") {\n' + "if (a) {\n}\n" * 40 + "}\n", 1),
    ("function-length", "test/a.cpp", "struct A : B {\n" + "A() : a{1}, b(2) {}\n" * 80 + "};\n", 0),
    ("function-length", "test/a.cpp", "struct A {\nA() : a{1}, b(2) {\n" + "x();\n" * 80 + "}\n};\n", 1),
    ("function-length", "test/a.cpp", "const T table[] = {\n" + "{f(1), 2},\n" * 80 + "};\n", 0),
    ("function-length", "test/a.cpp", "const auto f = [](int a) {\n" + "x();\n" * 80 + "};\n", 1),
    ("function-length", "test/a.cpp", "struct A {\nA() : a(1), b{2} {\n" + "x();\n" * 80 + "}\n};\n", 1),
    ("function-length", "test/a.cpp", "struct A {\nint f() const {\n" + "x();\n" * 80 + "}\n};\n", 1),
    ("function-length", "test/a.cpp", 'void f() {\ns = R"x(" {{)x";\n// {\n' + "c = 1'0 + '{';\n}\n" + "\n" * 80, 0),
    ("line-width", "scripts/a.py", "#" * 121 + "\n" + "ü" * 120 + "\n", 1),
    ("one-statement", "src/a.cpp", "void f() {\na = 1; b = 2;\nif (a) { b(); } c();\n}\n", 2),
    ("one-statement", "src/a.cpp", "void f() {\nif (a) b(); else c();\nif (a) { b(); } else { c(); }\n}\n", 2),
    ("one-statement", "src/a.cpp", "void f() {\ncase a: b(); c(); break;\ng([&] { a(); b(); });\n}\n", 3),
    ("one-statement", "src/a.cpp", "void f() {\na = 1, b[i] = 2;\n++x, y += 2;\n*p = 1, q();\n}\n", 3),
    ("one-statement", "src/a.cpp", "void f() {\nif (a) b(), c();\nfor (;;)\nx.y = 1, z = 2;\nreturn a(), b;\n}\n", 3),
    ("one-statement", "src/a.cpp", "void f() {\nUNROLL for (;;) a[i] = 1, b[i] = 2;\nelse a = 1, b = 2;\n}\n", 2),
    ("one-statement", "src/a.cpp", "void f() {\nint a = 1, b = 2;\nfloat *x, *y;\nconst std::map<A, B> m, n;\n}\n", 0),
    ("one-statement", "src/a.cpp", "void f() {\nauto [a, b] = c({1, 2}), d = e;\nT::U a{1, 2}, b(3, 4);\n}\n", 0),
    ("one-statement", "src/a.cpp", "void f() {\nfor (a = 0, b = 1; a; ++a, --b) f<A, 3>(c);\nk<<<1, 2>>>(c);\n}\n", 0),
    ("one-statement", "src/a.cpp", "void f() {\nauto g = [](T a) { return a; };\ng([] { a(); }, [] { b(); });\n}\n", 0),
    ("one-statement", "src/a.cpp", "void f() {\ncase A::a: b(); break;\ndefault: a = f(1, 2);\nbreak;\n}\n", 0),
    ("one-statement", "src/a.cpp", "const T a[] = {{1, {2}}, {3, {}}};\nvoid f() {\ng({{1, 2}, {3}}, T{4});\n}\n", 0),
    ("one-statement", "src/a.cpp", "void f() {\nif (a) {\nb();\n} else {\nc();\n}\n// a; b;\ns = \"a; b\";\n}\n", 0),
    ("one-statement", "src/a.cpp", "#define A a; b\nstruct A { int a; float b; };\nint f() { return 1; }\n", 0),
    ("one-place", "src/a/a.cpp", "void f() {\nadvantages(a);\nanswer_terms<double>(b);\n// token_weight()\n}\n", 2),
    ("one-place", "src/a/a.cpp", "void f() {\nprompt_tokens(task, problem);\ngrade(task, problem, answers);\n}\n", 2),
    ("one-place", "src/loss/grpo_batch.h", "inline void f() {\nshaped_reward(a);\n}\n", 0),
    ("one-type", "src/a/a.cpp", "namespace a {\nstruct B {\n};\n}\n", 1),
    ("one-type", "src/a/a.cpp", "namespace a {\nnamespace {\nstruct B {\n};\n}\n}\n", 0),
    ("one-type", "src/a/a.cpp", "namespace a::c {\nstruct B {\n};\n}\nstruct B;\n", 0),
    ("format", "src/a/a.h", "int  f(int*a);\n", 1),
    ("format", "src/a/a.h", "int f(int* a);\n", 0),
]


def plant(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def self_test(root):
    """Each rule finds what is planted for it and no more; the list of exceptions is exact in both directions."""
    checks, failures = 0, 0

    def expect(what, got, wanted):
        nonlocal checks, failures
        checks += 1
        if got != wanted:
            failures += 1
            print(f"{SELF}: {what}: {got}, not {wanted}")

    style = (root / ".clang-format").read_text()
    for rule, name, text, wanted in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            plant(Path(folder), name, text)
            if rule == "format":
                plant(Path(folder), ".clang-format", style)
            if rule == "one-type":
                plant(Path(folder), "src/a/b.h", "namespace a {\nstruct B {\n};\n}\n")
            found, skipped = find(Path(folder))
            if rule not in skipped:
                expect(f"{rule} in {text!r}", count_of(rule, found[rule, name]), wanted)
    # So many lines that are too wide, what is done to the list, and then how many checks fail and what the list allows.
    steps = [(2, "--shrink --first", 0, 2), (2, "", 0, 2), (3, "", 1, 2), (3, "--shrink --first", 1, 2), (1, "", 1, 2),
             (1, "--shrink", 0, 1), (0, "--shrink", 0, 0)]
    with tempfile.TemporaryDirectory() as folder:
        for lines, change, fail, allowed in steps:
            plant(Path(folder), "scripts/a.py", ("#" * 121 + "\n") * lines)
            if change:
                shrink(Path(folder), "--first" in change)
            with contextlib.redirect_stdout(io.StringIO()):
                failed = check_all(Path(folder))[1]
            counts = [count for count, _ in read_exceptions(Path(folder)).values()]
            expect(f"{lines} lines, {change}", (failed, sum(counts)), (fail, allowed))
    return checks, failures


def main(arguments):
    root = Path(__file__).resolve().parent.parent
    if set(arguments) - {"--shrink", "--first", "--self-test"}:
        print(__doc__)
        return 2
    if "--shrink" in arguments:
        shrink(root, "--first" in arguments)
        return 0
    checks, failures = self_test(root) if "--self-test" in arguments else check_all(root)
    print(f"{checks} checks, {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
