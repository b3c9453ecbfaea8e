"""Turns the dumped tickets into token files.

Usage: prepare.py TRAIN.jsonl TUNE.jsonl DATA; writes tokenizer.json, train.npz and tune.npz into DATA.
"""

import pathlib
import sys

import numpy as np

import dataset

VOCABULARY = 1536


def pack(tokens, tokenizer):
    """Flattens examples: all tokens of a step in a row, where each begins, and how many of its last are the answer."""
    size = tokenizer.get_vocab_size()
    pieces = [tokenizer.decode([token], skip_special_tokens=False) for token in range(size)]
    arrays = {"vocabulary": size, "pieces": np.array(pieces)}
    for step in dataset.STEPS:
        rows = [np.concatenate(pair) for pair in zip(tokens.suffix[step], tokens.answer[step])]
        arrays[f"{step}_prefix"] = tokens.prefix[step][1]
        arrays[f"{step}_tokens"] = np.concatenate(rows)
        arrays[f"{step}_starts"] = np.cumsum([0] + [len(row) for row in rows])
        arrays[f"{step}_answers"] = np.array([len(answer) for answer in tokens.answer[step]])
    ids = lambda text: np.array(tokenizer.encode(text).ids, np.int32)
    arrays["copy_prefix"] = ids("<|im_start|>system\nRepeat the text.<|im_end|>\n")
    arrays["copy_opening"] = ids(dataset.USER)
    arrays["copy_middle"] = ids("<|im_end|>\n<|im_start|>assistant\n")
    arrays["copy_end"] = ids(dataset.END)
    return arrays


def main(train, tune, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = dataset.train_tokenizer(train, VOCABULARY)
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, path in (("train", train), ("tune", tune)):
        tokens = dataset.Tokens(path, tokenizer)
        np.savez(folder / f"{name}.npz", **pack(tokens, tokenizer))
        for step in dataset.STEPS:
            lengths = [len(a) + len(b) for a, b in zip(tokens.suffix[step], tokens.answer[step])]
            print(name, step, "prefix", len(tokens.prefix[step][1]), "tokens", np.percentile(lengths, [5, 50, 95, 100]),
                  "answer", max(map(len, tokens.answer[step])))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
