"""Codex CLI, non-interactive, with the gateway as its model provider."""

import json
import os

import agent
import trial
from trial import MODEL, expect, expect_sorted, expect_text

CODEX = os.environ["TRIAL_CODEX"]
HOME = agent.SCRATCH / "codex"
ENVIRONMENT = agent.environment(CODEX_HOME=str(HOME), FREEHOLD_KEY="sk-trial")
# By default it offers a search that OpenAI runs and a bundle of tools, which no other dialect has.
FUNCTIONS_ONLY = ["-c", 'web_search="disabled"', "--disable", "multi_agent"]
CONFIGURATION = f"""
model = "{MODEL}"
model_provider = "freehold"
check_for_update_on_startup = false

[model_providers.freehold]
name = "Freehold"
base_url = "{trial.URL}/v1"
env_key = "FREEHOLD_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""


def command(prompt, *more):
    # The scratch folder is the sandbox; the one of Codex asks more of the system than a container has.
    return [CODEX, "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "--json", *more, prompt]


def ask(prompt, options, *more):
    code, stdout, stderr = agent.run(command(prompt, *options, *more), ENVIRONMENT)
    events = agent.lines(stdout)
    expect(events, f"exit {code}, {stderr}")
    return code, events


def said(events):
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item["text"] for item in items if item["type"] == "agent_message"][-1]


def whole():
    raise trial.Absent("it always asks for a stream")


def stream(options):
    code, events = ask(trial.HELLO, options)
    expect(code == 0 and events[-1]["type"] == "turn.completed", events[-1])
    expect_text(said(events), trial.HELLO_SAID)
    expect(events[-1]["usage"]["output_tokens"] > 0, events[-1])
    return "it shows a text only when it is whole"


def tools(options):
    trial.only_scripted("needs a model that calls this tool")
    code, events = ask("Print the note.", options)
    expect(code == 0, events[-1])
    ran = [event["item"] for event in events if event.get("item", {}).get("type") == "command_execution"]
    expect(ran and agent.SECRET in ran[-1]["aggregated_output"], ran or events)
    expect_text(said(events), f"The note says {agent.SECRET}.")


def structured(options):
    schema = agent.SCRATCH / "schema.json"
    schema.write_text(json.dumps(trial.SORTED_SCHEMA))
    code, events = ask(trial.MAIL, options, "--output-schema", str(schema))
    expect(code == 0, events[-1])
    expect_sorted(json.loads(said(events)))


def errors(options):
    code, events = ask("?", options, "--model", "no-such-model")
    told = [event for event in events if event["type"] == "turn.failed"]
    expect(code != 0 and told and "no-such-model" in json.dumps(told), events[-1])
    if trial.IS_SCRIPTED:
        for prompt in (trial.BREAK, trial.BREAK_IN_STREAM):
            code, events = ask(prompt, options)
            told = [event for event in events if event["type"] == "turn.failed"]
            expect(code != 0 and "the script breaks off here" in json.dumps(told), events[-1])


def cancel(options):
    agent.interrupt(command(trial.COUNT, *options), ENVIRONMENT)


def trials(options):
    return {
        "chat": whole,
        "stream": lambda: stream(options),
        "tools": lambda: tools(options),
        "structured output": lambda: structured(options),
        "errors": lambda: errors(options),
        "cancellation": lambda: trial.cancelled(lambda: cancel(options)),
    }


HOME.mkdir(parents=True, exist_ok=True)
(HOME / "config.toml").write_text(CONFIGURATION)
trial.run("Responses", trials([]))
trial.run("Responses, functions only", trials(FUNCTIONS_ONLY))
