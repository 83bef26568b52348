"""Checks of a running planner. Imports ros and doctor."""
