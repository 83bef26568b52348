"""Scenes for the PDM score, built from a drive. Imports data/logs and below."""
