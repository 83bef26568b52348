"""Sensor logs of Argoverse 2, read from their own folders. Imports data/logs."""
