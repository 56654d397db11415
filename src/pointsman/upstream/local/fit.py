"""Which well-known open models fit a machine, in which quantisation: arithmetic over a table, no measuring.

Memory = weights + keys and values of the context + working room. Weights are parameters times bits; the embedding
table is kept at six bits or more by llama.cpp's quantiser. Within about 20 % of the files as published, worst for
models below a billion parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from pointsman.upstream.local.machine import MachineFacts

Place = Literal["gpu", "memory", "nowhere"]

CONTEXT = 8192
"""Tokens of context that the sums assume."""

# Mean bits per parameter of llama.cpp's quantisations, best first.
QUANTISATIONS: tuple[tuple[str, float], ...] = (("Q8_0", 8.5), ("Q6_K", 6.56), ("Q5_K_M", 5.69), ("Q4_K_M", 4.85))
_EMBEDDING_BITS = 6.56
_MXFP4 = (("MXFP4", 4.5),)
_CACHE_BYTES = 2  # keys and values are kept as 16-bit floats
_ROOM = 350 << 20  # graph, buffers, the server itself
_SYSTEM = 1536 << 20  # left to everybody else on a machine without a GPU
_GPU_SPARE = 512 << 20  # left to the display and the driver
_UNIFIED_SHARE = 0.7  # what the system lets a GPU have of a unified memory


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of one model: what its memory depends on.

    Attributes:
        name: as published.
        parameters, embedding: in millions; the second is vocabulary times width, part of the first.
        layers, kv_heads, head: of attention; `head` in numbers per head.
        window: tokens that most layers look back, 0 for all.
        every: with a window, one layer in so many looks back over everything.
        active: parameters at work for one token, in millions, where not all are.
        quantisations: those it is published in.
        licence: short.
    """

    name: str
    parameters: int
    embedding: int
    layers: int
    kv_heads: int
    head: int
    window: int = 0
    every: int = 1
    active: int = 0
    quantisations: tuple[tuple[str, float], ...] = QUANTISATIONS
    licence: str = "Apache-2.0"

    def weights(self, bits: float) -> int:
        """Bytes of the weights at so many bits per parameter."""
        table = self.embedding * max(bits, _EMBEDDING_BITS)
        return int(((self.parameters - self.embedding) * bits + table) * 1_000_000 / 8)

    def cache(self, context: int) -> int:
        """Bytes of keys and values for a context in tokens."""
        per_layer = 2 * self.kv_heads * self.head * _CACHE_BYTES
        whole = -(-self.layers // self.every) if self.window else self.layers
        short = self.layers - whole
        return per_layer * (whole * context + short * min(context, self.window))

    def needs(self, bits: float, context: int) -> int:
        """Bytes in all."""
        return self.weights(bits) + self.cache(context) + _ROOM


def _family(name: str, size: tuple[int, int], attention: tuple[int, int, int], licence: str = "Apache-2.0") -> Family:
    layers, kv_heads, head = attention
    return Family(
        name=name,
        parameters=size[0],
        embedding=size[1],
        layers=layers,
        kv_heads=kv_heads,
        head=head,
        licence=licence,
    )


def _gemma(name: str, size: tuple[int, int], attention: tuple[int, int, int]) -> Family:
    return msgspec.structs.replace(_family(name, size, attention, "Gemma"), window=1024, every=6)


def _gpt_oss(name: str, size: tuple[int, int], layers: int, active: int) -> Family:
    return msgspec.structs.replace(
        _family(name, size, (layers, 8, 64)), window=128, every=2, active=active, quantisations=_MXFP4
    )


# From the published configuration files; parameters and embedding in millions.
FAMILIES: tuple[Family, ...] = (
    _family("SmolLM2 135M", (135, 28), (30, 3, 64)),
    _family("SmolLM2 360M", (362, 47), (32, 5, 64)),
    _family("SmolLM2 1.7B", (1711, 101), (24, 32, 64)),
    _family("Qwen3 0.6B", (596, 156), (28, 8, 128)),
    _family("Qwen3 1.7B", (1720, 311), (28, 8, 128)),
    _family("Qwen3 4B", (4022, 389), (36, 8, 128)),
    _family("Qwen3 8B", (8191, 622), (36, 8, 128)),
    _family("Qwen3 14B", (14768, 778), (40, 8, 128)),
    _family("Qwen3 32B", (32762, 778), (64, 8, 128)),
    msgspec.structs.replace(_family("Qwen3 30B-A3B", (30532, 311), (48, 4, 128)), active=3300),
    _family("Llama 3.2 1B", (1236, 263), (16, 8, 64), "Llama 3.2"),
    _family("Llama 3.2 3B", (3213, 394), (28, 8, 128), "Llama 3.2"),
    _family("Llama 3.1 8B", (8030, 525), (32, 8, 128), "Llama 3.1"),
    _family("Llama 3.3 70B", (70554, 1051), (80, 8, 128), "Llama 3.3"),
    _gemma("Gemma 3 1B", (1000, 302), (26, 1, 256)),
    _gemma("Gemma 3 4B", (3880, 671), (34, 4, 256)),
    _gemma("Gemma 3 12B", (11766, 1007), (48, 8, 256)),
    _gemma("Gemma 3 27B", (27009, 1409), (62, 16, 128)),
    _family("Phi-4 14B", (14660, 514), (40, 10, 128), "MIT"),
    _family("Mistral Small 24B", (23572, 671), (40, 8, 128)),
    _gpt_oss("gpt-oss 20B", (20914, 579), 24, 3600),
    _gpt_oss("gpt-oss 120B", (116829, 579), 36, 5100),
)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Where one model fits, in the best quantisation that does; sizes in bytes.

    `needs` and `download` are those of the smallest quantisation where nothing fits.
    """

    model: str
    place: Place
    quantisation: str
    needs: int
    download: int
    licence: str


def room(machine: MachineFacts) -> tuple[int, int]:
    """Bytes that a model may take: on the GPUs together, and in memory."""
    if machine.unified:
        return int(machine.memory * _UNIFIED_SHARE), 0
    on_gpu = sum(max(gpu.memory - _GPU_SPARE, 0) for gpu in machine.gpus)
    return on_gpu, max(machine.memory - _SYSTEM, 0)


def fits(machine: MachineFacts, families: Iterable[Family] = FAMILIES, context: int = CONTEXT) -> tuple[Fit, ...]:
    """Every model of the table with the best place and quantisation for it, largest that fits first."""
    places = room(machine)
    found = [_best(family, places, context) for family in families]
    return tuple(sorted(found, key=lambda fit: (fit.place == "nowhere", -fit.download)))


def _best(family: Family, places: tuple[int, int], context: int) -> Fit:
    """A GPU with fewer bits goes before memory with more: it is ten times as fast."""
    names: tuple[Place, Place] = ("gpu", "memory")
    for place, available in zip(names, places, strict=True):
        for quantisation, bits in family.quantisations:
            if family.needs(bits, context) <= available:
                return _fit(family, place, quantisation, bits, context)
    quantisation, bits = family.quantisations[-1]
    return _fit(family, "nowhere", quantisation, bits, context)


def _fit(family: Family, place: Place, quantisation: str, bits: float, context: int) -> Fit:
    return Fit(
        model=family.name,
        place=place,
        quantisation=quantisation,
        needs=family.needs(bits, context),
        download=family.weights(bits),
        licence=family.licence,
    )
