"""The losses of reward models in plain Python: golden/preference.json.

    python3 make_golden_preference.py > golden/preference.json

Each case is a margin z with -log sigmoid(z) and its slope, by decimal numbers of 60 digits.
"""
import json
from decimal import Decimal, getcontext

getcontext().prec = 60


def case(z):
    d = Decimal(z)
    e = (-d).exp()
    return {"margin": z, "loss": float((1 + e).ln()), "slope": float(-e / (1 + e))}


margins = [0.0, 1e-9, -1e-9, 0.25, -0.25, 1.0, -1.0, 3.5, -3.5, 17.0, -17.0, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0]
print(json.dumps({"cases": [case(z) for z in margins]}, indent=1))
