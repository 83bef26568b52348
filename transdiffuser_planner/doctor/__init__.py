"""Checks of an installation, a model and a vehicle's messages, each with a remedy. Imports data and below."""
