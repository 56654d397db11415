"""`pointsman status`: how the providers are, as the gateway that runs knows it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import config_option, described, json_option, paint, plain, print_json, say, say_warning

_NANO = 1_000_000_000
_SECONDS = 10.0
_MOST_BYTES = 64 * 1024 * 1024
_HEAD = ("PROVIDER", "STATE", "FOR", "NEXT PROBE", "LAST MINUTE", "FIRST TOKEN", "LEFT", "WHY")
_WHY = 7
_SHOWN = 8
_PRICE_THEM = "`price` under `models` in the configuration says what one costs"
_STYLES = {"closed": "green", "degraded": "yellow", "half_open": "yellow", "open": "red"}
_HELP = described(
    "Show how each provider and its models are, as the gateway that runs knows it: state of the breaker, for how long "
    "and why, when it is asked again, attempts and failures of the last minute, the first token (median and 95th "
    "percentile), what is left of the provider's limits. Of several workers, one answers.",
    "pointsman status",
    "pointsman status --url http://127.0.0.1:8080 --json",
)


@click.command("status", help=_HELP, short_help="Show how the providers are, as a running gateway knows it.")
@click.option("--url", metavar="URL", help="Where it serves; else the address of the configuration.")
@click.option("--key", metavar="KEY", help="A key, where one is demanded; else $POINTSMAN_KEY.")
@config_option
@json_option
def command(url: str | None, key: str | None, config: Path | None, as_json: bool) -> None:
    """Show health."""
    from pointsman.core.clock import SystemClock

    where, ca_file = (url.rstrip("/"), "") if url else _configured(config)
    status = asyncio.run(_asked(f"{where}/api/status", key or os.environ.get("POINTSMAN_KEY", ""), ca_file))
    if as_json:
        print_json(status["providers"])
    elif not status["providers"]:
        say("no provider is set up there")
    else:
        now = SystemClock.now()
        rows = [row for one in status["providers"] for row in rows_of(one, now)]
        print_table(_HEAD, rows, keep=frozenset({0, 1}), spare=(6, 5, 3))
    if not as_json and (unpriced := status.get("prices", {}).get("unpriced")):
        names = ", ".join(unpriced[:_SHOWN]) + (f" and {len(unpriced) - _SHOWN} more" if len(unpriced) > _SHOWN else "")
        say_warning(plain(f"unpriced, so that what they cost is unknown and not zero: {names}"), _PRICE_THEM)


def _configured(config: Path | None) -> tuple[str, str]:
    """Where the configuration has it serve, and the certificate to trust there."""
    from pointsman.compose import build
    from pointsman.compose.serving import url_of

    said = build(config).loaded.config.server
    return url_of(said, said.port), said.tls.cert if said.tls else ""


async def _asked(url: str, key: str, ca_file: str) -> dict[str, Any]:
    """The gateway's answer.

    Raises:
        UpstreamError: nobody answers there, or with a no.
    """
    import msgspec

    from pointsman.cli.fetching import answered
    from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
    from pointsman.core.model import TimeLimits
    from pointsman.core.ports import UpstreamRequest

    limits = TimeLimits(connect=_SECONDS, first_byte=_SECONDS, between_bytes=_SECONDS, total=_SECONDS)
    headers = ((b"authorization", f"Bearer {key}".encode()),) if key else ()
    request = UpstreamRequest(
        method="GET", url=url, headers=headers, limits=limits, ca_file=ca_file, max_answer=_MOST_BYTES
    )
    response, body = await answered(
        request, "is it running? `pointsman serve` starts it; `--url` says where else to ask"
    )
    if response.status != 200:
        refused = UpstreamRefused(f"{url} answered with status {response.status}", status=response.status)
        if response.status == 401:
            refused.hint = "it demands a key: `--key`, or $POINTSMAN_KEY"
        raise refused
    try:
        status: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        _ = [one["targets"] for one in status["providers"]]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise UpstreamGarbage(f"{url} did not answer as a gateway of this version does") from None
    return status


def rows_of(provider: dict[str, Any], now: int) -> list[tuple[str, ...]]:
    """A provider's row, and one for each of its targets; `now` in nanoseconds since the epoch."""
    name = plain(provider["name"])
    if not provider["ready"]:
        return [(name, "off", "", "", "", "", "", plain(provider["lacks"]))]
    state = provider["state"]
    if state is None:
        return [(name, "not asked yet", "", "", "", "", "", "")]
    check = provider["health_check"]
    found = check["last"] if check else None
    why = f"last check {'passed' if found['ok'] else 'failed'}: {found['found']}" if found else ""
    head = (name, _state(state), _since(provider["since"], now), "", _minute(provider), "", "", plain(why))
    return [head, *(_target(one, now) for one in provider["targets"])]


def _target(one: dict[str, Any], now: int) -> tuple[str, ...]:
    first = one["first_token"]
    key = f" (${plain(one['key'])})" if one["key"] else ""
    probe = one["next_probe"]
    return (
        f"  {plain(one['model'])}{key}",
        _state(one["state"]),
        _since(one["since"], now),
        "" if probe is None else f"in {probe:.1f} s",
        _minute(one),
        "" if first["p50"] is None else f"{_short(first['p50'])} / {_short(first['p95'])}",
        ", ".join(_budget(budget) for budget in one["headroom"]),
        "" if one["state"] == "closed" else plain(one["why"]),
    )


def _state(state: str) -> str:
    return paint(state, _STYLES.get(state, "dim"))


def _since(since: int | None, now: int) -> str:
    from pointsman.observe.alerts.alert import length

    return "" if since is None else length(max(now - since, 0))


def _minute(one: dict[str, Any]) -> str:
    """Attempts of the last minute and how many of them failed."""
    if not one["attempts"]:
        return "-"
    failed = round(one["attempts"] * one["error_share"])
    return f"{one['attempts']:,}" + (f", {failed:,} failed" if failed else "")


def _budget(budget: dict[str, Any]) -> str:
    most = "" if budget["limit"] is None else f" of {budget['limit']:,}"
    return f"{budget['remaining']:,}{most} {plain(budget['kind'])}"


def _short(seconds: float) -> str:
    from pointsman.cli.figures import seconds as shown

    return shown(round(seconds * _NANO))
