"""One `pointsman.yaml` as frozen values: the only place where a key is named, limited, defaulted and described.

The decoder, the JSON Schema and the reference page all read these classes. `None` means "not said here": the
catalogue's word counts, then the product's default. Amounts of money are exact decimals, arbitrary JSON is kept as its
exact text.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from pointsman.config.values import (
    AbilityName,
    Address,
    Allowed,
    CheckInterval,
    Count,
    CountOrNone,
    Ending,
    EnvName,
    Factor,
    FilePath,
    HeaderName,
    HeaderText,
    Hours,
    Json,
    KeyName,
    Label,
    Limit,
    Name,
    Origin,
    Patience,
    PieceName,
    Port,
    ProxyUrl,
    Retries,
    RootPath,
    Seconds,
    Share,
    Size,
    StoreUrl,
    TokenCount,
    Tokens,
    Url,
    UrlPath,
    Usd,
    UsdPerRequest,
    Words,
)
from pointsman.core.advice import AlertKind
from pointsman.core.key import Role
from pointsman.core.model import Credentials, ParamPolicy, Tier


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping with known keys; an unknown one is an error."""


class Timeouts(_Section, frozen=True, kw_only=True):
    """The longest time for each phase of an attempt; what is left out is inherited."""

    connect: Annotated[Seconds | None, Meta(description="Until the connection stands, TLS included.")] = None
    first_byte: Annotated[Seconds | None, Meta(description="From the request sent to the answer's first byte.")] = None
    between_bytes: Annotated[Seconds | None, Meta(description="Between two pieces of an answer.")] = None
    total: Annotated[Seconds | None, Meta(description="The whole attempt.")] = None


class HealthCheck(_Section, frozen=True, kw_only=True):
    """The gateway itself asks whether the provider is well. `{}` does so while something of it rests."""

    when: Annotated[
        Literal["resting", "always", "never"],
        Meta(description="Only while its breaker is open or half open; always; or never."),
    ] = "resting"
    kind: Annotated[
        Literal["http", "completion"],
        Meta(
            description="`http`: a GET with its key, which costs nothing. `completion`: one token of each model in "
            "question, which costs, and is booked under the surface `check`."
        ),
    ] = "http"
    interval: Annotated[CheckInterval, Meta(description="Between two checks of it, each ± 20 %.")] = 10.0
    timeout: Annotated[Seconds, Meta(description="For one of them.")] = 10.0
    path: Annotated[
        UrlPath | None,
        Meta(description="What is asked for with `http`, of its host: `/health`. Otherwise the list of its models."),
    ] = None


class Provider(_Section, frozen=True, kw_only=True):
    """Who answers. `{}` (or nothing) takes everything from the catalogue."""

    dialect: Annotated[
        Label | None,
        Meta(description="Wire format, e.g. `openai-chat`. Needed where the catalogue does not know the provider."),
    ] = None
    base_url: Annotated[
        Url | None,
        Meta(description="Where; paths such as `/chat/completions` follow. Needed like `dialect`."),
    ] = None
    also: Annotated[
        dict[Label, Url],
        Meta(description="Other dialects that it speaks, with their URLs: `{openai-responses: https://…/v1}`."),
    ] = field(default_factory=dict)
    api_key_env: Annotated[
        EnvName | None,
        Meta(description="Name of the environment variable that holds the key; empty text where none is needed."),
    ] = None
    api_key_envs: Annotated[
        tuple[EnvName, ...],
        Meta(description="Several keys, used in turn: names of their variables, instead of `api_key_env`."),
    ] = ()
    auth_header: Annotated[HeaderName | None, Meta(description="Header that carries the key.")] = None
    auth_prefix: Annotated[
        HeaderText | None, Meta(description="What stands before the key in it, e.g. `'Bearer '`.")
    ] = None
    credentials: Annotated[
        Credentials,
        Meta(
            description="`own`: our key is sent. `caller`: the caller's own credentials are passed on. `entra`: a "
            "token of Microsoft Entra (extra `[azure]`). `google`: one of Google Cloud (extra `[vertex]`)."
        ),
    ] = "own"
    query: Annotated[
        dict[Label, Label], Meta(description="Goes along in every URL, e.g. `{api-version: 2024-10-21}`.")
    ] = field(default_factory=dict)
    headers: Annotated[dict[HeaderName, HeaderText], Meta(description="Sent with every request; never a key.")] = field(
        default_factory=dict
    )
    private: Annotated[bool | None, Meta(description="Data sent there never leave the premises.")] = None
    stream_usage: Annotated[bool | None, Meta(description="Takes `stream_options.include_usage`.")] = None
    cache_marks: Annotated[
        bool, Meta(description="Takes `cache_control` in chat, as gateways in front of Anthropic's models do.")
    ] = False
    jurisdiction: Annotated[Label | None, Meta(description="Whose law binds the provider, e.g. `EU`.")] = None
    regions: Annotated[tuple[Label, ...] | None, Meta(description="Where it computes.")] = None
    retention: Annotated[Label | None, Meta(description="How long it keeps content, e.g. `none` or `30 days`.")] = None
    ca_file: Annotated[
        FilePath | None, Meta(description="PEM file with the authorities to trust; otherwise the system's.")
    ] = None
    proxy: Annotated[ProxyUrl | None, Meta(description="Proxy for it; otherwise `$HTTPS_PROXY` and friends.")] = None
    timeouts: Annotated[Timeouts, Meta(description="Time limits for its attempts.")] = Timeouts()
    health_check: Annotated[
        HealthCheck | None,
        Meta(description="Asking it whether it is well; without it only servers on this machine are, while they rest."),
    ] = None


