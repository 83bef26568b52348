"""Simulated worlds with traffic and sensors, and closed-loop rollouts of planners. Imports data and below."""
