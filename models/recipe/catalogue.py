"""Lists the exported files in models.json: digest, size, parameters, and how each was trained. Scores come from held_out.py.

Usage: catalogue.py WORK MODELS; WORK holds the runs, MODELS the files.
"""

import hashlib
import json
import pathlib
import sys

import dataset
import gguf


def entry(path, run):
    """What models.json says of one file, before it is scored."""
    log = list(dataset.read(run / "log.jsonl"))
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "parameters": int(sum(tensor.n_elements for tensor in gguf.GGUFReader(path).tensors)),
        "steps": log[-1]["step"],
        "final_loss": log[-1]["loss"],
    }


def main(work, models):
    entries = [entry(models / f"freehold-desk-{name}.gguf", work / f"run-{name}") for name in "sml"]
    listing = {"version": 1, "decoding": "llama.cpp, temperature 0, constrained as the request asks", "models": entries}
    (models / "models.json").write_text(json.dumps(listing, indent=1) + "\n")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
