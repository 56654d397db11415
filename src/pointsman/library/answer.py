"""A whole answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer: the provider's body, unchanged but for `usage.cost`, and what the gateway says of it."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """The first choice's text; empty if it has none."""
        choices = self.body.get("choices") or [{}]
        message = choices[0].get("message") or {}
        content = message.get("content")
        return content if isinstance(content, str) else ""

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The first choice's tool calls."""
        choices = self.body.get("choices") or [{}]
        calls = (choices[0].get("message") or {}).get("tool_calls")
        return list(calls or [])

    @property
    def id(self) -> str:
        """The call's id, as in the ledger."""
        return self.headers.get("x-request-id", "")

    @property
    def model(self) -> str:
        """Our name for the model that answered."""
        return self.headers.get("x-pointsman-model", "")

    @property
    def provider(self) -> str:
        """Who answered."""
        return self.headers.get("x-pointsman-provider", "")

    @property
    def route(self) -> str:
        """The route that decided."""
        return self.headers.get("x-pointsman-route", "")

    @property
    def decision(self) -> str:
        """Why this model, in one line."""
        return self.headers.get("x-pointsman-decision", "")

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None if the model is unpriced."""
        text = self.headers.get("x-pointsman-cost-usd")
        return None if text is None else Decimal(text)

    @property
    def cost_estimated(self) -> bool:
        """Whether the cost stands on tokens that were counted here, because the provider states none."""
        return self.headers.get("x-pointsman-cost-estimated") == "true"

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens as the provider counts them."""
        return dict(self.body.get("usage") or {})
