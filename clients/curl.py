"""curl, as in the examples of the vendors' own documentation, in all three dialects."""

import json
import subprocess

import trial
from trial import MODEL, expect, expect_city, expect_sorted, expect_text

FORMAT = {"type": "json_schema", "name": "sorted", "schema": trial.SORTED_SCHEMA, "strict": True}
FUNCTION = {"name": "get_weather", "parameters": trial.CITY_SCHEMA}


def turns(text):
    return [{"role": "user", "content": text}]


class Chat:
    path = "/v1/chat/completions"
    demand = "required"
    tool = {"type": "function", "function": FUNCTION}
    format = {"response_format": {"type": "json_schema", "json_schema": {k: FORMAT[k] for k in ("name", "schema")}}}

    def body(text):
        return {"model": MODEL, "messages": turns(text), "max_tokens": 200}

    def text(answer):
        return answer["choices"][0]["message"]["content"]

    def called(answer):
        call = answer["choices"][0]["message"]["tool_calls"][0]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "7 degrees"}
        return call["function"]["arguments"], [answer["choices"][0]["message"], result]

    def piece(event):
        return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))


class Responses:
    path = "/v1/responses"
    demand = "required"
    tool = {"type": "function", **FUNCTION}
    format = {"text": {"format": FORMAT}}

    def body(text):
        return {"model": MODEL, "input": turns(text), "max_output_tokens": 200}

    def text(answer):
        messages = [item for item in answer["output"] if item["type"] == "message"]
        return "".join(part["text"] for item in messages for part in item["content"])

    def called(answer):
        call = next(item for item in answer["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "7 degrees"}
        return call["arguments"], [*answer["output"], result]

    def piece(event):
        return event["delta"] if event["type"] == "response.output_text.delta" else ""


class Messages:
    path = "/v1/messages"
    demand = {"type": "any"}
    tool = {"name": "get_weather", "input_schema": trial.CITY_SCHEMA}
    format = {"output_config": {"format": {"type": "json_schema", "schema": trial.SORTED_SCHEMA}}}

    def body(text):
        return {"model": MODEL, "messages": turns(text), "max_tokens": 200}

    def text(answer):
        return "".join(block["text"] for block in answer["content"] if block["type"] == "text")

    def called(answer):
        call = next(block for block in answer["content"] if block["type"] == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "7 degrees"}
        return json.dumps(call["input"]), [
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [result]},
        ]

    def piece(event):
        return event.get("delta", {}).get("text", "") if event["type"] == "content_block_delta" else ""


def command(api, body, *more):
    headers = ["content-type: application/json", "authorization: Bearer sk-trial"]
    if api is Messages:
        headers = ["content-type: application/json", "x-api-key: sk-trial", "anthropic-version: 2023-06-01"]
    marks = [part for header in headers for part in ("-H", header)]
    return ["curl", "--noproxy", "*", "-sS", "--max-time", "60", *marks, *more, trial.URL + api.path, "-d", json.dumps(body)]


def post(api, body):
    ran = subprocess.run(command(api, body, "-w", "\n%{http_code}"), capture_output=True, text=True, timeout=90)
    expect(ran.returncode == 0, f"curl exits {ran.returncode}: {ran.stderr}")
    answer, status = ran.stdout.rsplit("\n", 1)
    return int(status), json.loads(answer)


def answered(api, body):
    status, answer = post(api, body)
    expect(status == 200, f"status {status}: {answer}")
    return answer


def stream(api):
    ran = subprocess.run(command(api, {**api.body(trial.HELLO), "stream": True}, "-N"), capture_output=True, text=True)
    lines = [line.removeprefix("data: ") for line in ran.stdout.splitlines() if line.startswith("data: ")]
    pieces = [piece for piece in (api.piece(json.loads(line)) for line in lines if line != "[DONE]") if piece]
    expect(len(pieces) > 1, f"{len(pieces)} pieces of {ran.stdout[:200]}")
    expect_text("".join(pieces), trial.HELLO_SAID)


def tools(api):
    body = {**api.body(trial.WEATHER), "tools": [api.tool]}
    arguments, more = api.called(answered(api, {**body, **trial.must_call(api.demand)}))
    expect_city(json.loads(arguments))
    history = "input" if api is Responses else "messages"
    trial.expect_weather(api.text(answered(api, {**body, history: body[history] + more})))


def errors(api):
    for status, body in [
        (404, {**api.body("?"), "model": "no-such-model"}),
        (400, api.body(5)),
    ]:
        found, answer = post(api, body)
        expect(found == status and answer["error"]["message"], f"{found}: {answer}")
    if trial.IS_SCRIPTED:
        found, answer = post(api, api.body(trial.BREAK))
        expect(found >= 500 and answer["error"]["message"], f"{found}: {answer}")


def cancel(api):
    body = {**api.body(trial.COUNT), "stream": True}
    body.pop("max_output_tokens", None)
    begun = subprocess.Popen(command(api, body, "-N"), stdout=subprocess.PIPE)
    begun.stdout.read(20)
    begun.terminate()
    begun.wait(timeout=10)
    begun.stdout.close()


def trials(api):
    return {
        "chat": lambda: expect_text(api.text(answered(api, api.body(trial.HELLO))), trial.HELLO_SAID),
        "stream": lambda: stream(api),
        "tools": lambda: tools(api),
        "structured output": lambda: expect_sorted(
            json.loads(api.text(answered(api, {**api.body(trial.MAIL), **api.format})))
        ),
        "errors": lambda: errors(api),
        "cancellation": lambda: trial.cancelled(lambda: cancel(api)),
    }


trial.run("Chat Completions", trials(Chat))
trial.run("Responses", trials(Responses))
trial.run("Messages", trials(Messages))
