"""Streams that survive: when a provider breaks behind content, another model goes on in the caller's own stream.

While nothing breaks nothing is paid but that the bytes are remembered. Then the caller's dialect reads what he was told
(`told.standing`) and gives a writer that stands there (`CallerSide.resume`); what the next model writes goes on behind
it (`resumed`), without what it says twice (`seams`). The way to that model is a `port.Passage` like any other:

    told = Told()                                          # one for a call; `told.add(out)` beside each write
    ...                                                    # an UpstreamError after the commit point:
    standing = passages.standing(call.dialect.name, told, call.incoming)
    if standing.owed is not None:                          # only the end mark was missing: nobody has to be asked
        await write(standing.owed)                         # may be empty; then the stream is over
    elif standing.reason:                                  # nobody can go on: the error event, as before
        ...
    else:                                                  # for each further step, until one has content
        way = passages.onward(call.dialect.name, step.dialect, standing, spent=cost_so_far)
        outgoing = way.write_request(incoming, model, files)    # dressed as for any attempt, but for the way
        relay = way.relay(trip)                            # or relay_whole; `outgoing` in the trip says how it joins

The relay is a `Resumed`: its bytes follow what was told, its `has_content` says that the rest has begun (before that a
failure may go to the next step, and what it returned need not be written), and if it breaks behind content, `told` with
its bytes gives the next `standing`. Its `facts.usage` is for its own attempt, `usage` is what the caller was told.
Relays return whole events only, so whatever was cut, the caller holds no half of one. Keep-alives of ours may stand
between them, and need not be remembered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Message, Request, ResponseFormat, Text
from pointsman.wire.trip import Seamed

_CHARS_PER_TOKEN = 4
_GO_ON = (
    "The connection failed in the middle of your answer. Go on with it exactly where it stops, in the middle of a word "
    "if it stops there. Begin with the very next character, also if that is a space or a line break. Repeat nothing of "
    "what you have written, and write nothing but the rest of the answer: no introduction, no remark about this."
)
_JSON = "Together with what you have written, it has to be valid JSON."
_SCHEMA = "Together with what you have written, it has to be JSON that fits this schema: "


def seam_for(text: str, *, prefill: bool) -> Seamed:
    """How a model is asked to go on with a text."""
    if not text.strip():
        return ""
    return "prefill" if prefill else "instruction"


def continuation(request: Request, text: str, *, prefill: bool) -> Request:
    """A request for the rest of an answer.

    Args:
        request: the caller's, in no dialect.
        text: what he has had of the answer.
        prefill: the model goes on with a turn of the assistant that comes last; else it is told to.

    With no more than white space told it is the same request. The form of JSON is not asked for any more: it would be
    the form of the rest. Thinking is not asked for in a prefill, which goes with none.
    """
    if not text.strip():
        return request
    changes: dict[str, Any] = {"choices": 1, "logprobs": None, "response_format": None}
    if request.max_output is not None:
        changes["max_output"] = max(request.max_output - len(text) // _CHARS_PER_TOKEN, 1)
    if prefill:
        text = text.rstrip()  # providers refuse or strip white space there; `seams.Stripped` knows that it was told
        changes |= {"reasoning_effort": "", "reasoning_budget": None}
    messages = [*request.messages, Message(role="assistant", blocks=(Text(text=text),))]
    if not prefill:
        messages.append(Message(role="user", blocks=(Text(text=_instruction(request.response_format)),)))
    return msgspec.structs.replace(request, messages=tuple(messages), **changes)


def _instruction(form: ResponseFormat | None) -> str:
    if form is None or form.kind == "text":
        return _GO_ON
    if form.schema is None:
        return f"{_GO_ON} {_JSON}"
    return f"{_GO_ON} {_SCHEMA}{bytes(form.schema).decode('utf-8', 'replace')}"
