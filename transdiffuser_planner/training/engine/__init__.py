"""Trainer, checkpoints, devices, weights. Imports networks and core."""
