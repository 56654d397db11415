"""Questions over the ledger."""
