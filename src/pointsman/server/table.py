"""The table of paths. Paths answer with and without `/v1`, also with several; nothing else is decided here.

Handlers are looked up by method and normal path; a path that exists with another method is a 405, not a 404.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping

from pointsman.core.call import Arrival
from pointsman.core.errors import MethodNotAllowed, NotFound
from pointsman.core.ports import Reply

Handler = Callable[[Arrival, Reply], Awaitable[object]]
_SUGGESTION_LENGTH = 100


class Table:
    """Paths to handlers. `exact` maps a path to methods; `prefixes` likewise for everything below a path."""

    def __init__(
        self, exact: Mapping[str, Mapping[str, Handler]], prefixes: Mapping[str, Mapping[str, Handler]]
    ) -> None:
        self._exact = dict(exact)
        self._prefixes = tuple(prefixes.items())

    def find(self, method: str, path: str) -> Handler:
        """The handler of a request.

        Raises:
            NotFound, MethodNotAllowed
        """
        methods = self._exact.get(path)
        if methods is None:
            methods = self._methods(path)
        handler = methods.get(method)
        if handler is None:
            if method == "HEAD" and "GET" in methods:
                return methods["GET"]
            raise MethodNotAllowed(f"{path or 'The root path'} takes {' or '.join(sorted(methods))}, not {method}")
        return handler

    def allowed(self, path: str) -> str:
        """The methods that a path takes, as the header `allow` lists them; empty where there is nothing."""
        try:
            methods = self._methods(path)
        except NotFound:
            return ""
        return ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ())}))

    def entries(self) -> list[tuple[str, str]]:
        """Every method and path; one that ends with a slash stands for everything below it."""
        every = [*self._exact.items(), *self._prefixes]
        return [(method, path) for path, methods in every for method in methods]

    def _methods(self, path: str) -> Mapping[str, Handler]:
        plain = normal(path)
        methods = self._exact.get(plain)
        if methods is not None:
            return methods
        for prefix, methods in self._prefixes:
            if plain.startswith(prefix) and len(plain) > len(prefix):
                return methods
        near = difflib.get_close_matches(plain[:_SUGGESTION_LENGTH], self._exact, n=1)
        hint = f"did you mean {near[0]}?" if near else "see / for what this server offers"
        raise NotFound(f"There is nothing at {path[:_SUGGESTION_LENGTH]}", hint=hint)


_SURFACES = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    "/embeddings",
    "/models",
    "/generation",
)
_VERSIONS = re.compile(r"(?:/v1(?:beta\d?|alpha)?)+(?=/v1(?:beta\d?|alpha)?(?:/|$))")
"""Versions in front of another: a client's base URL had one, and the client wrote its own behind it."""


def normal(path: str) -> str:
    """A path in the form of the table: with one version where the table has one, without a trailing slash."""
    path = "/" + path.strip("/")
    if path.startswith("/v1"):
        repeated = _VERSIONS.match(path)
        return path[repeated.end() :] if repeated else path
    for surface in _SURFACES:
        if path == surface or path.startswith(surface + "/"):
            return "/v1" + path
    return path
