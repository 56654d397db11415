"""Active health checks: the gateway itself asks a provider that rests, so that no caller's call has to find out.

When is `health.rounds`' to say, what follows the book of health's. Here it is done, by the same carrier and sender as
calls, within the check's time limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from pointsman.compose.token_check import Asked, within
from pointsman.core.call import Arrival
from pointsman.core.errors import PointsmanError, UpstreamError
from pointsman.core.failure import RULES, FailureKind, Target
from pointsman.core.model import Ability, HealthCheck, Model, Provider
from pointsman.core.plan import targets_of
from pointsman.core.ports import UpstreamRequest
from pointsman.health.book import Book
from pointsman.health.checkup import Checkup
from pointsman.health.rounds import Rounds, holds
from pointsman.line.failover import kind_of
from pointsman.line.parts import Parts
from pointsman.wire.trip import Outgoing

_log = logging.getLogger("pointsman.health")
_LOOK_SECONDS = 0.5
_MOST = 64  # targets of one round
_MAX_ANSWER = 8 * 1024 * 1024
_LOCAL = HealthCheck()
"""Of servers on this machine, where nothing else is configured: a GET costs nothing there."""
_NOBODY = Arrival(method="GET", path="/", lookup={})
_STATUSES: Mapping[int, FailureKind] = {401: "bad_key", 402: "out_of_credit", 503: "overloaded", 529: "overloaded"}


class Checked(NamedTuple):
    """What the last check of a provider found: when (nanoseconds since the epoch), and in words."""

    at: int
    ok: bool
    found: str


class Checks:
    """Keeps asking. `configure` before `run`, and whenever the configuration changes.

    Args:
        parts: what a line is made of now, for calls of this process itself.
        book: the book of health.

    Attributes:
        last: what was found, by provider.
    """

    def __init__(self, parts: Callable[[], Parts], book: Book) -> None:
        self._parts = parts
        self._book = book
        self._checkup = Checkup(book)
        self._rounds = Rounds(parts().draw)
        self._checks: dict[str, HealthCheck] = {}
        self._models: dict[str, dict[str, Model]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.last: dict[str, Checked] = {}

    def configure(self, models: Iterable[Model], unavailable: Mapping[str, str]) -> None:
        """Whom to ask: providers of these models that can be asked at all."""
        self._checks, self._models = {}, {}
        for model in models:
            name = model.provider.name
            check = check_of(model.provider)
            if check is not None and name not in unavailable and _fits(check, model):
                self._checks[name] = check
                self._models.setdefault(name, {}).setdefault(model.upstream, model)
        self.last = {name: found for name, found in self.last.items() if name in self._checks}

    def of(self, provider: str) -> HealthCheck | None:
        """How a provider is checked; None where it is not."""
        return self._checks.get(provider)

    async def run(self) -> None:
        """Until cancelled; checks that are under way then end, too."""
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                self.look()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def look(self) -> None:
        """Begin the checks that are due."""
        if not self._checks:
            return
        now = self._parts().clock.monotonic()
        resting: dict[str, list[Target]] = {}
        for target in self._checkup.resting(now):
            resting.setdefault(target.provider, []).append(target)
        for name, check in self._checks.items():
            targets = [one for one in resting.get(name, ()) if self._worth(check, one, now)]
            if self._rounds.due(name, check, now, rests=bool(targets)):
                if check.when == "always":
                    targets = self._all(name, targets)
                task = asyncio.create_task(self._round(name, check, targets[:_MOST]), name=f"check {name}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _worth(self, check: HealthCheck, target: Target, now: int) -> bool:
        """Whether a check could say something: who asked for rest, or has no credit, is left alone."""
        worth = self._checkup.askable if check.kind == "completion" else self._checkup.disprovable
        return target.upstream in self._models[target.provider] and worth(target, now)

    def _all(self, name: str, first: Sequence[Target]) -> list[Target]:
        found = list(first)
        for model in self._models[name].values():
            found += targets_of(model)
        return list(dict.fromkeys(found))

    async def _round(self, name: str, check: HealthCheck, targets: Sequence[Target]) -> None:
        """One check of a provider."""
        try:
            models = self._models.get(name, {})  # as they are now: a change counts from the next round on
            by_key: dict[str, list[Target]] = {}
            for target in targets:
                if target.upstream in models:
                    by_key.setdefault(target.key, []).append(target)
            ask = self._ask if check.kind == "completion" else self._get
            for same in by_key.values():
                if not await ask(check, same, models):
                    self._away(check, [one for one in targets if one not in same])
                    break  # with another key it cannot be reached either
        except PointsmanError as error:  # no key, no token: nothing was sent, and nothing is known
            self._note(name, ok=False, found=error.message)
        except TimeoutError:
            self._note(name, ok=False, found="no token of the provider's within the check's time limit")
        except Exception:  # noqa: BLE001 - a named edge: a defect here must not end all checks
            _log.exception("the health check of %s failed inside the gateway", name)
        finally:
            self._rounds.over(name)

    async def _get(self, check: HealthCheck, targets: Sequence[Target], models: Mapping[str, Model]) -> bool:
        """A GET with one key; whether anybody was there.

        Raises:
            PointsmanError: nothing could be sent.
        """
        parts, provider = self._parts(), targets[0].provider
        request = await _request(parts, check, models[targets[0].upstream], targets[0].key)
        began = parts.clock.monotonic()
        heard = await _heard(parts, request, check.timeout)
        now = parts.clock.monotonic()
        self._note(provider, ok=heard.failure is None, found=heard.found)
        if heard.failure is None:
            self._checkup.passed(targets, now, key_taken=heard.taken)
            return True
        counts = check.when == "always"
        self._checkup.failed(targets, heard.failure, began, now, hold=holds(check), counts=counts)
        return RULES[heard.failure].tells == "key_pause"

    def _away(self, check: HealthCheck, targets: Sequence[Target]) -> None:
        """The provider cannot be reached: nobody need ask with these."""
        now = self._parts().clock.monotonic()
        for target in targets:
            self._checkup.hold(target, now, holds(check))

    async def _ask(self, check: HealthCheck, targets: Sequence[Target], models: Mapping[str, Model]) -> bool:
        """One token of each; whether anybody was there."""
        for target in targets:
            parts = self._parts()
            if not self._checkup.askable(target, parts.clock.monotonic()):
                continue
            error = await Asked(parts, self._book, check, models[target.upstream], target.key).answer()
            found = "answered" if error is None else error.message
            self._note(target.provider, ok=error is None, found=f"{target.upstream}: {found}")
            if isinstance(error, UpstreamError) and RULES[kind_of(error)].tells == "provider_failure":
                self._away(check, targets)
                return False
        return True

    def _note(self, name: str, *, ok: bool, found: str) -> None:
        self.last[name] = Checked(at=self._parts().clock.now(), ok=ok, found=found)


def check_of(provider: Provider) -> HealthCheck | None:
    """How a provider is checked; None where it is not. The embedded model has a watcher of its own."""
    check = provider.check or (_LOCAL if provider.local and provider.name != "local" else None)
    return None if check is None or check.when == "never" or provider.credentials == "caller" else check


def _fits(check: HealthCheck, model: Model) -> bool:
    """Whether a model can be checked so: what makes vectors says no word."""
    return check.kind != "completion" or model.abilities is None or not model.abilities & Ability.EMBEDDINGS


class _Heard(NamedTuple):
    """What came of a GET: why it failed, in words, and whether it shows that the key is taken."""

    failure: FailureKind | None
    found: str
    taken: bool = False


async def _request(parts: Parts, check: HealthCheck, model: Model, key: str) -> UpstreamRequest:
    """The GET with one key. Raises `PointsmanError` where there is none to be had."""
    limits = within(model.provider.limits, check.timeout)
    if parts.sender.due(model.provider):
        async with asyncio.timeout(check.timeout):
            await parts.sender.ready(model.provider)
    request = parts.sender.prepare(model, Outgoing(path="/models", body=b""), _NOBODY, limits, key)
    url = request.url
    if check.path:
        parsed = urlsplit(url)
        url = f"{parsed.scheme}://{parsed.netloc}{check.path}"
    return msgspec.structs.replace(request, method="GET", url=url, max_answer=_MAX_ANSWER)


async def _heard(parts: Parts, request: UpstreamRequest, seconds: float) -> _Heard:
    """Any answer but an error of the server's shows that it can be reached; only a good one that the key is taken."""
    try:
        async with asyncio.timeout(seconds):
            status = await _status(parts, request)
    except TimeoutError:
        return _Heard("silent", f"no answer within {seconds:g} s")
    except UpstreamError as error:
        kind = kind_of(error)
        return _Heard("silent" if kind == "too_long" else kind, error.message)
    failure = _STATUSES.get(status) or ("server_error" if status >= 500 else None)
    return _Heard(failure, f"HTTP {status}", taken=200 <= status < 300)


async def _status(parts: Parts, request: UpstreamRequest) -> int:
    """The status of an answer that is there to its end."""
    response = await parts.carrier.send(request)
    try:
        await response.read()
        return response.status
    finally:
        await response.aclose()
