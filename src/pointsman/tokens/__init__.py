"""Tokens counted offline, where no provider has counted them."""
