"""What a model's template adds to a request, and what way its answers take; nothing for a model without one.

It is done for each attempt, so that after a failure the next model gets its own words instead of the last one's.
"""

from __future__ import annotations

from pointsman.core.plan import Step
from pointsman.wire.forms import asks_json, judged
from pointsman.wire.passage import Passages
from pointsman.wire.port import Passage
from pointsman.wire.trip import Incoming


def dressed(passages: Passages, caller: str, incoming: Incoming, step: Step) -> tuple[Passage, Incoming]:
    """The way to a step's model from a caller's dialect, and the request in its words."""
    template = step.model.template
    if template is None:
        return passages.between(caller, step.dialect), incoming
    way = passages.between(caller, step.dialect, tidy=template.unfence and judged(incoming))
    hint = template.json if asks_json(incoming) else ""
    after = f"{template.after}\n\n{hint}" if template.after and hint else template.after or hint
    if template.before or after:
        incoming = passages.with_system(caller, incoming, template.before, after)
    return way, incoming
