"""Compares our chat templates with transformers' apply_chat_template on the published ones.
Needs: pip install transformers jinja2; the published templates as *.jinja files (TRL's wheel has them: trl/chat_templates).

    python check_chat.py --r1 ../build/r1 TEMPLATES        every template: rendered to the same text and tokens, or refused
    python check_chat.py --golden TEMPLATES > golden/chat.json

A small tokenizer is trained here, with the control tokens of every family. Conversations hold no template's tokens and
users no tags: there our side differs on purpose (src/text/chat.h).
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import tempfile

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CONTROL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>",
           "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TAGS = ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"]  # special: false, as R1's own file has them
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEXT = ["User: 3 7 12 make 33. Assistant:", "system\nuser\nassistant\n", "Please reason step by step, and put your final answer",
        "You are a helpful assistant. Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"]
PLAIN = ("{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}"
         "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] }}"
         "{% else %}{{ ' Assistant:' + message['content'] + eos_token }}{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}")
GOLDEN = ["plain", "deepseek_r1_distill", "qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "llama3_1"]


def conversations():
    system, ask = {"role": "system", "content": "Be brief, within <think> </think>."}, {"role": "user", "content": "2 + 2?"}
    again = {"role": "user", "content": "\n And 33 \u00d7 7, \u6df1\u5ea6? \n"}
    answers = ["4", "<think>\nTwo and two.\n</think>\n\nIt is \\boxed{4}.", "\n<think>a</think><think>b</think>\n\n\n4 \n",
               "<think>\n\n</think>\n\n4", "never stopped <think>", " </think>4 "]
    yield [ask]
    yield [system, ask]
    for answer in answers:
        said = {"role": "assistant", "content": answer}
        yield [ask, said]
        yield [ask, said, again]
        yield [system, again, said, ask]
    for first, second in zip(answers, reversed(answers)):
        yield [ask, {"role": "assistant", "content": first}, again, {"role": "assistant", "content": second}]


def small_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=CONTROL, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    tokenizer.add_tokens(TAGS)
    return tokenizer


def library(tokenizer, template):
    llama = "start_header_id" in template
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=CONTROL[5 if llama else 0], eos_token=CONTROL[1])
    fast.chat_template = template
    return fast


def expected(fast, messages, prompt):
    options = dict(add_generation_prompt=prompt, date_string="26 Jul 2024")
    text = fast.apply_chat_template(messages, tokenize=False, **options)
    return text, fast.apply_chat_template(messages, tokenize=True, return_dict=False, **options)


def cases(fast):
    for messages in conversations():
        prompt = messages[-1]["role"] == "user"
        text, tokens = expected(fast, messages, prompt)
        yield {"messages": messages, "prompt": prompt, "text": text, "tokens": tokens}


def check(r1, templates, tokenizer):
    refused, wrong = [], 0
    for name, template in templates.items():
        fast = library(tokenizer, template)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(folder + "/tokenizer.json")
            if name != "plain":
                pathlib.Path(folder, "chat_template.jinja").write_text(template, encoding="utf-8", newline="")
            try:
                todo = list(cases(fast))
            except Exception as error:  # templates of pictures and tools
                todo = [{"messages": [{"role": "user", "content": "2 + 2?"}], "prompt": True, "text": f"({error})", "tokens": []}]
            for prompt in (False, True):
                some = [case for case in todo if case["prompt"] == prompt]
                lines = "".join(json.dumps(case["messages"]) + "\n" for case in some)
                command = [r1, "render", "--model", folder] + ["--prompt"] * prompt
                run = subprocess.run(command, input=lines, capture_output=True, text=True)
                if run.returncode:
                    if prompt:
                        refused.append(name)
                    assert "chat template of no known family" in run.stderr or "does not have" in run.stderr, run.stderr
                    continue
                ours = [json.loads(line) for line in run.stdout.splitlines()]
                for case, mine in zip(some, ours, strict=True):
                    if (mine["text"], mine["tokens"]) != (case["text"], case["tokens"]):
                        wrong += 1
                        print(name, "differs:", case["messages"], "\n  theirs", repr(case["text"]), case["tokens"],
                              "\n  ours  ", repr(mine["text"]), mine["tokens"])
                if prompt:
                    print(f"{name}: {len(todo)} conversations")
    print("refused:", " ".join(refused))
    print(f"{wrong} differ")
    return wrong > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("templates", help="folder of *.jinja files")
    parser.add_argument("--r1", help="our program")
    parser.add_argument("--golden", action="store_true")
    o = parser.parse_args()
    templates = {"plain": PLAIN}
    for file in sorted(pathlib.Path(o.templates).glob("*.jinja")):
        if not file.stem.endswith("_training"):
            templates[file.stem] = file.read_text(encoding="utf-8")
    tokenizer = small_tokenizer()
    if not o.golden:
        return check(o.r1, templates, tokenizer)
    families = [{"name": name, "template_sha256": hashlib.sha256(templates[name].encode()).hexdigest(),
                 "cases": list(cases(library(tokenizer, templates[name])))} for name in GOLDEN]
    print(json.dumps({"tokenizer": json.loads(tokenizer.to_str()), "families": families}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    raise SystemExit(main())
