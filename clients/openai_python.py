"""The official OpenAI client for Python, with Chat Completions and with Responses."""

import json
from typing import Literal

import openai
import pydantic

import trial
from trial import MODEL, expect, expect_city, expect_error, expect_sorted, expect_text

CLIENT = openai.OpenAI(base_url=f"{trial.URL}/v1", api_key="sk-trial", max_retries=0, timeout=60)
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": trial.CITY_SCHEMA}}
RESPONSES_TOOL = {"type": "function", "name": "get_weather", "parameters": trial.CITY_SCHEMA, "strict": True}


class Sorted(pydantic.BaseModel):
    category: Literal["login", "refund", "question"]
    urgent: bool


class GetWeather(pydantic.BaseModel):
    city: Literal["Oslo", "Bergen"]


CHAT_HELPER = openai.pydantic_function_tool(GetWeather, name="get_weather")
RESPONSES_HELPER = {"type": "function", **CHAT_HELPER["function"]}


def turns(text):
    return [{"role": "user", "content": text}]


def chat(text, **more):
    return CLIENT.chat.completions.create(model=MODEL, messages=turns(text), max_tokens=200, **more)


def chat_whole():
    answer = chat(trial.HELLO)
    expect_text(answer.choices[0].message.content, trial.HELLO_SAID)
    expect(answer.usage.completion_tokens > 0, answer.usage)


def chat_stream():
    pieces, usage = [], None
    for chunk in chat(trial.HELLO, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    expect(len(pieces) > 1, f"{len(pieces)} pieces")
    expect_text("".join(pieces), trial.HELLO_SAID)
    expect(usage and usage.completion_tokens > 0, usage)


def chat_tools():
    chat_tool_classes()
    asked = {"model": MODEL, "messages": turns(trial.WEATHER), "tools": [CHAT_TOOL], **trial.must_call("required")}
    first = CLIENT.chat.completions.create(**asked)
    call = first.choices[0].message.tool_calls[0]
    expect_city(json.loads(call.function.arguments))
    history = turns(trial.WEATHER) + [
        first.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "7 degrees"},
    ]
    with CLIENT.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    expect(streamed.finish_reason == "tool_calls", streamed)
    expect_city(json.loads(streamed.message.tool_calls[0].function.arguments))
    last = CLIENT.chat.completions.create(model=MODEL, messages=history, max_tokens=200)
    trial.expect_weather(last.choices[0].message.content)


def expect_call(call):
    """Fails the trial unless the client read the call's arguments into the class that its tool was made of."""
    expect(isinstance(call.parsed_arguments, GetWeather), f"parsed as {call.parsed_arguments!r}")
    expect_city(call.parsed_arguments.model_dump())


def chat_tool_classes():
    asked = {"model": MODEL, "messages": turns(trial.WEATHER), "tools": [CHAT_HELPER], **trial.must_call("required")}
    whole = CLIENT.chat.completions.parse(**asked).choices[0]
    expect_call(whole.message.tool_calls[0].function)
    with CLIENT.chat.completions.stream(**asked) as stream:
        events = list(stream)
        streamed = stream.get_final_completion().choices[0]
    pieces = [event.arguments_delta for event in events if event.type == "tool_calls.function.arguments.delta"]
    function = streamed.message.tool_calls[0].function
    expect("".join(pieces) == function.arguments, f"{pieces} against {function.arguments!r}")
    expect_call(function)


def chat_structured():
    answer = CLIENT.chat.completions.parse(
        model=MODEL, messages=turns(trial.MAIL), response_format=Sorted, max_tokens=200
    )
    expect_sorted(answer.choices[0].message.parsed.model_dump())


def chat_errors():
    ask = CLIENT.chat.completions.create
    expect_error(lambda: ask(model="no-such-model", messages=turns("?")), openai.NotFoundError, 404)
    expect_error(lambda: ask(model=MODEL, messages=[{"role": "user", "content": 5}]), openai.BadRequestError, 400)
    if trial.IS_SCRIPTED:
        expect_error(lambda: chat(trial.BREAK), openai.InternalServerError)
        expect_error(lambda: list(chat(trial.BREAK_IN_STREAM, stream=True)), openai.APIError)


def chat_cancel():
    stream = CLIENT.chat.completions.create(model=MODEL, messages=turns(trial.COUNT), stream=True)
    next(iter(stream))
    stream.close()


def response(text, **more):
    return CLIENT.responses.create(model=MODEL, input=text, max_output_tokens=200, **more)


