"""What `serve` says when it begins: what is ready, what is missing and the one command that helps."""

from __future__ import annotations

from pointsman import __version__
from pointsman.cli.houses import WAY_OUT, has_models
from pointsman.cli.terminal import paint, plain, say, say_hint, say_warning
from pointsman.compose import House, certificate_warnings

_SETTLED_SECONDS = 30.0
_SHOWN = 8
_EVERYWHERE = frozenset({"0.0.0.0", "::"})


def banner(house: House, url: str) -> None:
    """What is known at once."""
    say(f"{paint('pointsman', 'bold', err=True)} {__version__} — {url}  (page at /, OpenAI at /v1)")
    if (host := house.loaded.config.server.host) in _EVERYWHERE:
        _line("listens", f"on every address of this machine ({host})")
    directory = house.directory
    ready = [m for m in directory.models.values() if m.provider.name not in directory.unavailable]
    on = [name for name in directory.providers if name not in directory.unavailable]
    if on:
        _line("providers", _some(on))
    if directory.models:
        _line("models", f"{len(ready)} ready of {len(directory.models)} configured: {_some([m.name for m in ready])}")
    if unpriced := [model.name for model in ready if model.price is None]:
        _line("unpriced", f"{_some(unpriced)}: what they cost is unknown, not zero")
    if routes := [route.name for route in directory.routes.values() if route.models]:
        _line("routes", _some(routes))
    _line("config", f"{house.loaded.origin or 'none: defaults'} ({house.loaded.version})")
    _line("ledger", house.pieces.place)
    if not house.keys_read:
        say_warning("the keys cannot be read from the store: calls are refused until they can")
    elif house.pieces.keys.demanded:
        _line("keys", "demanded; `pointsman keys create NAME` makes one")
    for name, lack in directory.unavailable.items():
        say_warning(f"{name} is off: {lack}")
    for text in (*house.pieces.warnings, *certificate_warnings(house.loaded, house.pieces.clock.now())):
        say_warning(text)


async def local_models(house: House) -> None:
    """What takes a moment: the models of this machine; then what to do next."""
    machine = house.pieces.machine
    await machine.settled(_SETTLED_SECONDS)
    for one in machine.found:
        names = _some([model.upstream for model in one.models])
        if any(model.demonstration for model in one.models):
            _line("embedded", f"{names}, for demonstration")
        else:
            _line("found", f"{one.provider.name} at {one.provider.base_url}: {names}")
    if has_models(house):
        say_hint('try `pointsman ask "Why is the sky blue?"`')
    else:
        say_warning("no model is ready", WAY_OUT)


def _line(name: str, text: str) -> None:
    say(f"  {name:<10} {plain(text)}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
