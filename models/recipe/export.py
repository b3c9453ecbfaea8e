"""Writes a trained checkpoint as GGUF, in the layout that llama.cpp's `llama` architecture expects.

Usage: export.py NAME DATA RUN FILE.gguf [q8_0|f16]
"""

import pathlib
import sys

import gguf
import numpy as np
from tokenizers import Tokenizer

import dataset
import network
import optimizer
import start
import train
import vocabulary

TITLES = {"s": "small", "m": "medium", "l": "large"}


def interleaved(matrix, heads):
    """Reorders the outputs `[out, in]` of a half-split rotary projection to neighbouring pairs."""
    out, width = matrix.shape
    return matrix.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def tensors(weights, shape):
    """Yields GGUF names and arrays, outputs first; the output matrix is the embedding and is not repeated."""
    yield "token_embd.weight", weights["embedding"]
    yield "output_norm.weight", weights["norm"]
    for i, layer in enumerate(weights["layers"]):
        block = f"blk.{i}."
        yield block + "attn_norm.weight", layer["attention_norm"]
        yield block + "attn_q.weight", interleaved(layer["q"].T, shape.heads)
        yield block + "attn_k.weight", interleaved(layer["k"].T, shape.heads)
        yield block + "attn_v.weight", layer["v"].T
        yield block + "attn_output.weight", layer["o"].T
        yield block + "ffn_norm.weight", layer["hidden_norm"]
        yield block + "ffn_gate.weight", layer["gate"].T
        yield block + "ffn_up.weight", layer["up"].T
        yield block + "ffn_down.weight", layer["down"].T


def describe(writer, name, shape):
    writer.add_name(f"Freehold Desk {TITLES[name]}")
    writer.add_author("The Freehold authors")
    writer.add_license("apache-2.0")
    writer.add_description("Four steps of a support desk, trained from scratch on generated tickets; see models/README.md")
    writer.add_size_label(f"{shape.parameters() / 1e6:.1f}M")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(network.NORM_EPSILON)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(network.ROPE_BASE)
    writer.add_vocab_size(shape.vocabulary)


def add_tokenizer(writer, tokenizer):
    tokens, merges = vocabulary.parts(tokenizer)
    kinds = [
        gguf.TokenType.CONTROL if token in vocabulary.CONTROL
        else gguf.TokenType.USER_DEFINED if token in vocabulary.SPECIALS
        else gguf.TokenType.NORMAL
        for token in tokens
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    start, end, pad = (tokenizer.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>", "<|pad|>"))
    writer.add_bos_token_id(start)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(pad)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(dataset.template_text())


def write(name, weights, tokenizer, path, kind):
    """Writes the file; vectors stay in full precision."""
    shape = train.SHAPES[name]
    wanted = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "f16": gguf.GGMLQuantizationType.F16}[kind]
    writer = gguf.GGUFWriter(path, "llama")
    describe(writer, name, shape)
    writer.add_file_type({"q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "f16": gguf.LlamaFileType.MOSTLY_F16}[kind])
    add_tokenizer(writer, tokenizer)
    for key, value in tensors(weights, shape):
        array = np.ascontiguousarray(value, dtype=np.float32)
        if array.ndim == 1:
            writer.add_tensor(key, array)
        else:
            writer.add_tensor(key, gguf.quants.quantize(array, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(name, data, folder, path, kind="q8_0"):
    fresh = start.initial(train.SHAPES[name], train.SEED)
    weights, _, step = train.load(pathlib.Path(folder) / "checkpoint.npz", fresh, optimizer.start(fresh))
    weights = {"embedding": weights["embedding"], "norm": weights["norm"], "layers": weights["layers"]}
    write(name, weights, Tokenizer.from_file(str(pathlib.Path(data) / "tokenizer.json")), path, kind)
    print(f"{path}: step {step}, {train.SHAPES[name].parameters()} parameters")


if __name__ == "__main__":
    main(*sys.argv[1:])