class PriceKinds(_Section, frozen=True, kw_only=True):
    """Prices that differ there from those around it, in US dollars per million tokens; what is left out does not."""

    input: Annotated[Usd | None, Meta(description="Prompt tokens.")] = None
    output: Annotated[Usd | None, Meta(description="Completion tokens.")] = None
    cached_input: Annotated[Usd | None, Meta(description="Read from the prompt cache.")] = None
    cache_write: Annotated[Usd | None, Meta(description="Written to it for 5 minutes.")] = None
    cache_write_1h: Annotated[Usd | None, Meta(description="Written for an hour.")] = None
    reasoning: Annotated[Usd | None, Meta(description="Tokens spent thinking.")] = None
    input_audio: Annotated[Usd | None, Meta(description="Audio read.")] = None
    output_audio: Annotated[Usd | None, Meta(description="Audio written.")] = None
    cached_audio: Annotated[Usd | None, Meta(description="Audio read from the prompt cache.")] = None
    input_image: Annotated[Usd | None, Meta(description="Images read.")] = None
    output_image: Annotated[Usd | None, Meta(description="Images written.")] = None


class ServicePrice(PriceKinds, frozen=True, kw_only=True):
    """Prices for requests that are served in another way, such as `flex` or `batch`."""

    factor: Annotated[
        Factor | None, Meta(description="Times every price per token around it, e.g. 0.5; what else stands here wins.")
    ] = None


class Price(_Section, frozen=True, kw_only=True):
    """US dollars per million tokens, read exactly as written. A kind left out is billed as its nearest kind."""

    input: Annotated[Usd, Meta(description="Prompt tokens. 0 is free; without `price` a model is unpriced.")]
    output: Annotated[Usd, Meta(description="Completion tokens.")]
    cached_input: Annotated[Usd | None, Meta(description="Read from the prompt cache; else as `input`.")] = None
    cache_write: Annotated[Usd | None, Meta(description="Written to it for 5 minutes; else as `input`.")] = None
    cache_write_1h: Annotated[Usd | None, Meta(description="Written for an hour; else as `cache_write`.")] = None
    reasoning: Annotated[Usd | None, Meta(description="Tokens spent thinking; else as `output`.")] = None
    input_audio: Annotated[Usd | None, Meta(description="Audio read; else as `input`.")] = None
    output_audio: Annotated[Usd | None, Meta(description="Audio written; else as `output`.")] = None
    cached_audio: Annotated[Usd | None, Meta(description="Audio read from the cache; else as `cached_input`.")] = None
    input_image: Annotated[Usd | None, Meta(description="Images read; else as `input`.")] = None
    output_image: Annotated[Usd | None, Meta(description="Images written; else as `output`.")] = None
    request: Annotated[UsdPerRequest | None, Meta(description="US dollars for each request, on top.")] = None
    fees: Annotated[
        dict[PieceName, UsdPerRequest],
        Meta(description="US dollars for one of what is billed by the piece, e.g. `web_search: 0.01`."),
    ] = {}
    above: Annotated[
        dict[TokenCount, PriceKinds],
        Meta(description="Prices of requests with more than so many input tokens: `200000: {input: 6, output: 22.5}`."),
    ] = {}
    hours: Annotated[
        dict[Hours, PriceKinds],
        Meta(description='Prices of certain hours in UTC, none twice: `"16:30-00:30": {input: 0.1}`.'),
    ] = {}
    services: Annotated[
        dict[PieceName, ServicePrice],
        Meta(description="Prices of other ways to be served: `flex: {factor: 0.5}`. All others cost the same."),
    ] = {}


