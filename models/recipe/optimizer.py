"""Muon for the hidden matrices and AdamW for the rest, with one schedule.

Muon (Keller Jordan and others, 2024) replaces a matrix's momentum by its nearest orthogonal matrix, found by five
Newton-Schulz steps; small transformers then learn in markedly fewer steps than with AdamW alone.
"""

import functools

import jax
import jax.numpy as jnp

ADAM_BETAS = (0.9, 0.98)
MUON_MOMENTUM = 0.95
WEIGHT_DECAY = 0.01
GRADIENT_NORM_MAX = 1.0


def start(weights):
    zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
    return {"first": zeros(), "second": zeros(), "count": jnp.zeros(())}


def orthogonal(matrix):
    """Five Newton-Schulz steps towards the nearest orthogonal matrix."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


@functools.partial(jax.jit, donate_argnums=(0, 1))
def step(weights, state, gradients, rate_adam, rate_muon):
    """Applies one update; returns weights and state."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
    gradients = jax.tree.map(lambda g: g * jnp.minimum(1.0, GRADIENT_NORM_MAX / (norm + 1e-6)), gradients)
    count = state["count"] + 1

    def update(path, w, g, m, v):
        if w.ndim == 2 and path[0].key == "layers":
            m = MUON_MOMENTUM * m + g
            way = orthogonal(g + MUON_MOMENTUM * m) * max(1.0, w.shape[1] / w.shape[0]) ** 0.5
            return w * (1 - rate_muon * WEIGHT_DECAY) - rate_muon * way, m, v
        b1, b2 = ADAM_BETAS
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        way = (m / (1 - b1**count)) / (jnp.sqrt(v / (1 - b2**count)) + 1e-8)
        return w - rate_adam * way, m, v

    new = jax.tree_util.tree_map_with_path(update, weights, gradients, state["first"], state["second"])
    pick = lambda i: jax.tree.map(lambda t: t[i], new, is_leaf=lambda t: isinstance(t, tuple))
    return pick(0), {"first": pick(1), "second": pick(2), "count": count}, norm