def responses_whole():
    answer = response(trial.HELLO)
    expect_text(answer.output_text, trial.HELLO_SAID)
    expect(answer.usage.output_tokens > 0, answer.usage)


def responses_stream():
    with CLIENT.responses.stream(model=MODEL, input=trial.HELLO, max_output_tokens=200) as stream:
        events = list(stream)
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    # A real model may go on until it is stopped; the script ends by itself.
    endings = ["response.completed"] if trial.IS_SCRIPTED else ["response.completed", "response.incomplete"]
    expect(events[-1].type in endings, events[-1])
    answer = events[-1].response
    expect(len(pieces) > 1 and "".join(pieces) == answer.output_text, pieces)
    expect_text(answer.output_text, trial.HELLO_SAID)
    expect(answer.usage.output_tokens > 0, answer.usage)


def responses_tools():
    responses_tool_classes()
    asked = {"model": MODEL, "input": trial.WEATHER, "tools": [RESPONSES_TOOL], **trial.must_call("required")}
    first = CLIENT.responses.create(**asked, store=False)
    call = next(item for item in first.output if item.type == "function_call")
    expect_city(json.loads(call.arguments))
    with CLIENT.responses.stream(**asked) as stream:
        streamed = next(item for item in stream.get_final_response().output if item.type == "function_call")
    expect_city(json.loads(streamed.arguments))
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees"}
    history = turns(trial.WEATHER) + [item.model_dump(exclude_none=True) for item in first.output] + [result]
    last = CLIENT.responses.create(model=MODEL, input=history, max_output_tokens=200, store=False)
    trial.expect_weather(last.output_text)


def responses_tool_classes():
    asked = {"model": MODEL, "input": trial.WEATHER, **trial.must_call("required")}
    answer = CLIENT.responses.parse(**asked, tools=[RESPONSES_HELPER])
    call = next(item for item in answer.output if item.type == "function_call")
    expect_city(GetWeather.model_validate(call.parsed_arguments).model_dump())


def responses_chain():
    trial.only_kept()
    tools = [RESPONSES_TOOL]
    first = response(trial.HELLO, tools=tools)
    asked = {"model": MODEL, "input": trial.WEATHER, "tools": tools, **trial.must_call("required")}
    with CLIENT.responses.stream(**asked, previous_response_id=first.id) as stream:
        second = stream.get_final_response()
    call = next(item for item in second.output if item.type == "function_call")
    result = [{"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees"}]
    last = response(result, tools=tools, previous_response_id=second.id)
    trial.expect_weather(last.output_text)
    sizes = [answer.usage.input_tokens for answer in (first, second, last)]
    expect(sizes == sorted(set(sizes)), f"{sizes} tokens were read")
    unknown = lambda: response("?", previous_response_id="resp_nobody")
    expect_error(unknown, openai.BadRequestError, 400, "previous_response_not_found")


def responses_structured():
    answer = CLIENT.responses.parse(model=MODEL, input=trial.MAIL, text_format=Sorted, max_output_tokens=200)
    expect_sorted(answer.output_parsed.model_dump())


def responses_errors():
    ask = CLIENT.responses.create
    expect_error(lambda: ask(model="no-such-model", input="?"), openai.NotFoundError, 404)
    expect_error(lambda: ask(model=MODEL, input=[{"role": "user", "content": 5}]), openai.BadRequestError, 400)
    if trial.IS_SCRIPTED:
        expect_error(lambda: response(trial.BREAK), openai.InternalServerError)
        broken = [event.type for event in response(trial.BREAK_IN_STREAM, stream=True)]
        expect("response.completed" not in broken and broken[-1] in ("response.failed", "error"), broken)


def responses_cancel():
    stream = CLIENT.responses.create(model=MODEL, input=trial.COUNT, stream=True)
    next(iter(stream))
    stream.close()


trial.run(
    "Chat Completions",
    {
        "chat": chat_whole,
        "stream": chat_stream,
        "tools": chat_tools,
        "structured output": chat_structured,
        "errors": chat_errors,
        "cancellation": lambda: trial.cancelled(chat_cancel),
    },
)
trial.run(
    "Responses",
    {
        "chat": responses_whole,
        "stream": responses_stream,
        "tools": responses_tools,
        "chain": responses_chain,
        "structured output": responses_structured,
        "errors": responses_errors,
        "cancellation": lambda: trial.cancelled(responses_cancel),
    },
)
