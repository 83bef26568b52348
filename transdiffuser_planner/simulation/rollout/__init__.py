"""Closed-loop rollouts in lockstep and the planner interface. Imports the rest of simulation."""
