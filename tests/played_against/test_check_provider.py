"""Our kit against servers that others wrote: what it says about them is what they are known to do."""

from __future__ import annotations

import pytest

from pointsman.testing import check_provider

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_llmock(llmock):
    report = await check_provider(f"{llmock.url}/v1", model="gpt-4o", key="sk-any")
    print(report.render())
    assert report["whole"].verdict == report["stream"].verdict == report["tools"].verdict == "yes"
    assert report["stream_usage"].verdict == "yes"


async def test_aimock(aimock):
    with aimock([{"match": {}, "response": {"content": "hello"}}]) as peer:
        report = await check_provider(f"{peer.url}/v1", model="gpt-4o")
    print(report.render())
    assert report["whole"].verdict == report["stream"].verdict == "yes"
    assert report["tools"].verdict == "no"  # no fixture calls one
