"""Bags, files and lines that a replay writes. Imports replay/metrics and replay/checks."""
