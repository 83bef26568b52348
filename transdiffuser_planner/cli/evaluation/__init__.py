"""The kinds of ``evaluate``."""
