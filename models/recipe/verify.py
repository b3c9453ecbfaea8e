"""Checks an exported file against the checkpoint it came from.

Usage: verify.py NAME DATA RUN FILE.gguf TICKETS.jsonl; compares token ids and the logits of the first answer token
between the training network and an independent reading of the file, and exits with an error where they part.
"""

import pathlib
import sys

import numpy as np
from tokenizers import Tokenizer

import dataset
import network
import optimizer
import score
import start
import train

ROWS = 8
LOGIT_GAP_MAX = 0.35  # eight-bit weights move logits a little


def main(name, data, folder, path, tickets):
    shape = train.SHAPES[name]
    fresh = start.initial(shape, train.SEED)
    weights, _, _ = train.load(pathlib.Path(folder) / "checkpoint.npz", fresh, optimizer.start(fresh))
    trained = Tokenizer.from_file(str(pathlib.Path(data) / "tokenizer.json"))
    model, chat, gaps = score.Model(path), dataset.template(), []
    for row, _ in zip(dataset.read(tickets), range(ROWS)):
        prompt, answer = dataset.render(row, chat)
        ids = model.tokenizer.encode(prompt + answer).ids
        assert ids == trained.encode(prompt + answer).ids, "the file's tokenizer gives other ids"
        assert model.tokenizer.decode(ids, skip_special_tokens=False) == prompt + answer, "decoding loses text"
        ids = model.tokenizer.encode(prompt).ids
        head, rest = np.array(ids[:64]), np.array([ids[64:]])
        expected = network.answer_logits(weights, shape, head, 64, rest, np.array([[rest.shape[1] - 1]]))[0, 0]
        found = model.logits(ids, [])
        gaps.append(float(np.abs(np.asarray(expected) - found).max()))
    print(f"{path}: largest gap of a logit {max(gaps):.3f}, spread of logits {np.std(found):.2f}")
    assert max(gaps) < LOGIT_GAP_MAX, "the file computes something else"


if __name__ == "__main__":
    main(*sys.argv[1:])
