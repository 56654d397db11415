from __future__ import annotations

import json

import msgspec
import pytest

from pointsman.core.chat import Reasoning
from pointsman.core.errors import UnsupportedParameter
from pointsman.wire.openai_responses.seals import seal_of


def test_only_the_models_name_changes(asking, dialect, model):
    incoming = asking(store=False, unknown={"a": [1]}, prompt_cache_key="k")
    sent = dialect.write_request(incoming, model)
    assert json.loads(sent.body) == {
        "model": "small-1",
        "input": "hi",
        "stream": True,
        "store": False,
        "unknown": {"a": [1]},
        "prompt_cache_key": "k",
    }
    assert (sent.path, sent.dialect, sent.dropped) == ("/responses", "openai-responses", ())


def test_a_count_is_asked_for_at_its_own_path(asking, dialect, model):
    assert dialect.write_request(asking(surface="responses.input_tokens"), model).path == "/responses/input_tokens"


def test_default_parameters_and_refused_ones(asking, dialect, model):
    tuned = msgspec.structs.replace(
        model,
        params=(("temperature", msgspec.Raw(b"0.1")), ("top_p", msgspec.Raw(b"1"))),
        refused_params=frozenset({"user"}),
    )
    sent = dialect.write_request(asking(temperature=0.9, user="u"), tuned)
    body = json.loads(sent.body)
    assert (body["temperature"], body["top_p"]) == (0.9, 1)
    assert "user" not in body
    assert [one.path for one in sent.dropped] == ["user"]
    strict = msgspec.structs.replace(tuned, param_policy="refuse")
    with pytest.raises(UnsupportedParameter, match="`user`"):
        dialect.write_request(asking(user="u"), strict)


def test_thinking_of_other_makers_does_not_reach_a_provider_that_cannot_read_it(asking, dialect, model):
    """A conversation goes on at OpenAI after some turns at another provider, whose thinking Codex sends along."""
    seal = seal_of(Reasoning(text="hm", signature="sig", maker="anthropic-messages/claude"))
    theirs = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": seal}
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    said = {"role": "user", "content": 'the text "pm1. is no seal'}
    sent = dialect.write_request(asking(input=[said, theirs, own]), model)
    assert json.loads(sent.body)["input"] == [said, own]
    assert [one.path for one in sent.dropped] == ["input[1]"]
