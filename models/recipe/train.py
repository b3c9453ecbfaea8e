"""Trains one of the three desk models from scratch, with checkpoints from which a run goes on or is exported.

Usage: train.py NAME DATA RUN [STEPS], with NAME one of s, m, l; DATA holds tokenizer.json, train.npz and tune.npz;
RUN gets log.jsonl and checkpoint.npz, from which it goes on. A run has legs: in each the learning rate is constant, then
falls in a line to zero over the last DECAY_SHARE of all steps until then. STEPS makes it a single leg of that length.
"""

import json
import pathlib
import sys
import time

import jax
import numpy as np

import batches
import network
import optimizer
import start

SHAPES = {
    "s": network.Shape(vocabulary=1536, width=96, layers=3, heads=3, hidden=256),
    "m": network.Shape(vocabulary=1536, width=128, layers=4, heads=4, hidden=352),
    "l": network.Shape(vocabulary=1536, width=192, layers=4, heads=3, hidden=512),
}
SORTING_FROM = {"s": 1000, "m": 400, "l": 400}  # the step from which triage gets its full share
RECOPYING_FROM = {"s": 2000, "m": 1400, "l": 1200}  # the step from which copying of any tokens is kept in practice
ALTERED_FROM = {"s": 2000, "m": 3750, "l": 9000}  # the step from which examples are altered as they are drawn
TRIAGE_WEIGHT = 3.0  # two of its dozen answer tokens carry all that there is to learn
LEGS = {"s": [2000], "m": [2800, 3750], "l": [2200, 2950, 6500, 9000, 11050, 14350, 20000]}  # the steps at which the rate has fallen
SEED = 7
RATE_ADAM, RATE_MUON = 1.2e-3, 0.012
WARM_STEPS, DECAY_SHARE = 20, 0.4
LOG_EVERY, SCORE_EVERY, SAVE_EVERY = 50, 400, 50


def rate(step, steps):
    fall = max(1, int(steps * DECAY_SHARE))
    return min(1.0, (step + 1) / WARM_STEPS, max(0.02, (steps - step) / fall))


def save(path, weights, state, step):
    leaves = jax.tree.leaves((weights, state))
    part = path.with_suffix(".part.npz")
    np.savez(part, step=step, **{f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)})
    part.replace(path)


def load(path, weights, state):
    held = np.load(path)
    leaves, tree = jax.tree.flatten((weights, state))
    return *jax.tree.unflatten(tree, [jax.numpy.asarray(held[f"leaf{i}"]) for i in range(len(leaves))]), int(held["step"])


def score(weights, shape, tune):
    """Loss and share of wholly right answers by step, on the same tune examples each time."""
    found = {}
    for step, rows in tune.fixed.items():
        results = [network.hits(weights, shape, batch) for batch in rows]
        found[step] = [round(float(np.mean([r[i] for r in results])), 4) for i in (0, 1)]
    return found


def run(name, data, folder, legs):
    shape = SHAPES[name]
    train, tune = batches.Source(data / "train.npz"), batches.Source(data / "tune.npz")
    tune.fix(np.random.default_rng(SEED))
    weights = start.initial(shape, SEED)
    state, begin = optimizer.start(weights), 0
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "checkpoint.npz").exists():
        weights, state, begin = load(folder / "checkpoint.npz", weights, state)
    log = open(folder / "log.jsonl", "a", encoding="utf-8")
    started, tokens, cpu, losses = time.time(), 0, time.process_time(), {}
    for step in range(begin, legs[-1]):
        rng = np.random.default_rng([SEED, step])
        total, altering = None, step >= ALTERED_FROM[name]
        for task in batches.tasks(rng, step, SORTING_FROM[name], RECOPYING_FROM[name], altering):
            batch, count = train.batch(task, rng, altering)
            loss, gradients = network.gradient(weights, shape, batch)
            if task == "triage" and step >= SORTING_FROM[name]:
                gradients = jax.tree.map(lambda g: TRIAGE_WEIGHT * g, gradients)
            total = gradients if total is None else jax.tree.map(jax.numpy.add, total, gradients)
            losses.setdefault(task, []).append(loss)
            tokens += count
        now = rate(step, next(end for end in legs if step < end))
        weights, state, _ = optimizer.step(weights, state, total, RATE_ADAM * now, RATE_MUON * now)
        done = step + 1
        if done % LOG_EVERY == 0 or done in legs:
            means = {task: round(float(np.mean(values)), 4) for task, values in losses.items()}
            entry = {"step": done, "seconds": round(time.time() - started, 1), "tokens": tokens,
                     "cpu_seconds": round(time.process_time() - cpu, 1), "rate": round(now, 3), "loss": means}
            if done % SCORE_EVERY == 0 or done in legs:
                entry["tune"] = score(weights, shape, tune)
            print(json.dumps(entry), file=log, flush=True)
            losses = {}
        if done % SAVE_EVERY == 0 or done in legs:
            save(folder / "checkpoint.npz", weights, state, done)


if __name__ == "__main__":
    name = sys.argv[1]
    legs = [int(sys.argv[4])] if len(sys.argv) > 4 else LEGS[name]
    run(name, pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), legs)
