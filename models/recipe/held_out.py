"""Scores the committed models on held-out tickets with Freehold itself, and writes the scores into models.json.

Usage: held_out.py TICKETS MODELS FREEHOLD, with TICKETS as `tickets tune 3 0 300` prints them, MODELS the folder of the
GGUF files, FREEHOLD the release binary. Every ticket becomes an imported call whose label is the gold answer; `freehold
assess` replays it on each model (llama.cpp, temperature 0, constrained as the request asks), and the candidate's mean
score against the labels is the figure.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

CHECKS = {
    "triage": {"exact": "fields_exact", "category": "field:category", "priority": "field:priority"},
    "extract": {"exact": "fields_exact", "field_f1": "fields"},
    "decide": {"exact": "tool_call"},
    "reply": {"rouge_l": "text"},
}


def line(row):
    answer, api = row["answer"], "anthropic.messages" if row["step"] == "reply" else "openai.chat"
    if isinstance(answer, dict) and "tool_call" in answer:
        call = answer["tool_call"]
        label = {"tool_calls": [{"name": call["name"], "arguments": call["arguments"]}]}
        text = json.dumps(call)
    else:
        text = answer["text"] if isinstance(answer, dict) else answer
        label = text
    if api == "anthropic.messages":
        response = {"id": "gold", "type": "message", "role": "assistant", "model": "gold", "stop_reason": "end_turn",
                    "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 0, "output_tokens": 0}}
    else:
        response = {"id": "gold", "object": "chat.completion", "model": "gold",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}
    return {"id": f"{row['step']}/{row['id']}", "api": api, "step": row["step"], "run": row["id"], "request": row["request"],
            "response": response, "reference": {"kind": "label", "value": label}}


def main():
    tickets, models, freehold = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), str(pathlib.Path(sys.argv[3]).resolve())
    catalogue = json.loads((models / "models.json").read_text())
    catalogue["held_out"] = "tickets tune 3 0 300"
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        rows = [json.loads(row) for row in open(tickets, encoding="utf-8")]
        (home / "calls.jsonl").write_text("".join(json.dumps(line(row)) + "\n" for row in rows))
        (home / "freehold.toml").write_text("".join(
            f'[[model]]\nname = "{entry["file"]}"\npath = "{models / entry["file"]}"\ncontext_tokens = 768\nslots = 8\n'
            for entry in catalogue["models"]))

        def run(*arguments):
            return subprocess.run([freehold, "--home", str(home), *arguments], cwd=home, capture_output=True, text=True)

        imported = run("import", "calls.jsonl")
        assert imported.returncode == 0, imported.stderr
        for entry in catalogue["models"]:
            content = (models / entry["file"]).read_bytes()
            entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
            entry["held_out"] = {}
            for step, checks in CHECKS.items():
                scores = entry["held_out"].setdefault(step, {})
                for name, check in checks.items():
                    question = (step, "--candidate", entry["file"], "--check", check)
                    done = run("assess", *question, "--fixed", "--max-cases", "300", "--json")
                    result = json.loads(done.stdout) if done.stdout else sys.exit(done.stderr)
                    scores["n"] = result["row"]["n"] if "row" in result else result["n"]
                    scores[name] = round(result["arms"]["candidate"], 4)
            print(json.dumps(entry["held_out"]), flush=True)
    (models / "models.json").write_text(json.dumps(catalogue, indent=1) + "\n")


main()
