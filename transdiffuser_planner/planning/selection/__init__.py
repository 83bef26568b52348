"""Costs of the candidates and their ranking. Imports core and the folders of planning before it."""
