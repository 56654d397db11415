"""What each kind of fault does to an answer. Neutral: nothing here knows a dialect's JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from pointsman.testing.dialect import Answer, Ask, Frame, Headers, Mark, Part, Refusal, Request, SimDialect, ToolUse
from pointsman.testing.faults import Fault
from pointsman.testing.player import Ending, Timeline

_JSON = [(b"content-type", b"application/json")]
_HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
_DEPRECATIONS = "https://platform.openai.com/docs/deprecations"
_PLAIN = b"The service is being updated, please come back later.\n"
_BEFORE_RESET = 0.02  # seconds between the last piece and an RST: an RST may overtake what is still on its way
_FAR = 86_400.0

WORDS = {
    "context_length_exceeded": "This model's maximum context length is exceeded. Please reduce the messages.",
    "content_filter": "The response was filtered due to the prompt triggering the content management policy.",
    "unsupported_parameter": "Unsupported parameter: 'temperature' is not supported with this model.",
    "invalid_api_key": "Incorrect API key provided.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "prefill_refused": (
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
    ),
    "model_not_found": "The model does not exist or you do not have access to it.",
    "rate_limit_exceeded": "Rate limit reached for requests.",
    "overloaded_error": "Overloaded",
    "server_error": "The server had an error while processing your request.",
}


def refusal_of(fault: Fault, model: str = "") -> Refusal:
    """The refusal that a fault's error stands for, to a request for a model."""
    status = 500 if fault.status == 200 else fault.status  # an error inside a 200 still says whose fault it is
    wait = fault.seconds if fault.retry_after else 0.0
    tail = f" Please try again in {wait:g}s." if fault.retry_after == "body" else ""
    message = WORDS.get(fault.error, fault.meaning)
    subject = ""
    if fault.error == "model_retired":
        subject = model
        message = f"The model `{model}` has been deprecated, learn more here: {_DEPRECATIONS}"
    return Refusal(status, fault.error, message, subject=subject, wait=wait, tail=tail)


def refused(refusal: Refusal, dialect: SimDialect, request: Request, headers: Headers) -> Timeline:
    """The timeline of a no."""
    return at_once(dialect.status(refusal), _JSON + headers, dialect.error(refusal, request))


def wait_headers(seconds: float, form: str, now: int) -> Headers:
    """Retry-After in one of its forms. `now` in nanoseconds since the epoch."""
    match form:
        case "seconds":
            return [(b"retry-after", b"%d" % max(round(seconds + 0.499), 1))]
        case "ms":
            return [(b"retry-after-ms", b"%d" % int(seconds * 1000))]
        case "date":
            then = datetime.fromtimestamp(now / 1e9, UTC) + timedelta(seconds=seconds)
            return [(b"retry-after", format_datetime(then, usegmt=True).encode())]
    return []


def instead(fault: Fault, dialect: SimDialect, request: Request, model: str, now: int) -> Timeline | None:
    """The timeline of a fault that needs no answer from the model; None if it needs one.

    Args:
        fault: that strikes.
        dialect: of the request.
        request: that it strikes.
        model: that was asked for.
        now: nanoseconds since the epoch.
    """
    refusal = refusal_of(fault, model)
    match fault.kind:
        case "status":
            line = refused(refusal, dialect, request, wait_headers(fault.seconds, fault.retry_after, now))
        case "html":
            line = at_once(fault.status, [(b"content-type", b"text/html; charset=utf-8")], _HTML)
        case "plain_text":
            line = at_once(fault.status, [(b"content-type", b"text/plain; charset=utf-8")], _PLAIN)
        case "error_in_200":
            line = at_once(200, _JSON, dialect.error(refusal, request))
        case "refuse":
            line = _nothing("rst")
        case "reset":
            line = _nothing("rst" if fault.reset else "fin")
        case "silent":
            line = _nothing("hang")
        case _:
            return None
    return line


def _nothing(ending: Ending) -> Timeline:
    return Timeline(status=0, headers=[], at=[], pieces=[], ending=ending)


def at_once(status: int, headers: Headers, body: bytes) -> Timeline:
    """A whole answer without delay."""
    return Timeline(status=status, headers=headers, length=len(body), at=[0.0], pieces=[body])


