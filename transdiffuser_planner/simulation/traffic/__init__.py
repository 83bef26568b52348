"""SUMO traffic in a separate process. Imports simulation/map and core."""
