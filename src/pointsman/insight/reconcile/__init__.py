"""Comparing the ledger with what providers say that they were asked for: readers of their exports, and the comparison.

`reading` turns a file into `Line`s, `staging` keeps them on disk while the ledger is walked, `comparing` judges,
`reconcile` does it all.
"""
