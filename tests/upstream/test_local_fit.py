from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.upstream.local import machine
from pointsman.upstream.local.fit import CONTEXT, FAMILIES, QUANTISATIONS, fits, room
from pointsman.upstream.local.machine import Gpu, MachineFacts

GB = 1 << 30
BITS = dict(QUANTISATIONS)


def named(name):
    return next(family for family in FAMILIES if family.name == name)


def where(facts, model):
    return next((fit.place, fit.quantisation) for fit in fits(facts) if fit.model == model)


# Sizes of files as published, in bytes.
@pytest.mark.parametrize(
    ("name", "quantisation", "size"),
    [
        ("Llama 3.2 1B", "Q4_K_M", 0.81e9),
        ("Llama 3.1 8B", "Q4_K_M", 4.92e9),
        ("Llama 3.1 8B", "Q8_0", 8.54e9),
        ("Qwen3 0.6B", "Q8_0", 0.64e9),
        ("Qwen3 8B", "Q4_K_M", 5.03e9),
        ("Phi-4 14B", "Q4_K_M", 9.05e9),
    ],
)
def test_the_sums_come_near_published_files(name, quantisation, size):
    assert named(name).weights(BITS[quantisation]) == pytest.approx(size, rel=0.08)


def test_the_cache_of_a_known_model():
    # Llama 3.1 8B: 32 layers, 8 heads of 128, keys and values, 2 bytes: 128 KiB a token, 1 GiB for 8192.
    assert named("Llama 3.1 8B").cache(8192) == GB
    gemma = named("Gemma 3 27B")
    assert gemma.cache(1024) * 8 > gemma.cache(8192) > gemma.cache(1024), "most layers look back over 1024 only"


def test_a_small_machine_a_large_one_and_one_with_a_card():
    small = MachineFacts(processors=2, memory=4 * GB)
    assert where(small, "SmolLM2 135M") == ("memory", "Q8_0")
    assert where(small, "Llama 3.1 8B")[0] == "nowhere"
    card = MachineFacts(processors=8, memory=16 * GB, gpus=(Gpu(name="x", memory=8 * GB, free=8 * GB),))
    assert where(card, "Llama 3.1 8B") == ("gpu", "Q6_K")
    assert where(card, "Qwen3 14B")[0] == "memory"
    assert where(MachineFacts(processors=8, memory=96 * GB, unified=True), "Llama 3.3 70B") == ("gpu", "Q6_K")


@given(memory=st.integers(0, 200), card=st.integers(0, 100), more=st.integers(0, 50))
def test_more_room_never_fits_less_and_nothing_is_larger_than_its_place(memory, card, more):
    def look(extra):
        cards = (Gpu(name="x", memory=(card + extra) * GB, free=0),) if card else ()
        return MachineFacts(processors=4, memory=(memory + extra) * GB, gpus=cards)

    before, after = fits(look(0)), fits(look(more))
    assert {f.model for f in before if f.place != "nowhere"} <= {f.model for f in after if f.place != "nowhere"}
    on_gpu, in_memory = room(look(0))
    for fit in before:
        assert fit.place == "nowhere" or fit.needs <= (on_gpu if fit.place == "gpu" else in_memory)
        assert fit.needs > fit.download
    assert len(before) == len(FAMILIES)


def test_every_shape_is_sane():
    for family in FAMILIES:
        assert family.embedding < family.parameters
        assert family.needs(4.5, CONTEXT) > family.weights(4.5) > 10_000_000


def test_memory_is_read_within_the_containers_limit(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:       16000 kB\nMemAvailable:    9000 kB\nHuge: 1\n")
    assert machine.memory(tmp_path) == (16000 << 10, 9000 << 10)
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert machine.memory(tmp_path)[0] == 16000 << 10
    (group / "memory.max").write_text("4096000\n")
    assert machine.memory(tmp_path) == (4096000, 4096000)
    assert machine.memory(tmp_path / "none")[0] > 0


async def test_this_machine_has_processors_and_memory():
    facts = await machine.look()
    assert facts.processors >= 1
    assert facts.memory >= facts.available >= 0
    assert facts.memory > 64 << 20


async def test_cards_are_read_from_the_drivers_tool():
    out = "print('NVIDIA A10, 23028, 22500')\nprint('Odd, [N/A], 1')"
    assert await machine.gpus((sys.executable, "-c", out)) == (
        Gpu(name="NVIDIA A10", memory=23028 << 20, free=22500 << 20),
    )
    assert await machine.gpus(("/no/such/tool",)) == ()
    assert await machine.gpus((sys.executable, "-c", "raise SystemExit(9)")) == ()


async def test_a_driver_that_hangs_does_not_hold_us():
    began = time.monotonic()
    assert await machine.gpus((sys.executable, "-c", "import time; time.sleep(30)"), 0.3) == ()
    assert time.monotonic() - began < 3


@given(st.text(max_size=60))
def test_any_text_of_the_driver_is_read(text):
    assert isinstance(machine.parse_smi(text), tuple)
