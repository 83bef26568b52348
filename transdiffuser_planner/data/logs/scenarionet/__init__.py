"""Scenarios of ScenarioNet: motion, map and signals of several data sets without sensors. Imports data/logs."""
