"""Crops of traffic light heads: read from folders, drawn, unlit. Imports core."""
