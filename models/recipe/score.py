"""Scores GGUF files on held-out tickets by greedy generation from the file's own weights and tokenizer.

Usage: score.py HELD_OUT.jsonl FILE.gguf... ; prints one JSON object per file. Nothing here shares code with training.
"""

import json
import sys
import time

import gguf
import numpy as np
from tokenizers import Tokenizer

import dataset
import vocabulary

ANSWER_TOKENS_MAX = 160


def field(reader, key):
    return reader.get_field(key).contents()


class Model:
    """A llama-architecture network in numpy, reading the file as llama.cpp does: neighbouring rotary pairs."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.weights = {
            t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors
        }
        self.layers, self.heads = field(reader, "llama.block_count"), field(reader, "llama.attention.head_count")
        self.epsilon = field(reader, "llama.attention.layer_norm_rms_epsilon")
        width = field(reader, "llama.embedding_length")
        self.head = width // self.heads
        base = field(reader, "llama.rope.freq_base")
        self.rates = base ** (-np.arange(0, self.head, 2) / self.head)
        self.tokenizer = tokenizer_of(reader)
        self.end = field(reader, "tokenizer.ggml.eos_token_id")
        self.parameters = int(sum(np.prod(t.shape) for t in reader.tensors))

    def normed(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.weights[name]

    def rotated(self, x, positions):
        angle = positions[:, None, None] * self.rates
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2], out[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
        return out

    def logits(self, tokens, cache):
        """Logits after the last of `tokens`, which follow what `cache` holds."""
        w = self.weights
        x = w["token_embd.weight"][tokens]
        begin = cache[0][0].shape[0] if cache else 0
        positions = np.arange(begin, begin + len(tokens))
        for i in range(self.layers):
            block = f"blk.{i}."
            n = self.normed(x, block + "attn_norm.weight")
            q, k, v = (
                (n @ w[f"{block}attn_{part}.weight"].T).reshape(len(tokens), self.heads, self.head) for part in "qkv"
            )
            q, k = self.rotated(q, positions), self.rotated(k, positions)
            if begin:
                k, v = np.concatenate([cache[i][0], k]), np.concatenate([cache[i][1], v])
                cache[i] = k, v
            else:
                cache.append((k, v))
            scores = np.einsum("qhd,khd->hqk", q, k) * self.head**-0.5
            scores = np.where(np.arange(len(k)) <= positions[:, None], scores, -np.inf)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out = np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v)
            x = x + out.reshape(len(tokens), -1) @ w[block + "attn_output.weight"].T
            n = self.normed(x, block + "ffn_norm.weight")
            gate = n @ w[block + "ffn_gate.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * (n @ w[block + "ffn_up.weight"].T)) @ w[block + "ffn_down.weight"].T
        return self.normed(x[-1], "output_norm.weight") @ w["token_embd.weight"].T

    def answer(self, prompt):
        """The greedy continuation of `prompt` up to the end token."""
        cache, out = [], []
        tokens = self.tokenizer.encode(prompt).ids
        while len(out) < ANSWER_TOKENS_MAX:
            best = int(np.argmax(self.logits(tokens, cache)))
            if best == self.end:
                break
            out.append(best)
            tokens = [best]
        return self.tokenizer.decode(out, skip_special_tokens=False)


def tokenizer_of(reader):
    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in field(reader, "tokenizer.ggml.merges")]
    plain = [t for t in tokens if t not in vocabulary.SPECIALS]
    built: Tokenizer = vocabulary.build(plain, merges)
    assert [built.id_to_token(i) for i in range(len(tokens))] == tokens, "token ids survive the file"
    return built


def parsed(text):
    try:
        return json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    except ValueError:
        return None


def overlap(a, b):
    """ROUGE-L: F1 of the longest common subsequence of words."""
    a, b = a.split(), b.split()
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for j, other in enumerate(b):
            before, row[j + 1] = row[j + 1], before + 1 if word == other else max(row[j + 1], row[j])
    return 2 * row[-1] / (len(a) + len(b)) if a or b else 1.0


def judge(step, got, gold, facts):
    """Scores of one answer by name."""
    if step == "reply":
        held = [fact in got for fact in facts]
        return {"rouge_l": overlap(got, gold), "fact_recall": np.mean(held) if held else 1.0, "all_facts": all(held)}
    got, gold = parsed(got), parsed(gold)
    whole = {"exact": got == gold}
    if step == "decide":
        return whole | {"tool": isinstance(got, dict) and got.get("name") == gold["name"]}
    return whole | {key: isinstance(got, dict) and got.get(key, "") == value for key, value in gold.items()}


def score(path, held_out, limit):
    model, chat = Model(path), dataset.template()
    found, started, wrong = {}, time.time(), []
    for row in held_out:
        step = row["step"]
        if len(found.get(step, [])) >= limit:
            continue
        prompt, gold = dataset.render(row, chat)
        got = model.answer(prompt)
        marks = judge(step, got, gold, row.get("facts") or [])
        found.setdefault(step, []).append(marks)
        if not marks.get("exact", True):
            wrong.append((step, prompt.rsplit("user\n", 1)[1], got, gold))
    means = {
        step: {"n": len(rows)} | {key: round(float(np.mean([r[key] for r in rows])), 4) for key in rows[0]}
        for step, rows in found.items()
    }
    return {"file": path, "parameters": model.parameters, "seconds": round(time.time() - started), "scores": means}, wrong


if __name__ == "__main__":
    rows = list(dataset.read(sys.argv[1]))
    for path in sys.argv[2:]:
        print(json.dumps(score(path, rows, 300)[0]), flush=True)
