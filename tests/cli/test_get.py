from __future__ import annotations

import json

BODY = {"model": "auto", "messages": [{"role": "user", "content": "say: hello"}]}


def test_a_list_of_models_without_a_server(command, lab):
    said = command("get", "/v1/models")
    assert (said.code, said.err) == (0, "")
    assert {"auto", "chain", "small"} <= {one["id"] for one in json.loads(said.out)["data"]}


def test_status_and_headers(invoke, lab):
    said = invoke("get", "/health", "-i")
    head, _, body = said.out.partition("\n\n")
    assert head.splitlines()[0] == "HTTP/1.1 200"
    assert "content-type: application/json" in head
    assert json.loads(body)["status"] == "ok"


def test_a_call_is_answered_and_recorded(invoke, lab):
    said = invoke("get", "chat/completions", "-d", json.dumps(BODY))
    assert said.code == 0
    assert json.loads(said.out)["choices"][0]["message"]["content"] == "hello"
    assert json.loads(invoke("get", "/api/calls?limit=1").out)["calls"][0]["asked"] == "auto"


def test_a_stream_comes_as_it_is(invoke, lab):
    said = invoke("get", "/v1/chat/completions", "-d", json.dumps({**BODY, "stream": True}))
    assert said.code == 0
    assert said.out.startswith("data: {")
    assert said.out.rstrip().endswith("data: [DONE]")


def test_a_body_from_a_file_or_from_standard_input(command, lab, folder):
    (folder / "body.json").write_text(json.dumps(BODY), encoding="utf-8")
    for data, stdin in (("@body.json", None), ("-", json.dumps(BODY))):
        said = command("get", "/v1/chat/completions", "-d", data, stdin=stdin)
        assert (said.code, said.err) == (0, "")
        assert "hello" in said.out


def test_anything_but_2xx_is_exit_code_1(invoke, lab):
    missing = invoke("get", "/v1/modls")
    assert (missing.code, missing.err) == (1, "")
    assert json.loads(missing.out)["error"]["code"] == "not_found"
    assert invoke("get", "/v1/chat/completions", "-d", "{").code == 1


def test_a_file_that_cannot_be_read_and_a_header_that_is_none(invoke, lab):
    assert invoke("get", "/", "-d", "@nowhere").code == 2
    said = invoke("get", "/", "-H", "nonsense")
    assert said.code == 2
    assert "`nonsense` is no header" in said.err


def test_keys_are_asked_for_where_they_are_demanded(invoke, lab, folder):
    path = folder / "pointsman.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "keys: required\n", encoding="utf-8")
    assert json.loads(invoke("get", "/v1/models").out)["error"]["code"] == "missing_api_key"
    key = invoke("keys", "create", "ci").out.strip()
    assert invoke("get", "/v1/models", "--key", key).code == 0
