"""Composition: from a configuration to a house that serves."""
