"""Families of models that count alike: which vocabulary, and what they add to the text.

Fitted to 4,600 recorded exchanges in which providers state what they counted. `docs/reference/tokens.md` says how well.
"""

from __future__ import annotations

import re

import msgspec


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """How one family counts. All figures are tokens.

    Attributes:
        vocabulary: the name of what comes closest to its own.
        factor, rough: by how much its count differs from that vocabulary's, and from `rough.rough`.
        start, message: added to each request and to each of its messages.
        tools, tool, tools_factor: added where tools are offered, for each of them, and what their JSON counts as.
        schema: what the JSON Schema of an answer counts as; some do not read it as text.
        ends, call: added to each answer, and to each call of a tool in it.
    """

    vocabulary: str = "o200k_base"
    factor: float = 1.0
    rough: float = 1.0
    start: float = 3.0
    message: float = 4.0
    tools: float = 10.0
    tool: float = 12.0
    tools_factor: float = 1.0
    schema: float = 1.0
    ends: float = 1.0
    call: float = 8.0


OTHER = Family(factor=1.05, rough=1.1)
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (
        r"claude.*(?:opus-4[-.][789]|(?:sonnet|opus|haiku|fable)-[5-9])",
        Family(factor=1.41, rough=1.4, start=6, message=2, tools=300, tool=5, tools_factor=4.3, ends=3, call=45),
    ),
    (r"claude", Family(factor=1.1, rough=1.09, start=4.5, message=2.5, tools=512, tool=27, ends=3, call=40)),
    (r"gpt-oss", Family(rough=0.97, start=45, message=20, tools=5, tool=5, tools_factor=0.85, call=15)),
    (r"gpt-(?:3|4(?!o|\.1|\.5))|text-davinci|babbage", Family(vocabulary="cl100k_base", start=3, tools=8, tool=4)),
    (
        r"gpt-|chatgpt|\bo[134](?:-|$)|codex",
        Family(rough=0.98, start=2.5, message=4.5, tools=8, tool=1.5, tools_factor=0.85),
    ),
    (r"text-embedding", Family(vocabulary="cl100k_base", start=0, message=0)),
    (
        r"gemini",
        Family(vocabulary="gemma3", rough=1.06, start=0, message=1, tools=0, tool=3, schema=0, ends=0.5, call=1),
    ),
    (r"gemma", Family(vocabulary="gemma3", rough=1.06, start=2, message=5)),
    (r"llama|nemotron", Family(vocabulary="llama3", rough=0.95, start=10, message=8, tools=150, tools_factor=1.2)),
    (r"qwen|qwq", Family(vocabulary="qwen3", start=5, message=4, tools=70, tool=30, tools_factor=1.25, call=15)),
    (
        r"deepseek",
        Family(vocabulary="deepseek_v3", rough=1.06, start=2, message=1, tools=190, tool=40, tools_factor=1.2, call=14),
    ),
    (
        r"mi[sx]tral|codestral|magistral|ministral|devstral|pixtral",
        Family(vocabulary="mistral_v3", rough=1.06, start=1, message=2, tools=2, tool=19, tools_factor=1.4, call=5),
    ),
    (r"grok", Family(factor=0.97, rough=0.95, start=115, message=42, tools=140, tool=0, ends=0, call=18)),
    (
        r"glm",
        Family(vocabulary="glm4", factor=1.1, rough=1.15, start=1, message=4, tools=90, tool=16, tools_factor=1.4),
    ),
    (r"kimi|moonshot", Family(vocabulary="kimi_k2", rough=0.9, start=4, message=4, tools=2, tool=22, tools_factor=1.4)),
    (r"phi-?4", Family(vocabulary="phi4")),
)
_KNOWN = tuple((re.compile(pattern), family) for pattern, family in _FAMILIES)


def family_of(model: str) -> Family:
    """The family of a model, by its provider's name of it; `OTHER` where that says nothing."""
    name = model.lower()
    return next((family for pattern, family in _KNOWN if pattern.search(name)), OTHER)
