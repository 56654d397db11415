"""Questions with known answers, and whether a model of a given quality gets one right.

A router can be judged only where it is known which model would have been right. The bank holds such questions; the
draw is made from seed, model and question, so that a model always gives the same answer to the same question.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable
from statistics import NormalDist

import msgspec

_CAPITALS = {
    "easy": {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Spain": "Madrid", "Egypt": "Cairo"},
    "medium": {"Australia": "Canberra", "Canada": "Ottawa", "Turkey": "Ankara", "Brazil": "Brasília", "Peru": "Lima"},
    "hard": {"Bhutan": "Thimphu", "Vanuatu": "Port Vila", "Lesotho": "Maseru", "Suriname": "Paramaribo"},
}
_SUMS = {"easy": (2, 20), "medium": (100, 999), "hard": (10_000, 99_999)}
_STANDARD = NormalDist()


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question and its one right answer. `wrong` are plausible mistakes; there is at least one."""

    prompt: str
    answer: str
    wrong: tuple[str, ...] = ("I do not know.",)
    task: str = "facts"
    level: str = "easy"


def builtin_bank(seed: int = 0, sums: int = 20) -> tuple[Question, ...]:
    """Capitals (`facts`) and arithmetic (`math`), each at levels easy, medium and hard.

    Args:
        seed: of the numbers in the arithmetic.
        sums: how many of them for each level.
    """
    questions = []
    for level, capitals in _CAPITALS.items():
        cities = list(capitals.values())
        for country, city in capitals.items():
            wrong = tuple(f"The capital is {other}." for other in cities if other != city)
            prompt = f"What is the capital of {country}?"
            questions.append(Question(prompt=prompt, answer=f"The capital is {city}.", wrong=wrong, level=level))
    rng = random.Random(seed)  # noqa: S311 - a repeatable exercise, not a secret
    for level, (low, high) in _SUMS.items():
        for _ in range(sums):
            a, b = rng.randint(low, high), rng.randint(low, high)
            wrong = tuple(str(a * b + slip) for slip in (1, -1, 10, -10))
            questions.append(
                Question(prompt=f"What is {a} * {b}?", answer=str(a * b), wrong=wrong, task="math", level=level)
            )
    return tuple(questions)


def unit(*parts: str) -> float:
    """A number in (0, 1) that depends on the parts alone."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


class Bank:
    """Looks questions up in prompts and decides who gets them right."""

    def __init__(self, questions: Iterable[Question], seed: int, correlation: float = 0.0) -> None:
        self._by_prompt = {question.prompt: question for question in questions}
        self._seed = str(seed)
        self._correlation = min(max(correlation, 0.0), 1.0)

    def find(self, text: str) -> Question | None:
        """The question that a prompt asks: the prompt is it, or one line of the prompt is."""
        if (question := self._by_prompt.get(text.strip())) is not None or "\n" not in text:
            return question
        return next((q for line in text.splitlines() if (q := self._by_prompt.get(line.strip()))), None)

    def right(self, model: str, question: Question, quality: dict[str, float]) -> bool:
        """Whether this model knows. Probability from `task/level`, else `task`, else `*`, else 1."""
        keys = (f"{question.task}/{question.level}", question.task, "*")
        probability = next((quality[key] for key in keys if key in quality), 1.0)
        if not 0.0 < probability < 1.0:
            return probability >= 1.0
        own = _STANDARD.inv_cdf(unit(self._seed, model, question.prompt))
        shared = _STANDARD.inv_cdf(unit(self._seed, question.prompt))
        rho = self._correlation
        return _STANDARD.cdf(math.sqrt(rho) * shared + math.sqrt(1 - rho) * own) < probability

    def answer(self, model: str, question: Question, quality: dict[str, float]) -> str:
        """What this model answers."""
        if self.right(model, question, quality) or not question.wrong:
            return question.answer
        pick = unit(self._seed, model, question.prompt, "wrong")
        return question.wrong[int(pick * len(question.wrong))]