def spoil_parts(fault: Fault, ask: Ask, parts: list[Part]) -> None:
    """Faults in what the model says."""
    for part in parts:
        if fault.kind == "empty":
            part.text, part.calls, part.finish = [], [], "stop"
        elif fault.kind == "huge":
            part.text, part.calls = [" signal" * 128] * max(fault.size // 896, 1), []
        elif fault.kind == "broken_arguments" and (part.calls or ask.offers):
            calls = part.calls or [ToolUse(name=ask.offers[0].name, arguments='{"a": 1}')]
            part.text, part.finish = [], "tool_calls"
            part.calls = [ToolUse(name=c.name, arguments=c.arguments[: max(len(c.arguments) - 2, 1)]) for c in calls]


def spoil_answer(fault: Fault, answer: Answer) -> None:
    """Faults in how usage is told."""
    if fault.kind == "usage_missing":
        answer.usage = None
    answer.usage_twice = fault.kind == "usage_twice"


def spoil_frames(fault: Fault, frames: list[Frame], dialect: SimDialect, ask: Ask, answer: Answer) -> list[Frame]:
    """Faults in the events of a stream that change bytes but not times."""
    place = _content_index(frames, fault.after)
    match fault.kind:
        case "malformed":
            return [*frames[:place], (Mark.CONTENT, dialect.malformed(ask)), *frames[place:]]
        case "error_in_stream":
            return [*frames[:place], (Mark.END, dialect.error_frame(refusal_of(fault), ask, answer, place))]
        case "truncated":
            mark, frame = frames[place]
            return [*frames[:place], (mark, frame[: len(frame) // 2])]
        case "no_end":
            dropped = {Mark.END} if fault.after else {Mark.FINISH, Mark.USAGE, Mark.END}
            return [frame for frame in frames if frame[0] not in dropped]
    return frames


def spoil_timeline(fault: Fault, line: Timeline, frames: list[Frame] | None) -> None:
    """Faults in when and whether bytes go out. `frames` None: a whole answer."""
    match fault.kind:
        case "slow_first":
            line.at = [at + fault.seconds for at in line.at]
            line.end_at += fault.seconds
        case "silent_body":
            line.head_at, line.at, line.pieces, line.ending = 0.0, [], [], "hang"
        case "cut" | "stall":
            _stop_early(fault, line, frames)
        case "slow_token":
            line.head_at = 0.0
            heads = _heads(frames)
            line.at = [0.0 if index < heads else at + fault.seconds for index, at in enumerate(line.at)]
            line.end_at += fault.seconds
        case "malformed" | "truncated" if frames is None:
            body = b"".join(line.pieces)
            body = body[: len(body) // 2]
            line.pieces, line.at, line.length = [body], line.at[:1], len(body)
        case "slow_drip":
            _drip(fault, line)


def _stop_early(fault: Fault, line: Timeline, frames: list[Frame] | None) -> None:
    if frames is None:
        body = b"".join(line.pieces)
        # Content-length promises all of it; half of it comes, or nothing when the fault strikes at once.
        line.length = len(body)
        line.pieces = [body[: len(body) // 2]] if fault.after else []
        line.at = line.at[: len(line.pieces)]
    else:
        place = _content_index(frames, fault.after) if fault.after else 0
        line.pieces, line.at = line.pieces[:place], line.at[:place]
    line.head_at = line.at[0] if line.at else 0.0
    line.end_at = (line.at[-1] if line.at else 0.0) + _BEFORE_RESET
    line.ending = "hang" if fault.kind == "stall" else ("rst" if fault.reset else "fin")


def _drip(fault: Fault, line: Timeline) -> None:
    pieces: list[bytes] = []
    at: list[float] = []
    clock = 0.0
    for due, piece in zip(line.at, line.pieces, strict=True):
        for start in range(0, len(piece), max(fault.size, 1)):
            clock = max(clock + fault.seconds, due)
            pieces.append(piece[start : start + max(fault.size, 1)])
            at.append(min(clock, _FAR))
    line.pieces, line.at, line.end_at = pieces, at, max(clock, line.end_at)


def _heads(frames: list[Frame] | None) -> int:
    """Frames that come before any content; none of a whole answer."""
    return next((index for index, (mark, _) in enumerate(frames or ()) if mark is not Mark.HEAD), 0)


def _content_index(frames: list[Frame], after: int) -> int:
    """Where the frame after so many content frames stands (the last frame, if there are not so many)."""
    seen = 0
    for index, (mark, _) in enumerate(frames):
        if mark is Mark.CONTENT:
            if seen == after:
                return index
            seen += 1
    return max(len(frames) - 1, 0)
