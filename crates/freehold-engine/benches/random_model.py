"""Writes a GGUF model with random weights, for measuring speed: it computes like a real one and says nothing.

    python random_model.py FILE --width 1024 --layers 12

Llama architecture, 8-bit weights, a byte-level vocabulary, a ChatML template and a context of 8,192 tokens. It answers in
digits and capitals, each of which is a token of its own, and never ends by itself. The same arguments write the same
file. Needs numpy and gguf.
"""

import argparse
import itertools
import string

import gguf
import numpy

CONTEXT = 8192
HEAD = 64
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_letters():
    """Returns the letter that stands for each byte in a byte-level vocabulary (Radford et al., 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def vocabulary(size):
    """Returns tokens and merges: all bytes, the turn markers, then words of two and three small letters."""
    tokens = list(byte_letters().values()) + ["<|im_start|>", "<|im_end|>"]
    merges = []
    pairs = [a + b for a, b in itertools.product(string.ascii_lowercase, repeat=2)]
    words = [(a, b) for a, b in itertools.product(string.ascii_lowercase, repeat=2)]
    words += list(itertools.product(pairs, string.ascii_lowercase))
    for left, right in words[: size - len(tokens)]:
        tokens.append(left + right)
        merges.append(f"{left} {right}")
    return tokens, merges


def add_vocabulary(writer, size):
    tokens, merges = vocabulary(size)
    kinds = [gguf.TokenType.CONTROL if token.startswith("<|") else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    end = tokens.index("<|im_end|>")
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def add_weights(writer, arguments):
    random = numpy.random.default_rng(arguments.seed)
    width, inner = arguments.width, arguments.width * 11 // 4 // 32 * 32
    kv = max(1, width // HEAD // 4) * HEAD

    def matrix(name, rows, columns, spoken=None):
        weights = random.standard_normal((rows, columns), dtype=numpy.float32) / columns**0.5
        if spoken is not None:
            # The logits of all other tokens are zero, and one of so many random ones is always above that.
            weights[[row for row in range(rows) if row not in spoken]] = 0
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quantize(weights, kind), raw_dtype=kind)

    def norm(name):
        writer.add_tensor(name, numpy.ones(width, dtype=numpy.float32))

    matrix("token_embd.weight", arguments.vocabulary, width)
    for layer in range(arguments.layers):
        at = f"blk.{layer}."
        for name, rows, columns in [
            ("attn_q", width, width),
            ("attn_k", kv, width),
            ("attn_v", kv, width),
            ("attn_output", width, width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ]:
            matrix(f"{at}{name}.weight", rows, columns)
        norm(f"{at}attn_norm.weight")
        norm(f"{at}ffn_norm.weight")
    norm("output_norm.weight")
    tokens, _ = vocabulary(arguments.vocabulary)
    spoken = {tokens.index(letter) for letter in string.digits + string.ascii_uppercase}
    matrix("output.weight", arguments.vocabulary, width, spoken)
    return inner, kv // HEAD


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--width", type=int, default=1024, help="a multiple of 64")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    writer = gguf.GGUFWriter(arguments.file, "llama")
    writer.add_name("random")
    add_vocabulary(writer, arguments.vocabulary)
    inner, kv_heads = add_weights(writer, arguments)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(arguments.width)
    writer.add_block_count(arguments.layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(arguments.width // HEAD)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(arguments.vocabulary)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
