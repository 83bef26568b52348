"""Serialized messages as the middleware and bags carry them. Imports core and messages."""
