"""Perception measured on images, lamps and sweeps of real sensors. Imports runtime, data and below."""
