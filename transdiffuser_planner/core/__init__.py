"""Vocabulary: types, tensor contract, planner configuration, geometry, rig, vehicle, errors. Imports nothing of the package."""