class Rent(_Section, frozen=True, kw_only=True):
    """What a model's machine costs, instead of a price by token: that follows from measured use.

    Exactly one of `gpu_hour` and `month`.
    """

    gpu_hour: Annotated[Usd | None, Meta(description="US dollars for an hour of one card.")] = None
    gpus: Annotated[float, Meta(gt=0, le=100_000, description="How many cards run it.")] = 1.0
    month: Annotated[Usd | None, Meta(description="US dollars a month, for all of it.")] = None
    tokens_per_hour: Annotated[
        Tokens,
        Meta(
            description="Expected use, at which calls are booked until a day of it was measured; a written token "
            "counts `output_weight` times."
        ),
    ]
    output_weight: Annotated[
        float, Meta(ge=1, le=100, description="How much more of its time a written token takes than one that is read.")
    ] = 4.0


class Quotas(_Section, frozen=True, kw_only=True):
    """What your account may use of a model; what is left out comes from the catalogue, where the provider says."""

    rpm: Annotated[Count | None, Meta(description="Requests per minute.")] = None
    rpd: Annotated[Count | None, Meta(description="Requests per day.")] = None
    tpm: Annotated[Tokens | None, Meta(description="Tokens per minute, input and output together.")] = None
    tpd: Annotated[Tokens | None, Meta(description="Tokens per day.")] = None
    input_tpm: Annotated[Tokens | None, Meta(description="Input tokens per minute, where counted apart.")] = None
    output_tpm: Annotated[Tokens | None, Meta(description="Output tokens per minute, where counted apart.")] = None


class Template(_Section, frozen=True, kw_only=True):
    """What a model is told besides, and how its answers are tidied, so that they have the form of other models'."""

    before: Annotated[Words, Meta(description="Said before the system text of every request.")] = ""
    after: Annotated[Words, Meta(description="Said after it.")] = ""
    json: Annotated[Words, Meta(description="Said after that, where a request asks for JSON.")] = ""
    unfence: Annotated[
        bool,
        Meta(description="Take JSON that was asked for out of a fence of code, and leave out the words around it."),
    ] = False


class Model(_Section, frozen=True, kw_only=True):
    """Something a provider can run. What is left out comes from the catalogue, where it knows the model."""

    provider: Annotated[Label, Meta(description="Who runs it: a name under `providers`, or one of the catalogue.")]
    model: Annotated[
        Label | None,
        Meta(
            description="Its name at the provider; otherwise the name it has here. One `*` stands for any text: "
            '`"gpt-*"` under a name with a `*` of its own carries the text over.'
        ),
    ] = None
    tier: Annotated[Tier | None, Meta(description="How strong it is.")] = None
    context: Annotated[Tokens | None, Meta(description="Context window.")] = None
    max_output: Annotated[Tokens | None, Meta(description="Longest answer.")] = None
    abilities: Annotated[tuple[AbilityName, ...] | None, Meta(description="What it can do, complete.")] = None
    price: Annotated[Price | None, Meta(description="What it costs.")] = None
    rent: Annotated[Rent | None, Meta(description="What its machine costs, instead of `price`.")] = None
    quotas: Annotated[Quotas | None, Meta(description="The provider's limits for your account.")] = None
    params: Annotated[
        dict[str, Json],
        Meta(
            description="Body fields for requests that leave them out, e.g. `{temperature: 0.2}`; not `model`, "
            "`messages`, `prompt`, `stream` and `stream_options`, which come with each request."
        ),
    ] = field(default_factory=dict)
    extra_headers: Annotated[
        dict[HeaderName, HeaderText], Meta(description="Sent with every request to it; never a key.")
    ] = field(default_factory=dict)
    refuses: Annotated[tuple[Label, ...] | None, Meta(description="Body fields that it does not take.")] = None
    unsupported: Annotated[
        ParamPolicy,
        Meta(description="When a caller sends one of them: `drop` it with a warning header, or `refuse` the request."),
    ] = "drop"
    template: Annotated[Template, Meta(description="What it is told besides, and how its answers are tidied.")] = (
        Template()
    )
    base: Annotated[
        Label | None, Meta(description="The model that a fine-tuned one inherits its facts and price from.")
    ] = None


