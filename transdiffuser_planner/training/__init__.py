"""Samples to a model folder. Imports simulation, data, networks and below; imports torch."""
