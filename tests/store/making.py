"""Outcomes made for tests."""

from __future__ import annotations

from typing import Any

from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.model import Ability, Model, Price, Provider
from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.plan import Dropped, Needs, Plan, Step
from pointsman.core.usage import Usage

CLOCK = SystemClock()
IDS = SystemIds()
OPENAI = Provider(name="openai", dialect="openai-chat", base_url="http://127.0.0.1:1/v1")
SMALL = Model(name="small", provider=OPENAI, upstream="small-2026", price=Price(input=150_000, output=600_000))
LARGE = Model(name="large", provider=OPENAI, upstream="large-2026")
PLAN = Plan(
    route="auto",
    strategy="cheapest",
    steps=(Step(model=SMALL, dialect="openai-chat", start="at_once"), Step(model=LARGE, dialect="openai-chat")),
    dropped=(Dropped(model="tiny", reason="context", detail="its window is 4,096 tokens"),),
    reason="small is the cheapest that fits",
    policy="policy-1",
    warnings=("large retires on 2027-01-01",),
)
USAGE = Usage(input=100, cache_read=40, output=20, reasoning=5)
NEEDS = Needs(dialect="openai-chat", abilities=Ability.TOOLS | Ability.VISION, input_tokens=98, messages=3, stream=True)


def attempt(number: int = 1, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "number": number,
        "provider": "openai",
        "model": "small",
        "upstream": "small-2026",
        "started": CLOCK.now(),
        "duration": 1_000_000,
        "first_byte": 500_000,
        "status": 200,
        "usage": USAGE,
        "cost": 1_234_567,
    }
    return Attempt(**(values | changes))


def outcome(**changes: Any) -> Outcome:
    now = changes.pop("now", None) or CLOCK.now()
    values: dict[str, Any] = {
        "id": IDS.new(now),
        "started": now,
        "duration": 2_000_000,
        "overhead": 50_000,
        "first_byte": 700_000,
        "surface": "chat.completions",
        "dialect": "openai-chat",
        "asked": "auto",
        "status": "ok",
        "http_status": 200,
        "plan": PLAN,
        "draw": 0.25,
        "needs": NEEDS,
        "attempts": (attempt(),),
        "usage": USAGE,
        "cost": 1_234_567,
        "finish": "stop",
        "answer_id": "chatcmpl-" + IDS.new(now),
    }
    return Outcome(**(values | changes))