class Hedge(_Section, frozen=True, kw_only=True):
    """A second request to the next model when the first takes longer than usual; the answer that comes first counts."""

    extra: Annotated[Share, Meta(description="Most that it may cost, as a share of what the route spends.")] = 0.05
    after: Annotated[
        Seconds | None,
        Meta(description="When it is sent; otherwise once 95 % of answers would have begun, as learned."),
    ] = None
    tools: Annotated[
        bool, Meta(description="Also for calls with tools, whose effects at the provider could come twice.")
    ] = False


class Budget(_Section, frozen=True, kw_only=True):
    """What may be used in a time. At most one of the keys that say whose it is; without any it is everybody's."""

    limit: Annotated[
        Limit,
        Meta(
            description="`500usd/month`, `60 requests/minute`, `100k tokens/hour`; periods are the calendar's in UTC."
        ),
    ]
    each: Annotated[
        Literal["team", "project", "key", "user", "session", "route"] | None,
        Meta(description="Each of them has one of its own."),
    ] = None
    team: Annotated[Label | None, Meta(description="The team that it is for.")] = None
    project: Annotated[Label | None, Meta(description="The project.")] = None
    key: Annotated[Label | None, Meta(description="The key, by name or id.")] = None
    user: Annotated[Label | None, Meta(description="The end user, as callers name him.")] = None
    route: Annotated[Label | None, Meta(description="The route, or the model that is asked by its own name.")] = None
    soft: Annotated[
        Share, Meta(description="Share of it from which on the cheapest model that may answer is asked first.")
    ] = 1.0
    hard: Annotated[
        bool, Meta(description="Nothing is spent beyond it. `false`: calls go on, as cheap as they can be.")
    ] = True


class Route(_Section, frozen=True, kw_only=True):
    """A policy that a caller uses as a model name. Exactly one of `pool` and `try`."""

    pool: Annotated[
        tuple[Label, ...], Meta(description="Models to choose from: names under `models`, or `provider/model`.")
    ] = ()
    try_: Annotated[
        tuple[Label, ...], Meta(description="A fixed chain: the first is asked, the rest are fallbacks in order.")
    ] = field(name="try", default=())
    description: Annotated[str, Meta(max_length=2000, description="For people.")] = ""
    timeouts: Annotated[Timeouts, Meta(description="Time limits for its attempts; they win over the provider's.")] = (
        Timeouts()
    )
    retries: Annotated[
        Retries | None, Meta(description="Further attempts on the same model before the next one is asked.")
    ] = None
    balance: Annotated[
        Literal["cheapest", "round_robin", "shuffle", "weighted", "least_busy", "fastest", "sticky"],
        Meta(
            description="Who of a pool is asked first: the cheapest; each in turn; any; by `weights`; who has the "
            "fewest calls; who answers soonest; always the same one for a session."
        ),
    ] = "cheapest"
    sticky: Annotated[
        Literal["session", "prefix"],
        Meta(
            description="With `balance: sticky`: what keeps calls together. Their session, else their user or key; "
            "or, without a session, how their prompts begin, for providers that remember those."
        ),
    ] = "session"
    weights: Annotated[
        dict[Label, Annotated[float, Meta(ge=0, le=1000)]],
        Meta(description="Shares of a pool's models, where `balance` is `weighted`, `least_busy` or `sticky`; else 1."),
    ] = field(default_factory=dict)
    hedge: Annotated[Hedge | None, Meta(description="Second requests against a slow tail; none without it.")] = None
    patience: Annotated[
        Patience, Meta(description="The longest that a call waits for a provider which asks for it (`retry-after`).")
    ] = 3.0
    on_cut: Annotated[
        Literal["continue", "error"],
        Meta(description="A stream that breaks: another model goes on with it, or it ends with an error."),
    ] = "continue"


