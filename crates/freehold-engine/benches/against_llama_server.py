"""Measures our own engine against llama.cpp's server: same file, same threads, same contexts, in turn within one run.

    python against_llama_server.py --freehold BIN --llama-server BIN --threads 2 MODEL.gguf

Both are asked over HTTP with the same Chat Completions, streamed, at temperature 0. Ours is the whole gateway, with its
record on. Each figure is the median over the rounds; the ratio is the median of the rounds' ratios. The prompts are digits,
of which each is one token in our own models and in those of random_model.py. Wants a model with a context of 8,192.
`--real-time` puts both in the scheduler's real-time class, so that other work on the machine does not show.
"""

import argparse
import itertools
import json
import os
import random
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CONTENT = re.compile(rb'"(?:content|reasoning_content)":"[^"]')
PATIENCE = 600


class Server:
    """A server process; it is started with `slots` sequences of `context` tokens."""

    def __init__(self, name, arguments, slots, context):
        self.name = name
        self.home = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = getattr(self, f"_{name}")(arguments, slots, context)
        if arguments.real_time:
            self.command = ["chrt", "-f", "10", *self.command]
        self.log = open(os.path.join(self.home.name, "log"), "wb")
        self.start()

    def _freehold(self, arguments, slots, context):
        config = os.path.join(self.home.name, "freehold.toml")
        with open(config, "w") as file:
            file.write(
                f'[server]\nlisten = "127.0.0.1:{self.port}"\n[[model]]\nname = "m"\npath = "{os.path.abspath(arguments.model)}"\n'
                f"context_tokens = {context}\nslots = {slots}\nthreads = {arguments.threads}\n"
            )
        return [arguments.freehold, "up", "--home", os.path.join(self.home.name, "home"), "--config", config]

    def _llama(self, arguments, slots, context):
        settings = {"-m": arguments.model, "-np": slots, "-c": slots * context, "-t": arguments.threads}
        settings |= {"--host": "127.0.0.1", "--port": self.port, "-a": "m"}
        flat = [str(part) for setting in settings.items() for part in setting]
        return [arguments.llama_server, *flat, "--no-kv-unified", *arguments.llama_flag]

    def start(self):
        """Starts the process and waits until it serves."""
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended: {open(self.log.name).read()[-2000:]}")
            try:
                if b" 200 " in request(self.port, "GET", "/v1/models", b"").split(b"\r\n", 1)[0]:
                    return
            except OSError:
                pass
            time.sleep(0.002)
        sys.exit(f"{self.name} did not start")

    def processes(self):
        tasks = f"/proc/{self.process.pid}/task"
        children = (open(f"{tasks}/{task}/children").read().split() for task in os.listdir(tasks))
        return [self.process.pid, *map(int, itertools.chain(*children))]

    def memory(self):
        """Returns the proportional set of all its processes, in MiB."""
        total = 0
        for process in self.processes():
            rollup = open(f"/proc/{process}/smaps_rollup").read()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
        return total / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()
        self.home.cleanup()


def request(port, method, path, body):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(method, path, body) + body)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def head(method, path, body):
    text = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
    return f"{text}content-length: {len(body)}\r\n\r\n".encode()


class Call:
    """A streamed call: when it was sent, when each token came, and what was said."""

    def __init__(self, server, messages, tokens):
        fields = {"model": "m", "messages": messages, "max_tokens": tokens, "temperature": 0, "stream": True}
        fields |= {"stream_options": {"include_usage": True}}
        if server.name == "llama":
            fields["ignore_eos"] = True
        body = json.dumps(fields).encode()
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.times, self.text, self.over = [], b"", None
        self.sent = time.monotonic()
        self.socket.sendall(head("POST", "/v1/chat/completions", body) + body)

    def read(self):
        part = self.socket.recv(262144)
        now = time.monotonic()
        self.times += [now] * len(CONTENT.findall(part))
        self.text += part
        if not part:
            self.over = now
            self.socket.close()

    @property
    def first(self):
        return self.times[0] - self.sent

    def answer(self):
        events = re.findall(rb"data: (\{.*\})", self.text)
        deltas = [choice["delta"] for event in events for choice in json.loads(event).get("choices") or []]
        return "".join(delta.get("content") or "" for delta in deltas)

    def usage(self):
        found = [json.loads(event).get("usage") for event in re.findall(rb"data: (\{.*\})", self.text)]
        return next(usage for usage in reversed(found) if usage)


def follow(calls, until=None):
    """Reads calls until all are over, or until `until` says so."""
    waiting = selectors.DefaultSelector()
    for call in calls:
        if call.over is None:
            waiting.register(call.socket, selectors.EVENT_READ, call)
    while waiting.get_map() and not (until and until()):
        ready = waiting.select(PATIENCE)
        if not ready:
            sys.exit("nothing came for too long")
        for key, _ in ready:
            key.data.read()
            if key.data.over is not None:
                waiting.unregister(key.fileobj)
                if not key.data.times:
                    sys.exit(f"no answer: {key.data.text[-1000:]}")


def digits(chance, count):
    return "".join(chance.choices("0123456789", k=count))


def user(text):
    return [{"role": "user", "content": text}]


def decode(server, chance, count, tokens):
    """Tokens a second from when all calls are answering to when the first is done."""
    calls = [Call(server, user(digits(chance, 32)), tokens) for _ in range(count)]
    follow(calls)
    begin, end = max(call.times[0] for call in calls), min(call.times[-1] for call in calls)
    counted = sum(sum(begin < at <= end for at in call.times) for call in calls)
    # Where a token is half a character it comes with the next one.
    made = sum(call.usage()["completion_tokens"] for call in calls) / sum(len(call.times) for call in calls)
    return counted * made / (end - begin)


