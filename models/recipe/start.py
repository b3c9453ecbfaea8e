"""Starting weights: random, but with one circuit laid out that small networks take long to find by themselves.

Copying needs two layers to agree: one head that looks at the token before, and one that looks for an earlier place
where the token before was the present one (an induction head; Olsson and others, 2022). The first head of the first
two layers starts in that form; everything, these heads included, is then trained. Measured effect: see README.md.
"""

import jax.numpy as jnp
import numpy as np

ROPE_BASE = 10000.0
EMBEDDING_SCALE = 0.1
CONSTANT = 4.0  # first embedding dimension in units of EMBEDDING_SCALE; gives heads a direction all tokens share
BACK_GAIN, MATCH_GAIN, COPY_GAIN = 1.8, 2.5, 0.5


def initial(shape, seed):
    """Draws the weights; matrices are stored input first."""
    rng = np.random.default_rng(seed)
    d, f = shape.width, shape.hidden
    normal = lambda *size, scale: rng.normal(0, scale, size)
    layers = [
        {
            "q": normal(d, d, scale=d**-0.5),
            "k": normal(d, d, scale=d**-0.5),
            "v": normal(d, d, scale=d**-0.5),
            "o": normal(d, d, scale=0.1 * d**-0.5),
            "gate": normal(d, f, scale=d**-0.5),
            "up": normal(d, f, scale=d**-0.5),
            "down": normal(f, d, scale=0.1 * f**-0.5),
            "attention_norm": np.ones(d),
            "hidden_norm": np.ones(d),
        }
        for _ in range(shape.layers)
    ]
    weights = {"embedding": normal(shape.vocabulary, d, scale=EMBEDDING_SCALE), "norm": np.ones(d), "layers": layers}
    weights["embedding"][:, 0] = CONSTANT * EMBEDDING_SCALE
    lay_induction(weights["embedding"], layers[:2], shape, rng)
    as_arrays = lambda tree: {k: jnp.asarray(v, jnp.float32) for k, v in tree.items()}
    return as_arrays({k: v for k, v in weights.items() if k != "layers"}) | {"layers": [as_arrays(l) for l in layers]}


def lay_induction(embedding, layers, shape, rng):
    """Writes the two heads into the first head of the two layers; embeddings leave room for the note."""
    first, second = layers
    d, h = shape.width, shape.head
    rates = ROPE_BASE ** (-np.arange(0, h, 2) / h)
    basis = np.zeros((d, d - 1))
    basis[1:] = np.linalg.qr(rng.normal(size=(d - 1, d - 1)))[0]
    content, note = basis[:, :h], basis[:, h : 2 * h]
    embedding[:] -= embedding @ note @ note.T
    # The head that looks one token back: constant queries, and keys turned by one position.
    first["q"][:, :h] = first["k"][:, :h] = 0.0
    first["q"][0, : h // 2] = BACK_GAIN
    first["k"][0, :h] = BACK_GAIN * np.concatenate([np.cos(rates), np.sin(rates)])
    first["v"][:, :h] = content
    first["o"][:h] = EMBEDDING_SCALE * note.T
    # The head that compares its token with what the other head noted, on the pairs that hardly turn with distance.
    slow = np.tile(np.arange(h // 2) >= 0.55 * h / 2, 2)
    second["q"][:, :h] = MATCH_GAIN * content * slow
    second["k"][:, :h] = MATCH_GAIN * note * slow
    second["v"][:, :h] = content
    second["o"][:h] = COPY_GAIN * content.T
