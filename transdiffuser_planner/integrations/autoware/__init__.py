"""Autoware: its topics, messages and vector map around the planner node. Imports ros, runtime, planning and messages."""
