"""What no dialect of ours reads: carried to a configured provider and back as it is, authenticated and recorded.

Images, audio, rerank, batches, files, a vendor's newest endpoint: the caller names the provider in the path and speaks
its language. The gateway adds the key, the limits and the record; every byte passes as it comes, and nobody else is
asked when the provider fails. What an answer is known to say of its use (`wire.pieces`) is read beside that, and
priced; of all else there is no usage and no cost, which is unpriced and never nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote, unquote

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import (
    CallerGone,
    Forbidden,
    InternalError,
    InvalidRequest,
    NoCredentials,
    NotFound,
    PointsmanError,
    Stopping,
    Unbounded,
    UpstreamError,
    UpstreamRefused,
)
from pointsman.core.model import Model, Provider
from pointsman.core.ports import STOPPING, Headers, Reply, UpstreamRequest, UpstreamResponse
from pointsman.core.scope import Allow, permits, told
from pointsman.core.usage import Usage
from pointsman.line.admit import admit, bearer, wishes
from pointsman.line.parts import Parts, Won
from pointsman.line.rates import rates
from pointsman.line.reserve import hold, payer_of
from pointsman.line.settle import Run, begin
from pointsman.line.trail import Ended
from pointsman.line.words import error_body, retry_after
from pointsman.wire.pieces import MOST_BYTES, Asked, asked, used
from pointsman.wire.port import Spoken
from pointsman.wire.trip import AnswerFacts, Outgoing

PREFIX = "/passthrough/"
_BODYLESS = frozenset({204, 304})
_IN_PATHS = "/:@!$&'()*+,;=~"
"""What stands for itself in a path, besides letters and digits (RFC 3986, 3.3)."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_OWN = frozenset((b"content-type", b"accept"))
"""Of the caller's headers, besides those that the provider's dialect understands."""
_HIDDEN = frozenset(
    (
        b"connection",
        b"content-length",
        b"content-encoding",
        b"transfer-encoding",
        b"keep-alive",
        b"set-cookie",
        b"server",
        b"date",
        b"alt-svc",
        b"strict-transport-security",
    )
)
"""Of the provider's headers, what is about its connection, its site or its body as it travelled."""


