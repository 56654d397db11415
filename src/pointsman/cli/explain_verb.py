"""`pointsman explain`: the plan for a request; nothing is sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from pointsman.cli.terminal import config_option, json_option, paint, print_json
from pointsman.core.plan import Plan
from pointsman.library import Gateway


@click.command("explain", help="Say which model a request would go to, and why; sends nothing.")
@click.argument("question", required=False)
@click.option("-m", "--model", default="auto", show_default=True, help="Route, model or provider/model.")
@click.option("--body", type=click.File("rb"), help="A whole request as JSON (`-` for standard input) instead.")
@config_option
@json_option
def command(question: str | None, model: str, body: Any, config: Path | None, as_json: bool) -> None:
    """Explain."""
    with Gateway(config) as gateway:
        gateway.wait_for_models()
        if body is not None:
            plan = gateway.explain_body(body.read())
        else:
            text = question or (sys.stdin.read() if not sys.stdin.isatty() else "")
            plan = gateway.explain(text or "Hello", model)
    if as_json:
        print_json(view(plan))
        return
    rows = [
        (f"{number}.", step.model.name, "chosen" if number == 1 else "fallback", plan.reason if number == 1 else "")
        for number, step in enumerate(plan.steps, 1)
    ]
    rows += [("x", one.model, "dropped", one.detail) for one in plan.dropped]
    width = max(len(row[1]) for row in rows)
    for mark, name, state, why in rows:
        print(f"{mark:<3}{name:<{width}}  {state:<8}  {why}".rstrip())
    for warning in plan.warnings:
        print(paint(f"!  {warning}", "yellow"))


def view(plan: Plan) -> dict[str, Any]:
    """A plan as plain data."""
    return {
        "route": plan.route,
        "strategy": plan.strategy,
        "reason": plan.reason,
        "policy": plan.policy,
        "propensity": plan.propensity,
        "steps": [
            {"model": s.model.name, "provider": s.model.provider.name, "upstream": s.model.upstream, "start": s.start}
            for s in plan.steps
        ],
        "dropped": [msgspec.to_builtins(one) for one in plan.dropped],
        "warnings": list(plan.warnings),
    }
