"""Perception measured on pictures, lamps and sweeps of real sensors. Imports runtime, data and below."""
