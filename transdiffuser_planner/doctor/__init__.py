"""Checks of an installation, a model and a vehicle's messages, with a remedy each. Imports data and below."""
