"""A gateway before a simulated provider, and a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `harness`
sys.path.insert(0, str(Path(__file__).parent))  # for `browser`

from browser import Browser, find_chromium

from harness import Running, gateway
from pointsman.testing import FaultRule, Script, SimModel, SimProvider, running


@pytest.fixture(scope="session")
def hostile() -> str:
    """A model's name that would be a script if anything took it for markup."""
    return "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def provider(hostile: str) -> Iterator[str]:
    """URL of a provider whose models answer, break at once, or have a hostile name."""
    script = Script(
        providers=(
            SimProvider(
                name="lab",
                models=(
                    SimModel(name="small-1"),
                    SimModel(name="slow-1", first_token=3.0),
                    SimModel(name=hostile),
                    SimModel(name="broken-1", faults=(FaultRule(fault="overloaded"),)),
                ),
            ),
        )
    )
    with running(script) as sim:
        yield sim.url_of("lab")


@pytest.fixture(scope="session")
def config(provider: str) -> dict[str, object]:
    """A configuration over that provider; one more lacks its key."""
    lab = {"dialect": "openai-chat", "base_url": provider, "api_key_env": ""}
    price = {"input": 0.15, "output": 0.6}
    return {
        "providers": {"lab": lab, "openai": {}},
        "models": {
            "small": {"provider": "lab", "model": "small-1", "price": price},
            "broken": {"provider": "lab", "model": "broken-1", "price": price},
        },
        "routes": {"chain": {"try": ["broken", "small", "openai/gpt-5"]}},
    }


@pytest.fixture(scope="session")
def served(config: dict[str, object]) -> Iterator[Running]:
    """One gateway for all that does not care which calls others made."""
    with gateway(config) as running_gateway:
        yield running_gateway


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; skips with a word where none is found."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium found: install one or set CHROMIUM to run the page's own tests")
    with Browser(path, tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser, without pages: those of a test end with it, as each that is open looks for news all the time."""
    yield chromium
    chromium.close_pages()
