"""The catalogue's two files: provider rows (plain JSON) and models with prices (JSON, plain or gzipped).

Models stay raw JSON per provider until somebody asks for them: start-up pays for what it uses. Money is decimal text
in US dollars per million tokens (per request for `request`), so that no float ever touches it. Only the models can be
refreshed: where keys are sent comes with a release or from the configuration, never with new prices. The format is
described in docs/reference/catalogue.md.
"""

from __future__ import annotations

import datetime as dt
import zlib
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec

from pointsman.catalog.rows import ProviderRow, Quotas
from pointsman.core.errors import ConfigError

FORMAT: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest document that is read, unpacked; a real one has about 3 MB."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 31  # zlib's number for a gzip wrapper, written without a time stamp


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where facts come from. `date` is the ISO date up to which they are known to be right."""

    title: str
    date: str
    licence: str = ""
    url: str = ""


class FileKinds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars per million tokens of each kind that has a price of its own, as decimal text; None: it has none."""

    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    reasoning: str | None = None
    input_audio: str | None = None
    output_audio: str | None = None


KINDS: Final = FileKinds.__struct_fields__
"""The token kinds that have a price of their own."""


class FileTier(FileKinds, frozen=True, kw_only=True):
    """Prices that hold once a request has more than `above` input tokens; kinds left out keep the base price."""

    above: int


class FilePrice(FileKinds, frozen=True, kw_only=True):
    """One price of one model.

    Attributes:
        since: ISO date from which it holds; empty: as far back as the source knows.
        hours: `HH:MM-HH:MM` in UTC, where it holds only then.
        source: key into the document's `sources`.
        request: US dollars per request.
        tiers: dearer prices for long inputs, ascending.
        other: what the feed has besides: units other than tokens (`web_searches_kcount`, `audio_hours` …) and rarer
            kinds of tokens. `compiling` turns into prices what answers can be billed by; the rest is for the record.
    """

    since: str = ""
    hours: str = ""
    source: str = ""
    request: str | None = None
    tiers: tuple[FileTier, ...] = ()
    other: dict[str, str] = {}


class FileModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model of one provider, as written. See `rows.ModelRow` for what is not named here.

    Attributes:
        abilities: those that a source states; None where no source says anything.
        unsure: those of which the sources say neither yes nor no; all others are known to be lacking.
        loose: names that may have a region or vendor prefix (`us.anthropic.claude-…` for `claude-…`).
        fine_tuned: price of models fine-tuned from this one.
    """

    id: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    context: int = 0
    max_output: int = 0
    abilities: tuple[str, ...] | None = None
    unsure: tuple[str, ...] = ()
    kind: str = "chat"
    tier: str = ""
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    quotas: Quotas | None = None
    deprecated: bool = False
    retires: str = ""
    replaced_by: str = ""
    prices: tuple[FilePrice, ...] = ()
    fine_tuned: FilePrice | None = None


class ProviderBook(msgspec.Struct, frozen=True, kw_only=True):
    """The file of provider rows. `date` is that of the models shipped with it."""

    format: int
    date: str
    providers: tuple[ProviderRow, ...]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The file of models. `models` maps a provider's name to the raw JSON array of its models."""

    format: int
    date: str
    sources: dict[str, Source] = {}
    models: dict[str, msgspec.Raw]

    def models_of(self, provider: str) -> tuple[FileModel, ...]:
        """Decode one provider's models.

        Raises:
            ConfigError: they are not of the format.
        """
        raw = self.models.get(provider)
        if raw is None:
            return ()
        try:
            return _MODELS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"catalogue: models of {provider}: {error}") from None


_File = TypeVar("_File", Document, ProviderBook)
_DOCUMENT = msgspec.json.Decoder(Document)
_BOOK = msgspec.json.Decoder(ProviderBook)
_MODELS = msgspec.json.Decoder(tuple[FileModel, ...])


def unpack(data: bytes) -> bytes:
    """Gzipped bytes unpacked, others as they are.

    Raises:
        ConfigError: broken gzip, or more than `MAX_BYTES`.
    """
    if not data.startswith(_GZIP_MAGIC):
        if len(data) > MAX_BYTES:
            raise ConfigError(f"catalogue: larger than {MAX_BYTES} bytes")
        return data
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise ConfigError(f"catalogue: broken gzip: {error}") from None
    if len(plain) <= MAX_BYTES and not unpacker.eof:
        raise ConfigError("catalogue: broken gzip: it ends too early")
    if len(plain) > MAX_BYTES:
        raise ConfigError(f"catalogue: larger than {MAX_BYTES} bytes")
    return plain


def decode(data: bytes) -> Document:
    """Read a catalogue file, plain or gzipped. Models are not looked at yet; `update.check` does.

    Raises:
        ConfigError: not a catalogue, or of a newer format.
    """
    document = _read(_DOCUMENT, unpack(data), "catalogue")
    if not is_date(document.date):
        raise ConfigError(f"catalogue: date {document.date!r} is not an ISO date")
    return document


def decode_providers(data: bytes) -> ProviderBook:
    """Read the file of provider rows.

    Raises:
        ConfigError: it is none, or of a newer format.
    """
    return _read(_BOOK, data, "providers")


def _read(decoder: msgspec.json.Decoder[_File], plain: bytes, what: str) -> _File:
    """One of the two files, of this version's format; `what` names it in errors."""
    try:
        file = decoder.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{what}: {error}") from None
    if file.format != FORMAT:
        raise ConfigError(f"{what}: format {file.format}, this version reads format {FORMAT}")
    return file


def encode(document: Document) -> bytes:
    """The file's bytes: gzipped, the same for the same content on every machine."""
    packer = zlib.compressobj(level=9, wbits=_GZIP)
    return packer.compress(msgspec.json.encode(document)) + packer.flush()


def encode_models(models: tuple[FileModel, ...]) -> msgspec.Raw:
    """One provider's models as raw JSON."""
    return msgspec.Raw(msgspec.json.encode(models))


def is_date(text: str) -> bool:
    """Whether `text` is an ISO date, `YYYY-MM-DD`."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def amount(text: str) -> Decimal:
    """A price as written in the file.

    Raises:
        ValueError: not a finite decimal of 0 or more.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a price: {text!r}") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"not a price: {text!r}")
    return value
