"""`pointsman ask`: one question through the whole line, in this process; the answer, and one line about it."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.terminal import config_option, described, json_option, paint, plain, print_json, say

if TYPE_CHECKING:
    from pointsman.library import Answer, Gateway

_HELP = described(
    "Ask a question and print the answer; one line on standard error says which route chose which model, the time, the "
    "tokens and the cost. What is piped in comes before the question.",
    'pointsman ask "Why is the sky blue?"',
    'cat error.log | pointsman ask -m auto "What went wrong?"',
)


@click.command("ask", help=_HELP, short_help="Ask a question and print the answer.")
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
    text = question_of(question)
    if not text.strip():
        raise click.UsageError("What is the question? Give it as an argument or on standard input")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    params: dict[str, Any] = {"max_tokens": max_tokens} if max_tokens else {}
    from pointsman.library import Gateway

    with _ended_as_by_ctrl_c(), Gateway(config) as gateway:
        gateway.wait_for_models()
        begun = time.monotonic()
        if as_json or no_stream:
            answer = gateway.chat(messages, model, **params)
            seconds = time.monotonic() - begun
            if as_json:
                print_json({"text": answer.text, "answer": answer.body, "headers": answer.headers, "seconds": seconds})
                return
            print(_shown(answer.text))
        else:
            answer = _streamed(gateway, messages, model, params)
            seconds = time.monotonic() - begun
    say(about(answer, seconds))


class _Ended(KeyboardInterrupt):
    """Told to end; what Ctrl-C does, and the exit code of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM and a closed terminal leave the call's row in the ledger too; a second signal does not wait for it."""

    def told(number: int, frame: types.FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        raise _Ended(number)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]  # `nohup`
    before = {number: signal.signal(number, told) for number in numbers}
    try:
        yield
    except _Ended as ended:
        sys.exit(128 + ended.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def question_of(argument: str | None) -> str:
    """The question: the argument, with what is piped in before it; `-` or nothing is standard input alone."""
    if argument in (None, "-"):
        return "" if sys.stdin.isatty() else sys.stdin.read()
    piped = sys.stdin.read() if _is_piped() else ""
    return f"{piped.rstrip()}\n\n{argument}" if piped.strip() else argument or ""


def _is_piped() -> bool:
    """Whether somebody sends something in: a pipe or a file; not a terminal, a socket or /dev/null."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # closed, or none
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _streamed(gateway: Gateway, messages: list[dict[str, str]], model: str, params: dict[str, Any]) -> Answer:
    """Print a stream as it comes; what it says about itself, as a whole answer would."""
    from pointsman.library import Answer

    usage: dict[str, Any] = {}
    last = "\n"
    stream = gateway.stream(messages, model, stream_options={"include_usage": True}, **params)
    try:
        for chunk in stream:
            for choice in chunk.get("choices") or ():
                text = (choice.get("delta") or {}).get("content") or ""
                print(_shown(text), end="", flush=True)
                last = text[-1:] or last
            usage = chunk.get("usage") or usage
    finally:
        if last != "\n":  # also before an error's line
            print(flush=True)
    headers = dict(stream.headers)
    if "cost" in usage:
        headers["x-pointsman-cost-usd"] = f"{usage['cost']:.9f}".rstrip("0").rstrip(".") or "0"
    return Answer(body={"usage": usage}, headers=headers)


def _shown(text: str) -> str:
    """A model's words; on a terminal without what would steer it."""
    return plain(text) if sys.stdout.isatty() else text


def _cost_of(answer: Answer) -> str:
    if answer.cost is not None:
        return f"{'≈' if answer.cost_estimated else ''}${answer.cost.normalize():f}"
    unpriced = "unpriced" in answer.headers.get("x-pointsman-warning", "") or answer.usage
    return "unpriced" if unpriced else "cost: see `pointsman logs`"  # a stream whose provider states no usage


def about(answer: Answer, seconds: float) -> str:
    """Route, model, time, tokens, cost: one line."""
    usage = answer.usage
    tokens = usage.get("total_tokens") or usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    cost = _cost_of(answer)
    line = f"  {answer.route} → {answer.model}   {seconds:.2f} s   {tokens} tokens   {cost}"
    return paint(plain(line), "dim", err=True)
