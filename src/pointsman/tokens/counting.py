"""`core.counting.Counter`: by vocabulary where there is one, else by characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pointsman.core.chat import Request
from pointsman.core.counting import Counted
from pointsman.core.texts import of_request
from pointsman.tokens.bounds import upper
from pointsman.tokens.families import Family, family_of
from pointsman.tokens.pictures import best_of
from pointsman.tokens.rough import rough
from pointsman.tokens.samples import sampled
from pointsman.tokens.vocabularies import Vocabularies


class TokenCounter:
    """See `core.counting.Counter`.

    Args:
        vocabularies: of the extra `[tokens]`; None counts by characters.
    """

    def __init__(self, vocabularies: Vocabularies | None = None) -> None:
        self._vocabularies = vocabularies

    def prepare(self, models: Iterable[str]) -> None:
        """Load what these models need, where waiting is allowed; of others characters are weighed until it is there."""
        if self._vocabularies is not None:
            self._vocabularies.ready(*{family_of(model).vocabulary for model in models})

    def request(self, request: Request, model: str) -> Counted:
        """See `Counter.request`."""
        family, asked = family_of(model), of_request(request)
        tokens = family.start + family.message * len(request.messages) + self._texts(asked.said, family)
        if asked.tools:
            tokens += family.tools + family.tool * len(request.tools)
            tokens += family.tools_factor * self._texts(asked.tools, family)
        if asked.schema:
            tokens += family.schema * self._texts(asked.schema, family)
        best = max(round(tokens), 1) + sum(best_of(one, model) for one in asked.media)
        bound = upper(request, (*asked.said, *asked.tools, *asked.schema), asked.media, model)
        return Counted(best=best if bound is None else min(best, bound), upper=bound)

    def answer(self, texts: Sequence[str], model: str, *, written: int = 0, calls: int = 0) -> int:
        """See `Counter.answer`."""
        family, length = family_of(model), sum(map(len, texts))
        if not length:
            return round(written * _TOKENS_PER_CHARACTER * family.rough) + round(family.call) * calls
        tokens = self._texts(texts, family) * (written / length if written else 1.0)
        return max(round(tokens + family.ends + family.call * calls), 1)

    def _texts(self, texts: Sequence[str], family: Family) -> float:
        """Tokens of texts alone."""
        counted, times = sampled(texts)
        if self._vocabularies is not None:
            found = self._vocabularies.count(counted, family.vocabulary)
            if found is not None:
                return found * times * family.factor
        return sum(map(rough, counted)) * times * family.rough


_TOKENS_PER_CHARACTER = 0.25
"""Where nothing is known of a text but its length."""
