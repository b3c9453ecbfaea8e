"""The clients: what each is called, which version is installed, and how its trials are started."""

import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass

ARCHITECTURE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def python(installed):
    return installed / "venv/bin/python"


def node(installed):
    return installed / f"node/node_modules/node-linux-{ARCHITECTURE}/bin/node"


def said(command, pattern):
    """Returns what a command says of its version, or nothing where it does not run."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    found = re.search(pattern, ran.stdout)
    return found.group(1) if ran.returncode == 0 and found else None


@dataclass
class Python:
    """A Python library, tried by a program of its name."""

    name: str
    title: str
    packages: list

    def version(self, installed):
        code = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
        found = said([python(installed), "-c", code, *self.packages], r"(\S.*)")
        if found is None:
            return None
        named = zip(self.packages, found.split())
        return ", ".join(f"{package} {version}" for package, version in named)

    def program(self, here, installed):
        return [python(installed), here / f"{self.name}.py"]

    def environment(self, installed):
        return {}


@dataclass
class Node:
    """A Node library, tried by a program of its name, which must lie beside the packages."""

    name: str
    title: str
    packages: list

    def version(self, installed):
        runtime = said([node(installed), "--version"], r"v(\S+)")
        manifests = [installed / "node/node_modules" / package / "package.json" for package in self.packages]
        if runtime is None or not all(manifest.exists() for manifest in manifests):
            return None
        versions = [json.loads(manifest.read_text())["version"] for manifest in manifests]
        named = [f"{package} {version}" for package, version in zip(self.packages, versions)]
        return ", ".join([*named, f"Node {runtime}"])

    def program(self, here, installed):
        for file in ("trial.mjs", f"{self.name}.mjs"):
            shutil.copy(here / file, installed / "node" / file)
        return [node(installed), installed / "node" / f"{self.name}.mjs"]

    def environment(self, installed):
        return {}


@dataclass
class Program:
    """A command-line program, driven by a Python program of its name."""

    name: str
    title: str
    command: str
    pattern: str
    variable: str = ""

    def path(self, installed):
        below = installed / "node/node_modules" / self.command.replace("ARCHITECTURE", ARCHITECTURE)
        return below if "/" in self.command else shutil.which(self.command)

    def version(self, installed):
        path = self.path(installed)
        found = said([path, "--version"], self.pattern) if path else None
        return f"{self.command if '/' not in self.command else self.title} {found}" if found else None

    def program(self, here, installed):
        return [python(installed), here / f"{self.name}.py"]

    def environment(self, installed):
        return {self.variable: str(self.path(installed))} if self.variable else {}


CLIENTS = [
    Python("openai_python", "OpenAI Python", ["openai"]),
    Node("openai_node", "OpenAI Node", ["openai"]),
    Python("anthropic_python", "Anthropic Python", ["anthropic"]),
    Node("anthropic_typescript", "Anthropic TypeScript", ["@anthropic-ai/sdk"]),
    Python("langchain_python", "LangChain Python", ["langchain-core", "langchain-openai", "langchain-anthropic"]),
    Node("vercel_ai_sdk", "Vercel AI SDK", ["ai", "@ai-sdk/openai", "@ai-sdk/anthropic"]),
    Program(
        "claude_code",
        "Claude Code",
        "@anthropic-ai/claude-code-linux-ARCHITECTURE/claude",
        r"(\d\S+)",
        "TRIAL_CLAUDE",
    ),
    Program("codex", "Codex CLI", "@openai/codex/bin/codex.js", r"(\d\S+)", "TRIAL_CODEX"),
    Program("curl", "curl", "curl", r"curl (\S+)"),
]