class Tls(_Section, frozen=True, kw_only=True):
    """Serve HTTPS."""

    cert: Annotated[FilePath, Meta(description="PEM file with the certificate chain.")]
    key: Annotated[FilePath, Meta(description="PEM file with the private key.")]


class Server(_Section, frozen=True, kw_only=True):
    """Where and how it listens. A change of these needs a restart."""

    host: Annotated[Label, Meta(description="Address to bind. Any other than loopback demands keys.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to bind; 0 takes a free one.")] = 4545
    root_path: Annotated[RootPath, Meta(description="Path under which a reverse proxy shows it, e.g. `/llm`.")] = ""
    cors: Annotated[tuple[Origin, ...], Meta(description="Origins whose pages may call, or `*`.")] = ()
    tls: Annotated[Tls | None, Meta(description="Certificate and key; without them plain HTTP.")] = None
    max_body: Annotated[Size, Meta(description="Largest request body.")] = 32 * 1024 * 1024
    header_timeout: Annotated[Seconds, Meta(description="Until a request's headers are complete.")] = 10.0
    body_timeout: Annotated[Seconds, Meta(description="Until its body is complete.")] = 60.0
    keep_alive: Annotated[
        Seconds,
        Meta(description="Silence after which a stream's caller gets its headers, then a sign of life each time."),
    ] = 10.0
    workers: Annotated[Annotated[int, Meta(ge=1, le=256)], Meta(description="Processes.")] = 1
    max_in_flight: Annotated[Count, Meta(description="Calls served at once in a process; more have to wait.")] = 4096
    max_waiting: Annotated[
        CountOrNone, Meta(description="Calls that may wait for a place in a process; more are refused with 503.")
    ] = 1024
    max_wait: Annotated[Patience, Meta(description="How long a call waits for a place; then it is refused.")] = 5.0
    key_share: Annotated[
        Share, Meta(description="Part of those who wait that may be of one key; where keys are demanded.")
    ] = 0.5
    priority: Annotated[
        Literal["high", "normal", "low"],
        Meta(description="Of calls that do not say one by `x-pointsman-priority`."),
    ] = "normal"
    stall_timeout: Annotated[
        Seconds, Meta(description="A caller that has taken nothing of its answer for so long is disconnected.")
    ] = 60.0
    drain: Annotated[
        Patience, Meta(description="At the end, how long answers under way may take; then they are told an error.")
    ] = 30.0
    reuse_port: Annotated[
        bool, Meta(description="Share the port with another gateway of this user, to replace it while it serves.")
    ] = False


class Local(_Section, frozen=True, kw_only=True):
    """The embedded model (extra `[local]`), for demonstration. `local: false` switches it off."""

    enabled: Annotated[bool, Meta(description="Whether it is offered.")] = True
    model: Annotated[Label | None, Meta(description="Which one; otherwise the one `pointsman pull` fetches.")] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None, Meta(description="Threads; otherwise all cores but one.")
    ] = None
    context: Annotated[Tokens | None, Meta(description="Context window; otherwise the model's own.")] = None


class Prices(_Section, frozen=True, kw_only=True):
    """Where prices come from. `pointsman prices update` refreshes them on request."""

    update: Annotated[
        Literal["never", "daily", "weekly"], Meta(description="How often they are refreshed in the background.")
    ] = "never"
    url: Annotated[
        Url | None, Meta(description="From where; otherwise the public lists the catalogue is built on.")
    ] = None


