"""The benchmark of the line alone runs."""

from __future__ import annotations

import asyncio

from bench import line


def test_it_serves_its_calls(monkeypatch, capsys):
    monkeypatch.setattr(line, "CALLS", 20)
    monkeypatch.setattr(line, "ROUNDS", 1)
    asyncio.run(line.main())
    assert "us of CPU per call" in capsys.readouterr().out
