"""From a path and an environment to a configuration with its origin, or every error in the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pointsman.config.crosscheck import CrossCheck, Known
from pointsman.config.decode import Decoder
from pointsman.config.problems import ConfigErrors, KeyPath, Mark, Problems
from pointsman.config.schema import Config
from pointsman.config.source import USUAL, VARIABLE, read_file, text_of_bytes
from pointsman.core.errors import ConfigError

_MISSPELT = Path("pointsman.yml")
NOTHING_KNOWN = Known()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was read, and from where.

    Attributes:
        config: what it says.
        origin: the file, as it was named; None where there is none and the defaults hold.
        digest: sha256 over what it says, in hexadecimal; comments and layout do not count.
        marks: where each key stands.
    """

    config: Config
    origin: Path | None = None
    digest: str
    marks: dict[KeyPath, Mark] = {}

    @property
    def version(self) -> str:
        """The digest's first 12 digits, short enough to show."""
        return self.digest[:12]

    def where(self, *path: str) -> str:
        """`file:line:column` of a key, or of the nearest one above it; empty where there is no file."""
        if self.origin is None:
            return ""
        for length in range(len(path), 0, -1):
            mark = self.marks.get(path[:length])
            if mark:
                return f"{self.origin}:{mark.line}:{mark.column}"
        return str(self.origin)


def locate(path: Path | None, env: Mapping[str, str]) -> Path | None:
    """Which file counts: the one given, else `$POINTSMAN_CONFIG`, else `./pointsman.yaml` if there is one, else none.

    Raises:
        ConfigError: there is a `pointsman.yml` instead, which would be passed over in silence; or the working
            directory cannot be searched.
    """
    if path is not None:
        return path
    if env.get(VARIABLE):
        return Path(env[VARIABLE])
    if _is_there(USUAL):
        return USUAL
    if _is_there(_MISSPELT):
        raise ConfigError("not read", where=str(_MISSPELT), hint=f"the file's name is `{USUAL}`: rename it")
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # no permission, a drive that is away: whether there is a file cannot be told
        raise ConfigError(f"cannot be looked for: {error.strerror or error}", where=str(path)) from None


def load(path: Path | None, env: Mapping[str, str], known: Known = NOTHING_KNOWN) -> Loaded:
    """Find, read and check the configuration.

    Raises:
        ConfigErrors: with every error of the file.
        ConfigError: the file cannot be read, or is not YAML.
    """
    origin = locate(path, env)
    return defaults() if origin is None else load_bytes(read_file(origin), origin, known)


def defaults() -> Loaded:
    """The configuration of an installation without a file."""
    config = Config()
    return Loaded(config=config, digest=_digest(config))


def load_bytes(data: bytes, origin: Path, known: Known = NOTHING_KNOWN) -> Loaded:
    """Check a file's content. Raises as `load` does."""
    return load_text(text_of_bytes(data, str(origin)), origin, known)


def load_text(text: str, origin: Path | None = None, known: Known = NOTHING_KNOWN) -> Loaded:
    """Check YAML text. Raises as `load` does."""
    from pointsman.config.yamltext import compose  # noqa: PLC0415 - PyYAML takes a fifth of the time an import may take

    problems = Problems(str(origin) if origin else "configuration")
    root = compose(text, problems.file)
    decoder = Decoder(problems)
    config = decoder.config(root)
    CrossCheck(config, decoder, problems, known).run()
    problems.raise_any()
    return Loaded(config=config, origin=origin, digest=_digest(config), marks=decoder.marks)


def load_mapping(data: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Loaded:
    """Check a configuration given as plain dicts and lists, as a library's user would. Raises as `load` does."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        # JSON is YAML but for these, which YAML takes for line breaks and marks; they can only stand inside strings.
        text = text.translate({code: f"\\u{code:04x}" for code in (0x7F, 0x85, 0x2028, 0x2029, 0xFEFF)})
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration is not plain data: {error}") from None
    return load_text(text_of_bytes(text.encode("utf-8", "surrogatepass"), "configuration"), None, known)


def expand(path: str, env: Mapping[str, str]) -> str:
    """A file's path with `~` as `$HOME`; a relative path is relative to the working directory.

    Raises:
        ConfigError: `$HOME` is not set.
    """
    if path != "~" and not path.startswith("~/"):
        return path
    home = env.get("HOME", "")
    if not home:
        raise ConfigError(f"`{path}` needs $HOME, which is not set", hint="write the whole path")
    return home.rstrip("/") + path[1:]


def store_url(config: Config, env: Mapping[str, str]) -> str:
    """The store's URL as an engine takes it: from `store_env` where that is set, with `~` filled in. May be a secret.

    Raises:
        ConfigError: the variable is not set, or `$HOME` is needed and missing.
    """
    url = config.store
    if config.store_env:
        url = env.get(config.store_env, "")
        if not url:
            hint = f"set {config.store_env}, or take `store_env` out"
            raise ConfigError(f"store_env: the variable {config.store_env} is not set", hint=hint)
    scheme, separator, path = url.partition(":///")
    return scheme + separator + expand(path, env) if scheme == "sqlite" else url


def errors_of(error: ConfigError) -> tuple[ConfigError, ...]:
    """Each error by itself, whether one or several were raised."""
    return error.errors if isinstance(error, ConfigErrors) else (error,)


def _digest(config: Config) -> str:
    return hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()
