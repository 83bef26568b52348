"""Samples to batches: loading and augmentation. Imports data."""
