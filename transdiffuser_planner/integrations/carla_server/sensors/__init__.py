"""Sensors of CARLA by the simulator's renderers."""
