"""Alters examples while batches are drawn, so that no word, number or phrase can be learnt by heart.

Values that an answer copies are replaced by made-up ones everywhere in the example, other words of the ticket by random
ones, and sentences of random words are put in. What is asked for stays the same; how the ticket looks does not.
"""

import numpy as np

COPIED = {"order", "product", "name", "address"}  # keys whose values an answer repeats from the ticket
NEEDED = {"order", "item", "parcel", "purchase", "thing"}  # words for a product that is not named
SHARE_VALUES, SHARE_WORDS, SHARE_SENTENCE = 0.5, 0.5, 0.2  # of the examples
LOST_MAX = 0.15  # of the words of a ticket that loses words
WORD_TOKENS = [0.3, 0.4, 0.3]  # how often a made-up word has one, two or three tokens
HEAD, FOOT = 4, 5  # tokens of the markup before and after what the user wrote


class Alterer:
    """Knows the text of each token; every change is drawn from the generator it is given."""

    def __init__(self, pieces):
        self.pieces = [str(piece) for piece in pieces]
        letters = [piece.isascii() and piece.isalpha() for piece in self.pieces]
        self.small = np.flatnonzero([a and p.islower() for a, p in zip(letters, self.pieces)])
        self.capital = np.flatnonzero([a and p == p.capitalize() for a, p in zip(letters, self.pieces)])
        self.digits = np.flatnonzero([len(p) == 1 and p.isascii() and p.isdigit() for p in self.pieces])
        self.letters, self.number = np.array(letters), np.isin(np.arange(len(self.pieces)), self.digits)
        self.space, self.stop = self.pieces.index(" "), self.pieces.index(".")
        self.comma = self.pieces.index(",")

    def altered(self, row, answer, room, rng):
        """The example with other values, words and sentences, and the length of its answer; unchanged where it would not fit."""
        prompt, reply = [int(t) for t in row[:-answer]], [int(t) for t in row[-answer:]]
        for value, words_too in self.values(prompt, reply):
            if rng.random() < SHARE_VALUES:
                other = self.made_up(value, words_too, rng)
                prompt, reply = (self.replaced(part, value, other) for part in (prompt, reply))
        if rng.random() < SHARE_WORDS:
            prompt = self.losing_words(prompt, reply, rng)
        if rng.random() < SHARE_SENTENCE:
            prompt = self.with_sentence(prompt, rng)
        return (np.array(prompt + reply), len(reply)) if len(prompt) + len(reply) <= room[0] and len(reply) <= room[1] else (row, answer)

    def values(self, prompt, reply):
        """What an answer repeats from the ticket, longest first, each with whether its words may change as its digits may.

        Dates keep their words. Dates and amounts change only where they are read, because amounts decide about refunds.
        """
        row, found = prompt + reply, {}
        reading = self.pieces[reply[0]] == '{"'
        for at in range(len(row) - 3):
            key, opening = self.pieces[row[at]], self.pieces[row[at + 1]]
            if opening == '":"' and (key in COPIED or reading and key == "date"):
                found[self.until_quote(row, at + 2)] = key != "date"
            elif opening == '":' and reading and key == "amount" and self.number[row[at + 3]]:
                found[self.until_quote(row, at + 2)] = False
        if self.pieces[reply[0]] in ("Hi", "Hello", "Dear") and reply[1] == self.space:
            found[tuple(reply[2 : reply.index(self.comma)])] = True
        body = prompt[: self.end(prompt)]
        return sorted(((value, kind) for value, kind in found.items() if value and self.places(body, value)),
                      key=lambda pair: (-len(pair[0]), pair))

    def until_quote(self, row, begin):
        end = begin
        while '"' not in self.pieces[row[end]] and end + 1 < len(row):
            end += 1
        return tuple(row[begin:end])

    def end(self, prompt):
        """Where the ticket ends: at the blank line before what earlier steps found, or at the end of the prompt."""
        for at in range(HEAD, len(prompt) - FOOT):
            if self.pieces[prompt[at]].startswith("\n\n") or self.pieces[prompt[at]] == self.pieces[prompt[at + 1]] == "\n":
                return at
        return len(prompt) - FOOT

    def places(self, tokens, value):
        """Where `value` stands as a whole: not within a longer word or number."""
        size, found, at = len(value), [], 0
        while at + size <= len(tokens):
            whole = tuple(tokens[at : at + size]) == value
            if whole and not self.joined(tokens, at) and not self.joined(tokens, at + size):
                found.append(at)
                at += size
            else:
                at += 1
        return found

    def joined(self, tokens, at):
        """Whether a word or a number goes on across `at`."""
        if not 0 < at < len(tokens):
            return False
        if any(kind[tokens[at - 1]] and kind[tokens[at]] for kind in (self.letters, self.number)):
            return True
        around = tokens[max(0, at - 2) : at + 2]
        points = (around[i : i + 3] for i in range(len(around) - 2))
        return any(self.number[a] and point == self.stop and self.number[b] for a, point, b in points)

    def made_up(self, value, words_too, rng):
        """A value of the same form: words may become others, and digits others, often few different ones; zeros end no number."""
        out, at = [], 0
        alphabet = rng.choice(self.digits[1:], int(rng.integers(1, 6)), replace=False)
        inner = np.append(alphabet, self.digits[0])
        change_digits, numeric = rng.random() < 0.6, not self.letters[list(value)].any()
        while at < len(value):
            end = at
            while end < len(value) and self.letters[value[end]]:
                end += 1
            if end > at:
                out += self.word(value[at], rng) if words_too and rng.random() < 0.8 else value[at:end]
                at = end
                continue
            if self.number[value[at]] and change_digits:
                out.append(int(rng.choice(inner if 0 < at < len(value) - 1 and numeric else alphabet)))
            else:
                out.append(value[at])
            at += 1
        return out

    def word(self, like, rng):
        more = int(rng.choice(3, p=WORD_TOKENS))
        return [int(rng.choice(self.beginning(self.pieces[like]))), *map(int, rng.choice(self.small, more))]

    def beginning(self, like):
        """The tokens that can begin a word like this one: with a capital or without."""
        return self.small if like.strip().islower() else self.capital

    def replaced(self, tokens, value, other):
        out, at = [], 0
        for place in self.places(tokens, value):
            out += tokens[at:place] + other
            at = place + len(value)
        return out + tokens[at:]

    def losing_words(self, prompt, reply, rng):
        """Some words of the ticket become random ones; what the answer repeats stays."""
        share, end, out = rng.uniform(0, LOST_MAX), self.end(prompt), []
        for at, token in enumerate(prompt):
            piece = self.pieces[token]
            word = HEAD <= at < end and token not in reply and piece.strip().isalpha() and piece.strip() not in NEEDED
            if not word or rng.random() >= share:
                out.append(token)
            else:
                out += [self.space] * piece.startswith(" ") + [int(rng.choice(self.beginning(piece)))]
        return out

    def with_sentence(self, prompt, rng):
        """A sentence of made-up words after one of the ticket's sentences."""
        stops = [at for at in range(HEAD, self.end(prompt) - 1) if prompt[at] == self.stop and prompt[at + 1] == self.space]
        if not stops:
            return prompt
        at, sentence = int(rng.choice(stops)) + 1, []
        for _ in range(int(rng.integers(2, 6))):
            sentence += [self.space, *self.word(rng.choice(self.small), rng)]
        return prompt[:at] + sentence + [self.stop] + prompt[at:]
