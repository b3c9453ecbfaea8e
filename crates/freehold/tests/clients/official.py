"""Speaks to a gateway with the official OpenAI and Anthropic clients, whole and streamed, and prints what came back.

Arguments: the gateway's address, and a file with request bodies by name (triage, decide, reply).
"""

import json
import sys

import anthropic
import openai


def chat_whole(client, body):
    raw = client.chat.completions.with_raw_response.create(**body)
    answer = raw.parse()
    message = answer.choices[0].message
    calls = [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]
    return {
        "text": message.content,
        "calls": calls,
        "finish": answer.choices[0].finish_reason,
        "output_tokens": answer.usage.completion_tokens,
        "served_by": raw.headers.get("x-freehold-served-by"),
        "step": raw.headers.get("x-freehold-step"),
        "call": bool(raw.headers.get("x-freehold-call")),
    }


def chat_streamed(client, body):
    text, pieces, calls, usage, finish = "", 0, {}, None, None
    for chunk in client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}):
        if chunk.usage:
            usage = chunk.usage.completion_tokens
        for choice in chunk.choices:
            pieces += 1
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, ["", ""])
                known[0] += call.function.name or ""
                known[1] += call.function.arguments or ""
    called = [[name, json.loads(arguments)] for name, arguments in calls.values()]
    return {"text": text, "pieces": pieces, "calls": called, "finish": finish, "output_tokens": usage}


def current(body):
    """Moves a field that the client's signature no longer has, but that the API takes, to where the client wants it."""
    named = {name: value for name, value in body.items() if name != "temperature"}
    return {**named, "extra_body": {"temperature": body["temperature"]}}


def messages_whole(client, body):
    answer = client.messages.create(**current(body))
    text = "".join(block.text for block in answer.content if block.type == "text")
    return {"text": text, "finish": answer.stop_reason, "output_tokens": answer.usage.output_tokens}


def messages_streamed(client, body):
    pieces = 0
    with client.messages.stream(**current(body)) as stream:
        for _ in stream.text_stream:
            pieces += 1
        answer = stream.get_final_message()
    text = "".join(block.text for block in answer.content if block.type == "text")
    return {"text": text, "pieces": pieces, "finish": answer.stop_reason, "output_tokens": answer.usage.output_tokens}


def error_of(ask):
    try:
        ask()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return {"status": error.status_code, "kind": type(error).__name__}
    return None


def main():
    gateway, file = sys.argv[1], sys.argv[2]
    with open(file, encoding="utf-8") as handle:
        bodies = json.load(handle)
    chat = openai.OpenAI(base_url=f"{gateway}/v1", api_key="test", max_retries=0)
    messages = anthropic.Anthropic(base_url=gateway, api_key="test", max_retries=0)
    unknown = {"model": "none", "messages": [{"role": "user", "content": "who knows?"}]}
    print(
        json.dumps(
            {
                "triage": chat_whole(chat, bodies["triage"]),
                "triage_streamed": chat_streamed(chat, bodies["triage"]),
                "decide": chat_whole(chat, bodies["decide"]),
                "decide_streamed": chat_streamed(chat, bodies["decide"]),
                "reply": messages_whole(messages, bodies["reply"]),
                "reply_streamed": messages_streamed(messages, bodies["reply"]),
                "chat_error": error_of(lambda: chat.chat.completions.create(**unknown)),
                "messages_error": error_of(lambda: messages.messages.create(**unknown, max_tokens=5)),
                "models": [model.id for model in chat.models.list().data],
            }
        )
    )


main()
