"""Ego vehicle: dynamics, expert driver, perturbed starts. Imports simulation/map and core."""
