"""A reward of one's own, as an example: right answers, and a little for short ones that say something.

    r1 grpo --model runs/demo/base --problems problems.jsonl --output runs/own --reward-command "python3 data/reward.py"
    echo "it is 42" | r1 grade --reward-command "python3 data/reward.py" --reference 42

Each line of standard input is a group: {"problem", "prompt", "responses", "finished"}, where "problem" is the problem's
line as it stands in its file. Each line of standard output is the list of rewards, in the same order. Whatever is
printed for people goes to standard error.
"""
import json
import sys


def reward(problem, response, finished):
    if not finished:
        return {"reward": 0, "reason": "cut off"}
    right = str(problem.get("reference", "")) in response.split()
    brief = 1 / (1 + len(response.split()) / 50)
    return {"reward": right + 0.1 * brief, "parts": {"right": int(right), "brief": brief},
            "reason": "says it" if right else "does not say it"}


for line in sys.stdin:
    group = json.loads(line)
    rewards = [reward(group["problem"], response, finished)
               for response, finished in zip(group["responses"], group["finished"])]
    print(json.dumps(rewards), flush=True)
