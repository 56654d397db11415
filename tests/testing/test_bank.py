"""Quality means what it says."""

from __future__ import annotations

import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from pointsman.testing.bank import Bank, Question, builtin_bank
from pointsman.testing.distributions import Fixed, Lognormal, Mixture, Normal, Part, sample

MANY = [Question(prompt=f"q{n}", answer="yes", wrong=("no",), level="hard" if n % 2 else "easy") for n in range(2000)]


def test_a_model_is_right_as_often_as_its_quality_says():
    bank = Bank(MANY, seed=1, correlation=0.4)
    rates = {}
    for level in ("easy", "hard"):
        asked = [question for question in MANY if question.level == level]
        right = [bank.right("m", question, {"facts/easy": 0.9, "*": 0.3}) for question in asked]
        rates[level] = statistics.mean(right)
    assert abs(rates["easy"] - 0.9) < 0.04
    assert abs(rates["hard"] - 0.3) < 0.05


def test_correlation_makes_models_fail_together():
    def agreement(correlation: float) -> float:
        bank = Bank(MANY, seed=1, correlation=correlation)
        return statistics.mean(bank.right("a", q, {"*": 0.5}) == bank.right("b", q, {"*": 0.5}) for q in MANY)

    assert abs(agreement(0.0) - 0.5) < 0.05
    assert agreement(0.8) > 0.7
    assert agreement(1.0) == 1.0


def test_wrong_answers_are_never_the_right_one():
    bank = Bank(questions := builtin_bank(3), seed=3)
    for question in questions:
        assert bank.answer("m", question, {"*": 1.0}) == question.answer
        assert bank.answer("m", question, {"*": 0.0}) in question.wrong
        assert question.answer not in question.wrong


@given(st.text(), st.floats(0, 1))
def test_any_prompt_can_be_looked_up(text, quality):
    found = Bank(builtin_bank(), seed=0).find(text)
    assert found is None or found.prompt in text


def test_distributions_have_the_middle_they_name():
    rng = random.Random(7)

    def median(distribution) -> float:
        return statistics.median(sample(distribution, rng) for _ in range(4000))

    assert sample(0.25, rng) == sample(Fixed(value=0.25), rng) == 0.25
    assert abs(median(Normal(mean=2.0, sd=0.5)) - 2.0) < 0.05
    assert abs(median(Lognormal(median=0.3, sigma=0.8)) - 0.3) < 0.03
    mixed = Mixture(parts=(Part(weight=9, of=0.1), Part(weight=1, of=Normal(mean=5, sd=0.1))))
    slow = sum(sample(mixed, rng) > 1 for _ in range(4000)) / 4000
    assert abs(slow - 0.1) < 0.03
    assert all(sample(Normal(mean=0, sd=1), rng) >= 0 for _ in range(100))