def prefill(server, chance, tokens):
    call = Call(server, user(digits(chance, tokens)), 1)
    follow([call])
    return call.usage()["prompt_tokens"] / call.first


def shared_prefix(server, chance):
    """Milliseconds to the first token of calls that share a prefix of 1,000 tokens; the first of all is not counted."""
    prefix = digits(chance, 1000)
    firsts = []
    for _ in range(9):
        call = Call(server, [{"role": "system", "content": prefix}, *user(digits(chance, 20))], 4)
        follow([call])
        firsts.append(call.first * 1000)
    return statistics.median(firsts[1:])


def shared_at_once(server, chance):
    """The same for eight calls at once, in different slots, when one has been answered."""
    prefix = digits(chance, 1000)

    def ask():
        return Call(server, [{"role": "system", "content": prefix}, *user(digits(chance, 20))], 4)

    follow([ask()])
    calls = [ask() for _ in range(8)]
    follow(calls)
    return statistics.mean(call.first for call in calls) * 1000


def conversation(server, chance):
    """Milliseconds to the first token, mean over turns 2 to 20."""
    messages, firsts = [], []
    for _ in range(20):
        messages += user(digits(chance, 40))
        call = Call(server, messages, 16)
        follow([call])
        firsts.append(call.first * 1000)
        messages.append({"role": "assistant", "content": call.answer()})
    return statistics.mean(firsts[1:])


def beside_prefill(server, chance):
    """Milliseconds between the tokens of three answers while a prompt of 4,000 tokens is read (p99), and until it is read."""
    answers = [Call(server, user(digits(chance, 32)), 4000) for _ in range(3)]
    follow(answers, lambda: all(len(call.times) > 8 for call in answers))
    long = Call(server, user(digits(chance, 4000)), 1)
    follow([long, *answers], lambda: long.over is not None)
    for call in answers:
        call.socket.close()
    end = long.times[0]
    gaps = []
    for call in answers:
        times = [at for at in call.times if long.sent <= at <= end] + [end]
        gaps += [(b - a) * 1000 for a, b in zip(times, times[1:])] or [(end - long.sent) * 1000]
    gaps.sort()
    return gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))], long.first * 1000


def restart(server, chance):
    """Milliseconds from the death of what computes to the first token of the call that is sent at once."""
    victim = server.processes()[-1]
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    if server.name == "llama":
        server.process.wait()
        server.start()
    while True:
        call = Call(server, user(digits(chance, 32)), 4)
        try:
            follow([call])
            return (call.times[0] - began) * 1000
        except (SystemExit, OSError):
            # It was sent before the death was noticed.
            call.socket.close()


def measure(server, arguments, chance, slots):
    """Returns the figures that a server with so many slots is asked for, by name."""
    found = {}
    follow([Call(server, user(digits(chance, 300)), 8) for _ in range(slots)])
    tokens = arguments.tokens
    if slots in (1, 32):
        found[f"decode, {slots} at once (tokens/s)"] = decode(server, chance, slots, tokens)
    if slots == 1:
        found["prefill, 2,000 tokens (tokens/s)"] = prefill(server, chance, 2000)
    if slots == 8:
        found["decode, 8 at once (tokens/s)"] = decode(server, chance, 8, tokens)
        found["memory, 8 slots of 8,192 (MiB)"] = server.memory()
        found["first token, shared prefix (ms)"] = shared_prefix(server, chance)
        found["first token, shared prefix, 8 at once (ms)"] = shared_at_once(server, chance)
        found["first token, 20 turns (ms)"] = conversation(server, chance)
        p99, whole = beside_prefill(server, chance)
        found["p99 between tokens beside 4,000 (ms)"] = p99
        found["first token of those 4,000 (ms)"] = whole
    if slots == 1:
        found["killed to first token (ms)"] = restart(server, chance)
    return found


def show(rounds, arguments):
    print(f"{os.path.basename(arguments.model)}, {arguments.threads} threads, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print("| figure | ours | llama-server | ratio |\n| --- | ---: | ---: | ---: |")
    for name in rounds[0]["freehold"]:
        ours, theirs = ([found[side][name] for found in rounds] for side in ("freehold", "llama"))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        print(f"| {name} | {statistics.median(ours):,.1f} | {statistics.median(theirs):,.1f} | {ratio:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--freehold", required=True)
    parser.add_argument("--llama-server", required=True)
    parser.add_argument("--llama-flag", action="append", default=[], help="another flag for llama-server")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128, help="of each answer where decoding is measured")
    parser.add_argument("--slots", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--real-time", action="store_true")
    arguments = parser.parse_args()
    if arguments.real_time:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(11))
    rounds = []
    for number in range(arguments.rounds):
        found = {"freehold": {}, "llama": {}}
        for slots in arguments.slots:
            context = 8192 if slots <= 8 else 1024
            for side in sorted(found, reverse=number % 2 == 1):
                server = Server(side, arguments, slots, context)
                # Both are asked the same in a round; no two rounds are.
                found[side] |= measure(server, arguments, random.Random(number), slots)
                server.stop()
        rounds.append(found)
        print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr)
    show(rounds, arguments)


if __name__ == "__main__":
    main()
