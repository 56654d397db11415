from __future__ import annotations

import json

import msgspec

from pointsman.core.model import Ability, Price
from pointsman.core.money import picos_per_token
from pointsman.wire.openai_chat.models import Listed, model_body, models_body


def test_the_list_has_openais_shape_and_says_what_is_known(model):
    known = msgspec.structs.replace(
        model,
        context=128_000,
        max_output=16_384,
        tier="economy",
        abilities=Ability.TOOLS | Ability.VISION | Ability.JSON_SCHEMA,
        refused_params=frozenset({"temperature"}),
        price=Price(input=picos_per_token("0.15"), output=picos_per_token(60), cache_read=picos_per_token("0.075")),
        retires="2027-01-01",
        replaced_by="small-2",
    )
    body = json.loads(models_body([Listed(id="small", owner="lab", model=known, created=5)]))
    assert body["object"] == "list"
    entry = body["data"][0]
    assert (entry["id"], entry["object"], entry["created"], entry["owned_by"]) == ("small", "model", 5, "lab")
    assert entry["context_length"] == 128_000
    assert entry["top_provider"]["max_completion_tokens"] == 16_384
    assert entry["pricing"] == {"prompt": "0.00000015", "completion": "0.00006", "input_cache_read": "0.000000075"}
    assert entry["abilities"] == ["tools", "vision", "json_schema"]
    assert entry["architecture"]["input_modalities"] == ["text", "image"]
    assert "tools" in entry["supported_parameters"]
    assert "temperature" not in entry["supported_parameters"]
    assert (entry["deprecated"], entry["retires"], entry["replaced_by"]) == (True, "2027-01-01", "small-2")


def test_what_is_not_known_is_not_claimed_and_never_free(model):
    entry = json.loads(model_body(Listed(id="lab/x", owner="lab", model=model)))
    assert "pricing" not in entry
    assert entry["context_length"] is None
    assert "abilities" not in entry
    route = json.loads(model_body(Listed(id="auto", owner="pointsman", description="chooses")))
    assert route == {"id": "auto", "object": "model", "created": 0, "owned_by": "pointsman", "description": "chooses"}
