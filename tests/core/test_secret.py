"""What looks like a secret where a name is expected."""

from __future__ import annotations

import secrets
import string

import pytest

from pointsman.core.secret import is_secret


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefghijklmnop1234",
        "pm-0123456789abcdefghijABCDEFGHIJ0123456789",
        "Bearer sk-ant-api03-abcdefghijkl",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "AbCd1EfGh2IjKl3MnOp4QrSt5",
    ],
)
def test_a_secret_is_one(text: str) -> None:
    assert is_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "ci",
        "app",
        "pm-AbC12",  # the beginning of one, by which keys are named
        "01m8h8857qkscz6p5jh859m4wb",
        "file:the-key-of-the-search-team",
        "SearchTeamProduction2024",
        "Search-Team-2024-Prod-EU",
        "550e8400-e29b-41d4-a716-446655440000",
        "Qwen2.5-Coder-32B-Instruct",
        "anna.schmidt+test@Example.com",
        "a" * 60,
        "0" * 60,
        "my long name of a key, Version 2",
    ],
)
def test_a_name_is_none(text: str) -> None:
    assert not is_secret(text)


def test_nearly_every_random_text_is_one() -> None:
    letters = string.ascii_letters + string.digits
    made = ["".join(secrets.choice(letters) for _ in range(40)) for _ in range(400)]
    assert sum(map(is_secret, made)) > 390
