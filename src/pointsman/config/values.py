"""The kinds of value that the configuration is made of, each with its limits and how to speak of it.

`expects` completes "expected …" in an error, `hint` is the way out; both, and the pattern, also feed the JSON Schema
and the reference page.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

AbilityName = Literal[
    "tools",
    "vision",
    "json_schema",
    "audio_input",
    "reasoning",
    "logprobs",
    "documents",
    "completions",
    "embeddings",
    "audio_output",
    "image_output",
    "json_mode",
]
"""The abilities of `core.model.Ability`, in lower case (a test holds the two together)."""

EnvName = Annotated[
    str,
    Meta(
        pattern="^([A-Za-z_][A-Za-z0-9_]*)?$",
        extra={
            "type": "name of a variable",
            "expects": "the name of an environment variable",
            "hint": "write the bare name, e.g. OPENAI_API_KEY",
        },
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        extra={
            "type": "URL",
            "expects": "a URL with http:// or https://, without user, query or fragment",
            "hint": "e.g. http://127.0.0.1:9000/v1",
        },
    ),
]
ProxyUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https?|socks5h?)://[^\s/?#@]+/?$",
        extra={
            "type": "URL",
            "expects": "a proxy's URL, e.g. http://proxy.example:3128, without user and password",
            "hint": "a proxy that wants a password is taken from $HTTPS_PROXY: leave `proxy` out",
        },
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^\s/?#@*A-Z]+)$",
        extra={
            "expects": "`*` or an origin such as https://app.example",
            "hint": "each origin by itself, as browsers send it: scheme and host in lower case, no path, no `*` inside",
        },
    ),
]
RootPath = Annotated[
    str,
    Meta(
        pattern=r"^(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*$",
        extra={"expects": "a path such as /llm, without a slash at its end and without `..`"},
    ),
]
HeaderName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", extra={"expects": "the name of an HTTP header"}),
]
HeaderText = Annotated[
    str,
    Meta(pattern=r"^[\x20-\x7e]*$", extra={"expects": "printable ASCII text in one line"}),
]
Label = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^\S(.*\S)?$", extra={"expects": "a name"})]
Name = Annotated[str, Meta(max_length=100, pattern=r"^(\S(.*\S)?)?$", extra={"expects": "a name"})]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$", extra={"expects": "a name"})]
Allowed = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._:@+/*-]{1,256}$",
        extra={"expects": "a route's or a model's name, with `*` for any text", "hint": "e.g. anthropic/*"},
    ),
]
Words = Annotated[str, Meta(max_length=100_000, extra={"expects": "text"})]
StoreUrl = Annotated[
    str,
    Meta(
        pattern=r"^(sqlite:///.+|postgresql://.+)$",
        extra={
            "type": "URL",
            "expects": "sqlite:///FILE or postgresql://HOST/DATABASE",
            "hint": "e.g. sqlite:///pointsman.db; a URL with a password goes into a variable: `store_env: NAME`",
        },
    ),
]
FilePath = Annotated[str, Meta(min_length=1, extra={"type": "file", "expects": "a file's path"})]
Address = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$",
        extra={"expects": "an e-mail address without a name", "hint": "e.g. ops@app.example"},
    ),
]
Share = Annotated[float, Meta(gt=0, le=1, extra={"hint": "10 % is 0.1"})]
Seconds = Annotated[float, Meta(gt=0, le=86_400, extra={"type": "seconds"})]
Patience = Annotated[float, Meta(ge=0, le=86_400, extra={"type": "seconds"})]
CheckInterval = Annotated[float, Meta(ge=5, le=86_400, extra={"type": "seconds"})]
UrlPath = Annotated[
    str,
    Meta(
        pattern=r"^/[^\s#]*$",
        max_length=1024,
        extra={"type": "path", "expects": "a path such as /health", "hint": "without the host; a query may follow"},
    ),
]
Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000, extra={"type": "tokens", "hint": "write it in digits: 128000"})]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Meta(ge=0, le=1_000_000)]
Size = Annotated[int, Meta(ge=1024, le=1 << 40, extra={"type": "bytes or a size such as 50MB", "read": "size"})]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Retries = Annotated[int, Meta(ge=0, le=10)]

Ending = Annotated[
    str,
    Meta(min_length=1, max_length=40, extra={"expects": "a date such as 2027-01-31", "hint": "2027-01-31T12:00Z"}),
]
Limit = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        extra={
            "type": "limit",
            "expects": "a limit such as 5usd/day",
            "hint": "5usd/day, 60 requests/minute, 100k tokens/hour",
        },
    ),
]

Usd = Annotated[Decimal, Meta(extra={"type": "USD", "read": "usd", "most": "1000000", "places": 6})]
"""US dollars per million tokens: at most six decimals, so that a token's price is a whole number of pico-dollars."""

UsdPerRequest = Annotated[Decimal, Meta(extra={"type": "USD", "read": "usd", "most": "1000000", "places": 12})]
"""US dollars for one request."""

Factor = Annotated[Decimal, Meta(extra={"type": "number", "read": "usd", "most": "1000", "places": 6})]
TokenCount = Annotated[
    str,
    Meta(pattern=r"^[1-9][0-9]{0,9}$", extra={"type": "number of tokens", "expects": "a number of tokens"}),
]
"""As a key."""
Hours = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        extra={"type": "hours", "expects": 'hours in UTC such as "01:00-04:30"', "hint": "put them in quotes"},
    ),
]
PieceName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_+]*$", max_length=64, extra={"expects": "a name such as web_search or flex"})
]

Json = msgspec.Raw
"""Any JSON, as its exact text."""
