"""Carries encoded requests to providers and their bytes back; see README.md."""