class Log(_Section, frozen=True, kw_only=True):
    """What is written to the terminal."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="From which level on.")] = "info"
    format: Annotated[Literal["text", "json"], Meta(description="For people or for machines.")] = "text"


class Responses(_Section, frozen=True, kw_only=True):
    """Stored responses: requests to `/v1/responses` may go on from an earlier one, whichever model answers."""

    store: Annotated[bool, Meta(description="Keep them, with the text of the conversations that led to them.")] = False
    days: Annotated[
        Annotated[int, Meta(ge=1, le=3650)], Meta(description="How long each is kept; then it is deleted.")
    ] = 30


_ALL_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)


class AlertChannel(_Section, frozen=True, kw_only=True):
    """Where alerts go. Which keys belong to which `type` stands with each; secrets are named by variable."""

    type: Annotated[
        Literal["webhook", "slack", "pagerduty", "email"],
        Meta(description="`webhook`: JSON to a URL of your own. `slack`: and whoever takes the same form."),
    ]
    url: Annotated[
        Url | None,
        Meta(description="`webhook`, `slack`: where to. `pagerduty`: instead of the public address."),
    ] = None
    url_env: Annotated[
        EnvName | None,
        Meta(description="`webhook`, `slack`: name of the variable that holds it, where the URL is itself a key."),
    ] = None
    secret_env: Annotated[
        EnvName | None,
        Meta(description="`webhook`: variable of the secret that signs each body (HMAC-SHA256)."),
    ] = None
    key_env: Annotated[EnvName | None, Meta(description="`pagerduty`: variable of the service's routing key.")] = None
    host: Annotated[Label | None, Meta(description="`email`: the SMTP server.")] = None
    port: Annotated[
        Port | None, Meta(description="`email`: its port; otherwise 587, with `security: ssl` 465, with `none` 25.")
    ] = None
    security: Annotated[
        Literal["starttls", "ssl", "none"],
        Meta(description="`email`: encrypt after the greeting, from the first byte, or not at all."),
    ] = "starttls"
    user_env: Annotated[EnvName | None, Meta(description="`email`: variable of the user, to sign in with.")] = None
    password_env: Annotated[EnvName | None, Meta(description="`email`: variable of the password.")] = None
    from_: Annotated[Address | None, Meta(description="`email`: the sender.")] = field(name="from", default=None)
    to: Annotated[tuple[Address, ...], Meta(description="`email`: the recipients.")] = ()
    ca_file: Annotated[
        FilePath | None, Meta(description="PEM file with the authorities to trust; otherwise the system's.")
    ] = None
    proxy: Annotated[
        ProxyUrl | None, Meta(description="All but `email`: proxy for it; otherwise `$HTTPS_PROXY` and friends.")
    ] = None
    kinds: Annotated[
        tuple[AlertKind, ...] | None, Meta(description="Which alerts it gets; otherwise all that there are.")
    ] = None


class Alerts(_Section, frozen=True, kw_only=True):
    """What is told when providers fail, and to whom. Without channels it stands in the log alone."""

    channels: Annotated[dict[str, AlertChannel], Meta(description="Where alerts go, by name.")] = field(
        default_factory=dict
    )
    kinds: Annotated[
        tuple[AlertKind, ...],
        Meta(
            description="Which there are. `breaker_open`: a model is not asked for now. `provider_down`: none of its "
            "models in use is. `route_down`: nobody could answer. `failover_rate`: too many calls leave the primary. "
            "`spend_rate`, `spend_forecast`, `call_cost`, `budget_used`: see the limits below. `unpriced_model`: one "
            "without a price is used. `price_change`: a model in use has another price. `reconciliation_drift`: "
            "`pointsman reconcile --alert` found a bill that the ledger does not bear out."
        ),
    ] = _ALL_KINDS
    failover_share: Annotated[
        Share, Meta(description="Share of a route's calls that fail over, from which on its primary is in question.")
    ] = 0.1
    window: Annotated[Seconds, Meta(description="Over how long that share is taken.")] = 900.0
    least_calls: Annotated[Count, Meta(description="Calls in that time, below which it says nothing.")] = 20
    down_after: Annotated[Count, Meta(description="Calls in a row that nobody could answer: the route is down.")] = 3
    spend_per_hour: Annotated[
        Usd | None, Meta(description="`spend_rate`: US dollars in an hour, from which on that is told.")
    ] = None
    spend_times_usual: Annotated[
        Annotated[float, Meta(ge=1, le=1000)] | None,
        Meta(description="`spend_rate`: the same, as a multiple of an hour's average of the week before."),
    ] = None
    spend_per_month: Annotated[
        Usd | None, Meta(description="`spend_forecast`: US dollars planned for a calendar month (UTC).")
    ] = None
    call_cost: Annotated[Usd | None, Meta(description="`call_cost`: US dollars for one call.")] = None
    budget_shares: Annotated[
        tuple[Share, ...], Meta(description="`budget_used`: shares of a budget from which on its use is told.")
    ] = (0.8, 1.0)
    settle: Annotated[Seconds, Meta(description="How long it has to be over before that is told.")] = 60.0
    reminder: Annotated[Seconds, Meta(description="How often it is told again while it lasts.")] = 14_400.0


class Key(_Section, frozen=True, kw_only=True):
    """A caller's key whose secret is in the environment, beside those of `pointsman keys`."""

    name: Annotated[KeyName, Meta(description="What it is called; in the ledger, `file:NAME`.")]
    env: Annotated[EnvName, Meta(min_length=1, description="Variable with the secret, of at least 20 characters.")]
    old_env: Annotated[
        EnvName | None, Meta(description="Variable with the secret before, which is still good while it stands here.")
    ] = None
    team: Annotated[Name, Meta(description="Which team pays.")] = ""
    project: Annotated[Name, Meta(description="For which project.")] = ""
    allow: Annotated[
        tuple[Allowed, ...],
        Meta(description="Routes and models that it may use, with `*` for any text; all without it."),
    ] = ()
    parallel: Annotated[CountOrNone, Meta(description="Calls at once, over all workers; 0 is no limit.")] = 0
    budgets: Annotated[
        tuple[Limit, ...], Meta(description="What it may use: `[5usd/day, 60requests/minute, 100k tokens/minute]`.")
    ] = ()
    expires: Annotated[
        Ending | None,
        Meta(description="The last day that it is good (UTC), or a moment: `2027-01-31`, `2027-01-31T12:00Z`."),
    ] = None
    role: Annotated[
        Role,
        Meta(
            description="`caller` calls models and sees its own calls; `admin` also sees everybody's and manages keys; "
            "`viewer` sees what an admin sees and does nothing; `metrics` reads `/metrics` alone."
        ),
    ] = "caller"


