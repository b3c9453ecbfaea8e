"""Computes every frontier-to-open comparison of a ZeroEval folder without the crate's formulas.

Needs scipy. The constrained estimate of Tango's test comes from its likelihood equation, solved by bracketing, and each
limit from a second bracketing, where the crate has a closed form and bisection. Prints a line for each benchmark, as the
test `every_frontier_to_open_pair_matches_an_independent_computation` has them, and with --pairs a line for each pair.
"""

import csv
import sys
from math import sqrt
from pathlib import Path

from scipy.optimize import brentq
from scipy.stats import norm

BENCHMARKS = {"gsm": "gsm", "crux": "crux", "math-l5": "math_l5"}
Z = norm.ppf(0.95)


def constrained(b, c, n, t):
    """P(only the incumbent is right) of greatest likelihood where P(only the candidate is right) is t more."""
    same = n - b - c
    low, high = max(0.0, -t), (1.0 - t) / 2.0

    def slope(q):
        gain = b / (q + t) if b else 0.0
        loss = c / q if c else 0.0
        return gain + loss - (2.0 * same / (1.0 - 2.0 * q - t) if same else 0.0)

    tiny = 1e-15
    low_in, high_in = low + tiny, high - tiny
    if slope(low_in) <= 0.0:
        return low
    if slope(high_in) >= 0.0:
        return high
    return brentq(slope, low_in, high_in, xtol=1e-16, rtol=1e-14, maxiter=500)


def statistic(b, c, n, t):
    q = constrained(b, c, n, t)
    return (b - c - n * t) / sqrt(n * (2.0 * q + t - t * t))


def limits(b, c, n):
    inside = 1.0 - 1e-9
    return [
        brentq(lambda t: statistic(b, c, n, t) - target, -inside, inside, xtol=1e-13, rtol=1e-13) for target in (Z, -Z)
    ]


def main():
    folder = Path(sys.argv[1])
    kinds = {(row["task"], row["model"]): row["kind"] for row in csv.DictReader(open(folder / "models.csv"))}
    for task, name in BENCHMARKS.items():
        rows = list(csv.DictReader(open(folder / f"{name}_correct.csv")))
        models = [model for model in rows[0] if (task, model) in kinds]
        scores = {model: [int(row[model]) for row in rows] for model in models}
        frontier = [model for model in models if kinds[task, model] == "frontier"]
        others = [model for model in models if kinds[task, model] == "open"]
        sums = [0.0, 0.0, 0.0]
        verdicts = {margin: [0, 0, 0] for margin in (0.02, 0.05)}
        for incumbent in frontier:
            for candidate in others:
                pairs = list(zip(scores[incumbent], scores[candidate]))
                n, b, c = len(pairs), pairs.count((0, 1)), pairs.count((1, 0))
                found = [(b - c) / n, *limits(b, c, n)]
                sums = [one + other for one, other in zip(sums, found)]
                for margin, counts in verdicts.items():
                    counts[0 if found[1] > -margin else 1 if found[2] < -margin else 2] += 1
                if "--pairs" in sys.argv:
                    print(name, incumbent, candidate, n, b, c, *(f"{value:.10f}" for value in found))
        count = len(frontier) * len(others)
        print(name, count, *(f"{total / count:.10f}" for total in sums), verdicts)


main()
