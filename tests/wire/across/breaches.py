"""A list of rules that something broke."""

from __future__ import annotations

from typing import Any


class Breaches(list[str]):
    """What was wrong, in words."""

    def check(self, held: Any, rule: str) -> None:
        """Note a rule that did not hold."""
        if not held and rule not in self:
            self.append(rule)

    def types(self, value: dict[str, Any], **kinds: Any) -> None:
        """Fields that have to be there, of these types (`None` among them: may be null)."""
        for name, kind in kinds.items():
            allowed = kind if isinstance(kind, tuple) else (kind,)
            plain = tuple(type(None) if one is None else one for one in allowed)
            found = value.get(name, _MISSING)
            right = found is not _MISSING and isinstance(found, plain)
            if isinstance(found, bool) and bool not in plain:
                right = False
            what = "missing" if found is _MISSING else type(found).__name__
            self.check(right, f"`{name}` is {what}")


_MISSING = object()
