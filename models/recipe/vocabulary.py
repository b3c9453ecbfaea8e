"""Trains the byte-level BPE vocabulary: digits alone, and no merge of a space into names or products.

A word that must be copied then has the same tokens after a space and after a quote, which makes copying a matter
of repeating tokens. Only lower-case words that never are part of an extracted value get a merge with their space.
"""

import collections
import heapq
import json
import re

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SPECIALS = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
CONTROL = {"<|pad|>", "<|im_start|>", "<|im_end|>"}
SPACE = "\u0120"  # how byte-level BPE writes a space


def splitter():
    """The pre-tokenizer that llama.cpp calls "smollm": single digits, then the GPT-2 expression."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def train(texts, copied, size):
    """Returns a tokenizer of `size` tokens; `copied` holds the values that answers copy."""
    words = collections.Counter()
    pre = splitter()
    for text in texts:
        for part in re.split("|".join(map(re.escape, SPECIALS)), text):
            words.update(word for word, _ in pre.pre_tokenize_str(part))
    entity_words = {word.lower() for value in copied for word in re.findall(r"[^\W\d]+", value)}
    stems = collections.Counter()
    spaced = collections.Counter()
    for word, count in words.items():
        stem = word[1:] if word.startswith(SPACE) and len(word) > 1 else word
        stems[stem] += count
        if word != stem:
            spaced[stem] += count
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = size - len(SPECIALS) - len(alphabet)
    wanted = [w for w, c in spaced.most_common() if c >= 100 and w.islower() and len(w) > 1 and w not in entity_words]
    merges = learn_merges(stems, room)
    for spaces in range(min(len(wanted), room), -1, -1):
        # Largest number of space merges such that every merged stem is a token of its own.
        kept = merges[: room - spaces]
        tokens = {a + b for a, b in kept}
        usable = [w for w in wanted if w in tokens][:spaces]
        if len(usable) >= spaces * 0.999 or spaces <= room // 3:
            break
    kept = merges[: room - len(usable)]
    kept += [(SPACE, word) for word in usable if word in {a + b for a, b in kept}]
    return build(alphabet, kept)


def learn_merges(stems, count):
    """Plain byte-pair encoding over counted words; ties go to the pair that sorts first."""
    words = [list(word) for word in stems]
    counts = list(stems.values())
    pairs = collections.Counter()
    where = collections.defaultdict(set)
    for index, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += counts[index]
            where[pair].add(index)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < count:
        n, pair = heapq.heappop(heap)
        if -n != pairs[pair]:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        merges.append(pair)
        for index in list(where.pop(pair)):
            word = words[index]
            for old in zip(word, word[1:]):
                pairs[old] -= counts[index]
            merged, at = [], 0
            while at < len(word):
                if at + 1 < len(word) and (word[at], word[at + 1]) == pair:
                    merged.append(word[at] + word[at + 1])
                    at += 2
                else:
                    merged.append(word[at])
                    at += 1
            words[index] = merged
            for new in zip(merged, merged[1:]):
                pairs[new] += counts[index]
                where[new].add(index)
                heapq.heappush(heap, (-pairs[new], new))
        pairs[pair] = 0
    return merges


def build(alphabet, merges):
    """Assembles the tokenizer: specials first, then bytes, then merged tokens, each token once."""
    tokens = list(dict.fromkeys(SPECIALS + alphabet + [a + b for a, b in merges]))
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIALS])
    return tokenizer


def parts(tokenizer):
    """Returns the tokens in order of their ids, and the merges as "left right"."""
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return sorted(vocabulary, key=vocabulary.get), merges
