"""Logs of OpenScene, nuPlan at 2 Hz as NAVSIM uses it. Imports data/logs."""
