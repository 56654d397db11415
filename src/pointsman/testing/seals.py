"""What a provider signs so that it knows it again: thoughts and calls that come back in a later turn."""

from __future__ import annotations

import base64
import hashlib


def seal(model: str, text: str) -> str:
    """A signature: only this model gives it, and only for this text."""
    made = hashlib.blake2b(f"{model}\x1f{text}".encode(), digest_size=48, person=b"pointsman-sim").digest()
    return base64.b64encode(made).decode()
