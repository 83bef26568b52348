"""Worlds with traffic and sensors, and a planner driving in them. Imports data and below."""
