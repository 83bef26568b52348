"""Nodes for tests: bag player, frame source, recorder, benchmark. Imports ros and below."""
