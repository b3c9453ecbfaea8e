"""Renders the tickets' requests with the chat template and turns them into tokens, grouped by step and length."""

import json
import pathlib

import jinja2
import numpy as np

import vocabulary

HERE = pathlib.Path(__file__).parent
STEPS = ["triage", "extract", "decide", "reply"]
END = "<|im_end|>"
USER = "<|im_start|>user\n"


def template():
    environment = jinja2.Environment(keep_trailing_newline=True)
    return environment.from_string(template_text())


def template_text():
    return (HERE / "chat_template.jinja").read_text()


def render(row, chat):
    """Returns the prompt as the engine renders it, and the answer as the model must write it."""
    request = row["request"]
    messages = list(request["messages"])
    if "system" in request:
        messages.insert(0, {"role": "system", "content": request["system"]})
    prompt = chat.render(messages=messages, tools=request.get("tools"), add_generation_prompt=True)
    answer = row["answer"]
    if "text" in answer:
        return prompt, answer["text"]
    call = answer["tool_call"]
    arguments = json.dumps(call["arguments"], ensure_ascii=False, separators=(",", ":"))
    return prompt, f'<tool_call>{{"name":"{call["name"]}","arguments":{arguments}}}</tool_call>'


def read(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


class Tokens:
    """All examples of one file as flat token arrays: per step a shared prefix, and per example suffix and answer."""

    def __init__(self, path, tokenizer):
        chat = template()
        self.prefix = {}
        self.rows = {step: [] for step in STEPS}
        self.suffix = {step: [] for step in STEPS}
        self.answer = {step: [] for step in STEPS}
        batch = []
        for row in read(path):
            batch.append((row, *render(row, chat)))
            if len(batch) == 4096:
                self.add(batch, tokenizer)
                batch = []
        self.add(batch, tokenizer)

    def add(self, batch, tokenizer):
        prompts = tokenizer.encode_batch_fast([USER + p.split(USER, 1)[1] for _, p, _ in batch])
        answers = tokenizer.encode_batch_fast([a + END for _, _, a in batch])
        for (row, prompt, answer), p, a in zip(batch, prompts, answers):
            step = row["step"]
            head = prompt.split(USER, 1)[0]
            if step not in self.prefix:
                self.prefix[step] = head, np.array(tokenizer.encode(head).ids, np.int32)
            assert self.prefix[step][0] == head, "every request of a step has the same head"
            self.suffix[step].append(np.array(p.ids, np.int16))
            self.answer[step].append(np.array(a.ids, np.int16))
            self.rows[step].append((answer, row.get("facts")))


def train_tokenizer(path, size):
    """Trains the vocabulary on the first 6,000 tickets of the training file."""
    chat = template()
    texts, copied = [], []
    for index, row in enumerate(read(path)):
        if index >= 24_000:
            break
        prompt, answer = render(row, chat)
        texts += [prompt.split(USER, 1)[1], answer]
        if row["step"] == "extract":
            fields = json.loads(row["answer"]["text"])
            copied += [str(v) for k, v in fields.items() if v and k in ("product", "name")]
        if row["step"] == "decide":
            copied += [row["answer"]["tool_call"]["arguments"].get("address") or ""]
        if index < 4:
            texts += [prompt.split(USER, 1)[0]] * 400
    return vocabulary.train(texts, copied, size)
