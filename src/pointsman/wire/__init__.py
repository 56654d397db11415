"""Dialects: what bytes mean, in both directions, whole and streamed."""
