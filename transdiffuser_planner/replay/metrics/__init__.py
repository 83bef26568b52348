"""Metrics of replayed plans. Imports data and metrics."""
