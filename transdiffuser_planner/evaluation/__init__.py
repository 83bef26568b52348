"""Measures the quality of planners. Imports planners, training, replay, reports and below."""
