"""What Pointsman remembers: the ledger of calls and the keys, in SQLite or PostgreSQL."""
