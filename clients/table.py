"""Turns the result of a run into the page of the documentation."""

import datetime

FEATURES = ["chat", "stream", "tools", "chain", "structured output", "errors", "cancellation", "token count"]
MARKS = {"works": "yes", "fails": "**no**", "refused": "refused", "absent": "–"}

HEAD = """# Clients

Which clients were seen to work with Freehold, and in which versions. `script/clients` installs them, runs them and
writes this page from what it saw; nothing stands here that was not run. Last run: {date}.

| client | version |
| --- | --- |
{versions}

What the columns mean:

- **chat**: a whole answer, with its usage.
- **stream**: an answer in more than one piece that adds up to the whole, with its usage.
- **tools**: the model calls a tool, whole and streamed; the client sends the result; the model answers from it. The
  official Python client makes tools of classes too, and reads the arguments back into them. The
  agents really read a file whose content changes with every run. A real model is made to call the tool, and may have
  nothing to say to the result.
- **chain**: `previous_response_id`, three answers in a row, one of them streamed; the last needs what was said in the
  first two. An id that nobody gave is the client's own error with OpenAI's code.
- **structured output**: the client's own way to ask for an object of a schema, and to read it.
- **errors**: an unknown model, a model that fails, and a stream that breaks off reach the caller as the client's own
  errors; so does a malformed request, where the client lets one send it. A stream that broke off never looks whole.
- **cancellation**: the client leaves in mid-stream, and the call ends where it is answered: the vendor sees the
  connection close, the engine's only slot becomes free.
- **token count**: the count of a prompt's tokens without an answer, where the API has one.

What some clients need:

- **Vercel AI SDK**: its Responses provider refers to earlier items by their ids unless it is told
  `providerOptions: {{ openai: {{ store: false }} }}`. With our own engine, or where Responses is translated, the record has
  to keep the text of those items ([gateway.md](gateway.md#going-on-from-an-earlier-answer)); else tools need the option.
- **Codex CLI**: `wire_api = "responses"` in its provider. It offers a web search that OpenAI runs and a bundle of tools,
  which no other dialect has: where Responses is translated, `-c web_search="disabled" --disable multi_agent`, or
  `accept_loss = true` on the upstream.
- **Claude Code**: `ANTHROPIC_BASE_URL` without `/v1`, `ANTHROPIC_API_KEY`, and `ANTHROPIC_MODEL` (also
  `ANTHROPIC_DEFAULT_HAIKU_MODEL`) for a model whose name it does not know. Its own list of models
  (`CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1`) shows only names with `claude` or `anthropic` in them.

`yes` was seen to work, `no` was seen not to work (a note says how), `refused` was seen to be refused, as it must be where
nothing may be lost (a note says with which words), `–` was not tried (a note says why where it is not
that the client has no such thing).
"""


def page(result):
    """Returns the page as Markdown."""
    versions = "\n".join(
        f"| {client['title']} | {client['version'] or 'not installed here, so not run'} |" for client in result["clients"]
    )
    parts = [HEAD.format(date=datetime.date.today().isoformat(), versions=versions)]
    parts += [section(target, result["clients"]) for target in result["targets"]]
    return "\n".join(parts)


def section(target, clients):
    lines = [f"## {target['title']}", "", target["about"], ""]
    if target["missing"]:
        return "\n".join([*lines, f"Not run: {target['missing']}.", ""])
    rows, notes = [], []
    for client in clients:
        by_api = {}
        for outcome in target["outcomes"].get(client["name"], []):
            by_api.setdefault(outcome["api"], {})[outcome["feature"]] = outcome
        rows += [row(client, api, found, notes) for api, found in by_api.items() if api]
        broken = by_api.get("", {}).get("")
        if broken:
            rows.append([client["title"], "", broken["note"], *[""] * (len(FEATURES) - 1)])
    used = [n for n, feature in enumerate(FEATURES) if any(cells[2 + n] for cells in rows)]
    head = ["client", "API", *[FEATURES[n] for n in used]]
    lines += [line(head), line(["---"] * len(head))]
    lines += [line([cells[0], cells[1], *[cells[2 + n] or "–" for n in used]]) for cells in rows]
    if notes:
        lines += ["", *[f"{number}. {note}" for number, note in enumerate(notes, 1)]]
    return "\n".join([*lines, ""])


def line(cells):
    return f"| {' | '.join(cells)} |"


def row(client, api, found, notes):
    cells = []
    for feature in FEATURES:
        outcome = found.get(feature)
        if outcome is None:
            cells.append("")
            continue
        mark = MARKS[outcome["outcome"]]
        note = outcome.get("note", "").replace("|", "\\|")
        if note:
            if note not in notes:
                notes.append(note)
            mark += f" ({notes.index(note) + 1})"
        cells.append(mark)
    return [client["title"], api, *cells]
