from __future__ import annotations

import io
import json
import sys

import pytest

from pointsman.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_list(invoke, folder):
    said = invoke("pull", "--list")
    assert said.code == 0
    assert "smollm2-135m" in said.out
    assert "not here" in said.out
    assert str(folder / "home" / "models") in said.err
    assert json.loads(invoke("pull", "--list", "--json").out)[0]["path"] is None


def test_an_unknown_name(invoke, folder):
    said = invoke("pull", "nobody")
    assert (said.code, said.out) == (1, "")
    assert "hint: known: smollm2-135m" in said.err


def test_lines_where_there_is_no_terminal(capsys):
    with Progress("weights") as progress:
        for done in range(101):
            progress("downloading", done * 1_000_000, 100_000_000)
        progress("checking", 5, 5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "weights: downloading, 0 % of 100.0 MB"
    assert lines[-1] == "weights: checking, 100 % of 5 B"
    assert len(lines) == 6


@pytest.mark.parametrize("colour", [True, False])
def test_a_bar_on_a_terminal(monkeypatch, colour):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    with Progress("weights") as progress:
        progress("downloading", 50, 100)
        progress("downloading", 51, 100)
    shown = screen.getvalue()
    assert shown.count("downloading") == 1, "not more often than ten times a second"
    assert "━" in shown
    assert "\n" not in shown
    assert ("\x1b[32m" in shown) is colour


def test_no_bar_where_there_is_no_room(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    with Progress("weights") as progress:
        progress("downloading", 50, 0)
    assert "━" not in screen.getvalue()
