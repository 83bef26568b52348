"""The lifecycle node of the planner. Imports ros, runtime and messages."""
