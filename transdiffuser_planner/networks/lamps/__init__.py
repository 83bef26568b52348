"""Classifier of crops of traffic light heads. Imports core."""
