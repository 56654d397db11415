"""From the tree to the classes of `schema.py`, by their types alone, keeping on after an error to find them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect as kinds

from pointsman.config import scalars
from pointsman.config.names import did_you_mean
from pointsman.config.nodes import Mapping, Node, Scalar, Sequence
from pointsman.config.problems import KeyPath, Mark, Problems
from pointsman.config.schema import Config
from pointsman.config.secret import has_password, is_secret_header, looks_secret
from pointsman.config.shape import Extra, allows_none, is_optional, shape, unwrap
from pointsman.config.unknown import USE_ENV, hint_for
from pointsman.config.urls import trouble
from pointsman.core.secret import redacted

_SHORT = 60
_CONNECTIONS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that say where a message goes and where it ends; those of a file are never sent."""
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")


class Missing:
    """Stands for a value that could not be read; its error is noted."""


MISSING = Missing()


class Decoder:
    """Reads one tree. Then `marks` says where each key stands, `failed` whose values could not be read."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.marks: dict[KeyPath, Mark] = {}
        self.failed: set[KeyPath] = set()
        self._readers: dict[type[kinds.Type], Callable[[Node, Any, Extra, KeyPath], Any]] = {
            kinds.StructType: self._struct,
            kinds.DictType: self._dict,
            kinds.VarTupleType: self._list,
            kinds.StrType: self._text,
            kinds.LiteralType: self._literal,
            kinds.BoolType: self._truth,
            kinds.IntType: self._number,
            kinds.FloatType: self._number,
            kinds.DecimalType: self._amount,
            kinds.RawType: self._json,
        }

    def config(self, root: Node) -> Config:
        """The whole file; what could not be read has its default and an error noted."""
        if not isinstance(root, Mapping) and not scalars.is_null(root):
            self._wrong(root, (), "a mapping with keys such as `providers`")
            return Config()
        decoded = self._value(root, shape(), ())
        return decoded if isinstance(decoded, Config) else Config()

    def _value(self, node: Node, kind: kinds.Type, path: KeyPath) -> Any:
        inner, extra = unwrap(kind)
        if scalars.is_null(node) and is_optional(kind):
            return None if allows_none(kind) else self._empty(inner, node, path)
        return self._readers[type(inner)](node, inner, extra, path)

    def _empty(self, kind: kinds.Type, node: Node, path: KeyPath) -> Any:
        if isinstance(kind, kinds.StructType):
            return self._struct(Mapping(entries=(), mark=node.mark, weight=1), kind, Extra(), path)
        return {} if isinstance(kind, kinds.DictType) else ()

    def _wrong(self, node: Node, path: KeyPath, expected: str, hint: str = "") -> Missing:
        key = path[-1] if path else ""
        self.problems.add(node.mark, path, f"expected {expected}, found {scalars.found(node, key)}", hint)
        return MISSING

    def _entries(self, node: Mapping, path: KeyPath) -> Iterable[tuple[Scalar, Node]]:
        """Each key once; a second one of the same name is an error."""
        seen: dict[str, Mark] = {}
        for key, value in node.entries:
            if key.text in seen:
                first = seen[key.text].line
                self.problems.add(
                    key.mark, path, f"the key `{_short(key.text)}` stands here twice, first in line {first}"
                )
                continue
            seen[key.text] = key.mark
            self.marks[(*path, key.text)] = key.mark
            yield key, value

    def _struct(self, node: Node, kind: kinds.StructType, extra: Extra, path: KeyPath) -> Any:
        if extra.shorthand and (short := self._short_form(node, kind, extra)) is not None:
            return self._field(node, kind, short, path)
        if not isinstance(node, Mapping):
            on = isinstance(node, Scalar) and scalars.truth(node) and not any(field.required for field in kind.fields)
            what = "a mapping; `{}` switches it on" if on else "a mapping"
            return self._wrong(node, path, "true, false or a mapping" if extra.shorthand else what)
        fields = {field.encode_name: field for field in kind.fields}
        values = {}
        for key, value in self._entries(node, path):
            field = fields.get(key.text)
            if field is None:
                self._unknown(key, fields, path)
                continue
            decoded = self._value(value, field.type, (*path, key.text))
            # A section that is written as nothing means its default; only a value that says something is passed on.
            if decoded is MISSING:
                self.failed.add((*path, key.text))
            elif not (decoded is None and field.default is not None):
                values[field.name] = decoded
        missing = [f for name, f in fields.items() if f.required and f.name not in values]
        for field in missing:
            if (*path, field.encode_name) not in self.failed:
                self.problems.add(self._mark(node, path), path, f"needs `{field.encode_name}`")
        return MISSING if missing else kind.cls(**values)

    def _short_form(self, node: Node, kind: kinds.StructType, extra: Extra) -> kinds.Field | None:
        """The one field that a value stands for which is written in place of its section; None: it is none."""
        fields = {field.encode_name: field for field in kind.fields}
        if isinstance(node, Sequence):
            return fields.get(extra.list)
        said = fields[extra.shorthand]
        if not isinstance(node, Scalar) or scalars.is_null(node):
            return None
        truth = isinstance(unwrap(said.type)[0], kinds.BoolType)
        return said if not truth or scalars.truth(node) is not None else None

    def _field(self, node: Node, kind: kinds.StructType, field: kinds.Field, path: KeyPath) -> Any:
        decoded = self._value(node, field.type, path)
        return MISSING if decoded is MISSING else kind.cls(**{field.name: decoded})

    def _mark(self, node: Node, path: KeyPath) -> Mark:
        return self.marks.get(path, node.mark)

    def _unknown(self, key: Scalar, fields: Iterable[str], path: KeyPath) -> None:
        shown = "that looks like a secret" if looks_secret(key.text) else f"`{_short(key.text)}`"
        self.problems.add(key.mark, path, f"unknown key {shown}", hint_for(key.text, list(fields), path))

    def _dict(self, node: Node, kind: kinds.DictType, _extra: Extra, path: KeyPath) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(node, path, "a mapping")
        result = {}
        for key, value in self._entries(node, path):
            name_kind, name_extra = unwrap(kind.key_type)
            here = (*path, key.text)
            if name_extra.expects and not self._fits(key, name_kind, name_extra, path):
                continue
            if path[-1] in ("headers", "extra_headers") and (wrong := _not_settable(key.text)):
                self.problems.add(value.mark, here, *wrong)
                continue
            decoded = self._value(value, kind.value_type, here)
            if decoded is not MISSING:
                result[key.text] = decoded
        return result

    def _list(self, node: Node, kind: kinds.VarTupleType, _extra: Extra, path: KeyPath) -> Any:
        if not isinstance(node, Sequence):
            hint = f"write it as a list: [{_word(node)}]" if _word(node) else ""
            return self._wrong(node, path, "a list", hint)
        values = []
        for index, item in enumerate(node.items):
            here = (*path, f"[{index}]")
            self.marks[here] = item.mark
            values.append(self._value(item, kind.item_type, here))
        # The configuration is not handed out once there is an error; the gap keeps the other items in their places.
        return tuple("" if value is MISSING else value for value in values)

    def _text(self, node: Node, kind: kinds.StrType, extra: Extra, path: KeyPath) -> Any:
        if not isinstance(node, Scalar) or not scalars.is_text(node):
            quote = isinstance(node, Scalar) and not scalars.is_null(node)
            hint = "a text that reads as something else needs quotes" if quote else extra.hint
            return self._wrong(node, path, extra.expects or "text", hint)
        if self._is_secret(node, extra, path):
            return MISSING
        if "${" in node.text or node.text.startswith("os.environ/"):
            hint = "write the variable's name alone" if extra.type == "name of a variable" else ""
            self.problems.add(node.mark, path, "variables are not filled in here", hint)
            return MISSING
        if not self._fits(node, kind, extra, path):
            return MISSING
        return self._address(node, path) if extra.type == "URL" and path != ("store",) else node.text

    def _address(self, node: Scalar, path: KeyPath) -> Any:
        if why := trouble(node.text):
            self.problems.add(node.mark, path, f"{why}: {scalars.found(node, path[-1])}")
            return MISSING
        return node.text.rstrip("/") if node.text.startswith("http") else node.text

    def _is_secret(self, node: Scalar, extra: Extra, path: KeyPath) -> bool:
        key = "" if extra.type == "file" else path[-1]
        if has_password(node.text) and extra.type == "URL":
            hint = (
                "write `store_env: NAME_OF_VARIABLE`; the variable holds the whole URL"
                if key == "store"
                else extra.hint
            )
            self.problems.add(node.mark, path, "a user or password cannot be in the file", hint)
        elif looks_secret(node.text, key):
            hint = (
                "this is the key itself; write the name of a variable that holds it"
                if key == "env" or key.endswith("_env")
                else USE_ENV
            )
            self.problems.add(node.mark, path, "this looks like a secret", hint)
        else:
            return False
        return True

    def _fits(self, node: Scalar, kind: kinds.Type, extra: Extra, path: KeyPath) -> bool:
        if not isinstance(kind, kinds.StrType):
            return True
        if len(node.text) < (kind.min_length or 0) or (kind.max_length and len(node.text) > kind.max_length):
            limits = f"text of {kind.min_length or 0} to {kind.max_length} characters"
            self._wrong(node, path, limits if kind.max_length else f"{extra.expects or 'text'}, not empty", extra.hint)
            return False
        if kind.pattern and not re.search(kind.pattern.removesuffix("$") + r"\Z", node.text):
            self._wrong(node, path, extra.expects or "text of another form", extra.hint)
            return False
        return True

    def _literal(self, node: Node, kind: kinds.LiteralType, _extra: Extra, path: KeyPath) -> Any:
        words = [str(value) for value in kind.values]
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        one_of = (
            " or ".join(f"`{w}`" for w in words) if len(words) == 2 else "one of " + ", ".join(f"`{w}`" for w in words)
        )
        hint = did_you_mean(node.text, words) if isinstance(node, Scalar) else ""
        return self._wrong(node, path, one_of, hint)

    def _truth(self, node: Node, _kind: kinds.BoolType, _extra: Extra, path: KeyPath) -> Any:
        said = scalars.truth(node) if isinstance(node, Scalar) else None
        if said is not None:
            return said
        word = node.text.lower() if isinstance(node, Scalar) else ""
        hint = {"yes": "write `true`", "on": "write `true`", "no": "write `false`", "off": "write `false`"}.get(
            word, ""
        )
        return self._wrong(node, path, "true or false", hint)

    def _number(self, node: Node, kind: kinds.IntType | kinds.FloatType, extra: Extra, path: KeyPath) -> Any:
        whole = isinstance(kind, kinds.IntType)
        word = "a size such as 50MB" if extra.read == "size" else "a whole number" if whole else "a number"
        value: int | Decimal | None = None
        if isinstance(node, Scalar):
            value = (
                scalars.size(node) if extra.read == "size" else scalars.integer(node) if whole else scalars.amount(node)
            )
        if value is None:
            return self._wrong(node, path, word, _number_hint(node, extra))
        limits = _limits(kind)
        if any(not holds(value) for _, holds in limits):
            said = " and ".join(text for text, _ in limits)
            return self._wrong(node, path, f"{word}, {said}", extra.hint)
        return value if isinstance(value, int) else float(value)

    def _amount(self, node: Node, _kind: kinds.DecimalType, extra: Extra, path: KeyPath) -> Any:
        value = scalars.amount(node) if isinstance(node, Scalar) else None
        if value is None:
            return self._wrong(node, path, "an amount of US dollars", _number_hint(node, extra))
        if not 0 <= value <= Decimal(extra.most):
            return self._wrong(node, path, f"an amount of US dollars from 0 to {extra.most}")
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > extra.places:
            return self._wrong(node, path, f"an amount with at most {extra.places} decimals")
        return value

    def _json(self, node: Node, _kind: kinds.RawType, _extra: Extra, path: KeyPath) -> Any:
        if isinstance(node, Scalar):
            if looks_secret(node.text, path[-1]):
                self.problems.add(node.mark, path, "this looks like a secret", USE_ENV)
                return MISSING
            text = scalars.json_text(node)
            return self._wrong(node, path, "a value that JSON knows") if text is None else msgspec.Raw(text)
        if isinstance(node, Sequence):
            items = [self._json(item, _kind, _extra, (*path, f"[{i}]")) for i, item in enumerate(node.items)]
            return MISSING if MISSING in items else msgspec.Raw(msgspec.json.encode(items))
        fields = {
            key.text: self._json(item, _kind, _extra, (*path, key.text)) for key, item in self._entries(node, path)
        }
        return MISSING if MISSING in fields.values() else msgspec.Raw(msgspec.json.encode(fields))


def _not_settable(header: str) -> tuple[str, str] | None:
    """Why a header cannot be in the file, and the way out; None if it can."""
    if is_secret_header(header):
        hint = "write `api_key_env: NAME_OF_VARIABLE` and, if need be, `auth_header` and `auth_prefix`"
        return "a header with credentials cannot be in the file", hint
    if header.lower() in _CONNECTIONS:
        return "each request gets its own, one from the file is never sent", "take it out"
    return None


def _limits(kind: kinds.IntType | kinds.FloatType) -> list[tuple[str, Callable[[Any], bool]]]:
    """Each limit of a number, for people and as a test."""
    result: list[tuple[str, Callable[[Any], bool]]] = []
    if (low := kind.ge) is not None:
        result.append((f"at least {low:,}", lambda value: value >= low))
    if (above := kind.gt) is not None:
        result.append((f"above {above:,}", lambda value: value > above))
    if (high := kind.le) is not None:
        result.append((f"at most {high:,}", lambda value: value <= high))
    return result


def _number_hint(node: Node, extra: Extra) -> str:
    if (
        isinstance(node, Scalar)
        and not node.plain
        and scalars.amount(Scalar(text=node.text, plain=True, mark=node.mark))
    ):
        return "write it without quotes"
    return extra.hint


def _word(node: Node) -> str:
    """A short text as it would stand in a list, or empty."""
    if not isinstance(node, Scalar) or not scalars.is_text(node) or looks_secret(node.text) or len(node.text) > _SHORT:
        return ""
    return node.text if _BARE.fullmatch(node.text) else msgspec.json.encode(node.text).decode()


def _short(text: str) -> str:
    text = redacted(text)
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"
