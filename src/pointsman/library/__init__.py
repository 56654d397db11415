"""Pointsman as a library: the same line, configuration and ledger in the caller's own process, without HTTP.

    from pointsman import Gateway

    with Gateway() as gateway:
        answer = gateway.chat("What is the capital of France?")
        print(answer.text, answer.model, answer.cost)

Every method has an async twin (`achat`, `astream`). The line runs on an event loop of its own in a thread of its own,
so one gateway serves any number of threads and loops; cancelling the caller's await cancels the call.
"""

from pointsman.library.answer import Answer
from pointsman.library.gateway import Gateway
from pointsman.library.stream import Stream

__all__ = ["Answer", "Gateway", "Stream"]
