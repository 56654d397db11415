"""Conversations that go on by `previous_response_id`, whichever model answers: over sockets, with OpenAI's library."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

import harness
from pointsman.store.responses import ResponseSettings, SqlResponses
from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.script import FaultRule, Pace, Thinking

ON = {"responses": {"store": True}}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not found is looked for again for a part of the usual second only."""
    quick = functools.partial(SqlResponses, settings=ResponseSettings(others=0.3))
    monkeypatch.setattr("pointsman.compose.building.SqlResponses", quick)


@asynccontextmanager
async def client(served: Any, key: str = "any") -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as sdk:
        yield sdk


async def make_key(served: Any, name: str) -> str:
    key = await asyncio.to_thread(served.house.pieces.keys.create, name)
    await asyncio.to_thread(served.house.pieces.keys.refresh)
    return str(key.secret)


async def said(sdk: openai.AsyncOpenAI, *, stream: bool, **fields: Any) -> Any:
    """A response, whole or put together from its stream."""
    if not stream:
        return await sdk.responses.create(**fields)
    async with sdk.responses.stream(**fields) as events:
        return await events.get_final_response()


def asked(sim: Simulator) -> list[dict[str, Any]]:
    """The messages of the newest request to a provider of chat."""
    return list(sim.journal[-1].json()["messages"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_second_turn_by_id_brings_the_first_one_along(
    sim: Any, config: Any, serving: Any, stream: bool
) -> None:
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        first = await said(sdk, stream=stream, model="small", instructions="Be brief.", input="say: My dog is Rex.")
        assert first.output_text == "My dog is Rex."
        second = await said(sdk, stream=stream, model="small", input="say: Good dog.", previous_response_id=first.id)
        assert second.output_text == "Good dog."
        assert second.previous_response_id == first.id
        assert second.id != first.id
        third = await said(sdk, stream=stream, model="large", input="say: Yes.", previous_response_id=second.id)
        assert third.output_text == "Yes."
        roles = [(one["role"], one["content"]) for one in asked(sim)]
        assert [role for role, _ in roles] == ["user", "assistant", "user", "assistant", "user"]
        texts = json.dumps(roles)
        for text in ("say: My dog is Rex.", "My dog is Rex.", "Good dog.", "say: Yes."):
            assert text in texts
        assert "Be brief." not in texts, "instructions are of one request alone"
        branched = await said(sdk, stream=stream, model="small", input="say: Bad.", previous_response_id=first.id)
        assert branched.output_text == "Bad."
        assert [one["role"] for one in asked(sim)] == ["user", "assistant", "user"], "an earlier one is still there"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_answers_to_which_their_providers_give_one_id_are_told_apart(
    sim: Any, config: Any, serving: Any, stream: bool
) -> None:
    """Both number theirs from 1."""
    async with Simulator(sim.script) as other:
        asked_of = config(sim, **ON)
        asked_of["providers"]["two"]["base_url"] = other.url_of("two")
        async with serving(asked_of) as served, client(served) as sdk:
            first = await said(sdk, stream=stream, model="small", input="say: My dog is Rex.")
            second = await said(sdk, stream=stream, model="large", input="say: My cat is Tom.")
            assert first.id != second.id
            assert first.output[0].id != second.output[0].id
            await said(sdk, stream=stream, model="small", input="say: So?", previous_response_id=first.id)
            assert [one["content"] for one in asked(sim)][1] == "My dog is Rex."


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_tools_in_between(sim: Any, config: Any, serving: Any, stream: bool) -> None:
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        first = await said(sdk, stream=stream, model="small", input="Call get_weather for Paris.", tools=[WEATHER])
        call = next(item for item in first.output if item.type == "function_call")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees and sunny"}
        second = await said(
            sdk, stream=stream, model="large", input=[result], tools=[WEATHER], previous_response_id=first.id
        )
        assert "21 degrees" in second.output_text
        user, calling, tool = asked(sim)
        assert user["role"] == "user"
        assert calling["tool_calls"][0]["function"]["name"] == "get_weather"
        assert (tool["role"], tool["tool_call_id"]) == ("tool", calling["tool_calls"][0]["id"])
        third = await said(sdk, stream=stream, model="small", input="say: Thanks.", previous_response_id=second.id)
        assert third.output_text == "Thanks."
        assert [one["role"] for one in asked(sim)] == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_stream_that_is_judged_for_its_form_is_kept_too(sim: Any, config: Any, serving: Any) -> None:
    form = {"format": {"type": "json_object"}}
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        first = await said(sdk, stream=True, model="small", input="A pair in JSON.", text=form)
        second = await said(sdk, stream=False, model="small", input="say: Fine.", previous_response_id=first.id)
        assert second.output_text == "Fine."


async def test_the_needs_of_the_whole_conversation_decide_the_route(sim: Any, config: Any, serving: Any) -> None:
    models = {**config(sim)["models"]}
    models["small"] = {**models["small"], "context": 1000}
    models["large"] = {**models["large"], "context": 100_000}
    async with serving(config(sim, **ON) | {"models": models}) as served, client(served) as sdk:
        raw = sdk.responses.with_raw_response
        first = await raw.create(model="auto", input="say: " + "word " * 300)
        assert first.headers["x-pointsman-model"] == "small"
        second = await raw.create(model="auto", input="say: " + "word " * 300, previous_response_id=first.parse().id)
        third = await raw.create(model="auto", input="say: end", previous_response_id=second.parse().id)
        assert third.headers["x-pointsman-model"] == "large", "what is gone on from counts"
        counted = await sdk.responses.input_tokens.count(
            model="auto", input="say: end", previous_response_id=second.parse().id
        )
        assert counted.input_tokens > 1000


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_items_can_be_referred_to_by_their_ids(
    sim: Any, config: Any, serving: Any, ask: Any, stream: bool
) -> None:
    """As the AI SDK of Vercel does, unless it is told not to."""
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        user = {"role": "user", "content": "Call get_weather for Paris."}
        first = await said(sdk, stream=stream, model="small", input=[user], tools=[WEATHER])
        call = next(item for item in first.output if item.type == "function_call")
        turn = [
            user,
            *({"type": "item_reference", "id": item.id} for item in first.output),
            {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"},
        ]
        second = await said(sdk, stream=stream, model="large", input=turn, tools=[WEATHER])
        assert "21 degrees" in second.output_text
        assert [one["role"] for one in asked(sim)] == ["user", "assistant", "tool"]
        third = await said(
            sdk, stream=stream, model="small", input="say: Thanks.", previous_response_id=second.id, tools=[WEATHER]
        )
        assert third.output_text == "Thanks."
        assert [one["role"] for one in asked(sim)] == ["user", "assistant", "tool", "assistant", "user"]
        await sdk.responses.delete(first.id)
        refused = await ask(served, "POST", "/v1/responses", {"model": "small", "input": turn, "tools": [WEATHER]})
        assert (refused.status, refused.error["param"]) == (400, "input[1]"), "what is gone is named"


async def test_references_to_more_than_a_conversation_may_hold_are_refused(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    """A few kilobytes of references to one long item were hundreds of megabytes in memory."""
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        first = await sdk.responses.create(model="small", input="say: " + "x" * 100_000)
        reference = {"type": "item_reference", "id": first.output[0].id}
        body = {"model": "small", "input": [reference, {"role": "user", "content": "say: Yes."}]}
        assert (await ask(served, "POST", "/v1/responses", body)).status == 200
        refused = await ask(served, "POST", "/v1/responses", {**body, "input": [reference] * 100})
        assert (refused.status, refused.error["param"]) == (400, "input")


async def test_another_key_knows_nothing_of_it(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim, **ON)) as served:
        keys = [await make_key(served, name) for name in ("ann", "bob")]
        async with client(served, keys[0]) as ann, client(served, keys[1]) as bob:
            mine = await ann.responses.create(model="small", input="say: A secret.")

            async def refused(wanted: str) -> None:
                with pytest.raises(openai.NotFoundError) as caught:
                    await bob.responses.create(model="small", input="say: Hm.", previous_response_id=wanted)
                assert caught.value.code == "previous_response_not_found"
                assert caught.value.param == "previous_response_id"
                assert "another key" in caught.value.body["pointsman"]["hint"]  # type: ignore[index]

            async def unknown(call: Any, wanted: str) -> None:
                with pytest.raises(openai.NotFoundError) as caught:
                    await call(wanted)
                assert caught.value.body["message"] == f"Response with id '{wanted}' not found."  # type: ignore[index]

            calls = (bob.responses.retrieve, bob.responses.delete, bob.responses.input_items.list)
            ids = (mine.id, "resp_never")  # at once: what is not found is waited for a second
            await asyncio.gather(*map(refused, ids), *(unknown(call, wanted) for call in calls for wanted in ids))
            assert (await ann.responses.retrieve(mine.id)).output_text == "A secret."


async def test_it_is_shown_as_it_was_with_what_led_to_it(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        answer = await ask(
            served, "POST", "/v1/responses", {"model": "small", "input": "say: One.", "metadata": {"a": "b"}}
        )
        shown = await ask(served, "GET", f"/v1/responses/{answer.json['id']}")
        assert (shown.status, shown.body) == (200, answer.body), "the very bytes, cost included"
        assert answer.json["usage"]["cost"] > 0
        given = [{"role": "developer", "content": "Quickly."}, {"role": "user", "content": "say: Two."}]
        second = await said(sdk, stream=True, model="small", input=given, previous_response_id=answer.json["id"])
        again = await sdk.responses.retrieve(second.id)
        assert again.output_text == second.output_text == "Two."
        assert again.usage == second.usage
        assert again.output[0].id == second.output[0].id

        items = [item async for item in await sdk.responses.input_items.list(second.id, order="asc")]
        assert [(item.type, item.role, item.content[0].text) for item in items] == [
            ("message", "user", "say: One."),
            ("message", "assistant", "One."),
            ("message", "developer", "Quickly."),
            ("message", "user", "say: Two."),
        ]
        assert [one.content[0].type for one in items] == ["input_text", "output_text", "input_text", "input_text"]
        ids = [item.id for item in items]
        assert len(set(ids)) == 4
        assert ids[1] == answer.json["output"][0]["id"]
        pages = [item.id async for item in await sdk.responses.input_items.list(second.id, limit=1)]
        assert pages == ids[::-1], "newest first, page by page, under the same ids"
        for wrong in ("limit=0", "limit=101", "order=up", "after=nobody"):
            refused = await ask(served, "GET", f"/v1/responses/{second.id}/input_items?{wrong}")
            assert (refused.status, refused.error["param"]) == (400, wrong.partition("=")[0])
        assert (await ask(served, "GET", f"/v1/responses/{second.id}?stream=true")).status == 400
        assert (await ask(served, "GET", f"/v1/responses/{second.id}/other")).status == 404
        assert (await ask(served, "POST", f"/v1/responses/{second.id}/cancel")).status == 405


async def test_deleted_is_deleted_and_what_went_on_from_it_lives(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path
) -> None:
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        first = await sdk.responses.create(model="small", input="say: The word is xylophone.")
        second = await sdk.responses.create(model="small", input="say: Ok.", previous_response_id=first.id)
        gone = await ask(served, "DELETE", f"/v1/responses/{first.id}")
        assert gone.json == {"id": first.id, "object": "response", "deleted": True}
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.retrieve(first.id)
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.create(model="small", input="say: Hm.", previous_response_id=first.id)
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.delete(first.id)
        third = await sdk.responses.create(model="small", input="say: Fine.", previous_response_id=second.id)
        assert third.output_text == "Fine."
        await sdk.responses.delete(second.id)
        await sdk.responses.delete(third.id)
    left = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.glob("ledger.db*")])
    assert left
    assert not any(b"xylophone" in one for one in left)


async def test_store_false_and_conversations_elsewhere_are_not_kept(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, **ON)) as served, client(served) as sdk:
        kept = await sdk.responses.create(model="small", input="say: Kept.")
        for stream in (False, True):
            loose = await said(
                sdk, stream=stream, model="small", input="say: Not.", store=False, previous_response_id=kept.id
            )
            assert loose.output_text == "Not."
            assert (kept.store, loose.store) == (True, False)
            assert len(asked(sim)) == 3, "but it may go on from one that is"
            with pytest.raises(openai.NotFoundError):
                await sdk.responses.retrieve(loose.id)
        both = {"model": "small", "input": "x", "conversation": "conv_1", "previous_response_id": kept.id}
        refused = await ask(served, "POST", "/v1/responses", both)
        assert (refused.status, refused.error["param"]) == (400, "previous_response_id")
        odd = await ask(served, "POST", "/v1/responses", {"model": "small", "input": "x", "previous_response_id": 7})
        assert (odd.status, odd.error["param"]) == (400, "previous_response_id")
        null = await ask(
            served, "POST", "/v1/responses", {"model": "small", "input": "say: y", "previous_response_id": None}
        )
        assert null.status == 200


@pytest.mark.parametrize("fault", ["cut_reset", "cut_clean", "error_in_stream"])
async def test_a_stream_that_breaks_is_not_kept(sim: Any, config: Any, serving: Any, ask: Any, fault: str) -> None:
    async with serving(config(sim, **ON)) as served:
        sim.inject(fault, model="small-1", after=3, times=2)  # and whoever goes on with it breaks too
        body = {"model": "small", "input": "repeat: one two three four five six seven eight", "stream": True}
        answer = await ask(served, "POST", "/v1/responses", body)
        begun = json.loads(next(line for line in answer.body.splitlines() if line.startswith(b"data:"))[5:])
        shown = await ask(served, "GET", f"/v1/responses/{begun['response']['id']}")
        assert shown.status == 404
        assert served.house.pieces.responses.pending == 0


async def test_too_large_a_conversation_is_answered_not_kept_and_the_caller_is_told(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, **ON)) as served:
        picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * (9 << 20)}
        text = {"type": "input_text", "text": "say: Nice."}
        body = {"model": "small", "input": [{"role": "user", "content": [picture, text]}]}
        answer = await ask(served, "POST", "/v1/responses", body)
        assert answer.status == 200
        assert "not stored" in answer.headers["x-pointsman-warning"]
        assert (await ask(served, "GET", f"/v1/responses/{answer.json['id']}")).status == 404
        small = await ask(served, "POST", "/v1/responses", {"model": "unpriced", "input": "say: Hi."})
        assert "stored" not in small.headers["x-pointsman-warning"], "of the model alone"
        body["model"] = "unpriced"
        both = await ask(served, "POST", "/v1/responses", body)
        assert "not stored" in both.headers["x-pointsman-warning"]
        assert "unpriced" in both.headers["x-pointsman-warning"]


