"""Runs a command-line agent in a scratch folder of its own, without anything of this machine's user."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

SCRATCH = Path(os.environ["TRIAL_SCRATCH"])
SECRET = os.environ["TRIAL_SECRET"]


def environment(**more):
    """Returns an environment with nothing but a path, a home, and what the agent needs."""
    home = SCRATCH / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1", **more}


def run(command, env):
    """Runs it to its end; returns exit code, stdout and stderr."""
    (SCRATCH / "work").mkdir(exist_ok=True)
    ran = subprocess.run(
        command, env=env, cwd=SCRATCH / "work", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150
    )
    return ran.returncode, ran.stdout, ran.stderr


def lines(stdout):
    """Returns the JSON values that stand on lines of their own."""
    return [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]


def interrupt(command, env):
    """Begins it, waits until the model speaks, and interrupts it as a person at the keyboard does."""
    begun = subprocess.Popen(
        command,
        env=env,
        cwd=SCRATCH / "work",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with urllib.request.urlopen(f"{os.environ['TRIAL_REFEREE']}/speaking", timeout=60) as answer:
            verdict = json.load(answer)
        if not verdict["is_so"]:
            raise AssertionError(verdict["why"])
        os.killpg(begun.pid, signal.SIGINT)
        begun.wait(timeout=20)
    finally:
        if begun.poll() is None:
            os.killpg(begun.pid, signal.SIGKILL)
            begun.wait()
