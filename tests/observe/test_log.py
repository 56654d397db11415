from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from pointsman.observe.log import to_terminal


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    ours = logging.getLogger("pointsman")
    before = ours.handlers, ours.level, ours.propagate
    yield ours
    ours.handlers, ours.level, ours.propagate = before


def test_text_from_a_level_on(logger, capsys):
    to_terminal("warning", "text")
    logger.info("not this")
    logging.getLogger("pointsman.local").warning("but %s", "this")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning: but this\n", capsys.readouterr().err)


def test_json_is_one_object_a_line_even_for_a_traceback(logger, capsys):
    to_terminal("info", "json")
    try:
        int("broken\nline")
    except ValueError:
        logger.exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    said = json.loads(lines[0])
    assert (said["level"], said["message"]) == ("error", "failed")
    assert "invalid literal" in said["exception"]


def test_a_second_call_replaces_the_first(logger, capsys):
    to_terminal("info", "json")
    to_terminal("info", "text")
    logger.info("once")
    assert capsys.readouterr().err.count("once") == 1
