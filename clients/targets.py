"""What clients are run against: the gateway with the simulated vendor, or with a model of our own engine behind it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FREEHOLD = os.environ["FREEHOLD_BIN"]
VENDOR = os.environ["FREEHOLD_VENDOR_BIN"]
AGENTS = ("claude_code", "codex")
ALL = ["openai.chat", "openai.responses", "anthropic.messages"]


def environment():
    """Returns this environment without anything of Freehold's, so that only the configuration counts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}


class Target:
    """A running gateway; `missing` says why there is none."""

    name = title = about = model = ""
    expect = "script"
    # What the gateway must refuse here, as (client, API, feature, words of the refusal).
    refusals = ()
    # Whether an earlier answer can be gone on from.
    keeps = True
    # The API whose trials are left out, because another target has them.
    same = None
    missing = None
    url = None

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def takes(self, client):
        return True

    def configuration(self):
        raise NotImplementedError

    def __enter__(self):
        self.home = self.folder / self.name
        self.home.mkdir()
        if self.missing is None:
            self.start_gateway(self.configuration())
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, command, **more):
        log = open(self.home / f"{Path(command[0]).name}.log", "w")
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(), **more
        )
        self.started.append(process)
        return process

    def start_gateway(self, configuration):
        (self.home / "freehold.toml").write_text(configuration)
        command = [FREEHOLD, "--home", str(self.home), "up", "--listen", "127.0.0.1:0"]
        line = self.start(command, cwd=self.home).stdout.readline()
        if not line.startswith("export OPENAI_BASE_URL="):
            self.missing = self.reason()
            return
        self.url = line.strip().removeprefix("export OPENAI_BASE_URL=").removesuffix("/v1")

    def reason(self):
        """Returns why the gateway did not start, as it says itself."""
        said = (self.home / f"{Path(FREEHOLD).name}.log").read_text().strip().splitlines()
        causes = [line.strip() for line in said if line.strip().startswith(("because:", "error:"))]
        return causes[-1].split(": ", 1)[1] if causes else "the gateway did not start"

    def is_answered_within(self, seconds):
        """Returns whether a short call through the gateway is answered in time."""
        body = {"model": self.model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status == 200
        except (TimeoutError, urllib.error.URLError):
            return False


class Vendor(Target):
    """The simulated vendor, with the script's answers."""

    model = ""
    apis = ALL

    def configuration(self):
        vendor = self.start([VENDOR, str(self.folder / "script.json")])
        self.vendor, self.model = vendor.stdout.readline().split()
        return (
            f'[[upstream]]\nname = "vendor"\nbase_url = "{self.vendor}"\n'
            f"apis = {json.dumps(self.apis)}\nsimulated = true\n"
        )

    def counts(self):
        """Returns how many calls reached the vendor, and how many streams were left before their end."""
        with urllib.request.urlopen(f"{self.vendor}/simulated", timeout=10) as answer:
            return json.load(answer)


class SameDialect(Vendor):
    name = "vendor"
    title = "Simulated vendor, same dialect"
    about = "An upstream that speaks all three dialects; what it is asked and what it answers passes through unaltered."
    # What the vendor's own dialect refers to is the vendor's business, and the simulated one has no memory.
    keeps = False


# By default Codex offers tools that only OpenAI has; the model is never reached, so no call can be cancelled either.
FOREIGN_TOOLS = [
    ("codex", "Responses", feature, "tools that the vendor defines or runs cannot be carried")
    for feature in ("stream", "tools", "structured output", "errors")
] + [("codex", "Responses", "cancellation", "no call arrived")]


class Translated(Vendor):
    """An upstream of one dialect only: whoever speaks another one is translated."""

    accept_loss = False
    refusals = (*FOREIGN_TOOLS,)

    def configuration(self):
        loss = "accept_loss = true\n" if self.accept_loss else ""
        return super().configuration() + loss


class ChatOnly(Translated):
    name = "vendor-chat"
    title = "Simulated vendor, Chat Completions only"
    apis = ["openai.chat"]
    same = "Chat Completions"
    about = "As most servers of open models are. Responses and Messages are translated; nothing may be lost."


class ResponsesOnly(Translated):
    name = "vendor-responses"
    title = "Simulated vendor, Responses only"
    apis = ["openai.responses"]
    same = "Responses"
    about = "Chat Completions and Messages are translated; nothing may be lost."


class MessagesOnly(Translated):
    name = "vendor-messages"
    title = "Simulated vendor, Messages only"
    apis = ["anthropic.messages"]
    same = "Messages"
    about = "As Anthropic is. Chat Completions and Responses are translated; nothing may be lost."


class Lossy(Translated):
    accept_loss = True
    refusals = ()

    def takes(self, client):
        return client.name in AGENTS


class ChatLossy(Lossy):
    name = "vendor-chat-lossy"
    title = "Simulated vendor, Chat Completions only, losses accepted"
    apis = ["openai.chat"]
    same = "Chat Completions"
    about = "`accept_loss = true`: what the other dialect cannot say is left out, and listed in a header. The agents need it."


class MessagesLossy(Lossy):
    name = "vendor-messages-lossy"
    title = "Simulated vendor, Messages only, losses accepted"
    apis = ["anthropic.messages"]
    same = "Messages"
    about = ChatLossy.about


class Scripted(Target):
    name = "engine"
    title = "Our own engine, scripted model"
    about = (
        "A model of rules instead of weights in a worker process of the engine, with one slot. It says what the script "
        "says; a schema is not enforced by rules, so structured output shows the form of the API only."
    )
    model = "script"

    def configuration(self):
        path = self.folder / "script.json"
        return (
            f'[[model]]\nname = "script"\npath = "{path}"\nbackend = "scripted"\n'
            "context_tokens = 200000\nslots = 1\n"
        )


class Desk(Target):
    name = "desk"
    title = "Our own engine, real model"
    about = (
        "`models/freehold-desk-s.gguf` through llama.cpp. It is trained for the sample business and knows nothing "
        "else: answers are looked at for their form, and structured output for what the schema enforces. What needs "
        "a model that does as it is told is left out."
    )
    model = "desk"
    expect = "any"

    def takes(self, client):
        # An agent's system text is longer than the context of this model.
        return client.name not in AGENTS

    def configuration(self):
        path = ROOT / "models/freehold-desk-s.gguf"
        return f'[[model]]\nname = "desk"\npath = "{path}"\nslots = 1\n'


KINDS = [SameDialect, Scripted, Desk, ChatOnly, ResponsesOnly, MessagesOnly, ChatLossy, MessagesLossy]
