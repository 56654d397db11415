"""One schema; load, check and watch one `pointsman.yaml`.

    loaded = load(path, os.environ, Known(providers=..., dialects=...))   # or ConfigErrors with all that is wrong
    loaded.config.models["small"].price.input                             # Decimal("0.15"), exactly as written
    loaded.where("models", "small")                                       # "pointsman.yaml:5:3"
    find_model(loaded.config, "gpt-5")                                    # (configured name, entry, name at provider)
    store_url(loaded.config, os.environ)                                  # `store_env` and `~` filled in
    check(loaded, os.environ, look_up, today)                             # findings that are no errors
    async with Watcher(loaded, Source(path=path, env=os.environ), apply, reject, clock) as watcher:
        watcher.status                                                    # version, loaded_at, rejected

The schema is `schema.py`; `document.py` makes the JSON Schema, the reference page and the example from it.
"""

from pointsman.config.check import EmptyCatalogue, End, Finding, LookUp, check
from pointsman.config.crosscheck import Known
from pointsman.config.load import (
    Loaded,
    defaults,
    errors_of,
    expand,
    load,
    load_mapping,
    load_text,
    locate,
    store_url,
)
from pointsman.config.names import find_model, nearest, upstream_name
from pointsman.config.problems import ConfigErrors, text_of
from pointsman.config.schema import (
    Config,
    Local,
    Log,
    Model,
    Price,
    Prices,
    Provider,
    Route,
    Server,
    Timeouts,
    Tls,
)
from pointsman.config.watch import Source, Watcher, WatchStatus

__all__ = [
    "Config",
    "ConfigErrors",
    "EmptyCatalogue",
    "End",
    "Finding",
    "Known",
    "Loaded",
    "Local",
    "Log",
    "LookUp",
    "Model",
    "Price",
    "Prices",
    "Provider",
    "Route",
    "Server",
    "Source",
    "Timeouts",
    "Tls",
    "WatchStatus",
    "Watcher",
    "check",
    "defaults",
    "errors_of",
    "expand",
    "find_model",
    "load",
    "load_mapping",
    "load_text",
    "locate",
    "nearest",
    "store_url",
    "text_of",
    "upstream_name",
]
