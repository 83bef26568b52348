"""How good a planner is. Imports planners, training, replay, reports and below."""
