"""Suites through real nodes over DDS. Imports evaluation/closed_loop."""
