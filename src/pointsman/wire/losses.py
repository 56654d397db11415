"""What an encoder cannot express, by name: nothing disappears silently."""

from __future__ import annotations

from pointsman.core.chat import Answer, Block, Choice, Dropped, Extras, Media, Message, Opaque, Request


def dropped(extras: tuple[Extras, ...], dialect: str, path: str) -> list[Dropped]:
    """Extra fields of other dialects, which this one cannot express."""
    return [
        Dropped(path=f"{path}.{name}" if path else name, reason=f"{extra.dialect} only")
        for extra in extras
        if extra.dialect != dialect
        for name in extra.fields
    ]


_USUAL_TIERS = frozenset({"", "auto", "default"})


def untiered(request: Request) -> list[Dropped]:
    """A tier of service that is not the usual one, where a dialect has no such word: time and price are others then."""
    if request.service_tier in _USUAL_TIERS:
        return []
    return [Dropped(path="service_tier", reason=f"`{request.service_tier}` is a tier of OpenAI's dialects")]


def undetailed(block: Media, path: str) -> list[Dropped]:
    """How closely to look at a picture, in a dialect that has no word for it."""
    return [Dropped(path=f"{path}.detail", reason="how closely to look is not said")] if block.detail else []


def unnamed(message: Message, path: str) -> list[Dropped]:
    """A speaker's name, in a dialect that has none."""
    return [Dropped(path=f"{path}.name", reason="there are no names of speakers")] if message.name else []


def name_of(block: Block) -> str:
    """A block's kind, for people."""
    return block.kind if isinstance(block, Opaque | Media) else type(block).__name__.lower()


def only_choice(answer: Answer, dialect: str) -> tuple[Choice, list[Dropped]]:
    """The one choice that a dialect without choices writes, and what of the rest it cannot."""
    choice = answer.choices[0] if answer.choices else Choice()
    lost = dropped(answer.extras, dialect, "")
    lost += [Dropped(path=f"choices[{other.index}]", reason="one answer only") for other in answer.choices[1:]]
    return choice, lost + dropped(choice.extras, dialect, "choices[0]")
