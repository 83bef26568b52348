"""SUMO traffic in a process of its own. Imports simulation/map and core."""
