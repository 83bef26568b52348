"""Worlds of recorded drives: the real map and traffic around an ego that drives by itself. Imports map, ego and data."""