class Keys(_Section, frozen=True, kw_only=True):
    """Who may call. `keys: required` and `keys: [{name: …}]` are short for one of the two."""

    demand: Annotated[
        Literal["auto", "required"],
        Meta(
            description="`auto`: callers need a key once there is one, and where the server is bound to another "
            "address than loopback. `required`: always."
        ),
    ] = "auto"
    named: Annotated[tuple[Key, ...], Meta(description="Keys that stand here, each with its own name.")] = ()


class Config(_Section, frozen=True, kw_only=True):
    """The whole file. Every key is optional: without a file, providers are on whose key is in the environment."""

    providers: Annotated[dict[str, Provider], Meta(description="Who answers, by name.")] = field(default_factory=dict)
    models: Annotated[dict[str, Model], Meta(description="What they run, by the name that callers use.")] = field(
        default_factory=dict
    )
    routes: Annotated[dict[str, Route], Meta(description="Policies over models, by the name that callers use.")] = (
        field(default_factory=dict)
    )
    budgets: Annotated[
        tuple[Budget, ...], Meta(description="What may be used: by everybody, by a team, a key, a user, for a route.")
    ] = ()
    server: Annotated[Server, Meta(description="Where and how it listens.")] = Server()
    store: Annotated[
        StoreUrl, Meta(description="The ledger: a SQLite file (`~` is the home folder) or a PostgreSQL database.")
    ] = "sqlite:///pointsman.db"
    store_env: Annotated[
        EnvName | None,
        Meta(description="Name of the variable that holds the store's URL, where that contains a password."),
    ] = None
    store_content: Annotated[bool, Meta(description="Keep the text of requests and answers too.")] = False
    responses: Annotated[Responses, Meta(description="Whether responses are stored, to go on from.")] = Responses()
    discover: Annotated[
        bool, Meta(description="Look for Ollama, LM Studio, vLLM and llama.cpp on their usual local ports.")
    ] = True
    local: Annotated[
        Local,
        Meta(description="The embedded model: `true`, `false` or a mapping.", extra={"shorthand": "enabled"}),
    ] = Local()
    prices: Annotated[Prices, Meta(description="How prices are refreshed.")] = Prices()
    alerts: Annotated[Alerts, Meta(description="What is told when providers fail, and to whom.")] = Alerts()
    log: Annotated[Log, Meta(description="What is written to the terminal.")] = Log()
    keys: Annotated[
        Keys,
        Meta(
            description="Who may call: `auto`, `required`, a list of keys, or a mapping.",
            extra={"shorthand": "demand", "list": "named"},
        ),
    ] = Keys()
