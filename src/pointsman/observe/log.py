"""What the process writes about itself, on standard error: for people or one JSON object a line. Never content."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Literal

import msgspec


def to_terminal(level: str, form: Literal["text", "json"]) -> None:
    """Write our log from a level on; a second call replaces the first.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `text` for people, `json` for machines.
    """
    logger = logging.getLogger("pointsman")
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"{_time(record)} {record.levelname.lower()}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields).decode()


def _time(record: logging.LogRecord) -> str:
    return (
        dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
