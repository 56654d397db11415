"""YAML text to a tree that remembers where everything stood.

The tree is built from the parser's events, not by its composer: that keeps the depth, the number of nodes and the
weight of aliases bounded whatever the text, keeps the source text of every scalar (so that 0.15 stays 0.15 and
`jurisdiction: NO` stays NO), and refuses tags, which a configuration has no use for.
"""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from pointsman.config.nodes import NOTHING, Mapping, Node, Scalar, Sequence
from pointsman.config.problems import Mark, error_at
from pointsman.config.source import NOT_TEXT
from pointsman.core.errors import ConfigError
from pointsman.core.secret import redacted

MAX_DEPTH = 64
MAX_NODES = 100_000  # aliases count with all that they stand for
_START = Mark(1, 1)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it: ten times faster


def compose(text: str, file: str, loader: Any = _LOADER) -> Node:
    """The tree of one document; `NOTHING` for an empty one.

    Raises:
        ConfigError: not YAML, or beyond the limits of this module.
    """
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(file, text, error) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The pure Python parser lets int() and chr() speak for themselves on absurd escapes and version numbers.
        raise ConfigError(f"not YAML: {error}", where=file) from None
    return builder.root


class _Open(msgspec.Struct):
    """A list or mapping that is still being read."""

    event: Any
    children: list[Node] = msgspec.field(default_factory=list)
    weight: int = 1


class _Builder:
    def __init__(self, file: str) -> None:
        self.root: Node = NOTHING
        self._file = file
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refuse(self._file, mark, "a second document begins here", "one file holds one document")
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._target(str(event.anchor), mark), mark)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_tag(event, mark)
            node = Scalar(text=event.value, plain=bool(event.implicit[0]), mark=mark)
            if NOT_TEXT.search(event.value.replace("\0", "")):
                raise _refuse(self._file, mark, "an escape stands for a character that is not text")
            self._finish(node, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _check_tag(self, event: Any, mark: Mark) -> None:
        if event.tag is not None:
            raise _refuse(
                self._file, mark, f"the tag `{redacted(event.tag)[:40]}` is not taken", "write the value without `!`"
            )

    def _target(self, anchor: str, mark: Mark) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            inside = anchor in self._anchors
            why = "stands inside what it repeats" if inside else "was not defined before"
            raise _refuse(self._file, mark, f"the alias `*{redacted(anchor)[:40]}` {why}")
        return node

    def _open(self, event: Any, mark: Mark) -> None:
        self._check_tag(event, mark)
        if len(self._stack) >= MAX_DEPTH:
            raise _refuse(self._file, mark, f"nested deeper than {MAX_DEPTH} levels")
        if self._stack and self._stack[-1].event.__class__ is yaml.MappingStartEvent:
            self._refuse_odd_key(mark)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(event))

    def _refuse_odd_key(self, mark: Mark) -> None:
        if len(self._stack[-1].children) % 2 == 0:
            raise _refuse(self._file, mark, "a list or mapping cannot be a key", "quote text that begins with { or [")

    def _close(self) -> None:
        done = self._stack.pop()
        mark = Mark(done.event.start_mark.line + 1, done.event.start_mark.column + 1)
        if isinstance(done.event, yaml.SequenceStartEvent):
            self._finish(Sequence(items=tuple(done.children), mark=mark, weight=done.weight), done.event.anchor)
            return
        keys = [key for key in done.children[::2] if isinstance(key, Scalar)]
        entries = tuple(zip(keys, done.children[1::2], strict=True))
        self._finish(Mapping(entries=entries, mark=mark, weight=done.weight), done.event.anchor)

    def _finish(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        self._place(node, node.mark)

    def _place(self, node: Node, mark: Mark) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if not isinstance(node, Scalar) and isinstance(top.event, yaml.MappingStartEvent):
            self._refuse_odd_key(mark)
        top.children.append(node)
        top.weight += node.weight
        if top.weight > MAX_NODES:
            raise _refuse(self._file, mark, f"more than {MAX_NODES:,} values", "aliases count with what they repeat")


def _char_at(text: str, mark: Mark) -> str:
    lines = text.split("\n")
    return lines[mark.line - 1][mark.column - 1 : mark.column] if mark.line <= len(lines) else ""


def _refuse(file: str, mark: Mark, message: str, hint: str = "") -> ConfigError:
    return error_at(f"{file}:{mark.line}:{mark.column}", message, hint)


def _syntax_error(file: str, text: str, error: yaml.MarkedYAMLError) -> ConfigError:
    found = error.problem_mark or error.context_mark
    mark = Mark(found.line + 1, found.column + 1) if found else _START
    problem = error.problem or "cannot be read"
    if _char_at(text, mark) == "\t":
        return _refuse(file, mark, "a tab where YAML wants spaces", "indent with spaces")
    hint = ""
    if "mapping values are not allowed" in problem:
        hint = "check the indentation, and quote a text that contains `: `"
    elif "could not find expected ':'" in problem or "did not find expected" in problem:
        hint = "check the indentation, and that every bracket and quote is closed"
    context = f" ({error.context})" if error.context else ""
    return _refuse(file, mark, f"not YAML: {problem}{context}", hint)
