"""Draws training batches of one step and one length each, and the copying task that builds attention early."""

import numpy as np

import altered

ROWS = 12
COPY = "copy"
COPYABLE = np.concatenate([np.arange(5, 99), np.arange(261, 1536)])  # printable bytes and merged tokens
# Per task the padded lengths of prefix and answer, and of the whole; longer examples are left out.
ROOM = {"triage": (96, 16), "extract": (96, 58), COPY: (96, 58), "decide": (192, 48), "reply": (160, 80)}
SIZES = {"triage": (96, 128, 176), "extract": (96, 128, 160, 208), "decide": (160, 208), "reply": (160, 208)}
SCORED_SIZE = {"triage": 128, "extract": 128, "decide": 160, "reply": 160}
DIGITS = np.arange(20, 30)
COPY_STEPS = 200  # at first nothing but copying


def tasks(rng, step, sorting_from, recopying_from, altering):
    """The tasks of one optimiser step: copying alone, then mostly extracting, then much triage, then copying again.

    Altered examples have words to copy that training never held, so little is left for the copying task.
    """
    if step < COPY_STEPS:
        return (COPY,)
    if step < sorting_from:
        first = COPY if rng.random() < (0.2 if step < 2 * COPY_STEPS else 0.03) else "extract"
        return first, str(rng.choice(["extract", "triage", "decide", "reply"], p=[0.1, 0.2, 0.42, 0.28]))
    shares = [0.7, 0.27, 0.03] if step < recopying_from else [0.66, 0.28, 0.06] if altering else [0.56, 0.16, 0.28]
    first = str(rng.choice(["extract", "triage", COPY], p=shares))
    return first, str(rng.choice(["triage", "decide", "reply"], p=[0.5, 0.3, 0.2] if altering else [0.4, 0.36, 0.24]))


def copy_alphabet(rng):
    """The tokens of one text to copy. In a small alphabet, or digits, one token before does not tell the place: longer context must."""
    if rng.random() < 0.3:
        return DIGITS
    size = int(2 ** rng.uniform(2, np.log2(len(COPYABLE))))
    return rng.choice(COPYABLE, size, replace=False)


class Source:
    """The examples of one split, by step and padded length."""

    def __init__(self, path):
        self.held = np.load(path)
        self.held = {key: self.held[key] for key in self.held.files}
        self.index, self.fixed, self.alterer = {}, {}, altered.Alterer(self.held["pieces"])
        for step in ("triage", "extract", "decide", "reply"):
            starts = self.held[f"{step}_starts"]
            lengths, answers = np.diff(starts), self.held[f"{step}_answers"]
            fits = answers <= ROOM[step][1]
            below = 0
            for size in SIZES[step]:
                chosen = np.flatnonzero((lengths > below) & (lengths <= size) & fits)
                below = size
                if len(chosen) >= ROWS:
                    self.index[step, size] = chosen

    def fix(self, rng, groups=6):
        """Draws the examples that every scoring uses: `groups` batches of each step, of its usual length."""
        for step, size in SCORED_SIZE.items():
            rows = self.index[step, size]
            chosen = rng.choice(rows, (groups, ROWS), replace=False)
            self.fixed[step] = [self.assemble(step, size, group)[0] for group in chosen]

    def batch(self, task, rng, altering):
        """Returns (prefix, prefix length, tokens, asked, targets) and the number of tokens processed."""
        if task == COPY:
            return self.copying(rng)
        keys = [key for key in self.index if key[0] == task]
        shares = np.array([len(self.index[key]) for key in keys], float)
        step, size = keys[rng.choice(len(keys), p=shares / shares.sum())]
        return self.assemble(step, size, rng.choice(self.index[step, size], ROWS), rng if altering else None)

    def assemble(self, step, size, chosen, altering=None):
        """Puts the examples `chosen` together, altered where a generator is given."""
        starts, answers, flat = (self.held[f"{step}_{part}"] for part in ("starts", "answers", "tokens"))
        pairs = [(flat[starts[i] : starts[i + 1]], answers[i]) for i in chosen]
        if altering is not None:
            pairs = [self.alterer.altered(row, answer, (size, ROOM[step][1]), altering) for row, answer in pairs]
        return self.padded(step, self.held[f"{step}_prefix"], size, *zip(*pairs))

    def copying(self, rng):
        """Random tokens of a random alphabet, and their repetition as the answer."""
        opening, middle, end = (self.held[f"copy_{part}"] for part in ("opening", "middle", "end"))
        rows, answers = [], []
        for _ in range(ROWS):
            count = int(rng.integers(8, 40))
            text = rng.choice(copy_alphabet(rng), count)
            rows.append(np.concatenate([opening, text, middle, text, end]))
            answers.append(count + 1)
        return self.padded(COPY, self.held["copy_prefix"], 96, rows, answers)

    def padded(self, task, prefix, size, rows, answers):
        prefix_room, answer_room = ROOM[task]
        early = np.zeros(prefix_room, np.int32)
        early[: len(prefix)] = prefix
        tokens = np.zeros((len(rows), size), np.int32)
        asked = np.zeros((len(rows), answer_room), np.int32)
        targets = np.full((len(rows), answer_room), -1, np.int32)
        for i, (row, count) in enumerate(zip(rows, answers)):
            tokens[i, : len(row)] = row
            asked[i, :count] = np.arange(len(row) - count - 1, len(row) - 1)
            targets[i, :count] = row[-count:]
        return (early, np.int32(len(prefix)), tokens, asked, targets), tokens.size + prefix_room
