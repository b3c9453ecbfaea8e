"""Claude Code, headless, on the gateway instead of Anthropic."""

import json
import os

import agent
import trial
from trial import MODEL, expect, expect_sorted, expect_text

CLAUDE = os.environ["TRIAL_CLAUDE"]
SWITCHED_OFF = [
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
]
ENVIRONMENT = agent.environment(
    ANTHROPIC_BASE_URL=trial.URL,
    ANTHROPIC_API_KEY="sk-trial",
    ANTHROPIC_MODEL=MODEL,
    ANTHROPIC_DEFAULT_HAIKU_MODEL=MODEL,
    CLAUDE_CODE_MAX_RETRIES="0",
    **{name: "1" for name in SWITCHED_OFF},
)


def ask(prompt, *more, env=ENVIRONMENT):
    code, stdout, stderr = agent.run([CLAUDE, "-p", prompt, "--output-format", "json", *more], env)
    found = agent.lines(stdout)
    expect(found, f"exit {code}, {stdout} {stderr}")
    return code, found[-1]


def whole():
    code, answer = ask(trial.HELLO)
    expect(code == 0 and not answer["is_error"], answer)
    expect_text(answer["result"], trial.HELLO_SAID)
    expect(answer["usage"]["output_tokens"] > 0, answer["usage"])


def stream():
    command = [CLAUDE, "-p", trial.HELLO, "--output-format", "stream-json", "--verbose", "--include-partial-messages"]
    code, stdout, stderr = agent.run(command, ENVIRONMENT)
    events = [line["event"] for line in agent.lines(stdout) if line.get("type") == "stream_event"]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    pieces = [delta["text"] for delta in deltas if delta["type"] == "text_delta"]
    expect(code == 0 and len(pieces) > 1, f"exit {code}, {len(pieces)} pieces, {stderr}")
    expect_text("".join(pieces), trial.HELLO_SAID)


def tools():
    trial.only_scripted("needs a model that calls this tool")
    code, answer = ask("Read the note.", "--allowedTools", "Read", "--add-dir", str(agent.SCRATCH))
    expect(code == 0 and not answer["is_error"], answer)
    expect(answer["num_turns"] == 2, f"{answer['num_turns']} turns")
    expect_text(answer["result"], f"The note says {agent.SECRET}.")


def structured():
    trial.only_scripted("needs a model that calls this tool")
    code, answer = ask(f"{trial.MAIL} Use the tool.", "--json-schema", json.dumps(trial.SORTED_SCHEMA))
    expect(code == 0 and not answer["is_error"], answer)
    expect_sorted(answer["structured_output"])


def errors():
    code, answer = ask("?", "--model", "no-such-model")
    expect(code != 0 and answer["is_error"] and "no-such-model" in answer["result"], answer)
    if trial.IS_SCRIPTED:
        for prompt in (trial.BREAK, trial.BREAK_IN_STREAM):
            code, answer = ask(prompt)
            expect(code != 0 and answer["is_error"], answer)


def cancel():
    agent.interrupt([CLAUDE, "-p", trial.COUNT], ENVIRONMENT)


trial.run(
    "Messages",
    {
        "chat": whole,
        "stream": stream,
        "tools": tools,
        "structured output": structured,
        "errors": errors,
        "cancellation": lambda: trial.cancelled(cancel),
    },
)
