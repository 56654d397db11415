"""`pointsman explain`: the plan for a request, or what an old call cost and why; sends and writes nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    paint,
    plain,
    print_json,
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.core.plan import Plan, Stands, Step

_HELP = described(
    "Say which model a request would go to, why, what follows if that fails, and which models were left out. With the "
    "ID of a call instead (as `logs` shows it, or its beginning): how that was decided, and what its cost is made of, "
    "part by part, at the prices that it was billed by. Sends nothing and writes nothing.",
    'pointsman explain "Prove that the square root of 2 is irrational"',
    "pointsman explain --body request.json --json",
    "pointsman explain 01m809p6p60mfv",
)


@click.command("explain", help=_HELP, short_help="Say which model a request would go to, or what a call cost, and why.")
@click.argument("question", required=False, metavar="[QUESTION | ID]")
@click.option("-m", "--model", default="auto", show_default=True, help="Route, model or provider/model.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="A whole request as JSON; `-` is standard input.")
@config_option
@json_option
def command(question: str | None, model: str, body: BinaryIO | None, config: Path | None, as_json: bool) -> None:
    """Explain."""
    from pointsman.cli.houses import looked
    from pointsman.cli.one_call import named

    if question is not None and body is None and named(question):
        _call(question, config, as_json=as_json)
        return
    request = body.read() if body is not None else _request(question, model)
    plan = looked(config).explain(request)
    if as_json:
        print_json(view(plan))
        return
    rows = [
        (f"{number}.", _name(step), "chosen" if number == 1 else "fallback", _why(plan, step))
        for number, step in enumerate(plan.steps, 1)
    ]
    rows += [("x", one.model, "dropped", one.detail) for one in plan.dropped]
    width = max(len(row[1]) for row in rows)
    for mark, name, state, why in rows:
        line = plain(f"{mark:<3}{name:<{width}}  {state:<8}  {why}".rstrip())
        print(paint(line, "dim") if state == "dropped" else line)
    for warning in plan.warnings:
        say_warning(warning)


def _call(which: str, config: Path | None, *, as_json: bool) -> None:
    """What an old call cost, and why."""
    from pointsman.cli import calls, explained
    from pointsman.cli.one_call import one_call
    from pointsman.cli.table import print_table
    from pointsman.compose import build
    from pointsman.config.load import store_url
    from pointsman.store.location import locate

    house = build(config)
    place = locate(store_url(house.loaded.config, house.pieces.env))
    missing = place.engine == "sqlite" and not Path(place.path).exists()
    with closing(house.questions()) as questions:
        found = one_call(None if missing else questions, which)
    if as_json:
        print_json(explained.view(found))
        return
    for line in calls.head(found):
        print(line)
    if found.attempts:
        print(paint("cost", "dim"))
        print_table(
            explained.HEAD, explained.rows(found), right=explained.RIGHT, keep=explained.KEPT, spare=explained.SPARE
        )
        print()
        print(paint("billed by", "dim"))
        print("\n".join(explained.prices(found)))
    else:
        print("nothing was sent, so it cost nothing")
    for note in explained.notes(found):
        say_hint(note)


def _name(step: Step) -> str:
    """A step's model, and the variable of the key to ask it with where its provider has several."""
    return f"{step.model.name} (${step.key})" if step.key else step.model.name


def _why(plan: Plan, step: Step) -> str:
    """The reason for a step's place; and that nobody knows what it will cost."""
    why = reason_of(plan, step)
    unpriced = "unpriced: its cost is unknown, not zero" if step.model.price is None else ""
    return "; ".join(filter(None, (why, unpriced)))


def _request(question: str | None, model: str) -> bytes:
    import msgspec

    from pointsman.cli.ask_verb import question_of

    text = question_of(question) or "Hello"
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": text}]})


_STANDS: dict[Stands, str] = {
    "better": "a higher tier",
    "poorer": "a lower tier, of which the quickest is asked first",
    "local": "on this machine, for when no cloud answers",
    "demonstration": "for demonstration",
}


def reason_of(plan: Plan, step: Step) -> str:
    """Why a step has its place; empty where the order is the operator's or a balance's."""
    if step is plan.steps[0]:
        return plan.reason
    if step.stands != "same":
        return _STANDS.get(step.stands, "")
    other = step.model.provider.name != plan.steps[0].model.provider.name
    tier = "tier unknown" if step.model.tier is None else f"as good ({step.model.tier})"
    return f"{tier}, another provider" if other else tier


def view(plan: Plan) -> dict[str, Any]:
    """A plan as plain data."""
    import msgspec

    return {
        "route": plan.route,
        "strategy": plan.strategy,
        "reason": plan.reason,
        "policy": plan.policy,
        "propensity": plan.propensity,
        "steps": [
            {
                "model": step.model.name,
                "provider": step.model.provider.name,
                "upstream": step.model.upstream,
                "key_env": step.key,
                "start": step.start,
                "stands": step.stands,
                "priced": step.model.price is not None,
            }
            for step in plan.steps
        ],
        "dropped": [msgspec.to_builtins(one) for one in plan.dropped],
        "warnings": list(plan.warnings),
    }
