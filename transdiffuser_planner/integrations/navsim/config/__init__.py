"""Hydra's search path for the devkit's scripts: ``hydra.searchpath=[pkg://transdiffuser_planner.integrations.navsim.config]``."""
