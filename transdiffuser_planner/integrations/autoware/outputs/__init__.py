"""Plans as Autoware's messages: trajectories, objects, turn indicators, planning factors. Imports route_inputs and interface."""
