"""Whether configured providers can be reached: one GET of their base URL each, without a key. Only when asked for."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from pointsman.cli.doctor.finding import Found, bad, ok
from pointsman.compose import House
from pointsman.core.errors import PointsmanError
from pointsman.core.model import Provider, TimeLimits
from pointsman.core.ports import Carrier, UpstreamRequest
from pointsman.upstream.carry import Carry

_SECONDS = 2.0
_LIMITS = TimeLimits(connect=_SECONDS, first_byte=_SECONDS, between_bytes=_SECONDS, total=_SECONDS)


async def reach(house: House) -> list[Found]:
    """Ask every provider of the configuration at once. Any HTTP answer counts: the road is open."""
    carrier = Carry(house.pieces.env)
    try:
        return list(await asyncio.gather(*(_one(carrier, one) for one in house.directory.providers.values())))
    finally:
        await carrier.aclose()


async def _one(carrier: Carrier, provider: Provider) -> Found:
    about = f"reach {provider.name}"
    host = urlsplit(provider.base_url).netloc.rpartition("@")[2]
    request = UpstreamRequest(
        method="GET",
        url=provider.base_url,
        limits=_LIMITS,
        ca_file=provider.ca_file,
        proxy=provider.proxy,
    )
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(_SECONDS):
            response = await carrier.send(request)
            await response.aclose()
    except PointsmanError as error:
        return bad(about, error.message, "is the address right, and does this machine need a proxy?")
    except TimeoutError:
        return bad(about, f"{host} did not answer within {_SECONDS:g} s")
    return ok(about, f"{host} answers in {(time.perf_counter() - begun) * 1000:.0f} ms (HTTP {response.status})")
