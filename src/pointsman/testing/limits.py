"""What a provider remembers between requests: what is left of a quota, and which prompt beginnings it has cached."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import msgspec

from pointsman.testing.script import PromptCache, Quota

_MINUTE = 60e9
_BLOCK = 512  # letters, that is 128 tokens, the step in which OpenAI's cache grows
_BLOCK_TOKENS = 128
_REMEMBERED = 10_000


class Bucket:
    """A quota as a token bucket: full at first, filled again evenly over a minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.left = float(per_minute)
        self._at: int | None = None

    def wait(self, amount: int, now: int) -> float:
        """Seconds until `amount` could be taken; 0 if it can be now. `now` in nanoseconds, monotonic."""
        if self._at is not None:
            self.left = min(self.left + (now - self._at) / _MINUTE * self.per_minute, float(self.per_minute))
        self._at = now
        # An amount larger than the bucket is let through when the bucket is full: it would wait for ever.
        missing = min(amount, self.per_minute) - self.left
        return max(missing, 0.0) / self.per_minute * 60.0

    def take(self, amount: int) -> None:
        """Take, after `wait` said 0."""
        self.left -= amount


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of one quota: `kind` is `requests` or `tokens`, `reset` the seconds until it is full again."""

    kind: str
    limit: int
    left: int
    reset: float


class QuotaState:
    """Both buckets of one quota."""

    def __init__(self, quota: Quota) -> None:
        self._requests = Bucket(quota.rpm) if quota.rpm else None
        self._tokens = Bucket(quota.tpm) if quota.tpm else None

    def ask(self, tokens: int, now: int) -> float:
        """Take one request of so many tokens, or say how many seconds to wait."""
        wanted = [(bucket, n) for bucket, n in ((self._requests, 1), (self._tokens, tokens)) if bucket is not None]
        wait = max((bucket.wait(n, now) for bucket, n in wanted), default=0.0)
        if not wait:
            for bucket, n in wanted:
                bucket.take(n)
        return wait

    def left(self) -> list[Left]:
        """For each quota."""
        made = []
        for kind, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                reset = (bucket.per_minute - bucket.left) / bucket.per_minute * 60
                left = Left(kind=kind, limit=bucket.per_minute, left=max(int(bucket.left), 0), reset=max(reset, 0.0))
                made.append(left)
        return made


class PrefixCache:
    """Which beginnings of prompts one model has seen lately."""

    def __init__(self, settings: PromptCache) -> None:
        self._settings = settings
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def hit(self, prompt: str, now: int) -> tuple[int, int]:
        """Tokens of the prompt that come from the cache, and those that go there: it keeps the whole from now on.

        `now` in nanoseconds.
        """
        if len(prompt) < self._settings.min_tokens * _BLOCK // _BLOCK_TOKENS:
            return 0, 0
        cached, unbroken = 0, True
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
            digest.update(prompt[start : start + _BLOCK].encode())
            key = digest.digest()
            unbroken = unbroken and now < self._seen.get(key, -1)
            cached += _BLOCK_TOKENS if unbroken else 0
            self._seen[key] = now + int(self._settings.ttl * 1e9)
            self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if cached < self._settings.min_tokens:
            cached = 0
        return cached, len(prompt) // _BLOCK * _BLOCK_TOKENS - cached
