"""`check_provider`: plays a caller against a provider and reports what it does, check by check.

It is for a provider that somebody wants to add, and for ours: the simulator and the gateway pass it too. A check says
`yes`, `no` (it does not do this: a fact to configure, no fault) or `odd` (it does, in a way that the dialect does not
allow).
"""

from __future__ import annotations

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.testing.caller import Caller
from pointsman.testing.probes import PROBES, Asker, Verdict
from pointsman.wire.parse import as_dict, as_list


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried."""

    name: str
    verdict: Verdict
    detail: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider does, or a dialect (then there is neither address nor model).

    Attributes:
        base_url: who was asked.
        dialect: how.
        model: which model.
        checks: in the order tried.
    """

    base_url: str
    dialect: str
    model: str
    checks: tuple[Check, ...]

    def __getitem__(self, name: str) -> Check:
        """The check of that name. Raises KeyError: none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    @property
    def sound(self) -> bool:
        """Whether it answers, whole and streamed, and does nothing odd."""
        return all(self[name].verdict == "yes" for name in ("whole", "stream")) and not self.odd

    @property
    def odd(self) -> tuple[Check, ...]:
        """What the dialect does not allow."""
        return tuple(check for check in self.checks if check.verdict == "odd")

    def render(self) -> str:
        """For people."""
        lines = [f"{self.base_url} ({self.dialect}), model {self.model}" if self.base_url else self.dialect]
        lines += [f"  {check.verdict:3}  {check.name:16} {check.detail}".rstrip() for check in self.checks]
        return "\n".join(lines)


async def check_provider(
    base_url: str, dialect: str = "openai-chat", *, model: str = "", key: str = "", patience: float = 60.0
) -> Report:
    """Play a caller against a provider: about fifteen small requests, one after the other.

    Args:
        base_url: what stands before `/chat/completions`.
        dialect: only `openai-chat` for now.
        model: which one to ask; the first that it lists, if empty.
        key: sent as a bearer token if not empty.
        patience: longest silence in seconds; a check that meets it is `no`.

    Raises:
        ConfigError: not an address, a key that no header can carry, an unknown dialect, or no model named and none
            listed.
    """
    if dialect != "openai-chat":
        raise ConfigError(f"no checks for the dialect {dialect!r}", hint="there are some for: openai-chat")
    caller = Caller(base_url, key, patience)
    listed = await caller.get("/models")
    names = [str(name) for card in as_list(listed.json.get("data")) if (name := as_dict(card).get("id"))]
    if not model and not names:
        raise ConfigError(f"{base_url} lists no models", hint="name one")
    asker = Asker(caller, model or names[0])
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    checks = [Check(name="models", verdict="yes" if names else "no", detail=shown or f"status {listed.status}")]
    for name, probe in PROBES.items():
        verdict, detail = await probe(asker)
        checks.append(Check(name=name, verdict=verdict, detail=detail))
    return Report(base_url=base_url, dialect=dialect, model=asker.model, checks=tuple(checks))
