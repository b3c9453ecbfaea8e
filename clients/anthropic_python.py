"""The official Anthropic client for Python."""

from typing import Literal

import anthropic
import pydantic

import trial
from trial import MODEL, expect, expect_city, expect_error, expect_sorted, expect_text

CLIENT = anthropic.Anthropic(base_url=trial.URL, api_key="sk-trial", max_retries=0, timeout=60)
TOOL = {"name": "get_weather", "description": "Tells the weather.", "input_schema": trial.CITY_SCHEMA}


class Sorted(pydantic.BaseModel):
    category: Literal["login", "refund", "question"]
    urgent: bool


def asked(text, **more):
    return {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **more}


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def tool_use(message):
    expect(message.stop_reason == "tool_use", message.stop_reason)
    block = next(block for block in message.content if block.type == "tool_use")
    expect_city(block.input)
    return block


def whole():
    answer = CLIENT.messages.create(**asked(trial.HELLO))
    expect_text(text_of(answer), trial.HELLO_SAID)
    expect(answer.usage.output_tokens > 0, answer.usage)


def stream():
    with CLIENT.messages.stream(**asked(trial.HELLO)) as events:
        pieces = list(events.text_stream)
        answer = events.get_final_message()
    expect(len(pieces) > 1, f"{len(pieces)} pieces")
    expect_text(text_of(answer), trial.HELLO_SAID)
    expect(answer.usage.output_tokens > 0, answer.usage)


def tools():
    question = asked(trial.WEATHER, tools=[TOOL])
    demand = {**question, **trial.must_call({"type": "any"})}
    first = CLIENT.messages.create(**demand)
    block = tool_use(first)
    with CLIENT.messages.stream(**demand) as events:
        tool_use(events.get_final_message())
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "7 degrees"}
    question["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    trial.expect_weather(text_of(CLIENT.messages.create(**question)))


def structured():
    answer = CLIENT.messages.parse(**asked(trial.MAIL), output_format=Sorted)
    expect_sorted(answer.parsed_output.model_dump())


def errors():
    ask = CLIENT.messages.create
    expect_error(lambda: ask(**{**asked("?"), "model": "no-such-model"}), anthropic.NotFoundError, 404)
    expect_error(lambda: ask(**{**asked("?"), "messages": [{"role": "user", "content": 5}]}), anthropic.BadRequestError, 400)
    if trial.IS_SCRIPTED:
        expect_error(lambda: ask(**asked(trial.BREAK)), anthropic.InternalServerError)
        expect_error(lambda: list(ask(**asked(trial.BREAK_IN_STREAM, stream=True))), anthropic.APIError)


def cancel():
    events = CLIENT.messages.create(**asked(trial.COUNT, stream=True))
    next(iter(events))
    events.close()


def count_tokens():
    counted = CLIENT.messages.count_tokens(model=MODEL, messages=asked(trial.HELLO)["messages"])
    expect(counted.input_tokens > 0, counted)


trial.run(
    "Messages",
    {
        "chat": whole,
        "stream": stream,
        "tools": tools,
        "structured output": structured,
        "errors": errors,
        "cancellation": lambda: trial.cancelled(cancel),
        "token count": count_tokens,
    },
)
