"""Graphs of a cycle on their own: their calls, their operations, the machine's limit."""
