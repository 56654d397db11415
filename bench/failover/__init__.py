"""Every way in which a provider fails, end to end over real sockets: what the caller gets, and what it costs.

    python -m bench.failover [--row NAME] [--dialect openai-chat] [--markdown]

The rows are the faults of the simulator and those that only a place on the network can show (`rows`). Each is run whole
and streamed, for a caller of each dialect, before a second, healthy provider (`two`), with nobody else to ask
(`alone`), and with nobody else but a provider that is well again after its first failure (`once`): each such cell has
providers of its own in one gateway, so that no cell's breakers touch another's.
"""
