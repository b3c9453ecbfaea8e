"""Runs clients against the gateway, on every target, and writes what was seen.

Usage: run.py [--write FILE] [--target TARGET] [NAME...]; needs FREEHOLD_BIN, FREEHOLD_VENDOR_BIN and CLIENTS_HOME (where
clients are installed). Without names and targets everything runs, and only then FILE is written.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import targets
from clients import CLIENTS
from referee import Referee
from table import page

HERE = Path(__file__).resolve().parent
INSTALLED = Path(os.environ["CLIENTS_HOME"]).resolve()
TRIAL_S = 600


def scratch_script(folder):
    """Writes the script with the paths and the secret of this run, and a note that holds the secret."""
    secret = f"marzipan-{secrets.token_hex(4)}"
    work = folder / "work"
    work.mkdir(parents=True)
    for place in (folder, work):
        (place / "note.txt").write_text(f"The word is {secret}.\n")
    text = (HERE / "script.json").read_text().replace("SECRET", secret).replace("SCRATCH", str(folder))
    (folder / "script.json").write_text(text)
    return secret


def environment(client, target, folder, secret, referee):
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TRIAL_URL": target.url,
        "TRIAL_MODEL": target.model,
        "TRIAL_EXPECT": target.expect,
        "TRIAL_WITHOUT": target.same or "",
        "TRIAL_KEEPS": "yes" if target.keeps else "",
        "TRIAL_REFEREE": referee.url,
        "TRIAL_SCRATCH": str(folder),
        "TRIAL_SECRET": secret,
        **client.environment(INSTALLED),
    }


def judge(outcome, client, target):
    """Tells what the gateway must refuse from what fails, and a refusal that did not come from success."""
    tried = (client.name, outcome["api"], outcome["feature"])
    for *refused, words in target.refusals:
        if tuple(refused) != tried:
            continue
        if outcome["outcome"] == "fails" and words in outcome["note"]:
            outcome["outcome"] = "refused"
        elif outcome["outcome"] == "works":
            outcome.update(outcome="fails", note=f"expected a refusal that says {words!r}")


def try_client(client, target, folder, secret):
    """Returns the outcomes of one client on one target, and says them as they come."""
    with Referee(target) as referee:
        program = client.program(HERE, INSTALLED)
        begun = subprocess.Popen(
            program,
            env=environment(client, target, folder, secret, referee),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            stdout, stderr = begun.communicate(timeout=TRIAL_S)
        except subprocess.TimeoutExpired:
            begun.kill()
            stdout, stderr = begun.communicate()
            stderr += f"\nstopped after {TRIAL_S} s"
    outcomes = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    for outcome in outcomes:
        judge(outcome, client, target)
        note = f"  ({outcome['note']})" if outcome.get("note") else ""
        print(f"{outcome['outcome']:7} {target.name:20} {client.name:20} {outcome['api']}: {outcome['feature']}{note}")
    if begun.returncode != 0:
        last = stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"broken  {target.name:20} {client.name:20} {last[0]}")
        outcomes.append({"api": "", "feature": "", "outcome": "fails", "note": f"the program broke off: {last[0]}"})
    sys.stdout.flush()
    return outcomes


def run(names, kinds, folder):
    secret = scratch_script(folder)
    chosen = [client for client in CLIENTS if not names or client.name in names]
    result = {"clients": [], "targets": []}
    for client in chosen:
        version = client.version(INSTALLED)
        result["clients"].append({"name": client.name, "title": client.title, "version": version})
        if version is None:
            print(f"missing {client.name}: not installed")
    for kind in kinds:
        with kind(folder) as target:
            entry = {"name": target.name, "title": target.title, "about": target.about, "missing": target.missing}
            entry["outcomes"] = {}
            result["targets"].append(entry)
            if target.missing:
                print(f"missing {target.name}: {target.missing}")
                continue
            for client, known in zip(chosen, result["clients"]):
                if known["version"] is not None and target.takes(client):
                    entry["outcomes"][client.name] = try_client(client, target, folder, secret)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write")
    parser.add_argument("--target", action="append", default=[], help="run on this target only; may be repeated")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(client.name for client in CLIENTS))
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {client.name for client in CLIENTS}
    if unknown:
        parser.error(f"no client is called {', '.join(sorted(unknown))}")
    kinds = [kind for kind in targets.KINDS if not arguments.target or kind.name in arguments.target]
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=INSTALLED))
    try:
        result = run(arguments.names, kinds, folder)
    finally:
        if not os.environ.get("CLIENTS_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    (INSTALLED / "result.json").write_text(json.dumps(result, indent=1))
    if arguments.write and not arguments.names and not arguments.target:
        Path(arguments.write).write_text(page(result))
        print(f"wrote {arguments.write}")
    outcomes = [o for target in result["targets"] for found in target["outcomes"].values() for o in found]
    failed = sum(outcome["outcome"] == "fails" for outcome in outcomes)
    print(f"{sum(outcome['outcome'] == 'works' for outcome in outcomes)} work, {failed} fail")
    return 1 if failed else 0


sys.exit(main())
