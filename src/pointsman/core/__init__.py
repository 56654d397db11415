"""The nouns of Pointsman: frozen values, errors, ports, clock and money; no I/O, nothing of ours imported."""
