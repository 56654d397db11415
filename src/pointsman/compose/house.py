"""The house: everything one process needs to serve, put together, started and stopped.

A configuration that changes is compiled to a new directory and a new line; swapping them is one assignment, so a call
walks the line it began on to its end and the next call walks the new one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pointsman.access.keys import KeyRing
from pointsman.access.purse import Purse
from pointsman.catalog import Catalog
from pointsman.compose.alerting import Alerting
from pointsman.compose.budgets import budget, of_key
from pointsman.compose.certificates import check_certificates
from pointsman.compose.checks import Checks
from pointsman.compose.dialects import Dialects
from pointsman.compose.facts import rent_of
from pointsman.compose.file_keys import file_keys, warn_of
from pointsman.compose.local import Machine
from pointsman.compose.names import NO_USES, Found, Names
from pointsman.compose.price_news import PriceNews
from pointsman.compose.prices import PriceKeeper
from pointsman.compose.reach import keys_required, needs_restart
from pointsman.compose.recorders import Everybody, Recorders
from pointsman.compose.rents import RentKeeper
from pointsman.compose.sending import Sending
from pointsman.compose.spending import SpendKeeper
from pointsman.config.load import Loaded
from pointsman.config.schema import Config
from pointsman.config.watch import Source, Watcher
from pointsman.core.budget import Budget
from pointsman.core.call import Arrival
from pointsman.core.clock import Clock, Ids, SystemDraw
from pointsman.core.errors import ConfigError, PointsmanError, StoreUnavailable
from pointsman.core.key import BudgetRow
from pointsman.core.model import Model, Provider
from pointsman.core.plan import Plan, targets_of
from pointsman.core.ports import Carrier, Reply
from pointsman.core.rent import Rent, Use
from pointsman.core.usage import Usage
from pointsman.health.book import Book
from pointsman.line.conversations import Conversations
from pointsman.line.estimates import Estimates
from pointsman.line.keeping import Patience
from pointsman.line.opaque import OpaqueLine
from pointsman.line.parts import Parts
from pointsman.line.turnstile import Turnstile
from pointsman.line.walk import Line
from pointsman.observe.metrics import Metrics
from pointsman.observe.together import Together
from pointsman.observe.transitions import Transitions
from pointsman.routing.directory import Directory
from pointsman.routing.planner import Planner, iso_date
from pointsman.store.alert_claims import AlertClaims
from pointsman.store.allowances import Allowances
from pointsman.store.forgetting import LABEL, Forgetting, Forgotten
from pointsman.store.health_record import HealthRecord
from pointsman.store.keys import SqlKeyStore
from pointsman.store.ledger import Ledger
from pointsman.store.past_spend import PastSpend
from pointsman.store.price_memory import PriceMemory
from pointsman.store.responses import SqlResponses
from pointsman.tokens.counting import TokenCounter
from pointsman.tokens.vocabularies import installed as vocabularies
from pointsman.upstream.fetch import Fetcher
from pointsman.upstream.tokens import Tokens

if TYPE_CHECKING:
    from pointsman.insight.queries import Questions

_log = logging.getLogger("pointsman")
_KEYS_SECONDS = 10.0
_TICK_SECONDS = 1.0
_FLUSH_SECONDS = 5.0


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """What `build` chose: the concrete parts of one house.

    `loaded` is what the file and the command line say, `written` the file alone. `url` is the store's, perhaps with a
    password in it; `place` says the same without secrets.
    """

    loaded: Loaded
    written: Config
    source: Source
    env: Mapping[str, str]
    catalog: Catalog
    folder: Path
    place: str
    clock: Clock
    ids: Ids
    ledger: Ledger
    keys: KeyRing
    key_store: SqlKeyStore
    responses: SqlResponses
    url: str
    metrics: Metrics
    machine: Machine
    carrier: Carrier
    health: Book
    transitions: Transitions
    purse: Purse
    allowances: Allowances
    past: PastSpend
    turnstile: Turnstile = msgspec.field(default_factory=Turnstile)
    warnings: tuple[str, ...] = ()


class House:
    """One gateway. `start` before the first call, `aclose` after the last.

    Attributes:
        transitions: whom the book of health tells of every change.
        together: what hands outcomes on to those who watch for trouble.
        alerting: what is told to people.
        checks: who is asked whether it is well.
    """

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.loaded = pieces.loaded
        self.catalog = pieces.catalog
        self.dialects = Dialects()
        self._sending = Sending(pieces.env, Tokens(pieces.clock))
        self._fetcher = Fetcher()
        self._counter = TokenCounter(vocabularies())
        node = pieces.ids.new(pieces.clock.now())
        claims = AlertClaims(pieces.url, pieces.clock, node)
        self.alerting = Alerting(pieces.carrier, pieces.env, pieces.clock, pieces.metrics.alert, claims)
        self._record = HealthRecord(pieces.ledger.note, pieces.ids, node)
        self.transitions = pieces.transitions
        self.together = Together(pieces.clock.now, self.transitions, self.alerting.engine)
        self.transitions.listen(pieces.metrics.transition, self._record.hear, self.alerting.engine.hear)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        pieces.keys.declare(file_keys(pieces.loaded.config.keys.named, pieces.env))
        pieces.keys.tell(self._fund)
        self._uses = NO_USES
        self.directory = self._directory(pieces.loaded, ())
        self.planner = Planner(self.directory, pieces.health, pieces.clock.monotonic)
        self.line, self.own_line = self._lines(pieces.loaded)
        self.opaque = OpaqueLine(self.line.parts, self.provider, self.dialects.chat, self.by_piece)
        self.checks = Checks(self._check_parts, pieces.health)
        self._found: tuple[Found, ...] = ()
        self._watcher: Watcher | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._questions: Questions | None = None
        self._opening = threading.Lock()
        self.started = False
        self.restart_needed: tuple[str, ...] = ()
        self._price_news = PriceNews(PriceMemory(pieces.url, pieces.clock), self.alerting.spending, pieces.clock)
        self._expect()

    # Calls

    async def walk(self, arrival: Arrival, reply: Reply) -> PointsmanError | None:
        """A chat completion from this process itself: no key is asked for."""
        return await self.own_line.walk(arrival, "chat.completions", self.dialects.chat, reply)

    def provider(self, name: str) -> tuple[Provider, str] | None:
        """A configured provider, and why it cannot be asked now (empty if it can)."""
        provider = self.directory.providers.get(name)
        return None if provider is None else (provider, self.directory.unavailable.get(name, ""))

    def by_piece(self, provider: Provider, upstream: str, usage: Usage) -> Model | None:
        """A model by its provider's own name, with the price for what passed unread; None where nobody knows it."""
        configured = self.directory.models.values()
        known = next((one for one in configured if (one.provider, one.upstream) == (provider, upstream)), None)
        row = self.catalog.model(provider.name, upstream)
        if known is None and row is None:
            return None
        price = known.price if known is not None else row.full if row is not None else None
        if price is None and row is not None and usage.fees:
            price = row.pieces
        if price is not None and not usage.total and dict(price.fees).keys().isdisjoint(dict(usage.fees)):
            price = None  # of all that was used nothing has a price, and that is not nothing
        name = known.name if known is not None else f"{provider.name}/{upstream}"
        return Model(name=name, provider=provider, upstream=upstream, price=price)

    def explain(self, body: bytes) -> Plan:
        """The plan for a request; sends nothing.

        Raises:
            CallerError, GatewayError: as the call itself would.
        """
        incoming = self.dialects.chat.read_request(body, "chat.completions")
        return self.planner.plan(incoming.model, incoming.needs, now=self.pieces.clock.now(), draw=0.0)

    def budgets(self) -> list[Budget]:
        """Every budget in force."""
        return [*(budget(said) for said in self.loaded.config.budgets), *map(of_key, self.pieces.keys.budgets)]

    def _fund(self, rows: Iterable[BudgetRow]) -> None:
        """Put the budgets of keys in force; when this returns, calls are held to them. Any thread may call."""
        budgets = [of_key(row) for row in rows]
        loop, purse = self._loop, self.pieces.purse
        if loop is None or not loop.is_running() or threading.get_ident() == self._thread:
            purse.configure("keys", budgets)
            return
        done = threading.Event()

        def apply() -> None:
            purse.configure("keys", budgets)
            done.set()

        loop.call_soon_threadsafe(apply)
        done.wait(_FLUSH_SECONDS)

    def names(self) -> list[str]:
        """Routes and configured or local models that a caller can name."""
        found = [model.name for one in self._found for model in one.models]
        return [*self.directory.routes, *self.directory.models, *found]

    def questions(self) -> Questions:
        """The ledger's reading side, opened when it is first asked; call it where waiting is allowed."""
        with self._opening:  # several threads may ask first
            if self._questions is None:
                from pointsman.insight.queries import Questions  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to load

                self._questions = Questions(self.pieces.url)
            return self._questions

    async def forget_user(self, user: str, team: str) -> Forgotten:
        """Remove one end user's data from the store: what waits here to be written is written first.

        Raises:
            StoreUnavailable: the store is away.
            InvalidRequest: no user.
        """
        pieces = self.pieces
        label = LABEL + pieces.ids.new(pieces.clock.now())

        def work() -> Forgotten:
            if not (pieces.ledger.flush(_FLUSH_SECONDS) and pieces.responses.flush(_FLUSH_SECONDS)):
                raise StoreUnavailable("Calls wait to be written, among them perhaps the user's", hint="ask again soon")
            forgetting = Forgetting(pieces.url, pieces.clock)
            try:
                return forgetting.forget(user, team, label)
            finally:
                forgetting.close()

        return await asyncio.to_thread(work)

    def listed(self) -> list[Model]:
        """The models that can be listed: those of the configuration, of every route, and of this machine."""
        models = dict(self.directory.models)
        for route in self.directory.routes.values():
            models.update({model.name: model for model in route.models})
        models.update({model.name: model for one in self._found for model in one.models})
        return list(models.values())

    @property
    def keys_read(self) -> bool:
        """Whether keys could be read so far; until then nobody can be told from anybody, and calls are refused."""
        try:
            self.pieces.keys.check("")
        except StoreUnavailable:
            return False
        return True

    # Life

    async def start(self, *, keys: bool = True) -> None:
        """Start the ledger's writer, the keys' refresh, the local engine and the watch over the file.

        `keys` False: nobody calls from outside, so no key is ever looked at.
        """
        pieces = self.pieces
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        pieces.ledger.start()
        if keys:  # before the first call: until the store was read, every key is unknown
            warn_of(file_keys(pieces.loaded.config.keys.named, pieces.env))
            await self._read_keys()
            self._tasks.append(asyncio.create_task(pieces.keys.watch(), name="keys"))
        await asyncio.to_thread(self._counter.prepare, [model.upstream for model in self.listed()])
        self.alerting.start()
        self._tasks.append(asyncio.create_task(self._watch_health(), name="health"))
        self._tasks.append(asyncio.create_task(self.checks.run(), name="checks"))
        self._tasks.append(asyncio.create_task(pieces.purse.keep(), name="budgets"))
        await pieces.machine.start(self._on_found)
        spends = SpendKeeper(self.questions, self.alerting.spending, pieces.clock, self.budgets)
        self._tasks.append(asyncio.create_task(spends.run(), name="spending"))
        rents = RentKeeper(self.questions, self.rents, self.on_uses, pieces.clock)
        self._tasks.append(asyncio.create_task(rents.run(), name="rents"))
        self._tasks.append(asyncio.create_task(self._price_news.run(), name="price news"))
        keeper = PriceKeeper(pieces.loaded.config.prices, pieces.carrier, pieces.folder / "prices", pieces.clock)
        self._tasks.append(asyncio.create_task(keeper.run(self.catalog, self._on_prices), name="prices"))
        if self.loaded.origin is not None:
            self._watcher = Watcher(self.loaded, pieces.source, self.apply, self._rejected, pieces.clock)
            await self._watcher.__aenter__()
        self.started = True

    async def look(self) -> None:
        """Learn what runs on this machine without starting anything: for verbs that only list or explain."""
        await self.pieces.machine.look(self._on_found)
        await self.pieces.carrier.aclose()

    async def aclose(self) -> None:
        """Stop everything; rows that wait are written."""
        self.started = False
        if self._watcher is not None:
            await self._watcher.aclose()
            self._watcher = None
        pieces = self.pieces
        await pieces.machine.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.alerting.aclose()
        self._record.end(pieces.clock.now())
        await asyncio.to_thread(self._return_leases)
        await pieces.carrier.aclose()
        await self._fetcher.aclose()
        await asyncio.to_thread(pieces.responses.close)
        await asyncio.to_thread(pieces.ledger.close)
        if self._questions is not None:
            await asyncio.to_thread(self._questions.close)
            self._questions = None
        await asyncio.to_thread(pieces.key_store.close)

    def _return_leases(self) -> None:
        """What is leased of budgets and not spent is for the others, and for the next process."""
        try:
            self.pieces.purse.give_back()
        except PointsmanError as error:
            _log.warning("what was leased of budgets stays with this process until their periods end: %s", error)
        self.pieces.allowances.close()
        self.pieces.past.close()

    async def _watch_health(self) -> None:
        """What time alone brings: reminders and recoveries, and the word that an incident lasts."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = self.pieces.clock.now()
            self.together.hand_on()
            self.alerting.tick(now)
            self._record.tick(now)

    async def _read_keys(self) -> None:
        try:
            async with asyncio.timeout(_KEYS_SECONDS):
                await asyncio.to_thread(self.pieces.keys.refresh)
        except (PointsmanError, TimeoutError) as error:
            # Answers do not wait for the store; without it no key is known, so all are refused where keys are due.
            _log.error("keys cannot be read from the store: %s", error)

    # Configuration

    @property
    def watcher(self) -> Watcher | None:
        """The watch over the configuration file, where there is one."""
        return self._watcher

    async def apply(self, loaded: Loaded) -> None:
        """Put a configuration in force.

        Raises:
            ConfigError: it refers to what does not exist; the old one stays in force.
        """
        check_certificates(loaded)
        self.adopt(loaded)

    def prove(self, loaded: Loaded) -> None:
        """Raise what `apply` would; nothing changes."""
        check_certificates(loaded)
        self._directory(loaded, self._found)

    def adopt(self, loaded: Loaded) -> None:
        """As `apply`, for what other workers have in force: files that it names may be gone since, and it still holds.

        Raises:
            ConfigError: as `apply`.
        """
        directory = self._directory(loaded, self._found)
        pieces = self.pieces
        pieces.keys.require(required=keys_required(loaded.config, pieces.loaded.config.server.host))
        named = file_keys(loaded.config.keys.named, pieces.env)
        warn_of(named)
        pieces.keys.declare(named)
        self._swap(loaded, directory)
        _log.info("configuration %s is in force", loaded.version)
        self.restart_needed = needs_restart(pieces.written, loaded.config)
        if self.restart_needed:
            sections = ", ".join(f"`{name}`" for name in self.restart_needed)
            _log.warning("%s changed: that part is in force after a restart", sections)

    def _rejected(self, error: ConfigError) -> None:
        _log.error("the changed configuration is refused, the old one goes on serving: %s", error.message)

    async def _on_found(self, found: Sequence[Found]) -> None:
        """The machine's own models are known, or have changed."""
        if tuple(found) == self._found:
            return
        self._found = tuple(found)
        self._swap(self.loaded, self._directory(self.loaded, self._found))

    async def _on_prices(self, catalog: Catalog) -> None:
        """Refreshed prices are in force from the next call on."""
        self.catalog = catalog
        self._swap(self.loaded, self._directory(self.loaded, self._found))

    def on_uses(self, uses: Mapping[str, Use]) -> None:
        """What rented machines were used for: calls are booked at what follows from it, from the next one on."""
        self._uses = uses
        self._swap(self.loaded, self._directory(self.loaded, self._found))

    def rents(self) -> dict[str, Rent]:
        """What machines cost, by the models that run on them."""
        models = self.loaded.config.models.items()
        return {name: rent_of(said.rent) for name, said in models if said.rent is not None}

    def _swap(self, loaded: Loaded, directory: Directory) -> None:
        self.loaded, self.directory = loaded, directory
        self.planner = Planner(directory, self.pieces.health, self.pieces.clock.monotonic)
        self.line, self.own_line = self._lines(loaded)
        self.opaque = OpaqueLine(self.line.parts, self.provider, self.dialects.chat, self.by_piece)
        self._expect()

    def _expect(self) -> None:
        """The names that there are: whoever observes keeps to them, however many others callers invent."""
        routes, models = self.directory.routes, self.listed()
        upstreams = {model.upstream for model in models}
        self.pieces.metrics.expect([*routes, *(model.name for model in models), *upstreams])
        targets = {target for model in models for target in targets_of(model)}
        self.transitions.expect(targets, self.pieces.clock.now())
        priced = {model.name: model.price is not None for model in models}
        self.alerting.configure(self.loaded.config.alerts, {*routes, *priced}, priced)
        self.checks.configure(models, self.directory.unavailable)
        self.pieces.purse.configure("file", [budget(said) for said in self.loaded.config.budgets])
        self._price_news.expect(models)

    def _directory(self, loaded: Loaded, found: Sequence[Found]) -> Directory:
        pieces = self.pieces
        today = iso_date(pieces.clock.now())
        return Names(loaded, self.catalog, pieces.env, found, today, self._uses).directory()

    def _lines(self, loaded: Loaded) -> tuple[Line, Line]:
        """The line for callers over HTTP, and the one for this process itself."""
        pieces, responses = self.pieces, loaded.config.responses
        parts = Parts(
            passages=self.dialects.passages,
            router=self.planner,
            sender=self._sending,
            carrier=pieces.carrier,
            fetcher=self._fetcher,
            keys=pieces.keys,
            recorder=Recorders(pieces.ledger, pieces.metrics, self.together, self.alerting.spending),
            clock=pieces.clock,
            ids=pieces.ids,
            draw=SystemDraw(),
            estimates=Estimates(self.dialects.passages, self._counter),
            health=pieces.health,
            turnstile=pieces.turnstile,
            keep_content=loaded.config.store_content,
            patience=Patience(first=loaded.config.server.keep_alive, every=loaded.config.server.keep_alive),
            conversations=Conversations(pieces.responses, responses.days) if responses.store else None,
            purse=pieces.purse,
            saver=self.planner,
        )
        return Line(parts), Line(msgspec.structs.replace(parts, keys=Everybody(), conversations=None))

    def _check_parts(self) -> Parts:
        """For checks of ours: in ledger and metrics, but nothing that alerts or the use of a provider count."""
        recorder = Recorders(self.pieces.ledger, self.pieces.metrics)
        return msgspec.structs.replace(self.own_line.parts, recorder=recorder, purse=None)


def data_folder(env: Mapping[str, str]) -> Path:
    """Where weights, refreshed prices and other data of this user lie: `$POINTSMAN_HOME`, else the usual place."""
    home = env.get("POINTSMAN_HOME")
    if home:
        return Path(home)
    base = env.get("XDG_DATA_HOME") or (env.get("HOME", ".") + "/.local/share")
    return Path(base) / "pointsman"
