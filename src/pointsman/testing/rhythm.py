"""When the pieces of an answer are due: latency and pace of a model, drawn from its distributions."""

from __future__ import annotations

import random

from pointsman.testing.dialect import Frame, Mark
from pointsman.testing.distributions import sample
from pointsman.testing.script import SimModel


def whole_delay(model: SimModel, tokens: int, rng: random.Random) -> float:
    """Seconds until a whole answer of so many tokens."""
    if model.total is not None:
        return sample(model.total, rng)
    pace = model.pace
    flow = tokens / max(pace.tokens_per_event, 1) / pace.events_per_second if pace.events_per_second else 0.0
    return sample(model.first_token, rng) + flow


def frame_times(model: SimModel, frames: list[Frame], rng: random.Random) -> list[float]:
    """Seconds at which each frame is due: head with the first content, the end with the last."""
    due = sample(model.first_token, rng)
    rate, jitter = model.pace.events_per_second, model.pace.jitter
    if not rate:
        return [due] * len(frames)
    gap, times, first = 1.0 / rate, [], True
    for mark, _ in frames:
        if mark is Mark.CONTENT:
            if not first:
                due += gap * (1.0 + jitter * (2.0 * rng.random() - 1.0)) if jitter else gap
            first = False
        times.append(due)
    return times
