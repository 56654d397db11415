"""A model whose texts are laid down goes on from a begun answer exactly, in every dialect and both ways of asking."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from pointsman.testing import FaultRule, Script, SimModel, SimProvider, Simulator, recital, running

DIALECTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")
WHOLE = recital("tell me", 30)
PLACES = (1, 7, len(WHOLE) // 2, len(WHOLE) - 1)


def spoken(dialect: str, turns: list[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    """Path and body of a conversation."""
    plain = [{"role": role, "content": text} for role, text in turns]
    match dialect:
        case "openai-chat":
            return "/v1/chat/completions", {"model": "m", "messages": plain}
        case "openai-responses":
            return "/v1/responses", {"model": "m", "input": plain}
        case "anthropic-messages":
            return "/v1/messages", {"model": "m", "max_tokens": 999, "messages": plain}
    contents = [{"role": "model" if role == "assistant" else role, "parts": [{"text": text}]} for role, text in turns]
    return "/v1beta/models/m:generateContent", {"contents": contents}


def said(dialect: str, body: dict[str, Any]) -> str:
    match dialect:
        case "openai-chat":
            return body["choices"][0]["message"]["content"]
        case "openai-responses":
            return body["output"][0]["content"][0]["text"]
        case "anthropic-messages":
            return body["content"][0]["text"]
    return body["candidates"][0]["content"]["parts"][0]["text"]


def answer(sim: Simulator, dialect: str, turns: list[tuple[str, str]]) -> tuple[int, dict[str, Any]]:
    path, body = spoken(dialect, turns)
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=5)
    connection.request("POST", path, json.dumps(body), {"anthropic-version": "2023-06-01"})
    response = connection.getresponse()
    made = response.status, json.loads(response.read())
    connection.close()
    return made


def provider(**model: Any) -> Script:
    return Script(providers=(SimProvider(name="p", also=DIALECTS[1:], models=(SimModel(name="m", **model),)),))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_begun_answer_is_gone_on_from_to_the_letter(dialect):
    with running(provider(recites=30)) as sim:
        assert said(dialect, answer(sim, dialect, [("user", "tell me")])[1]) == WHOLE
        for place in PLACES:
            begun = WHOLE[:place].rstrip()  # Anthropic takes no blank at the end
            for turns in ([], [("user", "Go on where you stopped.")]):
                _, body = answer(sim, dialect, [("user", "tell me"), ("assistant", begun), *turns])
                assert begun + said(dialect, body) == WHOLE


@pytest.mark.parametrize("dialect", DIALECTS)
def test_told_to_go_on_it_repeats_what_it_is_set_to_and_nothing_after_a_prefill(dialect):
    begun = WHOLE[:40].rstrip()
    with running(provider(recites=30, repeats=12)) as sim:
        _, told = answer(sim, dialect, [("user", "tell me"), ("assistant", begun), ("user", "Continue.")])
        _, prefilled = answer(sim, dialect, [("user", "tell me"), ("assistant", begun)])
    assert said(dialect, told) == WHOLE[len(begun) - 12 :]
    assert begun + said(dialect, prefilled) == WHOLE


def test_a_new_question_after_a_whole_answer_gets_an_answer_of_its_own():
    with running(provider(recites=30)) as sim:
        turns = [("user", "tell me"), ("assistant", WHOLE), ("user", "and now?")]
        assert said("openai-chat", answer(sim, "openai-chat", turns)[1]) == recital("and now?", 30)
        _, body = answer(sim, "openai-chat", [*turns[:2], ("user", "Continue.")])
        assert body["choices"][0]["message"]["content"] == ""


def test_every_model_recites_the_same_and_texts_of_its_own_come_first():
    with running(provider(recites=30, answers={"hello": "Good morning to you"})) as sim:
        turns = [("user", "hello"), ("assistant", "Good morning")]
        assert said("openai-chat", answer(sim, "openai-chat", turns)[1]) == " to you"
    assert recital("a", 30) != recital("b", 30)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_that_refuses_a_begun_answer_answers_everything_else(dialect):
    with running(provider(recites=30, faults=(FaultRule(fault="prefill_refused"),))) as sim:
        status, body = answer(sim, dialect, [("user", "tell me"), ("assistant", WHOLE[:9])])
        assert status == 400
        assert body["error"]["message"]
        assert said(dialect, answer(sim, dialect, [("user", "tell me")])[1]) == WHOLE
        sim.inject("prefill_refused")
        answer(sim, dialect, [("user", "tell me")])
        assert answer(sim, dialect, [("user", "tell me"), ("assistant", WHOLE[:9])])[0] == 400


def test_anthropic_takes_no_blank_at_the_end_of_a_begun_answer():
    with running(provider(recites=30)) as sim:
        status, body = answer(sim, "anthropic-messages", [("user", "tell me"), ("assistant", "So ")])
    assert (status, body["error"]["message"]) == (
        400,
        "messages: final assistant content cannot end with trailing whitespace",
    )
