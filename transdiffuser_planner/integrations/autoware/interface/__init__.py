"""Autoware's messages: versions by hash, inputs to core values, results to messages. Imports messages and lanelets."""
