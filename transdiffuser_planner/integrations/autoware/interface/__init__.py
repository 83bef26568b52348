"""Autoware's messages: versions by hash, serialized layouts, inputs to core values. Imports messages."""
