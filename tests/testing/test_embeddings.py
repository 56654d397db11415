"""Vectors from the simulator: of the text alone, nearer for texts that share words, in both encodings."""

from __future__ import annotations

import base64
import struct

import openai
import pytest

from pointsman.testing import Simulator, one_model
from pointsman.testing.embeddings import vector


def product(a, b) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def embed(client, texts, **more):
    return await client.embeddings.create(model="sim-1", input=texts, **more)


async def test_floats_and_base64_hold_the_same_vectors(client_of):
    async with Simulator(one_model(price={"input": 1, "output": 0})) as sim:
        client = client_of(sim.base_url)
        default = await embed(client, ["one", "two"])  # the SDK asks for base64
        floats = await embed(client, ["one", "two"], encoding_format="float")
        raw = await client.embeddings.with_raw_response.create(model="sim-1", input="one", encoding_format="base64")
        packed = (await raw.http_response.aread()).decode()
        entry = sim.journal[-1]
    assert [item.index for item in floats.data] == [0, 1]
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert len(one.embedding) == 256
        assert product(one.embedding, one.embedding) == pytest.approx(1)
    numbers = struct.unpack("<256f", base64.b64decode(packed.split('"embedding":"')[1].split('"')[0]))
    assert list(numbers) == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert default.usage.prompt_tokens == default.usage.total_tokens > 0
    assert entry.surface == "embeddings"
    assert entry.cost == entry.input * 1000  # nano-dollars


def test_a_vector_depends_on_model_and_text_and_likeness_shows():
    paris = vector("m", "What is the capital of France?", 256)
    assert paris == vector("m", "What is the capital of France?", 256)
    assert paris != vector("n", "What is the capital of France?", 256)
    near = product(paris, vector("m", "what is France's capital", 256))
    far = product(paris, vector("m", "Bake the bread for an hour.", 256))
    assert near > 0.6
    assert abs(far) < 0.4
    assert product(paris, vector("m", "What is the capital of France", 256)) < 1


async def test_tokens_dimensions_and_wrong_requests(client_of):
    async with Simulator(one_model(dimensions=64)) as sim:
        client = client_of(sim.base_url)
        assert len((await embed(client, [[1, 2], [3]])).data) == 2
        assert len((await embed(client, [1, 2, 3])).data) == 1
        assert len((await embed(client, "x")).data[0].embedding) == 64
        assert len((await embed(client, "x", dimensions=8)).data[0].embedding) == 8
        for wrong in ({"texts": ["a", ""]}, {"texts": "x", "dimensions": -42}, {"texts": ["x"] * 2049}, {"texts": {}}):
            with pytest.raises(openai.BadRequestError):
                await embed(client, **wrong)
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="nobody", input="x")
