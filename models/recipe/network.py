"""A Llama-architecture transformer in JAX whose batches share one system prompt.

All requests of a step begin with the same tokens. They run once per batch, and every sequence attends to their keys
and values, which gives the same result as running whole prompts at about half the cost. The last layer is computed
only where an answer token is predicted.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from start import ROPE_BASE

NORM_EPSILON = 1e-5


@dataclasses.dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    context: int = 768

    @property
    def head(self):
        return self.width // self.heads

    def parameters(self):
        layer = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.vocabulary * self.width + self.layers * layer + self.width


def rotation(shape, positions):
    """Cosines and sines for half-split rotary embedding; the export interleaves the halves."""
    rates = ROPE_BASE ** (-np.arange(0, shape.head, 2) / shape.head)
    angles = positions[..., None].astype(jnp.float32) * rates.astype(np.float32)
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x, turn):
    """Rotates `[..., time, heads, head]` by `[..., time, head / 2]`."""
    cos, sin = (part[..., None, :] for part in turn)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], -1)


def normed(x, weight):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + NORM_EPSILON) * weight


def times(x, matrix):
    """Multiplies the last axis; flattened first, because XLA's CPU products of two axes are twice as fast."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


def heads(x, matrix, shape):
    return times(x, matrix).reshape(*x.shape[:-1], shape.heads, shape.head)


def feed(x, layer):
    flat = x.reshape(-1, x.shape[-1])
    n = normed(flat, layer["hidden_norm"])
    flat = flat + (jax.nn.silu(n @ layer["gate"]) * (n @ layer["up"])) @ layer["down"]
    return flat.reshape(x.shape)


def attend(q, blocks):
    """Softmax attention of `q` over several blocks of (keys, values, mask, einsum letters of a key)."""
    scale = q.shape[-1] ** -0.5
    scores = [jnp.where(mask, jnp.einsum(f"bqhd,{kind}->bhqk", q * scale, k), -1e9) for k, _, mask, kind in blocks]
    weights = jax.nn.softmax(jnp.concatenate(scores, -1), -1)
    out, at = 0, 0
    for k, v, _, kind in blocks:
        size = k.shape[-3]
        out = out + jnp.einsum(f"bhqk,{kind}->bqhd", weights[..., at : at + size], v)
        at += size
    return out.reshape(*out.shape[:-2], -1)


def answer_logits(weights, shape, prefix, prefix_length, tokens, asked):
    """Logits at the positions `asked` `[batch, answers]` of `tokens` `[batch, time]` after the shared `prefix`."""
    early = weights["embedding"][prefix][None]
    x = weights["embedding"][tokens]
    early_turn = rotation(shape, jnp.arange(prefix.shape[0]))
    turn = rotation(shape, prefix_length + jnp.arange(tokens.shape[1]))
    asked_turn = rotation(shape, prefix_length + asked)
    early_mask = jnp.tril(jnp.ones((prefix.shape[0],) * 2, bool))
    seen = (jnp.arange(prefix.shape[0]) < prefix_length)[None, None, None]
    causal = jnp.tril(jnp.ones((tokens.shape[1],) * 2, bool))
    for index, layer in enumerate(weights["layers"]):
        last = index + 1 == shape.layers
        n_early, n = normed(early, layer["attention_norm"]), normed(x, layer["attention_norm"])
        k_early = rotate(heads(n_early, layer["k"], shape), early_turn)[0]
        v_early = heads(n_early, layer["v"], shape)[0]
        k = rotate(heads(n, layer["k"], shape), turn)
        v = heads(n, layer["v"], shape)
        if last:
            x = jnp.take_along_axis(x, asked[..., None], 1)
            n = jnp.take_along_axis(n, asked[..., None], 1)
            turn = asked_turn
            causal = (jnp.arange(tokens.shape[1]) <= asked[..., None])[:, None]
        else:
            q_early = rotate(heads(n_early, layer["q"], shape), early_turn)
            early = early + times(attend(q_early, [(k_early, v_early, early_mask, "khd")]), layer["o"])
            early = feed(early, layer)
        q = rotate(heads(n, layer["q"], shape), turn)
        x = x + times(attend(q, [(k_early, v_early, seen, "khd"), (k, v, causal, "bkhd")]), layer["o"])
        x = feed(x, layer)
    return times(normed(x, weights["norm"]), weights["embedding"].T)


def loss(weights, shape, batch):
    """Mean cross-entropy of the answer tokens; targets below zero do not count."""
    logits = answer_logits(weights, shape, *batch[:4])
    targets = batch[4]
    known = targets >= 0
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.maximum(targets, 0)[..., None], -1)[..., 0]
    return -jnp.sum(chosen * known) / jnp.maximum(jnp.sum(known), 1)


def hit_rate(weights, shape, batch):
    """Share of answers whose every token is the most likely one; given the right tokens before it."""
    right = jnp.argmax(answer_logits(weights, shape, *batch[:4]), -1) == batch[4]
    return jnp.mean(jnp.all(right | (batch[4] < 0), -1))


@functools.partial(jax.jit, static_argnums=1)
def gradient(weights, shape, batch):
    return jax.value_and_grad(loss)(weights, shape, batch)


@functools.partial(jax.jit, static_argnums=1)
def hits(weights, shape, batch):
    return loss(weights, shape, batch), hit_rate(weights, shape, batch)