async def test_without_storage_a_provider_of_another_dialect_is_a_named_refusal(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        first = await sdk.responses.create(model="small", input="say: One.")
        for stream in (False, True):
            wished = await said(sdk, stream=stream, model="small", input="say: One.", store=True)
            assert (first.store, wished.store) == (False, False), "it says what is done, not what was wished"
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.create(model="small", input="say: Two.", previous_response_id=first.id)
        assert refused.value.param == "previous_response_id"
        assert "responses: {store: true}" in refused.value.body["pointsman"]["hint"]  # type: ignore[index]
        with pytest.raises(openai.NotFoundError) as unknown:
            await sdk.responses.retrieve(first.id)
        assert "responses: {store: true}" in unknown.value.body["pointsman"]["hint"]  # type: ignore[index]
        assert served.house.pieces.responses.pending == 0


async def test_it_is_switched_on_and_off_without_a_restart(sim: Any, config: Any, serving: Any, tmp_path: Path) -> None:
    file = tmp_path / "pointsman.yaml"
    base = {"store": f"sqlite:///{tmp_path / 'ledger.db'}", "discover": False, "local": False, **config(sim)}
    file.write_text(json.dumps(base))
    async with serving(file) as served, client(served) as sdk:
        before = await sdk.responses.create(model="small", input="say: Before.")

        async def change(**more: Any) -> None:
            version = served.house.loaded.version
            file.write_text(json.dumps({**base, **more}))
            for _ in range(500):
                if served.house.loaded.version != version:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError("the change was not noticed")

        await change(**ON)
        first = await sdk.responses.create(model="small", input="say: One.")
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.create(model="small", input="say: Two.", previous_response_id=before.id)
        second = await sdk.responses.create(model="small", input="say: Two.", previous_response_id=first.id)
        assert second.output_text == "Two."
        await change()
        with pytest.raises(openai.BadRequestError):
            await sdk.responses.create(model="small", input="say: Three.", previous_response_id=first.id)
        assert (await sdk.responses.delete(first.id)) is None, "what is there can still be deleted"


async def test_two_gateways_on_one_store_go_on_from_each_others(
    sim: Any, config: Any, serving: Any, store_url: str
) -> None:
    there, env = {**config(sim, **ON), "store_env": "STORE"}, {"STORE": store_url}
    async with (
        serving(there, env) as one,
        serving(there, env) as two,
        client(one) as left,
        client(two) as right,
    ):
        response, sdks = None, (left, right)
        for number in range(10):
            response = await said(
                sdks[number % 2],
                stream=number % 3 == 0,
                model="small",
                input=f"say: {number}",
                **({"previous_response_id": response.id} if response is not None else {}),
            )
            assert response.output_text == str(number)
        assert len(asked(sim)) == 19


async def test_while_the_store_is_away_others_are_served_and_no_text_is_in_the_log(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "data"
    folder.mkdir()
    async with serving(config(sim, **ON, store=f"sqlite:///{folder / 'ledger.db'}")) as served, client(served) as sdk:
        first = await sdk.responses.create(model="small", input="say: The word is xylophone.")
        await asyncio.to_thread(served.house.pieces.responses.flush)
        with contextlib.closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as other:
            other.execute("ALTER TABLE responses RENAME TO moved")
            again = await ask(served, "POST", "/v1/responses", {"model": "small", "input": "say: Plain."})
            assert again.status == 200
            body = {"model": "small", "input": "say: On.", "previous_response_id": again.json["id"]}
            assert (await ask(served, "POST", "/v1/responses", body)).status == 200, "what waits in memory is there"
            refused = await ask(served, "POST", "/v1/responses", {**body, "previous_response_id": first.id})
            assert (refused.status, refused.error["code"]) == (503, "store_unavailable")
            assert (await ask(served, "GET", f"/v1/responses/{first.id}")).status == 503
            chat = {"model": "small", "messages": [{"role": "user", "content": "say: Hi."}]}
            assert (await ask(served, "POST", "/v1/chat/completions", chat)).status == 200
            metrics = (await ask(served, "GET", "/metrics")).body.decode()
            assert "gw_responses_pending_rows 2" in metrics
            assert "xylophone" not in metrics
            other.execute("ALTER TABLE moved RENAME TO responses")
        assert await asyncio.to_thread(served.house.pieces.responses.flush)
        assert (await sdk.responses.retrieve(first.id)).output_text == "The word is xylophone."
        assert (await sdk.responses.retrieve(again.json["id"])).output_text == "Plain."
    assert "xylophone" not in caplog.text


# Providers that speak Responses themselves


def thinker(name: str) -> SimProvider:
    model = SimModel(name=f"{name}-1", pace=Pace(events_per_second=400), thinking=Thinking(tokens=20))
    return SimProvider(name=name, dialect="openai-responses", models=(model,))


@asynccontextmanager
async def natives(serving: Any, **more: Any) -> AsyncIterator[tuple[Simulator, Any, openai.AsyncOpenAI]]:
    """Two providers of Responses and one of chat, all thinking, behind a gateway."""
    chat = msgspec.structs.replace(thinker("chat"), dialect="openai-chat")
    async with Simulator(Script(providers=(thinker("left"), thinker("right"), chat))) as sim:
        config = {
            "providers": {
                name: {"dialect": "openai-chat" if name == "chat" else "openai-responses", "base_url": sim.url_of(name)}
                for name in ("left", "right", "chat")
            },
            "models": {name: {"provider": name, "model": f"{name}-1"} for name in ("left", "right", "chat")},
            "routes": {"both": {"try": ["left", "right"]}},
            **more,
        }
        async with serving(config) as served, client(served) as sdk:
            yield sim, served, sdk


def given(sim: Simulator) -> list[dict[str, Any]]:
    """The input of the newest request to a provider of Responses."""
    return list(sim.journal[-1].json()["input"])


SEALED: dict[str, Any] = {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}}


@pytest.mark.parametrize("name", ["chat", "left"])
async def test_a_stream_that_is_cut_fails_as_the_response_that_it_was(serving: Any, ask: Any, name: str) -> None:
    one = SimModel(name="one-1", faults=(FaultRule(fault="cut_clean"),))
    dialect = "openai-chat" if name == "chat" else "openai-responses"
    async with Simulator(Script(providers=(SimProvider(name=name, dialect=dialect, models=(one,)),))) as sim:
        config = {
            "providers": {name: {"dialect": dialect, "base_url": sim.url_of(name)}},
            "models": {"small": {"provider": name, "model": "one-1"}},
        }
        async with serving(config) as served:
            asked_of = {"model": "small", "input": "say: One, two, three, four, five, six.", "stream": True}
            heard = await ask(served, "POST", "/v1/responses", asked_of)
    lines = [line for line in heard.body.decode().splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    first, last = events[0]["response"], events[-1]["response"]
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.failed")
    assert [last[field] for field in ("id", "model", "created_at")] == [
        first[field] for field in ("id", "model", "created_at")
    ]
    if name == "chat":
        said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert last["output"][0]["content"][0]["text"] == said


async def test_its_count_of_tokens_passes(serving: Any) -> None:
    async with natives(serving) as (sim, _, sdk):
        counted = await sdk.responses.input_tokens.count(model="left", input="say: One.")
        assert counted.object == "response.input_tokens"
        assert sim.journal[-1].path.endswith("/responses/input_tokens")
        crossed = await sdk.responses.input_tokens.count(model="chat", input="say: One.")
        assert counted.input_tokens > 0 < crossed.input_tokens


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_same_provider_gets_its_own_items_back_untouched(serving: Any, stream: bool) -> None:
    async with natives(serving, **ON) as (sim, _, sdk):
        first = await said(sdk, stream=stream, model="left", input="say: One.", **SEALED)
        raw = await sdk.responses.with_raw_response.retrieve(first.id)
        made = json.loads(raw.content)["output"]
        assert {item["type"] for item in made} == {"reasoning", "message"}
        second = await said(
            sdk, stream=stream, model="left", input="say: Two.", previous_response_id=first.id, **SEALED
        )
        assert second.output_text == "Two."
        assert "previous_response_id" not in sim.journal[-1].json(), "the conversation stands in the input"
        assert given(sim)[1:-1] == made


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_another_provider_gets_no_sealed_thinking_and_no_ids_and_the_caller_is_told(
    serving: Any, stream: bool
) -> None:
    async with natives(serving, **ON) as (sim, _, sdk):
        first = await said(sdk, stream=stream, model="left", input="say: One.", **SEALED)
        raw = await sdk.responses.with_raw_response.create(
            model="right", input="say: Two.", previous_response_id=first.id, **SEALED
        )
        assert raw.headers["x-pointsman-dropped"] == "previous_response_id.reasoning"
        assert [(item.get("role"), item.get("type", "message")) for item in given(sim)] == [
            ("user", "message"),
            ("assistant", "message"),
            ("user", "message"),
        ]
        assert "id" not in given(sim)[1]
        second = raw.parse()
        back = await sdk.responses.with_raw_response.create(
            model="left", input="say: Three.", previous_response_id=second.id, **SEALED
        )
        kinds = [item.get("type", "message") for item in given(sim)]
        assert kinds == ["message", "reasoning", "message", "message", "message", "message"], "its own is there again"
        assert back.headers["x-pointsman-dropped"] == "previous_response_id.reasoning", "that of the other is not"
        last = await sdk.responses.with_raw_response.create(
            model="chat", input="say: Four.", previous_response_id=back.parse().id
        )
        assert last.parse().output_text == "Four."
        assert "previous_response_id.reasoning" in last.headers["x-pointsman-dropped"]
        assert [one["role"] for one in asked(sim)] == ["user", "assistant"] * 3 + ["user"]


async def test_what_is_taken_out_depends_on_who_is_asked_in_the_end(serving: Any) -> None:
    async with natives(serving, **ON) as (sim, _, sdk):
        first = await sdk.responses.create(model="left", input="say: One.", **SEALED)
        sim.inject("unavailable", model="left-1", times=2)
        raw = await sdk.responses.with_raw_response.create(
            model="both", input="say: Two.", previous_response_id=first.id, **SEALED
        )
        assert raw.headers["x-pointsman-model"] == "right"
        assert raw.headers["x-pointsman-dropped"] == "previous_response_id.reasoning"
        left, right = [entry.json()["input"] for entry in list(sim.journal)[-2:]]
        assert [item.get("type", "message") for item in left] == ["message", "reasoning", "message", "message"]
        assert [item.get("type", "message") for item in right] == ["message", "message", "message"]


async def test_without_storage_a_provider_that_keeps_responses_is_asked_as_the_caller_says(serving: Any) -> None:
    async with natives(serving) as (sim, _, sdk):
        with pytest.raises(openai.APIStatusError):  # the simulator stores nothing
            await sdk.responses.create(model="left", input="say: One.", previous_response_id="resp_theirs", store=True)
        sent = sim.journal[-1].json()
        assert (sent["previous_response_id"], sent["store"]) == ("resp_theirs", True)


async def test_who_leaves_at_the_last_event_can_go_on_from_it(serving: Any, ask: Any) -> None:
    async with natives(serving, **ON) as (_, served, sdk):
        async with sdk.responses.stream(model="left", input="say: One.") as events:
            async for event in events:
                if event.type == "response.completed":
                    break
        second = await sdk.responses.create(model="left", input="say: Two.", previous_response_id=event.response.id)
        assert second.output_text == "Two."
        async with sdk.responses.stream(model="left", input="repeat: " + "word " * 50) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    break
        begun = events._response.headers["x-request-id"]
        for _ in range(300):
            if (await ask(served, "GET", f"/api/calls/{begun}")).status == 200:
                break
            await asyncio.sleep(0.01)
        call = (await ask(served, "GET", f"/api/calls/{begun}")).json["call"]
        assert call["status"] == "cancelled"
        assert (await ask(served, "GET", f"/v1/responses/{call['answer_id']}")).status == 404


def test_a_restart_and_a_kill_lose_nothing_that_was_answered_a_moment_ago(tmp_path: Path) -> None:
    script = Script(
        providers=(SimProvider(name="one", models=(SimModel(name="m", pace=Pace(events_per_second=400)),)),)
    )
    with running(script) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "m"}},
            **ON,
        }

        def go_on(base_url: str, word: str, before: str | None) -> str:
            with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as sdk:
                more = {"previous_response_id": before} if before else {}
                response = sdk.responses.create(model="small", input=f"say: {word}", **more)  # type: ignore[call-overload]
                assert response.output_text == word
                return str(response.id)

        with harness.gateway(config, folder=tmp_path) as gateway:
            first = go_on(gateway.base_url, "one", None)
        with harness.gateway(config, folder=tmp_path) as gateway:
            second = go_on(gateway.base_url, "two", first)
            time.sleep(0.1)
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()
        with harness.gateway(config, folder=tmp_path) as gateway:
            go_on(gateway.base_url, "three", second)
        messages = sim.journal[-1].json()["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]


@pytest.mark.slow
def test_workers_find_what_each_other_kept(tmp_path: Path) -> None:
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="m"),)),))
    with running(script) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "m"}},
            "server": {"workers": 3},
            **ON,
        }
        with harness.gateway(config, folder=tmp_path) as gateway:
            before = None
            for number in range(30):  # a connection each, so that other workers take it
                body = {"model": "small", "input": f"say: {number}", "previous_response_id": before}
                status, _, answer = gateway.post("/v1/responses", body)
                assert status == 200, answer
                before = json.loads(answer)["id"]
            assert len(sim.journal[-1].json()["messages"]) == 59
