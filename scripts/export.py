#!/usr/bin/env python3
"""Takes a run's metrics and recorded answers to TensorBoard, Weights & Biases or Parquet, by those projects' own
libraries, which you install yourself; nothing here needs them otherwise.

  python3 scripts/export.py runs/demo/zero --tensorboard logs     then: tensorboard --logdir logs
  python3 scripts/export.py runs/demo/zero --wandb my-project     WANDB_MODE=offline keeps it on this machine
  python3 scripts/export.py runs/demo/zero --parquet tables       zero.metrics.parquet, zero.rollouts.parquet in tables/

The run is the --output of a training command; several may be given.
"""
import argparse
import json
import pathlib
import sys

FILES = {"metrics": "", "timings": "time/", "evaluations": "held_out/"}  # and what their names get in front


def refuse(what, where, what_to_do):
    sys.exit(f"export: error: {what}, {where}, {what_to_do}")


def lines_of(path):
    """The complete lines of a file of JSON lines: a run that goes on may be writing the last one."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    lines = []
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            lines.append(json.loads(line))
            lines[-1]["step"]
        except (json.JSONDecodeError, TypeError, KeyError):
            refuse("a line that is no JSON object with a step", f"{path} line {number}", "run the stage again")
    return lines


def scalars_of(run):
    """(step, {name: number}) in the order of steps, of all files of lines."""
    by_step = {}
    for name, prefix in FILES.items():
        for line in lines_of(run / f"{name}.jsonl"):
            numbers = {prefix + key: value for key, value in line.items()
                       if key != "step" and isinstance(value, (int, float)) and not isinstance(value, bool)}
            by_step.setdefault(line["step"], {}).update(numbers)
    return sorted(by_step.items())


def options_of(run):
    path = run / "options.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


# An answer in the columns of a table: those of TRL's logs of completions, and what the reward said.
COLUMNS = ("step", "prompt", "completion", "reward", "accuracy", "format", "advantage", "kind", "reason", "finished")


def answers_of(run):
    answers = []
    for line in lines_of(run / "rollouts.jsonl"):
        line.setdefault("completion", "".join(line.get("pieces", [])))  # runs of older programs
        answers.append({column: line.get(column) for column in COLUMNS})
    return answers


def to_tensorboard(run, folder):
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            refuse("no library that writes TensorBoard's files", "in this Python", "pip install tensorboardX")
    writer = SummaryWriter(str(folder / run.name))
    writer.add_text("options", "```\n" + json.dumps(options_of(run), indent=2) + "\n```")
    for step, numbers in scalars_of(run):
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
    for answer in answers_of(run):
        writer.add_text("answers", f"reward {answer['reward']}\n\n```\n{answer['prompt']}{answer['completion']}\n```",
                        answer["step"])
    writer.close()
    return folder / run.name


def to_wandb(run, project):
    try:
        import wandb
    except ImportError:
        refuse("no wandb", "in this Python", "pip install wandb")
    there = wandb.init(project=project, name=run.name, config=options_of(run))
    for step, numbers in scalars_of(run):
        there.log(numbers, step=step)
    answers = answers_of(run)
    if answers:
        there.log({"answers": wandb.Table(columns=list(COLUMNS), data=[list(a.values()) for a in answers])})
    there.finish()
    return f"project {project}"


def to_parquet(run, folder):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        refuse("no pyarrow", "in this Python", "pip install pyarrow")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"step": step, **numbers} for step, numbers in scalars_of(run)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    tables = {"metrics": {name: [row.get(name) for row in rows] for name in names}}
    answers = answers_of(run)
    if answers:
        tables["rollouts"] = {column: [answer[column] for answer in answers] for column in COLUMNS}
    for name, columns in tables.items():
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"{run.name}.{name}.parquet")
    return ", ".join(str(folder / f"{run.name}.{name}.parquet") for name in tables)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", type=pathlib.Path, help="folder of a run, the --output of a training command")
    parser.add_argument("--tensorboard", type=pathlib.Path, metavar="FOLDER", help="write event files there")
    parser.add_argument("--wandb", metavar="PROJECT", help="log to this project of Weights & Biases")
    parser.add_argument("--parquet", type=pathlib.Path, metavar="FOLDER", help="write Parquet tables there")
    o = parser.parse_args()
    if not (o.tensorboard or o.wandb or o.parquet):
        parser.error("say where to: --tensorboard, --wandb or --parquet")
    for run in o.run:
        run = run.resolve()
        if not (run / "metrics.jsonl").exists():
            refuse("no metrics.jsonl", str(run), "give the --output of a training command")
        for target, write in ((o.tensorboard, to_tensorboard), (o.wandb, to_wandb), (o.parquet, to_parquet)):
            if target:
                print(f"{run.name}: {write(run, target)}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        refuse(error.strerror, error.filename, "give another folder, or free the disk")
