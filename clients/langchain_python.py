"""LangChain for Python: ChatOpenAI with Chat Completions and with Responses, and ChatAnthropic."""

from typing import Literal

import anthropic
import openai
import pydantic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import trial
from trial import MODEL, expect, expect_city, expect_error, expect_sorted, expect_text


class Sorted(pydantic.BaseModel):
    """What a mail is about."""

    category: Literal["login", "refund", "question"]
    urgent: bool


@tool
def get_weather(city: Literal["Oslo", "Bergen"]) -> str:
    """Tells the weather."""
    return "7 degrees" if city == "Oslo" else "unknown"


def openai_model(use_responses_api, model=MODEL):
    return ChatOpenAI(
        model=model,
        base_url=f"{trial.URL}/v1",
        api_key="sk-trial",
        max_retries=0,
        timeout=60,
        max_tokens=200,
        stream_usage=True,
        use_responses_api=use_responses_api,
    )


def anthropic_model(model=MODEL):
    return ChatAnthropic(
        model=model, base_url=trial.URL, api_key="sk-trial", max_retries=0, timeout=60, max_tokens=200
    )


def text_of(message):
    """Returns the text; a property in newer versions, a method in older ones."""
    text = message.text
    return text() if callable(text) and not isinstance(text, str) else text


def whole(llm):
    answer = llm.invoke(trial.HELLO)
    expect_text(text_of(answer), trial.HELLO_SAID)
    expect(answer.usage_metadata["output_tokens"] > 0, answer.usage_metadata)


def stream(llm):
    whole, pieces = None, 0
    for chunk in llm.stream(trial.HELLO):
        pieces += bool(text_of(chunk))
        whole = chunk if whole is None else whole + chunk
    expect(pieces > 1, f"{pieces} pieces")
    expect_text(text_of(whole), trial.HELLO_SAID)
    expect(whole.usage_metadata["output_tokens"] > 0, whole.usage_metadata)


def tools(llm):
    bound = llm.bind_tools([get_weather], **trial.must_call("any"))
    history = [HumanMessage(trial.WEATHER)]
    first = bound.invoke(history)
    call = first.tool_calls[0]
    expect(call["name"] == "get_weather", call)
    expect_city(call["args"])
    streamed = None
    for chunk in bound.stream(history):
        streamed = chunk if streamed is None else streamed + chunk
    expect_city(streamed.tool_calls[0]["args"])
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    answering = llm.bind_tools([get_weather]) if trial.IS_SCRIPTED else llm
    trial.expect_weather(text_of(answering.invoke(history + [first, result])))


def structured(llm):
    answer = llm.with_structured_output(Sorted, method="json_schema").invoke(trial.MAIL)
    expect_sorted(answer.model_dump())


def errors(make, kinds):
    expect_error(lambda: make("no-such-model").invoke("?"), kinds.NotFoundError, 404)
    if trial.IS_SCRIPTED:
        expect_error(lambda: make(MODEL).invoke(trial.BREAK), kinds.InternalServerError)
        try:
            list(make(MODEL).stream(trial.BREAK_IN_STREAM))
        except Exception:
            return
        raise AssertionError("a stream that broke off ended as if it were whole")


def cancel(llm):
    stream = llm.stream(trial.COUNT)
    next(stream)
    stream.close()


def trials(make, kinds):
    llm = make(MODEL)
    return {
        "chat": lambda: whole(llm),
        "stream": lambda: stream(llm),
        "tools": lambda: tools(llm),
        "structured output": lambda: structured(llm),
        "errors": lambda: errors(make, kinds),
        "cancellation": lambda: trial.cancelled(lambda: cancel(llm)),
    }


trial.run("Chat Completions", trials(lambda model: openai_model(False, model), openai))
trial.run("Responses", trials(lambda model: openai_model(True, model), openai))
trial.run("Messages", trials(anthropic_model, anthropic))
