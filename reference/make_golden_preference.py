"""The losses of reward models in plain Python: golden/preference.json.

    python3 make_golden_preference.py > golden/preference.json

Each case is a margin z with -log sigmoid(z) and its slope, by decimal numbers of 60 digits. Each reward is that of a
general prompt, Reward_reward_model + Reward_format + Reward_language [NATURE eq 8, 10], from a helpful model's score.
"""
import json
from decimal import Decimal, getcontext

getcontext().prec = 60


def case(z):
    d = Decimal(z)
    e = (-d).exp()
    return {"margin": z, "loss": float((1 + e).ln()), "slope": float(-e / (1 + e))}


def reward(score, form, language, weight, language_weight):
    said = 1 / (1 + (-Decimal(score)).exp())
    total = Decimal(weight) * said + Decimal(form) + Decimal(language_weight) * Decimal(language)
    return {"score": score, "format": form, "language": language, "weight": weight,
            "language_weight": language_weight, "said": float(said), "total": float(total)}


margins = [0.0, 1e-9, -1e-9, 0.25, -0.25, 1.0, -1.0, 3.5, -3.5, 17.0, -17.0, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0]
rewards = [reward(*each) for each in ((0.0, 1, 1.0, 1.0, 0.0), (2.5, 1, 0.5, 1.0, 1.0), (-3.0, 0, 0.25, 2.0, 0.5),
                                     (40.0, 1, 0.0, 1.0, 1.0), (-40.0, 0, 0.75, 1.0, 1.0))]
print(json.dumps({"cases": [case(z) for z in margins], "rewards": rewards}, indent=1))
