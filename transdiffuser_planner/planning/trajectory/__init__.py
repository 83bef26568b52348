"""Candidates to drivable motions in the output frame, and how a vehicle follows them. Imports core."""
