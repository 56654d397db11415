"""The first page: static files over the reading API."""
