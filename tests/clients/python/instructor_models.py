"""Instructor: Pydantic models out of answers, in several of its ways to ask for them."""

from __future__ import annotations

from typing import Literal

import anthropic
import instructor
import openai
from pydantic import BaseModel
from seen import KEY, ROOT, SYSTEM, TOWN, error_of, play

SAID = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TOWN}]


class Town(BaseModel):
    city: Literal["Paris"]


def openai_client(mode):
    return instructor.from_openai(openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0), mode=mode)


def anthropic_client(mode):
    return instructor.from_anthropic(anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0), mode=mode)


def structured(name):
    return openai_client(instructor.Mode.TOOLS).create(model=name, messages=SAID, response_model=Town).model_dump()


def structured_by_schema(name):
    client = openai_client(instructor.Mode.JSON_SCHEMA)
    return client.create(model=name, messages=SAID, response_model=Town).model_dump()


def structured_partly(name):
    """Streamed: each piece is as much of the model as is there already."""
    client = openai_client(instructor.Mode.TOOLS)
    pieces = list(client.create_partial(model=name, messages=SAID, response_model=Town))
    return {**pieces[-1].model_dump(), "pieces": len(pieces)}


def structured_messages(name):
    client = anthropic_client(instructor.Mode.ANTHROPIC_TOOLS)
    return client.create(model=name, max_tokens=1000, messages=SAID, response_model=Town).model_dump()


def unknown():
    client = openai_client(instructor.Mode.TOOLS)
    return error_of(lambda: client.create(model="nobody", messages=SAID, response_model=Town, max_retries=0), Exception)


play(structured, structured_by_schema, structured_partly, structured_messages, once=(unknown,))
