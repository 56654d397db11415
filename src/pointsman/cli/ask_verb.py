"""`pointsman ask`: one question through the whole line, in this process; the answer, and one line about it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from pointsman.cli.terminal import config_option, json_option, paint, print_json, say
from pointsman.library import Answer, Gateway


@click.command("ask", help="Ask a question and print the answer.")
@click.argument("question", required=False)
@click.option("-m", "--model", default="auto", show_default=True, help="Route, model or provider/model.")
@click.option("-s", "--system", help="System message.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@config_option
@json_option
def command(
    question: str | None,
    model: str,
    system: str | None,
    max_tokens: int | None,
    no_stream: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Ask."""
    text = question or ""
    if not sys.stdin.isatty() and question in (None, "-"):
        text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("what is the question? Give it as an argument or on standard input")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    params: dict[str, Any] = {"max_tokens": max_tokens} if max_tokens else {}
    with Gateway(config) as gateway:
        gateway.wait_for_models()
        begun = time.monotonic()
        if as_json or no_stream:
            answer = gateway.chat(messages, model, **params)
            seconds = time.monotonic() - begun
            if as_json:
                print_json({"text": answer.text, "answer": answer.body, "headers": answer.headers, "seconds": seconds})
                return
            print(answer.text)
        else:
            answer = _streamed(gateway, messages, model, params)
            seconds = time.monotonic() - begun
    say(about(answer, seconds))


def _streamed(gateway: Gateway, messages: list[dict[str, str]], model: str, params: dict[str, Any]) -> Answer:
    """Print a stream as it comes; what it says about itself, as a whole answer would."""
    usage: dict[str, Any] = {}
    stream = gateway.stream(messages, model, stream_options={"include_usage": True}, **params)
    for chunk in stream:
        for choice in chunk.get("choices") or ():
            print((choice.get("delta") or {}).get("content") or "", end="", flush=True)
        usage = chunk.get("usage") or usage
    print()
    headers = dict(stream.headers)
    if "cost" in usage:
        headers["x-pointsman-cost-usd"] = f"{usage['cost']:.9f}".rstrip("0").rstrip(".") or "0"
    return Answer(body={"usage": usage}, headers=headers)


def about(answer: Answer, seconds: float) -> str:
    """Route, model, time, tokens, cost: one line."""
    usage = answer.usage
    tokens = usage.get("total_tokens") or usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    cost = "unpriced" if answer.cost is None else f"${answer.cost.normalize():f}"
    line = f"  {answer.route} → {answer.model}   {seconds:.2f} s   {tokens} tokens   {cost}"
    return paint(line, "dim", err=True)
