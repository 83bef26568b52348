"""A model folder, run in time: planner.py is the story. Imports core, messages and planning."""
