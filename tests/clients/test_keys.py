"""Each library's key is found where that library puts it, and a wrong one raises that library's own exception."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors

from clients.environments import DIALECTS, UPSTREAM
from harness import Running, gateway, request

MODEL = "contents-plain"


@pytest.fixture(scope="module")
def guarded(providers) -> Iterator[tuple[Running, str]]:
    """A gateway that demands keys, and a key."""
    config: dict[str, Any] = {
        "keys": "required",
        "providers": {
            name: {"dialect": dialect, "base_url": providers.url_of(name)} for name, dialect in DIALECTS.items()
        },
        "models": {model: {"provider": model.split("-")[0], "model": name} for model, name in UPSTREAM.items()},
    }
    with gateway(config) as started:
        command = [sys.executable, "-m", "pointsman", "keys", "create", "app", "--json", "--config"]
        made = subprocess.run([*command, str(started.config)], capture_output=True, check=True, cwd=started.folder)
        key = json.loads(made.stdout)["key"]
        deadline = time.monotonic() + 10  # a running gateway knows a new key within a second
        while request(started.port, "GET", "/v1/models", headers={"authorization": f"Bearer {key}"})[0] != 200:
            assert time.monotonic() < deadline, "the new key never became known"
            time.sleep(0.05)
        yield started, key


def with_openai(root: str, key: str) -> str:
    with openai.OpenAI(base_url=f"{root}/v1", api_key=key, max_retries=0) as client:
        return client.responses.create(model=MODEL, input="hello").output_text


def anthropic_ask(client: anthropic.Anthropic) -> str:
    with client:
        said = [{"role": "user", "content": "hello"}]
        return client.messages.create(model=MODEL, max_tokens=100, messages=said).content[0].text


def with_anthropic(root: str, key: str) -> str:
    return anthropic_ask(anthropic.Anthropic(base_url=root, api_key=key, max_retries=0))


def with_anthropic_bearer(root: str, key: str) -> str:
    return anthropic_ask(anthropic.Anthropic(base_url=root, api_key=None, auth_token=key, max_retries=0))


def with_google(root: str, key: str) -> str:
    with genai.Client(api_key=key, vertexai=False, http_options={"base_url": root}) as client:
        return client.models.generate_content(model=MODEL, contents="hello").text


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (with_openai, openai.AuthenticationError),
        (with_anthropic, anthropic.AuthenticationError),
        (with_anthropic_bearer, anthropic.AuthenticationError),
        (with_google, errors.ClientError),
    ],
)
def test_a_right_key_is_found_and_a_wrong_one_refused(
    guarded: tuple[Running, str], ask: Callable[[str, str], str], error: type[Exception]
):
    served, key = guarded
    assert ask(served.root_url, key) == "Hello from the other side of the switch."
    with pytest.raises(error) as refused:
        ask(served.root_url, f"{key[:-4]}AAAA")
    assert "key" in str(refused.value)