class _Meter:
    """What of an answer is kept beside, to be read at its end."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._kept: list[bytes] = []
        self._size = 0

    def take(self, chunk: bytes) -> None:
        """A piece of the body; beyond a bound nothing is kept."""
        self._size += len(chunk)
        if self._size <= MOST_BYTES:
            self._kept.append(chunk)
        else:
            self._kept.clear()

    def read(self) -> tuple[str, Usage | None]:
        """Of whom it was asked, and what the answer says that was used."""
        return self._asked.model, used(self._asked, b"".join(self._kept)) if self._size <= MOST_BYTES else None


def _nobody_knows(_provider: Provider, _model: str, _usage: Usage) -> Model | None:
    return None


class OpaqueLine:
    """Serves `/passthrough/{provider}/{path}`.

    Args:
        parts: the line's.
        provider: a configured provider by name, and why it cannot be asked (empty if it can); None if there is none.
        dialect: in which errors of ours are told.
        priced: a model of a provider by the provider's own name for it, with the price for an answer that used so much;
            None where no such model is known.
    """

    def __init__(
        self,
        parts: Parts,
        provider: Callable[[str], tuple[Provider, str] | None],
        dialect: Spoken,
        priced: Callable[[Provider, str, Usage], Model | None] = _nobody_knows,
    ) -> None:
        self._parts = parts
        self._provider = provider
        self._dialect = dialect
        self._priced = priced
        self._models: dict[str, Model] = {}

    async def walk(self, arrival: Arrival, reply: Reply) -> None:
        """Serve one call. Raises nothing of ours once the answer has begun; before that, the caller is told."""
        run = begin(self._parts, arrival, "passthrough", self._dialect)
        try:
            await self._serve(run, reply)
        except PointsmanError as error:
            await self._refuse(error, run, reply)
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (STOPPING,):
                stopping = Stopping("The gateway stops before the answer is complete", hint="send the request again")
                await self._refuse(stopping, run, reply)
                return
            run.settle(CallerGone("The caller left before the answer was complete"))
            raise
        except Exception:
            run.settle(InternalError("The gateway failed on this request"))
            raise
        finally:
            run.leave()

    async def _refuse(self, error: PointsmanError, run: Run, reply: Reply) -> None:
        run.settle(error)
        if not reply.started:
            headers = [(b"x-request-id", run.id.encode()), (b"content-type", b"application/json")]
            headers += retry_after(error)
            if run.accounts is not None:
                headers += rates(run.accounts, self._parts.clock.now(), self._dialect.name)
            await reply.whole(error.status, headers, self._dialect.write_error(error, run.id))

    async def _serve(self, run: Run, reply: Reply) -> None:
        parts, arrival = self._parts, run.arrival
        run.enter(admit(parts, arrival))
        run.wishes = wishes(arrival)
        model, path = self._target(arrival, run.principal.allow)
        run.asked = model.name
        await self._reserve(run)
        if parts.sender.due(model.provider):
            await parts.sender.ready(model.provider)
        request = self._request(arrival, model, path)
        run.trail.begin(model, request.headers)
        asked = parts.clock.monotonic()
        try:
            response = await parts.carrier.send(request)
        finally:
            run.trail.waited += parts.clock.monotonic() - asked
        try:
            await self._relay(run, request, response, reply)
        finally:
            await response.aclose()

    async def _reserve(self, run: Run) -> None:
        """Hold one request. What it costs nobody here can know, so that a hard budget of money or tokens refuses it.

        Raises:
            Unbounded, BudgetExceeded, RateLimited: a budget does not allow it.
            StoreUnavailable: what is left cannot be known.
        """
        purse = self._parts.purse
        if purse is None or not purse.any:
            return
        payer = payer_of(run.principal, "", run.wishes.session, run.asked)
        accounts = purse.accounts(payer, run.started)
        for one in accounts.every if accounts is not None else ():
            if one.hard and one.budget.unit != "requests":
                raise Unbounded(
                    f"What is passed through has no known cost, and a hard budget binds it ({one.budget.name})",
                    hint="use a path that the gateway reads, or a key without a hard budget",
                )
        run.accounts = accounts
        if accounts is not None:
            run.reserved = await hold(purse, accounts)

    def _target(self, arrival: Arrival, allow: Allow) -> tuple[Model, str]:
        """Whom the path names, and the path at that provider.

        Raises:
            Forbidden: the key may not use whatever that provider has; what is asked for is not looked into.
            NotFound: no such provider.
            InvalidRequest: a path that leads elsewhere than below the provider's URL.
            UpstreamError: the provider cannot be asked.
        """
        name, _, rest = arrival.path.removeprefix(PREFIX).partition("/")
        if not permits(allow, f"{name}/*"):
            hint = f"it may use {told(allow)}; this would need `{name[:60]}/*`, all that the provider has"
            raise Forbidden(f"This key may not pass through to `{name[:60]}`", hint=hint)
        found = self._provider(name)
        if found is None:
            raise NotFound(f"No provider `{name[:60]}` is configured", hint="`pointsman models --providers` lists them")
        provider, lacking = found
        if lacking:
            raise NoCredentials(f"{name} cannot be asked: {lacking}", hint="`pointsman doctor` says more")
        if any(part in ("..", ".") for part in rest.split("/")) or "\\" in rest or "//" in rest or rest[:1] == "/":
            raise InvalidRequest("The path behind the provider has to lead below its URL", param="path")
        model = self._models.get(name)
        if model is None or model.provider is not provider:
            model = self._models[name] = Model(name=f"{name}/*", provider=provider, upstream="*")
        return model, _below(provider.base_url, rest)

    def _request(self, arrival: Arrival, model: Model, path: str) -> UpstreamRequest:
        if arrival.method not in _METHODS:
            raise InvalidRequest(f"{arrival.method} is not passed through")
        if query := self._query(arrival):
            path = f"{path}?{query}"
        outgoing = Outgoing(path=path, body=arrival.body)
        request = self._parts.sender.prepare(model, outgoing, arrival, model.provider.limits)
        own = {name: value for name, value in arrival.headers if name in _OWN}
        headers = (*(line for line in request.headers if line[0] not in own), *own.items())
        return msgspec.structs.replace(request, method=arrival.method, headers=headers)

    def _query(self, arrival: Arrival) -> str:
        """The query as it came, but for a key of ours, which is for us and not for providers."""
        secret = bearer(arrival) if self._parts.keys.demanded else ""
        if not secret or "key=" not in arrival.query:
            return arrival.query
        return "&".join(one for one in arrival.query.split("&") if unquote(one) != f"key={secret}")

    async def _relay(self, run: Run, request: UpstreamRequest, response: UpstreamResponse, reply: Reply) -> None:
        status, name = response.status, run.asked.partition("/")[0]
        headers = [
            (b"x-request-id", run.id.encode()),
            (b"x-pointsman-provider", name.encode("ascii", "replace")),
            *_shown(response.headers),
        ]
        run.trail.content(run.arrival.received)
        if status in _BODYLESS:
            await reply.whole(status, headers, b"")
        elif status >= 400:  # some providers repeat the key that they refuse, and it is ours
            await reply.whole(status, headers, error_body(await response.read(), request.headers))
        else:
            meter = self._meter(request, response)
            try:
                await self._stream(response, status, headers, reply, meter)
            except UpstreamError as error:  # what came until then may be billed
                run.trail.finish(Ended(status=status), error=error)
                raise
            if meter is not None:
                self._book(run, meter, response)
        if status >= 400:
            raise UpstreamRefused(f"{name} answered {status}", status=status, retryable=status >= 500)
        if run.won is None:
            run.trail.finish(Ended(status=status))
        run.settle(None)

    async def _stream(
        self, response: UpstreamResponse, status: int, headers: Headers, reply: Reply, meter: _Meter | None
    ) -> None:
        """The body as it comes; one that is cut is cut for the caller too."""
        await reply.start(status, headers)
        while chunk := await response.next_chunk():
            await reply.write(chunk)
            if meter is not None:
                meter.take(chunk)
        await reply.end()

    def _meter(self, request: UpstreamRequest, response: UpstreamResponse) -> _Meter | None:
        """What reads an answer beside its way; None where nothing is known of what it says."""
        wanted = asked(request.method, request.url, request.body)
        json = response.header(b"content-type").lower().startswith(b"application/json")
        return _Meter(wanted) if wanted is not None and json else None

    def _book(self, run: Run, meter: _Meter, response: UpstreamResponse) -> None:
        """Note what was used, and of which model; one that nobody knows stays unpriced under the provider's name."""
        upstream, usage = meter.read()
        note = run.trail.open
        if note is None or usage is None:
            return
        note.model = self._priced(note.model.provider, upstream, usage) or note.model
        run.won = Won(model=note.model, response=response, body=b"", facts=AnswerFacts(usage=usage))


def _below(base_url: str, rest: str) -> str:
    """A path below a provider's URL; its version may be repeated, as in the vendor's own documentation."""
    version = base_url.rstrip("/").rpartition("/")[2]
    first, _, behind = rest.partition("/")
    # The server has decoded it: what was written as `%23` or `%252e` has to stay what it was.
    return "/" + quote(behind if first == version and version.startswith("v") else rest, safe=_IN_PATHS)


def _shown(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name not in _HIDDEN and name != b"x-request-id"]
