"""The kit finds in a provider what was put there."""

from __future__ import annotations

import pytest

from pointsman.core.errors import ConfigError
from pointsman.testing import Simulator, check_provider, one_model


async def test_the_simulator_does_everything():
    async with Simulator() as sim:
        report = await check_provider(sim.base_url)
    assert report.sound
    assert [check.name for check in report.checks if check.verdict != "yes"] == []
    assert report.model == "sim-1"
    assert "of its own" in report["stream_usage"].detail
    assert "yes  whole" in report.render()


@pytest.mark.parametrize(
    ("model", "name", "verdict"),
    [
        ({"stream_usage": "refused"}, "stream_usage", "no"),
        ({"stream_usage": "never"}, "stream_usage", "no"),
        ({"tools": False}, "tools", "no"),
        ({"vision": False}, "image", "no"),
        ({"refuses": ["logprobs"]}, "logprobs", "no"),
        ({"refuses": ["n"]}, "n", "no"),
        ({"faults": [{"fault": "broken_arguments"}]}, "stream_tools", "odd"),
        ({"faults": [{"fault": "usage_missing"}]}, "usage", "no"),
        ({"faults": [{"fault": "malformed"}]}, "stream", "odd"),
        ({"faults": [{"fault": "no_end"}]}, "stream", "odd"),
        ({"faults": [{"fault": "html"}]}, "whole", "odd"),
        ({"faults": [{"fault": "overloaded"}]}, "whole", "no"),
        ({"faults": [{"fault": "cut_reset"}]}, "whole", "no"),
    ],
)
async def test_a_lack_or_a_fault_is_found(model, name, verdict):
    async with Simulator(one_model(**model)) as sim:
        report = await check_provider(sim.base_url, patience=5)
    assert report[name].verdict == verdict
    assert report[name].detail or name == "logprobs"


async def test_a_key_is_sent_and_mistakes_are_told():
    with pytest.raises(ConfigError, match="not an HTTP address"):
        await check_provider("ftp://example.com")
    with pytest.raises(ConfigError, match="morse"):
        await check_provider("http://127.0.0.1:1/v1", "morse")
    with pytest.raises(ConfigError, match="lists no models"):
        await check_provider("http://127.0.0.1:1/v1", patience=2)
    async with Simulator() as sim:
        await check_provider(sim.base_url, key="abc")
        assert sim.journal[-1].header("authorization") == "Bearer abc"
