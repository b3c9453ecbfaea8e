"""Scores the exported files on held-out tickets and writes models.json.

Usage: catalogue.py WORK MODELS; WORK holds held-out.jsonl and the runs, MODELS the files.
"""

import hashlib
import json
import pathlib
import sys

import dataset
import score

LIMIT = 300


def entry(path, rows, run):
    """What models.json says of one file."""
    result, _ = score.score(str(path), rows, LIMIT)
    log = list(dataset.read(run / "log.jsonl"))
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "parameters": result["parameters"],
        "steps": log[-1]["step"],
        "final_loss": log[-1]["loss"],
        "held_out": result["scores"],
    }


def main(work, models):
    rows = list(dataset.read(work / "held-out.jsonl"))
    entries = []
    for name in "sml":
        entries.append(entry(models / f"freehold-desk-{name}.gguf", rows, work / f"run-{name}"))
        print(json.dumps(entries[-1]), flush=True)
    listing = {"version": 1, "held_out": "tickets tune 3 0 300", "decoding": "greedy, unconstrained", "models": entries}
    (models / "models.json").write_text(json.dumps(listing, indent=1) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
