from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from pointsman.testing import Script, SimModel, SimProvider, running
from pointsman.testing.script import Pace

ABOUT = re.compile(r"^  (\S+) → (\S+)   \d+\.\d\d s   (\d+) tokens   (\$0\.\d+|\$0|unpriced)$")


def test_the_answer_goes_to_stdout_and_one_line_about_it_to_stderr(command, lab):
    said = command("ask", "say: hello there")
    assert (said.code, said.out) == (0, "hello there\n")
    found = ABOUT.match(said.err.rstrip("\n"))
    assert found, said.err
    assert found.group(1, 2) == ("auto", "small")
    assert found[4].startswith("$0.0000")


def test_an_unpriced_model_is_said_to_be_unpriced(command, lab):
    said = command("ask", "-m", "lab/anything", "say: x")
    assert said.code in (0, 1)
    if said.code == 0:
        assert said.err.rstrip().endswith("unpriced")


def test_a_failed_first_model_costs_the_answer_nothing(invoke, lab):
    said = invoke("ask", "-m", "chain", "say: hello")
    assert (said.code, said.out) == (0, "hello\n")
    assert "chain → large" in said.err


def test_json_is_one_value_and_nothing_else(invoke, lab):
    said = invoke("ask", "--json", "say: hello")
    assert (said.code, said.err) == (0, "")
    value = json.loads(said.out)
    assert value["text"] == "hello"
    assert value["headers"]["x-pointsman-model"] == "small"
    assert value["seconds"] >= 0


def test_not_streamed(invoke, lab):
    said = invoke("ask", "--no-stream", "say: hello")
    assert (said.code, said.out) == (0, "hello\n")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_question_can_be_piped_in(command, lab, arguments):
    said = command("ask", *arguments, stdin="say: from a pipe\n")
    assert (said.code, said.out.strip()) == (0, "from a pipe")


def test_what_is_piped_in_comes_before_the_question(command, lab):
    said = command("ask", "and now?", "--json", stdin="the log\n")
    assert said.code == 0
    piped = json.loads(said.out)["answer"]["usage"]["prompt_tokens"]
    alone = json.loads(command("ask", "and now?", "--json").out)["answer"]["usage"]["prompt_tokens"]
    assert piped > alone


def test_no_question(invoke, lab):
    said = invoke("ask")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: what is the question?")


def test_no_model_at_all_says_what_to_do(command, nothing):
    for verb in ("ask", "explain"):
        said = command(verb, "hello")
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error: `auto` has no models: none is ready")
        assert "\nhint: set a provider's key" in said.err
        assert "pointsman pull" in said.err
        assert "Traceback" not in said.err


def test_an_unknown_model_gets_the_nearest(invoke, lab):
    said = invoke("ask", "-m", "smal", "hi")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: there is no route or model named `smal`\nhint: did you mean `small`?")


def test_a_dead_provider_says_what_was_tried(invoke, lab):
    said = invoke("ask", "-m", "broken", "hi")
    assert (said.code, said.out) == (1, "")
    assert "broken at dead: connect_failed" in said.err


def test_a_key_that_is_not_set_is_named(invoke, lab):
    said = invoke("ask", "-m", "gpt-mini", "hi")
    assert said.code == 1
    assert "$OPENAI_API_KEY is not set" in said.err


def test_a_reader_that_leaves_cancels_quietly(lab, folder):
    line = f'set -o pipefail; {sys.executable} -m pointsman ask "repeat: {"word " * 2000}" | head -c 5'
    done = subprocess.run(
        ["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "word ")
    assert "Traceback" not in done.stderr


def test_explain_shows_steps_and_what_was_dropped_and_writes_nothing(invoke, lab, folder):
    said = invoke("explain", "-m", "chain", "hi")
    assert said.code == 0
    first, second, third = said.out.splitlines()
    assert re.match(r"1\. broken +chosen +first of the chain", first)
    assert re.match(r"2\. large +fallback$", second)
    assert re.match(r"x  gpt-mini +dropped +\$OPENAI_API_KEY is not set$", third)
    assert not (folder / "ledger.db").exists()


def test_explain_takes_a_whole_request(invoke, lab, folder):
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    (folder / "r.json").write_text(json.dumps(body), encoding="utf-8")
    said = invoke("explain", "--body", "r.json", "--json")
    plan = json.loads(said.out)
    assert [step["model"] for step in plan["steps"]] == ["small", "large"]
    assert plan["strategy"] == "cheapest"


def test_explain_of_a_broken_request(invoke, lab, folder):
    (folder / "r.json").write_text("{", encoding="utf-8")
    said = invoke("explain", "--body", "r.json")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: the body is not JSON")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_question_that_is_broken_off_is_in_the_ledger(number, lab, folder, sim_url):
    slow = SimModel(name="sim-1", pace=Pace(events_per_second=4))
    with running(Script(providers=(SimProvider(name="one", models=(slow,)),))) as sim:
        path = folder / "pointsman.yaml"
        path.write_text(path.read_text().replace(sim_url, sim.url_of("one")))
        command = [sys.executable, "-m", "pointsman", "ask", "-m", "small", "repeat: " + "word " * 50]
        with subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read(1) == "w"
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        assert database.execute("SELECT status FROM calls").fetchall() == [("cancelled",)]
